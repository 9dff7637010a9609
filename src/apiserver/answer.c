/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/answer.h"

#include "base/limits.h"
#include "kube/apply/apply.h"
#include "kube/encode.h"
#include "kube/meta.h"

#define AUTHENTICATION SP_STR_INIT("authentication.k8s.io")
#define AUTHORIZATION SP_STR_INIT("authorization.k8s.io")

static const struct {
	sp_str group, resource, subresource;
	api_answer_fn *fn;
} answers[] = {
	{AUTHENTICATION, SP_STR_INIT("selfsubjectreviews"), SP_STR_INIT(""), api_answer_self_subject},
	{AUTHENTICATION, SP_STR_INIT("tokenreviews"), SP_STR_INIT(""), api_answer_token_review},
	{AUTHORIZATION, SP_STR_INIT("subjectaccessreviews"), SP_STR_INIT(""), api_answer_subject_access},
	{AUTHORIZATION, SP_STR_INIT("selfsubjectaccessreviews"), SP_STR_INIT(""),
	 api_answer_self_subject_access},
	{AUTHORIZATION, SP_STR_INIT("localsubjectaccessreviews"), SP_STR_INIT(""),
	 api_answer_local_subject_access},
	{AUTHORIZATION, SP_STR_INIT("selfsubjectrulesreviews"), SP_STR_INIT(""),
	 api_answer_self_subject_rules},
	{SP_STR_INIT(""), SP_STR_INIT("serviceaccounts"), SP_STR_INIT("token"), api_answer_token_request},
};

api_answer_fn *api_answer_of(const api_request *r)
{
	for (size_t i = 0; i < SP_LEN(answers); i++) {
		if (sp_str_eq(answers[i].group, r->info.group) &&
		    sp_str_eq(answers[i].resource, r->info.resource) &&
		    sp_str_eq(answers[i].subresource, r->info.subresource))
			return answers[i].fn;
	}
	return NULL;
}

/* A subresource may have a body of a kind of its own. */
static const sp_kind *body_kind(const api_request *r)
{
	const sp_subresource *sub = r->sub;
	if (sub == NULL || sub->kind.len == 0)
		return r->res->kind;
	const sp_kind *kind = sp_kind_by_kind(sub->group, sub->version, sub->kind);
	SP_ASSERT(kind != NULL); /* a table names only what there is */
	return kind;
}

/* Who asks owns what was sent, as with any creation, though nothing is stored. */
static bool track(api_write *w)
{
	sp_apply_request req;
	sp_code code = SP_ENOMEM;
	if (api_write_apply_request(w, &req))
		code = sp_apply_track(&req, NULL, w->obj);
	if (code != SP_OK)
		api_write_fail(w, code, NULL);
	return code == SP_OK;
}

/* What only the server sets; subresources keep it. U: apiserver pkg/registry/rest/meta.go,
 * WipeObjectMetaSystemFields */
static void wipe_meta(api_write *w)
{
	static const char *const members[] = {"creationTimestamp", "uid", "deletionTimestamp",
					      "deletionGracePeriodSeconds", "selfLink"};
	for (size_t i = 0; i < SP_LEN(members) && w->r->sub == NULL; i++)
		sp_kv_drop(sp_meta(w->obj), members[i]);
}

/* Decodes as that kind; in all else the write is about the request's resource.
 * U: apiserver pkg/endpoints/handlers/create.go */
static bool decode(api_write *w, sp_str body)
{
	const sp_kind *kind = body_kind(w->r);
	api_resource res = *w->res;
	const char *slash = kind->group.len > 0 ? "/" : "";
	res.kind = res.stored = kind;
	res.api_version = sp_arena_printf(&w->arena, SP_FMT "%s" SP_FMT, SP_ARG(kind->group), slash,
					  SP_ARG(kind->version));
	if (res.api_version.ptr == NULL) {
		api_write_fail(w, SP_ENOMEM, NULL);
		return false;
	}
	w->body_res = &res;
	bool ok = api_write_decode(w, body) && api_write_namespace(w);
	if (ok) {
		wipe_meta(w);
		ok = track(w);
	}
	w->body_res = w->res;
	w->ctx.kind = kind; /* the rules that are asked about it */
	return ok;
}

static void on_body(api_request *r, sp_str body)
{
	api_write *w = r->state;
	api_answer_fn *fn = api_answer_of(r);
	if (!decode(w, body))
		return;
	sp_violations_init(&w->errors, &w->arena);
	fn(w);
}

void api_answer(api_request *r)
{
	if (api_write_new(r, "CreateOptions", false) != NULL)
		api_read_body(r, on_body);
}

void api_answer_send(api_write *w)
{
	SP_AUTO_BUF json;
	sp_buf_init(&json, SP_LIMIT_REQUEST_BODY_BYTES * 2);
	if (w->r == NULL)
		return;
	const sp_schema *schema = body_kind(w->r)->schema;
	if (sp_encode_json(&json, schema, w->obj) != SP_OK) {
		api_write_fail(w, SP_ETOOLARGE, NULL);
		return;
	}
	w->r->out.shape = API_SHAPE_OBJECT;
	api_reply_json(w->r, 201, schema, sp_buf_view(&json));
}

bool api_answer_refuse_invalid(api_write *w)
{
	if (w->errors.code != SP_OK) {
		api_write_fail(w, w->errors.code, NULL);
		return true;
	}
	if (w->errors.n == 0)
		return false;
	const sp_kind *k = body_kind(w->r);
	/* Upstream asks the decoded object, and those of this group have forgotten their kind. */
	sp_str kind = sp_str_eq(k->group, SP_STR("authorization.k8s.io")) ? SP_STR("") : k->kind;
	sp_status s =
		sp_status_invalid(&w->arena, (sp_group_resource){k->group, kind}, SP_STR(""), &w->errors);
	api_write_refuse(w, &s);
	return true;
}
