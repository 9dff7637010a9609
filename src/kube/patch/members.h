/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of one object as an array with an index, for edits that touch many of them: each look-up in
 * yyjson's own list is linear. Load, edit, store. Where keys repeat the last one counts. For src/kube only.
 */
#pragma once

#include "base/json.h"

typedef struct sp_member {
	yyjson_mut_val *key, *val; /* val NULL: removed */
} sp_member;

typedef struct sp_members {
	sp_arena *arena;
	sp_member *items;
	uint32_t *slots; /* item index + 1; NULL while there are few items */
	size_t n, cap, n_slots;
} sp_members;

#define SP_MEMBERS_NONE SIZE_MAX

/* An object's members (none for NULL or other values). False: no room. */
bool sp_members_load(sp_arena *a, sp_members *m, yyjson_mut_val *object) SP_MUST_USE;
/* Index of a member that is not removed, or SP_MEMBERS_NONE. */
size_t sp_members_find(const sp_members *m, sp_str key);
/* Sets or appends. `key` is a string value that nobody else links. False: no room. */
bool sp_members_put(sp_members *m, yyjson_mut_val *key, yyjson_mut_val *val) SP_MUST_USE;
void sp_members_remove(sp_members *m, sp_str key);
/* Makes the object hold exactly these members. */
void sp_members_store(const sp_members *m, yyjson_mut_val *object);

/* Text of a string value that is known to be one. */
static inline sp_str sp_members_key(yyjson_mut_val *key)
{
	return (sp_str){key->uni.str, unsafe_yyjson_get_len(key)};
}
