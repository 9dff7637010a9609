/* SPDX-License-Identifier: Apache-2.0 */
/*
 * U: plugins/nodevolumelimits/csi.go. A node takes a pod when what its driver has to attach for it still fits
 * beside what is attached. A volume that is there because of a VolumeAttachment only counts again when the
 * pod wants it, as upstream counts it.
 */
#include "scheduler/plugins/volumes.h"

static void add(sched_volume_state *s, sched_attachable *list, const sched_attachable *x)
{
	for (size_t i = 0; i < s->n_attached; i++) {
		if (sp_str_eq(list[i].volume, x->volume))
			return;
	}
	if (x->volume.len > 0)
		list[s->n_attached++] = *x;
}

/* What the pod has of claims, in `list`. */
static sched_verdict of_claims(sched_cycle *c, sched_attachable *list)
{
	const sched_spec *s = c->spec;
	for (size_t i = 0; i < s->n_claims; i++) {
		sched_attachable x;
		sp_str key = sched_claim_key(&c->arena, c->pod, &s->claims[i]);
		if (key.ptr == NULL || sched_claim_attaches(c->st, &c->arena, key, &x) != SP_OK)
			return SCHED_FAILED;
		if (sched_find_pvc(c->st, key) == NULL) { /* with VolumeBinding on no pod gets here */
			sp_str name = sp_str_sub(key, c->pod->ns.len + 1, key.len);
			c->volumes->lost =
				SP_CONCAT(&c->arena, SP_STR("looking up PVC "), key,
					  SP_STR(": persistentvolumeclaim \""), name, SP_STR("\" not found"));
			return c->volumes->lost.ptr == NULL ? SCHED_FAILED : SCHED_OK;
		}
		add(c->volumes, list, &x);
	}
	return SCHED_OK;
}

static sched_verdict prefilter(sched_cycle *c, sched_status *why)
{
	const sched_spec *s = c->spec;
	(void)why;
	if (s->n_claims == 0 && s->n_inlined == 0)
		return SCHED_SKIP;
	sched_attachable *list = sp_try_new(&c->arena, sched_attachable, s->n_claims + s->n_inlined);
	if (c->volumes == NULL)
		c->volumes = sp_try_new(&c->arena, sched_volume_state, 1);
	if (list == NULL || c->volumes == NULL)
		return SCHED_FAILED;
	c->volumes->attached = list;
	sched_verdict v = of_claims(c, list);
	for (size_t i = 0; i < s->n_inlined; i++)
		add(c->volumes, list, &s->inlined[i]);
	return v == SCHED_OK && c->volumes->n_attached == 0 && c->volumes->lost.len == 0 ? SCHED_SKIP : v;
}

/* ---- other pods on the node than there are ---- */

/* A volume that pods of an overlay use more or less. */
typedef struct change {
	sched_attachable x;
	int64_t by;
	struct change *next;
} change;

static bool change_by(sched_cycle *c, change **list, const sched_attachable *x, int by)
{
	if (x->volume.len == 0)
		return true;
	for (change *k = *list; k != NULL; k = k->next) {
		if (sp_str_eq(k->x.volume, x->volume)) {
			k->by += by;
			return true;
		}
	}
	change *k = sp_try_new(&c->arena, change, 1);
	if (k == NULL)
		return false;
	*k = (change){*x, by, *list};
	*list = k;
	return true;
}

static bool change_pod(sched_cycle *c, change **list, const sched_pod *pod, int by)
{
	for (size_t i = 0; i < pod->spec->n_claims; i++) {
		sched_attachable x;
		sp_str key = sched_claim_key(&c->arena, pod, &pod->spec->claims[i]);
		if (key.ptr == NULL || sched_claim_attaches(c->st, &c->arena, key, &x) != SP_OK ||
		    !change_by(c, list, &x, by))
			return false;
	}
	for (size_t i = 0; i < pod->spec->n_inlined; i++) {
		if (!change_by(c, list, &pod->spec->inlined[i], by))
			return false;
	}
	return true;
}

static bool changes_of(sched_cycle *c, const sched_overlay *o, change **ret)
{
	for (size_t i = 0; o != NULL && i < o->n_disk_pods; i++) {
		if (!change_pod(c, ret, o->disk_pods[i].pod, o->disk_pods[i].by))
			return false;
	}
	return true;
}

/* ---- counting ---- */

static int64_t pods_with(const sched_node_volumes *n, const change *changes, sp_str volume)
{
	bool attached;
	int64_t pods = sched_attached_pods(n, volume, &attached);
	for (const change *k = changes; k != NULL; k = k->next)
		pods += sp_str_eq(k->x.volume, volume) ? k->by : 0;
	return pods;
}

/* Volumes of the driver on the node, as the overlay would have it. */
static int64_t count_attached(const sched_node_volumes *n, const change *changes, sp_str driver)
{
	int64_t all = sched_attached_count(n, driver);
	for (const change *k = changes; k != NULL; k = k->next) {
		bool attached;
		int64_t before = sched_attached_pods(n, k->x.volume, &attached);
		if (sp_str_eq(k->x.driver, driver) && !attached)
			all += (before + k->by > 0) - (before > 0);
	}
	return all;
}

static int64_t count_new(const sched_volume_state *s, const sched_node_volumes *n, const change *changes,
			 sp_str driver)
{
	int64_t new = 0;
	for (size_t i = 0; i < s->n_attached; i++) {
		if (sp_str_eq(s->attached[i].driver, driver))
			new += pods_with(n, changes, s->attached[i].volume) <= 0;
	}
	return new;
}

static bool fits(sched_cycle *c, const sched_node *node, const sched_overlay *o)
{
	const sched_csi_node *csi = sched_find_csi_node(c->st, node->name);
	const sched_node_volumes *n;
	change *changes = NULL;
	if (csi == NULL || csi->n_limits == 0)
		return true;
	if (!changes_of(c, o, &changes)) {
		c->code = SP_ENOMEM;
		return false;
	}
	n = sched_find_node_volumes(c->st, node->name);
	for (size_t i = 0; i < csi->n_limits; i++) {
		sp_str driver = csi->limits[i].driver;
		int64_t new = count_new(c->volumes, n, changes, driver);
		if (new > 0 && count_attached(n, changes, driver) + new > csi->limits[i].n)
			return false;
	}
	return true;
}

static sched_verdict filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *why)
{
	sp_str lost = c->volumes->lost;
	if (lost.len == 0 && fits(c, c->st->t.nodes[slot], o))
		return SCHED_OK;
	sched_verdict v = lost.len > 0 ? SCHED_UNRESOLVABLE : SCHED_UNSCHEDULABLE;
	sched_reason(why, v, SCHED_P_NODE_VOLUME_LIMITS,
		     lost.len > 0 ? lost : SP_STR("node(s) exceed max volume count"));
	return v;
}

static void filter(sched_cycle *c, uint64_t *nodes)
{
	SCHED_BITS_EACH (slot, nodes, c->n_words) {
		if (c->volumes->lost.len > 0 || !fits(c, c->st->t.nodes[slot], NULL))
			sched_bit_clear(nodes, slot);
	}
}

const sched_plugin sched_node_volume_limits = {
	.name = "NodeVolumeLimits", .prefilter = prefilter, .filter = filter, .filter_node = filter_node};
