/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics of the node agent, as text. */
#include "lib/t.h"
#include "node/metrics.h"

#define STAT "cpu  100 20 30 4000 500 6 7 8 90 10\ncpu0 1 2 3\n"
#define MEMINFO                                                                                  \
	"MemTotal:       1000 kB\nMemFree:  300 kB\nInactive(file):  100 kB\nSwapTotal: 50 kB\n" \
	"SwapFree:  20 kB\n"

SP_TEST(node_metrics, machine)
{
	node_use u = {0};
	node_use_read(SP_STR(STAT), SP_STR(MEMINFO), 100, &u);
	T_TRUE(u.has_cpu && u.has_memory && u.has_swap);
	T_EQ_U64(u.cpu_ns, UINT64_C(1710000000));
	T_EQ_U64(u.memory_bytes, 600 * 1024);
	T_EQ_U64(u.swap_bytes, 30 * 1024);
	static const struct {
		const char *stat, *meminfo;
	} bad[] = {{"", ""},
		   {"cpu  1 2 3\n", "MemTotal: x kB\n"},
		   {"intr 1\n", "MemTotal: 1 kB\nMemFree: 2 kB\nInactive(file): 0 kB\n"},
		   {"cpu  1 2 3 4 5 6 7 99999999999999999999\n", "SwapTotal: 1 kB\n"}};
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		node_use none = {0};
		t_row("%zu", i);
		node_use_read(sp_str_c(bad[i].stat), sp_str_c(bad[i].meminfo), 100, &none);
		T_TRUE(!none.has_cpu && !none.has_memory && !none.has_swap);
	}
}

static sp_pb_pair labels[] = {{SP_STR_INIT("io.kubernetes.container.name"), SP_STR_INIT("c")},
			      {SP_STR_INIT("io.kubernetes.pod.name"), SP_STR_INIT("p")},
			      {SP_STR_INIT("io.kubernetes.pod.namespace"), SP_STR_INIT("d")}};

SP_TEST(node_metrics, resource)
{
	sp_cri_uint64_value cpu_ns = {.value = 1500000000}, bytes = {.value = 4096},
			    swap_bytes = {.value = 7};
	sp_cri_container_attributes attributes = {.id = SP_STR("id1"), .labels = {.at = labels, .n = 3}},
				    other = {.id = SP_STR("id2")};
	sp_cri_cpu_usage cpu = {.timestamp = 5000000000, .usage_core_nano_seconds = &cpu_ns};
	sp_cri_memory_usage memory = {.timestamp = 6000000000, .working_set_bytes = &bytes};
	sp_cri_swap_usage swap = {
		.timestamp = 7000000000, .swap_usage_bytes = &swap_bytes, .swap_available_bytes = &bytes};
	sp_cri_container_stats stats[] = {
		{.attributes = &attributes, .cpu = &cpu, .memory = &memory, .swap = &swap},
		{.attributes = &other, .cpu = &cpu},
		{0}};
	sp_cri_container made = {.id = SP_STR("id1"), .created_at = 1700000000500000000};
	sp_cri_pod_sandbox_metadata name = {.name = SP_STR("p"), .namespace = SP_STR("d")};
	sp_cri_pod_sandbox_attributes box = {.metadata = &name};
	sp_cri_linux_pod_sandbox_stats box_stats = {.cpu = &cpu, .memory = &memory};
	sp_cri_pod_sandbox_stats pods[] = {{.attributes = &box, .linux_ = &box_stats}, {0}};
	const sp_cri_list_container_stats_response l = {.stats = {.at = stats, .n = SP_LEN(stats)}};
	const sp_cri_list_containers_response c = {.containers = {.at = &made, .n = 1}};
	const sp_cri_list_pod_sandbox_stats_response p = {.stats = {.at = pods, .n = SP_LEN(pods)}};
	const node_use use = {.has_cpu = true, .cpu_ns = 2000000001, .at_ns = 8000000000};
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	node_metrics_resource(
		&out, &(node_resource_input){.node = &use, .stats = &l, .containers = &c, .pods = &p});
#define CONTAINER "{container=\"c\",namespace=\"d\",pod=\"p\"}"
#define POD "{namespace=\"d\",pod=\"p\"}"
	T_EQ_C(sp_buf_view(&out),
	       "# HELP container_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the "
	       "container in core-seconds\n"
	       "# TYPE container_cpu_usage_seconds_total counter\n"
	       "container_cpu_usage_seconds_total" CONTAINER " 1.500000000 5000\n"
	       "# HELP container_memory_working_set_bytes [STABLE] Current working set of the container in "
	       "bytes\n"
	       "# TYPE container_memory_working_set_bytes gauge\n"
	       "container_memory_working_set_bytes" CONTAINER " 4096 6000\n"
	       "# HELP container_start_time_seconds [STABLE] Start time of the container since unix epoch in "
	       "seconds\n"
	       "# TYPE container_start_time_seconds gauge\n"
	       "container_start_time_seconds" CONTAINER " 1700000000.500000000\n"
	       "# HELP container_swap_limit_bytes [ALPHA] Current amount of the container swap limit in "
	       "bytes. "
	       "Reported only on non-windows systems\n"
	       "# TYPE container_swap_limit_bytes gauge\n"
	       "container_swap_limit_bytes" CONTAINER " 4103 7000\n"
	       "# HELP container_swap_usage_bytes [ALPHA] Current amount of the container swap usage in "
	       "bytes. "
	       "Reported only on non-windows systems\n"
	       "# TYPE container_swap_usage_bytes gauge\n"
	       "container_swap_usage_bytes" CONTAINER " 7 7000\n"
	       "# HELP node_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the node in "
	       "core-seconds\n"
	       "# TYPE node_cpu_usage_seconds_total counter\n"
	       "node_cpu_usage_seconds_total 2.000000001 8000\n"
	       "# HELP pod_cpu_usage_seconds_total [STABLE] Cumulative cpu time consumed by the pod in "
	       "core-seconds\n"
	       "# TYPE pod_cpu_usage_seconds_total counter\n"
	       "pod_cpu_usage_seconds_total" POD " 1.500000000 5000\n"
	       "# HELP pod_memory_working_set_bytes [STABLE] Current working set of the pod in bytes\n"
	       "# TYPE pod_memory_working_set_bytes gauge\n"
	       "pod_memory_working_set_bytes" POD " 4096 6000\n"
	       "# HELP resource_scrape_error [STABLE] 1 if there was an error while getting container "
	       "metrics, "
	       "0 otherwise\n"
	       "# TYPE resource_scrape_error gauge\n"
	       "resource_scrape_error 0\n");
	/* A runtime that does not answer. */
	SP_AUTO_BUF failed;
	sp_buf_init(&failed, 1 << 16);
	node_metrics_resource(&failed, &(node_resource_input){.node = &use});
	T_TRUE(sp_str_find(sp_buf_view(&failed), SP_STR("resource_scrape_error 1\n")) > 0);
	T_TRUE(sp_str_find(sp_buf_view(&failed), SP_STR("node_cpu")) < 0);
}

SP_TEST(node_metrics, own)
{
	sp_cri_pod_sandbox boxes[] = {{.state = SP_CRI_SANDBOX_READY}, {.state = SP_CRI_SANDBOX_READY + 1}};
	sp_cri_container containers[] = {{.state = SP_CRI_CONTAINER_RUNNING},
					 {.state = SP_CRI_CONTAINER_RUNNING},
					 {.state = SP_CRI_CONTAINER_EXITED}};
	const sp_cri_list_pod_sandbox_response b = {.items = {.at = boxes, .n = 2}};
	const sp_cri_list_containers_response c = {.containers = {.at = containers, .n = 3}};
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	node_metrics_own(&out, &(node_own_input){.node_name = SP_STR("n1"),
						 .boxes = &b,
						 .containers = &c,
						 .desired = 3,
						 .desired_static = 1,
						 .active = 2,
						 .active_static = 1,
						 .images_freed = 4});
	static const char *const lines[] = {
		"# TYPE kubelet_active_pods gauge\nkubelet_active_pods{static=\"\"} 2\n"
		"kubelet_active_pods{static=\"true\"} 1\n",
		"kubelet_desired_pods{static=\"\"} 3\nkubelet_desired_pods{static=\"true\"} 1\n",
		"kubelet_image_garbage_collected_total{reason=\"space\"} 4\n",
		"kubelet_mirror_pods 1\n",
		"# HELP kubelet_node_name [ALPHA] The node's name. The count is always 1.\n"
		"# TYPE kubelet_node_name gauge\nkubelet_node_name{node=\"n1\"} 1\n",
		"# HELP kubelet_running_containers [ALPHA] Number of containers currently running\n"
		"# TYPE kubelet_running_containers gauge\n"
		"kubelet_running_containers{container_state=\"exited\"} 1\n"
		"kubelet_running_containers{container_state=\"running\"} 2\n",
		"# HELP kubelet_running_pods [ALPHA] Number of pods that have a running pod sandbox\n"
		"# TYPE kubelet_running_pods gauge\nkubelet_running_pods 1\n"};
	for (size_t i = 0; i < SP_LEN(lines); i++) {
		t_row("%s", lines[i]);
		T_TRUE(sp_str_find(sp_buf_view(&out), sp_str_c(lines[i])) >= 0);
	}
	SP_AUTO_BUF none;
	sp_buf_init(&none, 1 << 16);
	node_metrics_own(&none, &(node_own_input){.node_name = SP_STR("n1")});
	T_TRUE(sp_str_find(sp_buf_view(&none), SP_STR("kubelet_running_pods 0\n")) > 0);
}
