/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/defaults.h"

#include "kube/codec/canon.h"

typedef struct setter {
	yyjson_mut_doc *doc;
	sp_err *err;
} setter;

static sp_code default_value(setter *d, const sp_schema *s, yyjson_mut_val *v, size_t depth);

static sp_code no_room(setter *d)
{
	return sp_fail(d->err, SP_ETOOLARGE, "the object needs more memory than is allowed here");
}

/* The value of a default: texts of the tables are short and were checked when they were made. */
static yyjson_mut_val *made(setter *d, sp_str json)
{
	yyjson_alc alc = d->doc->alc;
	yyjson_doc *parsed = yyjson_read_opts((char *)(uintptr_t)json.ptr, json.len, 0, &alc, NULL);
	return parsed == NULL ? NULL : yyjson_val_mut_copy(d->doc, yyjson_doc_get_root(parsed));
}

static bool is_unset(const sp_field *f, const yyjson_mut_val *v)
{
	bool none = v == NULL || sp_canon_type(v) == YYJSON_TYPE_NULL;
	return none || ((f->flags & SP_F_POINTER) == 0 && f->schema->kind != SP_K_OBJECT &&
			sp_canon_is_zero(f->schema, v));
}

static sp_code default_field(setter *d, const sp_field *f, yyjson_mut_val *object, size_t depth)
{
	yyjson_mut_val *v = sp_jmut_get(object, f->name);
	bool unset = is_unset(f, v);
	if (unset && f->def.len != 0) {
		v = made(d, f->def);
		if (v == NULL || !sp_jmut_set(d->doc, object, f->name, v))
			return no_room(d);
	}
	if (!unset || f->def.len != 0)
		return default_value(d, f->schema, v, depth + 1);
	if (f->schema->kind != SP_K_OBJECT || (f->flags & SP_F_POINTER) != 0)
		return SP_OK;
	/* A struct that is not in the text. */
	v = yyjson_mut_obj(d->doc);
	if (v == NULL)
		return no_room(d);
	SP_TRY(default_value(d, f->schema, v, depth + 1));
	return yyjson_mut_obj_size(v) == 0 || sp_jmut_set(d->doc, object, f->name, v) ? SP_OK : no_room(d);
}

static sp_code default_children(setter *d, const sp_schema *items, yyjson_mut_val *v, size_t depth)
{
	bool object = sp_canon_type(v) == YYJSON_TYPE_OBJ;
	size_t n = unsafe_yyjson_get_len(v);
	yyjson_mut_val *child = n == 0 ? NULL : v->uni.ptr;
	for (; n > 0; n--) {
		child = object ? child->next->next : child->next;
		SP_TRY(default_value(d, items, object ? child->next : child, depth + 1));
	}
	return SP_OK;
}

static sp_code default_value(setter *d, const sp_schema *s, yyjson_mut_val *v, size_t depth)
{
	if (depth == SP_JSON_BUILD_DEPTH)
		return sp_fail(d->err, SP_ETOOLARGE, "exceeded max depth");
	yyjson_type type = sp_canon_type(v);
	if (sp_canon_is_any(s))
		return SP_OK;
	if (s->kind == SP_K_LIST && type == YYJSON_TYPE_ARR)
		return default_children(d, s->items, v, depth);
	if (s->kind == SP_K_MAP && type == YYJSON_TYPE_OBJ)
		return default_children(d, s->items, v, depth);
	if (s->kind != SP_K_OBJECT || type != YYJSON_TYPE_OBJ)
		return SP_OK;
	for (sp_canon_iter it = sp_canon_members(s); sp_canon_next(&it);)
		SP_TRY(default_field(d, it.field, v, depth));
	return SP_OK;
}

sp_code sp_default(yyjson_mut_doc *doc, const sp_schema *schema, yyjson_mut_val *object, sp_err *err)
{
	setter d = {.doc = doc, .err = err};
	return default_value(&d, schema, object, 0);
}
