/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON on yyjson (package libyyjson-dev), with this house's rules: memory from an arena, a depth ceiling,
 * exact integers, Go-compatible text out. Trees are yyjson's own: yyjson_val is an immutable parse,
 * yyjson_mut_val an editable tree that belongs to a yyjson_mut_doc; use yyjson's accessors on them. Neither
 * outlives its arena.
 *
 * The write path of an object works on one yyjson_mut_val; reading works on yyjson_val or on views
 * (kube/view.h).
 */
#pragma once

#include <yyjson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* What the writers and the comparison go down to: a request's depth and what is put around it. Deeper trees
 * are refused with SP_ETOOLARGE (and equal nothing). */
#define SP_JSON_BUILD_DEPTH 640u

/*
 * Parses one RFC 8259 value; nothing but blanks may follow it. Input is copied, so `text` may go away.
 * Integers outside [-2^63, 2^64) become doubles, as Go's decoder into interface{} does. Duplicate keys are
 * kept in the tree: Go keeps the last one, so look keys up with sp_json_last, or resolve by schema
 * (kube/decode.h). Malformed UTF-8 and lone surrogates become U+FFFD, as in Go. Errors: SP_EINVAL (position
 * and what was expected, in Go's encoding/json words where it has them), SP_ETOOLARGE (deeper than
 * SP_LIMIT_JSON_DEPTH, or the arena's ceiling).
 */
sp_code sp_json_parse(sp_arena *a, sp_str text, yyjson_val **ret, sp_err *err) SP_MUST_USE;

/* The same, with numbers left as their text (YYJSON_TYPE_RAW, NUL-terminated): for readers that must know how
 * a number was written. */
sp_code sp_json_parse_raw(sp_arena *a, sp_str text, yyjson_val **ret, sp_err *err) SP_MUST_USE;
/* The value of such a number: as Go's strconv.ParseInt (false: fraction, exponent, out of range) and
 * ParseFloat (false: out of range). */
bool sp_json_raw_i64(const yyjson_val *v, int64_t *ret) SP_MUST_USE;
bool sp_json_raw_f64(const yyjson_val *v, double *ret) SP_MUST_USE;

/* An empty editable document whose memory is the arena. NULL: no room. yyjson_mut_doc_free need not be
 * called. */
yyjson_mut_doc *sp_json_doc(sp_arena *a) SP_MUST_USE;

/* Parses straight into an editable tree. Strings point into the arena's copy of the text. */
sp_code sp_json_parse_mut(sp_arena *a, sp_str text, yyjson_mut_doc *doc, yyjson_mut_val **ret,
			  sp_err *err) SP_MUST_USE;

/* An editable copy of a parsed tree (or a part of one). Strings are shared with it. SP_ETOOLARGE: no room. */
sp_code sp_json_thaw(sp_arena *a, const yyjson_val *v, yyjson_mut_val **ret, sp_err *err) SP_MUST_USE;

/*
 * Appends compact text as Go's encoding/json writes it: no blanks; integers exact; doubles in Go's shortest
 * form (1e+21 style exponents from 1e21 on, 'e-07' without padding zero below 1e-6); a double of negative
 * zero is -0, which reads back as the integer 0, as in Kubernetes' Go decoder; '<', '>', '&' as \u003c \u003e
 * \u0026, U+2028 and U+2029 escaped; each malformed byte of UTF-8 as \ufffd. Values of type RAW go out as
 * they are. Errors: those of the buffer; SP_ETOOLARGE for a tree that is too deep; SP_EINVAL for a double
 * that is infinite or NaN (both leave the buffer with a part of the text).
 */
sp_code sp_json_write(sp_buf *out, const yyjson_val *v);
sp_code sp_json_write_mut(sp_buf *out, const yyjson_mut_val *v);
/* One string in quotes, or one double, in the same form. */
sp_code sp_json_write_str(sp_buf *out, sp_str s);
sp_code sp_json_write_f64(sp_buf *out, double value);

/* Go's %v text for error messages: map[a:1 b:[x y]]; strings bare, keys sorted. */
sp_code sp_json_write_go(sp_buf *out, const yyjson_mut_val *v);
/* Go's %#v: map[string]interface {}{"a":1, "b":[]interface {}{"x"}}. */
sp_code sp_json_write_go_syntax(sp_buf *out, const yyjson_mut_val *v);

/* Member by key; the last one where keys repeat. NULL when absent or not an object. */
yyjson_val *sp_json_last(yyjson_val *object, sp_str key);
yyjson_mut_val *sp_jmut_get(yyjson_mut_val *object, sp_str key);

/* Text of a string value, {NULL, 0} for anything else. */
static inline sp_str sp_json_str(yyjson_val *v)
{
	return yyjson_is_str(v) ? (sp_str){unsafe_yyjson_get_str(v), unsafe_yyjson_get_len(v)}
				: (sp_str){NULL, 0};
}

static inline sp_str sp_jmut_str(yyjson_mut_val *v)
{
	return yyjson_mut_is_str(v) ? (sp_str){unsafe_yyjson_get_str(v), unsafe_yyjson_get_len(v)}
				    : (sp_str){NULL, 0};
}

/* Sets or replaces in place (order kept); key and text are copied into the document. False: no memory. */
bool sp_jmut_set(yyjson_mut_doc *doc, yyjson_mut_val *object, sp_str key, yyjson_mut_val *value) SP_MUST_USE;
bool sp_jmut_set_str(yyjson_mut_doc *doc, yyjson_mut_val *object, sp_str key, sp_str text) SP_MUST_USE;
/* Removes every member with that key; true when there was one. */
bool sp_jmut_remove(yyjson_mut_val *object, sp_str key);
/* Puts the members of an object in the order of their names, as Go writes a map; equal names keep theirs.
 * False: no memory. */
bool sp_jmut_sort(sp_arena *scratch, yyjson_mut_val *object) SP_MUST_USE;

/* Deep equality as JSON values: order of members is free, 1 and 1.0 differ (as in Go after decoding). */
bool sp_jmut_equal(const yyjson_mut_val *a, const yyjson_mut_val *b);

/* Walks by literal member names: sp_jmut_path(obj, "spec", "template", NULL). NULL when a step is absent. */
yyjson_mut_val *sp_jmut_path(yyjson_mut_val *v, ...) __attribute__((sentinel));
