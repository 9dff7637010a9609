/* SPDX-License-Identifier: Apache-2.0 */
#include "network/services/status.h"

#include "base/time.h"

#define PENDING_MAX_NS (UINT64_C(60) * 1000000000) /* twice the sync period upstream */
#define FIRST_BUCKET_NS UINT64_C(1000000)          /* each is twice the one before */

static const char *const family_names[NET_FAMILIES] = {"IPv4", "IPv6"};

/* ---- counting ---- */

void net_histogram_add(net_histogram *h, uint64_t ns)
{
	size_t i = 0;
	while (i < NET_BUCKETS && ns > FIRST_BUCKET_NS << i)
		i++;
	if (i < NET_BUCKETS)
		h->in[i]++;
	h->n++;
	h->sum_ns += ns;
}

static uint64_t without_local(const net_service *s, bool external)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s->n_ports; i++) {
		const net_port *p = &s->ports[i];
		bool is_local = external ? s->external_local && (p->node_port != 0 || s->outside_ips.n > 0)
					 : s->internal_local;
		n += is_local && p->all.n > 0 && p->local.n == 0;
	}
	return n;
}

void net_status_count(net_status *s, net_family f, const net_service *was, const net_service *is)
{
	s->no_local_internal[f] += without_local(is, false) - without_local(was, false);
	s->no_local_external[f] += without_local(is, true) - without_local(was, true);
}

/* ---- health ---- */

bool net_status_is_healthy(const net_status *s, uint64_t now_ns)
{
	return s->pending_ns == 0 || now_ns - s->pending_ns < PENDING_MAX_NS;
}

static size_t print_time(char out[SP_TIME_TEXT_BYTES], int64_t wall_ns)
{
	sp_time t = {.seconds = SP_TIME_ZERO_SECONDS};
	if (wall_ns != 0)
		t = (sp_time){.seconds = wall_ns / 1000000000, .nanos = (uint32_t)(wall_ns % 1000000000)};
	return sp_time_print(out, t, wall_ns == 0 ? 0 : 9);
}

sp_code net_status_health(const net_status *s, uint64_t now_ns, int64_t wall_ns, bool eligible, sp_buf *out)
{
	char updated[SP_TIME_TEXT_BYTES], now[SP_TIME_TEXT_BYTES];
	size_t n_updated = print_time(updated, s->updated_ns), n_now = print_time(now, wall_ns);
	bool healthy = net_status_is_healthy(s, now_ns);
	bool fine = healthy && (!eligible || s->is_eligible);
	const char *yes = healthy ? "true" : "false";
	sp_str last = fine ? (sp_str){now, n_now} : (sp_str){updated, n_updated};
	(void)sp_buf_printf(out, "{\"lastUpdated\":\"" SP_FMT "\",\"currentTime\":\"%.*s\",", SP_ARG(last),
			    (int)n_now, now);
	if (eligible)
		(void)sp_buf_printf(out, "\"nodeEligible\":%s,", s->is_eligible ? "true" : "false");
	(void)sp_buf_printf(out, "\"healthy\":%s,\"status\":{", yes);
	for (net_family f = 0; f < NET_FAMILIES; f++)
		(void)sp_buf_printf(out, "%s\"%s\":{\"lastUpdated\":\"%.*s\",\"healthy\":%s}",
				    f == 0 ? "" : ",", family_names[f], (int)n_updated, updated, yes);
	return sp_buf_str(out, SP_STR("}}"));
}

/* ---- metrics ---- */

static void head(sp_buf *out, const char *name, const char *help, const char *type)
{
	(void)sp_buf_printf(out, "# HELP kubeproxy_%s [ALPHA] %s\n# TYPE kubeproxy_%s %s\n", name, help, name,
			    type);
}

static void put_histogram(sp_buf *out, const char *name, net_family f, const net_histogram *h)
{
	uint64_t sum = 0, le_ms = 1;
	for (size_t i = 0; i < NET_BUCKETS; i++, le_ms *= 2) {
		sum += h->in[i];
		(void)sp_buf_printf(out, "kubeproxy_%s_bucket{ip_family=\"%s\",le=\"%g\"} %llu\n", name,
				    family_names[f], (double)le_ms / 1000, (unsigned long long)sum);
	}
	(void)sp_buf_printf(out,
			    "kubeproxy_%s_bucket{ip_family=\"%s\",le=\"+Inf\"} %llu\n"
			    "kubeproxy_%s_sum{ip_family=\"%s\"} %llu.%09llu\n"
			    "kubeproxy_%s_count{ip_family=\"%s\"} %llu\n",
			    name, family_names[f], (unsigned long long)h->n, name, family_names[f],
			    (unsigned long long)(h->sum_ns / 1000000000),
			    (unsigned long long)(h->sum_ns % 1000000000), name, family_names[f],
			    (unsigned long long)h->n);
}

static void put_durations(const net_status *s, sp_buf *out)
{
	const struct {
		const char *name, *help;
		const net_histogram *of[NET_FAMILIES];
	} rows[] = {
		{"conntrack_reconciler_sync_duration_seconds",
		 "ReconcileConntrackFlowsLatency latency in seconds",
		 {&s->sweeps[NET_V4], &s->sweeps[NET_V6]}},
		{"sync_full_proxy_rules_duration_seconds",
		 "SyncProxyRules latency in seconds for full resyncs",
		 {&s->full, &s->full}},
		{"sync_partial_proxy_rules_duration_seconds",
		 "SyncProxyRules latency in seconds for partial resyncs",
		 {&s->partial, &s->partial}},
		{"sync_proxy_rules_duration_seconds",
		 "SyncProxyRules latency in seconds",
		 {&s->sync, &s->sync}},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (rows[i].of[NET_V4]->n + rows[i].of[NET_V6]->n > 0)
			head(out, rows[i].name, rows[i].help, "histogram");
		for (net_family f = 0; f < NET_FAMILIES; f++) {
			if (rows[i].of[f]->n > 0)
				put_histogram(out, rows[i].name, f, rows[i].of[f]);
		}
	}
}

static void put_times(const net_status *s, sp_buf *out)
{
	const struct {
		const char *name, *help;
		int64_t at_ns;
	} rows[] = {
		{"sync_proxy_rules_last_queued_timestamp_seconds",
		 "The last time a sync of proxy rules was queued", s->queued_ns},
		{"sync_proxy_rules_last_timestamp_seconds",
		 "The last time proxy rules were successfully synced", s->updated_ns},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (rows[i].at_ns == 0)
			continue;
		head(out, rows[i].name, rows[i].help, "gauge");
		for (net_family f = 0; f < NET_FAMILIES; f++)
			(void)sp_buf_printf(out, "kubeproxy_%s{ip_family=\"%s\"} %lld.%09lld\n", rows[i].name,
					    family_names[f], (long long)(rows[i].at_ns / 1000000000),
					    (long long)(rows[i].at_ns % 1000000000));
	}
}

static void put_changes(const net_status *s, sp_buf *out)
{
	const struct {
		const char *name, *help, *type;
		uint64_t n;
	} rows[] = {
		{"sync_proxy_rules_endpoint_changes_pending", "Pending proxy rules Endpoint changes", "gauge",
		 s->endpoints_pending},
		{"sync_proxy_rules_endpoint_changes_total", "Cumulative proxy rules Endpoint changes",
		 "counter", s->endpoints},
		{"sync_proxy_rules_service_changes_pending", "Pending proxy rules Service changes", "gauge",
		 s->services_pending},
		{"sync_proxy_rules_service_changes_total", "Cumulative proxy rules Service changes",
		 "counter", s->services},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		head(out, rows[i].name, rows[i].help, rows[i].type);
		(void)sp_buf_printf(out, "kubeproxy_%s %llu\n", rows[i].name, (unsigned long long)rows[i].n);
	}
}

static void put_by_family(const net_status *s, sp_buf *out)
{
	const uint64_t failures[NET_FAMILIES] = {s->failures, s->failures};
	const struct {
		const char *name, *help, *type, *label;
		const uint64_t *of; /* by family */
		bool has_zeros;
	} rows[] = {
		{"conntrack_reconciler_deleted_entries_total",
		 "Cumulative conntrack flows deleted by conntrack reconciler", "counter", "", s->n_swept,
		 s->sweeps[NET_V4].n + s->sweeps[NET_V6].n > 0},
		{"sync_proxy_rules_nftables_sync_failures_total", "Cumulative proxy nftables sync failures",
		 "counter", "", failures, false},
		{"sync_proxy_rules_no_local_endpoints_total",
		 "Number of services with a Local traffic policy and no endpoints", "gauge",
		 ",traffic_policy=\"external\"", s->no_local_external, s->sync.n > 0},
		{"sync_proxy_rules_no_local_endpoints_total", NULL, "gauge", ",traffic_policy=\"internal\"",
		 s->no_local_internal, s->sync.n > 0},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (!rows[i].has_zeros && rows[i].of[NET_V4] + rows[i].of[NET_V6] == 0)
			continue;
		if (rows[i].help != NULL)
			head(out, rows[i].name, rows[i].help, rows[i].type);
		for (net_family f = 0; f < NET_FAMILIES; f++)
			(void)sp_buf_printf(out, "kubeproxy_%s{ip_family=\"%s\"%s} %llu\n", rows[i].name,
					    family_names[f], rows[i].label,
					    (unsigned long long)rows[i].of[f]);
	}
}

static void put_answers(const net_status *s, sp_buf *out)
{
	static const char *const names[] = {"proxy_healthz_total", "proxy_livez_total"},
				 *const helps[] = {"Cumulative proxy healthz HTTP status",
						   "Cumulative proxy livez HTTP status"},
				 *const codes[] = {"200", "503"};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		if (s->answers[i][0] + s->answers[i][1] > 0)
			head(out, names[i], helps[i], "counter");
		for (size_t k = 0; k < SP_LEN(codes); k++) {
			if (s->answers[i][k] > 0)
				(void)sp_buf_printf(out, "kubeproxy_%s{code=\"%s\"} %llu\n", names[i],
						    codes[k], (unsigned long long)s->answers[i][k]);
		}
	}
}

sp_code net_status_metrics(const net_status *s, sp_buf *out)
{
	put_durations(s, out);
	put_times(s, out);
	put_changes(s, out);
	put_by_family(s, out);
	put_answers(s, out);
	return sp_buf_code(out);
}
