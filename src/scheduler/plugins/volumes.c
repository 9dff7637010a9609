/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/plugins/volumes.h"

#include "scheduler/counters_int.h"

#define OBJECT_ARENA_BYTES ((size_t)1 << 20)

typedef struct claim_use {
	sp_str key;
	uint32_t n;
} claim_use;

struct sched_volumes {
	sp_map objects[SCHED_VOLUME_KINDS_];
	sp_map uses; /* claim_use by key of the claim */
};

static struct sched_volumes *volumes_of(sched_state *st)
{
	if (st->volumes == NULL && (st->volumes = sp_try_alloc(sizeof *st->volumes)) != NULL) {
		for (size_t k = 0; k < SCHED_VOLUME_KINDS_; k++)
			sp_map_init(&st->volumes->objects[k]);
		sp_map_init(&st->volumes->uses);
	}
	return st->volumes;
}

/* -- objects -------------------------------------------------------------------------------------------- */

static sp_str text(yyjson_val *object, const char *member)
{
	return sp_json_str(yyjson_obj_get(object, member));
}

static sp_code dup_into(sp_arena *a, sp_str s, sp_str *ret)
{
	*ret = s.len == 0 ? (sp_str){0} : sp_arena_try_dup(a, s);
	return ret->len == s.len ? SP_OK : SP_ENOMEM;
}

static sp_code read_pvc(yyjson_val *object, sched_pvc *c)
{
	yyjson_val *meta = yyjson_obj_get(object, "metadata"), *spec = yyjson_obj_get(object, "spec");
	yyjson_val *annotations = yyjson_obj_get(meta, "annotations");
	sp_str old_class = text(annotations, "volume.beta.kubernetes.io/storage-class");
	c->key = SP_CONCAT(&c->arena, text(meta, "namespace"), SP_STR("/"), text(meta, "name"));
	if (c->key.ptr == NULL)
		return SP_ENOMEM;
	c->deleting = yyjson_obj_get(meta, "deletionTimestamp") != NULL;
	c->lost = sp_str_eq(text(yyjson_obj_get(object, "status"), "phase"), SP_STR("Lost"));
	yyjson_arr_iter it = yyjson_arr_iter_with(yyjson_obj_get(spec, "accessModes"));
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;)
		c->single_pod |= sp_str_eq(sp_json_str(v), SP_STR("ReadWriteOncePod"));
	SP_TRY(dup_into(&c->arena, text(spec, "volumeName"), &c->volume));
	c->bound =
		c->volume.len > 0 && yyjson_obj_get(annotations, "pv.kubernetes.io/bind-completed") != NULL;
	return dup_into(&c->arena, old_class.len > 0 ? old_class : text(spec, "storageClassName"),
			&c->class_name);
}

static sp_code read_pv(yyjson_val *object, sched_pv *v)
{
	yyjson_val *meta = yyjson_obj_get(object, "metadata");
	yyjson_val *affinity = yyjson_obj_get(yyjson_obj_get(object, "spec"), "nodeAffinity");
	yyjson_val *required = yyjson_obj_get(affinity, "required");
	SP_TRY(dup_into(&v->arena, text(meta, "name"), &v->name));
	SP_TRY(sched_labels_read(&v->arena, yyjson_obj_get(meta, "labels"), &v->labels, &v->n_labels));
	v->has_terms = required != NULL;
	return sched_node_terms_read(&v->arena, required, &v->terms, &v->n_terms, NULL);
}

static sp_code read_class(yyjson_val *object, sched_storage_class *c)
{
	c->waits = sp_str_eq(text(object, "volumeBindingMode"), SP_STR("WaitForFirstConsumer"));
	return dup_into(&c->arena, text(yyjson_obj_get(object, "metadata"), "name"), &c->name);
}

/* All three begin with their key and their arena. */
typedef struct any_object {
	sp_str key;
	sp_arena arena;
} any_object;
_Static_assert(offsetof(sched_pvc, arena) == offsetof(any_object, arena), "claims begin so");
_Static_assert(offsetof(sched_pv, arena) == offsetof(any_object, arena), "volumes begin so");
_Static_assert(offsetof(sched_storage_class, arena) == offsetof(any_object, arena), "classes begin so");

static void object_free(any_object *o)
{
	if (o == NULL)
		return;
	sp_arena_done(&o->arena);
	sp_free(o);
}

static sp_code read_object(sched_volume_kind kind, yyjson_val *object, any_object *o)
{
	switch (kind) {
	case SCHED_PVC:
		return read_pvc(object, (sched_pvc *)(void *)o);
	case SCHED_PV:
		return read_pv(object, (sched_pv *)(void *)o);
	case SCHED_STORAGE_CLASS:
		return read_class(object, (sched_storage_class *)(void *)o);
	case SCHED_VOLUME_KINDS_:
		break;
	}
	SP_UNREACHABLE();
}

sp_code sched_put_volume_object(sched_state *st, sched_volume_kind kind, yyjson_val *object, sp_err *err)
{
	static const size_t sizes[] = {sizeof(sched_pvc), sizeof(sched_pv), sizeof(sched_storage_class)};
	struct sched_volumes *all = volumes_of(st);
	any_object *o = all == NULL ? NULL : sp_try_alloc(sizes[kind]);
	void *old = NULL;
	if (o == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a volume");
	sp_arena_init(&o->arena, OBJECT_ARENA_BYTES);
	sp_code code = read_object(kind, object, o);
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
	struct sched_volumes *all = volumes_of(st);
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
	sp_free(all);
	st->volumes = NULL;
}
