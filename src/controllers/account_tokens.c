/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets of type kubernetes.io/service-account-token: they get a token of the account they name, the API
 * server's certificates and their namespace, again when somebody takes these away, and go with the account.
 * U: kubernetes pkg/controller/serviceaccount/tokens_controller.go.
 *
 * Upstream signs these tokens here, with the cluster's key and without an end. Our keys are where no
 * controller is, and one that signed is kept for as long as a token may last, so the API server is asked for
 * a token that is bound to the secret: it is good while both are there, ends, and is replaced before.
 */
#include "base/base64.h"
#include "base/num.h"
#include "controllers/deletion.h"
#include "controllers/table.h"
#include "kube/view.h"

#define NS_PER_S UINT64_C(1000000000)
#define BODY_BYTES_MAX ((size_t)1 << 20)
#define NAME_NOTE "kubernetes.io/service-account.name"
#define UID_NOTE "kubernetes.io/service-account.uid"
#define RENEW_NOTE "sampan.dev/token-renewed-after" /* when this token's turn is over; without: never */
#define TOKEN_S INT64_C(31536000)                   /* asked for; a server may give less */
#define RENEW_SOONEST_S INT64_C(60)

typedef struct secret_view {
	sp_str deleted;
	sp_vmap notes, data;
	bool immutable;
} secret_view;
SP_VIEW(secret_desc, secret_view, "v1/Secret", SP_V(secret_view, data, "data"),
	SP_V(secret_view, notes, "metadata.annotations"),
	SP_V(secret_view, deleted, "metadata.deletionTimestamp"), SP_V(secret_view, immutable, "immutable"));

typedef struct account_view {
	sp_str uid;
} account_view;
SP_VIEW(account_desc, account_view, "v1/ServiceAccount", SP_V(account_view, uid, "metadata.uid"));

typedef struct token_view {
	sp_str token, until;
} token_view;
SP_VIEW(token_desc, token_view, "authentication.k8s.io/v1/TokenRequest",
	SP_V(token_view, token, "status.token"), SP_V(token_view, until, "status.expirationTimestamp"));

typedef struct tokens {
	controller base;
	sp_informer *secrets, *accounts;
	sp_informer_watch secret_watch, account_watch;
	unsigned by_account;
	sp_arena arena;
	sp_str ca; /* in base64; empty: not known */
} tokens;

typedef struct run {
	const tokens *t;
	sp_job *job;
	const sp_object *secret; /* held */
	secret_view v;
	sp_str account, uid;       /* uid: of the account that is there */
	bool token_is_due;         /* there is none, or it was there for long enough */
	int64_t left_s;            /* of one that is not due; -1: for good */
	sp_str token, renew_after; /* the new one */
	sp_call call;
} run;

/* ---- what is there ---- */

static sp_str note_of(const run *x, const char *key)
{
	return sp_vmap_str(x->v.notes, sp_str_c(key));
}

static void look_at_token(run *x)
{
	sp_str after = note_of(x, RENEW_NOTE);
	int64_t end_s = ctl_seconds(after), now_s = ctl_now_s(x->t->base.world);
	bool is_there = sp_vmap_str(x->v.data, SP_STR("token")).len > 0;
	x->token_is_due = !is_there || (after.len > 0 && end_s <= now_s);
	x->left_s = after.len > 0 ? end_s - now_s : -1;
}

static bool needs_ca(const run *x)
{
	return x->t->ca.len > 0 && !sp_str_eq(sp_vmap_str(x->v.data, SP_STR("ca.crt")), x->t->ca);
}

static bool needs_namespace(const run *x)
{
	return sp_vmap_str(x->v.data, SP_STR("namespace")).len == 0;
}

/* ---- writing ---- */

static void on_written(sp_call *c, const sp_answer *a)
{
	const run *x = c->arg;
	/* What has changed or gone meanwhile comes again by itself. */
	bool fine = a->code == SP_ECONFLICT || a->code == SP_ENOTFOUND;
	sp_job_done(x->job, fine ? SP_OK : a->code);
}

static void write_base64(sp_jout *j, sp_str key, sp_str bytes)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, BODY_BYTES_MAX);
	(void)sp_base64_append(&text, bytes.ptr,
			       bytes.len); /* it is within the body, whose code is looked at */
	sp_jout_member_str(j, key, sp_buf_view(&text));
}

static void write_body(const run *x, sp_jout *j)
{
	char revision[SP_NUM_TEXT_BYTES];
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	sp_jout_member_str(j, SP_STR("uid"), x->secret->uid);
	sp_jout_member_str(j, SP_STR("resourceVersion"),
			   (sp_str){revision, sp_print_u64(revision, x->secret->revision)});
	sp_jout_member_open(j, SP_STR("annotations"), '{');
	sp_jout_member_str(j, SP_STR(NAME_NOTE), x->account);
	sp_jout_member_str(j, SP_STR(UID_NOTE), x->uid);
	if (x->renew_after.len > 0)
		sp_jout_member_str(j, SP_STR(RENEW_NOTE), x->renew_after);
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("data"), '{');
	if (needs_ca(x))
		sp_jout_member_str(j, SP_STR("ca.crt"), x->t->ca);
	if (needs_namespace(x))
		write_base64(j, SP_STR("namespace"), x->secret->ns);
	if (x->token.len > 0)
		write_base64(j, SP_STR("token"), x->token);
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

static void write_secret(run *x)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	write_body(x, &j);
	if (sp_buf_code(&body) != SP_OK) {
		sp_job_done(x->job, sp_buf_code(&body));
		return;
	}
	x->call.done = on_written;
	sp_call_start(x->t->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_UPDATE,
				.gvr = SP_SECRETS,
				.ns = x->secret->ns,
				.name = x->secret->name,
				.body = sp_buf_view(&body)});
}

/* ---- the token ---- */

/* A fifth before its end. */
static sp_str renewal_of(const run *x, sp_str until)
{
	char text[SP_TIME_TEXT_BYTES];
	int64_t now_s = ctl_now_s(x->t->base.world), end_s = ctl_seconds(until);
	int64_t wait_s = SP_MAX((end_s - now_s) / 5 * 4, RENEW_SOONEST_S);
	return sp_arena_try_dup(x->job->arena,
				(sp_str){text, sp_time_print(text, (sp_time){now_s + wait_s, 0}, 0)});
}

static void on_token(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	token_view v;
	sp_code code = a->code;
	if (code == SP_ENOTFOUND || code == SP_ECONFLICT) { /* secret or account; we are told of that */
		sp_job_done(x->job, SP_OK);
		return;
	}
	if (code == SP_OK)
		code = sp_view(x->job->arena, a->body, &token_desc, &v, NULL);
	if (code == SP_OK && (v.token.len == 0 || v.until.len == 0))
		code = SP_EPROTO;
	if (code == SP_OK) {
		x->token = sp_arena_try_dup(x->job->arena, v.token);
		x->renew_after = renewal_of(x, v.until);
		code = x->token.ptr == NULL || x->renew_after.ptr == NULL ? SP_ENOMEM : SP_OK;
	}
	if (code == SP_OK)
		write_secret(x);
	else
		sp_job_done(x->job, code);
}

static void ask_token(run *x)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("authentication.k8s.io/v1"));
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("TokenRequest"));
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("uid"), x->uid);
	sp_jout_close(&j, '}');
	sp_jout_member_open(&j, SP_STR("spec"), '{');
	sp_jout_member_strs(&j, SP_STR("audiences"), NULL, 0);
	sp_jout_member_i64(&j, SP_STR("expirationSeconds"), TOKEN_S);
	sp_jout_member_open(&j, SP_STR("boundObjectRef"), '{');
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("v1"));
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("Secret"));
	sp_jout_member_str(&j, SP_STR("name"), x->secret->name);
	sp_jout_member_str(&j, SP_STR("uid"), x->secret->uid);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	x->call.done = on_token;
	sp_call_start(x->t->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_CREATE,
				.gvr = SP_SERVICEACCOUNTS,
				.ns = x->secret->ns,
				.name = x->account,
				.subresource = SP_STR("token"),
				.body = sp_buf_view(&body)});
}

static void fill(run *x)
{
	look_at_token(x);
	if (x->v.immutable) /* what it lacks it will never have */
		sp_job_done(x->job, SP_OK);
	else if (x->token_is_due)
		ask_token(x);
	else if (needs_ca(x) || needs_namespace(x))
		write_secret(x);
	else if (x->left_s >= 0)
		sp_job_again(x->job, (uint64_t)x->left_s * NS_PER_S);
	else
		sp_job_done(x->job, SP_OK);
}

/* ---- the account ---- */

static bool is_the_account(const run *x, sp_str uid)
{
	sp_str want = note_of(x, UID_NOTE);
	return want.len == 0 || sp_str_eq(want, uid);
}

/* The cache may not have it yet; the server says whether it is there. */
static void on_account(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	account_view v = {.uid = {NULL, 0}};
	sp_code code = a->code;
	if (code == SP_OK)
		code = sp_view(x->job->arena, a->body, &account_desc, &v, NULL);
	x->uid = sp_arena_try_dup(x->job->arena, v.uid);
	if (code == SP_ENOTFOUND || (code == SP_OK && !is_the_account(x, v.uid)))
		ctl_delete(x->t->base.client, x->job, SP_SECRETS, x->secret, NULL);
	else if (code == SP_OK && x->uid.ptr != NULL)
		fill(x);
	else
		sp_job_done(x->job, code == SP_OK ? SP_ENOMEM : code);
}

static void find_account(run *x)
{
	const sp_object *account = sp_informer_get_in(x->t->accounts, x->secret->ns, x->account);
	if (account != NULL && is_the_account(x, account->uid)) {
		x->uid = sp_arena_try_dup(x->job->arena, account->uid);
		if (x->uid.ptr != NULL)
			fill(x);
		else
			sp_job_done(x->job, SP_ENOMEM);
		return;
	}
	x->call.done = on_account;
	sp_call_start(x->t->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_GET,
				.gvr = SP_SERVICEACCOUNTS,
				.ns = x->secret->ns,
				.name = x->account});
}

static void sync_secret(controller *base, sp_job *job)
{
	const tokens *t = SP_CONTAINER_OF(base, tokens, base);
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.t = t, .job = job, .call = {.arg = x}};
	const sp_object *o = sp_informer_get(t->secrets, job->key);
	if (o == NULL) {
		sp_job_done(job, SP_OK);
		return;
	}
	x->secret = ctl_hold(job->arena, o);
	sp_code code = x->secret == NULL ? SP_ENOMEM
					 : sp_view(job->arena, x->secret->json, &secret_desc, &x->v, NULL);
	x->account = code == SP_OK ? note_of(x, NAME_NOTE) : SP_STR("");
	if (code != SP_OK || x->account.len == 0 || x->v.deleted.len > 0)
		sp_job_done(job, code);
	else
		find_account(x);
}

/* ---- the controller ---- */

static void by_account(void *arg, const sp_object *o, yyjson_val *tree, sp_index_keys *keys)
{
	yyjson_val *meta = sp_json_last(tree, SP_STR("metadata"));
	sp_str name = sp_json_str(sp_json_last(sp_json_last(meta, SP_STR("annotations")), SP_STR(NAME_NOTE)));
	char key[SP_OBJECT_KEY_BYTES];
	(void)arg;
	size_t n = name.len == 0 ? 0 : sp_object_key(key, o->ns, name);
	if (n > 0)
		sp_index_emit(keys, (sp_str){key, n});
}

static void on_account_change(void *arg, const sp_object *old, const sp_object *now)
{
	tokens *t = arg;
	const sp_object *o;
	sp_index_at at = sp_informer_find(t->secrets, t->by_account, (now != NULL ? now : old)->key);
	while ((o = sp_index_next(&at)) != NULL)
		sp_queue_add(t->base.queue, o->key);
}

static sp_code encode_ca(tokens *t, sp_err *err)
{
	SP_AUTO_BUF text;
	sp_str ca = t->base.config->root_ca_pem;
	sp_buf_init(&text, BODY_BYTES_MAX);
	sp_arena_init(&t->arena, BODY_BYTES_MAX);
	if (ca.len == 0)
		return SP_OK;
	if (sp_base64_append(&text, ca.ptr, ca.len) != SP_OK)
		return sp_fail(err, SP_ETOOLARGE, "the root certificates are too many for a secret");
	t->ca = sp_arena_try_dup(&t->arena, sp_buf_view(&text));
	return t->ca.ptr != NULL ? SP_OK : sp_fail(err, SP_ENOMEM, "no memory for the root certificates");
}

static sp_code open_tokens(controller *base, sp_err *err)
{
	tokens *t = SP_CONTAINER_OF(base, tokens, base);
	SP_TRY(encode_ca(t, err));
	SP_TRY(sp_informers_get(
		base->informers,
		&(sp_informer_opts){.gvr = SP_SECRETS,
				    .field_selector = SP_STR("type=kubernetes.io/service-account-token")},
		&t->secrets, err));
	if (sp_informer_keep(t->secrets, &secret_desc) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for an informer");
	SP_TRY(controller_follow(base, SP_SERVICEACCOUNTS, &account_desc, &t->accounts, err));
	SP_TRY(sp_informer_index(t->secrets, by_account, NULL, &t->by_account, err));
	controller_watch(t->secrets, &t->secret_watch, controller_enqueue, base);
	controller_watch(t->accounts, &t->account_watch, on_account_change, t);
	return SP_OK;
}

static void close_tokens(controller *base)
{
	tokens *t = SP_CONTAINER_OF(base, tokens, base);
	sp_arena_done(&t->arena);
}

const controller_type controller_account_tokens = {.name = "serviceaccount-token-controller",
						   .acts_by_client = true,
						   .size_bytes = sizeof(tokens),
						   .open = open_tokens,
						   .sync = sync_secret,
						   .done = close_tokens};
