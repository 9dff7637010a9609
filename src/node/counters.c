/* SPDX-License-Identifier: Apache-2.0 */
#include "node/counters.h"

/* Bounds in microseconds, or what is told of them: as Go prints its floats. */
typedef struct bound {
	uint64_t us;
	const char *le;
} bound;

#define S(n)                              \
	{                                 \
		UINT64_C(n) * 1000000, #n \
	}
static const bound of_start[] = {{500000, "0.5"}, S(1),   S(2),   S(3),   S(4),   S(5),    S(6),    S(8),
				 S(10),           S(20),  S(30),  S(45),  S(60),  S(120),  S(180),  S(240),
				 S(300),          S(360), S(480), S(600), S(900), S(1200), S(1800), S(2700),
				 S(3600)};
static const bound of_turn[] = {{5000, "0.005"},
				{10000, "0.01"},
				{25000, "0.025"},
				{50000, "0.05"},
				{100000, "0.1"},
				{250000, "0.25"},
				{500000, "0.5"},
				S(1),
				{2500000, "2.5"},
				S(5),
				S(10)};
static const bound of_call[] = {{5000, "0.005"},
				{12500, "0.0125"},
				{31250, "0.03125"},
				{78125, "0.078125"},
				{195312, "0.1953125"},
				{488281, "0.48828125"},
				{1220703, "1.220703125"},
				{3051757, "3.0517578125"},
				{7629394, "7.62939453125"},
				{19073486, "19.073486328125"},
				{47683715, "47.6837158203125"},
				{119209289, "119.20928955078125"},
				{298023223, "298.0232238769531"},
				{745058059, "745.0580596923828"}};

static const struct {
	const bound *at;
	size_t n;
} bounds[] = {[NODE_DURATION_START] = {of_start, SP_LEN(of_start)},
	      [NODE_DURATION_TURN] = {of_turn, SP_LEN(of_turn)},
	      [NODE_DURATION_CALL] = {of_call, SP_LEN(of_call)}};

void node_count(node_histogram *h, node_duration kind, uint64_t ns)
{
	size_t i = 0;
	while (i < bounds[kind].n && ns > bounds[kind].at[i].us * 1000)
		i++;
	if (i < bounds[kind].n)
		h->in[i]++;
	h->n++;
	h->sum_ns += ns;
}

void node_count_error(node_counters *c, node_role role, const char *reason)
{
	sp_str text = sp_str_c(reason);
	size_t i = 0;
	while (i < c->n_errors && (c->errors[i].role != role || !sp_str_eq(c->errors[i].reason, text)))
		i++;
	if (i == NODE_ERRORS_MAX)
		return;
	c->errors[i].reason = text;
	c->errors[i].role = role;
	c->errors[i].n++;
	c->n_errors = SP_MAX(c->n_errors, i + 1);
}

/* Of kubelet's list those that are given here, by name, as they are written. */
static const sp_str rejections[] = {
	SP_STR_INIT("Evicted"),
	SP_STR_INIT("Other"),
	SP_STR_INIT("OutOfExtendedResources"),
	SP_STR_INIT("OutOfcpu"),
	SP_STR_INIT("OutOfephemeral-storage"),
	SP_STR_INIT("OutOfmemory"),
	SP_STR_INIT("OutOfpods"),
	SP_STR_INIT("PodOSNotSupported"),
	SP_STR_INIT("PodOSSelectorNodeLabelDoesNotMatch"),
	SP_STR_INIT("SupplementalGroupsPolicyNotSupported"),
	SP_STR_INIT("SysctlForbidden"),
	SP_STR_INIT("UnexpectedAdmissionError"),
};
_Static_assert(SP_LEN(rejections) == NODE_REJECTIONS_, "one counter for each reason");
enum { OTHER = 1, EXTENDED = 2 };

void node_count_preemption(node_counters *c, sp_str signal)
{
	size_t i = 0;
	while (i < c->n_preemptions && !sp_str_eq(sp_str_c(c->preemptions[i].signal), signal))
		i++;
	if (i == NODE_PREEMPTIONS_MAX || signal.len >= sizeof c->preemptions[i].signal)
		return;
	(void)snprintf(c->preemptions[i].signal, sizeof c->preemptions[i].signal, SP_FMT, SP_ARG(signal));
	c->preemptions[i].n++;
	c->n_preemptions = SP_MAX(c->n_preemptions, i + 1);
}

void node_count_rejection(node_counters *c, sp_str reason)
{
	for (size_t i = 0; i < SP_LEN(rejections); i++) {
		if (sp_str_eq(rejections[i], reason)) {
			c->rejected[i]++;
			return;
		}
	}
	c->rejected[sp_str_starts(reason, SP_STR("OutOf")) ? EXTENDED : OTHER]++;
}

/* ---- text ---- */

static void head(sp_buf *out, const char *name, const char *help, const char *type)
{
	(void)sp_buf_printf(out, "# HELP %s [ALPHA] %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put(sp_buf *out, const char *name, const char *labels, uint64_t n)
{
	(void)sp_buf_printf(out, "%s%s %llu\n", name, labels, (unsigned long long)n);
}

/* `label`: 'operation_type="x"', or empty. */
static void put_histogram(sp_buf *out, const char *name, const char *label, const node_histogram *h,
			  node_duration kind)
{
	const char *comma = *label == '\0' ? "" : ",";
	uint64_t sum = 0;
	for (size_t i = 0; i < bounds[kind].n; i++) {
		sum += h->in[i];
		(void)sp_buf_printf(out, "%s_bucket{%s%sle=\"%s\"} %llu\n", name, label, comma,
				    bounds[kind].at[i].le, (unsigned long long)sum);
	}
	(void)sp_buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, label, comma,
			    (unsigned long long)h->n);
	const char *open = *label == '\0' ? "" : "{", *close = *label == '\0' ? "" : "}";
	(void)sp_buf_printf(out, "%s_sum%s%s%s %llu.%09llu\n%s_count%s%s%s %llu\n", name, open, label, close,
			    (unsigned long long)(h->sum_ns / 1000000000),
			    (unsigned long long)(h->sum_ns % 1000000000), name, open, label, close,
			    (unsigned long long)h->n);
}

/* ---- the runtime's calls ---- */

/* By name, as they are written. */
static const struct {
	sp_cri_method method;
	const char *name;
} calls[] = {
	{SP_CRI_ATTACH, "attach"},
	{SP_CRI_CHECKPOINT_CONTAINER, "checkpoint_container"},
	{SP_CRI_CONTAINER_STATS, "container_stats"},
	{SP_CRI_CONTAINER_STATUS, "container_status"},
	{SP_CRI_CREATE_CONTAINER, "create_container"},
	{SP_CRI_EXEC, "exec"},
	{SP_CRI_EXEC_SYNC, "exec_sync"},
	{SP_CRI_IMAGE_FS_INFO, "image_fs_info"},
	{SP_CRI_IMAGE_STATUS, "image_status"},
	{SP_CRI_LIST_CONTAINER_STATS, "list_container_stats"},
	{SP_CRI_LIST_CONTAINERS, "list_containers"},
	{SP_CRI_LIST_IMAGES, "list_images"},
	{SP_CRI_LIST_METRIC_DESCRIPTORS, "list_metric_descriptors"},
	{SP_CRI_LIST_POD_SANDBOX, "list_podsandbox"},
	{SP_CRI_LIST_POD_SANDBOX_METRICS, "list_podsandbox_metrics"},
	{SP_CRI_LIST_POD_SANDBOX_STATS, "list_podsandbox_stats"},
	{SP_CRI_POD_SANDBOX_STATS, "podsandbox_stats"},
	{SP_CRI_POD_SANDBOX_STATUS, "podsandbox_status"},
	{SP_CRI_PORT_FORWARD, "port_forward"},
	{SP_CRI_PULL_IMAGE, "pull_image"},
	{SP_CRI_REMOVE_CONTAINER, "remove_container"},
	{SP_CRI_REMOVE_IMAGE, "remove_image"},
	{SP_CRI_REMOVE_POD_SANDBOX, "remove_podsandbox"},
	{SP_CRI_REOPEN_CONTAINER_LOG, "reopen_container_log"},
	{SP_CRI_RUN_POD_SANDBOX, "run_podsandbox"},
	{SP_CRI_RUNTIME_CONFIG, "runtime_config"},
	{SP_CRI_START_CONTAINER, "start_container"},
	{SP_CRI_STATUS, "status"},
	{SP_CRI_STOP_CONTAINER, "stop_container"},
	{SP_CRI_STOP_POD_SANDBOX, "stop_podsandbox"},
	{SP_CRI_UPDATE_CONTAINER_RESOURCES, "update_container"},
	{SP_CRI_UPDATE_POD_SANDBOX_RESOURCES, "update_podsandbox_resources"},
	{SP_CRI_UPDATE_RUNTIME_CONFIG, "update_runtime_config"},
	{SP_CRI_VERSION, "version"},
};

static void put_calls(sp_buf *out, const node_counters *c)
{
	const char *name = "kubelet_runtime_operations_duration_seconds";
	char label[80];
	bool any_error = false;
	head(out, name, "Duration in seconds of runtime operations. Broken down by operation type.",
	     "histogram");
	for (size_t i = 0; i < SP_LEN(calls); i++) {
		(void)snprintf(label, sizeof label, "operation_type=\"%s\"", calls[i].name);
		if (c->calls[calls[i].method].n > 0)
			put_histogram(out, name, label, &c->calls[calls[i].method], NODE_DURATION_CALL);
		any_error |= c->call_errors[calls[i].method] > 0;
	}
	name = "kubelet_runtime_operations_errors_total";
	if (any_error)
		head(out, name, "Cumulative number of runtime operation errors by operation type.",
		     "counter");
	for (size_t i = 0; i < SP_LEN(calls); i++) {
		(void)snprintf(label, sizeof label, "{operation_type=\"%s\"}", calls[i].name);
		if (c->call_errors[calls[i].method] > 0)
			put(out, name, label, c->call_errors[calls[i].method]);
	}
	name = "kubelet_runtime_operations_total";
	head(out, name, "Cumulative number of runtime operations by operation type.", "counter");
	for (size_t i = 0; i < SP_LEN(calls); i++) {
		(void)snprintf(label, sizeof label, "{operation_type=\"%s\"}", calls[i].name);
		if (c->calls[calls[i].method].n > 0)
			put(out, name, label, c->calls[calls[i].method].n);
	}
}

/* ---- pods and containers ---- */

static const char *const roles[] = {[NODE_INIT] = "init_container",
				    [NODE_REGULAR] = "container",
				    [NODE_EPHEMERAL] = "ephemeral_container"};

static void put_pods(sp_buf *out, const node_counters *c)
{
	static const char *const kinds[] = {
		[NODE_TURN_CREATE] = "create", [NODE_TURN_UPDATE] = "update", [NODE_TURN_SYNC] = "sync"};
	const char *name = "kubelet_pod_worker_duration_seconds";
	char label[80];
	head(out, "kubelet_pod_start_duration_seconds",
	     "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
	     "histogram");
	put_histogram(out, "kubelet_pod_start_duration_seconds", "", &c->pod_start, NODE_DURATION_START);
	for (size_t i = 0, n = 0; i < SP_LEN(kinds); i++) {
		(void)snprintf(label, sizeof label, "operation_type=\"%s\"", kinds[i]);
		if (c->turns[i].n == 0)
			continue;
		if (n++ == 0)
			head(out, name,
			     "Duration in seconds to sync a single pod. Broken down by operation type: "
			     "create, update, "
			     "or sync",
			     "histogram");
		put_histogram(out, name, label, &c->turns[i], NODE_DURATION_TURN);
	}
}

static void put_starts(sp_buf *out, const node_counters *c)
{
	const char *name = "kubelet_started_containers_errors_total";
	char label[160];
	for (size_t i = 0; i < c->n_errors; i++) {
		const node_start_error *e = &c->errors[i];
		if (i == 0)
			head(out, name, "Cumulative number of errors when starting containers", "counter");
		(void)snprintf(label, sizeof label, "{code=\"" SP_FMT "\",container_type=\"%s\"}",
			       SP_ARG(e->reason), roles[e->role]);
		put(out, name, label, e->n);
	}
	name = "kubelet_started_containers_total";
	for (size_t i = 0, n = 0; i < SP_LEN(roles); i++) {
		(void)snprintf(label, sizeof label, "{container_type=\"%s\"}", roles[i]);
		if (c->containers[i] == 0)
			continue;
		if (n++ == 0)
			head(out, name, "Cumulative number of containers started", "counter");
		put(out, name, label, c->containers[i]);
	}
	head(out, "kubelet_started_pods_errors_total", "Cumulative number of errors when starting pods",
	     "counter");
	put(out, "kubelet_started_pods_errors_total", "", c->pods_failed);
	head(out, "kubelet_started_pods_total", "Cumulative number of pods started", "counter");
	put(out, "kubelet_started_pods_total", "", c->pods);
	head(out, "kubelet_started_user_namespaced_pods_errors_total",
	     "Cumulative number of errors when starting pods with user namespaces. This metric will only be "
	     "collected on Linux.",
	     "counter");
	put(out, "kubelet_started_user_namespaced_pods_errors_total", "", c->pods_of_users_failed);
	head(out, "kubelet_started_user_namespaced_pods_total",
	     "Cumulative number of pods with user namespaces started. This metric will only be collected on "
	     "Linux.",
	     "counter");
	put(out, "kubelet_started_user_namespaced_pods_total", "", c->pods_of_users);
}

static void put_preemptions(sp_buf *out, const node_counters *c)
{
	if (c->n_preemptions > 0)
		head(out, "kubelet_preemptions",
		     "Cumulative number of pod preemptions by preemption resource", "counter");
	for (size_t i = 0; i < c->n_preemptions; i++)
		(void)sp_buf_printf(out, "kubelet_preemptions{preemption_signal=\"%s\"} %llu\n",
				    c->preemptions[i].signal, (unsigned long long)c->preemptions[i].n);
}

static void put_rejections(sp_buf *out, const node_counters *c)
{
	const char *name = "kubelet_admission_rejections_total";
	bool has_head = false;
	for (size_t i = 0; i < SP_LEN(rejections); i++) {
		if (c->rejected[i] == 0)
			continue;
		if (!has_head)
			head(out, name, "Cumulative number pod admission rejections by the Kubelet.",
			     "counter");
		has_head = true;
		(void)sp_buf_printf(out, "%s{reason=\"" SP_FMT "\"} %llu\n", name, SP_ARG(rejections[i]),
				    (unsigned long long)c->rejected[i]);
	}
}

/* ---- volumes ---- */

static uint64_t value_of(const node_disk *d, size_t which)
{
	const uint64_t values[] = {d->available,
				   d->capacity,
				   d->inodes,
				   d->inodes_free,
				   d->inodes - d->inodes_free,
				   d->capacity - d->available};
	return values[which];
}

static void put_volumes(sp_buf *out, const node_counters_input *in)
{
	/* By name, as value_of has them. */
	static const struct {
		const char *name, *help;
	} families[] = {
		{"kubelet_volume_stats_available_bytes", "Number of available bytes in the volume"},
		{"kubelet_volume_stats_capacity_bytes", "Capacity in bytes of the volume"},
		{"kubelet_volume_stats_inodes", "Maximum number of inodes in the volume"},
		{"kubelet_volume_stats_inodes_free", "Number of free inodes in the volume"},
		{"kubelet_volume_stats_inodes_used", "Number of used inodes in the volume"},
		{"kubelet_volume_stats_used_bytes", "Number of used bytes in the volume"},
	};
	for (size_t k = 0; k < SP_LEN(families) && in->n_claims > 0; k++) {
		head(out, families[k].name, families[k].help, "gauge");
		for (size_t i = 0; i < in->n_claims; i++) {
			const node_claim_disk *c = &in->claims[i];
			(void)sp_buf_printf(out,
					    "%s{namespace=\"" SP_FMT "\",persistentvolumeclaim=\"" SP_FMT
					    "\"} %llu\n",
					    families[k].name, SP_ARG(c->ns), SP_ARG(c->claim),
					    (unsigned long long)value_of(&c->disk, k));
		}
	}
}

void node_counters_write(sp_buf *out, const node_counters_input *in)
{
	const node_counters *c = in->counters;
	put_rejections(out, c);
	for (size_t i = 0; i < in->n_evictions; i++) {
		if (i == 0)
			head(out, "kubelet_evictions",
			     "Cumulative number of pod evictions by eviction signal", "counter");
		(void)sp_buf_printf(out, "kubelet_evictions{eviction_signal=\"" SP_FMT "\"} %llu\n",
				    SP_ARG(in->evictions[i].signal), (unsigned long long)in->evictions[i].n);
	}
	put_pods(out, c);
	put_preemptions(out, c);
	put_calls(out, c);
	put_starts(out, c);
	put_volumes(out, in);
}
