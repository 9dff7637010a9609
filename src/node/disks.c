/* SPDX-License-Identifier: Apache-2.0 */
#include "node/disks.h"

#include "base/alloc.h"

#define EVERY_NS (10 * NODE_SECOND_NS)   /* U: cadvisor looks at file systems that often */
#define FORGET_NS (300 * NODE_SECOND_NS) /* nobody asks for it any more */
#define DISKS_MAX 1024u
#define JOBS_MAX 8u /* at a time: what does not answer leaves the pool to others */

typedef struct disk {
	node_disks *disks;
	sp_list node; /* disks.all */
	sp_str path;  /* heap */
	node_disk seen, looked;
	sp_code code; /* of the look */
	bool is_known, is_looking;
	uint64_t asked_ns, looked_ns; /* monotonic; looked_ns 0: never */
	sp_work work;
} disk;

struct node_disks {
	node_agent *agent;
	sp_map by_path;
	sp_list all; /* those that wait for the longest come first */
	size_t n, n_jobs;
	sp_timer timer;
	bool is_freed;
};

static void forget(disk *d)
{
	(void)sp_map_remove(&d->disks->by_path, d->path);
	sp_list_remove(&d->node);
	d->disks->n--;
	sp_free((void *)(uintptr_t)d->path.ptr);
	sp_free(d);
}

/* ---- looking ---- */

/* On a worker thread: with what stands as long as the agent, and nobody else's. */
static void on_look(sp_work *job)
{
	disk *d = job->arg;
	sp_code (*look)(sp_str path, node_disk * ret, sp_err * err) = d->disks->agent->opts.disk;
	d->code = (look == NULL ? node_disk_read : look)(d->path, &d->looked, NULL);
}

static void look_at_some(node_disks *s);

static void on_looked(sp_work *job)
{
	disk *d = job->arg;
	node_disks *s = d->disks;
	d->is_looking = false;
	s->n_jobs--;
	if (s->is_freed) {
		node_disks_free(s->agent);
		return;
	}
	d->looked_ns = SP_MAX(sp_now_ns(s->agent->world), 1u);
	d->is_known = d->code == SP_OK;
	d->seen = d->looked;
	look_at_some(s);
}

static bool is_due(const disk *d, uint64_t now)
{
	return !d->is_looking && (d->looked_ns == 0 || now - d->looked_ns >= EVERY_NS);
}

static void look_at_some(node_disks *s)
{
	sp_err err = {0};
	uint64_t now = sp_now_ns(s->agent->world);
	SP_LIST_FOREACH (node, &s->all) {
		disk *d = SP_CONTAINER_OF(node, disk, node);
		if (s->n_jobs >= JOBS_MAX)
			return;
		if (!is_due(d, now))
			continue;
		if (now - d->asked_ns >= FORGET_NS) {
			forget(d);
			continue;
		}
		d->work = (sp_work){.fn = on_look, .done = on_looked, .arg = d};
		if (sp_work_start(s->agent->world, &d->work, &err) != SP_OK)
			return; /* all workers are busy: at the next time */
		d->is_looking = true;
		s->n_jobs++;
	}
}

static void on_time(sp_timer *t)
{
	node_disks *s = t->arg;
	look_at_some(s);
	sp_timer_start(s->agent->world, t, EVERY_NS, on_time);
}

/* ---- asking ---- */

static disk *add(node_disks *s, sp_str path)
{
	char *text = s->n < DISKS_MAX ? sp_try_alloc(path.len + 1) : NULL;
	if (text == NULL)
		return NULL;
	memcpy(text, path.ptr, path.len);
	text[path.len] = '\0';
	disk *d = SP_NEW(disk);
	d->disks = s;
	d->path = (sp_str){text, path.len};
	if (sp_map_put(&s->by_path, d->path, d, NULL) != SP_OK) {
		sp_free(text);
		sp_free(d);
		return NULL;
	}
	sp_list_push_back(&s->all, &d->node);
	s->n++;
	return d;
}

const node_disk *node_disks_get(node_agent *a, sp_str path)
{
	node_disks *s = a->disks;
	if (s == NULL || path.len == 0)
		return NULL;
	disk *d = sp_map_get(&s->by_path, path);
	bool is_new = d == NULL;
	if (is_new)
		d = add(s, path);
	if (d == NULL)
		return NULL;
	d->asked_ns = sp_now_ns(a->world);
	if (is_new)
		look_at_some(s);
	return d->is_known ? &d->seen : NULL;
}

/* ---- life ---- */

void node_disks_new(node_agent *a)
{
	node_disks *s = SP_NEW(node_disks);
	s->agent = a;
	s->timer.arg = s;
	sp_list_init(&s->all);
	sp_map_init(&s->by_path);
	a->disks = s;
	sp_timer_start(a->world, &s->timer, EVERY_NS, on_time);
}

void node_disks_free(node_agent *a)
{
	node_disks *s = a->disks;
	if (s == NULL)
		return;
	s->is_freed = true;
	sp_timer_stop(a->world, &s->timer);
	if (s->n_jobs > 0) /* they have our memory: the end comes with the last one */
		return;
	a->disks = NULL;
	SP_LIST_FOREACH (node, &s->all)
		forget(SP_CONTAINER_OF(node, disk, node));
	sp_map_done(&s->by_path);
	sp_free(s);
	node_agent_check_closed(a);
}
