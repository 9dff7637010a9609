/* SPDX-License-Identifier: Apache-2.0 */
/* What /configz tells. */
#include "kube/view.h"
#include "lib/t.h"
#include "node/settings.h"

static yyjson_val *settings_of(const node_agent_opts *o)
{
	yyjson_val *tree = NULL;
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)1 << 20);
	if (node_settings_write(o, &out) != SP_OK ||
	    sp_json_parse(T_ARENA, sp_arena_try_dup(T_ARENA, sp_buf_view(&out)), &tree, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "no settings");
	return sp_json_last(tree, SP_STR("kubeletconfig"));
}

static sp_str text_of(yyjson_val *v)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4096);
	if (v == NULL || sp_json_write(&out, v) != SP_OK)
		return SP_STR("-");
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&out));
}

SP_TEST(node_settings, of_a_node)
{
	static const sp_str dns[] = {SP_STR_INIT("10.96.0.10"), SP_STR_INIT("fd00::a")};
	static const struct {
		const char *key, *json;
	} want[] = {
		{"apiVersion", "\"kubelet.config.k8s.io/v1beta1\""},
		{"kind", "\"KubeletConfiguration\""},
		{"clusterDNS", "[\"10.96.0.10\",\"fd00::a\"]"},
		{"clusterDomain", "\"cluster.local\""},
		{"cgroupDriver", "\"systemd\""},
		{"port", "10250"},
		{"maxPods", "110"},
		{"imageGCHighThresholdPercent", "85"},
		{"imageGCLowThresholdPercent", "80"},
		{"containerLogMaxSize", "\"10Mi\""},
		{"containerLogMaxFiles", "5"},
		{"evictionHard", "{\"memory.available\":\"100Mi\",\"nodefs.available\":\"12.5%\"}"},
		{"evictionSoft", "{\"imagefs.available\":\"20%\"}"},
		{"evictionSoftGracePeriod", "{\"imagefs.available\":\"1m30s\"}"},
		{"evictionMinimumReclaim", "{\"nodefs.available\":\"500Mi\"}"},
		{"evictionPressureTransitionPeriod", "\"5m0s\""},
		{"evictionMaxPodGracePeriod", "60"},
		{"allowedUnsafeSysctls", "[\"kernel.msg*\",\"net.core.somaxconn\"]"},
		{"staticPodPath", "-"},
	};
	node_agent_opts o = {.cluster_dns = dns,
			     .n_cluster_dns = SP_LEN(dns),
			     .cluster_domain = SP_STR("cluster.local"),
			     .systemd_cgroups = true,
			     .port = 10250,
			     .log_bytes_max = INT64_C(10) << 20,
			     .log_files_max = 5,
			     .unsafe_sysctls = SP_STR("kernel.msg*,net.core.somaxconn")};
	const node_eviction_texts texts = {
		.hard = SP_STR("memory.available<100Mi,nodefs.available<12.5%"),
		.soft = SP_STR("imagefs.available<20%"),
		.soft_grace = SP_STR("imagefs.available=1m30s"),
		.reclaim = SP_STR("nodefs.available=500Mi"),
	};
	o.eviction.max_grace_s = 60;
	o.eviction.transition_ns = INT64_C(300000000000);
	T_OK(node_eviction_parse(&texts, &o.eviction, T_ERR));
	yyjson_val *got = settings_of(&o);
	for (size_t i = 0; i < SP_LEN(want); i++)
		T_EQ_C(text_of(sp_json_last(got, sp_str_c(want[i].key))), want[i].json);
}

SP_TEST(node_settings, without)
{
	const node_agent_opts o = {.pods_max = 7, .image_high = 100, .image_low = 90};
	yyjson_val *got = settings_of(&o);
	T_EQ_C(text_of(sp_json_last(got, SP_STR("maxPods"))), "7");
	T_EQ_C(text_of(sp_json_last(got, SP_STR("imageGCHighThresholdPercent"))), "100");
	T_TRUE(sp_json_last(got, SP_STR("evictionHard")) == NULL);
	T_TRUE(sp_json_last(got, SP_STR("containerLogMaxSize")) == NULL);
	T_TRUE(sp_json_last(got, SP_STR("allowedUnsafeSysctls")) == NULL);
}
