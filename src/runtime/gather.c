/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/gather.h"

#include <sys/statvfs.h>

#include "base/num.h"
#include "io/file.h"

#define FILE_BYTES 65536u
#define CGROUPS SP_STR("/sys/fs/cgroup")

/* ---- what is gathered ---- */

static void release(void *arg)
{
	rt_gathering *g = arg;
	for (size_t i = 0; i < g->n; i++)
		rt_container_unref(g->samples[i].c);
	for (size_t i = 0; i < g->n_sandboxes; i++)
		rt_sandbox_unref(g->sandboxes[i]);
}

sp_code rt_gather_prepare(rt_job *j, size_t n_containers, size_t n_sandboxes, rt_gathering **ret, sp_err *err)
{
	rt_gathering *g = sp_new(&j->arena, rt_gathering, 1);
	g->samples = sp_try_new(&j->arena, rt_sample, n_containers + 1);
	g->sandboxes = sp_try_new(&j->arena, rt_sandbox *, n_sandboxes + 1);
	g->pods = sp_try_new(&j->arena, rt_sample, n_sandboxes + 1);
	if (g->samples == NULL || g->sandboxes == NULL || g->pods == NULL ||
	    !sp_arena_on_reset(&j->arena, release, g))
		return sp_fail(err, SP_ENOMEM, "no memory for statistics");
	j->data = g;
	*ret = g;
	return SP_OK;
}

void rt_gather_container(rt_gathering *g, rt_container *c)
{
	c->n_refs++;
	g->samples[g->n] = (rt_sample){.c = c, .cgroup = c->rec.cgroup};
	if (rt_container_state(c) == SP_CRI_CONTAINER_RUNNING)
		g->samples[g->n].pid = c->rec.pid;
	rt_figures_init(&g->samples[g->n++].f);
}

void rt_gather_sandbox(rt_gathering *g, rt_sandbox *s)
{
	const sp_cri_linux_pod_sandbox_config *l = s->rec.config->linux_;
	rt_sample *pod = &g->pods[g->n_sandboxes];
	s->n_refs++;
	*pod = (rt_sample){.host_if = s->rec.host_if};
	if (l != NULL)
		pod->cgroup = l->cgroup_parent;
	rt_figures_init(&pod->f);
	g->sandboxes[g->n_sandboxes++] = s;
	SP_LIST_FOREACH (n, &s->containers) {
		rt_container *c = SP_CONTAINER_OF(n, rt_container, node);
		if (rt_container_state(c) == SP_CRI_CONTAINER_RUNNING)
			rt_gather_container(g, c);
	}
}

static bool sandbox_fits(rt *r, const rt_sandbox *s, const sp_cri_pod_sandbox_stats_filter *f)
{
	const sp_cri_pod_sandbox_config *config = s->rec.config;
	return f == NULL || ((f->id.len == 0 || rt_find_sandbox(r, f->id) == s) &&
			     rt_labels_match(f->label_selector.at, f->label_selector.n, config->labels.at,
					     config->labels.n));
}

sp_code rt_gather_sandboxes(rt_job *j, const sp_cri_pod_sandbox_stats_filter *filter, bool all, sp_err *err)
{
	const sp_map_entry *e;
	rt_gathering *g = NULL;
	SP_TRY(rt_gather_prepare(j, sp_map_count(&j->r->containers), sp_map_count(&j->r->sandboxes), &g,
				 err));
	SP_ASSERT(g != NULL);
	g->all = all;
	for (size_t i = 0; (e = sp_map_next(&j->r->sandboxes, &i)) != NULL;) {
		rt_sandbox *s = e->value;
		if (s->rec.phase == RT_SANDBOX_READY && sandbox_fits(j->r, s, filter))
			rt_gather_sandbox(g, s);
	}
	return SP_OK;
}

/* ---- files, on a worker ---- */

static uint64_t counter(rt_job *j, sp_arena *scratch, sp_str host_if, const char *name)
{
	sp_str text;
	uint64_t v;
	sp_str path = SP_CONCAT(scratch, SP_STR("/sys/class/net/"), host_if, SP_STR("/statistics/"),
				sp_str_c(name));
	if (sp_file_read_arena(j->r->world, path, scratch, FILE_BYTES, &text, NULL) != SP_OK ||
	    sp_parse_u64(sp_str_trim(text), 0, RT_NO_FIGURE - 1, &v, NULL) != SP_OK)
		return 0;
	return v;
}

/* The host's end of the pair: what it sent the pod received. */
static void read_interface(rt_job *j, sp_arena *scratch, rt_sample *s, bool all)
{
	static const struct {
		uint8_t figure;
		bool all;
		const char *file;
	} rows[] = {
		{RT_NET_RX_BYTES, false, "tx_bytes"},    {RT_NET_RX_ERRORS, false, "tx_errors"},
		{RT_NET_TX_BYTES, false, "rx_bytes"},    {RT_NET_TX_ERRORS, false, "rx_errors"},
		{RT_NET_RX_PACKETS, true, "tx_packets"}, {RT_NET_RX_DROPPED, true, "tx_dropped"},
		{RT_NET_TX_PACKETS, true, "rx_packets"}, {RT_NET_TX_DROPPED, true, "rx_dropped"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (all || !rows[i].all)
			s->f.at[rows[i].figure] = counter(j, scratch, s->host_if, rows[i].file);
	}
}

/* "Max open files            1024                 524288               files" */
static void read_limits(rt_job *j, sp_arena *scratch, rt_sample *s)
{
	sp_str text, line;
	uint64_t v;
	sp_str path = sp_arena_printf(scratch, "/proc/%u/limits", (unsigned)s->pid);
	if (s->pid == 0 || sp_file_read_arena(j->r->world, path, scratch, FILE_BYTES, &text, NULL) != SP_OK)
		return;
	while (sp_str_cut(&text, '\n', &line)) {
		sp_str word;
		if (!sp_str_take(&line, SP_STR("Max open files")))
			continue;
		line = sp_str_trim(line);
		if (sp_str_cut(&line, ' ', &word) &&
		    sp_parse_u64(word, 0, RT_NO_FIGURE - 1, &v, NULL) == SP_OK)
			s->f.at[RT_OPEN_FILES_SOFT] = v;
	}
}

/* The filesystem that writable layers are on. */
static void read_filesystem(rt_job *j, const rt_gathering *g)
{
	struct statvfs fs;
	if (statvfs(sp_arena_try_dup(&j->arena, j->r->opts->images_dir).ptr, &fs) != 0)
		return;
	for (size_t i = 0; i < g->n; i++) {
		rt_figures *f = &g->samples[i].f;
		f->at[RT_FS_LIMIT] = (uint64_t)fs.f_blocks * fs.f_frsize;
		f->at[RT_FS_INODES_TOTAL] = fs.f_files;
		f->at[RT_FS_INODES_FREE] = fs.f_ffree;
	}
}

static void read_sample(rt_job *j, rt_sample *s, bool all)
{
	sp_arena scratch;
	sp_arena_init(&scratch, (size_t)1 << 20);
	s->at = sp_wall_ns(j->r->world);
	rt_figures_read(j->r->world, CGROUPS, s->cgroup, all, &j->arena, &s->f);
	if (s->host_if.len > 0)
		read_interface(j, &scratch, s, all);
	if (all)
		read_limits(j, &scratch, s);
	sp_arena_done(&scratch);
}

static void read_all(sp_work *work)
{
	rt_job *j = work->arg;
	const rt_gathering *g = j->data;
	for (size_t i = 0; i < g->n; i++)
		read_sample(j, &g->samples[i], g->all);
	for (size_t i = 0; i < g->n_sandboxes; i++)
		read_sample(j, &g->pods[i], g->all);
	if (g->all)
		read_filesystem(j, g);
}

sp_code rt_gather_read(rt_job *j, sp_err *err)
{
	return rt_job_work(j, read_all, err);
}

/* ---- writable layers ---- */

static void on_layer(void *arg, sp_code code, image_usage usage, const sp_err *err)
{
	rt_job *j = arg;
	const rt_gathering *g = j->data;
	rt_sample *s = &g->samples[j->i++];
	(void)err; /* a layer that is gone has no usage */
	if (code == SP_OK) {
		s->layer = usage;
		s->f.at[RT_FS_USAGE] = usage.bytes;
	}
	rt_job_resume(j, NULL);
}

sp_code rt_gather_layers(rt_job *j, sp_err *err)
{
	const rt_gathering *g = j->data;
	(void)err;
	if (j->i >= g->n)
		return SP_OK;
	j->steps--;
	rt_job_wait(j);
	image_rootfs_usage(j->r->opts->images, g->samples[j->i].c->rec.id, on_layer, j);
	return SP_OK;
}

/* ---- what shims count ---- */

static sp_code on_counted(rt_job *j, const void *response, sp_err *err)
{
	const rt_task_descriptors *d = response;
	rt_sample *s = j->data;
	(void)err;
	s->f.at[RT_DESCRIPTORS] = d->descriptors;
	s->f.at[RT_SOCKETS] = d->sockets;
	return SP_OK;
}

static sp_code count(rt_job *j, sp_err *err)
{
	const rt_task_id q = {.id = j->container->rec.id};
	if (j->sandbox->shim_state != RT_SHIM_UP)
		return SP_OK;
	j->ignore_error = true; /* it has just ended, or its shim is older than the method */
	return rt_job_task(j, &rt_figures_descriptors_method, &q, on_counted, err);
}

static rt_step *const count_steps[] = {count, NULL};

/* Of all shims at the same time. */
sp_code rt_gather_descriptors(rt_job *j, sp_err *err)
{
	const rt_gathering *g = j->data;
	(void)err;
	for (size_t i = 0; i < g->n; i++) {
		rt_job *part = rt_job_new(j->r, count_steps);
		rt_job_set_container(part, g->samples[i].c);
		part->data = &g->samples[i];
		rt_job_part(j, part);
	}
	return SP_OK;
}
