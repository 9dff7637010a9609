/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/server.h"

#include "base/alloc.h"
#include "io/grpc.h"
#include "keys/messages.h"

#define GRACE_NS UINT64_C(1000000000)
#define NS_PER_S INT64_C(1000000000)
#define SOCKET_MODE 0666u /* who may speak is decided by the peer's credentials */

struct keys_server {
	sp_world *world;
	keys_vault *vault;
	sp_log *log;
	sp_grpc_server *grpc;
	sp_http_server *http;
	sp_listener *listener;
	sp_grpc_service services[2];
	uint32_t users[KEYS_USERS_MAX];
	size_t n_users;
	void (*on_closed)(void *arg);
	void *closed_arg;
};

/* Everything is answered at once: signing takes tens of microseconds. */
static void answer(sp_grpc_call *call, const sp_pb_message *m, const void *response)
{
	sp_err err;
	SP_AUTO_BUF out;
	sp_buf_init(&out, KEYS_MESSAGE_BYTES);
	sp_pb_encode(m, response, &out);
	if (sp_buf_code(&out) == SP_OK) {
		sp_grpc_call_finish(call, NULL, sp_buf_view(&out));
		return;
	}
	(void)sp_fail(&err, SP_ETOOLARGE, "the answer is too large");
	sp_grpc_call_fail(call, &err);
}

/* ---- tokens ---- */

static void on_sign(void *arg, sp_grpc_call *call, sp_str payload)
{
	const keys_server *s = arg;
	keys_sign_request q;
	sp_err err = {0};
	SP_AUTO_BUF header, signature;
	sp_buf_init(&header, 8192);
	sp_buf_init(&signature, 8192);
	sp_code code = sp_pb_decode(&keys_sign_request_message, payload, sp_grpc_call_arena(call), &q, &err);
	if (code == SP_OK && q.claims.len == 0)
		code = sp_fail(&err, SP_EINVAL, "there are no claims");
	if (code == SP_OK)
		code = keys_vault_sign(s->vault, q.claims, &header, &signature, &err);
	if (code != SP_OK) {
		sp_grpc_call_fail(call, &err);
		return;
	}
	const keys_sign_response a = {sp_buf_view(&header), sp_buf_view(&signature)};
	answer(call, &keys_sign_response_message, &a);
}

static void on_fetch(void *arg, sp_grpc_call *call, sp_str payload)
{
	const keys_server *s = arg;
	const keys_vault_key *keys;
	keys_public_key list[KEYS_VAULT_KEYS_MAX];
	int64_t now = sp_wall_ns(s->world);
	keys_timestamp at = {now / NS_PER_S, (int32_t)(now % NS_PER_S)};
	keys_fetch_response a = {.at = &at, .refresh_s = KEYS_REFRESH_SECONDS};
	(void)payload; /* without fields */
	a.keys.at = list;
	a.keys.n = keys_vault_keys(s->vault, &keys);
	for (size_t i = 0; i < a.keys.n; i++)
		list[i] = (keys_public_key){.id = keys[i].id, .der = keys[i].der};
	answer(call, &keys_fetch_response_message, &a);
}

static void on_metadata(void *arg, sp_grpc_call *call, sp_str payload)
{
	const keys_metadata_response a = {KEYS_TOKEN_SECONDS_MAX};
	(void)arg;
	(void)payload;
	answer(call, &keys_metadata_response_message, &a);
}

static const sp_grpc_method token_methods[] = {
	{.name = SP_STR_INIT("Sign"), .on_call = on_sign},
	{.name = SP_STR_INIT("FetchKeys"), .on_call = on_fetch},
	{.name = SP_STR_INIT("Metadata"), .on_call = on_metadata},
};

/* ---- certificates ---- */

static void on_certify(void *arg, sp_grpc_call *call, sp_str payload)
{
	const keys_server *s = arg;
	keys_cert_request q;
	sp_err err = {0};
	SP_AUTO_BUF pem;
	sp_buf_init(&pem, KEYS_MESSAGE_BYTES / 2);
	sp_code code = sp_pb_decode(&keys_cert_request_message, payload, sp_grpc_call_arena(call), &q, &err);
	if (code == SP_OK) {
		const keys_vault_request r = {.pem = q.request,
					      .signer = q.signer,
					      .usages = q.usages.at,
					      .n_usages = q.usages.n,
					      .duration_s = q.duration_s};
		code = keys_vault_certify(s->vault, &r, &pem, &err);
	}
	if (code != SP_OK) {
		sp_log(s->log, SP_LOG_INFO, "certificate not signed", SP_KE(&err));
		sp_grpc_call_fail(call, &err);
		return;
	}
	const keys_cert_response a = {sp_buf_view(&pem)};
	answer(call, &keys_cert_response_message, &a);
}

static const sp_grpc_method cert_methods[] = {{.name = SP_STR_INIT("Sign"), .on_call = on_certify}};

/* ---- connections ---- */

static bool may_speak(const keys_server *s, sp_stream *stream, sp_peer_cred *ret)
{
	if (sp_stream_peer_cred(stream, ret, NULL) != SP_OK)
		return false;
	for (size_t i = 0; i < s->n_users; i++) {
		if (s->users[i] == ret->uid)
			return true;
	}
	return false;
}

static void on_accept(void *arg, sp_stream *stream)
{
	keys_server *s = arg;
	sp_peer_cred cred = {0};
	if (may_speak(s, stream, &cred)) {
		sp_http_server_accept(s->http, stream);
		return;
	}
	sp_log(s->log, SP_LOG_WARN, "a stranger was cut off", SP_KU("uid", cred.uid), SP_KI("pid", cred.pid));
	sp_stream_close(stream);
}

static sp_code open_server(keys_server *s, const keys_server_opts *o, sp_err *err)
{
	const sp_grpc_server_opts grpc = {.services = s->services,
					  .n_services = SP_LEN(s->services),
					  .message_bytes = KEYS_MESSAGE_BYTES};
	sp_http_server_opts http = {.on_request = NULL};
	const sp_listen_opts listen = {.unix_mode = SOCKET_MODE};
	SP_TRY(sp_grpc_server_new(s->world, &grpc, &s->grpc, err));
	sp_grpc_server_http(s->grpc, &http);
	SP_TRY(sp_http_server_new(s->world, &http, &s->http, err));
	return sp_listen(s->world, o->address, &listen, on_accept, s, &s->listener, err);
}

sp_code keys_server_new(sp_world *w, const keys_server_opts *o, keys_server **ret, sp_err *err)
{
	keys_server *s = SP_NEW(keys_server);
	*s = (keys_server){.world = w, .vault = o->vault, .log = o->log, .n_users = o->n_users};
	SP_ASSERT(o->n_users <= KEYS_USERS_MAX);
	memcpy(s->users, o->users, sizeof s->users);
	s->services[0] = (sp_grpc_service){KEYS_TOKENS_SERVICE, token_methods, SP_LEN(token_methods), s};
	s->services[1] = (sp_grpc_service){KEYS_CERTS_SERVICE, cert_methods, SP_LEN(cert_methods), s};
	sp_code code = open_server(s, o, err);
	if (code != SP_OK) {
		keys_server_free(s);
		return code;
	}
	*ret = s;
	return SP_OK;
}

static void on_drained(void *arg)
{
	keys_server *s = arg;
	s->on_closed(s->closed_arg);
}

void keys_server_close(keys_server *s, void (*done)(void *arg), void *arg)
{
	s->on_closed = done;
	s->closed_arg = arg;
	sp_listener_close(SP_TAKE(s->listener));
	sp_http_server_drain(s->http, GRACE_NS, on_drained, s);
}

void keys_server_free(keys_server *s)
{
	if (s == NULL)
		return;
	sp_listener_close(s->listener);
	if (s->http != NULL)
		sp_http_server_free(s->http);
	sp_grpc_server_free(s->grpc);
	sp_free(s);
}
