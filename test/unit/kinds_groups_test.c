/* SPDX-License-Identifier: Apache-2.0 */
/* What recordings do not cover of the kinds outside core. */
#include "kube/kinds/autoscaler.h"
#include "kube/kinds/event_v1.h"
#include "kube/kinds/job.h"
#include "kube/kinds/webhook_client.h"
#include "kube/schema.h"
#include "lib/t.h"

SP_TEST(kinds_groups, job_indexes)
{
	static const struct {
		const char *text, *why; /* why NULL: fine */
		int64_t total;
	} rows[] = {
		{"", NULL, 0},
		{"0", NULL, 1},
		{"1,3-5,7", NULL, 5},
		{"3-1", "non-increasing order, previous: 3, current: 1", 0},
		{"1,1", "non-increasing order, previous: 1, current: 1", 0},
		{"10", "too large index: \"10\"", 0},
		{"1-2-3",
		 "the fragment \"1-2-3\" violates the requirement that an index interval can have at most "
		 "two "
		 "parts separated by '-'",
		 0},
		{"x", "cannot convert string to integer for index: \"x\"", 0},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		int64_t total;
		sp_str why = {NULL, 0};
		t_row("%s", rows[i].text);
		bool ok = sp_job_indexes(T_ARENA, sp_str_c(rows[i].text), 10, &total, &why);
		T_TRUE(ok == (rows[i].why == NULL));
		T_EQ_I64(total, rows[i].total);
		if (!ok)
			T_EQ_C(why, rows[i].why);
	}
	T_EQ_I64(sp_job_indexes_overlap(SP_STR("0,2-4"), SP_STR("1,4-6"), 10), 4);
	T_EQ_I64(sp_job_indexes_overlap(SP_STR("0,2-4"), SP_STR("1,5"), 10), -1);
	T_EQ_I64(sp_job_indexes_overlap(SP_STR(""), SP_STR("1"), 10), -1);
	T_EQ_I64(sp_job_indexes_overlap(SP_STR("x,3"), SP_STR("3"), 10), 3);
}

static yyjson_mut_val *parse(yyjson_mut_doc *doc, const char *text)
{
	yyjson_mut_val *v = NULL;
	return sp_json_parse_mut(T_ARENA, sp_str_c(text), doc, &v, T_ERR) == SP_OK ? v : NULL;
}

/* There and back is the same, and v1 carries what it has no fields for. */
SP_TEST(kinds_groups, autoscaler_conversion)
{
	static const char text[] =
		"{\"apiVersion\":\"autoscaling/"
		"v2\",\"kind\":\"HorizontalPodAutoscaler\",\"metadata\":{\"name\":\"x\"},"
		"\"spec\":{\"maxReplicas\":3,\"metrics\":["
		"{\"type\":\"Pods\",\"pods\":{\"metric\":{\"name\":\"m\"},\"target\":{\"type\":"
		"\"AverageValue\","
		"\"averageValue\":\"2\"}}},"
		"{\"type\":\"Object\",\"object\":{\"describedObject\":{\"kind\":\"S\",\"name\":\"s\"},"
		"\"metric\":"
		"{\"name\":\"o\"},\"target\":{\"type\":\"Value\",\"value\":\"5\"}}},"
		"{\"type\":\"External\",\"external\":{\"metric\":{\"name\":\"e\"},\"target\":{\"type\":"
		"\"AverageValue\","
		"\"averageValue\":\"7\"}}},"
		"{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":\"Utilization\","
		"\"averageUtilization\":50}}}],"
		"\"behavior\":{\"scaleUp\":{\"selectPolicy\":\"Max\",\"policies\":[{\"type\":\"Pods\","
		"\"value\":1,"
		"\"periodSeconds\":15}]}}},"
		"\"status\":{\"currentReplicas\":0,\"desiredReplicas\":1,\"conditions\":[{\"type\":"
		"\"AbleToScale\",\"status\":"
		"\"True\"}]}}";
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	yyjson_mut_val *obj = parse(doc, text), *want = parse(doc, text);
	T_TRUE(obj != NULL && want != NULL);
	T_TRUE(sp_autoscaler_v2_to_v1(T_ARENA, doc, obj));
	yyjson_mut_val *annotations = sp_kv_path(obj, "metadata", "annotations", NULL);
	T_EQ_I64(sp_kv_i64(sp_kv_get(obj, "spec"), "targetCPUUtilizationPercentage", 0), 50);
	T_EQ_C(sp_kv_str(annotations, "autoscaling.alpha.kubernetes.io/behavior"),
	       "{\"ScaleUp\":{\"StabilizationWindowSeconds\":null,\"SelectPolicy\":\"Max\",\"Policies\":"
	       "[{\"Type\":\"Pods\",\"Value\":1,\"PeriodSeconds\":15}],\"Tolerance\":null},\"ScaleDown\":"
	       "null}");
	T_EQ_C(sp_kv_str(annotations, "autoscaling.alpha.kubernetes.io/metrics"),
	       "[{\"type\":\"Pods\",\"pods\":{\"metricName\":\"m\",\"targetAverageValue\":\"2\"}},"
	       "{\"type\":\"Object\",\"object\":{\"target\":{\"kind\":\"S\",\"name\":\"s\"},\"metricName\":"
	       "\"o\","
	       "\"targetValue\":\"5\"}},"
	       "{\"type\":\"External\",\"external\":{\"metricName\":\"e\",\"targetAverageValue\":\"7\"}}]");
	T_TRUE(sp_autoscaler_v1_to_v2(T_ARENA, doc, obj));
	T_TRUE(sp_kv_equal(sp_kv_get(obj, "spec"), sp_kv_get(want, "spec")));
	T_TRUE(sp_kv_equal(sp_kv_get(obj, "status"), sp_kv_get(want, "status")));
	T_TRUE(sp_kv_is(obj, "apiVersion", "autoscaling/v2"));
}

SP_TEST(kinds_groups, event_conversion)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	yyjson_mut_val *obj =
		parse(doc, "{\"apiVersion\":\"events.k8s.io/v1\",\"note\":\"n\",\"regarding\":{\"kind\":"
			   "\"Pod\"},\"reportingController\":\"c\"}");
	T_TRUE(obj != NULL);
	T_TRUE(sp_event_v1_to_core(T_ARENA, doc, obj));
	T_EQ_C(sp_kv_str(obj, "message"), "n");
	T_EQ_C(sp_kv_str(obj, "reportingComponent"), "c");
	T_EQ_C(sp_kv_str(sp_kv_get(obj, "involvedObject"), "kind"), "Pod");
	T_TRUE(sp_event_core_to_v1(T_ARENA, doc, obj));
	T_EQ_C(sp_kv_str(obj, "note"), "n");
	T_TRUE(sp_kv_is(obj, "apiVersion", "events.k8s.io/v1"));
}

/* Otherwise what is stored would differ from what was written, and a PUT of the same would be a change. */
SP_TEST(kinds_groups, event_conversion_keeps_null)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	const char *text = "{\"apiVersion\":\"events.k8s.io/v1\",\"deprecatedFirstTimestamp\":null,"
			   "\"deprecatedLastTimestamp\":null}";
	yyjson_mut_val *obj = parse(doc, text), *want = parse(doc, text);
	T_TRUE(obj != NULL && want != NULL);
	T_TRUE(sp_event_v1_to_core(T_ARENA, doc, obj));
	T_TRUE(sp_jmut_get(obj, SP_STR("firstTimestamp")) != NULL);
	T_TRUE(sp_event_core_to_v1(T_ARENA, doc, obj));
	T_TRUE(sp_jmut_equal(obj, want));
}

SP_TEST(kinds_groups, webhook_urls)
{
	static const struct {
		const char *url, *text;
	} rows[] = {
		{"https://a/b", ""},
		{"http://a",
		 "u: Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: "
		 "https://host[/path]"},
		{"https://",
		 "u: Invalid value: \"\": host must be specified; desired format: https://host[/path]"},
		{"https://me@a", "u: Invalid value: \"me\": user information is not permitted in the URL"},
		{"https://a#f", "u: Invalid value: \"f\": fragments are not permitted in the URL"},
		{"https://a?q", "u: Invalid value: \"q\": query parameters are not permitted in the URL"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_violations v;
		t_row("%s", rows[i].url);
		sp_violations_init(&v, T_ARENA);
		sp_v_webhook_url(&v, SP_PATH("u"), sp_str_c(rows[i].url));
		T_OK(v.code);
		T_EQ_C(sp_violations_text(T_ARENA, &v), rows[i].text);
	}
}

/* Every kind that is served and stored has rules, and every cell without a path is computed by some hook. */
SP_TEST(kinds_groups, columns_are_complete)
{
	for (size_t i = 0; i < sp_n_kinds; i++) {
		const sp_kind *k = sp_kinds[i];
		for (size_t n = 0; k->hooks != NULL && n < k->n_columns; n++) {
			bool found = k->columns[n].path.len > 0;
			for (size_t m = 0; m < k->hooks->n_cells && !found; m++)
				found = sp_str_eq(k->hooks->cells[m].column, k->columns[n].name);
			if (!found)
				T_FAIL("%s.%s: no cell", k->kind.ptr, k->columns[n].name.ptr);
		}
	}
}

/* Errors of a hook's validate, as text. */
static void faults_of(const sp_kind *kind, const char *text, sp_str *ret)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *obj = doc != NULL ? parse(doc, text) : NULL;
	sp_violations errors;
	*ret = (sp_str){NULL, 0};
	sp_violations_init(&errors, T_ARENA);
	sp_kind_ctx c = {.arena = T_ARENA, .doc = doc, .errors = &errors, .kind = kind};
	T_TRUE(obj != NULL && kind != NULL);
	kind->hooks->validate(&c, obj);
	T_TRUE(c.code == SP_OK && errors.code == SP_OK);
	*ret = sp_violations_text(T_ARENA, &errors);
}

/* Texts of a decoded body have no end of their own. */
SP_TEST(kinds_groups, custom_resource_names_of_protobuf)
{
	static const char body[] = "v1foobarall";
	sp_violations errors;
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *obj = NULL;
	const sp_kind *kind = sp_kind_by_kind(SP_STR("apiextensions.k8s.io"), SP_STR("v1"),
					      SP_STR("CustomResourceDefinition"));
	sp_violations_init(&errors, T_ARENA);
	sp_kind_ctx c = {.arena = T_ARENA, .doc = doc, .errors = &errors, .kind = kind};
	T_TRUE(doc != NULL && kind != NULL);
	T_OK(sp_json_parse_mut(T_ARENA,
			       SP_STR("{\"spec\":{\"names\":{\"shortNames\":[],\"categories\":[]},"
				      "\"conversion\":{\"strategy\":"
				      "\"Webhook\",\"webhook\":{\"conversionReviewVersions\":[]}}}}"),
			       doc, &obj, T_ERR));
	yyjson_mut_val *names = sp_kv_path(obj, "spec", "names", NULL);
	yyjson_mut_val *hook = sp_kv_path(obj, "spec", "conversion", "webhook", NULL);
	T_TRUE(yyjson_mut_arr_add_strn(doc, sp_kv_get(hook, "conversionReviewVersions"), body, 2));
	T_TRUE(yyjson_mut_arr_add_strn(doc, sp_kv_get(names, "shortNames"), body + 2, 3));
	T_TRUE(yyjson_mut_arr_add_strn(doc, sp_kv_get(names, "shortNames"), body + 5, 3));
	T_TRUE(yyjson_mut_arr_add_strn(doc, sp_kv_get(names, "categories"), body + 8, 3));
	kind->hooks->validate(&c, obj);
	sp_str text = sp_violations_text(T_ARENA, &errors);
	T_TRUE(sp_str_find(text, SP_STR("shortNames")) < 0);
	T_TRUE(sp_str_find(text, SP_STR("categories")) < 0);
	T_TRUE(sp_str_find(text, SP_STR("conversionReviewVersions")) < 0);
}

SP_TEST(kinds_groups, custom_resource_versions)
{
	/* selectable fields, columns and scale of the only version stand in the spec */
	sp_str text;
	faults_of(sp_kind_by_kind(SP_STR("apiextensions.k8s.io"), SP_STR("v1"),
				  SP_STR("CustomResourceDefinition")),
		  "{\"spec\":{\"group\":\"a.k8s.io\",\"scope\":\"Cluster\",\"names\":{\"plural\":\"p\","
		  "\"singular\":"
		  "\"s\",\"kind\":\"K\",\"listKind\":\"K\"},\"conversion\":{\"strategy\":\"Webhook\"},"
		  "\"versions\":"
		  "[{\"name\":\"v1\",\"storage\":true,\"deprecationWarning\":\"w\",\"schema\":{"
		  "\"openAPIV3Schema\":"
		  "{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{\"a\":{"
		  "\"type\":\"string\"}}}}}},\"subresources\":{\"scale\":{\"specReplicasPath\":\".x\"}},"
		  "\"selectableFields\":[{\"jsonPath\":\".spec.a\"},{\"jsonPath\":\".spec.a\"},{\"jsonPath\":"
		  "\".spec.b\"}]}]},\"status\":{\"storedVersions\":[\"v1\",\"v0\"]}}",
		  &text);
	static const char *const wanted[] = {
		"spec.names.listKind: Invalid value: \"K\": kind and listKind may not be the same",
		"spec.versions[0].deprecationWarning: Invalid value: \"w\": can only be set for deprecated",
		"spec.subresources.scale.specReplicasPath: Invalid value: \".x\": should be a json path "
		"under "
		".spec",
		"spec.subresources.scale.statusReplicasPath: Required value",
		"spec.selectableFields[1].jsonPath: Duplicate value: \".spec.a\"",
		"spec.selectableFields[2].jsonPath: Invalid value: \".spec.b\": is an invalid path",
		"spec.conversion.webhookClientConfig: Required value: required when strategy",
		"spec.conversion.conversionReviewVersions: Required value",
		"status.storedVersions[1]: Invalid value: \"v0\": missing from spec.versions",
		"metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups"};
	for (size_t i = 0; i < SP_LEN(wanted); i++) {
		t_row("%s", wanted[i]);
		T_TRUE(sp_str_find(text, sp_str_c(wanted[i])) >= 0);
	}
}
