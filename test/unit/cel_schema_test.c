/* SPDX-License-Identifier: Apache-2.0 */
/* How schemas look to rules: names, types, sizes; objects of built-in kinds. */
#include "base/json.h"
#include "lib/cel_show.h"
#include "lib/t.h"

SP_TEST(cel_schema, names)
{
	static const struct {
		const char *name, *escaped; /* NULL: none */
	} rows[] = {
		{"a", "a"},
		{"a-b", "a__dash__b"},
		{"a.b/c", "a__dot__b__slash__c"},
		{"a__b", "a__underscores__b"},
		{"___", "__underscores___"},
		{"namespace", "__namespace__"},
		{"in", "__in__"},
		{"ins", "ins"},
		{"_1", "_1"},
		{"1", NULL},
		{"", NULL},
		{"a b", NULL},
		{"\xc3\xa9", NULL},
		{"$ref", NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_str got = {NULL, 0}, back = {NULL, 0};
		t_row("%s", rows[i].name);
		T_TRUE(sp_cel_escape(T_ARENA, sp_str_c(rows[i].name), &got) == (rows[i].escaped != NULL));
		if (rows[i].escaped == NULL)
			continue;
		T_EQ_C(got, rows[i].escaped);
		T_TRUE(sp_cel_unescape(T_ARENA, got, &back));
		T_EQ_C(back, rows[i].name);
	}
	sp_str back;
	T_TRUE(!sp_cel_unescape(T_ARENA, SP_STR("a__nothing__b"), &back));
}

static const sp_cel_env *k8s_env(void)
{
	const sp_cel_env *env = NULL;
	if (sp_cel_env_new(T_ARENA, SP_CEL_KUBERNETES, SP_CEL_KUBERNETES_RULES, &env) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "environment");
	return env;
}

/* The type of an expression over self, or what is complained about. */
static sp_str type_of(const sp_cel_env *env, const sp_cel_var *self, const char *expr)
{
	const sp_cel_program *p = NULL;
	sp_cel_issues issues = {NULL, 0, {NULL, 0}, false};
	sp_code code = sp_cel_compile(T_ARENA, env, self, 1, sp_str_c(expr), &p, &issues, T_ERR);
	if (code == SP_EINVAL)
		return issues.n == 0 ? issues.text : issues.items[0].text;
	return code == SP_OK ? sp_cel_type_text(T_ARENA, sp_cel_result_type(p)) : sp_str_c(T_ERR->msg);
}

#define SCHEMA                                                                                         \
	"{\"type\":\"object\",\"properties\":{"                                                        \
	"\"spec\":{\"type\":\"object\",\"properties\":{"                                               \
	"\"a-b\":{\"type\":\"integer\"},\"r\":{\"type\":\"number\"},\"on\":{\"type\":\"boolean\"},"    \
	"\"at\":{\"type\":\"string\",\"format\":\"date-time\"},"                                       \
	"\"day\":{\"type\":\"string\",\"format\":\"date\"},"                                           \
	"\"wait\":{\"type\":\"string\",\"format\":\"duration\"},"                                      \
	"\"raw\":{\"type\":\"string\",\"format\":\"byte\"},\"mail\":{\"type\":\"string\",\"format\":"  \
	"\"email\"},"                                                                                  \
	"\"port\":{\"x-kubernetes-int-or-string\":true},"                                              \
	"\"maybe\":{\"type\":\"string\",\"nullable\":true},"                                           \
	"\"few\":{\"type\":\"array\",\"maxItems\":3,\"items\":{\"type\":\"string\",\"maxLength\":5}}," \
	"\"m\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"array\",\"items\":"           \
	"{\"type\":\"object\",\"properties\":{\"k\":{\"type\":\"string\"}}}}},"                        \
	"\"free\":{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true},"                \
	"\"any\":{\"x-kubernetes-preserve-unknown-fields\":true},"                                     \
	"\"pod\":{\"type\":\"object\",\"x-kubernetes-embedded-resource\":true,"                        \
	"\"x-kubernetes-preserve-unknown-fields\":true}}}}}"

SP_TEST(cel_schema, types)
{
	static const struct {
		const char *expr, *type;
	} rows[] = {
		{"self", "self"},
		{"self.kind", "string"},
		{"self.metadata.name", "string"},
		{"self.metadata.generateName", "string"},
		{"self.metadata.labels", "undefined field 'labels'"},
		{"self.spec", "self.spec"},
		{"self.spec.a__dash__b", "int"},
		{"self.spec.r", "double"},
		{"self.spec.on", "bool"},
		{"self.spec.at", "google.protobuf.Timestamp"},
		{"self.spec.day", "google.protobuf.Timestamp"},
		{"self.spec.wait", "google.protobuf.Duration"},
		{"self.spec.raw", "bytes"},
		{"self.spec.mail", "string"},
		{"self.spec.port", "dyn"},
		{"self.spec.maybe", "string"},
		{"self.spec.few", "list(string)"},
		{"self.spec.m", "map(string, list(self.spec.m.@elem.@idx))"},
		{"self.spec.m['x'][0].k", "string"},
		{"self.spec.free", "self.spec.free"},
		{"self.spec.any", "undefined field 'any'"},
		{"self.spec.pod.metadata.name", "string"},
		{"self.spec.none", "undefined field 'none'"},
		{"self.status", "undefined field 'status'"},
	};
	yyjson_val *v = NULL;
	const sp_schema *schema = NULL;
	const sp_cel_type *type = NULL;
	T_OK(sp_json_parse(T_ARENA, SP_STR(SCHEMA), &v, T_ERR));
	T_TRUE(cel_schema_type(T_ARENA, v, true, &schema, &type));
	sp_cel_var self = {SP_STR("self"), type, schema};
	const sp_cel_env *env = k8s_env();
	T_TRUE(env != NULL);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].expr);
		T_EQ_C(type_of(env, &self, rows[i].expr), rows[i].type);
	}
}

SP_TEST(cel_schema, sizes)
{
	static const struct {
		const char *schema;
		uint64_t elements, bytes;
	} rows[] = {
		{"{\"type\":\"string\"}", 3145726, 2},
		{"{\"type\":\"string\",\"maxLength\":5}", 20, 2},
		{"{\"type\":\"string\",\"enum\":[\"a\",\"bcd\"]}", 3, 2},
		{"{\"type\":\"string\",\"format\":\"date\"}", 12, 12},
		{"{\"type\":\"integer\"}", 0, 1},
		{"{\"type\":\"boolean\"}", 0, 4},
		{"{\"type\":\"array\",\"items\":{\"type\":\"boolean\"}}", 629145, 2},
		{"{\"type\":\"array\",\"maxItems\":7,\"items\":{\"type\":\"boolean\"}}", 7, 2},
		{"{\"type\":\"object\",\"additionalProperties\":{\"type\":\"boolean\"}}", 314572, 2},
		{"{\"type\":\"object\",\"required\":[\"aa\"],\"properties\":{\"aa\":{\"type\":\"boolean\"}}}",
		 0, 12},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		yyjson_val *v = NULL;
		const sp_schema *schema = NULL;
		const sp_cel_type *type = NULL;
		t_row("%s", rows[i].schema);
		T_OK(sp_json_parse(T_ARENA, sp_str_c(rows[i].schema), &v, T_ERR));
		T_TRUE(cel_schema_type(T_ARENA, v, false, &schema, &type));
		T_EQ_U64(sp_cel_max_elements(schema), rows[i].elements);
		T_EQ_U64(sp_cel_min_serialized_size(schema, false), rows[i].bytes);
	}
}

#define POD                                                                                                  \
	"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"labels\":{\"app\":\"web\"}," \
	"\"creationTimestamp\":\"2020-01-02T03:04:05Z\"},\"spec\":{\"containers\":[{\"name\":\"c\","         \
	"\"image\":\"img:1\",\"resources\":{\"limits\":{\"cpu\":\"500m\"}},\"livenessProbe\":{\"httpGet\":"  \
	"{\"port\":\"http\"}},\"securityContext\":{\"runAsNonRoot\":true}}],\"nodeSelector\":{\"a/"          \
	"b\":\"c\"}}}"

SP_TEST(cel_schema, kinds)
{
	static const char *const rows[] = {
		"self.metadata.labels['app'] == 'web' && self.metadata.labels.app == 'web'",
		"self.metadata.name == 'p' && !has(self.metadata.generateName)",
		"self.metadata.creationTimestamp < timestamp('2021-01-01T00:00:00Z')",
		"self.spec.containers.all(c, c.image.startsWith('img:') && c.securityContext.runAsNonRoot)",
		"self.spec.containers[0].livenessProbe.httpGet.port == 'http'",
		"!has(self.spec.initContainers) && self.spec.nodeSelector['a/b'] == 'c'",
		"self.spec.?terminationGracePeriodSeconds.orValue(30) == 30",
		"self.kind == 'Pod' && self.apiVersion == 'v1'",
	};
	const sp_schema *schema = sp_schema_by_name(SP_STR("io.k8s.api.core.v1.Pod"));
	const sp_cel_type *type = NULL;
	yyjson_val *pod = NULL;
	T_TRUE(schema != NULL);
	T_OK(sp_json_parse(T_ARENA, SP_STR(POD), &pod, T_ERR));
	T_OK(sp_cel_type_of_schema(T_ARENA, schema, SP_STR("Pod"), true, &type));
	sp_cel_var self = {SP_STR("self"), type, schema};
	const sp_cel_env *env = k8s_env();
	T_TRUE(env != NULL);
	const sp_cel_binding binding = {.value = sp_cel_of_json(pod, schema, true)};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		const sp_cel_program *p = NULL;
		sp_cel_val v;
		t_row("%s", rows[i]);
		T_OK(sp_cel_compile(T_ARENA, env, &self, 1, sp_str_c(rows[i]), &p, NULL, T_ERR));
		sp_cel_run run = {.arena = T_ARENA, .bindings = &binding};
		if (sp_cel_eval(p, &run, &v) != SP_OK)
			T_FAIL(SP_FMT, SP_ARG(run.error));
		T_TRUE(sp_cel_is_true(v));
	}
	T_EQ_C(type_of(env, &self, "self.spec.replicas"), "undefined field 'replicas'");
	T_EQ_C(type_of(env, &self, "self.metadata.labels"), "map(string, string)");
	/* Upstream's type checker knows no quantities: policies see such fields as dyn only. */
	T_EQ_C(type_of(env, &self, "self.spec.containers[0].resources.limits"), "undefined field 'limits'");
}

/* JSON that does not fit its schema is an error where it is read. */
SP_TEST(cel_schema, values_that_do_not_fit)
{
	static const struct {
		const char *expr, *want;
	} rows[] = {
		{"self.spec.few == []", "invalid data, expected an array"},
		{"self.spec.at > timestamp(0)", "Invalid date-time formatted string no time"},
	};
	yyjson_val *v = NULL, *object = NULL;
	const sp_schema *schema = NULL;
	const sp_cel_type *type = NULL;
	T_OK(sp_json_parse(T_ARENA, SP_STR(SCHEMA), &v, T_ERR));
	T_OK(sp_json_parse(T_ARENA, SP_STR("{\"spec\":{\"few\":{},\"at\":\"no time\"}}"), &object, T_ERR));
	T_TRUE(cel_schema_type(T_ARENA, v, true, &schema, &type));
	sp_cel_var self = {SP_STR("self"), type, schema};
	const sp_cel_env *env = k8s_env();
	T_TRUE(env != NULL);
	const sp_cel_binding binding = {.value = sp_cel_of_json(object, schema, true)};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		const sp_cel_program *p = NULL;
		sp_cel_val got;
		t_row("%s", rows[i].expr);
		T_OK(sp_cel_compile(T_ARENA, env, &self, 1, sp_str_c(rows[i].expr), &p, NULL, T_ERR));
		sp_cel_run run = {.arena = T_ARENA, .bindings = &binding};
		T_CODE(sp_cel_eval(p, &run, &got), SP_EINVAL);
		T_TRUE(sp_str_find(run.error, sp_str_c(rows[i].want)) >= 0);
	}
}
