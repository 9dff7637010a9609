/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What validation finds wrong with an object: a list of field errors in upstream's words, and the paths they
 * are about. U: apimachinery pkg/util/validation/field/{errors,path}.go.
 *
 * A path is a chain of nodes on the C stack, made by the SP_AT macros in the block that uses it; nothing is
 * allocated until an error happens:
 *
 *	static void validate_ports(sp_violations *v, yyjson_mut_val *ports, const sp_path *path)
 *	{
 *		for each port i: sp_v_required(v, SP_AT(SP_AT_I(path, i), "containerPort"), "");
 */
#pragma once

#include "base/json.h"

typedef enum sp_path_step { SP_PATH_NAME = 0, SP_PATH_INDEX, SP_PATH_KEY } sp_path_step;

typedef struct sp_path {
	const struct sp_path *parent;
	sp_str name; /* of NAME and KEY */
	size_t index;
	sp_path_step step;
} sp_path;

/*
 * Nodes with the lifetime of the enclosing block. The name of SP_PATH and SP_AT is a literal and may hold
 * several steps ("spec.template"). SP_AT_STR takes an sp_str name, SP_AT_KEY a map key ("labels[a]").
 */
#define SP_PATH(literal) (&(const sp_path){.name = SP_STR(literal)})
#define SP_AT(path, literal) (&(const sp_path){.parent = (path), .name = SP_STR(literal)})
#define SP_AT_STR(path, str) (&(const sp_path){.parent = (path), .name = (str)})
#define SP_AT_I(path, i) (&(const sp_path){.parent = (path), .index = (i), .step = SP_PATH_INDEX})
#define SP_AT_KEY(path, key) (&(const sp_path){.parent = (path), .name = (key), .step = SP_PATH_KEY})

/* Appends the text of a path: "spec.containers[0].name"; NULL is "<nil>" as upstream. */
sp_code sp_path_write(sp_buf *out, const sp_path *path);

typedef enum sp_v_type {
	SP_V_NOT_FOUND = 0,
	SP_V_REQUIRED,
	SP_V_DUPLICATE,
	SP_V_INVALID,
	SP_V_NOT_SUPPORTED,
	SP_V_FORBIDDEN,
	SP_V_TOO_LONG,
	SP_V_TOO_SHORT,
	SP_V_TOO_MANY,
	SP_V_TOO_FEW,
	SP_V_INTERNAL,
	SP_V_TYPE_INVALID,
	SP_V_COUNT_
} sp_v_type;

/* One violation, as a cause of a Status: `field: message`. */
typedef struct sp_violation {
	sp_v_type type;
	sp_str field;   /* "spec.containers[0].name" */
	sp_str message; /* "Required value: must not be empty" */
} sp_violation;

/* The reason of a cause: "FieldValueRequired". */
sp_str sp_v_reason(sp_v_type type);

/* Collected violations, at most SP_VIOLATIONS_MAX; further ones are counted in `dropped`. */
#define SP_VIOLATIONS_MAX 500u
typedef struct sp_violations {
	sp_arena *arena;
	sp_violation *items;
	size_t n, cap, dropped;
	sp_code code; /* SP_OK, or why collecting failed: the verdict is then not to be trusted */
} sp_violations;

void sp_violations_init(sp_violations *v, sp_arena *a);

/* "[a: x, b: y]", or "a: x" for one: what follows `Kind "name" is invalid: `. Equal texts are shown once, as
 * upstream does. Empty without room. */
sp_str sp_violations_text(sp_arena *a, const sp_violations *v);

/* The value an error shows, printed as upstream prints the Go value. */
typedef enum sp_bad_kind {
	SP_BAD_STR = 0, /* %q: a Go string */
	SP_BAD_NAMED,   /* JSON: a Go string type with a name of its own (enums) */
	SP_BAD_I64,
	SP_BAD_F64,
	SP_BAD_BOOL,
	SP_BAD_JSON, /* the JSON text of a tree; NULL is null */
	SP_BAD_TEXT, /* as it is */
	SP_BAD_OMIT, /* nothing: upstream's omitted value */
} sp_bad_kind;

typedef struct sp_bad {
	sp_bad_kind kind;
	union {
		sp_str str;
		int64_t i64;
		double f64;
		bool truth;
		const yyjson_mut_val *json;
	};
} sp_bad;

static inline sp_bad sp_bad_str(sp_str s)
{
	return (sp_bad){.kind = SP_BAD_STR, .str = s};
}
static inline sp_bad sp_bad_named(sp_str s)
{
	return (sp_bad){.kind = SP_BAD_NAMED, .str = s};
}
static inline sp_bad sp_bad_text(sp_str s)
{
	return (sp_bad){.kind = SP_BAD_TEXT, .str = s};
}
static inline sp_bad sp_bad_c(const char *s)
{
	return sp_bad_str(sp_str_c(s));
}
static inline sp_bad sp_bad_i64(int64_t i)
{
	return (sp_bad){.kind = SP_BAD_I64, .i64 = i};
}
static inline sp_bad sp_bad_bool(bool b)
{
	return (sp_bad){.kind = SP_BAD_BOOL, .truth = b};
}
static inline sp_bad sp_bad_json(const yyjson_mut_val *v)
{
	return (sp_bad){.kind = SP_BAD_JSON, .json = v};
}
static inline sp_bad sp_bad_self(sp_bad bad)
{
	return bad;
}
static inline sp_bad sp_bad_omit(void)
{
	return (sp_bad){.kind = SP_BAD_OMIT};
}

/*
 * What SP_BAD_JSON shows: Go's JSON of a value whose structs have omitempty, so that lists and maps which are
 * given empty show only where the value itself is one. NULL is null.
 */
void sp_bad_write_json(sp_buf *out, const yyjson_mut_val *v);
/* True for the key of a member that is left out there. */
bool sp_bad_member_omitted(const yyjson_mut_val *key);

/* Picks by the C type: sp_str and char * are strings, integers and bool go bare, trees as JSON. */
#define SP_BAD(x) \
	_Generic((x), sp_bad                         \
		 : sp_bad_self, sp_str               \
		 : sp_bad_str, const char *          \
		 : sp_bad_c, char *                  \
		 : sp_bad_c, bool                    \
		 : sp_bad_bool, int                  \
		 : sp_bad_i64, int64_t               \
		 : sp_bad_i64, yyjson_mut_val *      \
		 : sp_bad_json, const yyjson_mut_val * \
		 : sp_bad_json)(x)

/* One function per error of upstream; the detail is printf text, empty for none. */
void sp_v_required(sp_violations *v, const sp_path *path, const char *fmt, ...) SP_PRINTF(3, 4);
void sp_v_forbidden(sp_violations *v, const sp_path *path, const char *fmt, ...) SP_PRINTF(3, 4);
void sp_v_internal(sp_violations *v, const sp_path *path, const char *fmt, ...) SP_PRINTF(3, 4);
#define sp_v_invalid(v, path, bad, ...) sp_v_add_((v), SP_V_INVALID, (path), SP_BAD(bad), __VA_ARGS__)
#define sp_v_type_invalid(v, path, bad, ...) \
	sp_v_add_((v), SP_V_TYPE_INVALID, (path), SP_BAD(bad), __VA_ARGS__)
#define sp_v_not_found(v, path, bad) sp_v_add_((v), SP_V_NOT_FOUND, (path), SP_BAD(bad), "%s", "")
#define sp_v_duplicate(v, path, bad) sp_v_add_((v), SP_V_DUPLICATE, (path), SP_BAD(bad), "%s", "")
/* `supported` is a list of n texts, printed in the order given (upstream sorts where its source is a set). */
#define sp_v_not_supported(v, path, bad, supported, n) \
	sp_v_not_supported_((v), (path), SP_BAD(bad), (supported), (n))
/* Limits below zero: the text without a figure. */
void sp_v_too_long(sp_violations *v, const sp_path *path, int64_t max_bytes);
void sp_v_too_many(sp_violations *v, const sp_path *path, int64_t n, int64_t max);
void sp_v_too_few(sp_violations *v, const sp_path *path, int64_t n, int64_t min);

/* An error whose field and whole text are ready. */
void sp_v_text(sp_violations *v, sp_v_type type, sp_str field, const char *fmt, ...) SP_PRINTF(4, 5);

void sp_v_add_(sp_violations *v, sp_v_type type, const sp_path *path, sp_bad bad, const char *fmt, ...)
	SP_PRINTF(5, 6);
void sp_v_not_supported_(sp_violations *v, const sp_path *path, sp_bad bad, const char *const *supported,
			 size_t n);
