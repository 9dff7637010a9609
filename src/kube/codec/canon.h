/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the codecs: which members a Go struct's JSON has, and where the members of one object stand while
 * it is put together.
 */
#pragma once

#include "base/json.h"
#include "kube/schema.h"

/* What stands for a field in canonical JSON. */
typedef enum sp_canon {
	SP_CANON_OMIT,
	SP_CANON_NULL,
	SP_CANON_VALUE, /* the value at hand */
	SP_CANON_ZERO,  /* the type's zero value */
} sp_canon;

/* `v` may be NULL (absent); a JSON null is the same. */
sp_canon sp_canon_field(const sp_field *f, const yyjson_mut_val *v);

/* True when all of v is the zero value of its Go type. NULL and null are. */
bool sp_canon_is_zero(const sp_schema *s, const yyjson_mut_val *v);

/* The zero value of a scalar as JSON text; "null" for what is nil in Go. Not for SP_K_OBJECT. */
sp_str sp_canon_zero_text(const sp_schema *s);

/* True when values of the node are kept as any JSON: no types to coerce, members sorted. */
static inline bool sp_canon_is_any(const sp_schema *s)
{
	return s->kind == SP_K_ANY || (s->flags & SP_S_CRD) != 0;
}

/* True when Go keeps the bytes of the JSON text (RawExtension, FieldsV1, apiextensions JSON). */
static inline bool sp_canon_is_raw(const sp_schema *s)
{
	return s->kind == SP_K_RAW || s->kind == SP_K_FIELDS_V1 || s->kind == SP_K_JSON;
}

/* True for kind and apiVersion of a kind's own type (Go's embedded TypeMeta), which protobuf does not carry.
 */
static inline bool sp_canon_is_type_meta(const sp_field *f)
{
	return f->number == 0 && f->schema->kind == SP_K_STRING &&
	       (sp_str_eq(f->name, SP_STR("kind")) || sp_str_eq(f->name, SP_STR("apiVersion")));
}

/* Release builds zero every local; an array of slots is cleared as far as it is used. */
#if defined(__has_attribute) && __has_attribute(uninitialized)
#define SP_CANON_SCRATCH __attribute__((uninitialized))
#else
#define SP_CANON_SCRATCH
#endif

/*
 * Slots: one for each member an object may have. Direct field i is slot i; after these, for each inline field
 * in turn, stands a block of the slots of its object. An inline field's own slot stays empty.
 */
size_t sp_canon_slots(const sp_schema *object);
bool sp_canon_is_inline(const sp_field *f);
/* Where the block of an inline field begins, counted from the object's first slot. */
size_t sp_canon_block(const sp_schema *object, const sp_field *inline_field);

/* Inline objects within inline objects, at most; a test looks through all types. */
#define SP_CANON_INLINE_DEPTH 2u

/* Where a member stands. */
typedef struct sp_canon_at {
	const sp_field *field;
	size_t slot;
	const sp_field *via[SP_CANON_INLINE_DEPTH]; /* the inline fields it was found through, or NULL */
} sp_canon_at;

/* False: no such member. The direct field `hint` is tried first: the one after the last found. */
bool sp_canon_find(const sp_schema *object, sp_str name, size_t hint, sp_canon_at *ret);

/* The members in canonical order: `for (sp_canon_iter it = sp_canon_members(object); sp_canon_next(&it);)`.
 */
typedef struct sp_canon_iter {
	const sp_field *field; /* set by next */
	size_t slot, depth;
	struct {
		const sp_schema *object;
		size_t i, base,
			block; /* next field; the object's first slot; block of the next inline field */
	} level[SP_CANON_INLINE_DEPTH + 1];
} sp_canon_iter;
static inline sp_canon_iter sp_canon_members(const sp_schema *object)
{
	return (sp_canon_iter){.level = {{.object = object, .block = object->n_fields}}};
}
bool sp_canon_next(sp_canon_iter *it);

/* The members of an editable object, in their order. */
typedef struct sp_members {
	const yyjson_mut_val *key; /* of the member at hand */
	size_t left;
} sp_members;
static inline sp_members sp_members_of(const yyjson_mut_val *object)
{
	size_t n = (size_t)(object->tag >> YYJSON_TAG_BIT);
	return (sp_members){n == 0 ? NULL : object->uni.ptr, n};
}
static inline bool sp_members_next(sp_members *m)
{
	if (m->left == 0)
		return false;
	m->left--;
	m->key = m->key->next->next;
	return true;
}
static inline sp_str sp_members_name(const sp_members *m)
{
	return (sp_str){m->key->uni.str, (size_t)(m->key->tag >> YYJSON_TAG_BIT)};
}
static inline yyjson_mut_val *sp_members_value(const sp_members *m)
{
	return m->key->next;
}
static inline yyjson_type sp_canon_type(const yyjson_mut_val *v)
{
	return (yyjson_type)(v->tag & YYJSON_TYPE_MASK);
}
