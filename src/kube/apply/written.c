/* SPDX-License-Identifier: Apache-2.0 */
/* What Go writes of a typed object: field owners of writes follow that, not what was sent. */
#include "kube/apply/apply_int.h"
#include "kube/apply/typed_int.h"
#include "kube/codec/canon.h"

bool sp_typed_is_omitted(const sp_schema *object, sp_str name, const yyjson_mut_val *v)
{
	if (object->kind != SP_K_OBJECT || (object->flags & SP_S_CRD) != 0)
		return false;
	const sp_field *f = sp_schema_field(object, name, NULL);
	return f != NULL && sp_canon_field(f, v) == SP_CANON_OMIT;
}

/* How many members Go writes; false: one of them is not the same in `b`. */
static bool members_same(const sp_schema *s, yyjson_mut_val *a, yyjson_mut_val *b, size_t *ret_n)
{
	for (sp_members m = sp_members_of(a); sp_members_next(&m);) {
		sp_str name = sp_members_name(&m);
		bool named = false;
		if (sp_typed_is_omitted(s, name, sp_members_value(&m)))
			continue;
		yyjson_mut_val *other = sp_jmut_get(b, name);
		*ret_n += 1;
		if (other == NULL ||
		    !sp_typed_equal_written(sp_typed_member(s, name, &named), sp_members_value(&m), other))
			return false;
	}
	return true;
}

bool sp_typed_equal_written(const sp_schema *s, yyjson_mut_val *a, yyjson_mut_val *b)
{
	bool typed = s != NULL && (s->flags & SP_S_CRD) == 0;
	if (typed && (s->kind == SP_K_OBJECT || s->kind == SP_K_MAP) && yyjson_mut_is_obj(a) &&
	    yyjson_mut_is_obj(b)) {
		size_t n = 0, m = 0;
		return members_same(s, a, b, &n) && members_same(s, b, a, &m) && n == m;
	}
	return sp_typed_equal(a, b);
}

static yyjson_mut_val *zero_scalar(yyjson_mut_doc *doc, const sp_schema *s)
{
	switch ((sp_schema_kind)s->kind) {
	case SP_K_STRING:
		return yyjson_mut_str(doc, "");
	case SP_K_DURATION:
		return yyjson_mut_str(doc, "0s");
	case SP_K_QUANTITY:
		return yyjson_mut_str(doc, "0");
	case SP_K_BOOL:
		return yyjson_mut_bool(doc, false);
	case SP_K_I32:
	case SP_K_I64:
	case SP_K_F64:
	case SP_K_INT_OR_STRING:
		return yyjson_mut_int(doc, 0);
	case SP_K_ANY:
	case SP_K_BYTES:
	case SP_K_TIME:
	case SP_K_MICROTIME:
	case SP_K_RAW:
	case SP_K_FIELDS_V1:
	case SP_K_JSON:
	case SP_K_OBJECT:
	case SP_K_LIST:
	case SP_K_MAP:
	case SP_K_PROPS_OR_ARRAY:
	case SP_K_PROPS_OR_BOOL:
	case SP_K_PROPS_OR_STRINGS:
	case SP_K_COUNT_:
		break;
	}
	return yyjson_mut_null(doc);
}

static bool zero_fields(yyjson_mut_doc *doc, const sp_schema *s, yyjson_mut_val *out)
{
	for (uint16_t i = 0; i < s->n_fields; i++) {
		const sp_field *f = &s->fields[i];
		bool object = f->schema->kind == SP_K_OBJECT;
		if ((f->flags & SP_F_INLINE) != 0) {
			if (object && (f->flags & SP_F_POINTER) == 0 && !zero_fields(doc, f->schema, out))
				return false;
			continue;
		}
		sp_canon canon = sp_canon_field(f, NULL);
		if (canon == SP_CANON_OMIT)
			continue;
		yyjson_mut_val *val = canon == SP_CANON_NULL ? yyjson_mut_null(doc)
				      : object               ? sp_apply_zero(doc, f->schema)
							     : zero_scalar(doc, f->schema);
		if (val == NULL ||
		    !yyjson_mut_obj_add(out, yyjson_mut_strn(doc, f->name.ptr, f->name.len), val))
			return false;
	}
	return true;
}

yyjson_mut_val *sp_apply_zero(yyjson_mut_doc *doc, const sp_schema *s)
{
	yyjson_mut_val *out = yyjson_mut_obj(doc);
	if (out == NULL || s == NULL || s->kind != SP_K_OBJECT || (s->flags & SP_S_CRD) != 0)
		return out;
	return zero_fields(doc, s, out) ? out : NULL;
}
