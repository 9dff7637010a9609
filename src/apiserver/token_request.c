/* SPDX-License-Identifier: Apache-2.0 */
/* POST of serviceaccounts/NAME/token. U: kubernetes pkg/registry/core/serviceaccount/storage/token.go,
 * pkg/serviceaccount/claims.go. */
#include "apiserver/admission/admission.h"
#include "apiserver/answer.h"
#include "apiserver/tokens_int.h"
#include "base/alloc.h"
#include "base/base64.h"
#include "base/json_out.h"
#include "kube/meta.h"

#define TEXT_BYTES_MAX ((size_t)64 << 10)
#define SECONDS_MIN 600
#define SECONDS_MAX (INT64_C(1) << 32)
/* What admission asks for on behalf of pods, and what such tokens get until every client renews them. */
#define SECONDS_DEFAULT_OF_PODS 3607
#define SECONDS_EXTENDED (INT64_C(365) * 24 * 3600)

typedef struct account_view {
	sp_str name, ns, uid;
} account_view;
SP_VIEW(token_account_desc, account_view, "v1/ServiceAccount", SP_V(account_view, name, "metadata.name"),
	SP_V(account_view, ns, "metadata.namespace"), SP_V(account_view, uid, "metadata.uid"));

typedef struct bound_view {
	sp_str uid, account, node;
} bound_view;
SP_VIEW(token_pod_desc, bound_view, "v1/Pod", SP_V(bound_view, uid, "metadata.uid"),
	SP_V(bound_view, account, "spec.serviceAccountName"), SP_V(bound_view, node, "spec.nodeName"));
SP_VIEW(token_secret_desc, bound_view, "v1/Secret", SP_V(bound_view, uid, "metadata.uid"));
SP_VIEW(token_node_desc, bound_view, "v1/Node", SP_V(bound_view, uid, "metadata.uid"));

typedef struct request {
	api_write *w;
	yyjson_mut_val *spec;
	account_view account;
	sp_str pod, pod_uid, secret, secret_uid, node, node_uid;
	int64_t seconds, warn_after; /* of the token; warn_after 0: never */
	sp_sign_call call;
	sp_buf claims; /* in base64url */
	sp_buf token;
} request;

static bool refuse(api_write *w, sp_status s)
{
	api_write_refuse(w, &s);
	return false;
}

static bool no_room(api_write *w)
{
	api_write_fail(w, SP_ENOMEM, NULL);
	return false;
}

/* ---- the account ---- */

static bool must_match(request *q, const char *field, sp_str want)
{
	sp_str have = sp_kv_str(sp_meta(q->w->obj), field);
	if (have.len == 0 || sp_str_eq(have, want))
		return true;
	const sp_path *at = SP_PATH("metadata");
	sp_v_invalid(&q->w->errors, SP_AT_STR(at, sp_str_c(field)), have,
		     "must match the service account %s if specified", field);
	const sp_group_resource kind = {SP_STR("authentication.k8s.io"), SP_STR("TokenRequest")};
	return refuse(q->w, sp_status_invalid(&q->w->arena, kind, q->w->r->info.name, &q->w->errors));
}

static bool load_account(request *q)
{
	api_write *w = q->w;
	sp_err err;
	sp_code code = api_view_stored(w->server, &w->arena, "/registry/serviceaccounts/", w->r->info.ns,
				       w->r->info.name, &token_account_desc, &q->account, &err);
	if (code != SP_OK) {
		api_write_fail(w, code, &err);
		return false;
	}
	sp_str uid = sp_kv_str(sp_meta(w->obj), "uid");
	if (uid.len == 0 || sp_str_eq(uid, q->account.uid))
		return true;
	sp_str why = sp_arena_printf(&w->arena,
				     "the UID in the token request (" SP_FMT
				     ") does not match the UID of the service account (" SP_FMT ")",
				     SP_ARG(uid), SP_ARG(q->account.uid));
	const sp_group_resource gr = {SP_STR("authentication.k8s.io"), SP_STR("TokenRequest")};
	return refuse(w, sp_status_conflict(&w->arena, gr, w->r->info.name, why));
}

/* ---- the request ---- */

/* The name and the like are the account's, if they were sent, too; all else stays as it was sent. */
static bool fill_meta(request *q)
{
	api_write *w = q->w;
	yyjson_mut_val *meta = sp_kv_need_obj(w->doc, w->obj, "metadata");
	return (meta != NULL && sp_kv_set_str(w->doc, meta, "name", q->account.name) &&
		sp_kv_set_str(w->doc, meta, "namespace", q->account.ns) &&
		sp_kv_set_str(w->doc, meta, "uid", q->account.uid) &&
		sp_kv_set_str(w->doc, meta, "creationTimestamp", w->now_str)) ||
	       no_room(w);
}

static bool fill_spec(request *q)
{
	api_write *w = q->w;
	const api_tokens_opts *o = &w->server->tokens->o;
	q->spec = sp_kv_need_obj(w->doc, w->obj, "spec");
	if (q->spec == NULL)
		return no_room(w);
	if (sp_kv_list(q->spec, "audiences") != NULL)
		return true;
	yyjson_mut_val *list = sp_kv_need_list(w->doc, q->spec, "audiences");
	for (size_t i = 0; i < o->n_audiences; i++) {
		if (list == NULL || !sp_kv_append_str(w->doc, list, o->audiences[i]))
			return no_room(w);
	}
	return true;
}

/* 0: no limit. The flag's is never above the signer's. */
static int64_t most_seconds(const api_tokens_opts *o)
{
	return o->max_expiration_s > 0 ? o->max_expiration_s : o->signer->max_expiration_s;
}

static bool check_spec(request *q)
{
	const sp_path *at = SP_PATH("spec.expirationSeconds");
	q->seconds = sp_kv_i64(q->spec, "expirationSeconds", 0);
	if (q->seconds < SECONDS_MIN)
		sp_v_invalid(&q->w->errors, at, q->seconds,
			     "may not specify a duration less than 10 minutes");
	if (q->seconds > SECONDS_MAX)
		sp_v_invalid(&q->w->errors, at, q->seconds,
			     "may not specify a duration larger than 2^32 seconds");
	int64_t most = most_seconds(&q->w->server->tokens->o);
	if (most > 0 && q->seconds > most && q->seconds <= SECONDS_MAX) {
		api_warn(q->w->r,
			 sp_arena_printf(&q->w->arena,
					 "requested expiration of %lld seconds shortened to %lld seconds",
					 (long long)q->seconds, (long long)most));
		q->seconds = most;
		if (!sp_kv_set_i64(q->w->doc, q->spec, "expirationSeconds", most))
			return no_room(q->w);
	}
	return !api_answer_refuse_invalid(q->w);
}

/* ---- what the token is bound to ---- */

typedef struct bound_kind {
	sp_str kind;
	const char *prefix, *resource;
	bool namespaced;
	const sp_view_desc *desc;
} bound_kind;

static bool bind_pod(request *q, sp_str name, const bound_view *v)
{
	api_write *w = q->w;
	bound_view node;
	if (!sp_str_eq(v->account, q->account.name))
		return refuse(w, sp_status_bad_request(sp_arena_printf(
					 &w->arena,
					 "cannot bind token for serviceaccount \"" SP_FMT
					 "\" to pod running with different serviceaccount name.",
					 SP_ARG(q->account.name))));
	q->pod = name;
	q->pod_uid = v->uid;
	q->node = v->node;
	/* Without the node its name alone stands in the token. */
	if (v->node.len > 0 && api_view_stored(w->server, &w->arena, "/registry/minions/", SP_STR(""),
					       v->node, &token_node_desc, &node, NULL) == SP_OK)
		q->node_uid = node.uid;
	return true;
}

static bool bind_secret(request *q, sp_str name, const bound_view *v)
{
	q->secret = name;
	q->secret_uid = v->uid;
	return true;
}

static bool bind_node(request *q, sp_str name, const bound_view *v)
{
	q->node = name;
	q->node_uid = v->uid;
	return true;
}

static const struct {
	bound_kind k;
	bool (*bind)(request *q, sp_str name, const bound_view *v);
} bound_kinds[] = {
	{{SP_STR_INIT("Pod"), "/registry/pods/", "pods", true, &token_pod_desc}, bind_pod},
	{{SP_STR_INIT("Secret"), "/registry/secrets/", "secrets", true, &token_secret_desc}, bind_secret},
	{{SP_STR_INIT("Node"), "/registry/minions/", "nodes", false, &token_node_desc}, bind_node},
};

static bool check_uid(request *q, yyjson_mut_val *ref, sp_str kind, sp_str have)
{
	api_write *w = q->w;
	sp_str want = sp_kv_str(ref, "uid");
	if (want.len == 0 || sp_str_eq(want, have))
		return true;
	sp_str why = sp_arena_printf(&w->arena,
				     "the UID in the bound object reference (" SP_FMT
				     ") does not match the UID in record. The object might have been deleted "
				     "and then recreated",
				     SP_ARG(want));
	return refuse(w, sp_status_conflict(&w->arena, (sp_group_resource){SP_STR(""), kind},
					    sp_kv_str(ref, "name"), why));
}

static bool bind_to(request *q, yyjson_mut_val *ref, size_t i)
{
	api_write *w = q->w;
	const bound_kind *k = &bound_kinds[i].k;
	sp_str name = sp_kv_str(ref, "name"), ns = k->namespaced ? w->r->info.ns : SP_STR("");
	bound_view v;
	sp_err err;
	sp_code code = api_view_stored(w->server, &w->arena, k->prefix, ns, name, k->desc, &v, &err);
	if (code == SP_ENOTFOUND)
		return refuse(w, sp_status_not_found(&w->arena,
						     (sp_group_resource){SP_STR(""), sp_str_c(k->resource)},
						     name));
	if (code != SP_OK) {
		api_write_fail(w, code, &err);
		return false;
	}
	return bound_kinds[i].bind(q, name, &v) && check_uid(q, ref, k->kind, v.uid);
}

static bool bind(request *q)
{
	yyjson_mut_val *ref = sp_kv_get(q->spec, "boundObjectRef");
	sp_str version = sp_kv_str(ref, "apiVersion"), kind = sp_kv_str(ref, "kind");
	bool core = version.len == 0 || sp_str_eq(version, SP_STR("v1"));
	for (size_t i = 0; i < SP_LEN(bound_kinds) && core && ref != NULL; i++) {
		if (sp_str_eq(bound_kinds[i].k.kind, kind))
			return bind_to(q, ref, i);
	}
	if (ref == NULL)
		return true;
	sp_str group = {NULL, 0}, rest = version;
	if (sp_str_cut(&rest, '/', &group))
		version = rest;
	if (sp_str_index(version, '/') >= 0) /* no group and version; U: schema.FromAPIVersionAndKind */
		group = version = (sp_str){NULL, 0};
	return refuse(q->w, sp_status_bad_request(sp_arena_printf(
				    &q->w->arena,
				    "cannot bind token to object of type " SP_FMT "/" SP_FMT ", Kind=" SP_FMT,
				    SP_ARG(group), SP_ARG(version), SP_ARG(kind))));
}

/* ---- the token ---- */

static void extend(request *q)
{
	const api_tokens_opts *o = &q->w->server->tokens->o;
	if (!o->extend_expiration || q->pod.len == 0 || q->seconds != SECONDS_DEFAULT_OF_PODS)
		return;
	SP_KV_EACH (item, i, sp_kv_list(q->spec, "audiences")) {
		bool found = false;
		for (size_t k = 0; k < o->n_audiences; k++)
			found = found || sp_str_eq(o->audiences[k], sp_jmut_str(item));
		if (!found)
			return;
	}
	q->warn_after = q->seconds;
	q->seconds = SECONDS_EXTENDED;
	int64_t most = o->signer->max_expiration_s;
	if (most > 0)
		q->seconds = SP_MIN(q->seconds, most);
}

static void write_ref(sp_jout *j, sp_str key, sp_str name, sp_str uid)
{
	if (name.len == 0)
		return;
	sp_jout_member_open(j, key, '{');
	sp_jout_member_str(j, SP_STR("name"), name);
	if (uid.len > 0)
		sp_jout_member_str(j, SP_STR("uid"), uid);
	sp_jout_close(j, '}');
}

static sp_code write_claims(request *q, sp_buf *out)
{
	api_write *w = q->w;
	int64_t now = w->ctx.now.seconds;
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("aud"), '[');
	SP_KV_EACH (item, i, sp_kv_list(q->spec, "audiences"))
		sp_jout_str(&j, sp_jmut_str(item));
	sp_jout_close(&j, ']');
	sp_jout_member_i64(&j, SP_STR("exp"), now + q->seconds);
	sp_jout_member_i64(&j, SP_STR("iat"), now);
	sp_jout_member_str(&j, SP_STR("iss"), w->server->tokens->o.issuers[0]);
	sp_jout_member_str(&j, SP_STR("jti"), sp_meta_uuid(&w->ctx));
	sp_jout_member_open(&j, SP_STR("kubernetes.io"), '{');
	sp_jout_member_str(&j, SP_STR("namespace"), q->account.ns);
	write_ref(&j, SP_STR("node"), q->node, q->node_uid);
	write_ref(&j, SP_STR("pod"), q->pod, q->pod_uid);
	write_ref(&j, SP_STR("secret"), q->secret, q->secret_uid);
	write_ref(&j, SP_STR("serviceaccount"), q->account.name, q->account.uid);
	if (q->warn_after > 0)
		sp_jout_member_i64(&j, SP_STR("warnafter"), now + q->warn_after);
	sp_jout_close(&j, '}');
	sp_jout_member_i64(&j, SP_STR("nbf"), now);
	sp_jout_member_str(&j, SP_STR("sub"),
			   sp_arena_printf(&w->arena, "system:serviceaccount:" SP_FMT ":" SP_FMT,
					   SP_ARG(q->account.ns), SP_ARG(q->account.name)));
	sp_jout_close(&j, '}');
	return w->ctx.code != SP_OK ? w->ctx.code : sp_buf_code(out);
}

static bool write_status(request *q)
{
	api_write *w = q->w;
	char text[32];
	sp_time end = {w->ctx.now.seconds + sp_kv_i64(q->spec, "expirationSeconds", 0), 0};
	sp_kv_drop(w->obj, "status");
	yyjson_mut_val *status = sp_kv_need_obj(w->doc, w->obj, "status");
	return status != NULL && sp_kv_set_str(w->doc, status, "token", sp_buf_view(&q->token)) &&
	       sp_kv_set_str(w->doc, status, "expirationTimestamp",
			     (sp_str){text, sp_time_print(text, end, 0)});
}

static void release(request *q)
{
	sp_buf_done(&q->claims);
	sp_buf_done(&q->token);
	sp_free(q);
}

static sp_code join(request *q, sp_str header, sp_str signature)
{
	(void)sp_buf_str(&q->token, header);
	(void)sp_buf_char(&q->token, '.');
	(void)sp_buf_str(&q->token, sp_buf_view(&q->claims));
	(void)sp_buf_char(&q->token, '.');
	return sp_buf_str(&q->token, signature);
}

static void on_signed(sp_sign_call *c, sp_str header, sp_str signature, const sp_err *err)
{
	request *q = c->arg;
	api_write *w = q->w;
	if (!api_write_release(w)) {
		release(q);
		return;
	}
	if (err != NULL)
		api_write_fail(w, SP_EINTERNAL, err);
	else if (join(q, header, signature) != SP_OK || !write_status(q))
		api_write_fail(w, SP_ENOMEM, NULL);
	else
		api_answer_send(w);
	release(q);
}

static bool sign(request *q)
{
	api_tokens *t = q->w->server->tokens;
	SP_AUTO_BUF claims;
	sp_buf_init(&claims, TEXT_BYTES_MAX);
	if (write_claims(q, &claims) != SP_OK ||
	    sp_base64url_append(&q->claims, claims.ptr, claims.len) != SP_OK) {
		api_write_fail(q->w, SP_ETOOLARGE, NULL);
		return false;
	}
	q->call = (sp_sign_call){.claims = sp_buf_view(&q->claims), .done = on_signed, .arg = q};
	api_write_hold(q->w);
	t->o.signer->sign(t->o.signer, &q->call);
	return true;
}

/* Admission sees it as a creation in the account's namespace, with the audiences that were asked for. */
static bool admit(request *q)
{
	const api_admit a = {.w = q->w, .op = API_OP_CREATE, .obj = q->w->obj};
	return api_admit_mutate(&a) && api_admit_validate(&a);
}

void api_answer_token_request(api_write *w)
{
	if (w->server->tokens == NULL) {
		sp_status s = sp_status_not_found(&w->arena, (sp_group_resource){0}, SP_STR(""));
		s.message = SP_STR("the server could not find the requested resource");
		api_write_refuse(w, &s);
		return;
	}
	request *q = SP_NEW(request);
	q->w = w;
	sp_buf_init(&q->claims, TEXT_BYTES_MAX * 2);
	sp_buf_init(&q->token, TEXT_BYTES_MAX * 3);
	if (!must_match(q, "name", w->r->info.name) || !must_match(q, "namespace", w->r->info.ns) ||
	    !load_account(q) || !fill_meta(q) || !admit(q) || !fill_spec(q) || !check_spec(q) || !bind(q)) {
		release(q);
		return;
	}
	extend(q);
	if (!sign(q))
		release(q);
}
