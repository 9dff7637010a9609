/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of containers and sandboxes from their cgroups and interfaces. U: containerd
 * pkg/cri/server/container_stats_list_linux.go, sandbox_stats_linux.go. */
#include "runtime/gather.h"

#define RATE_NS_MIN 1000000000u
#define NO_LIMIT (UINT64_C(1) << 62)

/* ---- telling ---- */

static sp_cri_uint64_value *value(sp_arena *a, uint64_t v)
{
	sp_cri_uint64_value *p = sp_new(a, sp_cri_uint64_value, 1);
	p->value = v;
	return p;
}

/* Its rate is that since the last time somebody asked, at least a second ago; none at the first time and when
 * the count began anew. */
static sp_cri_cpu_usage *cpu_usage(sp_arena *a, int64_t at, uint64_t cpu_ns, rt_cpu_seen *seen)
{
	sp_cri_cpu_usage *u = sp_new(a, sp_cri_cpu_usage, 1);
	uint64_t past_ns = at > seen->at ? (uint64_t)(at - seen->at) : 0;
	u->timestamp = at;
	u->usage_core_nano_seconds = value(a, cpu_ns);
	if (past_ns >= RATE_NS_MIN || cpu_ns < seen->cpu_ns) {
		seen->has_rate = seen->at != 0 && cpu_ns >= seen->cpu_ns;
		if (seen->has_rate)
			seen->nano_cores =
				(uint64_t)((double)(cpu_ns - seen->cpu_ns) / (double)past_ns * 1e9);
		seen->at = at;
		seen->cpu_ns = cpu_ns;
	}
	if (seen->has_rate)
		u->usage_nano_cores = value(a, seen->nano_cores);
	return u;
}

/* 0: not told. */
static uint64_t known(const rt_sample *s, rt_figure which)
{
	uint64_t v = s->f.at[which];
	return v == RT_NO_FIGURE ? 0 : v;
}

static sp_cri_memory_usage *memory_usage(sp_arena *a, const rt_sample *s)
{
	sp_cri_memory_usage *m = sp_new(a, sp_cri_memory_usage, 1);
	uint64_t limit = s->f.at[RT_MEMORY_LIMIT], used = known(s, RT_MEMORY_WORKING_SET);
	m->timestamp = s->at;
	m->working_set_bytes = value(a, used);
	m->available_bytes = value(a, limit > NO_LIMIT || limit < used ? 0 : limit - used);
	m->usage_bytes = value(a, known(s, RT_MEMORY_USAGE));
	m->rss_bytes = value(a, known(s, RT_MEMORY_RSS));
	m->page_faults = value(a, known(s, RT_FAULTS));
	m->major_page_faults = value(a, known(s, RT_MAJOR_FAULTS));
	return m;
}

static void container_stats(rt_job *j, const rt_sample *s, sp_cri_container_stats *ret)
{
	const sp_cri_container_config *config = s->c->rec.config;
	sp_arena *a = &j->arena;
	sp_cri_container_attributes *attributes = sp_new(a, sp_cri_container_attributes, 1);
	attributes->id = s->c->rec.id;
	attributes->metadata = config->metadata;
	attributes->labels.at = config->labels.at;
	attributes->labels.n = config->labels.n;
	attributes->annotations.at = config->annotations.at;
	attributes->annotations.n = config->annotations.n;
	*ret = (sp_cri_container_stats){.attributes = attributes};
	if (s->f.found) {
		ret->cpu = cpu_usage(a, s->at, known(s, RT_CPU_NS), &s->c->cpu_seen);
		ret->memory = memory_usage(a, s);
	}
	sp_cri_filesystem_usage *f = sp_new(a, sp_cri_filesystem_usage, 1);
	f->timestamp = s->at;
	f->fs_id = sp_new(a, sp_cri_filesystem_identifier, 1);
	f->fs_id->mountpoint = j->r->opts->images_dir;
	f->used_bytes = value(a, s->layer.bytes);
	f->inodes_used = value(a, s->layer.inodes);
	ret->writable_layer = f;
}

/* ---- containers ---- */

static sp_code one_container(rt_job *j, sp_err *err)
{
	const sp_cri_container_stats_request *q = j->request;
	rt_container *c = NULL;
	rt_gathering *g = NULL;
	SP_TRY(rt_need_container(j->r, q->container_id, &c, err));
	SP_TRY(rt_gather_prepare(j, 1, 0, &g, err));
	rt_gather_container(g, c);
	return SP_OK;
}

static sp_code tell_container(rt_job *j, sp_err *err)
{
	const rt_gathering *g = j->data;
	sp_cri_container_stats_response *a = sp_new(&j->arena, sp_cri_container_stats_response, 1);
	(void)err;
	a->stats = sp_new(&j->arena, sp_cri_container_stats, 1);
	container_stats(j, &g->samples[0], a->stats);
	j->response = a;
	return SP_OK;
}

static bool container_fits(rt *r, const rt_container *c, const sp_cri_container_stats_filter *f)
{
	const sp_cri_container_config *config = c->rec.config;
	return f == NULL ||
	       ((f->id.len == 0 || rt_find_container(r, f->id) == c) &&
		(f->pod_sandbox_id.len == 0 || rt_find_sandbox(r, f->pod_sandbox_id) == c->sandbox) &&
		rt_labels_match(f->label_selector.at, f->label_selector.n, config->labels.at,
				config->labels.n));
}

static sp_code many_containers(rt_job *j, sp_err *err)
{
	const sp_cri_list_container_stats_request *q = j->request;
	const sp_map_entry *e;
	rt_gathering *g = NULL;
	SP_TRY(rt_gather_prepare(j, sp_map_count(&j->r->containers), 0, &g, err));
	for (size_t i = 0; (e = sp_map_next(&j->r->containers, &i)) != NULL;) {
		rt_container *c = e->value;
		if (rt_container_state(c) <= SP_CRI_CONTAINER_RUNNING && container_fits(j->r, c, q->filter))
			rt_gather_container(g, c);
	}
	return SP_OK;
}

static sp_code tell_containers(rt_job *j, sp_err *err)
{
	const rt_gathering *g = j->data;
	sp_cri_list_container_stats_response *a = sp_new(&j->arena, sp_cri_list_container_stats_response, 1);
	a->stats.at = sp_try_new(&j->arena, sp_cri_container_stats, g->n + 1);
	if (a->stats.at == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for statistics");
	for (size_t i = 0; i < g->n; i++)
		container_stats(j, &g->samples[i], &a->stats.at[a->stats.n++]);
	j->response = a;
	return SP_OK;
}

/* ---- sandboxes ---- */

static sp_code one_sandbox(rt_job *j, sp_err *err)
{
	const sp_cri_pod_sandbox_stats_request *q = j->request;
	rt_sandbox *s = NULL;
	rt_gathering *g = NULL;
	SP_TRY(rt_need_sandbox(j->r, q->pod_sandbox_id, &s, err));
	SP_TRY(rt_gather_prepare(j, sp_map_count(&j->r->containers), 1, &g, err));
	rt_gather_sandbox(g, s);
	return SP_OK;
}

static sp_code many_sandboxes(rt_job *j, sp_err *err)
{
	const sp_cri_list_pod_sandbox_stats_request *q = j->request;
	return rt_gather_sandboxes(j, q->filter, false, err);
}

static sp_cri_network_usage *network_usage(sp_arena *a, const rt_sample *pod)
{
	sp_cri_network_usage *u = sp_new(a, sp_cri_network_usage, 1);
	sp_cri_network_interface_usage *d = sp_new(a, sp_cri_network_interface_usage, 1);
	d->name = SP_STR("eth0");
	d->rx_bytes = value(a, known(pod, RT_NET_RX_BYTES));
	d->rx_errors = value(a, known(pod, RT_NET_RX_ERRORS));
	d->tx_bytes = value(a, known(pod, RT_NET_TX_BYTES));
	d->tx_errors = value(a, known(pod, RT_NET_TX_ERRORS));
	u->timestamp = pod->at;
	u->default_interface = d;
	return u;
}

/* The pod's cgroup when it has one of its own; else the sum of the containers, for a sandbox without a
 * process has nothing. */
static rt_sample pod_sample(const rt_job *j, size_t index)
{
	static const uint8_t summed[] = {RT_CPU_NS, RT_MEMORY_USAGE, RT_MEMORY_WORKING_SET, RT_MEMORY_RSS,
					 RT_FAULTS, RT_MAJOR_FAULTS, RT_PROCESSES};
	const rt_gathering *g = j->data;
	rt_sample pod = g->pods[index], sum = pod;
	for (size_t k = 0; k < SP_LEN(summed); k++)
		sum.f.at[summed[k]] = 0;
	for (size_t i = 0; i < g->n; i++) {
		if (g->samples[i].c->sandbox != g->sandboxes[index])
			continue;
		for (size_t k = 0; k < SP_LEN(summed); k++)
			sum.f.at[summed[k]] += known(&g->samples[i], summed[k]);
	}
	if (!pod.f.found)
		return sum;
	pod.f.at[RT_PROCESSES] = sum.f.at[RT_PROCESSES]; /* they are in the cgroups below */
	return pod;
}

static sp_cri_pod_sandbox_attributes *sandbox_attributes(sp_arena *a, const rt_sandbox *s)
{
	const sp_cri_pod_sandbox_config *config = s->rec.config;
	sp_cri_pod_sandbox_attributes *attributes = sp_new(a, sp_cri_pod_sandbox_attributes, 1);
	attributes->id = s->rec.id;
	attributes->metadata = config->metadata;
	attributes->labels.at = config->labels.at;
	attributes->labels.n = config->labels.n;
	attributes->annotations.at = config->annotations.at;
	attributes->annotations.n = config->annotations.n;
	return attributes;
}

static void sandbox_stats(rt_job *j, size_t index, sp_cri_pod_sandbox_stats *ret)
{
	const rt_gathering *g = j->data;
	rt_sandbox *s = g->sandboxes[index];
	sp_arena *a = &j->arena;
	const rt_sample pod = pod_sample(j, index);
	sp_cri_linux_pod_sandbox_stats *l = sp_new(a, sp_cri_linux_pod_sandbox_stats, 1);
	l->containers.at = sp_new(a, sp_cri_container_stats, g->n + 1);
	for (size_t i = 0; i < g->n; i++) {
		if (g->samples[i].c->sandbox == s)
			container_stats(j, &g->samples[i], &l->containers.at[l->containers.n++]);
	}
	l->cpu = cpu_usage(a, pod.at, known(&pod, RT_CPU_NS), &s->cpu_seen);
	l->memory = memory_usage(a, &pod);
	l->process = sp_new(a, sp_cri_process_usage, 1);
	l->process->timestamp = pod.at;
	l->process->process_count = value(a, known(&pod, RT_PROCESSES));
	if (s->rec.host_if.len > 0)
		l->network = network_usage(a, &pod);
	*ret = (sp_cri_pod_sandbox_stats){.attributes = sandbox_attributes(a, s), .linux_ = l};
}

static sp_code tell_sandbox(rt_job *j, sp_err *err)
{
	sp_cri_pod_sandbox_stats_response *a = sp_new(&j->arena, sp_cri_pod_sandbox_stats_response, 1);
	(void)err;
	a->stats = sp_new(&j->arena, sp_cri_pod_sandbox_stats, 1);
	sandbox_stats(j, 0, a->stats);
	j->response = a;
	return SP_OK;
}

static sp_code tell_sandboxes(rt_job *j, sp_err *err)
{
	const rt_gathering *g = j->data;
	sp_cri_list_pod_sandbox_stats_response *a =
		sp_new(&j->arena, sp_cri_list_pod_sandbox_stats_response, 1);
	a->stats.at = sp_try_new(&j->arena, sp_cri_pod_sandbox_stats, g->n_sandboxes + 1);
	if (a->stats.at == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for statistics");
	for (size_t i = 0; i < g->n_sandboxes; i++)
		sandbox_stats(j, i, &a->stats.at[a->stats.n++]);
	j->response = a;
	return SP_OK;
}

rt_step *const rt_container_stats_steps[] = {one_container, rt_gather_read, rt_gather_layers, tell_container,
					     NULL};
rt_step *const rt_list_container_stats_steps[] = {many_containers, rt_gather_read, rt_gather_layers,
						  tell_containers, NULL};
rt_step *const rt_sandbox_stats_steps[] = {one_sandbox, rt_gather_read, rt_gather_layers, tell_sandbox, NULL};
rt_step *const rt_list_sandbox_stats_steps[] = {many_sandboxes, rt_gather_read, rt_gather_layers,
						tell_sandboxes, NULL};
