/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent counts, as text. */
#include "lib/t.h"
#include "node/counters.h"

#define MS UINT64_C(1000000)

static bool has(const sp_buf *out, const char *line)
{
	return sp_str_find(sp_buf_view(out), sp_str_c(line)) >= 0;
}

#define HAS(line) T_TRUE(has(&out, line "\n"))

SP_TEST(node_counters, nothing_yet)
{
	node_counters *c = sp_new(T_ARENA, node_counters, 1);
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 20);
	node_counters_write(&out, &(node_counters_input){.counters = c});
	HAS("kubelet_started_pods_total 0");
	HAS("kubelet_pod_start_duration_seconds_bucket{le=\"+Inf\"} 0");
	T_TRUE(!has(&out, "kubelet_evictions"));
	T_TRUE(!has(&out, "kubelet_admission"));
	T_TRUE(!has(&out, "kubelet_volume_stats"));
	T_TRUE(!has(&out, "operation_type"));
}

SP_TEST(node_counters, text)
{
	node_counters *c = sp_new(T_ARENA, node_counters, 1);
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 20);
	node_count(&c->pod_start, NODE_DURATION_START, 500 * MS); /* its own bucket: bounds are in it */
	node_count(&c->pod_start, NODE_DURATION_START, 501 * MS);
	node_count(&c->pod_start, NODE_DURATION_START, UINT64_C(4000) * 1000 * MS);
	node_count(&c->turns[NODE_TURN_CREATE], NODE_DURATION_TURN, 7 * MS);
	node_count(&c->calls[SP_CRI_RUN_POD_SANDBOX], NODE_DURATION_CALL, 13 * MS);
	node_count(&c->calls[SP_CRI_RUN_POD_SANDBOX], NODE_DURATION_CALL, UINT64_C(800) * 1000 * MS);
	c->call_errors[SP_CRI_RUN_POD_SANDBOX] = 1;
	c->pods = 5;
	c->pods_failed = 1;
	c->containers[NODE_INIT] = 2;
	c->containers[NODE_REGULAR] = 3;
	node_count_rejection(c, SP_STR("SysctlForbidden"));
	node_count_rejection(c, SP_STR("Evicted"));
	node_count_rejection(c, SP_STR("OutOfpods"));
	node_count_rejection(c, SP_STR("Evicted"));
	node_count_rejection(c, SP_STR("OutOfexample.com/device"));
	node_count_rejection(c, SP_STR("NodePorts"));
	node_count_error(c, NODE_REGULAR, "ErrImagePull");
	node_count_error(c, NODE_INIT, "ErrImagePull");
	node_count_error(c, NODE_REGULAR, "ErrImagePull");
	const node_eviction_count evictions[] = {{SP_STR_INIT("memory.available"), 2}};
	const node_claim_disk claims[] = {{SP_STR_INIT("ns"), SP_STR_INIT("data"), {100, 30, 50, 20, 1}}};
	node_counters_write(&out, &(node_counters_input){.counters = c,
							 .evictions = evictions,
							 .n_evictions = 1,
							 .claims = claims,
							 .n_claims = 1});
	T_EQ_I64(sp_buf_code(&out), SP_OK);
	HAS("# HELP kubelet_pod_start_duration_seconds [ALPHA] Duration in seconds from kubelet seeing a pod "
	    "for the "
	    "first time to the pod starting to run\n# TYPE kubelet_pod_start_duration_seconds histogram\n"
	    "kubelet_pod_start_duration_seconds_bucket{le=\"0.5\"} 1\n"
	    "kubelet_pod_start_duration_seconds_bucket{le=\"1\"} 2");
	HAS("kubelet_pod_start_duration_seconds_bucket{le=\"3600\"} 2\n"
	    "kubelet_pod_start_duration_seconds_bucket{le=\"+Inf\"} 3\n"
	    "kubelet_pod_start_duration_seconds_sum 4001.001000000\n"
	    "kubelet_pod_start_duration_seconds_count 3");
	HAS("kubelet_pod_worker_duration_seconds_bucket{operation_type=\"create\",le=\"0.01\"} 1");
	HAS("kubelet_pod_worker_duration_seconds_sum{operation_type=\"create\"} 0.007000000");
	HAS("kubelet_runtime_operations_duration_seconds_bucket{operation_type=\"run_podsandbox\",le=\"0."
	    "0125\"} 0");
	HAS("kubelet_runtime_operations_duration_seconds_bucket{operation_type=\"run_podsandbox\",le=\"0."
	    "03125\"} 1");
	HAS("kubelet_runtime_operations_duration_seconds_bucket{operation_type=\"run_podsandbox\",le="
	    "\"745.0580596923828\"} 1");
	HAS("kubelet_runtime_operations_total{operation_type=\"run_podsandbox\"} 2");
	HAS("kubelet_runtime_operations_errors_total{operation_type=\"run_podsandbox\"} 1");
	HAS("kubelet_started_pods_total 5");
	HAS("kubelet_started_pods_errors_total 1");
	HAS("kubelet_started_containers_total{container_type=\"init_container\"} 2");
	HAS("kubelet_started_containers_total{container_type=\"container\"} 3");
	HAS("kubelet_started_containers_errors_total{code=\"ErrImagePull\",container_type=\"container\"} 2");
	HAS("kubelet_started_containers_errors_total{code=\"ErrImagePull\",container_type=\"init_container\"}"
	    " 1");
	HAS("kubelet_evictions{eviction_signal=\"memory.available\"} 2");
	HAS("# TYPE kubelet_admission_rejections_total counter\n"
	    "kubelet_admission_rejections_total{reason=\"Evicted\"} 2\n"
	    "kubelet_admission_rejections_total{reason=\"Other\"} 1\n"
	    "kubelet_admission_rejections_total{reason=\"OutOfExtendedResources\"} 1\n"
	    "kubelet_admission_rejections_total{reason=\"OutOfpods\"} 1\n"
	    "kubelet_admission_rejections_total{reason=\"SysctlForbidden\"} 1");
	HAS("kubelet_volume_stats_available_bytes{namespace=\"ns\",persistentvolumeclaim=\"data\"} 30");
	HAS("kubelet_volume_stats_used_bytes{namespace=\"ns\",persistentvolumeclaim=\"data\"} 70");
	HAS("kubelet_volume_stats_inodes_used{namespace=\"ns\",persistentvolumeclaim=\"data\"} 30");
}

SP_TEST(node_counters, more_errors_than_are_told_apart)
{
	static const char *const reasons[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i",
					      "j", "k", "l", "m", "n", "o", "p", "q", "r"};
	node_counters *c = sp_new(T_ARENA, node_counters, 1);
	for (size_t i = 0; i < SP_LEN(reasons); i++)
		node_count_error(c, NODE_REGULAR, reasons[i]);
	node_count_error(c, NODE_REGULAR, "a");
	T_EQ_U64(c->n_errors, NODE_ERRORS_MAX);
	T_EQ_U64(c->errors[0].n, 2);
}
