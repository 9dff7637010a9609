/* SPDX-License-Identifier: Apache-2.0 */
/* What of a log can be answered without its node: mistakes, and the emptiness of a pod that has none.
 * U: kubernetes pkg/registry/core/pod/{rest/log,strategy}.go, ValidatePodLogOptions. */
#include "apiserver/subresources/subresources.h"
#include "base/num.h"
#include "kube/meta.h"

typedef struct log_option {
	bool has;
	int64_t n;
} log_option;

static bool read_number(api_request *r, const char *name, log_option *ret)
{
	const sp_url_pair *p = sp_url_query_find(&r->query, sp_str_c(name));
	sp_err err;
	*ret = (log_option){.has = p != NULL};
	if (p == NULL || sp_parse_i64(p->value, INT64_MIN, INT64_MAX, &ret->n, &err) == SP_OK)
		return true;
	bool digits = p->value.len > 0;
	for (size_t i = 0; i < p->value.len; i++) {
		char c = p->value.ptr[i];
		digits = digits &&
			 ((c >= '0' && c <= '9') || (i == 0 && p->value.len > 1 && (c == '-' || c == '+')));
	}
	sp_status s = sp_status_bad_request(
		sp_arena_printf(r->arena, "strconv.ParseInt: parsing \"" SP_FMT "\": %s", SP_ARG(p->value),
				digits ? "value out of range" : "invalid syntax"));
	api_reply_status(r, &s);
	return false;
}

static bool check_options(api_request *r)
{
	log_option tail, limit, since;
	sp_violations v;
	sp_violations_init(&v, r->arena);
	if (!read_number(r, "tailLines", &tail) || !read_number(r, "limitBytes", &limit) ||
	    !read_number(r, "sinceSeconds", &since))
		return false;
	if (tail.has)
		sp_v_non_negative(&v, SP_PATH("tailLines"), tail.n);
	if (limit.has && limit.n < 1)
		sp_v_invalid(&v, SP_PATH("limitBytes"), limit.n, "must be greater than 0");
	if (since.has && sp_url_query_find(&r->query, SP_STR("sinceTime")) != NULL)
		sp_v_forbidden(&v, SP_PATH("[]"),
			       "at most one of `sinceTime` or `sinceSeconds` may be specified");
	else if (since.has && since.n < 1)
		sp_v_invalid(&v, SP_PATH("sinceSeconds"), since.n, "must be greater than 0");
	if (v.n == 0)
		return true;
	sp_status s = sp_status_invalid(r->arena, (sp_group_resource){SP_STR(""), SP_STR("PodLogOptions")},
					r->info.name, &v);
	api_reply_status(r, &s);
	return false;
}

static bool has_container(yyjson_mut_val *spec, sp_str name)
{
	static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};
	for (size_t i = 0; i < SP_LEN(lists); i++) {
		SP_KV_EACH (c, k, sp_kv_list(spec, lists[i])) {
			if (sp_str_eq(sp_kv_str(c, "name"), name))
				return true;
		}
	}
	return false;
}

static void add_names(sp_buf *out, yyjson_mut_val *list)
{
	SP_KV_EACH (c, i, list)
		(void)sp_buf_printf(out, "%s" SP_FMT, i == 0 ? "" : " ", SP_ARG(sp_kv_str(c, "name")));
}

static sp_str which_container(api_request *r, yyjson_mut_val *spec)
{
	SP_AUTO_BUF text;
	yyjson_mut_val *init = sp_kv_list(spec, "initContainers");
	yyjson_mut_val *debug = sp_kv_list(spec, "ephemeralContainers");
	sp_buf_init(&text, (size_t)64 << 10);
	(void)sp_buf_printf(&text, "a container name must be specified for pod " SP_FMT ", choose one of: [",
			    SP_ARG(r->info.name));
	add_names(&text, sp_kv_list(spec, "containers"));
	(void)sp_buf_char(&text, ']');
	if (init != NULL) {
		(void)sp_buf_str(&text, SP_STR(" or one of the init containers: ["));
		add_names(&text, init);
		(void)sp_buf_char(&text, ']');
	}
	if (debug != NULL) {
		(void)sp_buf_str(&text, SP_STR(" or one of the ephemeral containers: ["));
		add_names(&text, debug);
		(void)sp_buf_char(&text, ']');
	}
	return sp_arena_try_dup(r->arena, sp_buf_view(&text));
}

static bool check_container(api_request *r, yyjson_mut_val *spec)
{
	sp_str name = sp_url_query_get(&r->query, SP_STR("container"));
	size_t n = sp_kv_len(sp_kv_list(spec, "containers")) + sp_kv_len(sp_kv_list(spec, "initContainers")) +
		   sp_kv_len(sp_kv_list(spec, "ephemeralContainers"));
	if (name.len == 0 && n == 1)
		return true;
	if (name.len > 0 && has_container(spec, name))
		return true;
	sp_status s = sp_status_bad_request(
		name.len == 0 ? which_container(r, spec)
			      : sp_arena_printf(r->arena, "container " SP_FMT " is not valid for pod " SP_FMT,
						SP_ARG(name), SP_ARG(r->info.name)));
	api_reply_status(r, &s);
	return false;
}

static void answer(api_request *r, yyjson_mut_val *pod)
{
	yyjson_mut_val *spec = sp_kv_get(pod, "spec");
	if (!check_container(r, spec))
		return;
	if (sp_kv_str(spec, "nodeName").len == 0) {
		api_reply(r, 204, SP_STR(""), SP_STR(""));
		return;
	}
	sp_status s = sp_status_service_unavailable(sp_arena_printf(
		r->arena, "node \"" SP_FMT "\" can't be reached", SP_ARG(sp_kv_str(spec, "nodeName"))));
	api_reply_status(r, &s);
}

void api_pod_log(api_request *r)
{
	sp_err err;
	sp_store_value value = {0};
	sp_record rec;
	yyjson_mut_val *pod = NULL;
	yyjson_mut_doc *doc = sp_json_doc(r->arena);
	if (!check_options(r))
		return;
	sp_code code = api_load(r, r->info.ns, r->info.name, &value, &rec, &err);
	if (code == SP_OK) {
		code = doc == NULL ? SP_ENOMEM
				   : api_object_tree(r->arena, &rec, value.revision, doc, &pod, &err);
		sp_bytes_unref(value.record);
	}
	if (code == SP_OK)
		answer(r, pod);
	else
		api_reply_error(r, code, code == SP_ENOMEM ? NULL : &err);
}
