/* SPDX-License-Identifier: Apache-2.0 */
/* May somebody do something? U: kubernetes pkg/registry/authorization, pkg/apis/authorization/validation. */
#include "apiserver/answer.h"
#include "apiserver/auth.h"
#include "apiserver/node_scope.h"
#include "base/json_out.h"
#include "kube/kinds/go_json.h"
#include "kube/meta.h"
#include "kube/selector.h"

#define TEXT_BYTES_MAX ((size_t)4 << 20)

/* ---- validation ---- */

static void check_selector(sp_violations *v, yyjson_mut_val *selector, const sp_path *at)
{
	sp_str raw = sp_kv_str(selector, "rawSelector");
	yyjson_mut_val *reqs = sp_kv_list(selector, "requirements");
	if (selector == NULL)
		return;
	if (raw.len > 0 && reqs != NULL)
		sp_v_invalid(v, SP_AT(at, "rawSelector"), raw,
			     "may not specified at the same time as requirements");
	if (raw.len == 0 && reqs == NULL) {
		SP_AUTO_BUF path;
		sp_buf_init(&path, 1024);
		(void)sp_path_write(&path, at);
		sp_v_required(v, SP_AT(at, "requirements"),
			      "when " SP_FMT " is specified, requirements or rawSelector is required",
			      SP_ARG(sp_buf_view(&path)));
	}
	const sp_path *list = SP_AT(at, "requirements");
	SP_KV_EACH (req, i, reqs)
		sp_label_requirement_validate(v, SP_AT_I(list, i), req, SP_LABEL_SELECTOR_ANY_OPERATOR);
}

static const sp_go_field non_resource_fields[] = {{"Path", "path", SP_GO_STR, NULL},
						  {"Verb", "verb", SP_GO_STR, NULL}};
static const sp_go_type go_non_resource = {non_resource_fields, SP_LEN(non_resource_fields)};

static void check_spec(api_write *w, yyjson_mut_val *spec, bool names_subject)
{
	sp_violations *v = &w->errors;
	yyjson_mut_val *res = sp_kv_get(spec, "resourceAttributes");
	yyjson_mut_val *other = sp_kv_get(spec, "nonResourceAttributes");
	if (res != NULL && other != NULL)
		sp_v_invalid(v, SP_PATH("spec.nonResourceAttributes"),
			     sp_bad_text(sp_go_struct(&w->arena, &go_non_resource, other)),
			     "cannot be specified in combination with resourceAttributes");
	if (res == NULL && other == NULL)
		sp_v_invalid(v, SP_PATH("spec.resourceAttributes"), (yyjson_mut_val *)NULL,
			     "exactly one of nonResourceAttributes or resourceAttributes must be specified");
	if (names_subject && sp_kv_str(spec, "user").len == 0 && sp_kv_list(spec, "groups") == NULL)
		sp_v_invalid(v, SP_PATH("spec.user"), SP_STR(""),
			     "at least one of user or group must be specified");
	check_selector(v, sp_kv_get(res, "fieldSelector"), SP_PATH("spec.resourceAttributes.fieldSelector"));
	check_selector(v, sp_kv_get(res, "labelSelector"), SP_PATH("spec.resourceAttributes.labelSelector"));
}

/* Nothing but managed fields, and where it is allowed a namespace. */
static void check_meta(api_write *w, bool namespaced)
{
	yyjson_mut_val *meta = sp_meta(w->obj);
	SP_KV_EACH_MEMBER (key, value, i, meta) {
		sp_str name = sp_jmut_str(key);
		bool is_empty = yyjson_mut_is_null(value) || sp_jmut_str(value).len == 0;
		if (yyjson_mut_is_obj(value) || yyjson_mut_is_arr(value))
			is_empty = sp_kv_len(value) == 0;
		if (is_empty || sp_str_eq(name, SP_STR("managedFields")) ||
		    (namespaced && sp_str_eq(name, SP_STR("namespace"))))
			continue;
		sp_v_invalid(&w->errors, SP_PATH("metadata"), meta,
			     namespaced ? "must be empty except for namespace" : "must be empty");
		return;
	}
}

/* ---- asking ---- */

static sp_str requirement_text(sp_arena *a, yyjson_mut_val *req)
{
	/* One exact value is all that authorizers look at. */
	yyjson_mut_val *values = sp_kv_list(req, "values");
	if (!sp_kv_is(req, "operator", "In") || sp_kv_len(values) != 1)
		return (sp_str){NULL, 0};
	return sp_arena_printf(a, SP_FMT "=" SP_FMT, SP_ARG(sp_kv_str(req, "key")),
			       SP_ARG(sp_jmut_str(yyjson_mut_arr_get_first(values))));
}

/* The selector as the text a request would carry. */
static sp_str selector_text(sp_arena *a, yyjson_mut_val *selector)
{
	sp_str text = sp_kv_str(selector, "rawSelector");
	SP_KV_EACH (req, i, sp_kv_list(selector, "requirements")) {
		sp_str one = requirement_text(a, req);
		if (one.len > 0)
			text = text.len == 0
				       ? one
				       : sp_arena_printf(a, SP_FMT "," SP_FMT, SP_ARG(text), SP_ARG(one));
	}
	return text;
}

static api_attributes attributes_of(sp_arena *a, yyjson_mut_val *spec)
{
	yyjson_mut_val *res = sp_kv_get(spec, "resourceAttributes");
	yyjson_mut_val *other = sp_kv_get(spec, "nonResourceAttributes");
	if (res == NULL)
		return (api_attributes){.verb = sp_kv_str(other, "verb"), .path = sp_kv_str(other, "path")};
	return (api_attributes){.is_resource = true,
				.verb = sp_kv_str(res, "verb"),
				.group = sp_kv_str(res, "group"),
				.resource = sp_kv_str(res, "resource"),
				.subresource = sp_kv_str(res, "subresource"),
				.ns = sp_kv_str(res, "namespace"),
				.name = sp_kv_str(res, "name"),
				.field_selector = selector_text(a, sp_kv_get(res, "fieldSelector")),
				.label_selector = selector_text(a, sp_kv_get(res, "labelSelector"))};
}

static bool read_texts(sp_arena *a, yyjson_mut_val *list, const sp_str **ret, size_t *ret_n)
{
	sp_str *items = sp_try_new(a, sp_str, sp_kv_len(list) + 1);
	if (items == NULL)
		return false;
	SP_KV_EACH (item, i, list)
		items[i] = sp_jmut_str(item);
	*ret = items;
	*ret_n = sp_kv_len(list);
	return true;
}

static bool read_subject(sp_arena *a, yyjson_mut_val *spec, api_user *ret)
{
	yyjson_mut_val *map = sp_kv_map(spec, "extra");
	api_extra *extra = sp_try_new(a, api_extra, sp_kv_len(map) + 1);
	*ret = (api_user){.name = sp_kv_str(spec, "user"), .uid = sp_kv_str(spec, "uid"), .extra = extra};
	if (extra == NULL || !read_texts(a, sp_kv_list(spec, "groups"), &ret->groups, &ret->n_groups))
		return false;
	SP_KV_EACH_MEMBER (key, value, i, map) {
		extra[i].key = sp_jmut_str(key);
		if (!read_texts(a, value, &extra[i].values, &extra[i].n))
			return false;
	}
	ret->n_extra = sp_kv_len(map);
	return true;
}

/* Of the requirements of a selector: can some, can none be read? */
typedef struct reading {
	bool some, faulty;
} reading;

static reading read_raw(sp_arena *a, sp_str text, bool fields)
{
	sp_selector parsed;
	sp_code code =
		fields ? sp_fields_parse(a, text, &parsed, NULL) : sp_labels_parse(a, text, &parsed, NULL);
	return (reading){code == SP_OK && parsed.n > 0, code != SP_OK};
}

/* Field selectors know one value that is, or is not, the field's. */
static bool is_field_requirement(yyjson_mut_val *req)
{
	static const char *const operators[] = {"In", "NotIn"};
	return sp_kv_len(sp_kv_list(req, "values")) == 1 && SP_STR_IN(sp_kv_str(req, "operator"), operators);
}

static bool is_label_requirement(sp_arena *a, yyjson_mut_val *req)
{
	static const char *const operators[] = {"In", "NotIn", "Exists", "DoesNotExist"};
	sp_violations faults;
	sp_violations_init(&faults, a);
	sp_label_requirement_validate(&faults, NULL, req, 0);
	return SP_STR_IN(sp_kv_str(req, "operator"), operators) && faults.n == 0;
}

static reading read_selector(sp_arena *a, yyjson_mut_val *selector, bool fields)
{
	sp_str raw = sp_kv_str(selector, "rawSelector");
	reading r = raw.len > 0 ? read_raw(a, raw, fields) : (reading){false, false};
	SP_KV_EACH (req, i, sp_kv_list(selector, "requirements")) {
		bool good = fields ? is_field_requirement(req) : is_label_requirement(a, req);
		r.some = r.some || good;
		r.faulty = r.faulty || !good;
	}
	return r;
}

/* U: kubernetes pkg/registry/authorization/util/helpers.go, BuildEvaluationError */
static sp_str evaluation_error(sp_arena *a, yyjson_mut_val *spec)
{
	yyjson_mut_val *res = sp_kv_get(spec, "resourceAttributes");
	sp_str text = {"", 0};
	for (int fields = 1; fields >= 0; fields--) {
		const char *name = fields ? "fieldSelector" : "labelSelector";
		reading r = read_selector(a, sp_kv_get(res, name), fields);
		if (r.faulty)
			text = sp_arena_printf(
				a, SP_FMT "%sspec.resourceAttributes.%s %signored due to parse error",
				SP_ARG(text), text.len > 0 ? "; " : "", name, r.some ? "partially " : "");
	}
	return text;
}

static void decide(api_write *w, const api_user *user)
{
	sp_str reason;
	api_attributes what = attributes_of(&w->arena, sp_kv_get(w->obj, "spec"));
	api_decision d = api_decide(w->server, &w->arena, user, &what, &reason);
	sp_str fault = evaluation_error(&w->arena, sp_kv_get(w->obj, "spec"));
	sp_kv_drop(w->obj, "status");
	yyjson_mut_val *status = sp_kv_need_obj(w->doc, w->obj, "status");
	if (status == NULL || !sp_kv_set_bool(w->doc, status, "allowed", d == API_ALLOW) ||
	    !sp_kv_set_bool(w->doc, status, "denied", d == API_DENY) ||
	    !sp_kv_set_str(w->doc, status, "reason", reason) ||
	    !sp_kv_set_str(w->doc, status, "evaluationError", fault))
		api_write_fail(w, SP_ENOMEM, NULL);
	else
		api_answer_send(w);
}

static void decide_subject(api_write *w)
{
	api_user user;
	if (read_subject(&w->arena, sp_kv_get(w->obj, "spec"), &user))
		decide(w, &user);
	else
		api_write_fail(w, SP_ENOMEM, NULL);
}

void api_answer_subject_access(api_write *w)
{
	check_spec(w, sp_kv_get(w->obj, "spec"), true);
	check_meta(w, false);
	if (!api_answer_refuse_invalid(w))
		decide_subject(w);
}

void api_answer_self_subject_access(api_write *w)
{
	check_spec(w, sp_kv_get(w->obj, "spec"), false);
	check_meta(w, false);
	if (!api_answer_refuse_invalid(w))
		decide(w, &w->r->user);
}

void api_answer_local_subject_access(api_write *w)
{
	yyjson_mut_val *spec = sp_kv_get(w->obj, "spec");
	yyjson_mut_val *res = sp_kv_get(spec, "resourceAttributes");
	yyjson_mut_val *other = sp_kv_get(spec, "nonResourceAttributes");
	check_spec(w, spec, true);
	check_meta(w, true);
	if (res != NULL && !sp_str_eq(sp_kv_str(res, "namespace"), w->r->info.ns))
		sp_v_invalid(&w->errors, SP_PATH("spec.resourceAttributes.namespace"),
			     sp_kv_str(res, "namespace"), "must match metadata.namespace");
	if (other != NULL)
		sp_v_invalid(&w->errors, SP_PATH("spec.nonResourceAttributes"),
			     sp_bad_text(sp_go_struct(&w->arena, &go_non_resource, other)),
			     "disallowed on this kind of request");
	if (!api_answer_refuse_invalid(w))
		decide_subject(w);
}

/* ---- rules ---- */

/* is_scoped: not all that the rules say may be done. */
static sp_code write_rules(sp_buf *out, const api_rules *rules, bool is_scoped)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	for (int urls = 0; urls < 2; urls++) {
		sp_jout_member_open(&j, urls ? SP_STR("nonResourceRules") : SP_STR("resourceRules"), '[');
		for (size_t i = 0; i < rules->n; i++) {
			if ((rules->items[i].urls.n > 0) != (urls == 1))
				continue;
			SP_AUTO_BUF one;
			sp_buf_init(&one, TEXT_BYTES_MAX);
			SP_TRY(api_rule_write(&one, &rules->items[i]));
			sp_jout_raw(&j, sp_buf_view(&one));
		}
		sp_jout_close(&j, ']');
	}
	sp_jout_member_bool(&j, SP_STR("incomplete"), is_scoped);
	if (is_scoped)
		sp_jout_member_str(&j, SP_STR("evaluationError"),
				   SP_STR("the service account is limited to a node "
					  "(" API_NODE_SCOPED_NOTE "), which rules do not show"));
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}

void api_answer_self_subject_rules(api_write *w)
{
	sp_str ns = sp_kv_str(sp_kv_get(w->obj, "spec"), "namespace"), node;
	api_rules rules;
	yyjson_mut_val *status = NULL, *spec;
	sp_err err;
	if (ns.len == 0) {
		sp_status s = sp_status_bad_request(SP_STR("no namespace on request"));
		api_write_refuse(w, &s);
		return;
	}
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	sp_code code = api_rbac_rules_of(w->server->rbac, &w->arena, &w->r->user, ns, &rules, &err);
	if (code == SP_OK)
		code = write_rules(&text, &rules, api_node_scoped(w->server, &w->arena, &w->r->user, &node));
	if (code == SP_OK)
		code = sp_json_parse_mut(&w->arena, sp_buf_view(&text), w->doc, &status, &err);
	sp_kv_drop(w->obj, "spec"); /* upstream answers with a new object */
	sp_kv_drop(w->obj, "metadata");
	spec = sp_kv_need_obj(w->doc, w->obj, "spec");
	if (code != SP_OK)
		api_write_fail(w, code, &err);
	else if (spec == NULL || !sp_kv_set(w->doc, w->obj, "status", status))
		api_write_fail(w, SP_ENOMEM, NULL);
	else
		api_answer_send(w);
}

/* ---- who am I ---- */

void api_answer_self_subject(api_write *w)
{
	yyjson_mut_val *info = NULL, *meta, *status;
	sp_err err;
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	sp_jout j = sp_jout_to(&text);
	sp_jout_open(&j, '{');
	api_user_write(&j, &w->r->user);
	sp_jout_close(&j, '}');
	sp_code code = sp_json_parse_mut(&w->arena, sp_buf_view(&text), w->doc, &info, &err);
	sp_kv_drop(w->obj, "metadata");
	sp_kv_drop(w->obj, "status");
	meta = sp_kv_need_obj(w->doc, w->obj, "metadata");
	status = sp_kv_need_obj(w->doc, w->obj, "status");
	if (code != SP_OK)
		api_write_fail(w, code, &err);
	else if (meta == NULL || status == NULL ||
		 !sp_kv_set_str(w->doc, meta, "creationTimestamp", w->now_str) ||
		 !sp_kv_set(w->doc, status, "userInfo", info))
		api_write_fail(w, SP_ENOMEM, NULL);
	else
		api_answer_send(w);
}
