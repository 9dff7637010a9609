/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder's state and the places it can be at, shared by its files. */
#pragma once

#include "kube/codec/canon.h"
#include "kube/decode.h"

typedef enum sp_place_kind { SP_PLACE_FIELD, SP_PLACE_KEY, SP_PLACE_INDEX } sp_place_kind;

/* One step from the root to the value at hand; they stand on the C stack. */
typedef struct sp_place {
	const struct sp_place *up; /* NULL at the root's members */
	sp_place_kind kind;
	sp_str name;            /* of a field or map key */
	size_t index;           /* of a list element */
	const sp_schema *owner; /* FIELD: the object it is a field of */
	/* FIELD: Go's names of the embedded structs it stands in, or empty. */
	sp_str via[SP_CANON_INLINE_DEPTH];
} sp_place;

typedef struct sp_decoder {
	sp_arena *arena;
	yyjson_mut_doc *doc;
	sp_strict *strict; /* NULL: report nothing */
	sp_err saved;      /* the first error that upstream reports at the end */
	sp_err *err;
} sp_decoder;

/* SP_ETOOLARGE. */
sp_code sp_decoder_no_room(sp_decoder *d);

/* "json: cannot unmarshal WHAT into Go struct field A.b of type T". The first one is kept, decoding goes on.
 */
void sp_decoder_mismatch(sp_decoder *d, const sp_place *at, sp_str what, const sp_schema *want);
/* The same, ending the decoding: from inside a type's own UnmarshalJSON. Returns SP_EINVAL. */
sp_code sp_decoder_refuse(sp_decoder *d, const sp_place *at, sp_str what, const char *want);
/* `message` is kept as the first error, as it is. */
void sp_decoder_save(sp_decoder *d, const sp_err *err);

typedef enum sp_complaint { SP_UNKNOWN_FIELD, SP_DUPLICATE_FIELD } sp_complaint;
/* Reports the member `name` of the object at `at`. SP_ETOOLARGE: no room. */
sp_code sp_decoder_complain(sp_decoder *d, sp_complaint what, const sp_place *at, sp_str name);

/* What Go calls a JSON value: "string", "number 1.5" (when `full`), "object". In the arena or constant. */
sp_str sp_decoder_what(sp_decoder *d, const yyjson_val *v, bool full);

/* Any value by the rules of interface{}: members sorted, the last of equal ones, numbers as numbers. */
sp_code sp_decode_any(sp_decoder *d, const sp_place *at, yyjson_val *v, yyjson_mut_val **ret);
/* Any value with its members' order, for types that keep bytes. */
sp_code sp_decode_raw(sp_decoder *d, yyjson_val *v, yyjson_mut_val **ret);
/* A value that is neither object, list nor map. *ret is NULL for what does not fit (reported). */
sp_code sp_decode_scalar(sp_decoder *d, const sp_schema *s, const sp_place *at, yyjson_val *v,
			 yyjson_mut_val **ret);

/* Pairs of an object that is being sorted. */
typedef struct sp_pair {
	sp_str key;
	yyjson_mut_val *value;
	size_t order;
} sp_pair;
/* The object of the pairs, sorted by key. NULL: no room. */
yyjson_mut_val *sp_decode_sorted(sp_decoder *d, sp_pair *pairs, size_t n);

/* The object of what the slots hold (NULL: nothing at all). */
sp_code sp_decode_build(sp_decoder *d, const sp_schema *s, yyjson_mut_val *const *slots,
			yyjson_mut_val **ret);
/* The zero value of a node. */
sp_code sp_decode_zero(sp_decoder *d, const sp_schema *s, yyjson_mut_val **ret);

static inline sp_str sp_val_text(const yyjson_val *v)
{
	return (sp_str){v->uni.str, (size_t)(v->tag >> YYJSON_TAG_BIT)};
}
static inline yyjson_type sp_val_type(const yyjson_val *v)
{
	return (yyjson_type)(v->tag & YYJSON_TYPE_MASK);
}
static inline size_t sp_val_count(const yyjson_val *v)
{
	return (size_t)(v->tag >> YYJSON_TAG_BIT);
}
