/* SPDX-License-Identifier: Apache-2.0 */
/* Reading containers, however they are held. */
#include "base/json_int.h"
#include "base/utf8.h"
#include "kube/cel/lib.h"

/* Both kinds of yyjson value begin with their tag. */
static uint64_t tag_of(const void *json)
{
	return *(const uint64_t *)json;
}

size_t sp_cel_size(sp_cel_val v)
{
	if (v.kind != SP_CEL_LIST && v.kind != SP_CEL_MAP && v.kind != SP_CEL_STRUCT)
		return 0;
	switch (v.rep) {
	case CEL_NATIVE:
		return v.kind == SP_CEL_STRUCT ? ((const cel_object *)v.ptr)->n : v.n;
	case CEL_LAZY:
		return ((const sp_cel_lazy *)v.ptr)->type->n_fields;
	default:
		return sp_json_tag_len(tag_of(v.ptr));
	}
}

uint64_t cel_size_of(sp_cel_val v)
{
	switch (v.kind) {
	case SP_CEL_STRING:
		return sp_utf8_count((sp_str){v.text, v.len});
	case SP_CEL_BYTES:
		return v.len;
	case SP_CEL_LIST:
	case SP_CEL_MAP:
		return sp_cel_size(v);
	case SP_CEL_OPTIONAL:
		return v.ptr == NULL ? 1 : cel_size_of(*cel_optional_ptr(v));
	case SP_CEL_OPAQUE:
		return cel_opaque_size(v);
	default:
		return 1;
	}
}

/* ---- children of JSON ---- */

/* The schema of a list's elements or a map's values. */
static const sp_schema *child_schema(sp_cel_val v)
{
	return v.schema == NULL ? NULL : v.schema->items;
}

static sp_cel_val child(cel_ctx *c, sp_cel_val of, const void *json, const sp_schema *schema)
{
	bool root = schema != NULL && (schema->flags & SP_S_EMBEDDED_RESOURCE) != 0;
	return of.rep == CEL_JSON ? cel_of_json(c, json, schema, root) : cel_of_mut(c, json, schema, root);
}

static const void *first_child(sp_cel_val v)
{
	if (sp_cel_size(v) == 0)
		return NULL;
	if (v.rep == CEL_JSON)
		return unsafe_yyjson_get_first((yyjson_val *)(uintptr_t)v.ptr);
	const yyjson_mut_val *last = ((const yyjson_mut_val *)v.ptr)->uni.ptr; /* of an object: its key */
	return v.kind == SP_CEL_LIST ? last->next : last->next->next;
}

static const void *next_child(sp_cel_val v, const void *at)
{
	if (v.rep == CEL_JSON)
		return unsafe_yyjson_get_next((yyjson_val *)(uintptr_t)at);
	return ((const yyjson_mut_val *)at)->next;
}

static sp_str key_text(const void *key)
{
	const yyjson_val *k = key; /* the same layout as far as this goes */
	return (sp_str){k->uni.str, sp_json_tag_len(k->tag)};
}

sp_cel_val cel_list_at(cel_ctx *c, sp_cel_val list, size_t i)
{
	if (list.rep == CEL_NATIVE)
		return cel_vec_of(list)->items[i];
	const void *at = first_child(list);
	while (i-- > 0)
		at = next_child(list, at);
	return child(c, list, at, child_schema(list));
}

sp_cel_val sp_cel_at(sp_cel_run *run, sp_cel_val list, size_t i)
{
	cel_ctx c = {.run = run, .arena = run->arena};
	if (list.kind != SP_CEL_LIST || i >= sp_cel_size(list))
		return CEL_ERR("index out of bounds");
	return cel_list_at(&c, list, i);
}

/* ---- members ---- */

static const void *json_member(sp_cel_val v, sp_str name)
{
	if (v.rep == CEL_JSON)
		return yyjson_obj_getn((yyjson_val *)(uintptr_t)v.ptr, name.ptr == NULL ? "" : name.ptr,
				       name.len);
	return sp_jmut_get((yyjson_mut_val *)(uintptr_t)v.ptr, name);
}

static cel_found find_json(cel_ctx *c, sp_cel_val v, sp_str key, sp_cel_val *ret)
{
	bool root = (v.flags & CEL_V_ROOT) != 0;
	const sp_schema *schema = NULL;
	bool is_struct = v.schema != NULL && cel_schema_is_struct(v.schema, root);
	sp_str name = key;
	if (is_struct) {
		if (!sp_cel_unescape(c->arena, key, &name))
			return CEL_ABSENT;
		schema = cel_schema_field(v.schema, root, name);
		if (schema == NULL)
			return CEL_ABSENT;
	} else if (v.schema != NULL) {
		schema = v.schema->items;
	}
	const void *json = json_member(v, name);
	if (json == NULL || (is_struct && sp_json_tag_type(tag_of(json)) == YYJSON_TYPE_NULL))
		return CEL_ABSENT;
	*ret = child(c, v, json, schema);
	return CEL_FOUND;
}

static cel_found find_lazy(cel_ctx *c, const sp_cel_lazy *lazy, sp_str name, sp_cel_val *ret)
{
	for (uint32_t i = 0; i < lazy->type->n_fields; i++) {
		if (!sp_str_eq(lazy->type->fields[i].name, name))
			continue;
		if ((lazy->cache[i].flags & CEL_V_CACHED) == 0) {
			lazy->cache[i] = lazy->get(lazy->arg, c->run, i);
			lazy->cache[i].flags |= CEL_V_CACHED;
		}
		*ret = lazy->cache[i];
		return CEL_FOUND;
	}
	return CEL_ABSENT;
}

static cel_found find_object(const cel_object *o, sp_str name, sp_cel_val *ret)
{
	for (uint32_t i = 0; i < o->n; i++) {
		if (sp_str_eq(o->names[i], name)) {
			*ret = o->values[i];
			return CEL_FOUND;
		}
	}
	return CEL_ABSENT;
}

cel_found cel_find_str(cel_ctx *c, sp_cel_val v, sp_str key, sp_cel_val *ret)
{
	switch (v.rep) {
	case CEL_NATIVE:
		if (v.kind == SP_CEL_STRUCT)
			return find_object(v.ptr, key, ret);
		return cel_map_find(c, v, sp_cel_of_str(key), ret) ? CEL_FOUND : CEL_ABSENT;
	case CEL_LAZY:
		return find_lazy(c, v.ptr, key, ret);
	default:
		return find_json(c, v, key, ret);
	}
}

cel_found cel_find(cel_ctx *c, sp_cel_val v, sp_cel_val key, sp_cel_val *ret)
{
	if (key.kind == SP_CEL_STRING)
		return cel_find_str(c, v, (sp_str){key.text, key.len}, ret);
	if (v.rep == CEL_NATIVE && v.kind == SP_CEL_MAP)
		return cel_map_find(c, v, key, ret) ? CEL_FOUND : CEL_ABSENT;
	if (v.kind == SP_CEL_MAP && v.schema == NULL) /* plain JSON has keys of text only */
		return CEL_ABSENT;
	*ret = CEL_NO_OVERLOAD;
	return CEL_FAILED;
}

bool sp_cel_get(sp_cel_run *run, sp_cel_val v, sp_str name, sp_cel_val *ret)
{
	cel_ctx c = {.run = run, .arena = run->arena};
	if (v.kind != SP_CEL_MAP && v.kind != SP_CEL_STRUCT)
		return false;
	return cel_find_str(&c, v, name, ret) == CEL_FOUND;
}

/* ---- in turn ---- */

cel_iter cel_iter_of(sp_cel_val v)
{
	cel_iter it = {.of = v, .n = sp_cel_size(v)};
	if (v.rep == CEL_JSON || v.rep == CEL_MUT)
		it.at = first_child(v);
	return it;
}

/* An entry of a JSON object; false: not to be seen (a field that the schema does not have). */
static bool json_entry(cel_ctx *c, sp_cel_val of, const void *key, const void *value, sp_cel_val *ret_key,
		       sp_cel_val *ret_value)
{
	sp_str name = key_text(key);
	const sp_schema *schema = child_schema(of);
	bool root = (of.flags & CEL_V_ROOT) != 0;
	if (of.schema != NULL && cel_schema_is_struct(of.schema, root)) {
		schema = cel_schema_field(of.schema, root, name);
		sp_str escaped;
		if (schema == NULL)
			return false;
		if (sp_cel_escape(c->arena, name, &escaped))
			name = escaped;
	}
	*ret_key = sp_cel_of_str(name);
	*ret_value = child(c, of, value, schema);
	return true;
}

static bool next_json(cel_ctx *c, cel_iter *it, sp_cel_val *ret_key, sp_cel_val *ret_value)
{
	if (it->at == NULL)
		return false;
	if (it->of.kind == SP_CEL_LIST) {
		*ret_key = sp_cel_of_int((int64_t)it->i++);
		*ret_value = child(c, it->of, it->at, child_schema(it->of));
		it->at = next_child(it->of, it->at);
		return true;
	}
	while (it->i < it->n && it->at != NULL) {
		const void *key = it->at, *value = it->of.rep == CEL_JSON
							   ? (const void *)((const yyjson_val *)key + 1)
							   : ((const yyjson_mut_val *)key)->next;
		it->at = next_child(it->of, value);
		it->i++;
		if (json_entry(c, it->of, key, value, ret_key, ret_value))
			return true;
	}
	return false;
}

bool cel_iter_next(cel_ctx *c, cel_iter *it, sp_cel_val *ret_key, sp_cel_val *ret_value)
{
	if (it->i >= it->n)
		return false;
	if (it->of.rep == CEL_JSON || it->of.rep == CEL_MUT)
		return next_json(c, it, ret_key, ret_value);
	size_t i = it->i++;
	if (it->of.kind == SP_CEL_LIST) {
		*ret_key = sp_cel_of_int((int64_t)i);
		*ret_value = cel_vec_of(it->of)->items[i];
	} else if (it->of.rep == CEL_LAZY) {
		sp_str name = ((const sp_cel_lazy *)it->of.ptr)->type->fields[i].name;
		*ret_key = sp_cel_of_str(name);
		(void)cel_find_str(c, it->of, name, ret_value);
	} else if (it->of.kind == SP_CEL_STRUCT) {
		const cel_object *o = it->of.ptr;
		*ret_key = sp_cel_of_str(o->names[i]);
		*ret_value = o->values[i];
	} else {
		const cel_entry *e = &((const cel_map *)it->of.ptr)->entries[i];
		*ret_key = e->key;
		*ret_value = e->value;
	}
	return true;
}

bool sp_cel_next(sp_cel_run *run, sp_cel_val v, size_t *i, sp_cel_val *ret_key, sp_cel_val *ret_value)
{
	cel_ctx c = {.run = run, .arena = run->arena};
	if (v.kind != SP_CEL_MAP && v.kind != SP_CEL_STRUCT)
		return false;
	cel_iter it = cel_iter_of(v);
	for (size_t k = 0; k <= *i; k++) { /* results are small; children of JSON have no index */
		if (!cel_iter_next(&c, &it, ret_key, ret_value))
			return false;
	}
	(*i)++;
	return true;
}

/* ---- types of values ---- */

const sp_cel_type *cel_type_of(sp_cel_val v)
{
	static const sp_cel_type *const types[SP_CEL_KIND_COUNT_] = {
		[SP_CEL_DYN] = &sp_cel_dyn,
		[SP_CEL_NULL] = &sp_cel_null,
		[SP_CEL_BOOL] = &sp_cel_bool,
		[SP_CEL_INT] = &sp_cel_int,
		[SP_CEL_UINT] = &sp_cel_uint,
		[SP_CEL_DOUBLE] = &sp_cel_double,
		[SP_CEL_STRING] = &sp_cel_string,
		[SP_CEL_BYTES] = &sp_cel_bytes,
		[SP_CEL_TIMESTAMP] = &sp_cel_timestamp,
		[SP_CEL_DURATION] = &sp_cel_duration,
		[SP_CEL_LIST] = &sp_cel_list_dyn,
		[SP_CEL_MAP] = &sp_cel_map_dyn,
		[SP_CEL_TYPE] = &cel_t_type,
		[SP_CEL_OPTIONAL] = &cel_t_optional_dyn,
		[SP_CEL_PARAM] = &sp_cel_dyn,
		[SP_CEL_ERROR] = &cel_t_error,
	};
	if (v.kind == SP_CEL_OPAQUE)
		return v.type;
	if (v.kind == SP_CEL_STRUCT)
		return v.rep == CEL_LAZY ? ((const sp_cel_lazy *)v.ptr)->type
					 : ((const cel_object *)v.ptr)->type;
	return types[v.kind];
}

sp_str sp_cel_type_name(sp_cel_val v)
{
	return cel_type_of(v)->name;
}

bool cel_fits(cel_ctx *c, const sp_cel_type *t, sp_cel_val v)
{
	sp_cel_val key, first;
	if (t->kind == SP_CEL_DYN || t->kind == SP_CEL_PARAM)
		return true;
	if ((t->flags & SP_CEL_T_NULLABLE) != 0 && v.kind == SP_CEL_NULL)
		return true;
	if (v.kind == SP_CEL_OPAQUE || v.kind == SP_CEL_STRUCT)
		return sp_str_eq(t->name, cel_type_of(v)->name);
	if (t->kind != v.kind)
		return false;
	if ((t->kind != SP_CEL_LIST && t->kind != SP_CEL_MAP) ||
	    t->params[t->n_params - 1]->kind == SP_CEL_DYN)
		return true;
	cel_iter it = cel_iter_of(v);
	if (!cel_iter_next(c, &it, &key, &first))
		return true;
	if (t->kind == SP_CEL_MAP && !cel_fits(c, t->params[0], key))
		return false;
	return cel_fits(c, t->params[t->n_params - 1], first);
}
