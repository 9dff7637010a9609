/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/key_set.h"

#include <string.h>

#include "base/alloc.h"

typedef struct entry {
	size_t len;
	char key[];
} entry;

void key_set_init(key_set *s)
{
	sp_map_init(&s->map);
}

void key_set_done(key_set *s)
{
	sp_map_done_values(&s->map);
}

bool key_set_has(const key_set *s, sp_str key)
{
	return sp_map_get(&s->map, key) != NULL;
}

bool key_set_add(key_set *s, sp_str key)
{
	if (key_set_has(s, key))
		return true;
	entry *e = sp_try_alloc(sizeof *e + key.len);
	if (e == NULL)
		return false;
	e->len = key.len;
	memcpy(e->key, key.ptr, key.len);
	if (sp_map_put(&s->map, (sp_str){e->key, e->len}, e, NULL) == SP_OK)
		return true;
	sp_free(e);
	return false;
}

bool key_set_remove(key_set *s, sp_str key)
{
	entry *e = sp_map_remove(&s->map, key);
	sp_free(e);
	return e != NULL;
}
