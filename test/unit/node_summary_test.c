/* SPDX-License-Identifier: Apache-2.0 */
/* /stats/summary of the node agent. */
#include "node/summary.h"

#include "lib/t.h"

#define NET                                                                                              \
	"Inter-|   Receive                |  Transmit\n"                                                 \
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes\n"                      \
	"    lo:     100       2    0    0    0     0          0         0      100       2    0    0\n" \
	"  eth0:    1000      20    3    0    0     0          0         0     2000      30    4    0\n" \
	"veth01:       1       1    1    0    0     0          0         0        1       1    1    0\n" \
	"  eth1: 5 6 7\n"                                                                                \
	"  wg0:10 0 0 0 0 0 0 0 20 0 0 0\n"

SP_TEST(node_summary, interfaces)
{
	node_interface got[4];
	T_EQ_U64(node_interfaces_read(SP_STR(NET), got, 4), 2);
	T_EQ_C(got[0].name, "eth0");
	T_EQ_U64(got[0].rx_bytes, 1000);
	T_EQ_U64(got[0].rx_errors, 3);
	T_EQ_U64(got[0].tx_bytes, 2000);
	T_EQ_U64(got[0].tx_errors, 4);
	T_EQ_C(got[1].name, "wg0");
	T_EQ_U64(got[1].tx_bytes, 20);
	T_EQ_U64(node_interfaces_read(SP_STR(NET), got, 1), 1);
}

SP_TEST(node_summary, rate)
{
	node_rate r = {0};
	node_rate_add(&r, 5000000000, 100);
	T_TRUE(!r.has_rate);
	node_rate_add(&r, 5500000000, 200); /* too soon */
	T_TRUE(!r.has_rate);
	node_rate_add(&r, 7000000000, 1000000100);
	T_TRUE(r.has_rate);
	T_EQ_U64(r.nano_cores, 500000000);
	node_rate_add(&r, 8000000000, 50); /* it began anew */
	T_TRUE(!r.has_rate);
	node_rate_add(&r, 9000000000, 150);
	T_EQ_U64(r.nano_cores, 100);
}

static sp_cri_uint64_value five = {.value = 5}, nine = {.value = 9};

static sp_pb_pair labels[] = {{SP_STR_INIT("io.kubernetes.container.name"), SP_STR_INIT("c")},
			      {SP_STR_INIT("io.kubernetes.pod.uid"), SP_STR_INIT("u")}};
static sp_cri_container_attributes of_c = {.id = SP_STR_INIT("id1"), .labels = {.at = labels, .n = 2}};
static sp_cri_cpu_usage cpu = {.timestamp = 1000000000, .usage_core_nano_seconds = &nine};
static sp_cri_memory_usage memory = {.timestamp = 1000000000, .working_set_bytes = &five};
static sp_cri_filesystem_usage layer = {.timestamp = 1000000000, .used_bytes = &nine};
static sp_cri_container_stats stats[] = {
	{.attributes = &of_c, .cpu = &cpu, .memory = &memory, .writable_layer = &layer},
	{.attributes = &of_c, .cpu = &cpu, .memory = &memory},
	{0}};
static sp_cri_container made = {.id = SP_STR_INIT("id1"), .created_at = 2000000000};
static sp_cri_pod_sandbox_metadata meta = {
	.name = SP_STR_INIT("p"), .namespace = SP_STR_INIT("d"), .uid = SP_STR_INIT("u")};
static sp_cri_pod_sandbox boxes[] = {
	{.id = SP_STR_INIT("b1"), .metadata = &meta, .state = SP_CRI_SANDBOX_READY, .created_at = 3000000000},
	{.id = SP_STR_INIT("b0"), .metadata = &meta, .state = SP_CRI_SANDBOX_NOTREADY}};
static const sp_cri_list_container_stats_response l_stats = {.stats = {.at = stats, .n = 3}};
static const sp_cri_list_containers_response l_containers = {.containers = {.at = &made, .n = 1}};
static const sp_cri_list_pod_sandbox_response l_boxes = {.items = {.at = boxes, .n = 2}};

#define T1 "\"time\":\"1970-01-01T00:00:01Z\""
#define C_HEAD "{\"name\":\"c\",\"startTime\":\"1970-01-01T00:00:02Z\""
#define C_USE ",\"cpu\":{" T1 ",\"usageCoreNanoSeconds\":9},\"memory\":{" T1 ",\"workingSetBytes\":5}"
#define POD_HEAD                                                                    \
	"\"pods\":[{\"podRef\":{\"name\":\"p\",\"namespace\":\"d\",\"uid\":\"u\"}," \
	"\"startTime\":\"1970-01-01T00:00:03Z\",\"containers\":["

/* Without statistics of sandboxes the pod's are the sums. */
SP_TEST(node_summary, sums)
{
	const node_use use = {.at_ns = 1000000000, .booted_s = 7};
	const node_rate rate = {0};
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	node_summary_write(&out, &(node_summary_input){.node_name = SP_STR("n"),
						       .node = &use,
						       .rate = &rate,
						       .stats = &l_stats,
						       .containers = &l_containers,
						       .boxes = &l_boxes,
						       .only_cpu_and_memory = true});
	T_EQ_C(sp_buf_view(&out),
	       "{\"node\":{\"nodeName\":\"n\",\"startTime\":\"1970-01-01T00:00:07Z\"}," POD_HEAD C_HEAD C_USE
	       "}," C_HEAD C_USE "}],\"cpu\":{" T1
	       ",\"usageNanoCores\":0,\"usageCoreNanoSeconds\":18},\"memory\":{" T1
	       ",\"usageBytes\":0,\"workingSetBytes\":10,\"rssBytes\":0,\"pageFaults\":0,"
	       "\"majorPageFaults\":0}}]}");
}

SP_TEST(node_summary, whole)
{
	static const sp_cri_list_container_stats_response one = {.stats = {.at = stats, .n = 1}};
	sp_cri_network_interface_usage eth0 = {.name = SP_STR("eth0"), .rx_bytes = &five, .tx_bytes = &nine};
	sp_cri_network_usage network = {.timestamp = 1000000000, .default_interface = &eth0};
	sp_cri_process_usage process = {.timestamp = 1000000000, .process_count = &five};
	sp_cri_linux_pod_sandbox_stats l = {.cpu = &cpu, .network = &network, .process = &process};
	sp_cri_pod_sandbox_attributes of_b = {.id = SP_STR("b1")};
	sp_cri_pod_sandbox_stats box = {.attributes = &of_b, .linux_ = &l};
	const sp_cri_list_pod_sandbox_stats_response pods = {.stats = {.at = &box, .n = 1}};
	const node_use use = {.has_cpu = true,
			      .has_memory = true,
			      .cpu_ns = 3,
			      .memory_bytes = 60,
			      .memory_used = 70,
			      .memory_total = 100,
			      .at_ns = 1000000000};
	const node_rate rate = {.has_rate = true, .nano_cores = 11};
	const node_interface eth = {SP_STR("eth0"), 1, 2, 3, 4};
	const node_disk disk = {.capacity = 10, .available = 4};
	const uint64_t image_bytes = 2;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	node_summary_write(&out, &(node_summary_input){.node_name = SP_STR("n"),
						       .node = &use,
						       .rate = &rate,
						       .interfaces = &eth,
						       .n_interfaces = 1,
						       .root = &disk,
						       .images = &disk,
						       .image_bytes = &image_bytes,
						       .stats = &one,
						       .containers = &l_containers,
						       .pods = &pods,
						       .boxes = &l_boxes});
#define ETH "\"name\":\"eth0\",\"rxBytes\":1,\"rxErrors\":2,\"txBytes\":3,\"txErrors\":4"
#define POD_ETH "\"name\":\"eth0\",\"rxBytes\":5,\"rxErrors\":0,\"txBytes\":9,\"txErrors\":0"
#define DISK(used) "{" T1 ",\"availableBytes\":4,\"capacityBytes\":10,\"usedBytes\":" used "}"
	T_EQ_C(sp_buf_view(&out),
	       "{\"node\":{\"nodeName\":\"n\",\"startTime\":\"1970-01-01T00:00:00Z\",\"cpu\":{" T1
	       ",\"usageNanoCores\":11,\"usageCoreNanoSeconds\":3},\"memory\":{" T1
	       ",\"availableBytes\":40,\"usageBytes\":70,\"workingSetBytes\":60},\"network\":{" T1 "," ETH
	       ",\"interfaces\":[{" ETH
	       "}]},\"fs\":" DISK("6") ",\"runtime\":{\"imageFs\":" DISK("2") ",\"containerFs\":" DISK(
		       "2") "}}," POD_HEAD C_HEAD C_USE ",\"rootfs\":{" T1
			    ",\"availableBytes\":4,\"capacityBytes\":10,\"usedBytes\":9}}],\"cpu\":{" T1
			    ",\"usageCoreNanoSeconds\":9},\"network\":{" T1 "," POD_ETH
			    ",\"interfaces\":[{" POD_ETH "}]},\"process_stats\":{\"process_count\":5}}]}");
}
