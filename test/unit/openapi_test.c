/* SPDX-License-Identifier: Apache-2.0 */
/* OpenAPI documents: shapes that clients rely on, CRDs, limits. The whole is compared in
 * test/interop/openapi. */
#include "kube/openapi/openapi.h"

#include "lib/t.h"
#include "lib/t_data.h"

static const sp_openapi_source *builtin(void)
{
	static sp_openapi_source from = {.version = SP_STR_INIT("v1.36.0")};
	from.builtin = sp_kinds;
	from.n_builtin = sp_n_kinds;
	return &from;
}

static yyjson_val *at(yyjson_val *v, const char *const *steps, size_t n)
{
	for (size_t i = 0; i < n; i++)
		v = sp_json_last(v, sp_str_c(steps[i]));
	return v;
}
#define AT(v, ...)                                  \
	at((v), (const char *const[]){__VA_ARGS__}, \
	   sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void check_json(yyjson_val *v, const char *want)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 20);
	T_TRUE(v != NULL);
	T_OK(sp_json_write(&out, v));
	T_EQ_C(sp_buf_view(&out), want);
}

static yyjson_val *v3(const sp_openapi_source *from, const char *path)
{
	SP_AUTO_BUF out;
	yyjson_val *doc = NULL;
	sp_buf_init(&out, SP_OPENAPI_BYTES_MAX);
	if (sp_openapi_v3(T_ARENA, &out, from, sp_str_c(path)) != SP_OK ||
	    sp_json_parse(T_ARENA, sp_buf_view(&out), &doc, T_ERR) != SP_OK)
		return NULL;
	return doc;
}

SP_TEST(openapi, v3_of_a_version)
{
	yyjson_val *doc = v3(builtin(), "apis/apps/v1");
	T_TRUE(doc != NULL);
	check_json(AT(doc, "info"), "{\"title\":\"Kubernetes\",\"version\":\"v1.36.0\"}");
	yyjson_val *item = AT(doc, "paths", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
	check_json(AT(item, "patch", "x-kubernetes-group-version-kind"),
		   "{\"group\":\"apps\",\"kind\":\"Deployment\",\"version\":\"v1\"}");
	check_json(AT(item, "patch", "operationId"), "\"patchAppsV1NamespacedDeployment\"");
	check_json(AT(item, "patch", "requestBody", "content", "application/strategic-merge-patch+json"),
		   "{\"schema\":{\"$ref\":\"#/components/schemas/"
		   "io.k8s.apimachinery.pkg.apis.meta.v1.Patch\"}}");
	yyjson_val *types = AT(doc, "components", "schemas");
	check_json(AT(types, "io.k8s.api.apps.v1.DeploymentList", "x-kubernetes-group-version-kind"),
		   "[{\"group\":\"apps\",\"kind\":\"DeploymentList\",\"version\":\"v1\"}]");
	yyjson_val *containers = AT(types, "io.k8s.api.core.v1.PodSpec", "properties", "containers");
	check_json(AT(containers, "x-kubernetes-patch-merge-key"), "\"name\"");
	check_json(AT(containers, "x-kubernetes-patch-strategy"), "\"merge\"");
	check_json(AT(containers, "items"), "{\"allOf\":[{\"$ref\":\"#/components/schemas/"
					    "io.k8s.api.core.v1.Container\"}],\"default\":{}}");
	check_json(AT(containers, "x-kubernetes-list-map-keys"), "[\"name\"]");
	T_TRUE(AT(types, "io.k8s.api.core.v1.Node") == NULL);
}

SP_TEST(openapi, v2)
{
	SP_AUTO_BUF out, pb;
	sp_buf_init(&out, SP_OPENAPI_BYTES_MAX);
	sp_buf_init(&pb, SP_OPENAPI_BYTES_MAX);
	yyjson_val *doc;
	T_OK(sp_openapi_v2(T_ARENA, &out, builtin()));
	T_OK(sp_json_parse(T_ARENA, sp_buf_view(&out), &doc, T_ERR));
	yyjson_val *item = AT(doc, "paths", "/api/v1/nodes/{name}");
	check_json(AT(item, "get", "tags"), "[\"core_v1\"]");
	check_json(AT(item, "patch", "consumes"),
		   "[\"application/json-patch+json\",\"application/merge-patch+json\","
		   "\"application/strategic-merge-patch+json\",\"application/apply-patch+yaml\","
		   "\"application/apply-patch+cbor\"]");
	check_json(AT(doc, "definitions", "io.k8s.apimachinery.pkg.util.intstr.IntOrString", "format"),
		   "\"int-or-string\"");
	T_OK(sp_openapi_v2_proto(T_ARENA, &pb, sp_buf_view(&out), T_ERR));
	/* swagger = "2.0" comes first */
	T_TRUE(sp_str_starts(sp_buf_view(&pb), SP_STR("\x0a\x03"
						      "2.0\x12")));
}

/* Every seventh in full: interop looks at all of them. */
SP_TEST(openapi, paths_have_documents)
{
	sp_str *paths;
	size_t n;
	bool found = false;
	SP_AUTO_BUF out, pb;
	sp_buf_init(&out, SP_OPENAPI_BYTES_MAX);
	sp_buf_init(&pb, SP_OPENAPI_BYTES_MAX);
	T_OK(sp_openapi_v3_paths(T_ARENA, builtin(), &paths, &n));
	T_TRUE(n > 40);
	for (size_t i = 0; i < n; i++) {
		sp_arena a;
		t_row(SP_FMT, SP_ARG(paths[i]));
		found = found || sp_str_eq(paths[i], SP_STR("apis/batch/v1"));
		if (i % 7 != 0)
			continue;
		sp_buf_clear(&out);
		sp_buf_clear(&pb);
		sp_arena_init(&a, (size_t)64 << 20);
		sp_code code = sp_openapi_v3(&a, &out, builtin(), paths[i]);
		if (code == SP_OK)
			code = sp_openapi_v3_proto(&a, &pb, sp_buf_view(&out), T_ERR);
		sp_arena_done(&a);
		T_OK(code);
		T_TRUE(pb.len > 0);
	}
	T_TRUE(found);
	T_CODE(sp_openapi_v3(T_ARENA, &out, builtin(), SP_STR("apis/none/v1")), SP_ENOTFOUND);
	T_CODE(sp_openapi_v3(T_ARENA, &out, builtin(), SP_STR("")), SP_ENOTFOUND);
	T_CODE(sp_openapi_v3_proto(T_ARENA, &pb, SP_STR("[]"), T_ERR), SP_EINVAL);
}

SP_TEST(openapi, index)
{
	static const sp_str paths[] = {SP_STR_INIT("api/v1"), SP_STR_INIT("apis/apps/v1")};
	static const sp_str hashes[] = {SP_STR_INIT("AA"), SP_STR_INIT("BB")};
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	T_OK(sp_openapi_v3_index(&out, paths, hashes, 2));
	T_EQ_C(sp_buf_view(&out),
	       "{\"paths\":{\"api/v1\":{\"serverRelativeURL\":\"/openapi/v3/api/v1?hash=AA\"},"
	       "\"apis/apps/v1\":{\"serverRelativeURL\":\"/openapi/v3/apis/apps/v1?hash=BB\"}}}");
}

static const sp_subresource subs[] = {{SP_STR_INIT("status"), SP_STR_INIT(""), SP_STR_INIT(""),
				       SP_STR_INIT("CronTab"), SP_VERB_GET | SP_VERB_UPDATE | SP_VERB_PATCH},
				      {SP_STR_INIT("scale"), SP_STR_INIT("autoscaling"), SP_STR_INIT("v1"),
				       SP_STR_INIT("Scale"), SP_VERB_GET | SP_VERB_UPDATE | SP_VERB_PATCH}};
static const sp_kind crontab = {.group = SP_STR_INIT("stable.example.com"),
				.version = SP_STR_INIT("v1"),
				.kind = SP_STR_INIT("CronTab"),
				.list_kind = SP_STR_INIT("CronTabList"),
				.plural = SP_STR_INIT("crontabs"),
				.singular = SP_STR_INIT("crontab"),
				.verbs = SP_VERBS_ALL,
				.namespaced = true,
				.subresources = subs,
				.n_subresources = 2};
static const char crontab_schema[] =
	"{\"type\":\"object\",\"description\":\"A "
	"schedule.\",\"required\":[\"spec\"],\"properties\":{\"metadata\":{\"type\":"
	"\"object\"},\"spec\":{\"type\":\"object\",\"required\":[\"a\",\"n\"],\"properties\":{\"a\":{"
	"\"type\":\"string\","
	"\"oneOf\":[{\"pattern\":\"x\"}]},\"n\":{\"type\":\"array\",\"nullable\":true,\"items\":{\"type\":"
	"\"string\"}},\"p\":{"
	"\"x-kubernetes-int-or-string\":true},\"e\":{\"type\":\"object\",\"x-kubernetes-embedded-resource\":"
	"true},\"u\":{"
	"\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true,\"properties\":{\"z\":{\"type\":"
	"\"string\"}}}}}}}";

static bool custom(sp_openapi_source *ret, sp_openapi_custom *c, const char *schema)
{
	static const sp_str selectable[] = {SP_STR_INIT(".spec.a")};
	*c = (sp_openapi_custom){.kind = &crontab, .selectable = selectable, .n_selectable = 1};
	*ret = (sp_openapi_source){.custom = c, .n_custom = 1};
	return schema == NULL || sp_json_parse(T_ARENA, sp_str_c(schema), &c->schema, T_ERR) == SP_OK;
}

#define EMBEDDED(ref)                                                                                 \
	"\"apiVersion\":{\"description\":\"APIVersion defines the group and version of the object's " \
	"form.\",\"type\":\"string\"},\"kind\":{"                                                     \
	"\"description\":\"Kind names what the object is, in "                                        \
	"CamelCase.\",\"type\":\"string\"},\"metadata\":{" ref                                        \
	",\"description\":\"Standard object's metadata: what each one has.\"}"

SP_TEST(openapi, custom_v3)
{
	sp_openapi_custom c;
	sp_openapi_source from;
	T_TRUE(custom(&from, &c, crontab_schema));
	yyjson_val *doc = v3(&from, "apis/stable.example.com/v1");
	T_TRUE(doc != NULL);
	yyjson_val *type = AT(doc, "components", "schemas", "com.example.stable.v1.CronTab");
	check_json(AT(type, "x-kubernetes-group-version-kind"),
		   "[{\"group\":\"stable.example.com\",\"kind\":\"CronTab\",\"version\":\"v1\"}]");
	check_json(AT(type, "x-kubernetes-selectable-fields"), "[{\"fieldPath\":\"spec.a\"}]");
	check_json(AT(type, "description"), "\"A schedule.\"");
	check_json(AT(type, "properties", "metadata", "allOf"),
		   "[{\"$ref\":\"#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta\"}]");
	yyjson_val *spec = AT(type, "properties", "spec", "properties");
	check_json(AT(spec, "n"), "{\"type\":\"array\",\"nullable\":true,\"items\":{\"type\":\"string\"}}");
	check_json(AT(spec, "p"),
		   "{\"x-kubernetes-int-or-string\":true,\"anyOf\":[{\"type\":\"integer\"},{\"type\":"
		   "\"string\"}]}");
	check_json(AT(spec, "e"),
		   "{\"type\":\"object\",\"x-kubernetes-embedded-resource\":true,\"properties\":{" EMBEDDED(
			   "\"allOf\":[{\"$ref\":\"#/components/schemas/"
			   "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta\"}]") "},\"required\":[\"kind\","
										  "\"apiVersion\"]}");
	check_json(AT(doc, "components", "schemas", "com.example.stable.v1.CronTabList", "required"),
		   "[\"items\"]");
	yyjson_val *paths = AT(doc, "paths");
	T_EQ_U64(yyjson_obj_size(paths), 5);
	check_json(AT(paths, "/apis/stable.example.com/v1/namespaces/{namespace}/crontabs/{name}/scale",
		      "get", "operationId"),
		   "\"readStableExampleComV1NamespacedCronTabScale\"");
	check_json(AT(paths, "/apis/stable.example.com/v1/crontabs", "get", "tags"),
		   "[\"stableExampleCom_v1\"]");
}

SP_TEST(openapi, custom_v2)
{
	sp_openapi_custom c;
	sp_openapi_source from;
	SP_AUTO_BUF out;
	yyjson_val *doc;
	sp_buf_init(&out, SP_OPENAPI_BYTES_MAX);
	T_TRUE(custom(&from, &c, crontab_schema));
	T_OK(sp_openapi_v2(T_ARENA, &out, &from));
	T_OK(sp_json_parse(T_ARENA, sp_buf_view(&out), &doc, T_ERR));
	yyjson_val *type = AT(doc, "definitions", "com.example.stable.v1.CronTab");
	check_json(AT(type, "properties", "spec"),
		   "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
		   "\"string\"},\"n\":{},\"p\":{\"x-kubernetes-int-or-"
		   "string\":"
		   "true},\"e\":{\"type\":\"object\",\"x-kubernetes-embedded-"
		   "resource\":true,\"properties\":{" EMBEDDED("\"$ref\":\"#/definitions/"
							       "io.k8s.apimachinery.pkg.apis.meta.v1."
							       "ObjectMeta\"") "},\"required\":[\"kind\","
									       "\"apiVersion\"]},\"u\":{\"x-"
									       "kubernetes-preserve-unknown-"
									       "fields\":true}},"
									       "\"required\":[\"a\"]}");
	check_json(AT(doc, "paths", "/apis/stable.example.com/v1/namespaces/{namespace}/crontabs", "post",
		      "consumes"),
		   "[\"application/json\",\"application/yaml\"]");
}

SP_TEST(openapi, custom_open)
{
	sp_openapi_custom c;
	sp_openapi_source from;
	SP_AUTO_BUF out;
	yyjson_val *doc;
	sp_buf_init(&out, SP_OPENAPI_BYTES_MAX);
	T_TRUE(custom(&from, &c, NULL));
	c.n_selectable = 0;
	T_OK(sp_openapi_v2(T_ARENA, &out, &from));
	T_OK(sp_json_parse(T_ARENA, sp_buf_view(&out), &doc, T_ERR));
	check_json(AT(doc, "definitions", "com.example.stable.v1.CronTab"),
		   "{\"type\":\"object\",\"x-kubernetes-group-version-kind\":[{\"group\":\"stable.example."
		   "com\",\"kind\":"
		   "\"CronTab\",\"version\":\"v1\"}]}");
}

SP_TEST(openapi, bounded)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 10000);
	T_CODE(sp_openapi_v2(T_ARENA, &out, builtin()), SP_ETOOLARGE);
	sp_buf_clear(&out);
	T_CODE(sp_openapi_v3(T_ARENA, &out, builtin(), SP_STR("api/v1")), SP_ETOOLARGE);
}

/* Takes the descriptions out, which are ours; what then is allOf of one reference becomes the reference. */
static void strip(yyjson_mut_val *v)
{
	size_t i, n;
	yyjson_mut_val *key, *item;
	if (yyjson_mut_is_str(sp_jmut_get(v, SP_STR("description"))))
		(void)sp_jmut_remove(v, SP_STR("description"));
	yyjson_mut_val *all = sp_jmut_get(v, SP_STR("allOf"));
	if (yyjson_mut_obj_size(v) == 1 && yyjson_mut_arr_size(all) == 1) {
		yyjson_mut_val *one = yyjson_mut_arr_get_first(all);
		v->tag = one->tag;
		v->uni = one->uni;
	}
	if (yyjson_mut_is_arr(v))
		yyjson_mut_arr_foreach(v, i, n, item) strip(item);
	if (yyjson_mut_is_obj(v))
		yyjson_mut_obj_foreach(v, i, n, key, item) strip(item);
}

static yyjson_val *stripped(yyjson_val *v)
{
	yyjson_mut_val *tree = NULL;
	yyjson_val *ret = NULL;
	SP_AUTO_BUF out;
	sp_buf_init(&out, SP_OPENAPI_BYTES_MAX);
	if (sp_json_thaw(T_ARENA, v, &tree, T_ERR) != SP_OK)
		return NULL;
	strip(tree);
	if (sp_json_write_mut(&out, tree) != SP_OK ||
	    sp_json_parse(T_ARENA, sp_buf_view(&out), &ret, T_ERR) != SP_OK)
		return NULL;
	return ret;
}

static yyjson_val *find_step(yyjson_val *root, const char *scenario_name, const char *part)
{
	size_t i, n, k, m;
	yyjson_val *scenario, *step;
	yyjson_arr_foreach(sp_json_last(root, SP_STR("scenarios")), i, n, scenario)
	{
		if (!sp_str_eq(sp_json_str(sp_json_last(scenario, SP_STR("name"))), sp_str_c(scenario_name)))
			continue;
		yyjson_arr_foreach(sp_json_last(scenario, SP_STR("steps")), k, m,
				   step) if (sp_str_find(sp_json_str(sp_json_last(step, SP_STR("path"))),
							 sp_str_c(part)) >= 0) return step;
	}
	return NULL;
}

/* The types that a real server published for a CRD. */
SP_TEST(openapi, custom_as_recorded)
{
	static const sp_kind thing = {.group = SP_STR_INIT("${run}.example.com"),
				      .version = SP_STR_INIT("v1"),
				      .kind = SP_STR_INIT("Thing"),
				      .list_kind = SP_STR_INIT("ThingList"),
				      .plural = SP_STR_INIT("things"),
				      .verbs = SP_VERBS_ALL};
	yyjson_val *root = t_data_json("api/crd.json");
	T_TRUE(root != NULL);
	yyjson_val *crd =
		AT(find_step(root, "crd-openapi", "customresourcedefinitions"), "body", "json", "spec");
	yyjson_val *want =
		AT(find_step(root, "crd-openapi", "openapi"), "expect", "body", "components", "schemas");
	yyjson_val *version = yyjson_arr_get_first(sp_json_last(crd, SP_STR("versions")));
	sp_openapi_custom c = {.kind = &thing, .schema = AT(version, "schema", "openAPIV3Schema")};
	sp_openapi_source from = *builtin();
	from.custom = &c;
	from.n_custom = 1;
	T_TRUE(c.schema != NULL && want != NULL);
	yyjson_val *got = AT(v3(&from, "apis/${run}.example.com/v1"), "components", "schemas");
	T_TRUE(got != NULL);
	got = stripped(got);
	want = stripped(want);
	T_TRUE(got != NULL && want != NULL);
	T_EQ_U64(yyjson_obj_size(got), yyjson_obj_size(want));
	yyjson_obj_iter it = yyjson_obj_iter_with(want);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
		char where[512] = "";
		t_row("%s", yyjson_get_str(key));
		/* Upstream names every group it knows. */
		if (sp_str_ends(sp_json_str(key), SP_STR(".DeleteOptions")))
			continue;
		if (!t_json_equal(sp_json_last(got, sp_json_str(key)), yyjson_obj_iter_get_val(key), where,
				  sizeof(where)))
			T_FAIL("differs at %s", where);
	}
}
