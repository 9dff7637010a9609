/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "base/alloc.h"
#include "base/hash.h"

#define MIN_SLOTS 8u
#define MAX_ENTRIES (UINT32_C(1) << 30)

void sp_map_init(sp_map *m)
{
	*m = (sp_map){0};
}

void sp_map_done(sp_map *m)
{
	sp_free(m->entries);
	sp_free(m->slots);
	sp_map_init(m);
}

void sp_map_done_values(sp_map *m)
{
	const sp_map_entry *e;
	for (size_t at = 0; (e = sp_map_next(m, &at)) != NULL;)
		sp_free(e->value);
	sp_map_done(m);
}

static uint64_t hash_of(sp_str key)
{
	return sp_siphash13(sp_hash_seed(), key.ptr, key.len);
}

/* The slot that holds the key, or the free one where it would go. The table always has a free slot. */
static uint32_t find_slot(const sp_map *m, sp_str key, uint64_t hash)
{
	uint32_t mask = m->n_slots - 1;
	uint32_t i = (uint32_t)hash & mask;
	for (; m->slots[i] != 0; i = (i + 1) & mask) {
		const sp_map_entry *e = &m->entries[m->slots[i] - 1];
		if (e->hash == hash && e->value != NULL && sp_str_eq(e->key, key))
			break;
	}
	return i;
}

void *sp_map_get(const sp_map *m, sp_str key)
{
	if (m->n_slots == 0)
		return NULL;
	uint32_t slot = m->slots[find_slot(m, key, hash_of(key))];
	return slot == 0 ? NULL : m->entries[slot - 1].value;
}

/* Squeezes gaps out of the entries and fills the slot table anew. */
static void rebuild(sp_map *m)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < m->n_entries; i++) {
		if (m->entries[i].value != NULL)
			m->entries[n++] = m->entries[i];
	}
	m->n_entries = n;
	m->n_gaps = 0;
	memset(m->slots, 0, m->n_slots * sizeof *m->slots);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t mask = m->n_slots - 1;
		uint32_t at = (uint32_t)m->entries[i].hash & mask;
		while (m->slots[at] != 0)
			at = (at + 1) & mask;
		m->slots[at] = i + 1;
	}
}

/* Room for one more entry. Slots stay at most half full, gaps included. */
static sp_code make_room(sp_map *m)
{
	if (m->n_entries < m->cap_entries)
		return SP_OK;
	if (m->n_gaps > 0 && m->n_gaps >= m->n_entries / 4) {
		rebuild(m);
		return SP_OK;
	}
	uint32_t n_slots = m->n_slots == 0 ? MIN_SLOTS : m->n_slots * 2;
	uint32_t cap = n_slots / 2;
	if (cap > MAX_ENTRIES)
		return SP_ETOOLARGE;
	uint32_t *slots = sp_try_alloc((size_t)n_slots * sizeof *slots);
	if (slots == NULL)
		return SP_ENOMEM;
	sp_map_entry *entries =
		sp_try_realloc(m->entries, m->cap_entries * sizeof *entries, (size_t)cap * sizeof *entries);
	if (entries == NULL) {
		sp_free(slots);
		return SP_ENOMEM;
	}
	sp_free(m->slots);
	m->slots = slots;
	m->n_slots = n_slots;
	m->entries = entries;
	m->cap_entries = cap;
	rebuild(m);
	return SP_OK;
}

sp_code sp_map_put(sp_map *m, sp_str key, void *value, void **ret_old)
{
	SP_ASSERT(value != NULL);
	uint64_t hash = hash_of(key);
	uint32_t slot = m->n_slots == 0 ? 0 : m->slots[find_slot(m, key, hash)];
	if (slot != 0) {
		sp_map_entry *e = &m->entries[slot - 1];
		if (ret_old != NULL)
			*ret_old = e->value;
		e->key = key;
		e->value = value;
		return SP_OK;
	}
	SP_TRY(make_room(m));
	m->entries[m->n_entries] = (sp_map_entry){.key = key, .hash = hash, .value = value};
	m->slots[find_slot(m, key, hash)] = ++m->n_entries;
	if (ret_old != NULL)
		*ret_old = NULL;
	return SP_OK;
}

void *sp_map_remove(sp_map *m, sp_str key)
{
	if (m->n_slots == 0)
		return NULL;
	uint32_t slot = m->slots[find_slot(m, key, hash_of(key))];
	if (slot == 0)
		return NULL;
	/* The slot stays taken by the gap, so that probe chains through it hold until the next rebuild. */
	sp_map_entry *e = &m->entries[slot - 1];
	void *value = e->value;
	e->value = NULL;
	e->key = (sp_str){NULL, 0};
	m->n_gaps++;
	if (m->n_gaps == m->n_entries)
		rebuild(m);
	return value;
}

const sp_map_entry *sp_map_next(const sp_map *m, size_t *i)
{
	while (*i < m->n_entries) {
		const sp_map_entry *e = &m->entries[(*i)++];
		if (e->value != NULL)
			return e;
	}
	return NULL;
}
