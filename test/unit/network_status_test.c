/* SPDX-License-Identifier: Apache-2.0 */
/* What the service proxy tells of itself, under kube-proxy's names. */
#include "lib/t.h"
#include "network/services/status.h"

#define SECOND UINT64_C(1000000000)

SP_TEST(network_status, health_is_that_nothing_waits_for_long)
{
	static const char waits[] =
		"{\"lastUpdated\":\"2026-01-01T00:00:00.000000000Z\",\"currentTime\":\"2026-01-01T00:02:00."
		"000000000Z\",\"nodeEligible\":true,\"healthy\":false,\"status\":{\"IPv4\":{\"lastUpdated\":"
		"\"2026-01-01T00:00:00.000000000Z\",\"healthy\":false},\"IPv6\":{\"lastUpdated\":"
		"\"2026-01-01T00:00:00.000000000Z\",\"healthy\":false}}}";
	const int64_t start = INT64_C(1767225600) * INT64_C(1000000000);
	net_status s = {.is_eligible = true};
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4096);
	T_TRUE(net_status_is_healthy(&s, 900 * SECOND));
	s.pending_ns = 100 * SECOND;
	T_TRUE(net_status_is_healthy(&s, 159 * SECOND));
	T_TRUE(!net_status_is_healthy(&s, 160 * SECOND));
	s.updated_ns = start;
	T_OK(net_status_health(&s, 220 * SECOND, start + (int64_t)(120 * SECOND), true, &out));
	T_EQ_C(sp_buf_view(&out), waits);
	/* Who is fine was updated just now; /livez does not look at the node. */
	s.pending_ns = 0;
	s.is_eligible = false;
	sp_buf_clear(&out);
	T_OK(net_status_health(&s, 220 * SECOND, start + 1, false, &out));
	T_TRUE(sp_str_starts(sp_buf_view(&out),
			     SP_STR("{\"lastUpdated\":\"2026-01-01T00:00:00.000000001Z\",\"currentTime\":"
				    "\"2026-01-01T00:00:00.000000001Z\",\"healthy\":true,")));
}

SP_TEST(network_status, durations_are_in_buckets)
{
	net_status s = {.services = 3, .services_pending = 1};
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	T_OK(net_status_metrics(&s, &out));
	T_TRUE(sp_str_find(sp_buf_view(&out), SP_STR("duration")) < 0);
	net_histogram_add(&s.sync, 1000000);
	net_histogram_add(&s.sync, 3000000);
	net_histogram_add(&s.sync, 20 * SECOND);
	s.failures = 2;
	s.answers[0][1] = 4;
	sp_buf_clear(&out);
	T_OK(net_status_metrics(&s, &out));
	static const char *const lines[] = {
		"# HELP kubeproxy_sync_proxy_rules_duration_seconds [ALPHA] SyncProxyRules latency in "
		"seconds\n"
		"# TYPE kubeproxy_sync_proxy_rules_duration_seconds histogram\n"
		"kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family=\"IPv4\",le=\"0.001\"} 1\n"
		"kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family=\"IPv4\",le=\"0.002\"} 1\n"
		"kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family=\"IPv4\",le=\"0.004\"} 2\n",
		"kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family=\"IPv4\",le=\"16.384\"} 2\n"
		"kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family=\"IPv4\",le=\"+Inf\"} 3\n"
		"kubeproxy_sync_proxy_rules_duration_seconds_sum{ip_family=\"IPv4\"} 20.004000000\n"
		"kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family=\"IPv4\"} 3\n",
		"kubeproxy_sync_proxy_rules_service_changes_total 3\n",
		"kubeproxy_sync_proxy_rules_service_changes_pending 1\n",
		"kubeproxy_sync_proxy_rules_nftables_sync_failures_total{ip_family=\"IPv6\"} 2\n",
		"kubeproxy_proxy_healthz_total{code=\"503\"} 4\n",
		("kubeproxy_sync_proxy_rules_no_local_endpoints_total{ip_family=\"IPv4\","
		 "traffic_policy=\"external\"} 0\n"),
	};
	for (size_t i = 0; i < SP_LEN(lines); i++) {
		t_row("row %zu", i);
		T_TRUE(sp_str_find(sp_buf_view(&out), sp_str_c(lines[i])) >= 0);
	}
}

SP_TEST(network_status, policies_without_an_endpoint_here)
{
	net_backend one = {.ip = SP_STR("10.88.1.1"), .port = 80};
	net_port p = {.node_port = 30080, .all = {&one, 1}};
	const net_service none = {0},
			  far = {.ports = &p, .n_ports = 1, .internal_local = true, .external_local = true};
	net_status s = {0};
	net_status_count(&s, NET_V4, &none, &far);
	T_EQ_U64(s.no_local_internal[NET_V4] + s.no_local_external[NET_V4], 2);
	T_EQ_U64(s.no_local_internal[NET_V6], 0);
	net_status_count(&s, NET_V4, &far, &none);
	T_EQ_U64(s.no_local_internal[NET_V4] + s.no_local_external[NET_V4], 0);
}
