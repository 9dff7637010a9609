/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of containers and sandboxes from their cgroups and interfaces. U: containerd
 * pkg/cri/server/container_stats_list_linux.go, sandbox_stats_linux.go. */
#include "base/num.h"
#include "io/file.h"
#include "runtime/rt_int.h"

#define FILE_BYTES (256u << 10)
#define RATE_NS_MIN 1000000000u
#define NO_LIMIT (UINT64_C(1) << 62)

/* One container's numbers; read on a worker. */
typedef struct sample {
	rt_container *c;
	sp_str cgroup;
	int64_t at;
	bool found;
	uint64_t cpu_ns, usage, working_set, rss, limit, faults, major_faults, n_processes;
	image_usage layer;
	bool has_layer;
} sample;

typedef struct interface {
	uint64_t rx_bytes, rx_errors, tx_bytes, tx_errors;
} interface;

typedef struct gathering {
	sample *samples;
	size_t n;
	rt_sandbox **sandboxes; /* of the sandbox forms */
	sample *pods;           /* their cgroups, which have the time of ended containers, too */
	interface *interfaces;
	size_t n_sandboxes;
} gathering;

/* ---- reading, on a worker ---- */

static sp_str read_file(rt_job *j, sp_str dir, const char *name)
{
	sp_str text;
	sp_str path = SP_CONCAT(&j->arena, dir, SP_STR("/"), sp_str_c(name));
	if (sp_file_read_arena(j->r->world, path, &j->arena, FILE_BYTES, &text, NULL) != SP_OK)
		return (sp_str){NULL, 0};
	return text;
}

/* "max" and what is no number are no limit. */
static uint64_t number(sp_str text)
{
	uint64_t v;
	return sp_parse_u64(sp_str_trim(text), 0, UINT64_MAX, &v, NULL) == SP_OK ? v : UINT64_MAX;
}

/* The number behind a key in a file of lines "key number"; 0 when it is not there. */
static uint64_t number_of(sp_str text, const char *key)
{
	sp_str line, word;
	while (sp_str_cut(&text, '\n', &line)) {
		if (sp_str_cut(&line, ' ', &word) && sp_str_eq(word, sp_str_c(key)))
			return number(line);
	}
	return 0;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Lines of cgroup.procs. */
static uint64_t processes(rt_job *j, sp_str dir)
{
	sp_str text = read_file(j, dir, "cgroup.procs"), line;
	uint64_t n = 0;
	while (sp_str_cut(&text, '\n', &line))
		n++;
	return n;
}

static bool sample_v1(rt_job *j, sample *s)
{
	sp_str memory = SP_CONCAT(&j->arena, SP_STR("/sys/fs/cgroup/memory"), s->cgroup);
	sp_str cpu = SP_CONCAT(&j->arena, SP_STR("/sys/fs/cgroup/cpuacct"), s->cgroup);
	sp_str usage = read_file(j, memory, "memory.usage_in_bytes");
	if (usage.ptr == NULL)
		return false;
	sp_str stat = read_file(j, memory, "memory.stat");
	s->usage = number(usage);
	s->working_set = minus(s->usage, number_of(stat, "total_inactive_file"));
	s->rss = number_of(stat, "total_rss");
	s->faults = number_of(stat, "total_pgfault");
	s->major_faults = number_of(stat, "total_pgmajfault");
	s->limit = number(read_file(j, memory, "memory.limit_in_bytes"));
	s->cpu_ns = number(read_file(j, cpu, "cpuacct.usage"));
	s->n_processes = processes(j, memory);
	return true;
}

static bool sample_v2(rt_job *j, sample *s)
{
	sp_str dir = SP_CONCAT(&j->arena, SP_STR("/sys/fs/cgroup"), s->cgroup);
	sp_str usage = read_file(j, dir, "memory.current");
	if (usage.ptr == NULL)
		return false;
	sp_str stat = read_file(j, dir, "memory.stat");
	s->usage = number(usage);
	s->working_set = minus(s->usage, number_of(stat, "inactive_file"));
	s->rss = number_of(stat, "anon");
	s->faults = number_of(stat, "pgfault");
	s->major_faults = number_of(stat, "pgmajfault");
	s->limit = number(read_file(j, dir, "memory.max"));
	s->cpu_ns = number_of(read_file(j, dir, "cpu.stat"), "usage_usec") * 1000;
	s->n_processes = processes(j, dir);
	return true;
}

static uint64_t counter(rt_job *j, sp_str dir, const char *name)
{
	uint64_t v = number(read_file(j, dir, name));
	return v == UINT64_MAX ? 0 : v;
}

/* The host's end of the pair: what it sent the pod received. */
static interface read_interface(rt_job *j, sp_str host_if)
{
	sp_str dir = SP_CONCAT(&j->arena, SP_STR("/sys/class/net/"), host_if, SP_STR("/statistics"));
	return (interface){.rx_bytes = counter(j, dir, "tx_bytes"),
			   .tx_bytes = counter(j, dir, "rx_bytes"),
			   .rx_errors = counter(j, dir, "tx_errors"),
			   .tx_errors = counter(j, dir, "rx_errors")};
}

static void read_sample(rt_job *j, sample *s)
{
	s->at = sp_wall_ns(j->r->world);
	s->found = s->cgroup.len > 0 && (sample_v1(j, s) || sample_v2(j, s));
}

static void read_all(sp_work *work)
{
	rt_job *j = work->arg;
	gathering *g = j->data;
	for (size_t i = 0; i < g->n; i++)
		read_sample(j, &g->samples[i]);
	for (size_t i = 0; i < g->n_sandboxes; i++) {
		read_sample(j, &g->pods[i]);
		if (g->sandboxes[i]->rec.host_if.len > 0)
			g->interfaces[i] = read_interface(j, g->sandboxes[i]->rec.host_if);
	}
}

static sp_code gather(rt_job *j, sp_err *err)
{
	return rt_job_work(j, read_all, err);
}

/* ---- writable layers ---- */

static void on_layer(void *arg, sp_code code, image_usage usage, const sp_err *err)
{
	rt_job *j = arg;
	gathering *g = j->data;
	sample *s = &g->samples[j->i++];
	(void)err; /* a layer that is gone has no usage */
	s->has_layer = code == SP_OK;
	s->layer = usage;
	rt_job_resume(j, NULL);
}

static sp_code measure_layers(rt_job *j, sp_err *err)
{
	const gathering *g = j->data;
	(void)err;
	if (j->i >= g->n)
		return SP_OK;
	j->steps--;
	rt_job_wait(j);
	image_rootfs_usage(j->r->opts->images, g->samples[j->i].c->rec.id, on_layer, j);
	return SP_OK;
}

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

static sp_cri_memory_usage *memory_usage(sp_arena *a, const sample *s)
{
	sp_cri_memory_usage *m = sp_new(a, sp_cri_memory_usage, 1);
	m->timestamp = s->at;
	m->working_set_bytes = value(a, s->working_set);
	m->available_bytes = value(a, s->limit > NO_LIMIT ? 0 : minus(s->limit, s->working_set));
	m->usage_bytes = value(a, s->usage);
	m->rss_bytes = value(a, s->rss);
	m->page_faults = value(a, s->faults);
	m->major_page_faults = value(a, s->major_faults);
	return m;
}

static void container_stats(rt_job *j, const sample *s, sp_cri_container_stats *ret)
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
	if (s->found) {
		ret->cpu = cpu_usage(a, s->at, s->cpu_ns, &s->c->cpu_seen);
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

static void add_sample(gathering *g, rt_container *c)
{
	SP_ASSERT(g != NULL);
	c->n_refs++; /* given back with the job */
	g->samples[g->n++] = (sample){.c = c, .cgroup = c->rec.cgroup};
}

static void release(void *arg)
{
	gathering *g = arg;
	for (size_t i = 0; i < g->n; i++)
		rt_container_unref(g->samples[i].c);
	for (size_t i = 0; i < g->n_sandboxes; i++)
		rt_sandbox_unref(g->sandboxes[i]);
}

static sp_code prepare(rt_job *j, size_t n_containers, size_t n_sandboxes, gathering **ret, sp_err *err)
{
	gathering *g = sp_new(&j->arena, gathering, 1);
	g->samples = sp_try_new(&j->arena, sample, n_containers + 1);
	g->sandboxes = sp_try_new(&j->arena, rt_sandbox *, n_sandboxes + 1);
	g->pods = sp_try_new(&j->arena, sample, n_sandboxes + 1);
	g->interfaces = sp_try_new(&j->arena, interface, n_sandboxes + 1);
	if (g->samples == NULL || g->sandboxes == NULL || g->pods == NULL || g->interfaces == NULL ||
	    !sp_arena_on_reset(&j->arena, release, g))
		return sp_fail(err, SP_ENOMEM, "no memory for statistics");
	j->data = g;
	*ret = g;
	return SP_OK;
}

static sp_code one_container(rt_job *j, sp_err *err)
{
	const sp_cri_container_stats_request *q = j->request;
	rt_container *c = NULL;
	gathering *g = NULL;
	SP_TRY(rt_need_container(j->r, q->container_id, &c, err));
	SP_TRY(prepare(j, 1, 0, &g, err));
	add_sample(g, c);
	return SP_OK;
}

static sp_code tell_container(rt_job *j, sp_err *err)
{
	const gathering *g = j->data;
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
	gathering *g = NULL;
	SP_TRY(prepare(j, sp_map_count(&j->r->containers), 0, &g, err));
	for (size_t i = 0; (e = sp_map_next(&j->r->containers, &i)) != NULL;) {
		rt_container *c = e->value;
		if (rt_container_state(c) <= SP_CRI_CONTAINER_RUNNING && container_fits(j->r, c, q->filter))
			add_sample(g, c);
	}
	return SP_OK;
}

static sp_code tell_containers(rt_job *j, sp_err *err)
{
	const gathering *g = j->data;
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

static void add_sandbox(gathering *g, rt_sandbox *s)
{
	const sp_cri_linux_pod_sandbox_config *l = s->rec.config->linux_;
	SP_ASSERT(g != NULL);
	s->n_refs++;
	g->pods[g->n_sandboxes].cgroup = l == NULL ? (sp_str){NULL, 0} : l->cgroup_parent;
	g->sandboxes[g->n_sandboxes++] = s;
	SP_LIST_FOREACH (n, &s->containers) {
		rt_container *c = SP_CONTAINER_OF(n, rt_container, node);
		if (rt_container_state(c) == SP_CRI_CONTAINER_RUNNING)
			add_sample(g, c);
	}
}

static sp_code one_sandbox(rt_job *j, sp_err *err)
{
	const sp_cri_pod_sandbox_stats_request *q = j->request;
	rt_sandbox *s = NULL;
	gathering *g = NULL;
	SP_TRY(rt_need_sandbox(j->r, q->pod_sandbox_id, &s, err));
	SP_TRY(prepare(j, sp_map_count(&j->r->containers), 1, &g, err));
	add_sandbox(g, s);
	return SP_OK;
}

static bool sandbox_fits(rt *r, const rt_sandbox *s, const sp_cri_pod_sandbox_stats_filter *f)
{
	const sp_cri_pod_sandbox_config *config = s->rec.config;
	return f == NULL || ((f->id.len == 0 || rt_find_sandbox(r, f->id) == s) &&
			     rt_labels_match(f->label_selector.at, f->label_selector.n, config->labels.at,
					     config->labels.n));
}

static sp_code many_sandboxes(rt_job *j, sp_err *err)
{
	const sp_cri_list_pod_sandbox_stats_request *q = j->request;
	const sp_map_entry *e;
	gathering *g = NULL;
	SP_TRY(prepare(j, sp_map_count(&j->r->containers), sp_map_count(&j->r->sandboxes), &g, err));
	for (size_t i = 0; (e = sp_map_next(&j->r->sandboxes, &i)) != NULL;) {
		rt_sandbox *s = e->value;
		if (s->rec.phase == RT_SANDBOX_READY && sandbox_fits(j->r, s, q->filter))
			add_sandbox(g, s);
	}
	return SP_OK;
}

static sp_cri_network_usage *network_usage(sp_arena *a, int64_t at, const interface *i)
{
	sp_cri_network_usage *u = sp_new(a, sp_cri_network_usage, 1);
	sp_cri_network_interface_usage *d = sp_new(a, sp_cri_network_interface_usage, 1);
	d->name = SP_STR("eth0");
	d->rx_bytes = value(a, i->rx_bytes);
	d->rx_errors = value(a, i->rx_errors);
	d->tx_bytes = value(a, i->tx_bytes);
	d->tx_errors = value(a, i->tx_errors);
	u->timestamp = at;
	u->default_interface = d;
	return u;
}

/* The pod's cgroup when it has one of its own; else the sum of the containers, for a sandbox without a
 * process has nothing. */
static sample pod_sample(const rt_job *j, size_t index)
{
	const gathering *g = j->data;
	sample sum = {.at = sp_wall_ns(j->r->world), .limit = UINT64_MAX};
	for (size_t i = 0; i < g->n; i++) {
		const sample *c = &g->samples[i];
		if (c->c->sandbox != g->sandboxes[index])
			continue;
		sum.cpu_ns += c->cpu_ns;
		sum.usage += c->usage;
		sum.working_set += c->working_set;
		sum.rss += c->rss;
		sum.faults += c->faults;
		sum.major_faults += c->major_faults;
		sum.n_processes += c->n_processes;
	}
	if (!g->pods[index].found)
		return sum;
	sample pod = g->pods[index];
	pod.n_processes = sum.n_processes; /* they are in the cgroups below */
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
	const gathering *g = j->data;
	rt_sandbox *s = g->sandboxes[index];
	sp_arena *a = &j->arena;
	const sample pod = pod_sample(j, index);
	sp_cri_linux_pod_sandbox_stats *l = sp_new(a, sp_cri_linux_pod_sandbox_stats, 1);
	l->containers.at = sp_new(a, sp_cri_container_stats, g->n + 1);
	for (size_t i = 0; i < g->n; i++) {
		if (g->samples[i].c->sandbox == s)
			container_stats(j, &g->samples[i], &l->containers.at[l->containers.n++]);
	}
	l->cpu = cpu_usage(a, pod.at, pod.cpu_ns, &s->cpu_seen);
	l->memory = memory_usage(a, &pod);
	l->process = sp_new(a, sp_cri_process_usage, 1);
	l->process->timestamp = pod.at;
	l->process->process_count = value(a, pod.n_processes);
	if (s->rec.host_if.len > 0)
		l->network = network_usage(a, pod.at, &g->interfaces[index]);
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
	const gathering *g = j->data;
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

rt_step *const rt_container_stats_steps[] = {one_container, gather, measure_layers, tell_container, NULL};
rt_step *const rt_list_container_stats_steps[] = {many_containers, gather, measure_layers, tell_containers,
						  NULL};
rt_step *const rt_sandbox_stats_steps[] = {one_sandbox, gather, measure_layers, tell_sandbox, NULL};
rt_step *const rt_list_sandbox_stats_steps[] = {many_sandboxes, gather, measure_layers, tell_sandboxes, NULL};
