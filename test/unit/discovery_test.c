/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery documents against the ones that a real server answered (skipped without the recordings). */
#include "kube/discovery.h"

#include "base/json.h"
#include "lib/t.h"
#include "lib/t_data.h"

/* What a kube-apiserver serves by itself; metrics come from a server of their own there. */
static bool build(sp_disc *ret)
{
	const sp_kind **kinds = sp_new(T_ARENA, const sp_kind *, sp_n_kinds);
	sp_disc_source from = {.builtin = kinds};
	for (size_t i = 0; i < sp_n_kinds; i++) {
		if (!sp_str_eq(sp_kinds[i]->group, SP_STR("metrics.k8s.io")))
			kinds[from.n_builtin++] = sp_kinds[i];
	}
	return sp_disc_build(T_ARENA, &from, ret) == SP_OK;
}

/* The path of a discovery document into group and version. */
static bool parse_path(sp_str path, sp_str *ret_group, sp_str *ret_version)
{
	*ret_group = SP_STR("");
	if (!sp_str_take(&path, SP_STR("/api/")) &&
	    !(sp_str_take(&path, SP_STR("/apis/")) && sp_str_cut(&path, '/', ret_group)))
		return false;
	*ret_version = path;
	return path.len > 0 && sp_str_index(path, '/') < 0;
}

static sp_code write_document(sp_buf *out, const sp_disc *d, sp_str path, yyjson_val *headers)
{
	sp_str group, version, accept = sp_json_str(sp_json_last(headers, SP_STR("Accept")));
	bool aggregated = sp_str_find(accept, SP_STR("g=apidiscovery.k8s.io;v=v2;")) >= 0;
	if (aggregated)
		return sp_disc_write_aggregated(out, d, sp_str_eq(path, SP_STR("/api")), SP_STR("v2"));
	if (sp_str_eq(path, SP_STR("/api")) || sp_str_eq(path, SP_STR("/api/")))
		return sp_disc_write_api(out, SP_STR("<addr>"));
	if (sp_str_eq(path, SP_STR("/apis")))
		return sp_disc_write_groups(out, d);
	if (parse_path(path, &group, &version) && version.len > 0)
		return sp_disc_write_resources(out, d, group, version);
	group = path;
	(void)sp_str_take(&group, SP_STR("/apis/"));
	if (sp_str_ends(group, SP_STR("/")))
		group.len--;
	return sp_disc_write_group(out, d, group);
}

static void compare(const sp_disc *d, yyjson_val *step)
{
	sp_str path = sp_json_str(sp_json_last(step, SP_STR("path")));
	yyjson_val *want = sp_json_last(sp_json_last(step, SP_STR("expect")), SP_STR("body"));
	sp_str kind = sp_json_str(sp_json_last(want, SP_STR("kind")));
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)4 << 20);
	if (!sp_str_starts(kind, SP_STR("API")) || sp_str_find(path, SP_STR("${")) >= 0)
		return;
	t_row(SP_FMT " " SP_FMT, SP_ARG(path), SP_ARG(kind));
	T_OK(write_document(&out, d, path, sp_json_last(step, SP_STR("headers"))));
	yyjson_val *got;
	T_OK(sp_json_parse(T_ARENA, sp_buf_view(&out), &got, T_ERR));
	char where[512] = "";
	if (!t_json_equal(got, want, where, sizeof(where)))
		T_FAIL("differs at %s", where);
}

SP_TEST(discovery, as_recorded)
{
	sp_disc d;
	T_TRUE(build(&d));
	yyjson_val *root = t_data_json("api/discovery.json"), *scenario, *step;
	T_TRUE(root != NULL);
	size_t i, n, k, m;
	yyjson_arr_foreach(sp_json_last(root, SP_STR("scenarios")), i, n, scenario)
		yyjson_arr_foreach(sp_json_last(scenario, SP_STR("steps")), k, m, step) if (!t_failed())
			compare(&d, step);
}

SP_TEST(discovery, custom_and_remote)
{
	static const sp_str shorts[] = {SP_STR_INIT("th")};
	static const sp_subresource subs[] = {
		{SP_STR_INIT("status"), SP_STR_INIT(""), SP_STR_INIT(""), SP_STR_INIT("Thing"), SP_VERB_GET},
		{SP_STR_INIT("scale"), SP_STR_INIT("autoscaling"), SP_STR_INIT("v1"), SP_STR_INIT("Scale"),
		 SP_VERB_GET}};
	static const sp_kind v2 = {.group = SP_STR_INIT("example.com"),
				   .version = SP_STR_INIT("v2"),
				   .kind = SP_STR_INIT("Thing"),
				   .plural = SP_STR_INIT("things"),
				   .singular = SP_STR_INIT("thing"),
				   .short_names = shorts,
				   .n_short_names = 1,
				   .verbs = SP_VERBS_ALL,
				   .namespaced = true,
				   .subresources = subs,
				   .n_subresources = 2},
			     v1beta1 = {.group = SP_STR_INIT("example.com"),
					.version = SP_STR_INIT("v1beta1"),
					.kind = SP_STR_INIT("Thing"),
					.plural = SP_STR_INIT("things"),
					.singular = SP_STR_INIT("thing"),
					.verbs = SP_VERB_GET};
	static const sp_kind *const custom[] = {&v1beta1, &v2};
	static const sp_disc_remote remotes[] = {
		{SP_STR_INIT("metrics.k8s.io"), SP_STR_INIT("v1beta1"), 100, 100, true,
		 SP_STR_INIT("[{\"resource\":\"pods\"}]")},
		{SP_STR_INIT("example.com"), SP_STR_INIT("v2"), 9999, 1, false, SP_STR_INIT("")}};
	sp_disc_source from = {.custom = custom, .n_custom = 2, .remotes = remotes, .n_remotes = 2};
	sp_disc d;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	T_OK(sp_disc_build(T_ARENA, &from, &d));
	T_OK(sp_disc_write_groups(&out, &d));
	T_EQ_C(sp_buf_view(&out), "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[{\"name\":"
				  "\"example.com\",\"versions\":["
				  "{\"groupVersion\":\"example.com/"
				  "v2\",\"version\":\"v2\"},{\"groupVersion\":\"example.com/v1beta1\","
				  "\"version\":\"v1beta1\"}],\"preferredVersion\":{\"groupVersion\":"
				  "\"example.com/v2\",\"version\":\"v2\"}},"
				  "{\"name\":\"metrics.k8s.io\",\"versions\":[{\"groupVersion\":\"metrics."
				  "k8s.io/v1beta1\",\"version\":"
				  "\"v1beta1\"}],\"preferredVersion\":{\"groupVersion\":\"metrics.k8s.io/"
				  "v1beta1\",\"version\":\"v1beta1\"}}]}");
	sp_buf_clear(&out);
	T_OK(sp_disc_write_aggregated(&out, &d, false, SP_STR("v2beta1")));
	T_EQ_C(sp_buf_view(&out),
	       "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/"
	       "v2beta1\",\"metadata\":{},\"items\":["
	       "{\"metadata\":{\"name\":\"example.com\"},\"versions\":[{\"version\":\"v2\",\"resources\":[{"
	       "\"resource\":"
	       "\"things\",\"responseKind\":{\"group\":\"example.com\",\"version\":\"v2\",\"kind\":\"Thing\"}"
	       ",\"scope\":"
	       "\"Namespaced\",\"singularResource\":\"thing\",\"verbs\":[\"delete\",\"deletecollection\","
	       "\"get\",\"list\","
	       "\"patch\",\"create\",\"update\",\"watch\"],\"shortNames\":[\"th\"],\"subresources\":[{"
	       "\"subresource\":\"status\","
	       "\"responseKind\":{\"group\":\"example.com\",\"version\":\"v2\",\"kind\":\"Thing\"},\"verbs\":"
	       "[\"get\"]},"
	       "{\"subresource\":\"scale\",\"responseKind\":{\"group\":\"autoscaling\",\"version\":\"v1\","
	       "\"kind\":\"Scale\"},"
	       "\"verbs\":[\"get\"]}]}],\"freshness\":\"Current\"},{\"version\":\"v1beta1\",\"resources\":[{"
	       "\"resource\":\"things\","
	       "\"responseKind\":{\"group\":\"example.com\",\"version\":\"v1beta1\",\"kind\":\"Thing\"},"
	       "\"scope\":\"Cluster\","
	       "\"singularResource\":\"thing\",\"verbs\":[\"get\"]}],\"freshness\":\"Current\"}]},"
	       "{\"metadata\":{\"name\":\"metrics.k8s.io\"},\"versions\":[{\"version\":\"v1beta1\","
	       "\"resources\":"
	       "[{\"resource\":\"pods\"}],\"freshness\":\"Stale\"}]}]}");
	T_CODE(sp_disc_write_group(&out, &d, SP_STR("x")), SP_ENOTFOUND);
	T_CODE(sp_disc_write_resources(&out, &d, SP_STR("metrics.k8s.io"), SP_STR("v1beta1")), SP_ENOTFOUND);
}

/* A remote that answers for a built-in version is told of instead of it. */
SP_TEST(discovery, remote_before_built_in)
{
	static const sp_disc_remote remote = {SP_STR_INIT("metrics.k8s.io"),
					      SP_STR_INIT("v1beta1"),
					      100,
					      100,
					      false,
					      SP_STR_INIT("[{\"resource\":\"others\"}]")};
	sp_disc_source from = {
		.builtin = sp_kinds, .n_builtin = sp_n_kinds, .remotes = &remote, .n_remotes = 1};
	sp_disc d;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 20);
	T_OK(sp_disc_build(T_ARENA, &from, &d));
	T_OK(sp_disc_write_aggregated(&out, &d, false, SP_STR("v2")));
	T_TRUE(sp_str_find(sp_buf_view(&out),
			   SP_STR("{\"metadata\":{\"name\":\"metrics.k8s.io\"},\"versions\":[{\"version\":"
				  "\"v1beta1\",\"resources\":[{\"resource\":\"others\"}],")) >= 0);
	T_TRUE(sp_str_find(sp_buf_view(&out), SP_STR("NodeMetrics")) < 0);
}

SP_TEST(discovery, version_order)
{
	/* Upstream's example of the order. */
	static const char *const order[] = {"v10",     "v2",        "v1",        "v11beta2", "v10beta3",
					    "v3beta1", "v12alpha1", "v11alpha2", "foo1",     "foo10"};
	for (size_t i = 0; i < SP_LEN(order); i++)
		for (size_t k = 0; k < SP_LEN(order); k++) {
			int c = sp_kube_version_cmp(sp_str_c(order[i]), sp_str_c(order[k]));
			t_row("%s %s", order[i], order[k]);
			T_EQ_I64((c > 0) - (c < 0), (i < k) - (i > k));
		}
}
