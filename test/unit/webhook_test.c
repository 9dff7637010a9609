/* SPDX-License-Identifier: Apache-2.0 */
/* Which webhooks a write concerns, and what their answers mean; the calls themselves: test/e2e/webhook.sh. */
#include "apiserver/admission/hook_config.h"
#include "apiserver/admission/hook_review.h"
#include "lib/t.h"

static api_hook_set *set_of(const char *json)
{
	yyjson_val *obj = NULL;
	api_hook_set *s = api_hook_set_new();
	if (sp_json_parse(T_ARENA, sp_str_c(json), &obj, T_ERR) == SP_OK &&
	    api_hook_set_add(s, SP_STR("conf"), obj))
		return s;
	return api_hook_set_unref(s);
}

#define WRAP(hook) "{\"webhooks\":[" hook "]}"
#define RULE(ops, groups, versions, resources, more)                                           \
	WRAP("{\"name\":\"a.b.c\",\"rules\":[{\"operations\":[" ops "],\"apiGroups\":[" groups \
	     "],\"apiVersions\":[" versions "],\"resources\":[" resources "]" more "}]}")

SP_TEST(webhook, rules_match)
{
	static const struct {
		const char *hooks, *op, *group, *version, *resource, *sub, *ns;
		bool yes;
	} rows[] = {
		{RULE("\"CREATE\"", "\"\"", "\"v1\"", "\"pods\"", ""), "CREATE", "", "v1", "pods", "", "d",
		 true},
		{RULE("\"CREATE\"", "\"\"", "\"v1\"", "\"pods\"", ""), "UPDATE", "", "v1", "pods", "", "d",
		 false},
		{RULE("\"CREATE\"", "\"\"", "\"v1\"", "\"pods\"", ""), "CREATE", "apps", "v1", "pods", "",
		 "d", false},
		{RULE("\"CREATE\"", "\"\"", "\"v1\"", "\"pods\"", ""), "CREATE", "", "v2", "pods", "", "d",
		 false},
		{RULE("\"CREATE\"", "\"\"", "\"v1\"", "\"pods\"", ""), "CREATE", "", "v1", "pods", "status",
		 "d", false},
		{RULE("\"*\"", "\"*\"", "\"*\"", "\"*\"", ""), "DELETE", "x", "v9", "y", "", "", true},
		{RULE("\"*\"", "\"*\"", "\"*\"", "\"*\"", ""), "UPDATE", "x", "v9", "y", "status", "", false},
		{RULE("\"*\"", "\"*\"", "\"*\"", "\"*/*\"", ""), "UPDATE", "x", "v9", "y", "status", "",
		 true},
		{RULE("\"*\"", "\"*\"", "\"*\"", "\"*/*\"", ""), "UPDATE", "x", "v9", "y", "", "", true},
		{RULE("\"*\"", "\"*\"", "\"*\"", "\"pods/*\"", ""), "UPDATE", "", "v1", "pods", "status", "d",
		 true},
		{RULE("\"*\"", "\"*\"", "\"*\"", "\"*/scale\"", ""), "UPDATE", "apps", "v1", "deployments",
		 "scale", "d", true},
		{RULE("\"*\"", "\"*\"", "\"*\"", "\"*/scale\"", ""), "UPDATE", "apps", "v1", "deployments",
		 "", "d", false},
		{RULE("\"*\"", "\"*\"", "\"*\"", "\"*\"", ",\"scope\":\"Namespaced\""), "CREATE", "", "v1",
		 "pods", "", "d", true},
		{RULE("\"*\"", "\"*\"", "\"*\"", "\"*\"", ",\"scope\":\"Namespaced\""), "CREATE", "", "v1",
		 "nodes", "", "", false},
		{RULE("\"*\"", "\"*\"", "\"*\"", "\"*\"", ",\"scope\":\"Namespaced\""), "CREATE", "", "v1",
		 "namespaces", "", "d", false},
		{RULE("\"*\"", "\"*\"", "\"*\"", "\"*\"", ",\"scope\":\"Cluster\""), "CREATE", "", "v1",
		 "namespaces", "", "d", true},
		{RULE("\"*\"", "\"*\"", "\"*\"", "\"*\"", ",\"scope\":\"Cluster\""), "CREATE", "", "v1",
		 "pods", "", "d", false},
		{RULE("\"*\"", "\"*\"", "\"*\"", "\"*\"", ",\"scope\":\"*\""), "CREATE", "", "v1", "pods", "",
		 "d", true},
		{WRAP("{\"name\":\"a.b.c\"}"), "CREATE", "", "v1", "pods", "", "d", false},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		api_hook_set *s = set_of(rows[i].hooks);
		T_TRUE(s != NULL);
		const api_hook_target t = {sp_str_c(rows[i].op),      sp_str_c(rows[i].group),
					   sp_str_c(rows[i].version), sp_str_c(rows[i].resource),
					   sp_str_c(rows[i].sub),     sp_str_c(rows[i].ns)};
		bool yes = s->n == 1 && api_hook_matches(&s->hooks[0], &t);
		api_hook_set_unref(s);
		if (yes != rows[i].yes)
			(void)t_fail(__FILE__, __LINE__, "row %zu", i);
	}
}

SP_TEST(webhook, configurations_are_read)
{
	api_hook_set *s = set_of(
		"{\"webhooks\":[{\"name\":\"one.b.c\",\"clientConfig\":{\"url\":\"https://h/p\",\"caBundle\":"
		"\"cGVt\"},\"failurePolicy\":\"Ignore\",\"sideEffects\":\"NoneOnDryRun\",\"timeoutSeconds\":"
		"3,"
		"\"reinvocationPolicy\":\"IfNeeded\",\"admissionReviewVersions\":[\"v1beta1\",\"v1\"]},"
		"{\"name\":\"two.b.c\",\"clientConfig\":{\"service\":{\"name\":\"s\",\"namespace\":\"n\","
		"\"path\":\"/x\",\"port\":99}},\"sideEffects\":\"Some\",\"namespaceSelector\":{},"
		"\"objectSelector\":{\"matchLabels\":{\"a\":\"b\"}},\"matchConditions\":[{\"name\":\"c\"}]}]"
		"}");
	T_TRUE(s != NULL && s->n == 2);
	const api_hook *one = &s->hooks[0], *two = &s->hooks[1];
	bool ok = sp_str_eq(one->name, SP_STR("one.b.c")) && sp_str_eq(one->configuration, SP_STR("conf")) &&
		  sp_str_eq(one->at.url, SP_STR("https://h/p")) && sp_str_eq(one->at.ca_pem, SP_STR("pem")) &&
		  one->ignores_failure && one->allows_dry_run && one->timeout_s == 3 && one->is_reinvoked &&
		  one->knows_v1 && one->conditions.n == 0 && one->objects.n == 0 && !one->objects.nothing;
	bool ok2 = sp_str_eq(two->at.service, SP_STR("s")) && sp_str_eq(two->at.service_ns, SP_STR("n")) &&
		   sp_str_eq(two->at.path, SP_STR("/x")) && two->at.port == 99 && !two->ignores_failure &&
		   !two->allows_dry_run && two->timeout_s == 10 && !two->knows_v1 && two->conditions.n == 1 &&
		   two->objects.n == 1 && two->namespaces.n == 0;
	api_hook_set_unref(s);
	T_TRUE(ok);
	T_TRUE(ok2);
}

#define REVIEW(response) \
	"{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"response\":" response "}"

SP_TEST(webhook, answers_are_read)
{
	static const struct {
		const char *text;
		bool mutating, allowed;
		uint16_t code;
		const char *says; /* of the denial, or why it is none */
	} rows[] = {
		{REVIEW("{\"uid\":\"u\",\"allowed\":true}"), false, true, 0, ""},
		{REVIEW("{\"uid\":\"u\"}"), false, false, 400,
		 "admission webhook \"w\" denied the request without explanation"},
		{REVIEW("{\"uid\":\"u\",\"allowed\":false,\"status\":{\"message\":\"no\",\"code\":418}}"),
		 false, false, 418, "admission webhook \"w\" denied the request: no"},
		{REVIEW("{\"uid\":\"u\",\"status\":{\"reason\":\"Forbidden\",\"code\":200}}"), false, false,
		 400, "admission webhook \"w\" denied the request: Forbidden"},
		{REVIEW("{\"uid\":\"u\",\"status\":{\"code\":70000}}"), false, false, 500,
		 "admission webhook \"w\" denied the request without explanation"},
		{REVIEW("{\"uid\":\"v\",\"allowed\":true}"), false, false, 0,
		 "received invalid webhook response: expected response.uid=\"u\", got \"v\""},
		{REVIEW("null"), false, false, 0,
		 "received invalid webhook response: webhook response was absent"},
		{"{\"apiVersion\":\"v1\",\"kind\":\"X\",\"response\":{\"uid\":\"u\"}}", false, false, 0,
		 "received invalid webhook response: expected webhook response of admission.k8s.io/v1, "
		 "Kind=AdmissionReview, got v1, Kind=X"},
		{REVIEW("{\"uid\":\"u\",\"allowed\":true,\"patch\":\"W10=\",\"patchType\":\"JSONPatch\"}"),
		 true, true, 0, ""},
		{REVIEW("{\"uid\":\"u\",\"allowed\":true,\"patch\":\"W10=\",\"patchType\":\"JSONPatch\"}"),
		 false, false, 0,
		 "received invalid webhook response: validating webhook may not return response.patch"},
		{REVIEW("{\"uid\":\"u\",\"allowed\":true,\"patch\":\"W10=\"}"), true, false, 0,
		 "received invalid webhook response: webhook returned response.patch but not "
		 "response.patchType"},
		{REVIEW("{\"uid\":\"u\",\"allowed\":true,\"patchType\":\"JSONPatch\"}"), true, false, 0,
		 "received invalid webhook response: webhook returned response.patchType but not "
		 "response.patch"},
		{REVIEW("{\"uid\":\"u\",\"allowed\":true,\"patch\":\"W10=\",\"patchType\":\"x\"}"), true,
		 false, 0, "unsupported patch type \"x\""},
		{"nonsense", true, false, 0, NULL},
		{"{}", true, false, 0, NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		api_review_answer a = {0};
		sp_str why;
		sp_code code = api_review_read(T_ARENA, sp_str_c(rows[i].text), SP_STR("w"), SP_STR("u"),
					       rows[i].mutating, &a, &why);
		bool failed = !rows[i].allowed && rows[i].code == 0;
		T_EQ_I64(code, failed ? SP_EINVAL : SP_OK);
		T_TRUE(a.allowed == rows[i].allowed && a.status.code == rows[i].code);
		if (rows[i].says != NULL && !rows[i].allowed)
			T_EQ_C(failed ? why : a.status.message, rows[i].says);
	}
}

SP_TEST(webhook, answers_carry_patches_and_warnings)
{
	api_review_answer a;
	sp_str why;
	T_TRUE(api_review_read(T_ARENA,
			       SP_STR(REVIEW("{\"uid\":\"u\",\"allowed\":true,\"patch\":\"W10=\","
					     "\"patchType\":\"JSONPatch\",\"warnings\":[\"a\",7,\"b\"]}")),
			       SP_STR("w"), SP_STR("u"), true, &a, &why) == SP_OK);
	T_EQ_C(a.patch, "[]");
	T_EQ_U64(a.n_warnings, 2u);
	T_EQ_C(a.warnings[1], "b");
}
