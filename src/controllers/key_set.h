/* SPDX-License-Identifier: Apache-2.0 */
/* A set of texts that owns them. */
#pragma once

#include "base/map.h"

typedef struct key_set {
	sp_map map;
} key_set;

void key_set_init(key_set *s);
void key_set_done(key_set *s);
bool key_set_has(const key_set *s, sp_str key);
/* False: no memory, the key is not in the set. */
bool key_set_add(key_set *s, sp_str key);
/* True: it was in the set. */
bool key_set_remove(key_set *s, sp_str key);
