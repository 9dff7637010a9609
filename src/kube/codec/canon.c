/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/codec/canon.h"

static bool is_none(const yyjson_mut_val *v)
{
	return v == NULL || sp_canon_type(v) == YYJSON_TYPE_NULL;
}

static bool is_empty(const yyjson_mut_val *v)
{
	return (v->tag >> YYJSON_TAG_BIT) == 0;
}

static bool is_zero_number(const yyjson_mut_val *v)
{
	if (sp_canon_type(v) != YYJSON_TYPE_NUM)
		return false;
	bool real = (v->tag & YYJSON_SUBTYPE_MASK) == YYJSON_SUBTYPE_REAL;
	return real ? v->uni.f64 == 0 : v->uni.u64 == 0;
}

static bool is_zero_object(const sp_schema *s, const yyjson_mut_val *v)
{
	if (sp_canon_type(v) != YYJSON_TYPE_OBJ)
		return false;
	for (sp_members m = sp_members_of(v); sp_members_next(&m);) {
		const sp_field *f = sp_schema_field(s, sp_members_name(&m), NULL);
		const yyjson_mut_val *member = sp_members_value(&m);
		if (f == NULL || ((f->flags & SP_F_POINTER) != 0 ? !is_none(member)
								 : !sp_canon_is_zero(f->schema, member)))
			return false;
	}
	return true;
}

bool sp_canon_is_zero(const sp_schema *s, const yyjson_mut_val *v)
{
	if (is_none(v))
		return true;
	yyjson_type type = sp_canon_type(v);
	switch ((sp_schema_kind)s->kind) {
	case SP_K_STRING:
		return type == YYJSON_TYPE_STR && is_empty(v);
	case SP_K_BOOL:
		return type == YYJSON_TYPE_BOOL && (v->tag & YYJSON_SUBTYPE_MASK) == 0;
	case SP_K_I32:
	case SP_K_I64:
	case SP_K_F64:
	case SP_K_INT_OR_STRING:
		return is_zero_number(v);
	case SP_K_BYTES:
		return type == YYJSON_TYPE_STR && is_empty(v);
	case SP_K_LIST:
	case SP_K_MAP:
		return type >= YYJSON_TYPE_ARR && is_empty(v);
	case SP_K_OBJECT:
		return is_zero_object(s, v);
	case SP_K_QUANTITY:
	case SP_K_DURATION:
	case SP_K_ANY:
	case SP_K_TIME:
	case SP_K_MICROTIME:
	case SP_K_RAW:
	case SP_K_FIELDS_V1:
	case SP_K_JSON:
	case SP_K_PROPS_OR_ARRAY:
	case SP_K_PROPS_OR_BOOL:
	case SP_K_PROPS_OR_STRINGS:
	case SP_K_COUNT_:
	default:
		return false;
	}
}

sp_canon sp_canon_field(const sp_field *f, const yyjson_mut_val *v)
{
	bool none = is_none(v);
	sp_canon empty = (f->flags & (SP_F_OMITEMPTY | SP_F_OMITZERO)) != 0 ? SP_CANON_OMIT : SP_CANON_NULL;
	if ((f->flags & SP_F_POINTER) != 0)
		return none ? empty : SP_CANON_VALUE;
	if ((f->flags & SP_F_OMITZERO) != 0 && sp_canon_is_zero(f->schema, v))
		return SP_CANON_OMIT;
	switch ((sp_schema_kind)f->schema->kind) {
	case SP_K_STRING:
	case SP_K_BOOL:
	case SP_K_I32:
	case SP_K_I64:
	case SP_K_F64:
		if ((f->flags & SP_F_OMITEMPTY) != 0 && sp_canon_is_zero(f->schema, v))
			return SP_CANON_OMIT;
		return none ? SP_CANON_ZERO : SP_CANON_VALUE;
	case SP_K_BYTES:
		if (!none && (f->flags & SP_F_OMITEMPTY) != 0 && sp_canon_is_zero(f->schema, v))
			return SP_CANON_OMIT;
		return none ? empty : SP_CANON_VALUE;
	case SP_K_LIST:
	case SP_K_MAP:
		return sp_canon_is_zero(f->schema, v) ? empty : SP_CANON_VALUE;
	case SP_K_ANY:
		return none ? empty : SP_CANON_VALUE;
	case SP_K_OBJECT:
	case SP_K_QUANTITY:
	case SP_K_DURATION:
	case SP_K_INT_OR_STRING:
	case SP_K_TIME:
	case SP_K_MICROTIME:
	case SP_K_RAW:
	case SP_K_FIELDS_V1:
	case SP_K_JSON:
	case SP_K_PROPS_OR_ARRAY:
	case SP_K_PROPS_OR_BOOL:
	case SP_K_PROPS_OR_STRINGS:
	case SP_K_COUNT_:
	default:
		/* Structs in Go: omitempty does not leave them out. */
		return none ? SP_CANON_ZERO : SP_CANON_VALUE;
	}
}

sp_str sp_canon_zero_text(const sp_schema *s)
{
	static const struct {
		uint8_t kind;
		sp_str text;
	} zeros[] = {
		{SP_K_STRING, SP_STR_INIT("\"\"")},     {SP_K_BOOL, SP_STR_INIT("false")},
		{SP_K_I32, SP_STR_INIT("0")},           {SP_K_I64, SP_STR_INIT("0")},
		{SP_K_F64, SP_STR_INIT("0")},           {SP_K_QUANTITY, SP_STR_INIT("\"0\"")},
		{SP_K_INT_OR_STRING, SP_STR_INIT("0")}, {SP_K_DURATION, SP_STR_INIT("\"0s\"")},
		{SP_K_BYTES, SP_STR_INIT("\"\"")},
	};
	for (size_t i = 0; i < SP_LEN(zeros); i++) {
		if (zeros[i].kind == s->kind)
			return zeros[i].text;
	}
	return SP_STR("null");
}

bool sp_canon_is_inline(const sp_field *f)
{
	return (f->flags & SP_F_INLINE) != 0 && f->schema->kind == SP_K_OBJECT;
}

size_t sp_canon_slots(const sp_schema *object)
{
	size_t n = object->n_fields;
	for (size_t i = 0; i < object->n_fields; i++) {
		if (sp_canon_is_inline(&object->fields[i]))
			n += sp_canon_slots(object->fields[i].schema);
	}
	return n;
}

size_t sp_canon_block(const sp_schema *object, const sp_field *inline_field)
{
	size_t at = object->n_fields;
	for (const sp_field *f = object->fields; f != inline_field; f++)
		at += sp_canon_is_inline(f) ? sp_canon_slots(f->schema) : 0;
	return at;
}

bool sp_canon_find(const sp_schema *object, sp_str name, size_t hint, sp_canon_at *ret)
{
	*ret = (sp_canon_at){0};
	if (hint < object->n_fields && sp_str_eq(object->fields[hint].name, name) &&
	    !sp_canon_is_inline(&object->fields[hint])) {
		ret->field = &object->fields[hint];
		ret->slot = hint;
		return true;
	}
	const sp_field *via;
	const sp_field *f = sp_schema_field(object, name, &via);
	for (size_t depth = 0; f != NULL && via != NULL; depth++) {
		SP_ASSERT(depth < SP_CANON_INLINE_DEPTH);
		ret->via[depth] = via;
		ret->slot += sp_canon_block(object, via);
		object = via->schema;
		f = sp_schema_field(object, name, &via);
	}
	if (f == NULL)
		return false;
	ret->field = f;
	ret->slot += (size_t)(f - object->fields);
	return true;
}

bool sp_canon_next(sp_canon_iter *it)
{
	for (;;) {
		size_t d = it->depth;
		const sp_schema *object = it->level[d].object;
		if (it->level[d].i == object->n_fields) {
			if (d == 0)
				return false;
			it->depth--;
			continue;
		}
		const sp_field *f = &object->fields[it->level[d].i++];
		if (!sp_canon_is_inline(f)) {
			it->field = f;
			it->slot = it->level[d].base + (size_t)(f - object->fields);
			return true;
		}
		SP_ASSERT(d < SP_CANON_INLINE_DEPTH);
		it->level[d + 1].object = f->schema;
		it->level[d + 1].i = 0;
		it->level[d + 1].base = it->level[d].base + it->level[d].block;
		it->level[d + 1].block = f->schema->n_fields;
		it->level[d].block += sp_canon_slots(f->schema);
		it->depth++;
	}
}
