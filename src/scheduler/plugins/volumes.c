/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/plugins/volumes_int.h"

#include "scheduler/counters_int.h"

#define OBJECT_ARENA_BYTES ((size_t)1 << 20)

struct sched_volumes *sched_volumes_of(sched_state *st)
{
	struct sched_volumes *all = st->volumes;
	if (all != NULL || (all = st->volumes = sp_try_alloc(sizeof *all)) == NULL)
		return all;
	for (size_t k = 0; k < SCHED_VOLUME_KINDS_; k++)
		sp_map_init(&all->objects[k]);
	sp_map_init(&all->uses);
	sp_map_init(&all->nodes);
	sp_map_init(&all->watches);
	sp_map_init(&all->attachments);
	sp_map_init(&all->assumed_claims);
	sp_map_init(&all->assumed_volumes);
	return all;
}

/* -- objects -------------------------------------------------------------------------------------------- */

static void object_free(sched_volume_object *o)
{
	if (o == NULL)
		return;
	sp_arena_done(&o->arena);
	sp_free(o);
}

static int64_t limit_of(const sched_csi_node *n, sp_str driver)
{
	for (size_t i = 0; i < n->n_limits; i++) {
		if (sp_str_eq(n->limits[i].driver, driver))
			return n->limits[i].n;
	}
	return 0;
}

/* U: plugins/nodevolumelimits/csi.go (isSchedulableAfterCSINodeUpdated). */
static bool has_grown(const sched_csi_node *before, const sched_csi_node *now)
{
	bool more = before == NULL;
	for (size_t i = 0; i < now->n_limits && !more; i++)
		more = now->limits[i].n > limit_of(before, now->limits[i].driver);
	return more;
}

sp_code sched_put_volume_object(sched_state *st, sched_volume_kind kind, yyjson_val *object, sp_err *err)
{
	struct sched_volumes *all = sched_volumes_of(st);
	sched_volume_object *o = all == NULL ? NULL : sp_try_alloc(sched_volume_size(kind));
	void *old = NULL;
	if (o == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a volume");
	sp_arena_init(&o->arena, OBJECT_ARENA_BYTES);
	sp_code code = sched_volume_read(kind, object, o);
	if (code == SP_OK)
		code = sp_map_put(&all->objects[kind], o->key, o, &old);
	if (code == SP_OK && kind == SCHED_CSI_NODE)
		((sched_csi_node *)(void *)o)->grown = has_grown(old, (sched_csi_node *)(void *)o);
	object_free(code == SP_OK ? old : o);
	if (code == SP_OK && (code = sched_uses_follow(st, kind, o->key)) != SP_OK)
		st->broken = true;
	return code == SP_OK ? SP_OK : sp_fail(err, code, "no memory for a volume");
}

void sched_remove_volume_object(sched_state *st, sched_volume_kind kind, sp_str key)
{
	if (st->volumes == NULL)
		return;
	object_free(sp_map_remove(&st->volumes->objects[kind], key));
	if (sched_uses_follow(st, kind, key) != SP_OK)
		st->broken = true;
}

static void *find(const sched_state *st, sched_volume_kind kind, sp_str key)
{
	return st->volumes == NULL ? NULL : sp_map_get(&st->volumes->objects[kind], key);
}
const sched_pvc *sched_find_pvc(const sched_state *st, sp_str key)
{
	return find(st, SCHED_PVC, key);
}
const sched_pv *sched_find_pv(const sched_state *st, sp_str name)
{
	return find(st, SCHED_PV, name);
}
const sched_storage_class *sched_find_class(const sched_state *st, sp_str name)
{
	return find(st, SCHED_STORAGE_CLASS, name);
}
const sched_csi_driver *sched_find_csi_driver(const sched_state *st, sp_str name)
{
	return find(st, SCHED_CSI_DRIVER, name);
}
const sched_csi_node *sched_find_csi_node(const sched_state *st, sp_str name)
{
	return find(st, SCHED_CSI_NODE, name);
}

const void *sched_next_volume_object(const sched_state *st, sched_volume_kind kind, size_t *at)
{
	const sp_map_entry *e = st->volumes == NULL ? NULL : sp_map_next(&st->volumes->objects[kind], at);
	return e == NULL ? NULL : e->value;
}

void sched_volumes_done(sched_state *st)
{
	struct sched_volumes *all = st->volumes;
	const sp_map_entry *e;
	if (all == NULL)
		return;
	for (size_t k = 0; k < SCHED_VOLUME_KINDS_; k++) {
		for (size_t i = 0; (e = sp_map_next(&all->objects[k], &i)) != NULL;)
			object_free(e->value);
		sp_map_done(&all->objects[k]);
	}
	sched_uses_done(all);
	sched_assumptions_done(all);
	sp_free(all);
	st->volumes = NULL;
}
