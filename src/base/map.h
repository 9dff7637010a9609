/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sp_map: text to pointer, iterated in insertion order. SipHash-1-3 with the process's seed, so keys chosen
 * by outsiders cannot make it slow. Keys are not copied: they must live as long as the entry (usually they
 * stand in the value). Removal keeps the order of the rest; its gaps are squeezed out when a quarter of the
 * entries are gaps.
 */
#pragma once

#include "base/err.h"

typedef struct sp_map_entry {
	sp_str key;
	uint64_t hash;
	void *value; /* NULL marks a gap */
} sp_map_entry;

typedef struct sp_map {
	sp_map_entry *entries;
	uint32_t *slots; /* open addressing; entry index + 1, 0 = free */
	uint32_t n_entries, n_gaps, cap_entries, n_slots;
} sp_map;

void sp_map_init(sp_map *m);
/* Releases the table, not keys or values. */
void sp_map_done(sp_map *m);
/* The same, and gives each value back by sp_free; keys that stand in their values go along. */
void sp_map_done_values(sp_map *m);

static inline size_t sp_map_count(const sp_map *m)
{
	return m->n_entries - m->n_gaps;
}

/* NULL when absent. */
void *sp_map_get(const sp_map *m, sp_str key);

/*
 * Sets; value is not NULL. *ret_old (may be NULL) gets the value replaced or NULL. A replaced entry keeps its
 * place and takes the new key pointer. SP_ENOMEM or SP_ETOOLARGE (over 2^30 entries) changes nothing.
 */
sp_code sp_map_put(sp_map *m, sp_str key, void *value, void **ret_old) SP_MUST_USE;

/* The value removed, or NULL when absent. Never fails. */
void *sp_map_remove(sp_map *m, sp_str key);

/*
 * Iterates in insertion order: `for (size_t i = 0; (e = sp_map_next(m, &i)) != NULL;)`. Removing the entry
 * just returned is allowed only through sp_map_remove after the loop; putting during a loop is not.
 */
const sp_map_entry *sp_map_next(const sp_map *m, size_t *i);
