/* SPDX-License-Identifier: Apache-2.0 */
/* Admission on the node, of pods that have not begun: see admission.h. U: kubelet.go HandlePodAdditions. */
#include "node/node_int.h"

/* Told to the API, or decided in this life of the agent. */
static bool has_begun(const node_worker *o)
{
	return o->was_admitted || o->pod->v.has_start;
}

/* False: no memory. Everything lives as long as the turn. */
static bool find_room(node_worker *w, bool all, node_room *ret)
{
	const node_agent *a = w->agent;
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
		if (o != w && o->pod != NULL && o->stage != NODE_STAGE_STOPPED && !o->is_freed &&
		    (all || has_begun(o)))
			others[n++] = o->pod;
	}
	*ret = (node_room){.pods = a->opts.pods_max == 0 ? NODE_PODS_MAX_DEFAULT : a->opts.pods_max,
			   .cpu_milli = a->cpu_milli,
			   .memory_bytes = SP_MAX(0, a->memory_bytes - NODE_EVICTION_MEMORY_BYTES),
			   .ephemeral_bytes = a->disk_bytes - a->disk_bytes / 10,
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
	node_worker_event(w, NULL, true, why.reason, "%s", why.message);
	(void)snprintf(w->rejected_reason, sizeof w->rejected_reason, "%s", why.reason);
	(void)snprintf(w->forced_message, sizeof w->forced_message, "Pod was rejected: %s", why.message);
	w->forced_phase = SP_STR("Failed");
	w->forced_reason = sp_str_c(w->rejected_reason);
	return false;
}

bool node_admit_grown(node_worker *w, node_refusal *ret)
{
	node_room room;
	return find_room(w, true, &room) && node_admission_fits(w->pod, &room, ret);
}
