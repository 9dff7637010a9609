/* SPDX-License-Identifier: Apache-2.0 */
#include "node/metrics.h"

#include "base/num.h"
#include "node/seen.h"

/* ---- the machine ---- */

static bool number(sp_str *rest, uint64_t *ret)
{
	sp_str word;
	*rest = sp_str_trim(*rest);
	if (!sp_str_cut(rest, ' ', &word)) {
		word = *rest;
		rest->len = 0;
	}
	return sp_parse_u64(word, 0, UINT64_MAX / 1000000000, ret, NULL) == SP_OK;
}

/* "cpu  user nice system idle iowait irq softirq steal …", in ticks. */
static void read_cpu(sp_str stat, uint64_t ticks, node_use *ret)
{
	enum { IDLE = 3, IOWAIT = 4, COLUMNS = 8 };
	sp_str line;
	uint64_t sum = 0;
	if (ticks == 0 || !sp_str_cut(&stat, '\n', &line) || !sp_str_take(&line, SP_STR("cpu ")))
		return;
	for (unsigned i = 0; i < COLUMNS; i++) {
		uint64_t v;
		if (!number(&line, &v))
			return;
		sum += i == IDLE || i == IOWAIT ? 0 : v;
	}
	ret->cpu_ns = sum / ticks * UINT64_C(1000000000) + sum % ticks * UINT64_C(1000000000) / ticks;
	ret->has_cpu = true;
}

/* "btime 1700000000" */
static int64_t read_boot(sp_str stat)
{
	sp_str line;
	uint64_t v;
	while (sp_str_cut(&stat, '\n', &line)) {
		if (sp_str_take(&line, SP_STR("btime ")))
			return number(&line, &v) ? (int64_t)v : 0;
	}
	return 0;
}

/* "MemTotal:       16384 kB" */
static bool read_kb(sp_str meminfo, sp_str name, uint64_t *ret)
{
	sp_str line;
	while (sp_str_cut(&meminfo, '\n', &line)) {
		if (sp_str_take(&line, name) && number(&line, ret)) {
			*ret *= 1024;
			return true;
		}
	}
	return false;
}

void node_use_read(sp_str stat, sp_str meminfo, uint64_t ticks, node_use *ret)
{
	uint64_t total, free_bytes, idle;
	read_cpu(stat, ticks, ret);
	ret->booted_s = read_boot(stat);
	if (read_kb(meminfo, SP_STR("MemTotal:"), &total) &&
	    read_kb(meminfo, SP_STR("MemFree:"), &free_bytes) &&
	    read_kb(meminfo, SP_STR("Inactive(file):"), &idle) && free_bytes + idle <= total) {
		ret->memory_bytes = total - free_bytes - idle;
		ret->memory_total = total;
		ret->memory_used = total - free_bytes;
		ret->has_memory = true;
	}
	if (read_kb(meminfo, SP_STR("SwapTotal:"), &total) &&
	    read_kb(meminfo, SP_STR("SwapFree:"), &free_bytes) && free_bytes <= total) {
		ret->swap_bytes = total - free_bytes;
		ret->swap_total = total;
		ret->has_swap = true;
	}
}

/* ---- samples ---- */

/* What one container, pod or the node uses. */
typedef struct sample {
	sp_str container, ns, pod; /* empty: has no such label */
	const sp_cri_cpu_usage *cpu;
	const sp_cri_memory_usage *memory;
	const sp_cri_swap_usage *swap;
	int64_t started_ns; /* 0: unknown */
} sample;

/* False: it has none. *ret_at_ns 0: without a time. */
typedef bool value_fn(const sample *s, sp_buf *value, int64_t *ret_at_ns);

static void put_seconds(sp_buf *out, uint64_t ns)
{
	(void)sp_buf_printf(out, "%llu.%09llu", (unsigned long long)(ns / 1000000000),
			    (unsigned long long)(ns % 1000000000));
}
static bool cpu_value(const sample *s, sp_buf *value, int64_t *ret_at_ns)
{
	if (s->cpu == NULL || s->cpu->usage_core_nano_seconds == NULL)
		return false;
	put_seconds(value, s->cpu->usage_core_nano_seconds->value);
	*ret_at_ns = s->cpu->timestamp;
	return true;
}
static bool memory_value(const sample *s, sp_buf *value, int64_t *ret_at_ns)
{
	if (s->memory == NULL || s->memory->working_set_bytes == NULL)
		return false;
	(void)sp_buf_u64(value, s->memory->working_set_bytes->value);
	*ret_at_ns = s->memory->timestamp;
	return true;
}
static bool start_value(const sample *s, sp_buf *value, int64_t *ret_at_ns)
{
	if (s->started_ns < 1000000000)
		return false;
	put_seconds(value, (uint64_t)s->started_ns);
	*ret_at_ns = 0;
	return true;
}
static bool swap_value(const sample *s, sp_buf *value, int64_t *ret_at_ns)
{
	if (s->swap == NULL || s->swap->swap_usage_bytes == NULL)
		return false;
	(void)sp_buf_u64(value, s->swap->swap_usage_bytes->value);
	*ret_at_ns = s->swap->timestamp;
	return true;
}
static bool swap_limit_value(const sample *s, sp_buf *value, int64_t *ret_at_ns)
{
	if (s->swap == NULL || s->swap->swap_available_bytes == NULL)
		return false;
	uint64_t used = s->swap->swap_usage_bytes == NULL ? 0 : s->swap->swap_usage_bytes->value;
	(void)sp_buf_u64(value, s->swap->swap_available_bytes->value + used);
	*ret_at_ns = s->swap->timestamp;
	return true;
}

typedef enum subject { OF_CONTAINER, OF_NODE, OF_POD } subject;

typedef struct family {
	const char *name, *help, *type;
	subject of;
	value_fn *value;
} family;

/* By name, as they are written. */
static const family families[] = {
	{"container_cpu_usage_seconds_total",
	 "[STABLE] Cumulative cpu time consumed by the container in core-seconds", "counter", OF_CONTAINER,
	 cpu_value},
	{"container_memory_working_set_bytes", "[STABLE] Current working set of the container in bytes",
	 "gauge", OF_CONTAINER, memory_value},
	{"container_start_time_seconds", "[STABLE] Start time of the container since unix epoch in seconds",
	 "gauge", OF_CONTAINER, start_value},
	{"container_swap_limit_bytes",
	 "[ALPHA] Current amount of the container swap limit in bytes. Reported only on non-windows systems",
	 "gauge", OF_CONTAINER, swap_limit_value},
	{"container_swap_usage_bytes",
	 "[ALPHA] Current amount of the container swap usage in bytes. Reported only on non-windows systems",
	 "gauge", OF_CONTAINER, swap_value},
	{"node_cpu_usage_seconds_total", "[STABLE] Cumulative cpu time consumed by the node in core-seconds",
	 "counter", OF_NODE, cpu_value},
	{"node_memory_working_set_bytes", "[STABLE] Current working set of the node in bytes", "gauge",
	 OF_NODE, memory_value},
	{"node_swap_usage_bytes",
	 "[ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems", "gauge",
	 OF_NODE, swap_value},
	{"pod_cpu_usage_seconds_total", "[STABLE] Cumulative cpu time consumed by the pod in core-seconds",
	 "counter", OF_POD, cpu_value},
	{"pod_memory_working_set_bytes", "[STABLE] Current working set of the pod in bytes", "gauge", OF_POD,
	 memory_value},
	{"pod_swap_usage_bytes",
	 "[ALPHA] Current amount of the pod swap usage in bytes. Reported only on non-windows systems",
	 "gauge", OF_POD, swap_value},
};

static void head(sp_buf *out, const char *name, const char *help, const char *type)
{
	(void)sp_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A family without samples is not written at all. */
static void put(sp_buf *out, const family *f, const sample *s, bool *has_head)
{
	SP_AUTO_BUF value;
	sp_buf_init(&value, 64);
	int64_t at_ns = 0;
	if (!f->value(s, &value, &at_ns))
		return;
	if (!*has_head)
		head(out, f->name, f->help, f->type);
	*has_head = true;
	(void)sp_buf_printf(out, "%s", f->name);
	if (f->of == OF_CONTAINER)
		(void)sp_buf_printf(out,
				    "{container=\"" SP_FMT "\",namespace=\"" SP_FMT "\",pod=\"" SP_FMT "\"}",
				    SP_ARG(s->container), SP_ARG(s->ns), SP_ARG(s->pod));
	else if (f->of == OF_POD)
		(void)sp_buf_printf(out, "{namespace=\"" SP_FMT "\",pod=\"" SP_FMT "\"}", SP_ARG(s->ns),
				    SP_ARG(s->pod));
	(void)sp_buf_printf(out, " " SP_FMT, SP_ARG(sp_buf_view(&value)));
	if (at_ns != 0)
		(void)sp_buf_printf(out, " %lld", (long long)(at_ns / 1000000));
	(void)sp_buf_char(out, '\n');
}

/* U: the summary's StartTime is the creation of the container. */
static int64_t created_of(const sp_cri_list_containers_response *l, sp_str id)
{
	for (size_t i = 0; l != NULL && i < l->containers.n; i++) {
		if (sp_str_eq(l->containers.at[i].id, id))
			return l->containers.at[i].created_at;
	}
	return 0;
}

static void put_containers(sp_buf *out, const family *f, const node_resource_input *in)
{
	bool has_head = false;
	for (size_t i = 0; i < in->stats->stats.n; i++) {
		const sp_cri_container_stats *c = &in->stats->stats.at[i];
		const sp_cri_container_attributes *a = c->attributes;
		if (a == NULL)
			continue;
		const sample s = {.container = node_pair_get(a->labels.at, a->labels.n, NODE_LABEL_CONTAINER),
				  .ns = node_pair_get(a->labels.at, a->labels.n, NODE_LABEL_POD_NAMESPACE),
				  .pod = node_pair_get(a->labels.at, a->labels.n, NODE_LABEL_POD_NAME),
				  .cpu = c->cpu,
				  .memory = c->memory,
				  .swap = c->swap,
				  .started_ns = created_of(in->containers, a->id)};
		if (s.container.len != 0)
			put(out, f, &s, &has_head);
	}
}

static void put_pods(sp_buf *out, const family *f, const node_resource_input *in)
{
	bool has_head = false;
	for (size_t i = 0; in->pods != NULL && i < in->pods->stats.n; i++) {
		const sp_cri_pod_sandbox_stats *p = &in->pods->stats.at[i];
		if (p->attributes == NULL || p->attributes->metadata == NULL || p->linux_ == NULL)
			continue;
		const sample s = {.ns = p->attributes->metadata->namespace,
				  .pod = p->attributes->metadata->name,
				  .cpu = p->linux_->cpu,
				  .memory = p->linux_->memory};
		put(out, f, &s, &has_head);
	}
}

static void put_node(sp_buf *out, const family *f, const node_use *n)
{
	bool has_head = false;
	sp_cri_uint64_value cpu_ns = {.value = n->cpu_ns}, memory_bytes = {.value = n->memory_bytes},
			    swap_bytes = {.value = n->swap_bytes};
	const sp_cri_cpu_usage cpu = {.timestamp = n->at_ns, .usage_core_nano_seconds = &cpu_ns};
	const sp_cri_memory_usage memory = {.timestamp = n->at_ns, .working_set_bytes = &memory_bytes};
	const sp_cri_swap_usage swap = {.timestamp = n->at_ns, .swap_usage_bytes = &swap_bytes};
	const sample s = {.cpu = n->has_cpu ? &cpu : NULL,
			  .memory = n->has_memory ? &memory : NULL,
			  .swap = n->has_swap ? &swap : NULL};
	put(out, f, &s, &has_head);
}

void node_metrics_resource(sp_buf *out, const node_resource_input *in)
{
	for (size_t i = 0; i < SP_LEN(families) && in->stats != NULL; i++) {
		const family *f = &families[i];
		if (f->of == OF_CONTAINER)
			put_containers(out, f, in);
		else if (f->of == OF_POD)
			put_pods(out, f, in);
		else
			put_node(out, f, in->node);
	}
	head(out, "resource_scrape_error",
	     "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise", "gauge");
	(void)sp_buf_printf(out, "resource_scrape_error %d\n", in->stats == NULL);
}

/* ---- the agent's own ---- */

static void put_by_static(sp_buf *out, const char *name, const char *help, uint64_t others, uint64_t statics)
{
	head(out, name, help, "gauge");
	(void)sp_buf_printf(out, "%s{static=\"\"} %llu\n%s{static=\"true\"} %llu\n", name,
			    (unsigned long long)others, name, (unsigned long long)statics);
}

static void put_one(sp_buf *out, const char *name, const char *help, uint64_t value)
{
	head(out, name, help, "gauge");
	(void)sp_buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

static void put_container_states(sp_buf *out, const sp_cri_list_containers_response *l)
{
	/* By word, as they are written. */
	static const struct {
		int32_t state;
		const char *word;
	} states[] = {{SP_CRI_CONTAINER_CREATED, "created"},
		      {SP_CRI_CONTAINER_EXITED, "exited"},
		      {SP_CRI_CONTAINER_RUNNING, "running"},
		      {SP_CRI_CONTAINER_UNKNOWN, "unknown"}};
	bool has_head = false;
	for (size_t k = 0; k < SP_LEN(states); k++) {
		uint64_t n = 0;
		for (size_t i = 0; l != NULL && i < l->containers.n; i++)
			n += l->containers.at[i].state == states[k].state;
		if (n == 0)
			continue;
		if (!has_head)
			head(out, "kubelet_running_containers",
			     "[ALPHA] Number of containers currently running", "gauge");
		has_head = true;
		(void)sp_buf_printf(out, "kubelet_running_containers{container_state=\"%s\"} %llu\n",
				    states[k].word, (unsigned long long)n);
	}
}

static uint64_t running_pods(const sp_cri_list_pod_sandbox_response *l)
{
	uint64_t n = 0;
	for (size_t i = 0; l != NULL && i < l->items.n; i++)
		n += l->items.at[i].state == SP_CRI_SANDBOX_READY;
	return n;
}

void node_metrics_own(sp_buf *out, const node_own_input *in)
{
	put_by_static(
		out, "kubelet_active_pods",
		"[ALPHA] The number of pods the kubelet considers active and which are being considered "
		"when admitting new pods. static is true if the pod is not from the apiserver.",
		in->active, in->active_static);
	put_by_static(out, "kubelet_desired_pods",
		      "[ALPHA] The number of pods the kubelet is being instructed to run. static is true if "
		      "the pod is not from the apiserver.",
		      in->desired, in->desired_static);
	if (in->images_freed > 0) {
		head(out, "kubelet_image_garbage_collected_total",
		     "[ALPHA] Total number of images garbage collected by the kubelet, whether through disk "
		     "usage or image age.",
		     "counter");
		(void)sp_buf_printf(out, "kubelet_image_garbage_collected_total{reason=\"space\"} %llu\n",
				    (unsigned long long)in->images_freed);
	}
	put_one(out, "kubelet_mirror_pods",
		"[ALPHA] The number of mirror pods the kubelet will try to create (one per admitted static "
		"pod)",
		in->desired_static);
	head(out, "kubelet_node_name", "[ALPHA] The node's name. The count is always 1.", "gauge");
	(void)sp_buf_printf(out, "kubelet_node_name{node=\"" SP_FMT "\"} 1\n", SP_ARG(in->node_name));
	put_container_states(out, in->containers);
	put_one(out, "kubelet_running_pods", "[ALPHA] Number of pods that have a running pod sandbox",
		running_pods(in->boxes));
}
