/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/violations.h"

#include "base/quote.h"
#include "kube/status.h"
#include "lib/t.h"

SP_TEST(violations, go_quotes)
{
	static const struct {
		sp_str in;
		const char *want;
	} rows[] = {
		{SP_STR_INIT("a b"), "\"a b\""},
		{SP_STR_INIT("\"\\"), "\"\\\"\\\\\""},
		{SP_STR_INIT("\n\t\x01\x7f"), "\"\\n\\t\\x01\\x7f\""},
		{SP_STR_INIT("\xff<>&"), "\"\\xff<>&\""},
		{SP_STR_INIT("\xc3\xa9\xe2\x80\xa8"), "\"\xc3\xa9\\u2028\""},
		{SP_STR_INIT("a\0b"), "\"a\\x00b\""},
		{SP_STR_INIT("\xf4\x80\x80\x80"), "\"\\U00100000\""},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		SP_AUTO_BUF out;
		sp_buf_init(&out, 1024);
		t_row("%s", rows[i].want);
		T_OK(sp_quote_go(&out, rows[i].in));
		T_EQ_C(sp_buf_view(&out), rows[i].want);
	}
}

static void collect(sp_violations *v)
{
	const sp_path *spec = SP_PATH("spec");
	const sp_path *port = SP_AT_I(SP_AT(spec, "ports"), 2);
	static const char *const protocols[] = {"SCTP", "TCP"};
	sp_violations_init(v, T_ARENA);
	sp_v_required(v, SP_AT(port, "name"), "%s", "");
	sp_v_required(v, NULL, "why %d", 1);
	sp_v_invalid(v, SP_AT(port, "port"), 70000, "too big");
	sp_v_invalid(v, SP_AT_KEY(spec, SP_STR("a/b")), SP_STR("x\n"), "%s", "");
	sp_v_invalid(v, spec, (bool)true, "no");
	sp_v_invalid(v, spec, (yyjson_mut_val *)NULL, "no");
	sp_v_invalid(v, spec, sp_bad_named(SP_STR("<")), "no");
	sp_v_not_supported(v, SP_AT(port, "protocol"), "ICMP", protocols, SP_LEN(protocols));
	sp_v_forbidden(v, spec, "no");
	sp_v_duplicate(v, spec, "a");
	sp_v_not_found(v, spec, "a");
	sp_v_too_long(v, spec, 1);
	sp_v_too_many(v, spec, 3, 2);
	sp_v_too_few(v, spec, 0, 1);
	sp_v_internal(v, spec, "oh");
	sp_v_type_invalid(v, spec, "a", "no");
}

SP_TEST(violations, upstream_texts)
{
	static const char *const want[] = {
		"FieldValueRequired|spec.ports[2].name|Required value",
		"FieldValueRequired|<nil>|Required value: why 1",
		"FieldValueInvalid|spec.ports[2].port|Invalid value: 70000: too big",
		"FieldValueInvalid|spec[a/b]|Invalid value: \"x\\n\"",
		"FieldValueInvalid|spec|Invalid value: true: no",
		"FieldValueInvalid|spec|Invalid value: null: no",
		"FieldValueInvalid|spec|Invalid value: \"\\u003c\": no",
		"FieldValueNotSupported|spec.ports[2].protocol|Unsupported value: \"ICMP\": supported "
		"values: "
		"\"SCTP\", \"TCP\"",
		"FieldValueForbidden|spec|Forbidden: no",
		"FieldValueDuplicate|spec|Duplicate value: \"a\"",
		"FieldValueNotFound|spec|Not found: \"a\"",
		"FieldValueTooLong|spec|Too long: may not be more than 1 byte",
		"FieldValueTooMany|spec|Too many: 3: must have at most 2 items",
		"FieldValueTooFew|spec|Too few: 0: must have at least 1 item",
		"InternalError|spec|Internal error: oh",
		"FieldValueTypeInvalid|spec|Invalid value: \"a\": no",
	};
	sp_violations v;
	collect(&v);
	T_OK(v.code);
	T_EQ_U64(v.n, SP_LEN(want));
	for (size_t i = 0; i < v.n; i++) {
		sp_str reason = sp_v_reason(v.items[i].type);
		sp_str got = sp_arena_printf(T_ARENA, SP_FMT "|" SP_FMT "|" SP_FMT, SP_ARG(reason),
					     SP_ARG(v.items[i].field), SP_ARG(v.items[i].message));
		T_EQ_C(got, want[i]);
	}
}

SP_TEST(violations, one_text)
{
	sp_violations v;
	sp_violations_init(&v, T_ARENA);
	T_EQ_C(sp_violations_text(T_ARENA, &v), "");
	sp_v_forbidden(&v, SP_PATH("a"), "no");
	T_EQ_C(sp_violations_text(T_ARENA, &v), "a: Forbidden: no");
	sp_v_forbidden(&v, SP_PATH("a"), "no"); /* a repetition is a cause of its own but is told once */
	T_EQ_C(sp_violations_text(T_ARENA, &v), "a: Forbidden: no");
	sp_v_forbidden(&v, SP_PATH("b"), "no");
	T_EQ_C(sp_violations_text(T_ARENA, &v), "[a: Forbidden: no, b: Forbidden: no]");
	T_EQ_U64(v.n, 3);
}

SP_TEST(violations, has_a_ceiling)
{
	sp_violations v;
	sp_violations_init(&v, T_ARENA);
	for (size_t i = 0; i < SP_VIOLATIONS_MAX + 10; i++)
		sp_v_forbidden(&v, SP_AT_I(SP_PATH("a"), i), "no");
	T_OK(v.code);
	T_EQ_U64(v.n, SP_VIOLATIONS_MAX);
	T_EQ_U64(v.dropped, 10);
}

static sp_str status_text(const sp_status *s)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	if (sp_status_write(&out, s) != SP_OK)
		return SP_STR("");
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&out));
}

SP_TEST(status, texts)
{
	sp_arena *a = T_ARENA;
	sp_group_resource pods = {SP_STR(""), SP_STR("pods")},
			  deploy = {SP_STR("apps"), SP_STR("deployments")};
	sp_str x = SP_STR("x"), none = SP_STR("");
	const struct {
		sp_status s;
		const char *want;
	} rows[] = {
		{sp_status_not_found(a, deploy, x), "404 NotFound deployments.apps \"x\" not found"},
		{sp_status_already_exists(a, pods, x), "409 AlreadyExists pods \"x\" already exists"},
		{sp_status_generate_name_conflict(a, pods, x),
		 "409 AlreadyExists pods \"x\" already exists, the server was not able to generate a unique "
		 "name "
		 "for the object"},
		{sp_status_unauthorized(SP_STR("Unauthorized")), "401 Unauthorized Unauthorized"},
		{sp_status_forbidden(a, pods, x, SP_STR("no")), "403 Forbidden pods \"x\" is forbidden: no"},
		{sp_status_forbidden(a, pods, none, SP_STR("no")), "403 Forbidden pods is forbidden: no"},
		{sp_status_forbidden(a, (sp_group_resource){none, none}, none, SP_STR("no")),
		 "403 Forbidden forbidden: no"},
		{sp_status_conflict(a, deploy, x, SP_STR(SP_STATUS_MODIFIED)),
		 "409 Conflict Operation cannot be fulfilled on deployments.apps \"x\": the object has been "
		 "modified; please apply your changes to the latest version and try again"},
		{sp_status_gone(SP_STR("g")), "410 Gone g"},
		{sp_status_expired(SP_STR("e")), "410 Expired e"},
		{sp_status_bad_request(SP_STR("b")), "400 BadRequest b"},
		{sp_status_too_many_requests(SP_STR("t"), 1), "429 TooManyRequests t"},
		{sp_status_service_unavailable(SP_STR("s")), "503 ServiceUnavailable s"},
		{sp_status_method_not_supported(a, deploy, SP_STR("create")),
		 "405 MethodNotAllowed create is not supported on resources of kind \"deployments.apps\""},
		{sp_status_method_not_allowed(),
		 "405 MethodNotAllowed the server does not allow this method on the requested resource"},
		{sp_status_server_timeout(a, pods, SP_STR("get"), 2),
		 "500 ServerTimeout The get operation against pods could not be completed at this time, "
		 "please "
		 "try again."},
		{sp_status_internal(a, SP_STR("i")), "500 InternalError Internal error occurred: i"},
		{sp_status_timeout(a, SP_STR("t"), 1), "504 Timeout Timeout: t"},
		{sp_status_too_large(a, SP_STR("limit is 1")),
		 "413 RequestEntityTooLarge Request entity too large: limit is 1"},
		{sp_status_not_acceptable(a, (sp_str[]){SP_STR("a/b"), SP_STR("c/d")}, 2),
		 "406 NotAcceptable only the following media types are accepted: a/b, c/d"},
		{sp_status_unsupported_media_type(a, (sp_str[]){SP_STR("a/b")}, 1),
		 "415 UnsupportedMediaType the body of the request was in an unknown format - accepted media "
		 "types include: a/b"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].want);
		T_EQ_C(sp_arena_printf(a, "%u " SP_FMT " " SP_FMT, (unsigned)rows[i].s.code,
				       SP_ARG(rows[i].s.reason), SP_ARG(rows[i].s.message)),
		       rows[i].want);
	}
}

SP_TEST(status, as_json)
{
	sp_arena *a = T_ARENA;
	sp_group_resource kind = {SP_STR("apps"), SP_STR("Deployment")};
	sp_violations v;
	sp_violations_init(&v, a);
	sp_v_required(&v, SP_PATH("spec.selector"), "%s", "");
	sp_status s = sp_status_invalid(a, kind, SP_STR("x"), &v);
	T_EQ_C(status_text(&s),
	       "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
	       "\"message\":"
	       "\"Deployment.apps \\\"x\\\" is invalid: spec.selector: Required "
	       "value\",\"reason\":\"Invalid\",\"details\":{\"name\":\"x\",\"group\":\"apps\",\"kind\":"
	       "\"Deployment\",\"causes\":[{\"reason\":\"FieldValueRequired\",\"message\":\"Required "
	       "value\",\"field\":\"spec.selector\"}]},\"code\":422}");
	s = sp_status_deleted((sp_group_resource){SP_STR(""), SP_STR("pods")}, SP_STR("x"), SP_STR("u"));
	T_EQ_C(status_text(&s), "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":"
				"\"Success\",\"details\":{"
				"\"name\":\"x\",\"kind\":\"pods\",\"uid\":\"u\"}}");
	s = sp_status_method_not_allowed();
	T_EQ_C(status_text(&s), "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":"
				"\"Failure\",\"message\":"
				"\"the server does not allow this method on the requested "
				"resource\",\"reason\":\"MethodNotAllowed\",\"details\":{},\"code\":405}");
	s = sp_status_expired(SP_STR("old"));
	s.continue_token = SP_STR("t");
	T_EQ_C(status_text(&s),
	       "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{\"continue\":\"t\"},"
	       "\"status\":\"Failure\",\"message\":\"old\",\"reason\":\"Expired\",\"code\":410}");
}
