/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/options.h"

#include "apiserver/custom/custom.h"
#include "apiserver/server_int.h"
#include "base/num.h"
#include "base/quote.h"
#include "kube/meta.h"

/* ---- numbers, in Go's words ---- */

/* "strconv.ParseInt: parsing \"x\": invalid syntax" or "… value out of range". Only a signed number may have
 * a sign. */
static sp_code bad_number(sp_arena *a, bool is_signed, sp_str text, sp_str *ret_why)
{
	sp_str rest = text;
	SP_AUTO_BUF shown;
	if (is_signed && !sp_str_take(&rest, SP_STR("-")))
		(void)sp_str_take(&rest, SP_STR("+"));
	bool digits = rest.len > 0;
	for (size_t i = 0; i < rest.len; i++)
		digits = digits && rest.ptr[i] >= '0' && rest.ptr[i] <= '9';
	sp_buf_init(&shown, a->limit_bytes);
	if (sp_quote_go(&shown, text) != SP_OK)
		return SP_ENOMEM;
	sp_str quoted = sp_buf_view(&shown);
	*ret_why = sp_arena_printf(a, "strconv.Parse%s: parsing " SP_FMT ": %s", is_signed ? "Int" : "Uint",
				   SP_ARG(quoted), digits ? "value out of range" : "invalid syntax");
	return SP_EINVAL;
}

sp_code api_revision_parse(sp_arena *a, sp_str text, uint64_t *ret, sp_str *ret_why)
{
	if (sp_parse_u64(text, 0, UINT64_MAX, ret, NULL) == SP_OK)
		return SP_OK;
	return bad_number(a, false, text, ret_why);
}

static sp_code parse_i64(sp_arena *a, sp_str text, int64_t *ret, sp_str *ret_why)
{
	sp_str digits = text;
	(void)sp_str_take(&digits, SP_STR("+"));
	if (sp_parse_i64(digits, INT64_MIN, INT64_MAX, ret, NULL) == SP_OK)
		return SP_OK;
	return bad_number(a, true, text, ret_why);
}

/* ---- list, watch, deletecollection ---- */

static bool refuse_text(api_request *r, sp_str why)
{
	sp_status s = sp_status_bad_request(why);
	api_reply_status(r, &s);
	return false;
}

static bool read_selectors(api_request *r, api_list_options *o)
{
	sp_str why = {NULL, 0};
	sp_str fields = sp_url_query_get(&r->query, SP_STR("fieldSelector"));
	if (sp_labels_parse(r->arena, sp_url_query_get(&r->query, SP_STR("labelSelector")), &o->labels,
			    &why) != SP_OK ||
	    sp_fields_parse(r->arena, fields, &o->fields, &why) != SP_OK)
		return refuse_text(r, why);
	return true;
}

static bool bind_fields(api_request *r, api_list_options *o)
{
	sp_str why = {NULL, 0};
	const sp_kind *k = r->res->kind;
	const api_custom *custom = r->res->custom;
	const sp_field_kind kind = {.group = k->group,
				    .version = k->version,
				    .kind = k->kind,
				    .custom = custom != NULL,
				    .selectable = custom == NULL ? NULL : custom->selectable,
				    .n_selectable = custom == NULL ? 0 : custom->n_selectable};
	if (sp_fields_bind(r->arena, &kind, &o->fields, &why) != SP_OK)
		return refuse_text(r, why);
	(void)sp_selector_exact(&o->fields, SP_STR("metadata.name"), &o->name);
	return true;
}

static bool read_number(api_request *r, sp_str key, bool *ret_has, int64_t *ret)
{
	sp_str why = {NULL, 0}, text = sp_url_query_get(&r->query, key);
	*ret_has = text.len > 0;
	return text.len == 0 || parse_i64(r->arena, text, ret, &why) == SP_OK || refuse_text(r, why);
}

static void check_match(sp_violations *v, const api_list_options *o, sp_str match, sp_str rv)
{
	const sp_path *at = SP_PATH("resourceVersionMatch");
	static const char *const known[] = {"Exact", "NotOlderThan", ""};
	if (match.len == 0)
		return;
	if (rv.len == 0)
		sp_v_forbidden(v, at, "resourceVersionMatch is forbidden unless resourceVersion is provided");
	if (o->cont.len > 0)
		sp_v_forbidden(v, at, "resourceVersionMatch is forbidden when continue is provided");
	if (o->match == API_RV_UNSET)
		sp_v_not_supported(v, at, sp_bad_named(match), known, SP_LEN(known));
	if (o->match == API_RV_EXACT && sp_str_eq(rv, SP_STR("0")))
		sp_v_forbidden(v, at,
			       "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
}

static void check_watch_match(sp_violations *v, const api_list_options *o, sp_str match)
{
	const sp_path *at = SP_PATH("resourceVersionMatch");
	static const char *const known[] = {"NotOlderThan"};
	if (o->has_send_initial && o->match != API_RV_NOT_OLDER)
		sp_v_forbidden(v, at,
			       "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
	if (match.len == 0)
		return;
	if (!o->has_send_initial)
		sp_v_forbidden(
			v, at,
			"resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
	if (o->match != API_RV_NOT_OLDER)
		sp_v_not_supported(v, at, sp_bad_named(match), known, SP_LEN(known));
	if (o->cont.len > 0)
		sp_v_forbidden(v, at, "resourceVersionMatch is forbidden when continue is provided");
}

static bool refuse_violations(api_request *r, const char *kind, const sp_violations *v)
{
	if (v->n == 0)
		return true;
	sp_status s = sp_status_invalid(r->arena, (sp_group_resource){SP_STR("meta.k8s.io"), sp_str_c(kind)},
					SP_STR(""), v);
	api_reply_status(r, &s);
	return false;
}

static bool check_list(api_request *r, const api_list_options *o, sp_str match, sp_str rv)
{
	sp_violations v;
	sp_violations_init(&v, r->arena);
	if (sp_str_eq(r->info.verb, SP_STR("watch"))) {
		check_watch_match(&v, o, match);
	} else {
		check_match(&v, o, match, rv);
		if (o->has_send_initial)
			sp_v_forbidden(&v, SP_PATH("sendInitialEvents"),
				       "sendInitialEvents is forbidden for list");
	}
	return refuse_violations(r, "ListOptions", &v);
}

/* The list's own errors are BadRequest, a watch's come from the storage and have no reason. */
static bool read_revision(api_request *r, sp_str rv, api_list_options *o)
{
	sp_str why = {NULL, 0};
	o->has_rv = rv.len > 0;
	if (rv.len == 0 || api_revision_parse(r->arena, rv, &o->rv, &why) == SP_OK)
		return true;
	bool watch = sp_str_eq(r->info.verb, SP_STR("watch"));
	sp_status s = sp_status_bad_request(
		sp_arena_printf(r->arena, "%sresourceVersion: Invalid value: \"" SP_FMT "\": " SP_FMT,
				watch ? "" : "invalid resource version: ", SP_ARG(rv), SP_ARG(why)));
	if (watch)
		s = (sp_status){.code = 500, .message = s.message};
	api_reply_status(r, &s);
	return false;
}

bool api_list_options_read(api_request *r, api_list_options *ret)
{
	api_list_options o = {0};
	int64_t limit = 0;
	bool has_limit;
	sp_str rv = sp_url_query_get(&r->query, SP_STR("resourceVersion"));
	sp_str match = sp_url_query_get(&r->query, SP_STR("resourceVersionMatch"));
	if (!read_selectors(r, &o) ||
	    !read_number(r, SP_STR("timeoutSeconds"), &o.has_timeout, &o.timeout_s) ||
	    !read_number(r, SP_STR("limit"), &has_limit, &limit))
		return false;
	o.limit = limit > 0 ? (uint64_t)limit : 0;
	o.cont = sp_url_query_get(&r->query, SP_STR("continue"));
	o.bookmarks = api_query_flag(&r->query, SP_STR("allowWatchBookmarks"));
	o.has_send_initial = sp_url_query_find(&r->query, SP_STR("sendInitialEvents")) != NULL;
	o.send_initial = api_query_flag(&r->query, SP_STR("sendInitialEvents"));
	o.match = sp_str_eq(match, SP_STR("Exact"))          ? API_RV_EXACT
		  : sp_str_eq(match, SP_STR("NotOlderThan")) ? API_RV_NOT_OLDER
							     : API_RV_UNSET;
	if (!check_list(r, &o, match, rv) || !bind_fields(r, &o) || !read_revision(r, rv, &o))
		return false;
	*ret = o;
	return true;
}

/* ---- get ---- */

bool api_get_options_check(api_request *r)
{
	sp_str rv = sp_url_query_get(&r->query, SP_STR("resourceVersion"));
	uint64_t wanted = 0;
	sp_str why = {NULL, 0};
	if (rv.len == 0)
		return true;
	if (api_revision_parse(r->arena, rv, &wanted, &why) != SP_OK) {
		sp_status s = {.code = 500,
			       .message = sp_arena_printf(
				       r->arena, "resourceVersion: Invalid value: \"" SP_FMT "\": " SP_FMT,
				       SP_ARG(rv), SP_ARG(why))};
		api_reply_status(r, &s);
		return false;
	}
	return api_revision_reached(r, wanted);
}

/* ---- writes ---- */

/* kubectl/v1.36 (linux/amd64) … → kubectl. U: apiserver pkg/endpoints/handlers/create.go,
 * prefixFromUserAgent. */
static sp_str manager_of_agent(sp_str agent)
{
	sp_str head;
	if (!sp_str_cut(&agent, '/', &head))
		head = agent;
	size_t n = 0;
	for (; n < head.len && n < 128; n++) {
		uint8_t c = (uint8_t)head.ptr[n];
		if (c < 0x20 || c == 0x7f)
			break;
	}
	return sp_str_sub(head, 0, n);
}

static void check_dry_run(api_request *r, sp_violations *v, api_write_options *o)
{
	const sp_url_pair *first = sp_url_query_find(&r->query, SP_STR("dryRun"));
	static const char *const known[] = {"All"};
	if (first == NULL)
		return;
	o->dry_run = sp_str_eq(first->value, SP_STR("All"));
	if (!o->dry_run)
		sp_v_not_supported(
			v, SP_PATH("dryRun"),
			sp_bad_text(sp_arena_printf(r->arena, "[\"" SP_FMT "\"]", SP_ARG(first->value))),
			known, SP_LEN(known));
}

static void check_fields(sp_violations *v, sp_str text, api_write_options *o)
{
	static const char *const known[] = {"", "Ignore", "Strict", "Warn"};
	if (sp_str_eq(text, SP_STR("Strict")))
		o->fields = API_FV_STRICT;
	else if (sp_str_eq(text, SP_STR("Ignore")))
		o->fields = API_FV_IGNORE;
	else if (text.len > 0 && !sp_str_eq(text, SP_STR("Warn")))
		sp_v_not_supported(v, SP_PATH("fieldValidation"), text, known, SP_LEN(known));
}

bool api_write_options_read(api_request *r, const char *kind, bool is_apply, api_write_options *ret)
{
	api_write_options o = {.fields = API_FV_WARN};
	sp_violations v;
	sp_violations_init(&v, r->arena);
	const sp_url_pair *force = sp_url_query_find(&r->query, SP_STR("force"));
	sp_str manager = sp_url_query_get(&r->query, SP_STR("fieldManager"));
	if (strcmp(kind, "PatchOptions") == 0) {
		o.force = api_query_flag(&r->query, SP_STR("force"));
		if (is_apply && manager.len == 0)
			sp_v_required(&v, SP_PATH("fieldManager"), "is required for apply patch");
		if (!is_apply && force != NULL)
			sp_v_forbidden(&v, SP_PATH("force"), "may not be specified for non-apply patch");
	}
	sp_field_manager_validate(&v, SP_PATH("fieldManager"), manager);
	check_dry_run(r, &v, &o);
	check_fields(&v, sp_url_query_get(&r->query, SP_STR("fieldValidation")), &o);
	o.manager = manager.len > 0 ? manager
				    : manager_of_agent(sp_http_get(&r->ex->headers, SP_HTTP_USER_AGENT));
	*ret = o;
	return refuse_violations(r, kind, &v);
}
