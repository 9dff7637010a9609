/* SPDX-License-Identifier: Apache-2.0 */
/* Making values: errors, texts, lists and maps in the arena of the run. */
#include <stdio.h>

#include "base/hash.h"
#include "kube/cel/lib.h"

#define SMALL_MAP 8u /* entries that are searched one by one */

/* ---- errors and texts ---- */

sp_cel_val cel_oom(cel_ctx *c)
{
	if (c->abort == SP_OK)
		c->abort = SP_ETOOLARGE;
	return CEL_ERR("out of memory");
}

sp_cel_val cel_text(cel_ctx *c, sp_str s)
{
	return s.ptr == NULL ? cel_oom(c) : sp_cel_of_str(s);
}

sp_cel_val cel_buf_text(cel_ctx *c, const sp_buf *b)
{
	if (sp_buf_code(b) != SP_OK)
		return cel_oom(c);
	sp_str s = sp_arena_try_dup(c->arena, sp_buf_view(b));
	return s.len == b->len ? sp_cel_of_str(s) : cel_oom(c);
}

sp_cel_val cel_error_str(cel_ctx *c, sp_str text)
{
	sp_str s = sp_arena_try_dup(c->arena, text);
	if (s.ptr == NULL && text.len > 0)
		return cel_oom(c);
	return (sp_cel_val){.kind = SP_CEL_ERROR, .text = s.ptr, .len = s.len};
}

static SP_PRINTF(2, 0) sp_cel_val errorf(cel_ctx *c, const char *fmt, va_list args)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, CEL_TEXT_BYTES_MAX);
	va_list again;
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	char *room = n < 0 ? NULL : sp_buf_reserve(&out, (size_t)n + 1);
	if (room == NULL)
		return cel_oom(c);
	(void)vsnprintf(room, (size_t)n + 1, fmt, args);
	sp_buf_added(&out, (size_t)n);
	return cel_error_str(c, sp_buf_view(&out));
}

sp_cel_val cel_errorf(cel_ctx *c, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	sp_cel_val v = errorf(c, fmt, args);
	va_end(args);
	return v;
}

sp_cel_val sp_cel_error(sp_cel_run *run, const char *fmt, ...)
{
	va_list args;
	cel_ctx c = {.run = run, .arena = run->arena};
	va_start(args, fmt);
	sp_cel_val v = errorf(&c, fmt, args);
	va_end(args);
	return v;
}

sp_str sp_cel_error_text(sp_cel_val v)
{
	return v.kind == SP_CEL_ERROR ? (sp_str){v.text, v.len} : (sp_str){NULL, 0};
}

sp_cel_val cel_error_val(cel_ctx *c, const char *before, sp_cel_val v)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, CEL_TEXT_BYTES_MAX);
	(void)sp_buf_str(&out, sp_str_c(before));
	cel_show(c, &out, v);
	return sp_buf_code(&out) == SP_OK ? cel_error_str(c, sp_buf_view(&out)) : cel_oom(c);
}

/* ---- optionals ---- */

sp_cel_val cel_some(cel_ctx *c, sp_cel_val v)
{
	sp_cel_val *kept = sp_try_new(c->arena, sp_cel_val, 1);
	if (kept == NULL)
		return cel_oom(c);
	*kept = v;
	return (sp_cel_val){.kind = SP_CEL_OPTIONAL, .ptr = kept};
}

sp_cel_val sp_cel_of_optional(sp_cel_run *run, const sp_cel_val *v)
{
	cel_ctx c = {.run = run, .arena = run->arena};
	return v == NULL ? cel_none() : cel_some(&c, *v);
}

bool sp_cel_optional_get(sp_cel_val v, sp_cel_val *ret)
{
	if (v.kind != SP_CEL_OPTIONAL || v.ptr == NULL)
		return false;
	*ret = *cel_optional_ptr(v);
	return true;
}

/* ---- lists ---- */

sp_cel_val cel_list_new(cel_ctx *c, size_t cap)
{
	cel_vec *vec = sp_try_new(c->arena, cel_vec, 1);
	sp_cel_val *items = vec == NULL ? NULL : sp_try_new(c->arena, sp_cel_val, cap == 0 ? 1 : cap);
	if (items == NULL || cap > UINT32_MAX / 2)
		return cel_oom(c);
	*vec = (cel_vec){.items = items, .cap = (uint32_t)(cap == 0 ? 1 : cap)};
	return (sp_cel_val){.kind = SP_CEL_LIST, .ptr = vec};
}

static cel_vec *vec_mut(sp_cel_val v)
{
	return (cel_vec *)(uintptr_t)v.ptr;
}

/* A native list of the same elements that reaches to the end of a vector of its own. */
static bool own(cel_ctx *c, sp_cel_val *list, size_t more)
{
	size_t n = sp_cel_size(*list);
	sp_cel_val made = cel_list_new(c, (n + more) * 2);
	if (cel_is_err(made))
		return false;
	cel_vec *vec = vec_mut(made);
	cel_iter it = cel_iter_of(*list);
	sp_cel_val key, v;
	while (cel_iter_next(c, &it, &key, &v))
		vec->items[vec->used++] = v;
	made.n = vec->used;
	made.schema = list->schema;
	*list = made;
	return true;
}

bool cel_list_append(cel_ctx *c, sp_cel_val *list, sp_cel_val v)
{
	if (list->rep != CEL_NATIVE || vec_mut(*list)->frozen || vec_mut(*list)->used != list->n) {
		if (!own(c, list, 1))
			return false;
	}
	cel_vec *vec = vec_mut(*list);
	if (vec->used == vec->cap) {
		size_t cap = (size_t)vec->cap * 2;
		sp_cel_val *more = cap > UINT32_MAX / 2
					   ? NULL
					   : sp_arena_try_grow(c->arena, vec->items, vec->cap * sizeof(*more),
							       cap * sizeof(*more));
		if (more == NULL) {
			(void)cel_oom(c);
			return false;
		}
		vec->items = more;
		vec->cap = (uint32_t)cap;
	}
	vec->items[vec->used++] = v;
	list->n = vec->used;
	return true;
}

sp_cel_val cel_list_concat(cel_ctx *c, sp_cel_val a, sp_cel_val b)
{
	if (sp_cel_size(b) == 0)
		return a;
	cel_iter it = cel_iter_of(b);
	sp_cel_val key, v;
	while (cel_iter_next(c, &it, &key, &v)) {
		if (!cel_list_append(c, &a, v))
			return cel_oom(c);
	}
	return a;
}

/* ---- maps ---- */

static uint64_t hash_key(sp_cel_val k)
{
	double d = 0;
	switch (k.kind) {
	case SP_CEL_STRING:
		return sp_siphash13(sp_hash_seed(), k.text, k.len);
	case SP_CEL_BOOL:
		return k.b ? 3 : 5;
	case SP_CEL_INT: /* equal numbers are equal keys, whatever their type */
		d = (double)k.i;
		break;
	case SP_CEL_UINT:
		d = (double)k.u;
		break;
	case SP_CEL_DOUBLE:
		d = k.d + 0.0;
		break;
	default:
		return 7;
	}
	return sp_siphash13(sp_hash_seed(), &d, sizeof(d));
}

sp_cel_val cel_map_new(cel_ctx *c, size_t cap)
{
	cel_map *m = sp_try_new(c->arena, cel_map, 1);
	cel_entry *entries = m == NULL ? NULL : sp_try_new(c->arena, cel_entry, cap == 0 ? 4 : cap);
	if (entries == NULL || cap > UINT32_MAX / 4)
		return cel_oom(c);
	*m = (cel_map){.entries = entries, .cap = (uint32_t)(cap == 0 ? 4 : cap)};
	return (sp_cel_val){.kind = SP_CEL_MAP, .ptr = m};
}

static cel_map *map_mut(sp_cel_val v)
{
	return (cel_map *)(uintptr_t)v.ptr;
}

/* The entry of a key among the first n, or -1. */
static int64_t map_index(cel_ctx *c, const cel_map *m, uint32_t n, sp_cel_val key)
{
	if (m->n_slots == 0) {
		for (uint32_t i = 0; i < n; i++) {
			if (cel_equals(c, m->entries[i].key, key))
				return i;
		}
		return -1;
	}
	uint32_t at = (uint32_t)hash_key(key) & (m->n_slots - 1);
	for (; m->slots[at] != 0; at = (at + 1) & (m->n_slots - 1)) {
		uint32_t i = m->slots[at] - 1;
		if (i < n && cel_equals(c, m->entries[i].key, key))
			return i;
	}
	return -1;
}

static void link_entry(cel_map *m, uint32_t i)
{
	uint32_t at = (uint32_t)hash_key(m->entries[i].key) & (m->n_slots - 1);
	while (m->slots[at] != 0)
		at = (at + 1) & (m->n_slots - 1);
	m->slots[at] = i + 1;
}

static bool rehash(cel_ctx *c, cel_map *m)
{
	uint32_t n = 32;
	while (n < m->cap * 2)
		n *= 2;
	m->slots = sp_try_new(c->arena, uint32_t, n);
	if (m->slots == NULL) {
		(void)cel_oom(c);
		return false;
	}
	m->n_slots = n;
	for (uint32_t i = 0; i < m->used; i++)
		link_entry(m, i);
	return true;
}

static bool map_own(cel_ctx *c, sp_cel_val *map)
{
	size_t n = sp_cel_size(*map);
	sp_cel_val made = cel_map_new(c, (n + 1) * 2), key, v;
	if (cel_is_err(made))
		return false;
	cel_map *m = map_mut(made);
	cel_iter it = cel_iter_of(*map);
	while (m->used < m->cap && cel_iter_next(c, &it, &key, &v))
		m->entries[m->used++] = (cel_entry){key, v};
	made.n = m->used;
	*map = made;
	return m->used <= SMALL_MAP || rehash(c, m);
}

static bool map_put(cel_ctx *c, sp_cel_val *map, sp_cel_val key, sp_cel_val value)
{
	if (map->rep != CEL_NATIVE || map_mut(*map)->frozen || map_mut(*map)->used != map->n) {
		if (!map_own(c, map))
			return false;
	}
	cel_map *m = map_mut(*map);
	if (m->used == m->cap) {
		size_t cap = (size_t)m->cap * 2;
		cel_entry *more = cap > UINT32_MAX / 4
					  ? NULL
					  : sp_arena_try_grow(c->arena, m->entries, m->cap * sizeof(*more),
							      cap * sizeof(*more));
		if (more == NULL) {
			(void)cel_oom(c);
			return false;
		}
		m->entries = more;
		m->cap = (uint32_t)cap;
		m->entries[m->used++] = (cel_entry){key, value};
		map->n = m->used;
		return m->used <= SMALL_MAP || rehash(c, m);
	}
	m->entries[m->used] = (cel_entry){key, value};
	map->n = ++m->used;
	if (m->n_slots != 0)
		link_entry(m, m->used - 1);
	return m->n_slots != 0 || m->used <= SMALL_MAP || rehash(c, m);
}

bool cel_map_add(cel_ctx *c, sp_cel_val *map, sp_cel_val key, sp_cel_val value, bool *ret_there)
{
	sp_cel_val old;
	*ret_there = cel_find(c, *map, key, &old) == CEL_FOUND;
	return *ret_there || map_put(c, map, key, value);
}

bool cel_map_set(cel_ctx *c, sp_cel_val *map, sp_cel_val key, sp_cel_val value)
{
	/* Keys of two types are two keys here, though a look-up takes the first that is equal: as in cel-go.
	 */
	int64_t i = map_index(c, map_mut(*map), map->n, key);
	if (i < 0 || map_mut(*map)->entries[i].key.kind != key.kind)
		return map_put(c, map, key, value);
	map_mut(*map)->entries[i].value = value;
	return true;
}

bool cel_map_find(cel_ctx *c, sp_cel_val map, sp_cel_val key, sp_cel_val *ret)
{
	const cel_map *m = map.ptr;
	int64_t i = map_index(c, m, map.n, key);
	if (i >= 0)
		*ret = m->entries[i].value;
	return i >= 0;
}
