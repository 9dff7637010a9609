/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens by which nodes join: those that have expired are deleted, and kube-public/cluster-info is signed
 * with each that may sign, so that who knows a token knows the cluster. Both are off unless asked for, as
 * upstream. U: kubernetes pkg/controller/bootstrap, cluster-bootstrap token/jws, util/secrets.
 */
#include <string.h>

#include "base/base64.h"
#include "client/cluster_info.h"
#include "controllers/deletion.h"
#include "controllers/table.h"

#define NS_PER_S UINT64_C(1000000000)
#define BODY_BYTES_MAX ((size_t)4 << 20)

typedef struct token_view {
	sp_str type;
	sp_vmap data;
} token_view;
SP_VIEW(token_desc, token_view, "v1/Secret", SP_V(token_view, type, "type"), SP_V(token_view, data, "data"));

typedef struct info_view {
	sp_vmap data;
} info_view;
SP_VIEW(info_desc, info_view, "v1/ConfigMap", SP_V(info_view, data, "data"));

typedef struct tokens {
	controller base;
	sp_informer *secrets, *infos;
	sp_informer_watch secret_watch, info_watch;
} tokens;

typedef struct run {
	sp_job *job;
	sp_call call;
} run;

static sp_code follow_tokens(tokens *t, sp_err *err)
{
	SP_TRY(sp_informers_get(t->base.informers,
				&(sp_informer_opts){.gvr = SP_SECRETS,
						    .ns = SP_STR("kube-system"),
						    .field_selector = SP_STR("type=" SP_JOIN_TOKEN_TYPE)},
				&t->secrets, err));
	return sp_informer_keep(t->secrets, &token_desc) == SP_OK
		       ? SP_OK
		       : sp_fail(err, SP_ENOMEM, "no memory for an informer");
}

/* A value of a token; {NULL, 0} when it has none. */
static sp_str value_of(sp_arena *a, const token_view *v, const char *key)
{
	sp_str text = sp_vmap_str(v->data, sp_str_c(key));
	size_t n = 0;
	uint8_t *bytes = sp_arena_try_alloc(a, text.len + 1);
	if (text.len == 0 || bytes == NULL || sp_base64_decode(text, bytes, &n, NULL) != SP_OK)
		return (sp_str){NULL, 0};
	return (sp_str){(const char *)bytes, n};
}

/* Seconds until it expires, 0 and less: it has; false: it never does. A time that can't be read has passed.
 */
static bool expires(sp_world *w, sp_arena *a, const token_view *v, int64_t *ret_left_s)
{
	sp_time t;
	sp_str text = value_of(a, v, "expiration");
	if (text.len == 0)
		return false;
	*ret_left_s = sp_time_parse(text, &t, NULL) == SP_OK ? t.seconds - ctl_now_s(w) : 0;
	return true;
}

/* ---- those that have expired ---- */

static void sync_token(controller *base, sp_job *job)
{
	const tokens *t = SP_CONTAINER_OF(base, tokens, base);
	const sp_object *o = sp_informer_get(t->secrets, job->key);
	token_view v;
	int64_t left_s;
	if (o == NULL || sp_view(job->arena, o->json, &token_desc, &v, NULL) != SP_OK ||
	    !expires(base->world, job->arena, &v, &left_s))
		sp_job_done(job, SP_OK);
	else if (left_s > 0)
		sp_job_again(job, (uint64_t)left_s * NS_PER_S);
	else
		ctl_delete(base->client, job, SP_SECRETS, o, NULL);
}

static sp_code open_cleaner(controller *base, sp_err *err)
{
	tokens *t = SP_CONTAINER_OF(base, tokens, base);
	SP_TRY(follow_tokens(t, err));
	controller_watch(t->secrets, &t->secret_watch, controller_enqueue, base);
	return SP_OK;
}

const controller_type controller_token_cleaner = {.name = "token-cleaner-controller",
						  .account = "token-cleaner",
						  .size_bytes = sizeof(tokens),
						  .n_workers = 1,
						  .off_by_default = true,
						  .open = open_cleaner,
						  .sync = sync_token};

/* ---- signatures ---- */

/* The signature with a token; false: it does not sign. */
static bool sign_with(const tokens *t, sp_arena *a, const sp_object *o, sp_str content, sp_str *ret_id,
		      sp_str *ret)
{
	token_view v;
	int64_t left_s = 1;
	sp_str name = o->name;
	if (sp_view(a, o->json, &token_desc, &v, NULL) != SP_OK ||
	    !sp_str_take(&name, SP_STR(SP_JOIN_TOKEN_SECRET)))
		return false;
	*ret_id = value_of(a, &v, "token-id");
	sp_str secret = value_of(a, &v, "token-secret");
	if (!sp_str_eq(*ret_id, name) || secret.len == 0 ||
	    !sp_str_eq(value_of(a, &v, "usage-bootstrap-signing"), SP_STR("true")) ||
	    (expires(t->base.world, a, &v, &left_s) && left_s <= 0))
		return false;
	*ret = sp_join_sign(a, content, *ret_id, secret);
	return true;
}

static void on_written(sp_call *c, const sp_answer *a)
{
	const run *x = c->arg;
	sp_job_done(x->job, a->code == SP_ENOTFOUND ? SP_OK : a->code);
}

/* What is there of signatures and is to be, as trees of names and texts. */
static sp_code make_data(const tokens *t, sp_arena *a, const info_view *v, yyjson_mut_doc *doc,
			 yyjson_mut_val *was, yyjson_mut_val *now)
{
	const sp_object *o;
	yyjson_obj_iter it = yyjson_obj_iter_with(v->data.object);
	yyjson_val *key;
	sp_str content = sp_vmap_str(v->data, SP_STR("kubeconfig"));
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		if (sp_str_starts(sp_json_str(key), SP_STR(SP_JOIN_SIGNATURE)) &&
		    !sp_jmut_set_str(doc, was, sp_json_str(key), sp_json_str(yyjson_obj_iter_get_val(key))))
			return SP_ENOMEM;
	}
	for (size_t at = 0; (o = sp_informer_next(t->secrets, &at)) != NULL;) {
		sp_str id, signature;
		if (!sign_with(t, a, o, content, &id, &signature))
			continue;
		if (signature.ptr == NULL ||
		    !sp_jmut_set_str(doc, now, SP_CONCAT(a, SP_STR(SP_JOIN_SIGNATURE), id), signature))
			return SP_ENOMEM;
	}
	return SP_OK;
}

static void sync_info(controller *base, sp_job *job)
{
	const tokens *t = SP_CONTAINER_OF(base, tokens, base);
	const sp_object *o = sp_informer_get(t->infos, job->key);
	info_view v;
	bool changed = false;
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	if (o == NULL || sp_view(job->arena, o->json, &info_desc, &v, NULL) != SP_OK ||
	    sp_vmap_str(v.data, SP_STR("kubeconfig")).ptr == NULL) {
		sp_job_done(job, SP_OK);
		return;
	}
	yyjson_mut_doc *doc = sp_json_doc(job->arena);
	yyjson_mut_val *was = doc == NULL ? NULL : yyjson_mut_obj(doc);
	yyjson_mut_val *now = doc == NULL ? NULL : yyjson_mut_obj(doc);
	sp_code code = was == NULL || now == NULL ? SP_ENOMEM : make_data(t, job->arena, &v, doc, was, now);
	if (code == SP_OK)
		code = sp_patch_member(&body, job->arena, "data", was, now, o, &changed, NULL);
	if (code != SP_OK || !changed) {
		sp_job_done(job, code);
		return;
	}
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.job = job, .call = {.done = on_written, .arg = x}};
	sp_call_start(base->client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_UPDATE,
				.gvr = SP_CONFIGMAPS,
				.ns = o->ns,
				.name = o->name,
				.body = sp_buf_view(&body)});
}

static void on_token(void *arg, const sp_object *old, const sp_object *now)
{
	tokens *t = arg;
	(void)old;
	(void)now;
	sp_queue_add(t->base.queue, SP_STR("kube-public/cluster-info"));
}

static sp_code open_signer(controller *base, sp_err *err)
{
	tokens *t = SP_CONTAINER_OF(base, tokens, base);
	SP_TRY(follow_tokens(t, err));
	SP_TRY(sp_informers_get(base->informers,
				&(sp_informer_opts){.gvr = SP_CONFIGMAPS,
						    .ns = SP_STR("kube-public"),
						    .field_selector = SP_STR("metadata.name=cluster-info")},
				&t->infos, err));
	if (sp_informer_keep(t->infos, &info_desc) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for an informer");
	controller_watch(t->secrets, &t->secret_watch, on_token, t);
	controller_watch(t->infos, &t->info_watch, controller_enqueue, base);
	return SP_OK;
}

const controller_type controller_bootstrap_signer = {.name = "bootstrap-signer-controller",
						     .account = "bootstrap-signer",
						     .size_bytes = sizeof(tokens),
						     .n_workers = 1,
						     .off_by_default = true,
						     .open = open_signer,
						     .sync = sync_info};
