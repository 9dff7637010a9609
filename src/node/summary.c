/* SPDX-License-Identifier: Apache-2.0 */
#include "node/summary.h"

#include "base/json_out.h"
#include "base/num.h"
#include "base/time.h"
#include "node/seen.h"

#define NS_PER_S INT64_C(1000000000)

/* ---- the machine ---- */

/* Blanks and a number. */
static bool column(sp_str *rest, uint64_t *ret)
{
	sp_str word;
	*rest = sp_str_trim(*rest);
	if (!sp_str_cut(rest, ' ', &word)) {
		word = *rest;
		rest->len = 0;
	}
	return sp_parse_u64(word, 0, UINT64_MAX, ret, NULL) == SP_OK;
}

/* U: cadvisor container/libcontainer, isIgnoredDevice. */
static bool is_ignored(sp_str name)
{
	static const sp_str fronts[] = {SP_STR_INIT("lo"), SP_STR_INIT("veth"), SP_STR_INIT("docker"),
					SP_STR_INIT("nerdctl")};
	for (size_t i = 0; i < SP_LEN(fronts); i++) {
		if (sp_str_starts(name, fronts[i]))
			return true;
	}
	return false;
}

/* "  eth0: bytes packets errs drop fifo frame compressed multicast  bytes packets errs …" */
static bool read_interface(sp_str line, node_interface *ret)
{
	enum { RX_BYTES = 0, RX_ERRORS = 2, TX_BYTES = 8, TX_ERRORS = 10, COLUMNS = 11 };
	uint64_t v[COLUMNS];
	sp_str name;
	if (!sp_str_cut(&line, ':', &name))
		return false;
	name = sp_str_trim(name);
	for (size_t i = 0; i < COLUMNS; i++) {
		if (!column(&line, &v[i]))
			return false;
	}
	*ret = (node_interface){name, v[RX_BYTES], v[RX_ERRORS], v[TX_BYTES], v[TX_ERRORS]};
	return name.len > 0 && !is_ignored(name);
}

size_t node_interfaces_read(sp_str text, node_interface *ret, size_t max)
{
	size_t n = 0;
	sp_str line;
	while (n < max && sp_str_cut(&text, '\n', &line))
		n += read_interface(line, &ret[n]);
	return n;
}

void node_rate_add(node_rate *r, int64_t at_ns, uint64_t cpu_ns)
{
	int64_t past_ns = at_ns - r->at_ns;
	if (past_ns < NS_PER_S && past_ns >= 0 && cpu_ns >= r->cpu_ns)
		return;
	r->has_rate = r->at_ns != 0 && past_ns > 0 && cpu_ns >= r->cpu_ns;
	if (r->has_rate)
		r->nano_cores = (uint64_t)((double)(cpu_ns - r->cpu_ns) / (double)past_ns * 1e9);
	r->at_ns = at_ns;
	r->cpu_ns = cpu_ns;
}

/* ---- parts ---- */

static void out_time(sp_jout *j, const char *key, int64_t ns)
{
	char text[SP_TIME_TEXT_BYTES];
	size_t n = sp_time_print(text, (sp_time){.seconds = ns / NS_PER_S}, 0);
	sp_jout_member_str(j, sp_str_c(key), (sp_str){text, n});
}

static void out_u64(sp_jout *j, const char *key, uint64_t v)
{
	sp_jout_member_i64(j, sp_str_c(key), (int64_t)SP_MIN(v, (uint64_t)INT64_MAX));
}

static void out_amount(sp_jout *j, const char *key, const sp_cri_uint64_value *v)
{
	if (v != NULL)
		out_u64(j, key, v->value);
}

static void out_cpu(sp_jout *j, const sp_cri_cpu_usage *u)
{
	if (u == NULL)
		return;
	sp_jout_member_open(j, SP_STR("cpu"), '{');
	out_time(j, "time", u->timestamp);
	out_amount(j, "usageNanoCores", u->usage_nano_cores);
	out_amount(j, "usageCoreNanoSeconds", u->usage_core_nano_seconds);
	sp_jout_close(j, '}');
}

static void out_memory(sp_jout *j, const sp_cri_memory_usage *u)
{
	if (u == NULL)
		return;
	sp_jout_member_open(j, SP_STR("memory"), '{');
	out_time(j, "time", u->timestamp);
	/* Where there is no limit nothing can be said of what is left. */
	if (u->available_bytes != NULL && u->available_bytes->value > 0)
		out_amount(j, "availableBytes", u->available_bytes);
	out_amount(j, "usageBytes", u->usage_bytes);
	out_amount(j, "workingSetBytes", u->working_set_bytes);
	out_amount(j, "rssBytes", u->rss_bytes);
	out_amount(j, "pageFaults", u->page_faults);
	out_amount(j, "majorPageFaults", u->major_page_faults);
	sp_jout_close(j, '}');
}

static void out_swap(sp_jout *j, const sp_cri_swap_usage *u)
{
	if (u == NULL)
		return;
	sp_jout_member_open(j, SP_STR("swap"), '{');
	out_time(j, "time", u->timestamp);
	out_amount(j, "swapAvailableBytes", u->swap_available_bytes);
	out_amount(j, "swapUsageBytes", u->swap_usage_bytes);
	sp_jout_close(j, '}');
}

static void out_interface(sp_jout *j, const node_interface *i)
{
	sp_jout_member_str(j, SP_STR("name"), i->name);
	out_u64(j, "rxBytes", i->rx_bytes);
	out_u64(j, "rxErrors", i->rx_errors);
	out_u64(j, "txBytes", i->tx_bytes);
	out_u64(j, "txErrors", i->tx_errors);
}

/* `main` stands for all, and among all. */
static void out_network(sp_jout *j, int64_t at_ns, const node_interface *main, const node_interface *all,
			size_t n)
{
	if (main == NULL && n == 0)
		return;
	sp_jout_member_open(j, SP_STR("network"), '{');
	out_time(j, "time", at_ns);
	if (main == NULL)
		sp_jout_member_str(j, SP_STR("name"), SP_STR(""));
	else
		out_interface(j, main);
	sp_jout_member_open(j, SP_STR("interfaces"), '[');
	for (size_t i = 0; i < n; i++) {
		sp_jout_open(j, '{');
		out_interface(j, &all[i]);
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, ']');
	sp_jout_close(j, '}');
}

static void out_disk(sp_jout *j, const char *key, int64_t at_ns, const node_disk *d, const uint64_t *used)
{
	if (d == NULL)
		return;
	sp_jout_member_open(j, sp_str_c(key), '{');
	out_time(j, "time", at_ns);
	out_u64(j, "availableBytes", d->available);
	out_u64(j, "capacityBytes", d->capacity);
	out_u64(j, "usedBytes", used != NULL ? *used : d->capacity - SP_MIN(d->available, d->capacity));
	sp_jout_close(j, '}');
}

/* ---- containers ---- */

static sp_str label(const sp_cri_container_stats *s, const char *key)
{
	return s->attributes == NULL ? (sp_str){NULL, 0}
				     : node_pair_get(s->attributes->labels.at, s->attributes->labels.n, key);
}

/* Of the disk that images are on. */
static void out_rootfs(sp_jout *j, const node_summary_input *in, const sp_cri_filesystem_usage *f)
{
	if (f == NULL)
		return;
	sp_jout_member_open(j, SP_STR("rootfs"), '{');
	out_time(j, "time", f->timestamp);
	if (in->images != NULL) {
		out_u64(j, "availableBytes", in->images->available);
		out_u64(j, "capacityBytes", in->images->capacity);
	}
	out_amount(j, "usedBytes", f->used_bytes);
	out_amount(j, "inodesUsed", f->inodes_used);
	sp_jout_close(j, '}');
}

/* U: StartTime is the creation of the container. */
static int64_t created_of(const node_summary_input *in, const sp_cri_container_stats *s)
{
	const sp_cri_list_containers_response *l = in->containers;
	for (size_t i = 0; l != NULL && s->attributes != NULL && i < l->containers.n; i++) {
		if (sp_str_eq(l->containers.at[i].id, s->attributes->id))
			return l->containers.at[i].created_at;
	}
	return 0;
}

static void out_container(sp_jout *j, const node_summary_input *in, const sp_cri_container_stats *s)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("name"), label(s, NODE_LABEL_CONTAINER));
	out_time(j, "startTime", created_of(in, s));
	out_cpu(j, s->cpu);
	out_memory(j, s->memory);
	if (!in->only_cpu_and_memory)
		out_rootfs(j, in, s->writable_layer);
	out_swap(j, s->swap);
	sp_jout_close(j, '}');
}

/* ---- pods ---- */

typedef struct pod_sum {
	sp_cri_cpu_usage cpu;
	sp_cri_memory_usage memory;
	sp_cri_uint64_value cpu_ns, nano_cores, usage, working_set, rss, faults, major_faults;
	bool has_cpu, has_memory;
} pod_sum;

static uint64_t of(const sp_cri_uint64_value *v)
{
	return v == NULL ? 0 : v->value;
}

static void add(pod_sum *p, const sp_cri_container_stats *s)
{
	if (s->cpu != NULL) {
		p->has_cpu = true;
		p->cpu.timestamp = s->cpu->timestamp;
		p->cpu_ns.value += of(s->cpu->usage_core_nano_seconds);
		p->nano_cores.value += of(s->cpu->usage_nano_cores);
	}
	if (s->memory != NULL) {
		p->has_memory = true;
		p->memory.timestamp = s->memory->timestamp;
		p->usage.value += of(s->memory->usage_bytes);
		p->working_set.value += of(s->memory->working_set_bytes);
		p->rss.value += of(s->memory->rss_bytes);
		p->faults.value += of(s->memory->page_faults);
		p->major_faults.value += of(s->memory->major_page_faults);
	}
}

static void out_sum(sp_jout *j, pod_sum *p)
{
	p->cpu.usage_core_nano_seconds = &p->cpu_ns;
	p->cpu.usage_nano_cores = &p->nano_cores;
	p->memory.usage_bytes = &p->usage;
	p->memory.working_set_bytes = &p->working_set;
	p->memory.rss_bytes = &p->rss;
	p->memory.page_faults = &p->faults;
	p->memory.major_page_faults = &p->major_faults;
	out_cpu(j, p->has_cpu ? &p->cpu : NULL);
	out_memory(j, p->has_memory ? &p->memory : NULL);
}

static const sp_cri_linux_pod_sandbox_stats *stats_of(const node_summary_input *in, sp_str box_id)
{
	const sp_cri_list_pod_sandbox_stats_response *l = in->pods;
	for (size_t i = 0; l != NULL && i < l->stats.n; i++) {
		const sp_cri_pod_sandbox_stats *s = &l->stats.at[i];
		if (s->attributes != NULL && sp_str_eq(s->attributes->id, box_id))
			return s->linux_;
	}
	return NULL;
}

static node_interface interface_of(const sp_cri_network_interface_usage *u)
{
	return (node_interface){u->name, of(u->rx_bytes), of(u->rx_errors), of(u->tx_bytes),
				of(u->tx_errors)};
}

static void out_pod_network(sp_jout *j, const sp_cri_network_usage *u)
{
	node_interface all[8], first;
	size_t n = 0;
	if (u == NULL || u->default_interface == NULL)
		return;
	first = interface_of(u->default_interface);
	all[n++] = first;
	for (size_t i = 0; i < u->interfaces.n && n < SP_LEN(all); i++)
		all[n++] = interface_of(&u->interfaces.at[i]);
	out_network(j, u->timestamp, &first, all, n);
}

static void out_processes(sp_jout *j, const sp_cri_process_usage *u)
{
	if (u == NULL)
		return;
	sp_jout_member_open(j, SP_STR("process_stats"), '{');
	out_amount(j, "process_count", u->process_count);
	sp_jout_close(j, '}');
}

static void out_use(sp_jout *j, const node_summary_input *in, const sp_cri_linux_pod_sandbox_stats *l,
		    pod_sum *sum)
{
	if (l == NULL) {
		out_sum(j, sum);
		return;
	}
	out_cpu(j, l->cpu);
	out_memory(j, l->memory);
	if (in->only_cpu_and_memory)
		return;
	out_pod_network(j, l->network);
	out_processes(j, l->process);
}

static void out_pod(sp_jout *j, const node_summary_input *in, const sp_cri_pod_sandbox *box)
{
	pod_sum sum = {0};
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("podRef"), '{');
	sp_jout_member_str(j, SP_STR("name"), box->metadata->name);
	sp_jout_member_str(j, SP_STR("namespace"), box->metadata->namespace);
	sp_jout_member_str(j, SP_STR("uid"), box->metadata->uid);
	sp_jout_close(j, '}');
	out_time(j, "startTime", box->created_at);
	sp_jout_member_open(j, SP_STR("containers"), '[');
	for (size_t i = 0; in->stats != NULL && i < in->stats->stats.n; i++) {
		const sp_cri_container_stats *s = &in->stats->stats.at[i];
		if (!sp_str_eq(label(s, NODE_LABEL_POD_UID), box->metadata->uid))
			continue;
		out_container(j, in, s);
		add(&sum, s);
	}
	sp_jout_close(j, ']');
	out_use(j, in, stats_of(in, box->id), &sum);
	sp_jout_close(j, '}');
}

/* ---- the node ---- */

static void out_node_use(sp_jout *j, const node_use *u, const node_rate *r)
{
	sp_cri_uint64_value cpu_ns = {.value = u->cpu_ns}, nano_cores = {.value = r->nano_cores},
			    left = {.value = u->memory_total - SP_MIN(u->memory_bytes, u->memory_total)},
			    used = {.value = u->memory_used}, set = {.value = u->memory_bytes},
			    swap_left = {.value = u->swap_total - u->swap_bytes},
			    swap_used = {.value = u->swap_bytes};
	const sp_cri_cpu_usage cpu = {.timestamp = u->at_ns,
				      .usage_core_nano_seconds = &cpu_ns,
				      .usage_nano_cores = r->has_rate ? &nano_cores : NULL};
	const sp_cri_memory_usage memory = {.timestamp = u->at_ns,
					    .available_bytes = &left,
					    .usage_bytes = &used,
					    .working_set_bytes = &set};
	const sp_cri_swap_usage swap = {
		.timestamp = u->at_ns, .swap_available_bytes = &swap_left, .swap_usage_bytes = &swap_used};
	out_cpu(j, u->has_cpu ? &cpu : NULL);
	out_memory(j, u->has_memory ? &memory : NULL);
	out_swap(j, u->has_swap ? &swap : NULL);
}

static void out_node(sp_jout *j, const node_summary_input *in)
{
	const node_interface *main = NULL;
	sp_jout_member_open(j, SP_STR("node"), '{');
	sp_jout_member_str(j, SP_STR("nodeName"), in->node_name);
	out_time(j, "startTime", in->node->booted_s * NS_PER_S);
	out_node_use(j, in->node, in->rate);
	for (size_t i = 0; i < in->n_interfaces && main == NULL; i++) {
		if (sp_str_eq(in->interfaces[i].name, SP_STR("eth0")))
			main = &in->interfaces[i];
	}
	if (!in->only_cpu_and_memory) {
		out_network(j, in->node->at_ns, main, in->interfaces, in->n_interfaces);
		out_disk(j, "fs", in->node->at_ns, in->root, NULL);
		if (in->images != NULL) {
			sp_jout_member_open(j, SP_STR("runtime"), '{');
			out_disk(j, "imageFs", in->node->at_ns, in->images, in->image_bytes);
			out_disk(j, "containerFs", in->node->at_ns, in->images, in->image_bytes);
			sp_jout_close(j, '}');
		}
	}
	sp_jout_close(j, '}');
}

void node_summary_write(sp_buf *out, const node_summary_input *in)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	out_node(&j, in);
	sp_jout_member_open(&j, SP_STR("pods"), '[');
	for (size_t i = 0; in->boxes != NULL && i < in->boxes->items.n; i++) {
		const sp_cri_pod_sandbox *box = &in->boxes->items.at[i];
		if (box->state == SP_CRI_SANDBOX_READY && box->metadata != NULL)
			out_pod(&j, in, box);
	}
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
}
