/* SPDX-License-Identifier: Apache-2.0 */
#include "node/cadvisor.h"

#include "node/seen.h"

#define NS_PER_S 1000000000
#define ID_BYTES 128u /* of a container; runtimes have 64 */

/* One container, pod, or the machine. */
typedef struct subject {
	sp_str container, cgroup, below, image, name, ns, pod; /* below: of the cgroup */
	const sp_cri_cpu_usage *cpu;
	const sp_cri_memory_usage *memory;
	const sp_cri_swap_usage *swap;
	const sp_cri_filesystem_usage *layer;
	const sp_cri_network_interface_usage *interface;
	const sp_cri_process_usage *process;
	int64_t started_ns, at_ns; /* 0: unknown */
} subject;

/* ---- values ---- */

/* False: it has none. */
typedef bool value_fn(const subject *s, sp_buf *out);

static bool put_u64(sp_buf *out, const sp_cri_uint64_value *v)
{
	if (v != NULL)
		(void)sp_buf_u64(out, v->value);
	return v != NULL;
}

static void put_seconds(sp_buf *out, uint64_t ns)
{
	(void)sp_buf_printf(out, "%llu.%09llu", (unsigned long long)(ns / NS_PER_S),
			    (unsigned long long)(ns % NS_PER_S));
}

static bool cpu_seconds(const subject *s, sp_buf *out)
{
	if (s->cpu == NULL || s->cpu->usage_core_nano_seconds == NULL)
		return false;
	put_seconds(out, s->cpu->usage_core_nano_seconds->value);
	return true;
}
static bool layer_bytes(const subject *s, sp_buf *out)
{
	return s->layer != NULL && put_u64(out, s->layer->used_bytes);
}
static bool last_seen(const subject *s, sp_buf *out)
{
	if (s->at_ns != 0)
		(void)sp_buf_printf(out, "%lld", (long long)(s->at_ns / NS_PER_S));
	return s->at_ns != 0;
}
static bool page_faults(const subject *s, sp_buf *out)
{
	return s->memory != NULL && put_u64(out, s->memory->page_faults);
}
static bool major_page_faults(const subject *s, sp_buf *out)
{
	return s->memory != NULL && put_u64(out, s->memory->major_page_faults);
}
static bool memory_rss(const subject *s, sp_buf *out)
{
	return s->memory != NULL && put_u64(out, s->memory->rss_bytes);
}
static bool memory_swap(const subject *s, sp_buf *out)
{
	return s->swap != NULL && put_u64(out, s->swap->swap_usage_bytes);
}
static bool memory_usage(const subject *s, sp_buf *out)
{
	return s->memory != NULL && put_u64(out, s->memory->usage_bytes);
}
static bool memory_working_set(const subject *s, sp_buf *out)
{
	return s->memory != NULL && put_u64(out, s->memory->working_set_bytes);
}
static bool rx_bytes(const subject *s, sp_buf *out)
{
	return s->interface != NULL && put_u64(out, s->interface->rx_bytes);
}
static bool rx_errors(const subject *s, sp_buf *out)
{
	return s->interface != NULL && put_u64(out, s->interface->rx_errors);
}
static bool tx_bytes(const subject *s, sp_buf *out)
{
	return s->interface != NULL && put_u64(out, s->interface->tx_bytes);
}
static bool tx_errors(const subject *s, sp_buf *out)
{
	return s->interface != NULL && put_u64(out, s->interface->tx_errors);
}
static bool processes(const subject *s, sp_buf *out)
{
	return s->process != NULL && put_u64(out, s->process->process_count);
}
static bool start_seconds(const subject *s, sp_buf *out)
{
	if (s->started_ns > 0)
		put_seconds(out, (uint64_t)s->started_ns);
	return s->started_ns > 0;
}

/* ---- families ---- */

/* A series of a family: labels between "container" and "id" (`first`), and those that stand elsewhere. */
typedef struct series {
	const char *cpu, *device, *failure, *scope; /* NULL: has no such label */
	bool has_interface;
	value_fn *value;
} series;

#define SERIES_MAX 2u
typedef struct family {
	const char *name, *help, *type;
	series series[SERIES_MAX];
	size_t n;
} family;

#define PLAIN(fn)                     \
	{                             \
		{                     \
			.value = (fn) \
		}                     \
	}
#define OF_INTERFACE(fn)                                     \
	{                                                    \
		{                                            \
			.has_interface = true, .value = (fn) \
		}                                            \
	}

/* By name, as they are written. */
static const family families[] = {
	{"container_cpu_usage_seconds_total",
	 "Cumulative cpu time consumed in seconds.",
	 "counter",
	 {{.cpu = "total", .value = cpu_seconds}},
	 1},
	{"container_fs_usage_bytes",
	 "Number of bytes that are consumed by the container on this filesystem.",
	 "gauge",
	 {{.device = "", .value = layer_bytes}},
	 1},
	{"container_last_seen", "Last time a container was seen by the exporter", "gauge", PLAIN(last_seen),
	 1},
	{"container_memory_failures_total",
	 "Cumulative count of memory allocation failures.",
	 "counter",
	 {{.failure = "pgfault", .scope = "hierarchy", .value = page_faults},
	  {.failure = "pgmajfault", .scope = "hierarchy", .value = major_page_faults}},
	 2},
	{"container_memory_rss", "Size of RSS in bytes.", "gauge", PLAIN(memory_rss), 1},
	{"container_memory_swap", "Container swap usage in bytes.", "gauge", PLAIN(memory_swap), 1},
	{"container_memory_usage_bytes",
	 "Current memory usage in bytes, including all memory regardless of when it was accessed", "gauge",
	 PLAIN(memory_usage), 1},
	{"container_memory_working_set_bytes", "Current working set in bytes.", "gauge",
	 PLAIN(memory_working_set), 1},
	{"container_network_receive_bytes_total", "Cumulative count of bytes received", "counter",
	 OF_INTERFACE(rx_bytes), 1},
	{"container_network_receive_errors_total", "Cumulative count of errors encountered while receiving",
	 "counter", OF_INTERFACE(rx_errors), 1},
	{"container_network_transmit_bytes_total", "Cumulative count of bytes transmitted", "counter",
	 OF_INTERFACE(tx_bytes), 1},
	{"container_network_transmit_errors_total",
	 "Cumulative count of errors encountered while transmitting", "counter", OF_INTERFACE(tx_errors), 1},
	{"container_processes", "Number of processes running inside the container.", "gauge",
	 PLAIN(processes), 1},
	{"container_start_time_seconds", "Start time of the container since unix epoch in seconds.", "gauge",
	 PLAIN(start_seconds), 1},
};

static void head(sp_buf *out, const char *name, const char *help, const char *type)
{
	(void)sp_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_label(sp_buf *out, const char *name, const char *value)
{
	if (value != NULL)
		(void)sp_buf_printf(out, "%s=\"%s\",", name, value);
}

/* Labels by their names. */
static void put_labels(sp_buf *out, const series *r, const subject *s)
{
	(void)sp_buf_printf(out, "{container=\"" SP_FMT "\",", SP_ARG(s->container));
	put_label(out, "cpu", r->cpu);
	put_label(out, "device", r->device);
	put_label(out, "failure_type", r->failure);
	(void)sp_buf_printf(out, "id=\"" SP_FMT SP_FMT "\",image=\"" SP_FMT "\",", SP_ARG(s->cgroup),
			    SP_ARG(s->below), SP_ARG(s->image));
	SP_ASSERT(!r->has_interface || s->interface != NULL);
	if (r->has_interface)
		(void)sp_buf_printf(out, "interface=\"" SP_FMT "\",", SP_ARG(s->interface->name));
	(void)sp_buf_printf(out, "name=\"" SP_FMT "\",namespace=\"" SP_FMT "\",pod=\"" SP_FMT "\"",
			    SP_ARG(s->name), SP_ARG(s->ns), SP_ARG(s->pod));
	if (r->scope != NULL)
		(void)sp_buf_printf(out, ",scope=\"%s\"", r->scope);
	(void)sp_buf_char(out, '}');
}

typedef struct writing {
	sp_buf *out;
	const family *family;
	bool has_head;
} writing;

/* A family without any series is not written at all. */
static void put(writing *w, const subject *s)
{
	for (size_t i = 0; i < w->family->n; i++) {
		const series *r = &w->family->series[i];
		SP_AUTO_BUF value;
		sp_buf_init(&value, 64);
		if (!r->value(s, &value))
			continue;
		if (!w->has_head)
			head(w->out, w->family->name, w->family->help, w->family->type);
		w->has_head = true;
		(void)sp_buf_printf(w->out, "%s", w->family->name);
		put_labels(w->out, r, s);
		(void)sp_buf_printf(w->out, " " SP_FMT, SP_ARG(sp_buf_view(&value)));
		if (s->at_ns != 0)
			(void)sp_buf_printf(w->out, " %lld", (long long)(s->at_ns / 1000000));
		(void)sp_buf_char(w->out, '\n');
	}
}

/* ---- who ---- */

static int64_t time_of(const sp_cri_cpu_usage *cpu, const sp_cri_memory_usage *memory)
{
	return cpu != NULL ? cpu->timestamp : memory != NULL ? memory->timestamp : 0;
}

static void put_machine(writing *w, const node_cadvisor_input *in)
{
	const node_use *u = in->node;
	sp_cri_uint64_value cpu_ns = {.value = u->cpu_ns}, set = {.value = u->memory_bytes},
			    used = {.value = u->memory_used};
	const sp_cri_cpu_usage cpu = {.timestamp = u->at_ns, .usage_core_nano_seconds = &cpu_ns};
	const sp_cri_memory_usage memory = {
		.timestamp = u->at_ns, .working_set_bytes = &set, .usage_bytes = &used};
	const subject s = {.cgroup = SP_STR("/"),
			   .cpu = u->has_cpu ? &cpu : NULL,
			   .memory = u->has_memory ? &memory : NULL,
			   .started_ns = u->booted_s * NS_PER_S,
			   .at_ns = u->at_ns};
	put(w, &s);
}

static void put_pods(writing *w, const node_cadvisor_input *in)
{
	for (size_t i = 0; in->pods != NULL && i < in->pods->stats.n; i++) {
		const sp_cri_pod_sandbox_stats *p = &in->pods->stats.at[i];
		const sp_cri_linux_pod_sandbox_stats *l = p->linux_;
		if (p->attributes == NULL || p->attributes->metadata == NULL || l == NULL)
			continue;
		const sp_cri_pod_sandbox_metadata *m = p->attributes->metadata;
		const subject s = {.cgroup = in->cgroup_of(in->arg, m->uid),
				   .ns = m->namespace,
				   .pod = m->name,
				   .cpu = l->cpu,
				   .memory = l->memory,
				   .interface = l->network == NULL ? NULL : l->network->default_interface,
				   .process = l->process,
				   .at_ns = time_of(l->cpu, l->memory)};
		put(w, &s);
	}
}

static const sp_cri_container *find(const sp_cri_list_containers_response *l, sp_str id)
{
	for (size_t i = 0; l != NULL && i < l->containers.n; i++) {
		if (sp_str_eq(l->containers.at[i].id, id))
			return &l->containers.at[i];
	}
	return NULL;
}

static void put_container(writing *w, const node_cadvisor_input *in, const sp_cri_container_stats *c,
			  sp_str below)
{
	const sp_cri_container_attributes *a = c->attributes;
	const sp_cri_container *k = find(in->containers, a->id);
	const subject s = {.container = node_pair_get(a->labels.at, a->labels.n, NODE_LABEL_CONTAINER),
			   .cgroup = in->cgroup_of(
				   in->arg, node_pair_get(a->labels.at, a->labels.n, NODE_LABEL_POD_UID)),
			   .below = below,
			   .image = k == NULL || k->image == NULL ? SP_STR("") : k->image->image,
			   .name = a->id,
			   .ns = node_pair_get(a->labels.at, a->labels.n, NODE_LABEL_POD_NAMESPACE),
			   .pod = node_pair_get(a->labels.at, a->labels.n, NODE_LABEL_POD_NAME),
			   .cpu = c->cpu,
			   .memory = c->memory,
			   .swap = c->swap,
			   .layer = c->writable_layer,
			   .started_ns = k == NULL ? 0 : k->created_at,
			   .at_ns = time_of(c->cpu, c->memory)};
	put(w, &s);
}

static void put_containers(writing *w, const node_cadvisor_input *in)
{
	for (size_t i = 0; in->stats != NULL && i < in->stats->stats.n; i++) {
		const sp_cri_container_stats *c = &in->stats->stats.at[i];
		char below[1 + ID_BYTES];
		if (c->attributes == NULL || c->attributes->id.len > ID_BYTES)
			continue;
		below[0] = '/';
		memcpy(below + 1, c->attributes->id.ptr, c->attributes->id.len);
		put_container(w, in, c, (sp_str){below, 1 + c->attributes->id.len});
	}
}

/* ---- all ---- */

static void put_of_machine(sp_buf *out, const node_cadvisor_input *in, const char *name, const char *help,
			   int64_t value)
{
	head(out, name, help, "gauge");
	(void)sp_buf_printf(
		out, "%s{boot_id=\"" SP_FMT "\",machine_id=\"" SP_FMT "\",system_uuid=\"" SP_FMT "\"} %lld\n",
		name, SP_ARG(in->boot_id), SP_ARG(in->machine_id), SP_ARG(in->system_uuid), (long long)value);
}

void node_cadvisor_write(sp_buf *out, const node_cadvisor_input *in)
{
	for (size_t i = 0; i < SP_LEN(families); i++) {
		writing w = {.out = out, .family = &families[i]};
		put_machine(&w, in);
		put_pods(&w, in);
		put_containers(&w, in);
	}
	head(out, "container_scrape_error",
	     "1 if there was an error while getting container metrics, 0 otherwise", "gauge");
	(void)sp_buf_printf(out, "container_scrape_error %d\n", in->stats == NULL);
	put_of_machine(out, in, "machine_cpu_cores", "Number of logical CPU cores.", in->cpu_milli / 1000);
	put_of_machine(out, in, "machine_memory_bytes", "Amount of memory installed on the machine.",
		       in->memory_bytes);
}
