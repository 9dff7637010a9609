/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The range of this node's pods' addresses, as the node agent tells it (UpdateRuntimeConfig). It is kept in
 * STATE_DIR/pod-cidr, so that the next start need not wait for the agent.
 */
#include "io/file.h"
#include "runtime/rt_int.h"

#define FILE_BYTES_MAX 256u

static sp_str file_of(rt *r, sp_arena *a)
{
	return SP_CONCAT(a, r->opts->state_dir, SP_STR("/pod-cidr"));
}

bool rt_sandbox_is_stale(const rt_sandbox *s)
{
	sp_pod_network *n = s->r->opts->network;
	sp_pod_attachment a = {.host_if = s->rec.host_if};
	a.ips.at = s->rec.ips.at;
	a.ips.n = s->rec.ips.n;
	return n->is_stale != NULL && n->is_stale(n, &a);
}

void rt_load_range(rt *r)
{
	sp_pod_network *n = r->opts->network;
	sp_arena a;
	sp_str text;
	sp_err err = {.code = SP_OK};
	sp_arena_init(&a, 65536);
	sp_str path = file_of(r, &a);
	sp_code code = n->set_range == NULL
			       ? SP_ENOTFOUND
			       : sp_file_read_arena(r->world, path, &a, FILE_BYTES_MAX, &text, &err);
	if (code == SP_OK)
		code = n->set_range(n, sp_str_trim(text), &err);
	if (code != SP_OK && code != SP_ENOTFOUND && code != SP_EUNSUPPORTED)
		sp_log(r->opts->log, SP_LOG_WARN, "the range of pods' addresses that was kept is of no use",
		       SP_KS("path", path), SP_KE(&err));
	sp_arena_done(&a);
}

/* ---- the request ---- */

typedef struct update {
	sp_world *world;
	sp_str cidr, path;
	sp_code code;
	sp_err err;
} update;

/* "10.88.1.0/24,fd00:1::/64": the network takes the first, which is of the cluster's first family. */
static sp_code take(rt_job *j, sp_err *err)
{
	const sp_cri_update_runtime_config_request *q = j->request;
	sp_pod_network *n = j->r->opts->network;
	sp_str all = q->runtime_config == NULL || q->runtime_config->network_config == NULL
			     ? (sp_str){NULL, 0}
			     : q->runtime_config->network_config->pod_cidr;
	sp_str first = all;
	(void)sp_str_cut(&all, ',', &first);
	first = sp_str_trim(first);
	if (first.len == 0 || n->set_range == NULL) {
		j->steps = NULL;
		return SP_OK;
	}
	if (j->r->keeps_range)
		return sp_fail(err, SP_EUNAVAILABLE, "the range of pods' addresses is being changed");
	sp_code code = n->set_range(n, first, err);
	if (code == SP_EUNSUPPORTED)
		j->steps = NULL; /* whoever started us knows better */
	if (code != SP_OK)
		return code == SP_EUNSUPPORTED ? SP_OK : code;
	sp_log(j->r->opts->log, SP_LOG_INFO, "range of pods' addresses", SP_KS("prefix", first));
	update *u = sp_new(&j->arena, update, 1);
	*u = (update){.world = j->r->world, .cidr = first, .path = file_of(j->r, &j->arena)};
	j->data = u;
	return SP_OK;
}

static void write_down(sp_work *w)
{
	update *u = ((rt_job *)w->arg)->data;
	u->code = sp_file_replace(u->world, u->path, u->cidr, 0600, &u->err);
}

static sp_code keep(rt_job *j, sp_err *err)
{
	SP_TRY(rt_job_work(j, write_down, err));
	j->r->keeps_range = true;
	return SP_OK;
}

static sp_code kept(rt_job *j, sp_err *err)
{
	const update *u = j->data;
	j->r->keeps_range = false;
	*err = u->err;
	return u->code;
}

/* Their node starts them anew with addresses of the range. */
static sp_code stop_stale(rt_job *j, sp_err *err)
{
	const sp_map_entry *e;
	(void)err;
	for (size_t i = 0; (e = sp_map_next(&j->r->sandboxes, &i)) != NULL;) {
		rt_sandbox *s = e->value;
		if (s->rec.phase != RT_SANDBOX_READY || s->stopping || !rt_sandbox_is_stale(s))
			continue;
		sp_log(j->r->opts->log, SP_LOG_INFO, "a pod has an address of another range: it is stopped",
		       SP_KS("sandbox", s->rec.id));
		rt_job_part(j, rt_stop_sandbox_job(s));
	}
	return SP_OK;
}

rt_step *const rt_update_config_steps[] = {take, keep, kept, stop_stale, NULL};
