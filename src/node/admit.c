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
	*ret = (node_room){
		.pods = a->opts.pods_max == 0 ? NODE_PODS_MAX_DEFAULT : a->opts.pods_max,
		.cpu_milli = a->cpu_milli,
		.memory_bytes = a->memory_bytes - node_eviction_kept(e, NODE_SIGNAL_MEMORY, a->memory_bytes),
		.ephemeral_bytes = a->disk_bytes - node_eviction_kept(e, NODE_SIGNAL_NODEFS, a->disk_bytes),
		.others = others,
		.n_others = n};
	return true;
}

bool node_admit(node_worker *w)
{
	node_room room;
	node_refusal why = {.reason = ""};
	if (!find_room(w, false, &room) || node_admission_check(w->pod, &room, &why))
		return true;
	node_worker_reject(w, sp_str_c(why.reason), sp_str_c(why.message));
	return false;
}

bool node_admit_grown(node_worker *w, node_refusal *ret)
{
	node_room room;
	*ret = (node_refusal){.reason = ""};
	return find_room(w, true, &room) && node_admission_fits(w->pod, &room, ret);
}
