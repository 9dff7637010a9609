/* SPDX-License-Identifier: Apache-2.0 */
/* After a look at the runtime: what is told to the API, and the one thing to do next. */
#include "base/hash.h"
#include "node/node_int.h"

static int64_t wall(const node_worker *w)
{
	return sp_wall_ns(w->agent->world);
}

static void no_memory(node_worker *w, const sp_err *err)
{
	sp_log(w->agent->log, SP_LOG_ERROR, "a pod can't be worked on", SP_KS("pod", w->name), SP_KE(err));
	node_worker_again(w, NODE_RETRY_NS);
	node_worker_end_turn(w);
}

/* A thing was done: look again at once. */
static void look_again(node_worker *w)
{
	w->dirty = true;
	node_worker_end_turn(w);
}

/* ---- the end of a pod ---- */

static void free_worker(node_worker *w)
{
	w->busy = false;
	node_worker_free(w);
}

static void on_cleaned(node_batch *b)
{
	node_worker *w = b->arg;
	const node_batch_item *bad = node_batch_failed(b);
	if (bad == NULL) {
		free_worker(w);
		return;
	}
	sp_log(w->agent->log, SP_LOG_WARN, "a sandbox can't be removed", SP_KS("pod", w->name),
	       SP_KS("err", bad->message));
	node_worker_again(w, NODE_RETRY_NS);
	node_worker_end_turn(w);
}

/* The API has it no more: nothing stays. */
static void remove_sandboxes(node_worker *w)
{
	sp_err err = {0};
	if (w->seen.n_sandboxes == 0) {
		free_worker(w);
		return;
	}
	if (node_batch_init(&w->batch, w->agent->cri, &w->scratch, w->seen.n_sandboxes, on_cleaned, w,
			    &err) != SP_OK) {
		no_memory(w, &err);
		return;
	}
	for (size_t i = 0; i < w->seen.n_sandboxes; i++)
		node_batch_add(
			&w->batch, SP_CRI_REMOVE_POD_SANDBOX,
			&(sp_cri_remove_pod_sandbox_request){.pod_sandbox_id = w->seen.sandboxes[i].id},
			NODE_CALL_TIMEOUT_NS);
}

static void end_turn_stopped(node_worker *w)
{
	if (w->evict_grace_s >= 0)
		node_pressure_cleaned(w->agent);
	if (w->pod != NULL && w->pod->v.has_deletion && !w->is_gone)
		node_report_deleted(w);
	node_worker_end_turn(w);
}

static void stopped(node_worker *w)
{
	if (w->is_gone)
		node_unmount(w, true, remove_sandboxes);
	else
		node_unmount(w, false, end_turn_stopped);
}

/* ---- restarts ---- */

/* True when the container may not be started now; then it is said when it may. */
static bool holds_back(node_worker *w, const node_container *c)
{
	node_memo *m = node_worker_memo(w, c->name);
	const node_seen_container *s = node_seen_newest(&w->seen, c->name);
	uint64_t now = sp_now_ns(w->agent->world);
	if (m->retry_at_ns > now) {
		node_worker_again(w, m->retry_at_ns - now);
		return true;
	}
	if (s == NULL || s->state != NODE_EXITED)
		return false;
	uint64_t left = node_backoff_left(&m->restart, s->finished_ns, wall(w));
	if (left == 0)
		return false;
	sp_str message = sp_arena_printf(&w->scratch,
					 "back-off %llus restarting failed container=" SP_FMT " pod=" SP_FMT,
					 (unsigned long long)(m->restart.delay_ns / NODE_SECOND_NS),
					 SP_ARG(c->name), SP_ARG(w->pod->full_name));
	if (sp_str_cmp(sp_str_c(m->reason), SP_STR("CrashLoopBackOff")) != 0)
		node_worker_event(w, c, true, "BackOff",
				  "Back-off restarting failed container " SP_FMT " in pod " SP_FMT,
				  SP_ARG(c->name), SP_ARG(w->pod->full_name));
	w->dirty |= node_memo_wait(m, SP_STR("CrashLoopBackOff"), message);
	node_worker_again(w, left);
	return true;
}

static void start_next(node_worker *w, const node_actions *act)
{
	for (size_t i = 0; i < act->n_starts; i++) {
		const node_container *c = act->starts[i];
		node_memo *m = node_worker_memo(w, c->name);
		const node_seen_container *s = node_seen_newest(&w->seen, c->name);
		if (holds_back(w, c))
			continue;
		if (s != NULL && s->state == NODE_EXITED)
			node_backoff_next(&m->restart, s->finished_ns, wall(w));
		node_start_container(w, c, act->sandbox_id);
		return;
	}
	node_worker_end_turn(w);
}

/* What is to be stopped, even when it has ended: a sandbox that died has its address still. */
static bool has_to_stop(const node_worker *w, const node_actions *plan)
{
	const node_seen_sandbox *box = node_seen_sandbox_now(&w->seen);
	return plan->kill_pod && (node_worker_may_run(w) || (plan->create_sandbox && box != NULL &&
							     w->box_stopped != sp_fnv1a64(box->id)));
}

static void act(node_worker *w)
{
	sp_err err = {0};
	node_actions *made = sp_try_new(&w->scratch, node_actions, 1), plan;
	node_verdicts verdicts = node_worker_verdicts(w);
	if (made == NULL ||
	    node_compute_actions(w->pod, &w->seen, &verdicts, &w->scratch, made, &err) != SP_OK) {
		no_memory(w, &err);
		return;
	}
	plan = *made;
	if (has_to_stop(w, &plan)) {
		if (plan.create_sandbox && w->seen.n_sandboxes > 0)
			node_worker_event(w, NULL, false, "SandboxChanged",
					  "Pod sandbox changed, it will be killed and re-created.");
		node_stop_pod(w, node_worker_grace(w), look_again);
	} else if (node_reset_is_due(w) && !plan.create_sandbox) {
		node_reset_do(w);
	} else if (plan.n_kills > 0) {
		node_stop_containers(w, plan.kills, plan.n_kills, look_again);
	} else if (node_resize_is_due(w, made)) {
		node_resize_do(w, made);
	} else if (plan.create_sandbox) {
		node_start_sandbox(w, plan.attempt);
	} else {
		start_next(w, &plan);
	}
}

/* ---- deadlines ---- */

/* True when the pod has been active for longer than it may. */
static void check_deadline(node_worker *w)
{
	const node_pod_view *v = &w->pod->v;
	if (!v->has_deadline_s || !v->has_start || w->forced_phase.len != 0)
		return;
	int64_t end_ns = (v->start.seconds + v->deadline_s) * (int64_t)NODE_SECOND_NS,
		left = end_ns - wall(w);
	if (left > 0)
		node_worker_again(w, (uint64_t)left);
	else if (!node_phase_is_terminal(v->phase))
		node_worker_fail(w, SP_STR("DeadlineExceeded"),
				 SP_STR("Pod was active on the node longer than the specified deadline"));
}

/* ---- admission ---- */

/* Once, before anything of it runs: what an earlier life of the agent began goes on. */
static bool is_new(const node_worker *w)
{
	return w->seen.n_sandboxes == 0 && !w->pod->v.has_start && !w->pod->v.has_deletion && !w->is_gone &&
	       !node_phase_is_terminal(w->pod->v.phase);
}

/* False: it can't be said yet whether it may begin, or not yet begin. */
static bool admit(node_worker *w)
{
	if (!w->was_admitted)
		w->was_admitted = !is_new(w) || !node_pressure_admit(w) || node_admit(w);
	return w->was_admitted && (!is_new(w) || !node_admit_waits(w));
}

/* ---- the turn ---- */

static bool has_ended(const node_worker *w)
{
	return w->is_gone || w->pod->v.has_deletion || node_phase_is_terminal(w->status.phase) ||
	       node_phase_is_terminal(w->pod->v.phase);
}

/* U: PodStartDuration: the pod was pending and runs now. */
static void count_start(node_worker *w)
{
	bool was_pending = w->pod->v.phase.len == 0 || sp_str_eq(w->pod->v.phase, SP_STR("Pending"));
	if (w->counted_start || !sp_str_eq(w->status.phase, SP_STR("Running")))
		return;
	w->counted_start = true;
	if (was_pending)
		node_count(&w->agent->counters.pod_start, NODE_DURATION_START,
			   sp_now_ns(w->agent->world) - w->first_seen_ns);
}

static bool make_status(node_worker *w)
{
	sp_err err = {0};
	node_status_input in = node_worker_status_input(w);
	node_verdicts verdicts = node_worker_verdicts(w);
	in.verdicts = &verdicts;
	sp_code code = node_status_make(&in, &w->scratch, &w->status, &err);
	/* What has stopped for good is in a final phase, whatever its containers say. */
	if (code == SP_OK && w->stage == NODE_STAGE_STOPPED && !node_phase_is_terminal(w->status.phase)) {
		in.forced_phase = SP_STR("Failed");
		code = node_status_make(&in, &w->scratch, &w->status, &err);
	}
	if (code != SP_OK)
		no_memory(w, &err);
	return code == SP_OK;
}

/* No pod in the API and none known: something of an earlier life. It goes. */
static void decide_orphan(node_worker *w)
{
	if (node_worker_may_run(w))
		node_stop_pod(w, NODE_GRACE_LEAST_S, look_again);
	else
		node_unmount(w, true, remove_sandboxes);
}

/* Without a network only pods on the host's go on. U: Kubelet.SyncPod. */
static void mount_and_act(node_worker *w)
{
	sp_str why;
	if (w->pod->v.host_network || !node_self_network_is_down(w->agent, &why)) {
		node_mount(w, act);
		return;
	}
	node_worker_event(w, NULL, true, "NetworkNotReady", "network is not ready: " SP_FMT, SP_ARG(why));
	node_worker_again(w, NODE_SECOND_NS);
	node_worker_end_turn(w);
}

void node_decide(node_worker *w)
{
	if (w->pod == NULL) {
		decide_orphan(w);
		return;
	}
	check_deadline(w);
	if (!admit(w)) {
		node_worker_end_turn(w);
		return;
	}
	if (w->stage == NODE_STAGE_STOPPING && !node_worker_may_run(w))
		w->stage = NODE_STAGE_STOPPED;
	node_probes_update(w);
	node_resize_look(w);
	node_reset_look(w);
	if (!make_status(w))
		return;
	if (w->stage == NODE_STAGE_RUN && has_ended(w))
		w->stage = node_worker_may_run(w) ? NODE_STAGE_STOPPING : NODE_STAGE_STOPPED;
	if (w->stage == NODE_STAGE_STOPPED && !make_status(w))
		return;
	if (w->stage == NODE_STAGE_STOPPED)
		node_resize_room(w);
	count_start(w);
	if (!w->is_gone)
		node_report(w);
	switch (w->stage) {
	case NODE_STAGE_RUN:
		node_prune(w, mount_and_act);
		return;
	case NODE_STAGE_STOPPING:
		node_stop_pod(w, node_worker_grace(w), look_again);
		return;
	case NODE_STAGE_STOPPED:
		stopped(w);
		return;
	}
}
