/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/list.h"
#include "io/tls/sign.h"
#include "keys/messages.h"
#include "keys/remote.h"
#include "keys/remote_int.h"

#define NS_PER_S UINT64_C(1000000000)
#define CONNECT_PAUSE_NS (NS_PER_S / 20) /* between tries at start-up */
#define CONNECT_TRIES 200u
#define SYNC_SECONDS_MAX INT64_C(3600) /* of the pause until keys are asked for again */
#define KEYS_MAX 64u
#define KEY_ID_BYTES_MAX 1024u
#define KEYS_BYTES_MAX ((size_t)4 << 20)
#define SECONDS_MIN INT64_C(600)

typedef struct remote_signer {
	sp_signer base;
	sp_world *world;
	sp_log *log;
	remote_channel channel;
	sp_list flights, waiting; /* waiting: signed by a key that is not known yet */
	sp_arena arena;           /* of the keys */
	sp_signer_key keys[KEYS_MAX];
	sp_grpc_rpc fetch, metadata;
	sp_timer timer;
	bool opening;
	unsigned n_tries;
	sp_code code; /* of opening */
	sp_err why;
} remote_signer;

typedef struct flight {
	sp_list node;
	remote_signer *signer;
	sp_sign_call *call;
	sp_grpc_rpc rpc;
	sp_defer failed;
	sp_err why;
	sp_arena arena; /* of the answer while it waits for keys */
	sp_str header, signature, kid;
} flight;

static void fetch_start(remote_signer *r);

/* ---- keys ---- */

static sp_code to_pem(sp_arena *a, sp_str der, sp_str *ret, sp_err *err)
{
	SP_AUTO_BUF text, pem;
	sp_buf_init(&text, 16384);
	sp_buf_init(&pem, 32768);
	(void)sp_base64_append(&text, der.ptr, der.len);
	(void)sp_buf_str(&pem, SP_STR("-----BEGIN PUBLIC KEY-----\n"));
	for (size_t at = 0; at < text.len; at += 64) {
		(void)sp_buf_str(&pem, sp_str_sub(sp_buf_view(&text), at, SP_MIN(at + 64, text.len)));
		(void)sp_buf_char(&pem, '\n');
	}
	(void)sp_buf_str(&pem, SP_STR("-----END PUBLIC KEY-----\n"));
	*ret = sp_arena_try_dup(a, sp_buf_view(&pem));
	if (sp_buf_code(&text) != SP_OK || sp_buf_code(&pem) != SP_OK || ret->ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "a key is too large");
	return SP_OK;
}

static sp_code take_key(sp_arena *a, const keys_public_key *from, sp_signer_key *to, sp_err *err)
{
	SP_AUTO_KEY key = NULL;
	sp_jws_alg alg;
	if (from->id.len == 0 || from->id.len > KEY_ID_BYTES_MAX)
		return sp_fail(err, SP_EINVAL, "a key's id is empty or longer than %u bytes",
			       KEY_ID_BYTES_MAX);
	to->id = sp_arena_try_dup(a, from->id);
	to->hidden = from->hidden;
	if (to->id.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a key");
	SP_TRY(to_pem(a, from->der, &to->pem, err));
	SP_TRY(sp_key_parse_public(to->pem, &key, err));
	return sp_jws_alg_of(key, &alg, err);
}

static bool are_equal(const remote_signer *r, const sp_signer_key *keys, size_t n)
{
	if (n != r->base.n_keys)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!sp_str_eq(keys[i].id, r->keys[i].id) || !sp_str_eq(keys[i].pem, r->keys[i].pem) ||
		    keys[i].hidden != r->keys[i].hidden)
			return false;
	}
	return true;
}

/* All of them or none: what is no set of keys leaves the last one in use. */
static sp_code take_keys(remote_signer *r, sp_str payload, int64_t *ret_refresh_s, sp_err *err)
{
	keys_fetch_response a;
	sp_signer_key keys[KEYS_MAX] = {0};
	sp_arena arena;
	sp_arena_init(&arena, KEYS_BYTES_MAX);
	sp_code code = sp_pb_decode(&keys_fetch_response_message, payload, &arena, &a, err);
	if (code == SP_OK && (a.keys.n == 0 || a.keys.n > KEYS_MAX))
		code = sp_fail(err, SP_EINVAL, "the signer has %zu keys", a.keys.n);
	if (code == SP_OK && a.refresh_s <= 0)
		code = sp_fail(err, SP_EINVAL, "the signer says no time after which to ask again");
	for (size_t i = 0; code == SP_OK && i < a.keys.n; i++)
		code = take_key(&arena, &a.keys.at[i], &keys[i], err);
	if (code != SP_OK || are_equal(r, keys, a.keys.n)) {
		if (code == SP_OK)
			*ret_refresh_s = a.refresh_s;
		sp_arena_done(&arena);
		return code;
	}
	*ret_refresh_s = a.refresh_s;
	sp_arena_done(&r->arena);
	r->arena = arena;
	memcpy(r->keys, keys, a.keys.n * sizeof *keys);
	r->base.n_keys = a.keys.n;
	r->base.generation++;
	return SP_OK;
}

static bool is_known(const remote_signer *r, sp_str kid)
{
	for (size_t i = 0; i < r->base.n_keys; i++) {
		if (sp_str_eq(r->keys[i].id, kid))
			return true;
	}
	return false;
}

/* ---- signatures ---- */

static void end(flight *f, const sp_err *err)
{
	sp_sign_call *call = f->call;
	sp_arena arena = f->arena;
	sp_err why = err == NULL ? (sp_err){0} : *err;
	sp_str header = f->header, signature = f->signature;
	sp_list_remove(&f->node);
	sp_defer_cancel(&f->failed);
	sp_free(f);
	call->done(call, header, signature, err == NULL ? NULL : &why);
	sp_arena_done(&arena);
}

static void on_failed(sp_defer *d)
{
	flight *f = d->arg;
	end(f, &f->why);
}

/* As upstream checks it: only these members, a type, a known algorithm, a name of a key. */
static sp_code read_header(flight *f, sp_err *err)
{
	static const sp_str members[] = {SP_STR_INIT("alg"), SP_STR_INIT("kid"), SP_STR_INIT("typ")};
	size_t n = 0, i, count, n_known = 0;
	yyjson_val *root, *key, *value;
	uint8_t *json = sp_arena_try_alloc(&f->arena, f->header.len + 2);
	if (json == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a header");
	SP_TRY(sp_base64url_decode(f->header, json, &n, err));
	SP_TRY(sp_json_parse(&f->arena, (sp_str){(const char *)json, n}, &root, err));
	yyjson_obj_foreach(root, i, count, key, value)
	{
		for (size_t k = 0; k < SP_LEN(members); k++)
			n_known += sp_str_eq(sp_json_str(key), members[k]);
	}
	if (!yyjson_is_obj(root) || n_known != yyjson_obj_size(root))
		return sp_fail(err, SP_EINVAL, "while parsing header JSON: unknown field");
	if (!sp_str_eq(sp_json_str(sp_json_last(root, SP_STR("typ"))), SP_STR("JWT")))
		return sp_fail(err, SP_EINVAL, "bad type");
	f->kid = sp_json_str(sp_json_last(root, SP_STR("kid")));
	if (f->kid.len == 0)
		return sp_fail(err, SP_EINVAL, "key id missing");
	if (f->kid.len > KEY_ID_BYTES_MAX)
		return sp_fail(err, SP_EINVAL, "key id longer than 1 kb");
	sp_str alg = sp_json_str(sp_json_last(root, SP_STR("alg")));
	for (sp_jws_alg k = 0; k < SP_JWS_COUNT_; k++) {
		if (sp_str_eq(alg, sp_jws_name(k)))
			return SP_OK;
	}
	return sp_fail(err, SP_EINVAL, "bad signing algorithm \"" SP_FMT "\"", SP_ARG(alg));
}

static sp_code read_answer(flight *f, sp_str payload, sp_err *err)
{
	keys_sign_response a;
	SP_TRY(sp_pb_decode(&keys_sign_response_message, payload, &f->arena, &a, err));
	f->header = sp_arena_try_dup(&f->arena, a.header);
	f->signature = sp_arena_try_dup(&f->arena, a.signature);
	if (a.header.len == 0 || f->header.ptr == NULL)
		return sp_fail(err, SP_EINVAL, "while validating header: empty header returned");
	if (read_header(f, err) != SP_OK)
		return sp_wrap(err, "while validating header");
	if (f->signature.len == 0)
		return sp_fail(err, SP_EINVAL, "empty signature returned");
	return SP_OK;
}

static void on_signed(sp_grpc_rpc *rpc, const sp_grpc_status *status, sp_str payload)
{
	flight *f = rpc->arg;
	remote_signer *r = f->signer;
	sp_err err = {0};
	if (status->code != SP_RPC_OK) {
		remote_status(status, &err);
		(void)sp_wrap(&err, "while signing jwt");
		end(f, &err);
	} else if (read_answer(f, payload, &err) != SP_OK) {
		end(f, &err);
	} else if (is_known(r, f->kid)) {
		end(f, NULL);
	} else { /* a new key: nobody gets a token of its that we could not verify */
		sp_list_remove(&f->node);
		sp_list_push_back(&r->waiting, &f->node);
		fetch_start(r);
	}
}

static void sign(sp_signer *s, sp_sign_call *c)
{
	remote_signer *r = SP_CONTAINER_OF(s, remote_signer, base);
	flight *f = SP_NEW(flight);
	SP_AUTO_BUF body;
	*f = (flight){.signer = r, .call = c, .rpc = {.on_end = on_signed, .arg = f}};
	sp_defer_init(&f->failed, on_failed, f);
	sp_arena_init(&f->arena, KEYS_MESSAGE_BYTES);
	sp_list_push_back(&r->flights, &f->node);
	sp_buf_init(&body, KEYS_MESSAGE_BYTES);
	sp_pb_encode(&keys_sign_request_message, &(keys_sign_request){c->claims}, &body);
	sp_code code = sp_buf_code(&body) == SP_OK
			       ? SP_OK
			       : sp_fail(&f->why, SP_ETOOLARGE, "the claims are too large");
	if (code == SP_OK)
		code = sp_grpc_rpc_start(&r->channel.channel, &f->rpc,
					 &(sp_grpc_rpc_opts){.service = KEYS_TOKENS_SERVICE,
							     .method = SP_STR("Sign"),
							     .payload = sp_buf_view(&body),
							     .timeout_ns = REMOTE_TIMEOUT_NS},
					 &f->why);
	if (code != SP_OK)
		sp_defer_call(r->world, &f->failed);
}

/* ---- asking for keys ---- */

static void settle_waiting(remote_signer *r, const sp_err *fetch_err)
{
	SP_LIST_FOREACH (n, &r->waiting) {
		flight *f = SP_CONTAINER_OF(n, flight, node);
		sp_err err = {0};
		if (is_known(r, f->kid)) {
			end(f, NULL);
			continue;
		}
		if (fetch_err != NULL)
			err = *fetch_err;
		else
			(void)sp_fail(&err, SP_EINVAL, "the key '" SP_FMT "' is not among the signer's",
				      SP_ARG(f->kid));
		end(f, &err);
	}
}

static void opened(remote_signer *r, sp_code code, const sp_err *err)
{
	r->opening = false;
	r->code = code;
	if (err != NULL)
		r->why = *err;
	sp_world_stop(r->world);
}

static void on_metadata(sp_grpc_rpc *rpc, const sp_grpc_status *status, sp_str payload)
{
	remote_signer *r = rpc->arg;
	keys_metadata_response a;
	sp_arena arena;
	sp_err err = {0};
	sp_code code = SP_OK;
	if (status->code != SP_RPC_OK) {
		remote_status(status, &err);
		opened(r, err.code, &err);
		return;
	}
	sp_arena_init(&arena, KEYS_MESSAGE_BYTES);
	code = sp_pb_decode(&keys_metadata_response_message, payload, &arena, &a, &err);
	sp_arena_done(&arena);
	if (code == SP_OK && a.max_expiration_s < SECONDS_MIN)
		code = sp_fail(
			&err, SP_EINVAL,
			"max token life supported by external-jwt-signer (%llds) is less than acceptable "
			"(min %llds)",
			(long long)a.max_expiration_s, (long long)SECONDS_MIN);
	if (code == SP_OK)
		r->base.max_expiration_s = a.max_expiration_s;
	opened(r, code, code == SP_OK ? NULL : &err);
}

static void ask_metadata(remote_signer *r)
{
	sp_err err = {0};
	sp_code code = sp_grpc_rpc_start(&r->channel.channel, &r->metadata,
					 &(sp_grpc_rpc_opts){.service = KEYS_TOKENS_SERVICE,
							     .method = SP_STR("Metadata"),
							     .timeout_ns = REMOTE_TIMEOUT_NS},
					 &err);
	if (code != SP_OK)
		opened(r, code, &err);
}

static void on_time(sp_timer *t)
{
	fetch_start(t->arg);
}

static void fetched(remote_signer *r, sp_code code, int64_t refresh_s, const sp_err *err)
{
	uint64_t pause_ns = (uint64_t)SP_MIN(refresh_s, SYNC_SECONDS_MAX) * NS_PER_S;
	settle_waiting(r, code == SP_OK ? NULL : err);
	if (!r->opening) {
		if (code != SP_OK)
			sp_log(r->log, SP_LOG_WARN, "keys of tokens not refreshed, the old ones stay in use",
			       SP_KE(err));
		sp_timer_start(r->world, &r->timer, pause_ns, on_time);
	} else if (code == SP_EUNAVAILABLE && ++r->n_tries < CONNECT_TRIES) {
		sp_timer_start(r->world, &r->timer, CONNECT_PAUSE_NS, on_time);
	} else if (code != SP_OK) {
		opened(r, code, err);
	} else {
		sp_timer_start(r->world, &r->timer, pause_ns, on_time);
		ask_metadata(r);
	}
}

static void on_fetched(sp_grpc_rpc *rpc, const sp_grpc_status *status, sp_str payload)
{
	remote_signer *r = rpc->arg;
	sp_err err = {0};
	int64_t refresh_s = 60;
	sp_code code = SP_OK;
	if (status->code != SP_RPC_OK) {
		remote_status(status, &err);
		code = err.code;
	} else {
		code = take_keys(r, payload, &refresh_s, &err);
	}
	fetched(r, code, refresh_s, &err);
}

static void fetch_start(remote_signer *r)
{
	sp_err err = {0};
	if (sp_grpc_rpc_is_open(&r->fetch))
		return;
	sp_code code = sp_grpc_rpc_start(&r->channel.channel, &r->fetch,
					 &(sp_grpc_rpc_opts){.service = KEYS_TOKENS_SERVICE,
							     .method = SP_STR("FetchKeys"),
							     .timeout_ns = REMOTE_TIMEOUT_NS},
					 &err);
	if (code != SP_OK)
		fetched(r, code, 60, &err);
}

/* ---- open and close ---- */

static void end_all(sp_list *flights, const sp_err *err)
{
	SP_LIST_FOREACH (n, flights) {
		flight *f = SP_CONTAINER_OF(n, flight, node);
		sp_grpc_rpc_cancel(&f->rpc);
		end(f, err);
	}
}

static void free_signer(sp_signer *s)
{
	remote_signer *r = SP_CONTAINER_OF(s, remote_signer, base);
	sp_err err;
	(void)sp_fail(&err, SP_ECANCELED, "the signer is closed");
	end_all(&r->flights, &err);
	end_all(&r->waiting, &err);
	sp_timer_stop(r->world, &r->timer);
	sp_grpc_rpc_cancel(&r->fetch);
	sp_grpc_rpc_cancel(&r->metadata);
	remote_channel_done(r->world, &r->channel);
	sp_arena_done(&r->arena);
	sp_free(r);
}

sp_code keys_remote_signer_open(sp_world *w, sp_log *log, sp_str path, sp_signer **ret, sp_err *err)
{
	remote_signer *r = SP_NEW(remote_signer);
	*r = (remote_signer){.world = w,
			     .log = log,
			     .opening = true,
			     .fetch = {.on_end = on_fetched, .arg = r},
			     .metadata = {.on_end = on_metadata, .arg = r},
			     .timer = {.arg = r}};
	r->base = (sp_signer){.sign = sign, .free = free_signer, .keys = r->keys};
	sp_list_init(&r->flights);
	sp_list_init(&r->waiting);
	sp_arena_init(&r->arena, KEYS_BYTES_MAX);
	r->code = remote_channel_open(w, path, &r->channel, &r->why);
	if (r->code == SP_OK) {
		fetch_start(r);
		while (r->opening)
			sp_world_run(w);
	}
	if (r->code != SP_OK) {
		sp_code code = r->code;
		if (err != NULL)
			*err = r->why;
		free_signer(&r->base);
		return code == SP_OK ? SP_OK : sp_wrap(err, "signer of tokens at '" SP_FMT "'", SP_ARG(path));
	}
	*ret = &r->base;
	return SP_OK;
}
