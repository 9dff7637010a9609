/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/hints.h"

#include "scheduler/plugins/volumes.h"

/* -- nodes ---------------------------------------------------------------------------------------------- */

/* Every taint that keeps pods away is tolerated, the one of a cordon too. */
static bool lets_in(const sched_state *st, const sched_spec *s, const sched_node *node)
{
	static const sched_taint cordon = {.key = SP_STR_INIT("node.kubernetes.io/unschedulable"),
					   .effect = SP_STR_INIT("NoSchedule")};
	if (sched_bit(st->t.unschedulable, node->slot) &&
	    !sched_tolerated(s->tolerations, s->n_tolerations, &cordon))
		return false;
	for (size_t i = 0; node->taints != NULL && i < node->taints->n_taints; i++) {
		const sched_taint *t = &node->taints->taints[i];
		if (!sp_str_eq(t->effect, SP_STR("PreferNoSchedule")) &&
		    !sched_tolerated(s->tolerations, s->n_tolerations, t))
			return false;
	}
	return true;
}

/* The pod would fit on the node if it were empty. */
static bool large_enough(const sched_state *st, const sched_spec *s, const sched_node *node)
{
	const sched_table *t = &st->t;
	const sched_requests *r = &s->requests.filter;
	uint32_t slot = node->slot;
	if (t->alloc_pods[slot] < 1 || r->cpu_milli > t->alloc_cpu[slot] ||
	    r->memory > t->alloc_memory[slot] || r->ephemeral > t->alloc_ephemeral[slot])
		return false;
	for (uint32_t i = 0; i < r->n_scalars; i++) {
		if (r->scalars[i].amount > t->alloc_scalar[r->scalars[i].resource][slot])
			return false;
	}
	return true;
}

static bool by_node(const sched_state *st, const sched_spec *s, sched_plugin_id plugin,
		    const sched_node *node)
{
	if (node == NULL || !node->exists)
		return true;
	switch ((unsigned)plugin) {
	case SCHED_P_NODE_UNSCHEDULABLE:
	case SCHED_P_TAINT_TOLERATION:
		return lets_in(st, s, node);
	case SCHED_P_NODE_AFFINITY:
		return !s->has_node_need || sched_need_holds(&s->need, node);
	case SCHED_P_NODE_RESOURCES_FIT:
		return large_enough(st, s, node);
	default:
		return plugin != SCHED_P_DYNAMIC_RESOURCES && plugin != SCHED_P_SCHEDULING_GATES;
	}
}

/* -- pods ----------------------------------------------------------------------------------------------- */

static bool ports_clash(const sched_spec *a, const sched_spec *b)
{
	for (size_t i = 0; i < a->n_ports; i++) {
		for (size_t k = 0; k < b->n_ports; k++) {
			if (a->ports[i].port == b->ports[k].port &&
			    sp_str_eq(a->ports[i].protocol, b->ports[k].protocol))
				return true;
		}
	}
	return false;
}

static bool spread_counts(const sched_spec *s, const sched_pod *pod)
{
	const sched_pod_class *pc = pod->spec->pc;
	if (pc->ns != s->pc->ns)
		return false;
	for (size_t i = 0; i < s->n_hard; i++) {
		if (sp_labels_match(&s->hard[i].labels, pc->labels, pc->n_labels))
			return true;
	}
	return s->n_hard == 0; /* the profile's default constraints */
}

/* A pod that comes may be the one to be with. */
static bool is_wanted(const sched_spec *s, const sched_pod *pod)
{
	for (size_t i = 0; i < s->n_affinity; i++) {
		if (!sched_matches_placed(&s->affinity[i].matcher, pod->spec->pc))
			return false;
	}
	return s->n_affinity > 0;
}

/* A pod that goes may be the one that kept us away, or the reason why we could not be the first. */
static bool was_in_the_way(const sched_spec *s, const sched_pod *pod)
{
	const sched_pod_class *pc = pod->spec->pc;
	for (size_t i = 0; i < s->n_anti; i++) {
		if (sched_matches_placed(&s->anti[i].matcher, pc))
			return true;
	}
	for (size_t i = 0; i < pod->spec->n_anti; i++) {
		if (sched_matches_incoming(&pod->spec->anti[i].matcher, s->pc))
			return true;
	}
	return is_wanted(s, pod);
}

static bool by_pod_gone(const sched_spec *s, sched_plugin_id plugin, const sched_pod *pod)
{
	switch ((unsigned)plugin) {
	case SCHED_P_NODE_RESOURCES_FIT:
		return true;
	case SCHED_P_NODE_PORTS:
		return ports_clash(s, pod->spec);
	case SCHED_P_POD_TOPOLOGY_SPREAD:
		return spread_counts(s, pod);
	case SCHED_P_INTER_POD_AFFINITY:
		return was_in_the_way(s, pod);
	case SCHED_P_VOLUME_RESTRICTIONS:
		return pod->spec->n_disks > 0 || pod->spec->n_claims > 0;
	case SCHED_P_NODE_VOLUME_LIMITS:
		return pod->spec->has_in_tree || pod->spec->n_claims > 0;
	default:
		return false;
	}
}

static bool by_pod_placed(const sched_spec *s, sched_plugin_id plugin, const sched_change *c)
{
	switch ((unsigned)plugin) {
	case SCHED_P_NODE_RESOURCES_FIT:
		return c->smaller;
	case SCHED_P_POD_TOPOLOGY_SPREAD:
		return spread_counts(s, c->pod);
	case SCHED_P_INTER_POD_AFFINITY:
		return is_wanted(s, c->pod);
	default:
		return false;
	}
}

/* -- volumes -------------------------------------------------------------------------------------------- */

/* A claim of the pod; of an ephemeral one only the end of its name is known. */
static bool is_own_claim(const sched_spec *s, sp_str key)
{
	sp_str ns;
	if (!sp_str_cut(&key, '/', &ns) || !sp_str_eq(ns, s->pc->ns->name))
		return false;
	for (size_t i = 0; i < s->n_claims; i++) {
		if (s->claims[i].ephemeral ? sp_str_ends(key, s->claims[i].name)
					   : sp_str_eq(key, s->claims[i].name))
			return true;
	}
	return false;
}

static bool by_limit(const sched_state *st, const sched_spec *s, const sched_change *c)
{
	const sched_csi_node *node = NULL;
	switch ((unsigned)c->volume) {
	case SCHED_CSI_NODE:
		node = sched_find_csi_node(st, c->key);
		return node != NULL && node->grown;
	case SCHED_PVC:
		return !c->went && is_own_claim(s, c->key);
	case SCHED_ATTACHMENT:
		return c->went;
	default:
		return false;
	}
}

#define OF(kind_) (1u << SCHED_##kind_)

static bool by_volume(const sched_state *st, const sched_spec *s, sched_plugin_id plugin,
		      const sched_change *c)
{
	static const uint32_t kinds[SCHED_PLUGINS_] = {
		[SCHED_P_VOLUME_RESTRICTIONS] = OF(PVC),
		[SCHED_P_VOLUME_BINDING] =
			OF(PVC) | OF(PV) | OF(STORAGE_CLASS) | OF(CSI_DRIVER) | OF(CAPACITY) | OF(CSI_NODE),
		[SCHED_P_VOLUME_ZONE] = OF(PVC) | OF(PV) | OF(STORAGE_CLASS),
	};
	if (plugin == SCHED_P_NODE_VOLUME_LIMITS)
		return by_limit(st, s, c);
	return !c->went && (kinds[plugin] >> c->volume & 1u) != 0;
}

bool sched_hint(const sched_state *st, const sched_spec *s, sched_plugin_id plugin, const sched_change *c)
{
	switch (c->kind) {
	case SCHED_CHANGE_NODE:
		return by_node(st, s, plugin, c->node);
	case SCHED_CHANGE_NODE_GONE:
		return plugin == SCHED_P_POD_TOPOLOGY_SPREAD;
	case SCHED_CHANGE_POD_PLACED:
		return by_pod_placed(s, plugin, c);
	case SCHED_CHANGE_POD_GONE:
		return by_pod_gone(s, plugin, c->pod);
	case SCHED_CHANGE_NAMESPACE:
		return plugin == SCHED_P_INTER_POD_AFFINITY;
	case SCHED_CHANGE_VOLUME:
		return by_volume(st, s, plugin, c);
	case SCHED_CHANGE_ANY:
		return true;
	}
	SP_UNREACHABLE();
}

sp_str sched_change_name(const sched_change *change)
{
	static const sp_str names[] = {
		[SCHED_CHANGE_NODE] = SP_STR_INIT("NodeUpdate"),
		[SCHED_CHANGE_NODE_GONE] = SP_STR_INIT("NodeDelete"),
		[SCHED_CHANGE_POD_PLACED] = SP_STR_INIT("AssignedPodAdd"),
		[SCHED_CHANGE_POD_GONE] = SP_STR_INIT("AssignedPodDelete"),
		[SCHED_CHANGE_NAMESPACE] = SP_STR_INIT("NamespaceUpdate"),
		[SCHED_CHANGE_ANY] = SP_STR_INIT("ForceActivate"),
	};
	static const sp_str volumes[SCHED_VOLUME_KINDS_][2] = {
		[SCHED_PVC] = {SP_STR_INIT("PersistentVolumeClaimUpdate"),
			       SP_STR_INIT("PersistentVolumeClaimDelete")},
		[SCHED_PV] = {SP_STR_INIT("PersistentVolumeUpdate"), SP_STR_INIT("PersistentVolumeDelete")},
		[SCHED_STORAGE_CLASS] = {SP_STR_INIT("storage.k8s.io/StorageClassUpdate"),
					 SP_STR_INIT("storage.k8s.io/StorageClassDelete")},
		[SCHED_CSI_DRIVER] = {SP_STR_INIT("storage.k8s.io/CSIDriverUpdate"),
				      SP_STR_INIT("storage.k8s.io/CSIDriverDelete")},
		[SCHED_CAPACITY] = {SP_STR_INIT("storage.k8s.io/CSIStorageCapacityUpdate"),
				    SP_STR_INIT("storage.k8s.io/CSIStorageCapacityDelete")},
		[SCHED_CSI_NODE] = {SP_STR_INIT("storage.k8s.io/CSINodeUpdate"),
				    SP_STR_INIT("storage.k8s.io/CSINodeDelete")},
		[SCHED_ATTACHMENT] = {SP_STR_INIT("storage.k8s.io/VolumeAttachmentUpdate"),
				      SP_STR_INIT("storage.k8s.io/VolumeAttachmentDelete")},
	};
	return change->kind == SCHED_CHANGE_VOLUME ? volumes[change->volume][change->went]
						   : names[change->kind];
}
