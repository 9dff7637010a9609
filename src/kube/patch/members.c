/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/patch/members.h"

#include "base/hash.h"

/* Below this many members a scan is faster than a hash. */
#define MEMBERS_SCAN_MAX 12u

static uint64_t hash_of(sp_str key)
{
	return sp_siphash13(sp_hash_seed(), key.ptr, key.len);
}

static void slots_put(sp_members *m, size_t i)
{
	size_t mask = m->n_slots - 1;
	size_t at = (size_t)hash_of(sp_members_key(m->items[i].key)) & mask;
	while (m->slots[at] != 0)
		at = (at + 1) & mask;
	m->slots[at] = (uint32_t)i + 1;
}

static bool slots_grow(sp_members *m)
{
	size_t n_slots = m->n_slots == 0 ? 64 : m->n_slots * 2;
	uint32_t *slots = sp_try_new(m->arena, uint32_t, n_slots);
	if (slots == NULL)
		return false;
	m->slots = slots;
	m->n_slots = n_slots;
	for (size_t i = 0; i < m->n; i++)
		slots_put(m, i);
	return true;
}

/* Index of the item with that key, removed or not. */
static size_t find_any(const sp_members *m, sp_str key)
{
	if (m->slots == NULL) {
		for (size_t i = 0; i < m->n; i++) {
			if (sp_str_eq(sp_members_key(m->items[i].key), key))
				return i;
		}
		return SP_MEMBERS_NONE;
	}
	size_t mask = m->n_slots - 1;
	for (size_t at = (size_t)hash_of(key) & mask; m->slots[at] != 0; at = (at + 1) & mask) {
		size_t i = m->slots[at] - 1;
		if (sp_str_eq(sp_members_key(m->items[i].key), key))
			return i;
	}
	return SP_MEMBERS_NONE;
}

size_t sp_members_find(const sp_members *m, sp_str key)
{
	size_t i = find_any(m, key);
	return i != SP_MEMBERS_NONE && m->items[i].val != NULL ? i : SP_MEMBERS_NONE;
}

bool sp_members_put(sp_members *m, yyjson_mut_val *key, yyjson_mut_val *val)
{
	size_t i = find_any(m, sp_members_key(key));
	if (i != SP_MEMBERS_NONE) {
		m->items[i].val = val;
		return true;
	}
	if (m->n == m->cap) {
		size_t cap = m->cap == 0 ? 8 : m->cap * 2;
		sp_member *items =
			sp_arena_try_grow(m->arena, m->items, m->cap * sizeof(*items), cap * sizeof(*items));
		if (items == NULL || m->n >= UINT32_MAX / 2)
			return false;
		m->items = items;
		m->cap = cap;
	}
	m->items[m->n++] = (sp_member){key, val};
	if (m->slots == NULL ? m->n > MEMBERS_SCAN_MAX : m->n * 2 > m->n_slots)
		return slots_grow(m);
	if (m->slots != NULL)
		slots_put(m, m->n - 1);
	return true;
}

bool sp_members_load(sp_arena *a, sp_members *m, yyjson_mut_val *object)
{
	*m = (sp_members){.arena = a};
	if (!yyjson_mut_is_obj(object))
		return true;
	size_t idx, max;
	yyjson_mut_val *key, *val;
	yyjson_mut_obj_foreach(object, idx, max, key, val)
	{
		if (!sp_members_put(m, key, val))
			return false;
	}
	return true;
}

void sp_members_remove(sp_members *m, sp_str key)
{
	size_t i = find_any(m, key);
	if (i != SP_MEMBERS_NONE)
		m->items[i].val = NULL;
}

void sp_members_store(const sp_members *m, yyjson_mut_val *object)
{
	(void)yyjson_mut_obj_clear(object); /* it is an object */
	for (size_t i = 0; i < m->n; i++) {
		if (m->items[i].val != NULL)
			(void)yyjson_mut_obj_add(object, m->items[i].key, m->items[i].val);
	}
}
