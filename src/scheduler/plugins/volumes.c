/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/plugins/volumes_int.h"

#include "scheduler/counters_int.h"

#define OBJECT_ARENA_BYTES ((size_t)1 << 20)

typedef struct claim_use {
	sp_str key;
	uint32_t n;
} claim_use;

struct sched_volumes *sched_volumes_of(sched_state *st)
{
	struct sched_volumes *all = st->volumes;
	if (all != NULL || (all = st->volumes = sp_try_alloc(sizeof *all)) == NULL)
		return all;
	for (size_t k = 0; k < SCHED_VOLUME_KINDS_; k++)
		sp_map_init(&all->objects[k]);
	sp_map_init(&all->uses);
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
	object_free(code == SP_OK ? old : o);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "no memory for a volume");
}

void sched_remove_volume_object(sched_state *st, sched_volume_kind kind, sp_str key)
{
	if (st->volumes != NULL)
		object_free(sp_map_remove(&st->volumes->objects[kind], key));
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

const void *sched_next_volume_object(const sched_state *st, sched_volume_kind kind, size_t *at)
{
	const sp_map_entry *e = st->volumes == NULL ? NULL : sp_map_next(&st->volumes->objects[kind], at);
	return e == NULL ? NULL : e->value;
}

/* -- claims in use -------------------------------------------------------------------------------------- */

sp_str sched_claim_key(sp_arena *a, const sched_pod *pod, const sched_claim *claim)
{
	if (claim->ephemeral)
		return SP_CONCAT(a, pod->key, SP_STR("-"), claim->name);
	return SP_CONCAT(a, pod->ns, SP_STR("/"), claim->name);
}

static sp_code count_use(struct sched_volumes *all, sp_str key, int sign)
{
	claim_use *u = sp_map_get(&all->uses, key);
	if (u == NULL && sign > 0) {
		u = sp_try_alloc(sizeof *u);
		if (u == NULL || sched_str_dup(key, &u->key) != SP_OK ||
		    sp_map_put(&all->uses, u->key, u, NULL) != SP_OK) {
			if (u != NULL)
				sp_free(sched_str_unconst(u->key));
			sp_free(u);
			return SP_ENOMEM;
		}
	}
	if (u == NULL)
		return SP_OK;
	u->n += (uint32_t)sign;
	if (u->n > 0)
		return SP_OK;
	(void)sp_map_remove(&all->uses, u->key);
	sp_free(sched_str_unconst(u->key));
	sp_free(u);
	return SP_OK;
}

void sched_volumes_count(sched_state *st, const sched_pod *pod, int sign)
{
	if (pod->spec->n_claims == 0)
		return;
	struct sched_volumes *all = sched_volumes_of(st);
	sp_arena a;
	sp_arena_init(&a, (size_t)1 << 20);
	for (size_t i = 0; i < pod->spec->n_claims; i++) {
		sp_str key = sched_claim_key(&a, pod, &pod->spec->claims[i]);
		if (all == NULL || key.ptr == NULL || count_use(all, key, sign) != SP_OK)
			st->broken = true;
	}
	sp_arena_done(&a);
}

uint32_t sched_claim_uses(const sched_state *st, sp_str key)
{
	const claim_use *u = st->volumes == NULL ? NULL : sp_map_get(&st->volumes->uses, key);
	return u == NULL ? 0 : u->n;
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
	for (size_t i = 0; (e = sp_map_next(&all->uses, &i)) != NULL;) {
		claim_use *u = e->value;
		sp_free(sched_str_unconst(u->key));
		sp_free(u);
	}
	sp_map_done(&all->uses);
	sched_assumptions_done(all);
	sp_free(all);
	st->volumes = NULL;
}
