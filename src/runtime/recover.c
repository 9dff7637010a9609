/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next start: records are read, what runs is adopted, what was half done is finished or taken back, what
 * nobody knows is removed. A record is written before what it describes is made and removed after it is gone,
 * so whatever there is has a record, but for bundles, root filesystems and interfaces: those are found by
 * looking.
 */
#include "base/alloc.h"
#include "io/file.h"
#include "runtime/rt_int.h"

#define RECORD_BYTES ((size_t)16 << 20)

/* ---- reading (at start-up: may block) ---- */

typedef sp_code take(rt *r, sp_arena *a, const void *record, sp_err *err);

static sp_code take_sandbox(rt *r, sp_arena *a, const void *record, sp_err *err)
{
	rt_sandbox *s;
	(void)a;
	SP_TRY(rt_sandbox_new(r, record, &s, err));
	sp_code code = rt_sandbox_list(s, err);
	rt_sandbox_unref(s);
	return code;
}

static sp_code take_container(rt *r, sp_arena *a, const void *record, sp_err *err)
{
	const rt_container_record *rec = record;
	rt_sandbox *s = rt_find_sandbox(r, rec->sandbox_id);
	rt_container *c;
	(void)a;
	if (s == NULL)
		return sp_fail(err, SP_ENOTFOUND, "container " SP_FMT " without its sandbox",
			       SP_ARG(rec->id));
	SP_TRY(rt_container_new(r, s, record, &c, err));
	sp_code code = rt_container_list(c, err);
	rt_container_unref(c);
	return code;
}

static sp_code load_one(rt *r, sp_arena *a, sp_str path, const sp_pb_message *m, take *add, sp_err *err)
{
	sp_str bytes;
	void *record = sp_arena_alloc(a, m->size);
	SP_TRY(sp_file_read_arena(r->world, path, a, RECORD_BYTES, &bytes, err));
	SP_TRY(sp_pb_decode(m, bytes, a, record, err));
	return add(r, a, record, err);
}

static sp_code load_all(rt *r, const char *kind, const sp_pb_message *m, take *add, sp_err *err)
{
	sp_arena names, a;
	sp_dir_entry *entries;
	size_t n;
	sp_arena_init(&names, RT_JOB_BYTES);
	sp_str dir = SP_CONCAT(&names, r->opts->state_dir, SP_STR("/"), sp_str_c(kind));
	sp_code code = sp_dir_list(r->world, dir, &names, &entries, &n, err);
	for (size_t i = 0; i < n && code == SP_OK; i++) {
		sp_err why = {.code = SP_OK};
		sp_str path = SP_CONCAT(&names, dir, SP_STR("/"), entries[i].name);
		sp_arena_init(&a, RT_JOB_BYTES);
		if (sp_str_ends(path, SP_STR(".tmp"))) {
			(void)!sp_path_unlink(r->world, path,
					      NULL); /* we were killed before it had its name */
		} else if (load_one(r, &a, path, m, add, &why) != SP_OK) {
			/* What it describes is cleaned up below. */
			sp_log(r->opts->log, SP_LOG_WARN, "a record is dropped", SP_KS("path", path),
			       SP_KE(&why));
			(void)!sp_path_unlink(r->world, path, NULL);
		}
		sp_arena_done(&a);
	}
	sp_arena_done(&names);
	return code;
}

sp_code rt_load(rt *r, sp_err *err)
{
	rt_load_range(r);
	SP_TRY(load_all(r, "sandboxes", &rt_sandbox_record_message, take_sandbox, err));
	return load_all(r, "containers", &rt_container_record_message, take_container, err);
}

/* ---- what nobody knows ---- */

typedef struct stray {
	sp_str id;
	sp_host_method methods[2];
	size_t n_methods;
} stray;

static sp_code on_part_removed(rt_job *j, const void *response, sp_err *err)
{
	(void)response;
	(void)err;
	j->i++;
	return SP_OK;
}

static sp_code remove_stray(rt_job *j, sp_err *err)
{
	const stray *s = j->data;
	const sp_host_id id = {.id = s->id};
	const sp_host_sandbox_remove sandbox = {.id = s->id};
	(void)err;
	if (j->i >= s->n_methods)
		return SP_OK;
	j->steps--;
	j->ignore_error = j->n_deletes++ < RT_DELETES_MOST;
	sp_host_method method = s->methods[j->i];
	return rt_job_host(j, method, method == SP_HOST_SANDBOX_REMOVE ? (const void *)&sandbox : &id,
			   on_part_removed);
}

static rt_step *const stray_steps[] = {remove_stray, NULL};

/* `known`: a map by id. */
static sp_code add_strays(rt_job *j, const char *kind, const sp_map *known, const stray *how, sp_err *err)
{
	sp_dir_entry *entries;
	size_t n;
	sp_str dir = SP_CONCAT(&j->arena, j->r->opts->run_dir, SP_STR("/"), sp_str_c(kind));
	sp_code code = sp_dir_list(j->r->world, dir, &j->arena, &entries, &n, err);
	if (code != SP_OK)
		return code == SP_ENOTFOUND ? SP_OK : code; /* the first start ever */
	for (size_t i = 0; i < n; i++) {
		if (sp_map_get(known, entries[i].name) != NULL)
			continue;
		rt_job *part = rt_job_new(j->r, stray_steps);
		stray *s = sp_new(&part->arena, stray, 1);
		*s = *how;
		s->id = sp_arena_try_dup(&part->arena, entries[i].name);
		part->data = s;
		sp_log(j->r->opts->log, SP_LOG_INFO, "cleaning up what nobody knows", SP_KC("kind", kind),
		       SP_KS("id", s->id));
		rt_job_part(j, part);
	}
	return SP_OK;
}

static sp_code stray_bundles(rt_job *j, sp_err *err)
{
	static const stray how = {.methods = {SP_HOST_SHIM_DELETE, SP_HOST_BUNDLE_REMOVE}, .n_methods = 2};
	return add_strays(j, "containers", &j->r->containers, &how, err);
}

static sp_code stray_sandboxes(rt_job *j, sp_err *err)
{
	static const stray how = {.methods = {SP_HOST_SANDBOX_REMOVE}, .n_methods = 1};
	return add_strays(j, "sandboxes", &j->r->sandboxes, &how, err);
}

static void on_rootfs_removed(void *arg, sp_code code, const sp_err *err)
{
	rt_job_resume(arg, code == SP_OK ? NULL : err);
}

static sp_code remove_rootfs(rt_job *j, sp_err *err)
{
	const stray *s = j->data;
	(void)err;
	rt_job_wait(j);
	image_rootfs_remove(j->r->opts->images, s->id, on_rootfs_removed, j);
	return SP_OK;
}

static rt_step *const rootfs_steps[] = {remove_rootfs, NULL};

static sp_code stray_rootfs(rt_job *j, sp_err *err)
{
	sp_strs keys = image_rootfs_keys(j->r->opts->images);
	(void)err;
	for (size_t i = 0; i < keys.n; i++) {
		if (sp_map_get(&j->r->containers, rt_rootfs_owner(keys.items[i])) != NULL)
			continue;
		rt_job *part = rt_job_new(j->r, rootfs_steps);
		stray *s = sp_new(&part->arena, stray, 1);
		s->id = sp_arena_try_dup(&part->arena, keys.items[i]);
		part->data = s;
		rt_job_part(j, part);
	}
	return SP_OK;
}

/* ---- sandboxes ---- */

/* The pinned namespaces are gone after a reboot: there is nothing to go on with. */
static bool is_alive(rt_job *j, rt_sandbox *s)
{
	sp_stat st;
	if (!rt_sandbox_has_net(s) && !rt_sandbox_has_ipc(s))
		return true;
	const char *file = rt_sandbox_has_net(s) ? "/ns/net" : "/ns/ipc";
	return sp_path_stat(j->r->world, rt_path(j->r, &j->arena, "sandboxes", s->rec.id, file), &st, NULL) ==
	       SP_OK;
}

static void adopt_network(rt_job *j, rt_sandbox *s)
{
	sp_pod_network *n = j->r->opts->network;
	sp_pod_attachment a = {.host_if = s->rec.host_if};
	sp_err err;
	a.ips.at = s->rec.ips.at;
	a.ips.n = s->rec.ips.n;
	if (a.ips.n > 0 && !rt_sandbox_is_stale(s) &&
	    n->adopt(n, s->rec.id, s->rec.config, &a, &err) != SP_OK)
		sp_log(j->r->opts->log, SP_LOG_WARN, "the network does not know a pod",
		       SP_KS("sandbox", s->rec.id), SP_KE(&err));
}

static sp_code sandboxes(rt_job *j, sp_err *err)
{
	const sp_map_entry *e;
	(void)err;
	for (size_t i = 0; (e = sp_map_next(&j->r->sandboxes, &i)) != NULL;) {
		rt_sandbox *s = e->value;
		if (s->rec.phase != RT_SANDBOX_STOPPED)
			adopt_network(j, s);
		if (s->rec.phase == RT_SANDBOX_MAKING)
			rt_job_part(j, rt_teardown_job(s));
		else if (s->rec.phase == RT_SANDBOX_READY && (!is_alive(j, s) || rt_sandbox_is_stale(s)))
			rt_job_part(j, rt_stop_sandbox_job(s));
	}
	return SP_OK;
}

static void unwait_network(rt_job *j)
{
	j->r->opts->network->cancel(j->r->opts->network, &j->net);
}

static void on_settled(sp_pod_network_call *c, const sp_pod_attachment *a, const sp_err *err)
{
	(void)a;
	rt_job_resume(c->arg, err);
}

/* The network is told of all pods there are, so that it knows what is left of others. */
static sp_code settle_network(rt_job *j, sp_err *err)
{
	sp_pod_network *n = j->r->opts->network;
	const sp_map_entry *e;
	(void)err;
	if (n->settle == NULL)
		return SP_OK;
	sp_str *ids = sp_new(&j->arena, sp_str, sp_map_count(&j->r->sandboxes) + 1);
	size_t n_ids = 0;
	for (size_t i = 0; (e = sp_map_next(&j->r->sandboxes, &i)) != NULL;) {
		const rt_sandbox *s = e->value;
		if (s->rec.phase != RT_SANDBOX_STOPPED && rt_sandbox_has_net(s))
			ids[n_ids++] = s->rec.id;
	}
	j->net = (sp_pod_network_call){.done = on_settled, .arg = j};
	rt_job_wait(j);
	j->unwait = unwait_network;
	n->settle(n, ids, n_ids, &j->net);
	return SP_OK;
}

/* ---- containers ---- */

/* Errors are no end here: whatever the shim cannot say is lost. */
static sp_code connect(rt_job *j, sp_err *err)
{
	if (j->sandbox->rec.shim.len == 0 || j->sandbox->shim_state == RT_SHIM_UP)
		return SP_OK;
	j->ignore_error = true;
	if (rt_shim_connect(j, err) != SP_OK)
		j->ignore_error = false;
	return SP_OK;
}

static sp_code on_state(rt_job *j, const void *response, sp_err *err)
{
	const rt_task_state *t = response;
	rt_container *c = j->container;
	(void)err;
	j->i = (size_t)t->status;
	if (c->rec.state == SP_CRI_CONTAINER_CREATED && t->status == RT_TASK_RUNNING) {
		c->rec.state = SP_CRI_CONTAINER_RUNNING;
		c->rec.pid = t->pid;
		c->rec.started_at = sp_wall_ns(j->r->world);
	}
	return SP_OK;
}

static sp_code ask_state(rt_job *j, sp_err *err)
{
	const rt_task_id q = {.id = j->container->rec.id};
	j->i = RT_TASK_UNKNOWN;
	if (j->sandbox->shim_state != RT_SHIM_UP)
		return SP_OK;
	j->ignore_error = true;
	return rt_job_task(j, &rt_task_state_method, &q, on_state, err);
}

/* A task that its record does not need: it was being created when we died, or has been written down. */
static sp_code kill_unwanted(rt_job *j, sp_err *err)
{
	const rt_task_kill q = {.id = j->container->rec.id, .signal = 9, .all = true};
	if (j->container->rec.state == SP_CRI_CONTAINER_RUNNING || j->i == RT_TASK_UNKNOWN ||
	    j->sandbox->shim_state != RT_SHIM_UP)
		return SP_OK;
	j->ignore_error = true;
	return rt_job_task(j, &rt_task_kill_method, &q, NULL, err);
}

static sp_code delete_unwanted(rt_job *j, sp_err *err)
{
	const rt_container *c = j->container;
	bool has_shim = j->sandbox->shim_state == RT_SHIM_UP;
	/* Of a stopped sandbox everything was deleted before that was written down. */
	if (c->rec.state == SP_CRI_CONTAINER_RUNNING || (has_shim && j->i == RT_TASK_UNKNOWN) ||
	    (!has_shim && j->sandbox->rec.phase == RT_SANDBOX_STOPPED))
		j->steps++; /* nothing for the shim program either */
	else if (has_shim)
		return rt_delete_task(j, err);
	return SP_OK;
}

static sp_code watch(rt_job *j, sp_err *err)
{
	rt_container *c = j->container;
	if (c->rec.state != SP_CRI_CONTAINER_RUNNING)
		return SP_OK;
	if (j->i == RT_TASK_UNKNOWN || j->sandbox->shim_state != RT_SHIM_UP) {
		rt_lost(c);
		return SP_OK;
	}
	return rt_watch_exit(c, err);
}

static rt_step *const container_steps[] = {
	rt_read_shim,    rt_take_shim,   connect, ask_state,         kill_unwanted,
	delete_unwanted, rt_delete_lost, watch,   rt_save_container, NULL};

static sp_code containers(rt_job *j, sp_err *err)
{
	const sp_map_entry *e;
	(void)err;
	for (size_t i = 0; (e = sp_map_next(&j->r->containers, &i)) != NULL;) {
		rt_job *part = rt_job_new(j->r, container_steps);
		rt_job_set_container(part, e->value);
		rt_job_part(j, part);
	}
	return SP_OK;
}

/* ---- images ---- */

static void on_collected(void *arg, sp_code code, image_usage freed, const sp_err *err)
{
	(void)freed;
	rt_job_resume(arg, code == SP_OK ? NULL : err);
}

/* Root filesystems that were being made or removed. */
static sp_code leftovers(rt_job *j, sp_err *err)
{
	(void)err;
	rt_job_wait(j);
	image_collect_leftovers(j->r->opts->images, on_collected, j);
	return SP_OK;
}

/* ---- the whole ---- */

typedef struct recovery {
	void (*done)(void *arg);
	void *arg;
} recovery;

static void on_end(rt_job *j)
{
	recovery *rec = j->data;
	if (j->code != SP_OK)
		sp_log(j->r->opts->log, SP_LOG_WARN, "not everything could be cleaned up", SP_KE(&j->err));
	rec->done(rec->arg);
}

static rt_step *const steps[] = {containers,      sandboxes,    settle_network, stray_bundles,
				 stray_sandboxes, stray_rootfs, leftovers,      NULL};

void rt_recover(rt *r, void (*done)(void *arg), void *arg)
{
	rt_job *j = rt_job_new(r, steps);
	recovery *rec = sp_new(&j->arena, recovery, 1);
	*rec = (recovery){done, arg};
	j->data = rec;
	j->on_end = on_end;
	rt_job_start(j);
}
