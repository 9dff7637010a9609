/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resources of pods that run already. What a pod has is what was granted to it; what its spec wants is
 * granted when the node has room for it, and waits otherwise. What is granted is then carried out: the pod's
 * cgroup is widened, containers change, the pod's cgroup is narrowed. U: kubernetes pkg/kubelet/allocation,
 * kuberuntime_manager.go doPodResizeAction.
 */
#include "base/alloc.h"
#include "base/json_out.h"
#include "base/num.h"
#include "node/node_int.h"

#define TRY_AGAIN_NS (180 * NODE_SECOND_NS) /* of a change that waits. U: retryDelay */
#define RESOURCES_BYTES_MAX ((size_t)64 << 10)
#define SUMMARY_BYTES_MAX ((size_t)256 << 10)

static bool is_resizable(const node_container *c)
{
	return c->role == NODE_REGULAR || c->is_sidecar;
}

/* ---- what was granted ---- */

static void put_list(sp_jout *j, sp_str key, sp_vmap list)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, RESOURCES_BYTES_MAX);
	if (sp_vmap_count(list) > 0 && sp_json_write(&text, list.object) == SP_OK)
		sp_jout_member_raw(j, key, sp_buf_view(&text));
}

static void put_resources(sp_jout *j, sp_vmap requests, sp_vmap limits)
{
	sp_jout_open(j, '{');
	put_list(j, SP_STR("limits"), limits);
	put_list(j, SP_STR("requests"), requests);
	sp_jout_close(j, '}');
}

static void set_granted(node_memo *m, sp_vmap requests, sp_vmap limits)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 2 * RESOURCES_BYTES_MAX);
	sp_jout j = sp_jout_to(&text);
	put_resources(&j, requests, limits);
	char *copy = sp_buf_code(&text) == SP_OK ? sp_try_alloc(text.len) : NULL;
	if (copy == NULL) /* what was granted before stays */
		return;
	memcpy(copy, sp_buf_view(&text).ptr, text.len);
	sp_free((void *)(uintptr_t)m->granted.ptr);
	m->granted = (sp_str){copy, text.len};
}

static yyjson_val *told_status(const node_pod *p, const node_container *c)
{
	yyjson_val *list = sp_json_last(p->v.status, c->is_sidecar ? SP_STR("initContainerStatuses")
								   : SP_STR("containerStatuses")),
		   *item;
	size_t i, n;
	yyjson_arr_foreach(list, i, n, item)
	{
		if (sp_str_eq(sp_view_str_at(item, "name"), c->name))
			return item;
	}
	return NULL;
}

static sp_vmap map_at(yyjson_val *v, const char *path)
{
	yyjson_val *o = sp_view_at(v, path);
	return (sp_vmap){.object = yyjson_is_obj(o) ? o : NULL};
}

/* The first look at a pod, or the first one after a restart of the agent: the API has what was granted. */
static void begin_container(node_worker *w, const node_container *c, node_memo *m)
{
	yyjson_val *told = told_status(w->pod, c);
	sp_vmap requests = map_at(told, "resources.requests"), limits = map_at(told, "resources.limits"),
		granted = map_at(told, "allocatedResources");
	if (sp_vmap_count(requests) + sp_vmap_count(limits) == 0) {
		set_granted(m, c->wanted_requests, c->wanted_limits);
		return;
	}
	m->actuated = node_amounts_of_lists(requests, limits);
	m->has_actuated = true;
	set_granted(m, sp_vmap_count(granted) > 0 ? granted : requests, limits);
}

/* Effective resources of a container := what is granted. */
static void apply(node_worker *w, node_container *c, const node_memo *m)
{
	yyjson_val *tree;
	if (m->granted.len == 0 || sp_json_parse(&w->scratch, m->granted, &tree, NULL) != SP_OK)
		return;
	c->v.requests = map_at(tree, "requests");
	c->v.limits = map_at(tree, "limits");
}

static bool is_wanted(const node_container *c)
{
	node_amounts now = node_amounts_of(c),
		     want = node_amounts_of_lists(c->wanted_requests, c->wanted_limits);
	return node_amounts_eq(&now, &want);
}

/* ---- events ---- */

static void put_containers(const node_pod *p, sp_jout *j, sp_str key, size_t from, size_t n)
{
	if (n == 0)
		return;
	sp_jout_member_open(j, key, '[');
	for (size_t i = from; i < from + n; i++) {
		sp_jout_open(j, '{');
		sp_jout_member_str(j, SP_STR("name"), p->containers[i].name);
		sp_jout_key(j, SP_STR("resources"));
		put_resources(j, p->containers[i].v.requests, p->containers[i].v.limits);
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, ']');
}

/* U: pkg/kubelet/events/resize.go. */
static void tell(node_worker *w, bool is_warning, const char *reason, const char *what, int64_t generation,
		 const char *error)
{
	const node_pod *p = w->pod;
	SP_AUTO_BUF text;
	sp_buf_init(&text, SUMMARY_BYTES_MAX);
	sp_jout j = sp_jout_to(&text);
	sp_jout_open(&j, '{');
	put_containers(p, &j, SP_STR("initContainers"), 0, p->n_init);
	put_containers(p, &j, SP_STR("containers"), p->n_init, p->n_regular);
	sp_jout_member_i64(&j, SP_STR("generation"), generation);
	if (*error != '\0')
		sp_jout_member_str(&j, SP_STR("error"), sp_str_c(error));
	sp_jout_close(&j, '}');
	node_worker_event(w, NULL, is_warning, reason, "%s: " SP_FMT, what, SP_ARG(sp_buf_view(&text)));
}

/* ---- granting ---- */

static void grant_all(node_worker *w)
{
	for (size_t i = 0; i < w->pod->n_containers; i++) {
		const node_container *c = &w->pod->containers[i];
		node_memo *m = node_worker_memo(w, c->name);
		if (is_resizable(c) && m != NULL)
			set_granted(m, c->wanted_requests, c->wanted_limits);
	}
	w->resize_pending = (node_resize_state){0};
	w->resize_in_progress = (node_resize_state){.is_set = true, .generation = w->pod->v.generation};
	w->resize_retry_ns = 0;
	tell(w, false, "ResizeStarted", "Pod resize started", w->pod->v.generation, "");
}

/* The API was told that of this version of the pod, by an earlier life of the agent. */
static bool was_told(const node_pod *p)
{
	SP_VLIST_FOREACH(item, p->v.conditions)
	{
		yyjson_val *generation = sp_view_at(item, "observedGeneration");
		if (sp_str_eq(sp_view_str_at(item, "type"), SP_STR("PodResizePending")))
			return yyjson_is_int(generation) && yyjson_get_sint(generation) == p->v.generation;
	}
	return false;
}

static void hold_back(node_worker *w, const char *why)
{
	node_resize_state *s = &w->resize_pending;
	bool news = s->is_set ? s->generation != w->pod->v.generation : !was_told(w->pod);
	(void)snprintf(w->resize_pending_text, sizeof w->resize_pending_text, "%s", why);
	*s = (node_resize_state){.is_set = true,
				 .reason = SP_STR("Deferred"),
				 .message = sp_str_c(w->resize_pending_text),
				 .generation = w->pod->v.generation};
	if (news)
		tell(w, true, "ResizeDeferred", "Pod resize Deferred", s->generation, why);
	node_worker_again(w, TRY_AGAIN_NS);
}

static void want_all(node_pod *p)
{
	for (size_t i = 0; i < p->n_containers; i++) {
		if (!is_resizable(&p->containers[i]))
			continue;
		p->containers[i].v.requests = p->containers[i].wanted_requests;
		p->containers[i].v.limits = p->containers[i].wanted_limits;
	}
}

/* True when all of it is what the spec wants. */
static bool apply_all(node_worker *w)
{
	bool same = true;
	for (size_t i = 0; i < w->pod->n_containers; i++) {
		node_container *c = &w->pod->containers[i];
		node_memo *m = node_worker_memo(w, c->name);
		if (!is_resizable(c) || m == NULL)
			continue;
		if (m->granted.len == 0)
			begin_container(w, c, m);
		apply(w, c, m);
		same = same && is_wanted(c);
	}
	return same;
}

void node_resize_grant(node_worker *w)
{
	node_refusal why;
	if (apply_all(w)) {
		w->resize_pending = (node_resize_state){0};
		want_all(w->pod); /* the same amounts in the words of the spec */
		return;
	}
	want_all(w->pod);
	if (w->stage == NODE_STAGE_RUN && node_admit_grown(w, &why)) {
		grant_all(w);
		return;
	}
	if (w->stage == NODE_STAGE_RUN)
		hold_back(w, why.message);
	(void)apply_all(w);
}

void node_resize_made(node_worker *w, const node_container *c)
{
	node_memo *m = node_worker_memo(w, c->name);
	m->actuated = node_amounts_of(c);
	m->has_actuated = true;
}

void node_resize_room(const node_worker *w)
{
	SP_LIST_FOREACH (node, &w->agent->workers) {
		node_worker *o = SP_CONTAINER_OF(node, node_worker, node);
		if (o != w && (o->resize_pending.is_set || o->room_by_ns != 0))
			node_worker_poke(o);
	}
}

/* ---- carried out? ---- */

static bool any_differs(node_worker *w)
{
	bool differs = false;
	for (size_t i = 0; i < w->seen.n_containers; i++) {
		node_seen_container *s = &w->seen.containers[i];
		const node_container *c = node_pod_container(w->pod, s->name);
		const node_memo *m = node_worker_memo(w, s->name);
		if (s->state != NODE_RUNNING || c == NULL || m == NULL || !is_resizable(c) ||
		    !m->has_actuated)
			continue;
		node_amounts want = node_amounts_of(c);
		s->has_actuated = true;
		s->actuated = m->actuated;
		differs |= !node_amounts_eq(&want, &m->actuated);
	}
	return differs;
}

void node_resize_look(node_worker *w)
{
	node_resize_state *s = &w->resize_in_progress;
	if (any_differs(w)) {
		if (!s->is_set)
			*s = (node_resize_state){.is_set = true, .generation = w->pod->v.generation};
	} else if (s->is_set) {
		tell(w, false, "ResizeCompleted", "Pod resize completed", s->generation, "");
		*s = (node_resize_state){0};
		node_resize_room(w);
	}
}

static bool limits_eq(const node_pod_limits *a, const node_pod_limits *b)
{
	return a->cpu_shares == b->cpu_shares && a->cpu_quota_us == b->cpu_quota_us &&
	       a->memory_bytes == b->memory_bytes;
}

bool node_resize_is_due(const node_worker *w, const node_actions *act)
{
	node_pod_limits want = node_pod_limits_of(w->pod);
	if (!w->dirs_made || sp_now_ns(w->agent->world) < w->resize_retry_ns)
		return false;
	return act->n_resizes > 0 || !limits_eq(&want, &w->cgroup_limits);
}

/* ---- carrying it out ---- */

static void end(node_worker *w)
{
	w->resizing = NULL;
	w->dirty = true;
	node_worker_end_turn(w);
}

static void failed(node_worker *w, const char *what)
{
	node_resize_state *s = &w->resize_in_progress;
	bool news = strcmp(w->resize_error, what) != 0 || !s->is_set || s->reason.len == 0;
	(void)snprintf(w->resize_error, sizeof w->resize_error, "%s", what);
	s->generation = s->is_set ? s->generation : w->pod->v.generation;
	s->is_set = true;
	s->reason = SP_STR("Error");
	s->message = sp_str_c(w->resize_error);
	if (news)
		tell(w, true, "ResizeError", "Pod resize error", s->generation, what);
	w->resize_retry_ns = sp_now_ns(w->agent->world) + NODE_RETRY_NS;
	node_worker_again(w, NODE_RETRY_NS);
	end(w);
}

/* No less than now, no less than soon; without a limit where one of both has none. */
static node_pod_limits widest(const node_pod_limits *a, const node_pod_limits *b)
{
	return (node_pod_limits){.cpu_shares = SP_MAX(a->cpu_shares, b->cpu_shares),
				 .cpu_quota_us = SP_MIN(a->cpu_quota_us, b->cpu_quota_us) < 0
							 ? -1
							 : SP_MAX(a->cpu_quota_us, b->cpu_quota_us),
				 .memory_bytes = SP_MIN(a->memory_bytes, b->memory_bytes) == 0
							 ? 0
							 : SP_MAX(a->memory_bytes, b->memory_bytes)};
}

/* On a worker thread. */
static void on_widen(sp_work *job)
{
	node_worker *w = job->arg;
	node_pod_limits want = node_pod_limits_of(w->pod), wide = widest(&want, &w->cgroup_limits);
	w->work_code = node_cgroup_write(w, &wide, &w->work_err);
	if (w->work_code == SP_OK)
		w->cgroup_limits = wide;
}
static void on_narrow(sp_work *job)
{
	node_worker *w = job->arg;
	node_pod_limits want = node_pod_limits_of(w->pod);
	w->work_code = node_cgroup_write(w, &want, &w->work_err);
	if (w->work_code == SP_OK)
		w->cgroup_limits = want;
}

static void narrowed(node_worker *w)
{
	if (w->work_code != SP_OK)
		failed(w, w->work_err.msg);
	else
		end(w);
}

static void on_updated(node_batch *b)
{
	node_worker *w = b->arg;
	const node_batch_item *bad = node_batch_failed(b);
	for (size_t i = 0; i < b->n; i++) {
		const node_container *c = node_pod_container(w->pod, w->resizing->resizes[i]->name);
		if (b->items[i].status == SP_RPC_OK)
			node_resize_made(w, c);
	}
	if (bad != NULL) {
		char text[256];
		(void)snprintf(text, sizeof text, "rpc error: code = %s desc = " SP_FMT,
			       node_rpc_code_name(bad->status), SP_ARG(bad->message));
		failed(w, text);
		return;
	}
	node_worker_work(w, on_narrow, narrowed);
}

static void update_containers(node_worker *w)
{
	const node_actions *act = w->resizing;
	sp_err err = {0};
	if (w->work_code != SP_OK) {
		failed(w, w->work_err.msg);
		return;
	}
	if (act->n_resizes == 0) {
		node_worker_work(w, on_narrow, narrowed);
		return;
	}
	if (node_batch_init(&w->batch, w->agent->cri, &w->scratch, act->n_resizes, on_updated, w, &err) !=
	    SP_OK) {
		failed(w, err.msg);
		return;
	}
	for (size_t i = 0; i < act->n_resizes; i++) {
		const node_container *c = node_pod_container(w->pod, act->resizes[i]->name);
		node_container_limits l = node_limits_of(w->pod, c, w->agent->place.memory_capacity);
		/* A limit that is not there is not named: it can't be taken away. */
		sp_cri_linux_container_resources r = {.cpu_period = NODE_CPU_PERIOD_US,
						      .cpu_quota = SP_MAX(l.cpu_quota_us, 0),
						      .cpu_shares = l.cpu_shares,
						      .memory_limit_in_bytes = l.memory_bytes};
		node_batch_add(&w->batch, SP_CRI_UPDATE_CONTAINER_RESOURCES,
			       &(sp_cri_update_container_resources_request){
				       .container_id = act->resizes[i]->id, .linux_ = &r},
			       NODE_CALL_TIMEOUT_NS);
	}
}

void node_resize_checked(node_worker *w, const char *why)
{
	if (why != NULL)
		failed(w, why);
	else
		node_worker_work(w, on_widen, update_containers);
}

void node_resize_do(node_worker *w, const node_actions *act)
{
	w->resizing = act;
	node_resize_check(w);
}
