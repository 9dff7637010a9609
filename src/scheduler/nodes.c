/* SPDX-License-Identifier: Apache-2.0 */
/* The node table. */
#include <stdlib.h>

#include "scheduler/counters_int.h"
#include "scheduler/state_int.h"

#define NODE_ARENA_BYTES ((size_t)4 << 20)
#define RESOURCES_MAX 4096u

void sched_changed(sched_change_log *log, uint32_t slot)
{
	log->slots[log->seq++ % SCHED_LOG_LEN] = slot;
}

/* -- resources ------------------------------------------------------------------------------------------ */

sp_code sched_state_resource(sched_state *st, sp_str name, uint32_t *ret, sp_err *err)
{
	uintptr_t known = (uintptr_t)sp_map_get(&st->resources, name);
	if (known != 0) {
		*ret = (uint32_t)(known - 1);
		return SP_OK;
	}
	if (st->n_resources >= RESOURCES_MAX)
		return sp_fail(err, SP_ETOOLARGE, "more than %u names of resources", RESOURCES_MAX);
	if (st->n_resources == st->cap_resources) {
		uint32_t old = st->cap_resources, cap = old * 2 + 8;
		if (!sched_grow_array(&st->resource_names, old, cap) ||
		    !sched_grow_array(&st->t.alloc_scalar, old, cap) ||
		    !sched_grow_array(&st->t.used_scalar, old, cap))
			return sp_fail(err, SP_ENOMEM, "no memory for a resource's name");
		st->cap_resources = cap;
	}
	uint32_t id = st->n_resources;
	sp_str text = {0};
	int64_t *alloc = sp_try_alloc((st->t.cap + 1) * sizeof *alloc),
		*used = sp_try_alloc((st->t.cap + 1) * sizeof *used);
	sp_code code = alloc == NULL || used == NULL ? SP_ENOMEM : sched_str_dup(name, &text);
	if (code == SP_OK)
		code = sp_map_put(&st->resources, text, (void *)((uintptr_t)id + 1), NULL);
	if (code != SP_OK) {
		sp_free(alloc);
		sp_free(used);
		sp_free(sched_str_unconst(text));
		return sp_fail(err, code, "no memory for a resource's name");
	}
	st->t.alloc_scalar[id] = alloc;
	st->t.used_scalar[id] = used;
	st->resource_names[id] = text;
	st->n_resources++;
	*ret = id;
	return SP_OK;
}

/* -- slots ---------------------------------------------------------------------------------------------- */

static bool grow_bits(uint64_t **bits, uint32_t old, uint32_t cap)
{
	return sched_grow_array(bits, SCHED_WORDS(old), SCHED_WORDS(cap));
}

static sp_code grow_table(sched_state *st)
{
	sched_table *t = &st->t;
	uint32_t old = t->cap, cap = old == 0 ? 64 : old * 2;
	int64_t **const columns[] = {&t->alloc_cpu,      &t->alloc_memory, &t->alloc_ephemeral,
				     &t->alloc_pods,     &t->used_cpu,     &t->used_memory,
				     &t->used_ephemeral, &t->nonzero_cpu,  &t->nonzero_memory};
	for (size_t i = 0; i < SP_LEN(columns); i++) {
		if (!sched_grow_array(columns[i], old, cap))
			return SP_ENOMEM;
	}
	for (uint32_t r = 0; r < st->n_resources; r++) {
		if (!sched_grow_array(&t->alloc_scalar[r], old, cap) ||
		    !sched_grow_array(&t->used_scalar[r], old, cap))
			return SP_ENOMEM;
	}
	if (!sched_grow_array(&t->n_pods, old, cap) || !sched_grow_array(&t->taint_class, old, cap) ||
	    !sched_grow_pointers(&t->nodes, old, cap) || !sched_grow_array(&st->free_slots, old, cap) ||
	    !grow_bits(&t->present, old, cap) || !grow_bits(&t->unschedulable, old, cap) ||
	    !grow_bits(&t->has_nominated, old, cap))
		return SP_ENOMEM;
	SP_TRY(sched_counters_grow(st, old, cap));
	t->cap = cap;
	return SP_OK;
}

static sp_code take_slot(sched_state *st, uint32_t *ret)
{
	if (st->n_free == 0 && st->t.n == st->t.cap)
		SP_TRY(grow_table(st));
	*ret = st->n_free > 0 ? st->free_slots[--st->n_free] : st->t.n++;
	return SP_OK;
}

/* -- taints --------------------------------------------------------------------------------------------- */

static sp_code read_taints(sp_arena *a, yyjson_val *list, const sched_taint **ret, size_t *ret_n)
{
	sched_taint *taints = sp_try_new(a, sched_taint, yyjson_arr_size(list) + 1);
	size_t n = 0;
	if (taints == NULL)
		return SP_ENOMEM;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL; n++) {
		static const char *const members[] = {"key", "value", "effect"};
		sp_str *const to[] = {&taints[n].key, &taints[n].value, &taints[n].effect};
		for (size_t i = 0; i < SP_LEN(members); i++) {
			sp_str text = sp_json_str(yyjson_obj_get(v, members[i]));
			*to[i] = sp_arena_try_dup(a, text);
			if (to[i]->len != text.len)
				return SP_ENOMEM;
		}
	}
	*ret = taints;
	*ret_n = n;
	return SP_OK;
}

static void taints_free(sched_state *st, sched_taint_class *tc)
{
	if (tc->key.ptr != NULL)
		(void)sp_map_remove(&st->taint_classes, tc->key);
	if (tc->id > 0)
		st->taint_class_by_id[tc->id] = NULL;
	sp_arena_done(&tc->arena);
	sp_free(tc);
}

static void taints_unref(sched_state *st, sched_taint_class *tc)
{
	if (tc != NULL && --tc->refs == 0)
		taints_free(st, tc);
}

static sp_code taints_number(sched_state *st, sched_taint_class *tc)
{
	uint32_t id = 1; /* 0 is a node without taints */
	while (id < st->n_taint_classes && st->taint_class_by_id[id] != NULL)
		id++;
	if (id >= st->cap_taint_classes) {
		uint32_t cap = st->cap_taint_classes * 2 + 8;
		if (!sched_grow_pointers(&st->taint_class_by_id, st->cap_taint_classes, cap))
			return SP_ENOMEM;
		st->cap_taint_classes = cap;
	}
	st->n_taint_classes = SP_MAX(st->n_taint_classes, id + 1);
	st->taint_class_by_id[id] = tc;
	tc->id = id;
	return SP_OK;
}

/* NULL for a node without taints. */
static sp_code taints_get(sched_state *st, yyjson_val *list, sched_taint_class **ret)
{
	*ret = NULL;
	if (yyjson_arr_size(list) == 0)
		return SP_OK;
	sched_taint_class *tc = sp_try_alloc(sizeof *tc);
	if (tc == NULL)
		return SP_ENOMEM;
	sp_arena_init(&tc->arena, NODE_ARENA_BYTES);
	sp_buf b;
	sp_buf_init(&b, NODE_ARENA_BYTES / 2);
	(void)sp_json_write(&b, list);
	sp_str key = sp_buf_code(&b) == SP_OK ? sp_arena_try_dup(&tc->arena, sp_buf_view(&b)) : (sp_str){0};
	sp_buf_done(&b);
	sched_taint_class *known = key.ptr == NULL ? NULL : sp_map_get(&st->taint_classes, key);
	sp_code code = key.ptr == NULL ? SP_ENOMEM : SP_OK;
	if (known == NULL && code == SP_OK)
		code = read_taints(&tc->arena, list, &tc->taints, &tc->n_taints);
	if (known == NULL && code == SP_OK)
		code = taints_number(st, tc);
	if (known == NULL && code == SP_OK && (code = sp_map_put(&st->taint_classes, key, tc, NULL)) == SP_OK)
		tc->key = key;
	if (known != NULL || code != SP_OK) {
		taints_free(st, tc);
		tc = known;
	}
	if (code == SP_OK) {
		tc->refs++;
		*ret = tc;
	}
	return code;
}

static bool has_soft_taint(const sched_node *node)
{
	for (size_t i = 0; node->taints != NULL && i < node->taints->n_taints; i++) {
		if (sp_str_eq(node->taints->taints[i].effect, SP_STR("PreferNoSchedule")))
			return true;
	}
	return false;
}

/* -- images --------------------------------------------------------------------------------------------- */

static void image_drop(sched_state *st, sched_image *image, uint32_t slot)
{
	for (uint32_t i = 0; i < image->n; i++) {
		if (image->slots[i] == slot) {
			image->slots[i] = image->slots[--image->n];
			break;
		}
	}
	if (image->n > 0)
		return;
	(void)sp_map_remove(&st->images, image->name);
	sp_free(image->slots);
	sp_free(sched_str_unconst(image->name));
	sp_free(image);
}

static sp_code image_get(sched_state *st, sp_str name, int64_t size, sched_image **ret)
{
	sched_image *image = sp_map_get(&st->images, name);
	if (image == NULL) {
		image = sp_try_alloc(sizeof *image);
		if (image == NULL)
			return SP_ENOMEM;
		image->size_bytes = size;
		sp_code code = sched_str_dup(name, &image->name);
		if (code == SP_OK)
			code = sp_map_put(&st->images, image->name, image, NULL);
		if (code != SP_OK) {
			sp_free(sched_str_unconst(image->name));
			sp_free(image);
			return code;
		}
	}
	*ret = image;
	return SP_OK;
}

static void images_leave(sched_state *st, sched_node *node)
{
	for (size_t i = 0; i < node->n_images; i++)
		image_drop(st, node->images[i], node->slot);
	node->images = NULL;
	node->n_images = 0;
}

static bool add_slot(sched_image *image, uint32_t slot)
{
	if (image->n == image->cap) {
		uint32_t cap = image->cap * 2 + 4;
		if (!sched_grow_array(&image->slots, image->cap, cap))
			return false;
		image->cap = cap;
	}
	image->slots[image->n++] = slot;
	return true;
}

/* The size is the one of the node that brought the image first, as upstream keeps it. */
static sp_code images_enter(sched_state *st, sched_node *node, yyjson_val *list)
{
	size_t room = 0;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;)
		room += yyjson_arr_size(yyjson_obj_get(v, "names"));
	if (room == 0)
		return SP_OK;
	node->images = sp_try_new(&node->arena, sched_image *, room);
	if (node->images == NULL)
		return SP_ENOMEM;
	it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		int64_t size = yyjson_get_sint(yyjson_obj_get(v, "sizeBytes"));
		yyjson_arr_iter names = yyjson_arr_iter_with(yyjson_obj_get(v, "names"));
		for (yyjson_val *name; (name = yyjson_arr_iter_next(&names)) != NULL;) {
			sched_image *image;
			SP_TRY(image_get(st, sp_json_str(name), size, &image));
			if (image->n > 0 && image->slots[image->n - 1] == node->slot)
				continue; /* twice on this node */
			if (!add_slot(image, node->slot)) {
				image_drop(st, image, UINT32_MAX);
				return SP_ENOMEM;
			}
			node->images[node->n_images++] = image;
		}
	}
	return SP_OK;
}

/* -- the object ----------------------------------------------------------------------------------------- */

sched_node *sched_find_node(const sched_state *st, sp_str name)
{
	return sp_map_get(&st->node_by_name, name);
}

sp_code sched_node_entry(sched_state *st, sp_str name, sched_node **ret)
{
	sched_node *node = sp_map_get(&st->node_by_name, name);
	if (node == NULL) {
		node = sp_try_alloc(sizeof *node);
		if (node == NULL)
			return SP_ENOMEM;
		sp_arena_init(&node->arena, NODE_ARENA_BYTES);
		sp_code code = sched_str_dup(name, &node->name);
		if (code == SP_OK)
			code = sp_map_put(&st->node_by_name, node->name, node, NULL);
		if (code != SP_OK) {
			sp_free(sched_str_unconst(node->name));
			sp_free(node);
			return code;
		}
	}
	*ret = node;
	return SP_OK;
}

void sched_node_free(sched_state *st, sched_node *node)
{
	(void)sp_map_remove(&st->node_by_name, node->name);
	sp_arena_done(&node->arena);
	sp_free(node->pods);
	sp_free(node->nominated);
	sp_free(node->ports);
	sp_free(sched_str_unconst(node->name));
	sp_free(node);
}

void sched_node_tidy(sched_state *st, sched_node *node)
{
	if (!node->exists && node->n_pods == 0 && node->n_nominated == 0)
		sched_node_free(st, node);
}

/* Everything that hangs on the slot, pods included, before the object changes or goes. */
static void leave_slot(sched_state *st, sched_node *node)
{
	sched_table *t = &st->t;
	uint32_t slot = node->slot;
	for (uint32_t i = 0; i < node->n_pods; i++)
		sched_place_counts(st, node->pods[i], node, -1);
	sched_topologies_leave(st, slot);
	images_leave(st, node);
	st->n_soft_taints -= has_soft_taint(node);
	st->n_with_taints -= node->taints != NULL;
	taints_unref(st, node->taints);
	node->taints = NULL;
	node->labels = NULL;
	node->n_labels = 0;
	node->n_features = 0;
	sp_arena_reset(&node->arena);
	t->alloc_cpu[slot] = t->alloc_memory[slot] = t->alloc_ephemeral[slot] = t->alloc_pods[slot] = 0;
	t->taint_class[slot] = 0;
	for (uint32_t r = 0; r < st->n_resources; r++)
		t->alloc_scalar[r][slot] = 0;
	sched_bit_clear(t->present, slot);
	sched_bit_clear(t->unschedulable, slot);
	sched_bit_clear(t->has_nominated, slot);
	t->nodes[slot] = NULL;
	t->n_present--;
	sched_changed(&st->usage, slot);
	sched_changed(&st->objects, slot);
}

static sp_code read_features(sched_node *node, yyjson_val *list)
{
	sp_str *f = sp_try_new(&node->arena, sp_str, yyjson_arr_size(list) + 1);
	if (f == NULL)
		return SP_ENOMEM;
	node->features = f;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL; node->n_features++) {
		f[node->n_features] = sp_arena_try_dup(&node->arena, sp_json_str(v));
		if (f[node->n_features].len != sp_json_str(v).len)
			return SP_ENOMEM;
	}
	return SP_OK;
}

static sp_code enter_slot(sched_state *st, sched_node *node, yyjson_val *object, const sched_requests *alloc,
			  int64_t pods)
{
	sched_table *t = &st->t;
	yyjson_val *spec = yyjson_obj_get(object, "spec"), *status = yyjson_obj_get(object, "status");
	uint32_t slot = node->slot;
	t->nodes[slot] = node;
	t->n_present++;
	node->exists = true;
	sched_bit_set(t->present, slot);
	sched_bit_put(t->unschedulable, slot, yyjson_get_bool(yyjson_obj_get(spec, "unschedulable")));
	sched_bit_put(t->has_nominated, slot, node->n_nominated > 0);
	t->alloc_cpu[slot] = alloc->cpu_milli;
	t->alloc_memory[slot] = alloc->memory;
	t->alloc_ephemeral[slot] = alloc->ephemeral;
	t->alloc_pods[slot] = pods;
	for (uint32_t i = 0; i < alloc->n_scalars; i++)
		t->alloc_scalar[alloc->scalars[i].resource][slot] = alloc->scalars[i].amount;
	SP_TRY(sched_labels_read(&node->arena, yyjson_obj_get(yyjson_obj_get(object, "metadata"), "labels"),
				 &node->labels, &node->n_labels));
	SP_TRY(taints_get(st, yyjson_obj_get(spec, "taints"), &node->taints));
	t->taint_class[slot] = node->taints == NULL ? 0 : node->taints->id;
	st->n_soft_taints += has_soft_taint(node);
	st->n_with_taints += node->taints != NULL;
	SP_TRY(read_features(node, yyjson_obj_get(status, "declaredFeatures")));
	SP_TRY(images_enter(st, node, yyjson_obj_get(status, "images")));
	SP_TRY(sched_topologies_place(st, slot, node->labels, node->n_labels));
	for (uint32_t i = 0; i < node->n_pods; i++)
		sched_place_counts(st, node->pods[i], node, 1);
	sched_changed(&st->usage, slot);
	sched_changed(&st->objects, slot);
	return SP_OK;
}

sp_code sched_put_node(sched_state *st, yyjson_val *object, sp_err *err)
{
	sp_str name = sp_json_str(yyjson_obj_get(yyjson_obj_get(object, "metadata"), "name"));
	sp_arena scratch;
	sched_requests alloc;
	sched_node *node;
	int64_t pods = 0;
	sp_err why = {0};
	if (st->broken)
		return sp_fail(err, SP_ENOMEM, "out of memory before");
	sp_arena_init(&scratch, NODE_ARENA_BYTES);
	sp_code code = sched_allocatable_read(st, &scratch,
					      yyjson_obj_get(yyjson_obj_get(object, "status"), "allocatable"),
					      &alloc, &pods, &why);
	if (code == SP_OK)
		code = sched_node_entry(st, name, &node);
	if (code == SP_OK && !node->exists && (code = take_slot(st, &node->slot)) != SP_OK)
		sched_node_tidy(st, node);
	if (code != SP_OK) {
		sp_arena_done(&scratch);
		return sp_fail(err, code, "node " SP_FMT ": %s", SP_ARG(name),
			       why.code != SP_OK ? why.msg : "no memory");
	}
	if (node->exists)
		leave_slot(st, node);
	code = enter_slot(st, node, object, &alloc, pods);
	sp_arena_done(&scratch);
	if (code == SP_OK)
		return SP_OK;
	st->broken = true;
	return sp_fail(err, code, "node " SP_FMT ": no memory", SP_ARG(name));
}

void sched_remove_node(sched_state *st, sp_str name)
{
	sched_node *node = sched_find_node(st, name);
	if (node == NULL || !node->exists || st->broken)
		return;
	leave_slot(st, node);
	node->exists = false;
	st->free_slots[st->n_free++] = node->slot;
	sched_node_tidy(st, node);
}
