/* SPDX-License-Identifier: Apache-2.0 */
/* U: plugins/volumezone/volume_zone.go. Labels of a volume that say in which zone or region it is. */
#include "scheduler/plugins/volumes.h"

static const struct {
	sp_str key, ga; /* of a node that has only the newer one */
} topology_labels[] = {
	{SP_STR_INIT("failure-domain.beta.kubernetes.io/zone"), SP_STR_INIT("topology.kubernetes.io/zone")},
	{SP_STR_INIT("failure-domain.beta.kubernetes.io/region"),
	 SP_STR_INIT("topology.kubernetes.io/region")},
	{SP_STR_INIT("topology.kubernetes.io/zone"), SP_STR_INIT("topology.kubernetes.io/zone")},
	{SP_STR_INIT("topology.kubernetes.io/region"), SP_STR_INIT("topology.kubernetes.io/region")},
};

/* A label with an empty zone in it says nothing. */
static bool is_valid(sp_str zones)
{
	size_t at = 0;
	for (ptrdiff_t next; (next = sp_str_find(sp_str_sub(zones, at, zones.len), SP_STR("__"))) > 0;)
		at += (size_t)next + 2;
	return at < zones.len && !sp_str_starts(sp_str_sub(zones, at, zones.len), SP_STR("__"));
}

static const sp_str *zones_of(const sched_pv *v, sp_str key)
{
	const sp_str *zones = sched_label(v->labels, v->n_labels, key);
	return zones == NULL || !is_valid(*zones) ? NULL : zones;
}

static bool is_zoned(const sched_pv *v)
{
	for (size_t k = 0; k < SP_LEN(topology_labels); k++) {
		if (zones_of(v, topology_labels[k].key) != NULL)
			return true;
	}
	return false;
}

static sched_verdict reject(sched_cycle *c, sched_status *why, sp_str kind, sp_str name)
{
	sp_str text = name.len == 0 ? kind
				    : SP_CONCAT(&c->arena, kind, SP_STR(" \""), name, SP_STR("\" not found"));
	if (text.ptr == NULL)
		return SCHED_FAILED;
	sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_VOLUME_ZONE, text);
	return SCHED_UNRESOLVABLE;
}

/* A claim without a volume gets one on the node that is chosen, or the pod is not for now. */
static sched_verdict without_volume(sched_cycle *c, const sched_pvc *pvc, sched_status *why)
{
	const sched_storage_class *k = sched_find_class(c->st, pvc->class_name);
	if (pvc->class_name.len == 0)
		return reject(c, why, SP_STR("PersistentVolumeClaim had no pv name and storageClass name"),
			      (sp_str){0});
	if (k == NULL)
		return reject(c, why, SP_STR("storageclass.storage.k8s.io"), pvc->class_name);
	return k->waits ? SCHED_OK : reject(c, why, SP_STR("PersistentVolume had no name"), (sp_str){0});
}

/* Ephemeral claims are not looked at, as upstream does not. */
static sched_verdict look_at(sched_cycle *c, const sched_claim *claim, sched_status *why)
{
	sp_str key = sched_claim_key(&c->arena, c->pod, claim);
	if (key.ptr == NULL)
		return SCHED_FAILED;
	const sched_pvc *pvc = sched_find_pvc(c->st, key);
	if (claim->ephemeral)
		return SCHED_OK;
	if (pvc == NULL)
		return reject(c, why, SP_STR("persistentvolumeclaim"), claim->name);
	if (pvc->volume.len == 0)
		return without_volume(c, pvc, why);
	const sched_pv *v = sched_find_pv(c->st, pvc->volume);
	if (v == NULL)
		return reject(c, why, SP_STR("persistentvolume"), pvc->volume);
	if (is_zoned(v))
		c->volumes->zoned[c->volumes->n_zoned++] = v;
	return SCHED_OK;
}

static sched_verdict prefilter(sched_cycle *c, sched_status *why)
{
	const sched_spec *s = c->spec;
	if (s->n_claims == 0)
		return SCHED_SKIP;
	if (c->volumes == NULL)
		c->volumes = sp_try_new(&c->arena, sched_volume_state, 1);
	if (c->volumes == NULL ||
	    (c->volumes->zoned = sp_try_new(&c->arena, const sched_pv *, s->n_claims)) == NULL)
		return SCHED_FAILED;
	for (size_t i = 0; i < s->n_claims; i++) {
		sched_verdict v = look_at(c, &s->claims[i], why);
		if (v != SCHED_OK)
			return v;
	}
	return c->volumes->n_zoned == 0 ? SCHED_SKIP : SCHED_OK;
}

/* Zones of a volume that is in several are joined by two underscores. */
static bool is_one_of(sp_str zones, sp_str zone)
{
	while (zones.len > 0) {
		ptrdiff_t at = sp_str_find(zones, SP_STR("__"));
		size_t end = at < 0 ? zones.len : (size_t)at;
		if (sp_str_eq(sp_str_sub(zones, 0, end), zone))
			return true;
		zones = sp_str_sub(zones, SP_MIN(end + 2, zones.len), zones.len);
	}
	return false;
}

static bool holds(const sched_pv *v, const sched_node *node)
{
	for (size_t k = 0; k < SP_LEN(topology_labels); k++) {
		const sp_str *zones = zones_of(v, topology_labels[k].key);
		const sp_str *zone = sched_node_label(node, topology_labels[k].key);
		if (zones == NULL)
			continue;
		if (zone == NULL)
			zone = sched_node_label(node, topology_labels[k].ga);
		if (zone == NULL || !is_one_of(*zones, *zone))
			return false;
	}
	return true;
}

static bool has_topology(const sched_node *node)
{
	for (size_t k = 0; k < SP_LEN(topology_labels); k++) {
		if (sched_node_label(node, topology_labels[k].key) != NULL)
			return true;
	}
	return false;
}

static sched_verdict filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *why)
{
	const sched_node *node = c->st->t.nodes[slot];
	(void)o;
	for (size_t i = 0; has_topology(node) && i < c->volumes->n_zoned; i++) {
		if (holds(c->volumes->zoned[i], node))
			continue;
		sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_VOLUME_ZONE,
			     SP_STR("node(s) had no available volume zone"));
		return SCHED_UNRESOLVABLE;
	}
	return SCHED_OK;
}

static void filter(sched_cycle *c, uint64_t *nodes)
{
	SCHED_BITS_EACH (slot, nodes, c->n_words) {
		sched_status why = {0};
		if (filter_node(c, slot, NULL, &why) != SCHED_OK)
			sched_bit_clear(nodes, slot);
	}
}

const sched_plugin sched_volume_zone = {
	.name = "VolumeZone", .prefilter = prefilter, .filter = filter, .filter_node = filter_node};
