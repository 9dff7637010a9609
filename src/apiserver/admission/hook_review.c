/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/hook_review.h"

#include "apiserver/admission/eval.h"
#include "base/base64.h"
#include "base/json_out.h"
#include "kube/encode.h"
#include "kube/meta.h"

static const sp_str operations[] = {
	[API_OP_CREATE] = SP_STR_INIT("CREATE"),
	[API_OP_UPDATE] = SP_STR_INIT("UPDATE"),
	[API_OP_DELETE] = SP_STR_INIT("DELETE"),
	[API_OP_CONNECT] = SP_STR_INIT("CONNECT"),
};

sp_str api_operation_name(api_operation op)
{
	return operations[op];
}

/* ---- the question ---- */

static void write_kind(sp_jout *j, sp_str key, const sp_kind *k)
{
	sp_jout_member_open(j, key, '{');
	sp_jout_member_str(j, SP_STR("group"), k->group);
	sp_jout_member_str(j, SP_STR("version"), k->version);
	sp_jout_member_str(j, SP_STR("kind"), k->kind);
	sp_jout_close(j, '}');
}

static void write_resource(sp_jout *j, sp_str key, const sp_kind *k)
{
	sp_jout_member_open(j, key, '{');
	sp_jout_member_str(j, SP_STR("group"), k->group);
	sp_jout_member_str(j, SP_STR("version"), k->version);
	sp_jout_member_str(j, SP_STR("resource"), k->plural);
	sp_jout_close(j, '}');
}

static sp_code write_object(sp_jout *j, sp_str key, const sp_schema *schema, yyjson_mut_val *obj)
{
	sp_jout_key(j, key);
	if (obj == NULL) {
		sp_jout_null(j);
		return SP_OK;
	}
	sp_code code = sp_encode_json(j->out, schema, obj);
	j->comma = true;
	return code;
}

static void write_query(sp_jout *j, const api_request *r, sp_str key)
{
	sp_str value = sp_url_query_get(&r->query, key);
	if (value.len > 0)
		sp_jout_member_str(j, key, value);
}

void api_review_options(sp_jout *j, const api_admit *a)
{
	const api_request *r = a->w->r;
	static const struct {
		sp_str verb, kind;
	} kinds[] = {
		{SP_STR_INIT("create"), SP_STR_INIT("CreateOptions")},
		{SP_STR_INIT("update"), SP_STR_INIT("UpdateOptions")},
		{SP_STR_INIT("patch"), SP_STR_INIT("PatchOptions")},
	};
	sp_str kind = SP_STR("DeleteOptions");
	if (a->op == API_OP_CONNECT) {
		sp_jout_key(j, SP_STR("options"));
		sp_jout_null(j);
		return;
	}
	for (size_t i = 0; i < SP_LEN(kinds); i++) {
		if (sp_str_eq(r->info.verb, kinds[i].verb))
			kind = kinds[i].kind;
	}
	sp_jout_member_open(j, SP_STR("options"), '{');
	sp_jout_member_str(j, SP_STR("kind"), kind);
	sp_jout_member_str(j, SP_STR("apiVersion"), SP_STR("meta.k8s.io/v1"));
	if (a->w->o.dry_run)
		sp_jout_member_raw(j, SP_STR("dryRun"), SP_STR("[\"All\"]"));
	write_query(j, r, SP_STR("fieldManager"));
	write_query(j, r, SP_STR("fieldValidation"));
	write_query(j, r, SP_STR("propagationPolicy"));
	sp_jout_close(j, '}');
}

sp_code api_review_write(sp_buf *out, const api_admit *a, const api_form *form, sp_str uid)
{
	const api_write *w = a->w;
	const sp_kind *own = w->res->kind;
	sp_str sub = w->ctx.subresource;
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("AdmissionReview"));
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("admission.k8s.io/v1"));
	sp_jout_member_open(&j, SP_STR("request"), '{');
	sp_jout_member_str(&j, SP_STR("uid"), uid);
	write_kind(&j, SP_STR("kind"), form->kind);
	write_resource(&j, SP_STR("resource"), form->res->kind);
	if (sub.len > 0)
		sp_jout_member_str(&j, SP_STR("subResource"), sub);
	write_kind(&j, SP_STR("requestKind"), a->is_body ? w->body_res->kind : own);
	write_resource(&j, SP_STR("requestResource"), own);
	if (sub.len > 0)
		sp_jout_member_str(&j, SP_STR("requestSubResource"), sub);
	sp_jout_member_str(&j, SP_STR("name"), api_admit_name(a));
	sp_jout_member_str(&j, SP_STR("namespace"), api_admit_namespace(a));
	sp_jout_member_str(&j, SP_STR("operation"), api_operation_name(a->op));
	sp_jout_member_open(&j, SP_STR("userInfo"), '{');
	api_user_write(&j, &w->r->user);
	sp_jout_close(&j, '}');
	SP_TRY(write_object(&j, SP_STR("object"), form->schema, form->object));
	SP_TRY(write_object(&j, SP_STR("oldObject"), form->schema, form->old));
	sp_jout_member_bool(&j, SP_STR("dryRun"), w->o.dry_run);
	api_review_options(&j, a);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}

/* ---- the answer ---- */

static sp_str member(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(v, sp_str_c(name)));
}

static sp_code invalid(sp_arena *a, sp_str *ret_why, sp_str why)
{
	*ret_why = sp_arena_printf(a, "received invalid webhook response: " SP_FMT, SP_ARG(why));
	return SP_EINVAL;
}

/* U: apiserver pkg/admission/plugin/webhook/errors/statuserror.go */
static sp_status denial(sp_arena *a, sp_str hook_name, yyjson_val *result)
{
	sp_str message = member(result, "message"), reason = member(result, "reason");
	yyjson_val *code = sp_json_last(result, SP_STR("code"));
	int64_t n = yyjson_is_int(code) ? yyjson_get_sint(code) : 0;
	sp_str why = message.len > 0 ? message : reason;
	if (n < 400)
		n = 400; /* a denial is no success */
	if (n > 599)
		n = 500; /* no HTTP server can say that */
	sp_status s = {.code = (uint16_t)n, .reason = reason};
	if (why.len > 0)
		s.message = sp_arena_printf(a, "admission webhook \"" SP_FMT "\" denied the request: " SP_FMT,
					    SP_ARG(hook_name), SP_ARG(why));
	else
		s.message = sp_arena_printf(
			a, "admission webhook \"" SP_FMT "\" denied the request without explanation",
			SP_ARG(hook_name));
	return s;
}

static sp_code read_patch(sp_arena *a, yyjson_val *response, bool mutating, sp_str *ret, sp_str *ret_why)
{
	sp_str text = member(response, "patch"), type = member(response, "patchType");
	bool has_type = yyjson_is_str(sp_json_last(response, SP_STR("patchType")));
	size_t n = 0;
	if (!mutating && text.len > 0)
		return invalid(a, ret_why, SP_STR("validating webhook may not return response.patch"));
	if (!mutating && has_type)
		return invalid(a, ret_why, SP_STR("validating webhook may not return response.patchType"));
	if (text.len > 0 && !has_type)
		return invalid(a, ret_why,
			       SP_STR("webhook returned response.patch but not response.patchType"));
	if (text.len == 0 && has_type)
		return invalid(a, ret_why,
			       SP_STR("webhook returned response.patchType but not response.patch"));
	if (text.len == 0)
		return SP_OK;
	if (type.len == 0)
		return invalid(a, ret_why, SP_STR("webhook returned invalid response.patchType of \"\""));
	if (!sp_str_eq(type, SP_STR("JSONPatch"))) {
		*ret_why = sp_arena_printf(a, "unsupported patch type \"" SP_FMT "\"", SP_ARG(type));
		return SP_EINVAL;
	}
	char *out = sp_arena_try_alloc(a, text.len + 1);
	sp_err err;
	if (out == NULL)
		return SP_ETOOLARGE;
	if (sp_base64_decode(text, (uint8_t *)out, &n, &err) != SP_OK) {
		*ret_why = sp_arena_printf(a, "failed to call webhook: %s", err.msg);
		return SP_EINVAL;
	}
	*ret = (sp_str){out, n};
	return SP_OK;
}

static sp_code read_warnings(sp_arena *a, yyjson_val *list, api_review_answer *ret)
{
	yyjson_val *v;
	size_t i, max;
	sp_str *items = sp_try_new(a, sp_str, yyjson_arr_size(list) + 1);
	if (items == NULL)
		return SP_ETOOLARGE;
	yyjson_arr_foreach(list, i, max, v)
	{
		if (yyjson_is_str(v))
			items[ret->n_warnings++] = sp_json_str(v);
	}
	ret->warnings = items;
	return SP_OK;
}

static sp_code check(sp_arena *a, yyjson_val *root, yyjson_val *response, sp_str uid, sp_str *ret_why)
{
	sp_str version = member(root, "apiVersion"), kind = member(root, "kind"),
	       got = member(response, "uid");
	if (kind.len == 0 || version.len == 0) {
		*ret_why = sp_arena_printf(
			a, "failed to call webhook: Object 'Kind' is missing in the response");
		return SP_EINVAL;
	}
	if (!yyjson_is_obj(response))
		return invalid(a, ret_why, SP_STR("webhook response was absent"));
	if (!sp_str_eq(got, uid))
		return invalid(a, ret_why,
			       sp_arena_printf(a, "expected response.uid=\"" SP_FMT "\", got \"" SP_FMT "\"",
					       SP_ARG(uid), SP_ARG(got)));
	if (!sp_str_eq(version, SP_STR("admission.k8s.io/v1")) || !sp_str_eq(kind, SP_STR("AdmissionReview")))
		return invalid(a, ret_why,
			       sp_arena_printf(a,
					       "expected webhook response of admission.k8s.io/v1, "
					       "Kind=AdmissionReview, got " SP_FMT ", Kind=" SP_FMT,
					       SP_ARG(version), SP_ARG(kind)));
	return SP_OK;
}

sp_code api_review_read(sp_arena *a, sp_str text, sp_str hook_name, sp_str uid, bool mutating,
			api_review_answer *ret, sp_str *ret_why)
{
	yyjson_val *root = NULL;
	sp_err err;
	*ret_why = (sp_str){NULL, 0};
	sp_code code = sp_json_parse(a, text, &root, &err);
	if (code == SP_EINVAL)
		*ret_why = sp_arena_printf(
			a, "failed to call webhook: couldn't get version/kind; json parse error: %s",
			err.msg);
	if (code != SP_OK)
		return code;
	yyjson_val *response = sp_json_last(root, SP_STR("response"));
	api_review_answer answer = {.allowed = yyjson_is_true(sp_json_last(response, SP_STR("allowed")))};
	SP_TRY(check(a, root, response, uid, ret_why));
	SP_TRY(read_patch(a, response, mutating, &answer.patch, ret_why));
	SP_TRY(read_warnings(a, sp_json_last(response, SP_STR("warnings")), &answer));
	if (!answer.allowed)
		answer.status = denial(a, hook_name, sp_json_last(response, SP_STR("status")));
	*ret = answer;
	return SP_OK;
}
