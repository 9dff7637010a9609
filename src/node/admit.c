/* SPDX-License-Identifier: Apache-2.0 */
/* Admission on the node, of pods that have not begun: see admission.h. U: kubelet.go HandlePodAdditions. */
#include "node/node_int.h"

/* Told to the API, or decided in this life of the agent. */
static bool has_begun(const node_worker *o)
{
	return o->was_admitted || o->pod->v.has_start;
}

/* What has ended takes no room, also before its first turn in this life of the agent. U:
 * filterOutInactivePods. */
static bool takes_room(const node_worker *o, bool all)
{
	return o->pod != NULL && o->stage != NODE_STAGE_STOPPED && !o->is_freed &&
	       !node_phase_is_terminal(o->pod->v.phase) && (all || has_begun(o));
}

/* False: no memory. Everything lives as long as the turn. */
static bool find_room(node_worker *w, bool all, node_room *ret)
{
	const node_agent *a = w->agent;
	const node_eviction *e = &a->opts.eviction;
	size_t n = 0;
	SP_LIST_FOREACH (node, &a->workers)
		n++;
	const node_pod **others = sp_try_new(&w->scratch, const node_pod *, n);
	if (others == NULL)
		return false;
	n = 0;
	SP_LIST_FOREACH (node, &a->workers) {
		node_worker *o = SP_CONTAINER_OF(node, node_worker, node);
		/* an earlier life of the agent began it, and its first turn is to come */
		if (o->pod == NULL && !o->busy && !o->is_freed)
			node_worker_take_pod(o);
		if (o != w && takes_room(o, all))
			others[n++] = o->pod;
	}
	*ret = (node_room){.pods = a->opts.pods_max == 0 ? NODE_PODS_MAX_DEFAULT : a->opts.pods_max,
			   .cpu_milli = a->cpu_milli,
			   .memory_bytes = node_memory_for_pods(a),
			   .ephemeral_bytes =
				   a->disk_bytes - node_eviction_kept(e, NODE_SIGNAL_NODEFS, a->disk_bytes),
			   .has_strict_groups = node_self_has_strict_groups(a),
			   .sysctls = &a->sysctls,
			   .others = others,
			   .n_others = n};
	return node_self_view(a, w->knows_node, &w->scratch, &ret->self, &ret->scalars);
}

/* ---- room for critical pods. U: CriticalPodAdmissionHandler ---- */

#define KILL_NS_MIN (10 * NODE_SECOND_NS)

/* How long the end of a pod is waited for. U: killPodNow. */
static uint64_t kill_ns(const node_worker *w)
{
	uint64_t grace = (uint64_t)SP_MAX(w->pod->v.has_grace_s ? w->pod->v.grace_s : 0, 0);
	grace = SP_MIN(grace, (uint64_t)UINT32_MAX) * NODE_SECOND_NS;
	grace += grace / 2;
	return SP_MAX(grace, KILL_NS_MIN);
}

/* U: HandleAdmissionFailure: nothing but room is missing; it may begin when these pods have ended. */
static void preempt(node_worker *w, const node_room *room, const node_findings *f)
{
	node_preempted gone;
	sp_err err = {0};
	node_agent *a = w->agent;
	uint64_t now = sp_now_ns(a->world);
	if (node_preempt_choose(w->pod, room->others, room->n_others, f->lacks, f->n_lacks, &w->scratch,
				&gone, &err) != SP_OK) {
		sp_str why = sp_arena_printf(
			&w->scratch,
			"Unexpected error while attempting to recover from admission failure: %s", err.msg);
		node_worker_reject(w, SP_STR("UnexpectedAdmissionError"), why);
		return;
	}
	w->room_by_ns = now;
	for (size_t i = 0; i < gone.n; i++) {
		node_worker *o = node_agent_worker(a, gone.at[i]->v.uid);
		sp_log(a->log, SP_LOG_INFO, "a pod makes room for a critical one", SP_KS("namespace", o->ns),
		       SP_KS("pod", o->name), SP_KS("for", w->name));
		w->room_by_ns = SP_MAX(w->room_by_ns, now + kill_ns(o));
		node_worker_preempt(o);
		node_count_preemption(&a->counters, f->lacks[0].resource);
	}
}

bool node_admit_waits(node_worker *w)
{
	uint64_t now = sp_now_ns(w->agent->world);
	bool any = false;
	if (w->room_by_ns == 0)
		return false;
	SP_LIST_FOREACH (node, &w->agent->workers) {
		node_worker *o = SP_CONTAINER_OF(node, node_worker, node);
		if (!o->is_preempted || o->stage == NODE_STAGE_STOPPED || o->is_freed)
			continue;
		any = true;
		if (now >= w->room_by_ns)
			node_worker_event(o, NULL, true, "ExceededGracePeriod",
					  "Container runtime did not kill the pod within specified grace "
					  "period.");
	}
	if (any && now < w->room_by_ns) {
		node_worker_again(w, w->room_by_ns - now);
		return true;
	}
	w->room_by_ns = 0;
	return false;
}

/* ---- all ---- */

bool node_admit(node_worker *w)
{
	node_room room;
	node_findings f;
	/* Labels and taints of the node count; a static pod does not wait for them. */
	if (w->own == NULL && !node_self_is_known(w->agent))
		return false;
	if (!find_room(w, false, &room) || node_admission_check(w->pod, &room, &f))
		return true;
	if (f.only_affinity && !w->knows_node) { /* its labels may have changed just now */
		node_self_ask(w);
		return false;
	}
	const node_refusal *why = &f.why;
	bool critical = node_pod_is_critical(w->pod);
	if (critical && f.n_lacks > 0 && f.other.reason[0] == '\0') {
		preempt(w, &room, &f);
		return true;
	}
	if (critical && f.other.reason[0] != '\0')
		why = &f.other;
	node_worker_reject(w, sp_str_c(why->reason), sp_str_c(why->message));
	return true;
}

bool node_admit_grown(node_worker *w, node_refusal *ret)
{
	node_room room;
	*ret = (node_refusal){.reason = ""};
	return find_room(w, true, &room) && node_admission_fits(w->pod, &room, ret);
}
