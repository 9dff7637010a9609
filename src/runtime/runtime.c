/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/runtime.h"

#include "base/alloc.h"
#include "io/file.h"
#include "runtime/rt_int.h"
#include "runtime/spec.h"

/* ---- the beginning ---- */

static void on_closed(sp_defer *d);

static sp_code make_dirs(rt *r, sp_err *err)
{
	sp_arena a;
	sp_arena_init(&a, 65536);
	sp_str dir = r->opts->state_dir;
	sp_code code = sp_dir_make(r->world, SP_CONCAT(&a, dir, SP_STR("/sandboxes")), 0700, err);
	if (code == SP_OK)
		code = sp_dir_make(r->world, SP_CONCAT(&a, dir, SP_STR("/containers")), 0700, err);
	sp_arena_done(&a);
	return code;
}

/* "CapBnd:\t000001ffffffffff": what no process below this one can have more of, with or without root. */
static uint64_t bounding_set(rt *r)
{
	sp_arena a;
	sp_str text, line;
	uint64_t set = UINT64_MAX;
	sp_arena_init(&a, 65536);
	if (sp_file_read_arena(r->world, SP_STR("/proc/self/status"), &a, 16384, &text, NULL) != SP_OK)
		text.len = 0;
	while (text.len > 0 && sp_str_cut(&text, '\n', &line)) {
		if (!sp_str_take(&line, SP_STR("CapBnd:")))
			continue;
		line = sp_str_trim(line);
		set = 0;
		for (size_t i = 0; i < line.len; i++) {
			char c = line.ptr[i];
			set = set << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
		}
	}
	sp_arena_done(&a);
	return set;
}

static bool may_map_users(rt *r)
{
	sp_arena a;
	sp_str text;
	sp_arena_init(&a, 65536);
	bool may = sp_file_read_arena(r->world, SP_STR("/proc/sys/user/max_user_namespaces"), &a, 64, &text,
				      NULL) == SP_OK &&
		   !sp_str_starts(text, SP_STR("0"));
	sp_arena_done(&a);
	return may;
}

static bool has_apparmor(rt *r)
{
	sp_arena a;
	sp_str text;
	sp_arena_init(&a, 65536);
	bool has = sp_file_read_arena(r->world, SP_STR("/sys/module/apparmor/parameters/enabled"), &a, 64,
				      &text, NULL) == SP_OK &&
		   rt_apparmor_is_on(text);
	sp_arena_done(&a);
	return has;
}

/* Version 1 has a directory for it, version 2 a word. */
static bool counts_huge_pages(rt *r)
{
	sp_arena a;
	sp_str text;
	sp_dir_entry *names;
	size_t n;
	sp_arena_init(&a, 65536);
	bool counts =
		sp_dir_list(r->world, SP_STR("/sys/fs/cgroup/hugetlb"), &a, &names, &n, NULL) == SP_OK ||
		(sp_file_read_arena(r->world, SP_STR("/sys/fs/cgroup/cgroup.controllers"), &a, 4096, &text,
				    NULL) == SP_OK &&
		 sp_str_find(text, SP_STR("hugetlb")) >= 0);
	sp_arena_done(&a);
	return counts;
}

sp_code rt_new(sp_world *w, const rt_opts *opts, rt **ret, sp_err *err)
{
	rt *r = SP_NEW(rt);
	*r = (rt){.world = w, .opts = opts};
	sp_map_init(&r->sandboxes);
	sp_map_init(&r->containers);
	sp_map_init(&r->names);
	sp_list_init(&r->jobs);
	sp_list_init(&r->subscribers);
	sp_defer_init(&r->closed, on_closed, r);
	rt_cri_init(r);
	r->caps = bounding_set(r);
	r->may_map_users = may_map_users(r);
	r->has_apparmor = has_apparmor(r);
	r->counts_huge = counts_huge_pages(r);
	sp_code code = make_dirs(r, err);
	if (code == SP_OK)
		code = rt_load(r, err);
	if (code == SP_OK)
		code = rt_streams_new(r, &r->streams, err);
	if (code != SP_OK) {
		rt_free(r);
		return code;
	}
	*ret = r;
	return SP_OK;
}

/* ---- the end ---- */

static void drop_connections(rt *r)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&r->containers, &i)) != NULL;)
		rt_rpc_cancel(&((rt_container *)e->value)->wait);
	for (size_t i = 0; (e = sp_map_next(&r->sandboxes, &i)) != NULL;) {
		rt_sandbox *s = e->value;
		if (s->shim != NULL)
			sp_ttrpc_client_close(s->shim);
	}
}

static bool has_connections(const rt *r)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&r->sandboxes, &i)) != NULL;) {
		const rt_sandbox *s = e->value;
		if (s->shim != NULL || s->connect.impl != NULL)
			return true;
	}
	return false;
}

static void on_streams_closed(void *arg)
{
	rt *r = arg;
	r->on_closed(r->closed_arg);
}

void rt_maybe_closed(rt *r)
{
	if (r->closing && !r->closed_told && sp_list_is_empty(&r->jobs) && !has_connections(r))
		sp_defer_call(r->world, &r->closed);
}

static void on_closed(sp_defer *d)
{
	rt *r = d->arg;
	if (r->closed_told)
		return;
	r->closed_told = true;
	rt_streams_close(SP_TAKE(r->streams), on_streams_closed, r);
}

void rt_close(rt *r, void (*done)(void *arg), void *arg)
{
	r->closing = true;
	r->on_closed = done;
	r->closed_arg = arg;
	SP_LIST_FOREACH (n, &r->jobs) {
		rt_job *j = SP_CONTAINER_OF(n, rt_job, node);
		j->undo = NULL; /* the next start cleans up */
		if (j->unwait == NULL)
			continue;
		sp_err err;
		(void)sp_fail(&err, SP_EUNAVAILABLE, "the runtime is stopping");
		j->unwait(j);
		rt_job_resume(j, &err);
	}
	drop_connections(r);
	rt_maybe_closed(r);
}

void rt_free(rt *r)
{
	const sp_map_entry *e;
	if (r == NULL)
		return;
	for (size_t i = 0; (e = sp_map_next(&r->containers, &i)) != NULL;)
		rt_container_unref(e->value);
	for (size_t i = 0; (e = sp_map_next(&r->sandboxes, &i)) != NULL;)
		rt_sandbox_unref(e->value);
	sp_map_done(&r->sandboxes);
	sp_map_done(&r->containers);
	sp_map_done(&r->names);
	rt_streams_free(r->streams);
	sp_free(r);
}
