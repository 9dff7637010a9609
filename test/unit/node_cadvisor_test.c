/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics/cadvisor of the node agent. */
#include "node/cadvisor.h"
#include "node/node_int.h"

#include "lib/t.h"

static sp_cri_uint64_value two = {.value = 2}, cpu_ns = {.value = 1500000000};

static sp_str cgroup_of(void *arg, sp_str uid)
{
	(void)arg;
	return sp_arena_printf(T_ARENA, "/kubepods/pod" SP_FMT, SP_ARG(uid));
}

static bool has(const sp_buf *out, const char *line)
{
	if (sp_str_find(sp_buf_view(out), sp_str_c(line)) >= 0)
		return true;
	return t_fail(__FILE__, __LINE__, "no '%s' in\n%.*s", line, (int)out->len, (const char *)out->ptr);
}

SP_TEST(node_cadvisor, all)
{
	static sp_pb_pair labels[] = {{SP_STR_INIT("io.kubernetes.container.name"), SP_STR_INIT("c")},
				      {SP_STR_INIT("io.kubernetes.pod.name"), SP_STR_INIT("p")},
				      {SP_STR_INIT("io.kubernetes.pod.namespace"), SP_STR_INIT("d")},
				      {SP_STR_INIT("io.kubernetes.pod.uid"), SP_STR_INIT("u")}};
	sp_cri_cpu_usage cpu = {.timestamp = 5000000000, .usage_core_nano_seconds = &cpu_ns};
	sp_cri_memory_usage memory = {.timestamp = 5000000000,
				      .working_set_bytes = &two,
				      .page_faults = &two,
				      .major_page_faults = &two};
	sp_cri_filesystem_usage layer = {.used_bytes = &two};
	sp_cri_container_attributes of_c = {.id = SP_STR("id1"), .labels = {.at = labels, .n = 4}};
	sp_cri_container_stats stats[] = {
		{.attributes = &of_c, .cpu = &cpu, .memory = &memory, .writable_layer = &layer}, {0}};
	sp_cri_image_spec image = {.image = SP_STR("i")};
	sp_cri_container made = {.id = SP_STR("id1"), .created_at = 1700000000500000000, .image = &image};
	sp_cri_network_interface_usage eth0 = {.name = SP_STR("eth0"), .rx_bytes = &two};
	sp_cri_network_usage network = {.default_interface = &eth0};
	sp_cri_process_usage process = {.process_count = &two};
	sp_cri_linux_pod_sandbox_stats l = {
		.cpu = &cpu, .memory = &memory, .network = &network, .process = &process};
	sp_cri_pod_sandbox_metadata name = {
		.name = SP_STR("p"), .namespace = SP_STR("d"), .uid = SP_STR("u")};
	sp_cri_pod_sandbox_attributes of_b = {.id = SP_STR("b1"), .metadata = &name};
	sp_cri_pod_sandbox_stats boxes[] = {{.attributes = &of_b, .linux_ = &l}, {0}};
	const sp_cri_list_container_stats_response l_stats = {.stats = {.at = stats, .n = 2}};
	const sp_cri_list_containers_response l_made = {.containers = {.at = &made, .n = 1}};
	const sp_cri_list_pod_sandbox_stats_response l_boxes = {.stats = {.at = boxes, .n = 2}};
	const node_use use = {.has_cpu = true, .cpu_ns = 7000000001, .at_ns = 5000000000, .booted_s = 9};
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	node_cadvisor_write(&out, &(node_cadvisor_input){.node = &use,
							 .cpu_milli = 2000,
							 .memory_bytes = 4096,
							 .boot_id = SP_STR("B"),
							 .machine_id = SP_STR("M"),
							 .system_uuid = SP_STR("S"),
							 .cgroup_of = cgroup_of,
							 .stats = &l_stats,
							 .containers = &l_made,
							 .pods = &l_boxes});
#define POD "id=\"/kubepods/podu\",image=\"\","
#define C "id=\"/kubepods/podu/id1\",image=\"i\",name=\"id1\",namespace=\"d\",pod=\"p\""
	T_TRUE(has(&out, "# HELP container_cpu_usage_seconds_total Cumulative cpu time consumed in seconds.\n"
			 "# TYPE container_cpu_usage_seconds_total counter\n"
			 "container_cpu_usage_seconds_total{container=\"\",cpu=\"total\",id=\"/"
			 "\",image=\"\",name=\"\","
			 "namespace=\"\",pod=\"\"} 7.000000001 5000\n"
			 "container_cpu_usage_seconds_total{container=\"\",cpu=\"total\"," POD
			 "name=\"\",namespace=\"d\",pod=\"p\"} 1.500000000 5000\n"
			 "container_cpu_usage_seconds_total{container=\"c\",cpu=\"total\"," C
			 "} 1.500000000 5000\n"));
	T_TRUE(has(&out, "container_fs_usage_bytes{container=\"c\",device=\"\"," C "} 2 5000\n"));
	T_TRUE(has(&out, "container_memory_failures_total{container=\"c\",failure_type=\"pgmajfault\"," C
			 ",scope=\"hierarchy\"} 2 5000\n"));
	T_TRUE(has(&out, "container_network_receive_bytes_total{container=\"\"," POD
			 "interface=\"eth0\",name=\"\",namespace=\"d\",pod=\"p\"} 2 5000\n"));
	T_TRUE(has(&out, "container_start_time_seconds{container=\"c\"," C "} 1700000000.500000000 5000\n"));
	T_TRUE(has(&out,
		   "container_start_time_seconds{container=\"\",id=\"/\",image=\"\",name=\"\",namespace=\"\","
		   "pod=\"\"} 9.000000000 5000\n"));
	T_TRUE(has(&out, "container_scrape_error 0\n"));
	T_TRUE(has(&out, "machine_cpu_cores{boot_id=\"B\",machine_id=\"M\",system_uuid=\"S\"} 2\n"));
	T_TRUE(sp_str_find(sp_buf_view(&out), SP_STR("container_memory_swap")) < 0);
}

SP_TEST(node_cadvisor, nothing)
{
	const node_use use = {0};
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	node_cadvisor_write(&out, &(node_cadvisor_input){.node = &use, .cgroup_of = cgroup_of});
	T_TRUE(has(&out, "container_scrape_error 1\n"));
	T_TRUE(sp_str_find(sp_buf_view(&out), SP_STR("container_cpu")) < 0);
}

/* The API may ask before the runtime gave its first answer. */
SP_TEST(node_cadvisor, no_machine_yet)
{
	const node_agent *a = sp_new(T_ARENA, node_agent, 1);
	sp_str boot, machine, system;
	node_self_ids(a, &boot, &machine, &system);
	T_EQ_U64(boot.len + machine.len + system.len, 0);
}
