/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of a pod: disks that only some pods may share, and claims. */
#include "scheduler/plugins/in_tree.h"
#include "scheduler/plugins/volumes.h"
#include "scheduler/spec_int.h"

static sp_code read_monitors(sched_spec *s, yyjson_val *list, sched_disk *d)
{
	sp_str *monitors = sp_try_new(&s->arena, sp_str, yyjson_arr_size(list) + 1);
	if (monitors == NULL)
		return SP_ENOMEM;
	d->monitors = monitors;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL; d->n_monitors++) {
		monitors[d->n_monitors] = sp_arena_try_dup(&s->arena, sp_json_str(v));
		if (monitors[d->n_monitors].len != sp_json_str(v).len)
			return SP_ENOMEM;
	}
	return SP_OK;
}

static const struct {
	const char *member, *id;
	sched_disk_kind kind;
} disks[] = {
	{"gcePersistentDisk", "pdName", SCHED_DISK_GCE},
	{"awsElasticBlockStore", "volumeID", SCHED_DISK_AWS},
	{"iscsi", "iqn", SCHED_DISK_ISCSI},
	{"rbd", "image", SCHED_DISK_RBD},
};

static sp_code read_disk(sched_spec *s, yyjson_val *volume, size_t row, sched_disk *d)
{
	yyjson_val *v = yyjson_obj_get(volume, disks[row].member);
	d->kind = (uint8_t)disks[row].kind;
	d->read_only = yyjson_get_bool(yyjson_obj_get(v, "readOnly"));
	SP_TRY(sched_text(s, v, disks[row].id, &d->id));
	if (disks[row].kind != SCHED_DISK_RBD)
		return SP_OK;
	d->id = SP_CONCAT(&s->arena, sp_json_str(yyjson_obj_get(v, "pool")), SP_STR("\x1e"), d->id);
	return d->id.ptr == NULL ? SP_ENOMEM : read_monitors(s, yyjson_obj_get(v, "monitors"), d);
}

/* What a driver took over is attached by it. */
static sp_code read_in_tree(sched_spec *s, yyjson_val *volume, sched_attachable *inlined)
{
	const sched_in_tree *k = sched_in_tree_of(volume);
	sp_str handle;
	s->has_in_tree |= k != NULL;
	if (k == NULL || !k->moved)
		return SP_OK;
	SP_TRY(sched_in_tree_handle(&s->arena, k, volume, &handle));
	if (handle.len == 0)
		return SP_OK;
	sched_attachable *x = &inlined[s->n_inlined++];
	x->driver = k->driver;
	x->volume = SP_CONCAT(&s->arena, k->driver, SP_STR("/"), handle);
	return x->volume.ptr == NULL ? SP_ENOMEM : SP_OK;
}

static sp_code read_volume(sched_spec *s, yyjson_val *volume, sched_disk *list, sched_claim *claims)
{
	for (size_t row = 0; row < SP_LEN(disks); row++) {
		if (yyjson_obj_get(volume, disks[row].member) != NULL)
			SP_TRY(read_disk(s, volume, row, &list[s->n_disks++]));
	}
	yyjson_val *claim = yyjson_obj_get(volume, "persistentVolumeClaim");
	bool ephemeral = yyjson_obj_get(volume, "ephemeral") != NULL;
	if (claim == NULL && !ephemeral)
		return SP_OK;
	sched_claim *k = &claims[s->n_claims++];
	k->ephemeral = ephemeral;
	return ephemeral ? sched_text(s, volume, "name", &k->name)
			 : sched_text(s, claim, "claimName", &k->name);
}

sp_code sched_spec_read_volumes(sched_spec *s, yyjson_val *spec)
{
	yyjson_val *volumes = yyjson_obj_get(spec, "volumes");
	size_t n = yyjson_arr_size(volumes);
	if (n == 0)
		return SP_OK;
	sched_disk *list = sp_try_new(&s->arena, sched_disk, n * SP_LEN(disks));
	sched_claim *claims = sp_try_new(&s->arena, sched_claim, n);
	if (list == NULL || claims == NULL)
		return SP_ENOMEM;
	sched_attachable *inlined = sp_try_new(&s->arena, sched_attachable, n);
	if (inlined == NULL)
		return SP_ENOMEM;
	s->disks = list;
	s->claims = claims;
	s->inlined = inlined;
	yyjson_arr_iter it = yyjson_arr_iter_with(volumes);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		SP_TRY(read_volume(s, v, list, claims));
		SP_TRY(read_in_tree(s, v, inlined));
	}
	return SP_OK;
}
