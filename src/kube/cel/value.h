/* SPDX-License-Identifier: Apache-2.0 */
/* Values while they are evaluated. Only for the files of kube/cel. */
#pragma once

#include "kube/cel/cel.h"
#include "kube/regex.h"

/* How a LIST, MAP or STRUCT is held. */
enum {
	CEL_NATIVE = 0, /* made by the expression: cel_vec, cel_map, cel_object */
	CEL_JSON,       /* view of a yyjson_val, read through `schema` (may be NULL) */
	CEL_MUT,        /* view of a yyjson_mut_val */
	CEL_LAZY,       /* STRUCT: sp_cel_lazy */
};

enum {
	CEL_V_ROOT = 1u << 0,   /* JSON of a resource: its metadata has name and generateName */
	CEL_V_CACHED = 1u << 1, /* the value stands in a lazy struct's cache */
};

/* One evaluation. */
typedef struct cel_ctx {
	sp_cel_run *run;
	sp_arena *arena;
	const sp_cel_program *program;
	sp_cel_val *slots; /* variables, then the locals of comprehensions */
	uint64_t cost, limit;
	const sp_regex *regex; /* of the call that runs, when its pattern is constant */
	sp_code abort;         /* set once: no budget or no memory left; every loop ends */
	bool has_scratch;
	sp_arena scratch; /* of regular expressions */
} cel_ctx;

/*
 * Elements of native lists. A list is the first n of a vector; who appends to a list that reaches to the
 * vector's end grows the vector, and lists that end before are none the wiser.
 */
typedef struct cel_vec {
	sp_cel_val *items;
	uint32_t used, cap;
	bool frozen; /* belongs to a program: never grown */
} cel_vec;

typedef struct cel_entry {
	sp_cel_val key, value;
} cel_entry;

/* Native maps: entries in the order they came, shared by growing maps as vectors are; slots hash entry index
 * + 1. */
typedef struct cel_map {
	cel_entry *entries;
	uint32_t *slots;
	uint32_t used, cap, n_slots; /* n_slots is 0 for small maps, which are searched */
	bool frozen;
} cel_map;

/* A native struct: Object{…} and JSONPatch{…}. */
typedef struct cel_object {
	const sp_cel_type *type;
	const sp_str *names;
	const sp_cel_val *values;
	uint32_t n;
} cel_object;

/* ---- errors ---- */

#define CEL_ERR(lit) ((sp_cel_val){.kind = SP_CEL_ERROR, .text = "" lit, .len = sizeof(lit) - 1})
#define CEL_NO_OVERLOAD CEL_ERR("no such overload")

sp_cel_val cel_errorf(cel_ctx *c, const char *fmt, ...) SP_PRINTF(2, 3);
sp_cel_val cel_error_str(cel_ctx *c, sp_str text); /* copied */
/* Ends the evaluation: no room. */
sp_cel_val cel_oom(cel_ctx *c);
/* "no such key: k" / "index out of bounds: 3" with the value as messages show it. */
sp_cel_val cel_error_val(cel_ctx *c, const char *before, sp_cel_val v);

static inline bool cel_is_err(sp_cel_val v)
{
	return v.kind == SP_CEL_ERROR;
}

/* ---- making values ---- */

static inline sp_cel_val cel_bytes(sp_str s)
{
	return (sp_cel_val){.kind = SP_CEL_BYTES, .text = s.ptr, .len = s.len};
}
static inline sp_cel_val cel_duration(int64_t ns)
{
	return (sp_cel_val){.kind = SP_CEL_DURATION, .i = ns};
}
static inline sp_cel_val cel_type_val(const sp_cel_type *t)
{
	return (sp_cel_val){.kind = SP_CEL_TYPE, .type = t};
}
static inline sp_cel_val cel_opaque(const sp_cel_type *t, const void *p)
{
	return (sp_cel_val){.kind = SP_CEL_OPAQUE, .ptr = p, .type = t};
}
static inline bool cel_is_opaque(sp_cel_val v, const sp_cel_type *t)
{
	return v.kind == SP_CEL_OPAQUE && v.type == t;
}
/* none() has no ptr. */
static inline const sp_cel_val *cel_optional_ptr(sp_cel_val v)
{
	return v.ptr;
}
static inline sp_cel_val cel_none(void)
{
	return (sp_cel_val){.kind = SP_CEL_OPTIONAL};
}
sp_cel_val cel_some(cel_ctx *c, sp_cel_val v);
/* A text made in the arena: {NULL, 0} of a text that can't be empty ends the evaluation. */
sp_cel_val cel_text(cel_ctx *c, sp_str s);
/* Copies the content of a buffer, whose failure ends the evaluation. */
sp_cel_val cel_buf_text(cel_ctx *c, const sp_buf *b);

static inline const cel_vec *cel_vec_of(sp_cel_val v)
{
	return v.ptr;
}
/* A list with room for cap elements; append to it with cel_list_append. */
sp_cel_val cel_list_new(cel_ctx *c, size_t cap);
/* list becomes list + [v]; false: no room (the evaluation ended). */
bool cel_list_append(cel_ctx *c, sp_cel_val *list, sp_cel_val v);
sp_cel_val cel_list_concat(cel_ctx *c, sp_cel_val a, sp_cel_val b);

sp_cel_val cel_map_new(cel_ctx *c, size_t cap);
/* Adds; *ret_old tells whether the key was there (then nothing changes). False: no room. */
bool cel_map_add(cel_ctx *c, sp_cel_val *map, sp_cel_val key, sp_cel_val value, bool *ret_there);
/* The same, replacing the value of a key that is there. */
bool cel_map_set(cel_ctx *c, sp_cel_val *map, sp_cel_val key, sp_cel_val value);

bool cel_map_find(cel_ctx *c, sp_cel_val map, sp_cel_val key, sp_cel_val *ret);

/* ---- reading values ---- */

/* Elements, entries, characters or bytes; what actualSize of upstream's costs counts, 1 of scalars. */
uint64_t cel_size_of(sp_cel_val v);

/* Element i < size. */
sp_cel_val cel_list_at(cel_ctx *c, sp_cel_val list, size_t i);

typedef enum cel_found { CEL_ABSENT, CEL_FOUND, CEL_FAILED } cel_found;
/* The value of a key in a MAP, or of a field in a STRUCT. CEL_FAILED: *ret is an error (a key of the wrong
 * kind). */
cel_found cel_find(cel_ctx *c, sp_cel_val v, sp_cel_val key, sp_cel_val *ret);
cel_found cel_find_str(cel_ctx *c, sp_cel_val v, sp_str key, sp_cel_val *ret);

/* Elements with their index, entries, set fields. */
typedef struct cel_iter {
	sp_cel_val of;
	size_t i, n;
	const void *at; /* of JSON: the next child */
} cel_iter;
cel_iter cel_iter_of(sp_cel_val v);
bool cel_iter_next(cel_ctx *c, cel_iter *it, sp_cel_val *ret_key, sp_cel_val *ret_value);

/* JSON as a value; errors when it does not fit its schema. c may be NULL: then errors have constant texts. */
sp_cel_val cel_of_json(cel_ctx *c, const yyjson_val *v, const sp_schema *schema, bool root);
sp_cel_val cel_of_mut(cel_ctx *c, const yyjson_mut_val *v, const sp_schema *schema, bool root);
sp_str cel_schema_format(const sp_schema *s);
/* Whether rules see named fields (not a map). */
bool cel_schema_is_struct(const sp_schema *s, bool root);
bool cel_is_keyword(sp_str name);
/* The field of a struct schema by its JSON name, NULL when there is none; metadata of roots is restricted. */
const sp_schema *cel_schema_field(const sp_schema *s, bool root, sp_str name);
/* The schema `s` of a field of `parent`, as the checker shows it. */
const sp_schema *cel_schema_within(const sp_schema *s, const sp_schema *parent);

/* ---- comparing, converting, showing ---- */

/* Two elements of a list of type map: whether their keys are equal. */
bool cel_same_keys(cel_ctx *c, const sp_schema *list, sp_cel_val a, sp_cel_val b);
sp_cel_val cel_time_add(sp_cel_val t, int64_t ns);

/* A BOOL, or an error. */
sp_cel_val cel_equal(cel_ctx *c, sp_cel_val a, sp_cel_val b);
static inline bool cel_equals(cel_ctx *c, sp_cel_val a, sp_cel_val b)
{
	return sp_cel_is_true(cel_equal(c, a, b));
}
/* -1, 0, 1 as an INT, or an error: no order between them. */
sp_cel_val cel_compare(cel_ctx *c, sp_cel_val a, sp_cel_val b);
bool cel_f64_to_i64(double d, int64_t *ret);
bool cel_f64_to_u64(double d, uint64_t *ret);

/* The type of a value; lists and maps are of dyn. */
const sp_cel_type *cel_type_of(sp_cel_val v);
/* Whether a value may be passed where the type is wanted, looking into lists and maps as far as their first
 * element. */
bool cel_fits(cel_ctx *c, const sp_cel_type *t, sp_cel_val v);

/* As messages show values. */
void cel_show(cel_ctx *c, sp_buf *out, sp_cel_val v);
/* Go's %g / FormatFloat(d, 'f', -1). */
sp_code cel_f64_g(sp_buf *out, double d);
sp_code cel_f64_fixed(sp_buf *out, double d);
/* FormatFloat(d, 'e' or 'f', precision). */
sp_code cel_f64_prec(sp_buf *out, double d, char form, unsigned precision);
/* strconv.ParseFloat. */
bool cel_parse_f64(sp_str s, double *ret);
/* Seconds of a duration as Go's FormatFloat(d.Seconds(), 'f', -1). */
sp_code cel_duration_seconds(sp_buf *out, int64_t ns);
/* RFC3339Nano in UTC; returns the length. */
size_t cel_time_text(char out[SP_TIME_TEXT_BYTES], sp_cel_val t);
bool cel_time_in_range(int64_t seconds);

/* A buffer for making texts; its limit is that of a request. */
#define CEL_TEXT_BYTES_MAX ((size_t)16 << 20)

/* Go's %T of a JSON value: "string", "float64" … */
const char *cel_go_type(uint64_t tag);
