/* SPDX-License-Identifier: Apache-2.0 */
#include "node/measure.h"

static sp_code no_memory(sp_err *err)
{
	return sp_fail(err, SP_ENOMEM, "no memory to measure pods");
}

/* Whether the pod may be evicted, or is watched. */
static bool counts(const node_worker *w)
{
	return w->stage == NODE_STAGE_RUN && w->pod != NULL && w->forced_phase.len == 0 && !w->is_gone &&
	       !node_phase_is_terminal(w->pod->v.phase);
}

static size_t count(const node_agent *a)
{
	size_t n = 0;
	SP_LIST_FOREACH (node, &a->workers)
		n += counts(SP_CONTAINER_OF(node, node_worker, node));
	return n;
}

/* ---- the plan ---- */

/* The directory of a volume that is local and takes room for the pod; NULL: it is none. U:
 * IsLocalEphemeralVolume. */
static const char *kind_of(yyjson_val *volume)
{
	yyjson_val *empty = sp_view_at(volume, "emptyDir");
	if (empty != NULL)
		return sp_view_str_at(empty, "medium").len == 0 ? "empty-dir" : NULL;
	return sp_view_at(volume, "configMap") != NULL ? "configmap" : NULL;
}

static sp_code plan_volumes(const node_agent *a, const node_worker *w, sp_arena *arena,
			    node_measured_pod *ret)
{
	size_t n = 0;
	SP_VLIST_FOREACH(item, w->pod->v.volumes)
	n += kind_of(item) != NULL;
	ret->volumes = sp_try_new(arena, node_measured, n + 1);
	if (ret->volumes == NULL)
		return SP_ENOMEM;
	SP_VLIST_FOREACH(item, w->pod->v.volumes)
	{
		const char *kind = kind_of(item);
		node_measured *m = &ret->volumes[ret->n_volumes];
		sp_str name = sp_view_str_at(item, "name");
		if (kind == NULL)
			continue;
		m->name = sp_arena_try_dup(arena, name);
		m->path = sp_arena_printf(arena, SP_FMT "/pods/" SP_FMT "/volumes/kubernetes.io~%s/" SP_FMT,
					  SP_ARG(a->place.root), SP_ARG(w->uid), kind, SP_ARG(name));
		if (m->name.ptr == NULL || m->path.ptr == NULL)
			return SP_ENOMEM;
		ret->n_volumes++;
	}
	return SP_OK;
}

static sp_code plan_logs(const node_agent *a, const node_worker *w, sp_arena *arena, node_measured_pod *ret)
{
	sp_str dir = node_log_dir(arena, &a->place, w->pod);
	ret->logs = sp_try_new(arena, node_measured, w->pod->n_containers + 1);
	if (ret->logs == NULL || dir.ptr == NULL)
		return SP_ENOMEM;
	for (size_t i = 0; i < w->pod->n_containers; i++) {
		node_measured *m = &ret->logs[i];
		m->name = sp_arena_try_dup(arena, w->pod->containers[i].name);
		m->path = SP_CONCAT(arena, dir, SP_STR("/"), m->name);
		if (m->name.ptr == NULL || m->path.ptr == NULL)
			return SP_ENOMEM;
		ret->n_logs++;
	}
	return SP_OK;
}

sp_code node_measure_plan(const node_agent *a, bool limited, node_measure *m, sp_err *err)
{
	m->pods = sp_try_new(m->arena, node_measured_pod, count(a) + 1);
	m->n = 0;
	if (m->pods == NULL)
		return no_memory(err);
	SP_LIST_FOREACH (node, &a->workers) {
		const node_worker *w = SP_CONTAINER_OF(node, node_worker, node);
		node_measured_pod *p = &m->pods[m->n];
		if (!counts(w) || (limited && !node_pod_limits_storage(w->pod)))
			continue;
		p->uid = sp_arena_try_dup(m->arena, w->uid);
		if (p->uid.ptr == NULL || plan_volumes(a, w, m->arena, p) != SP_OK ||
		    plan_logs(a, w, m->arena, p) != SP_OK)
			return no_memory(err);
		m->n++;
	}
	return SP_OK;
}

/* ---- the walk ---- */

static void walk(sp_pod_files *f, node_measured *at, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sp_pod_usage u;
		if (f->usage(f, at[i].path, &u, NULL) != SP_OK)
			continue;
		at[i].use = (node_amount_of){.is_known = true,
					     .bytes = (int64_t)SP_MIN(u.bytes, (uint64_t)INT64_MAX),
					     .inodes = (int64_t)SP_MIN(u.inodes, (uint64_t)INT64_MAX)};
	}
}

void node_measure_walk(sp_pod_files *f, node_measure *m)
{
	for (size_t i = 0; i < m->n; i++) {
		walk(f, m->pods[i].volumes, m->pods[i].n_volumes);
		walk(f, m->pods[i].logs, m->pods[i].n_logs);
	}
}

/* ---- what the pods use ---- */

static int64_t held(const sp_cri_uint64_value *v)
{
	return v == NULL ? 0 : v->value > INT64_MAX ? INT64_MAX : (int64_t)v->value;
}

static node_amount_of of_filesystem(const sp_cri_filesystem_usage *u)
{
	if (u == NULL || u->used_bytes == NULL)
		return (node_amount_of){0};
	return (node_amount_of){
		.is_known = true, .bytes = held(u->used_bytes), .inodes = held(u->inodes_used)};
}

static const node_measured_pod *measured(const node_measure *m, sp_str uid)
{
	for (size_t i = 0; i < m->n; i++) {
		if (sp_str_eq(m->pods[i].uid, uid))
			return &m->pods[i];
	}
	return NULL;
}

/* The newest statistics of the container of that name. */
static const sp_cri_container_stats *stats_of(const sp_cri_list_container_stats_response *l, sp_str uid,
					      sp_str name)
{
	const sp_cri_container_stats *best = NULL;
	for (size_t i = 0; l != NULL && i < l->stats.n; i++) {
		const sp_cri_container_attributes *t = l->stats.at[i].attributes;
		if (t == NULL ||
		    !sp_str_eq(node_pair_get(t->labels.at, t->labels.n, NODE_LABEL_POD_UID), uid) ||
		    !sp_str_eq(node_pair_get(t->labels.at, t->labels.n, NODE_LABEL_CONTAINER), name))
			continue;
		if (best == NULL || (t->metadata != NULL && best->attributes->metadata != NULL &&
				     t->metadata->attempt > best->attributes->metadata->attempt))
			best = &l->stats.at[i];
	}
	return best;
}

static void use_containers(const node_worker *w, const node_measured_pod *m,
			   const sp_cri_list_container_stats_response *l, node_pod_use *u)
{
	for (size_t i = 0; i < w->pod->n_containers; i++) {
		sp_str name = w->pod->containers[i].name;
		const sp_cri_container_stats *s = stats_of(l, w->uid, name);
		node_container_use *c = &u->containers[u->n_containers];
		if (s == NULL)
			continue;
		*c = (node_container_use){
			.name = name, .memory = -1, .rootfs = of_filesystem(s->writable_layer)};
		if (s->memory != NULL && s->memory->working_set_bytes != NULL)
			c->memory = held(s->memory->working_set_bytes);
		for (size_t k = 0; m != NULL && k < m->n_logs; k++) {
			if (sp_str_eq(m->logs[k].name, name))
				c->logs = m->logs[k].use;
		}
		u->is_known = true;
		u->n_containers++;
	}
}

static void use_box(const node_worker *w, const sp_cri_list_pod_sandbox_stats_response *l, node_pod_use *u)
{
	for (size_t i = 0; l != NULL && i < l->stats.n; i++) {
		const sp_cri_pod_sandbox_stats *s = &l->stats.at[i];
		if (s->attributes == NULL || s->attributes->metadata == NULL || s->linux_ == NULL ||
		    !sp_str_eq(s->attributes->metadata->uid, w->uid))
			continue;
		if (s->linux_->memory != NULL && s->linux_->memory->working_set_bytes != NULL)
			u->memory = held(s->linux_->memory->working_set_bytes);
		if (s->linux_->process != NULL)
			u->processes = held(s->linux_->process->process_count);
		u->is_known = true;
	}
}

static sp_code use_of(node_worker *w, const node_measure *m,
		      const sp_cri_list_container_stats_response *containers,
		      const sp_cri_list_pod_sandbox_stats_response *boxes, node_pod_use *u)
{
	const node_measured_pod *of = measured(m, w->uid);
	*u = (node_pod_use){.pod = w->pod, .memory = -1, .owner = w};
	u->containers = sp_try_new(m->arena, node_container_use, w->pod->n_containers + 1);
	u->volumes = sp_try_new(m->arena, node_volume_use, of == NULL ? 1 : of->n_volumes + 1);
	if (u->containers == NULL || u->volumes == NULL)
		return SP_ENOMEM;
	use_containers(w, of, containers, u);
	use_box(w, boxes, u);
	for (size_t i = 0; of != NULL && i < of->n_volumes; i++)
		u->volumes[u->n_volumes++] =
			(node_volume_use){.name = of->volumes[i].name, .use = of->volumes[i].use};
	return SP_OK;
}

sp_code node_measure_uses(const node_agent *a, const node_measure *m,
			  const sp_cri_list_container_stats_response *containers,
			  const sp_cri_list_pod_sandbox_stats_response *boxes, node_pod_use **ret,
			  size_t *ret_n, sp_err *err)
{
	size_t n = 0;
	node_pod_use *at = sp_try_new(m->arena, node_pod_use, count(a) + 1);
	if (at == NULL)
		return no_memory(err);
	SP_LIST_FOREACH (node, &a->workers) {
		node_worker *w = SP_CONTAINER_OF(node, node_worker, node);
		if (!counts(w))
			continue;
		if (use_of(w, m, containers, boxes, &at[n]) != SP_OK)
			return no_memory(err);
		n++;
	}
	*ret = at;
	*ret_n = n;
	return SP_OK;
}
