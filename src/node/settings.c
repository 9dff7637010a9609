/* SPDX-License-Identifier: Apache-2.0 */
#include "node/settings.h"

#include "base/duration.h"
#include "base/json_out.h"
#include "node/node_int.h"

#define TEXTS_BYTES_MAX ((size_t)1 << 20)

/* The same for every node: members of the object, in JSON. */
static const struct {
	sp_str key, json;
} constant[] = {
	{SP_STR_INIT("kind"), SP_STR_INIT("\"KubeletConfiguration\"")},
	{SP_STR_INIT("apiVersion"), SP_STR_INIT("\"kubelet.config.k8s.io/v1beta1\"")},
	{SP_STR_INIT("enableServer"), SP_STR_INIT("true")},
	{SP_STR_INIT("fileCheckFrequency"), SP_STR_INIT("\"20s\"")},
	{SP_STR_INIT("authentication"),
	 SP_STR_INIT("{\"x509\":{},\"webhook\":{\"enabled\":true,\"cacheTTL\":\"2m0s\"},"
		     "\"anonymous\":{\"enabled\":false}}")},
	{SP_STR_INIT("authorization"),
	 SP_STR_INIT("{\"mode\":\"Webhook\",\"webhook\":{\"cacheAuthorizedTTL\":\"5m0s\","
		     "\"cacheUnauthorizedTTL\":\"30s\"}}")},
	{SP_STR_INIT("enableDebuggingHandlers"), SP_STR_INIT("true")},
	{SP_STR_INIT("nodeStatusUpdateFrequency"), SP_STR_INIT("\"10s\"")},
	{SP_STR_INIT("nodeStatusReportFrequency"), SP_STR_INIT("\"5m0s\"")},
	{SP_STR_INIT("nodeLeaseDurationSeconds"), SP_STR_INIT("40")},
	{SP_STR_INIT("imageMinimumGCAge"), SP_STR_INIT("\"2m0s\"")},
	{SP_STR_INIT("imageMaximumGCAge"), SP_STR_INIT("\"0s\"")},
	{SP_STR_INIT("cpuManagerPolicy"), SP_STR_INIT("\"none\"")},
	{SP_STR_INIT("memoryManagerPolicy"), SP_STR_INIT("\"None\"")},
	{SP_STR_INIT("topologyManagerPolicy"), SP_STR_INIT("\"none\"")},
	{SP_STR_INIT("topologyManagerScope"), SP_STR_INIT("\"container\"")},
	{SP_STR_INIT("runtimeRequestTimeout"), SP_STR_INIT("\"2m0s\"")},
	{SP_STR_INIT("podPidsLimit"), SP_STR_INIT("-1")},
	{SP_STR_INIT("cpuCFSQuota"), SP_STR_INIT("true")},
	{SP_STR_INIT("cpuCFSQuotaPeriod"), SP_STR_INIT("\"100ms\"")},
	{SP_STR_INIT("nodeStatusMaxImages"), SP_STR_INIT("50")},
	{SP_STR_INIT("serializeImagePulls"), SP_STR_INIT("false")},
	{SP_STR_INIT("enableControllerAttachDetach"), SP_STR_INIT("true")},
	{SP_STR_INIT("failSwapOn"), SP_STR_INIT("false")},
	{SP_STR_INIT("failCgroupV1"), SP_STR_INIT("false")},
	{SP_STR_INIT("memorySwap"), SP_STR_INIT("{}")},
	{SP_STR_INIT("containerLogMonitorInterval"), SP_STR_INIT("\"10s\"")},
	{SP_STR_INIT("configMapAndSecretChangeDetectionStrategy"), SP_STR_INIT("\"Watch\"")},
	{SP_STR_INIT("enableSystemLogHandler"), SP_STR_INIT("true")},
	{SP_STR_INIT("enableSystemLogQuery"), SP_STR_INIT("false")},
	{SP_STR_INIT("shutdownGracePeriod"), SP_STR_INIT("\"0s\"")},
	{SP_STR_INIT("shutdownGracePeriodCriticalPods"), SP_STR_INIT("\"0s\"")},
	{SP_STR_INIT("crashLoopBackOff"), SP_STR_INIT("{\"maxContainerRestartPeriod\":\"5m0s\"}")},
	{SP_STR_INIT("seccompDefault"), SP_STR_INIT("false")},
	{SP_STR_INIT("registerNode"), SP_STR_INIT("true")},
	{SP_STR_INIT("localStorageCapacityIsolation"), SP_STR_INIT("true")},
};

static void out_text(sp_jout *j, sp_str key, sp_str value)
{
	if (value.len != 0)
		sp_jout_member_str(j, key, value);
}

static void out_ns(sp_jout *j, sp_arena *a, sp_str key, int64_t ns)
{
	sp_jout_member_str(j, key, sp_duration_print(a, ns));
}

/* As kubelet's settings have levels: "10%", "100Mi". */
static sp_str level_text(sp_arena *a, const node_level *l)
{
	return l->is_part ? sp_arena_printf(a, "%g%%", (double)l->part * 100) : sp_qty_print(a, l->quantity);
}

typedef enum column { HARD, SOFT, SOFT_GRACE, RECLAIM } column;

static void out_thresholds(sp_jout *j, sp_arena *a, const node_eviction *e, sp_str key, column which)
{
	bool any = false;
	for (size_t i = 0; i < e->n; i++) {
		const node_threshold *t = &e->at[i];
		if (which == RECLAIM ? !t->has_reclaim : (t->grace_ns == 0) != (which == HARD))
			continue;
		if (!any)
			sp_jout_member_open(j, key, '{');
		any = true;
		sp_jout_member_str(j, node_signal_name(t->signal),
				   which == SOFT_GRACE ? sp_duration_print(a, t->grace_ns)
				   : which == RECLAIM  ? level_text(a, &t->reclaim)
						       : level_text(a, &t->value));
	}
	if (any)
		sp_jout_close(j, '}');
}

static void out_eviction(sp_jout *j, sp_arena *a, const node_eviction *e)
{
	out_thresholds(j, a, e, SP_STR("evictionHard"), HARD);
	out_thresholds(j, a, e, SP_STR("evictionSoft"), SOFT);
	out_thresholds(j, a, e, SP_STR("evictionSoftGracePeriod"), SOFT_GRACE);
	out_ns(j, a, SP_STR("evictionPressureTransitionPeriod"), e->transition_ns);
	if (e->max_grace_s != 0)
		sp_jout_member_i64(j, SP_STR("evictionMaxPodGracePeriod"), e->max_grace_s);
	out_thresholds(j, a, e, SP_STR("evictionMinimumReclaim"), RECLAIM);
}

static void out_images(sp_jout *j, const node_agent_opts *o)
{
	bool is_default = o->image_high == 0;
	sp_jout_member_i64(j, SP_STR("imageGCHighThresholdPercent"),
			   is_default ? NODE_IMAGES_HIGH_DEFAULT : o->image_high);
	sp_jout_member_i64(j, SP_STR("imageGCLowThresholdPercent"),
			   is_default ? NODE_IMAGES_LOW_DEFAULT : o->image_low);
}

/* A log that grows has no size to tell. */
static void out_logs(sp_jout *j, sp_arena *a, const node_agent_opts *o)
{
	sp_qty size;
	char text[32];
	bool mebi = o->log_bytes_max % (1 << 20) == 0;
	if (o->log_bytes_max == 0)
		return;
	(void)snprintf(text, sizeof text, "%lld%s",
		       (long long)(mebi ? o->log_bytes_max >> 20 : o->log_bytes_max), mebi ? "Mi" : "");
	if (sp_qty_parse(sp_str_c(text), &size, NULL) == SP_OK)
		sp_jout_member_str(j, SP_STR("containerLogMaxSize"), sp_qty_print(a, size));
	sp_jout_member_i64(j, SP_STR("containerLogMaxFiles"), o->log_files_max);
}

static void out_list(sp_jout *j, sp_str key, sp_str by_commas)
{
	sp_str one;
	if (by_commas.len == 0)
		return;
	sp_jout_member_open(j, key, '[');
	for (bool more = true; more;) {
		more = sp_str_cut(&by_commas, ',', &one);
		sp_jout_str(j, more ? one : by_commas);
	}
	sp_jout_close(j, ']');
}

sp_code node_settings_write(const node_agent_opts *o, sp_buf *out)
{
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, TEXTS_BYTES_MAX);
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("kubeletconfig"), '{');
	for (size_t i = 0; i < SP_LEN(constant); i++)
		sp_jout_member_raw(&j, constant[i].key, constant[i].json);
	out_text(&j, SP_STR("staticPodPath"), o->manifest_dir);
	out_text(&j, SP_STR("podLogsDir"), o->log_dir);
	if (o->port != 0)
		sp_jout_member_i64(&j, SP_STR("port"), o->port);
	out_text(&j, SP_STR("clusterDomain"), o->cluster_domain);
	if (o->n_cluster_dns > 0)
		sp_jout_member_strs(&j, SP_STR("clusterDNS"), o->cluster_dns, o->n_cluster_dns);
	out_text(&j, SP_STR("resolvConf"), o->resolv_conf);
	out_text(&j, SP_STR("cgroupRoot"), o->cgroup_root);
	sp_jout_member_str(&j, SP_STR("cgroupDriver"),
			   o->systemd_cgroups ? SP_STR("systemd") : SP_STR("cgroupfs"));
	sp_jout_member_i64(&j, SP_STR("maxPods"), o->pods_max == 0 ? NODE_PODS_MAX_DEFAULT : o->pods_max);
	out_images(&j, o);
	out_logs(&j, &a, o);
	out_eviction(&j, &a, &o->eviction);
	out_list(&j, SP_STR("allowedUnsafeSysctls"), o->unsafe_sysctls);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}
