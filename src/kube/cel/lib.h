/* SPDX-License-Identifier: Apache-2.0 */
/* Functions: tables of overloads, one per library. Only for the files of kube/cel. */
#pragma once

#include "kube/cel/value.h"

#define CEL_ARGS_MAX 4u

typedef sp_cel_val cel_impl(cel_ctx *c, const sp_cel_val *args);

/* How a call is charged, when it runs and in the estimate. U: runtimecost.go, checker/cost.go,
 * library/cost.go */
typedef enum cel_cost_class {
	CEL_COST_ONE = 0,
	/* by overload: only when the checker found a single one */
	CEL_COST_PREFIX,    /* startsWith, endsWith: the string at run time, the prefix in the estimate */
	CEL_COST_TO_BYTES,  /* bytes(string) */
	CEL_COST_TO_STRING, /* string(bytes) */
	CEL_COST_FORMAT,
	CEL_COST_QUOTE,
	CEL_COST_IN_LIST,
	CEL_COST_COMPARE, /* texts and ==: the shorter */
	CEL_COST_CONCAT,
	CEL_COST_CONCAT_LIST,
	CEL_COST_MATCHES,
	CEL_COST_CONTAINS,
	CEL_COST_INDEX_LIST,
	CEL_COST_INDEX_MAP,
	CEL_COST_AND_OR,
	CEL_COST_CONDITIONAL,
	CEL_COST_SETS,     /* sets.*: product of sizes */
	CEL_COST_EXT_LIST, /* lists extension: by id */
	/* by name: always */
	CEL_COST_BY_NAME_,
	CEL_COST_CHECK = CEL_COST_BY_NAME_,
	CEL_COST_NOMINAL, /* 1, whatever else is known */
	CEL_COST_SELECTOR,
	CEL_COST_SCAN,            /* isSorted, sum, min, max, indexOf, lastIndexOf */
	CEL_COST_TRAVERSE,        /* arguments[0], result of that size: url, jsonpatch.escapeKey */
	CEL_COST_TRAVERSE_TARGET, /* lowerAscii, upperAscii, substring, trim */
	CEL_COST_REPLACE,
	CEL_COST_SPLIT,
	CEL_COST_JOIN,
	CEL_COST_FIND,
	CEL_COST_PARSE, /* traverse without a size of the result: ip, cidr, quantity, semver */
	CEL_COST_PARSE_TWICE,
	CEL_COST_CONTAINS_IP,
	CEL_COST_CONTAINS_IP_TEXT,
	CEL_COST_CONTAINS_CIDR,
	CEL_COST_CONTAINS_CIDR_TEXT,
	CEL_COST_VALIDATE,
} cel_cost_class;

typedef struct cel_overload {
	const char *name, *id;
	const sp_cel_type *args[CEL_ARGS_MAX]; /* the receiver first */
	const sp_cel_type *result;
	cel_impl *impl;
	bool member;
	uint8_t cost; /* cel_cost_class */
	bool non_strict;
	bool operator_; /* picks by the values itself: no look at the signature at run time */
} cel_overload;

/* All overloads of one name in an environment. */
typedef struct cel_function {
	sp_str name;
	const cel_overload **overloads;
	uint32_t n;
	bool by_name; /* its cost class is one of those by name */
} cel_function;

typedef struct cel_library {
	const cel_overload *rows;
	size_t n;
	uint32_t libs; /* bits that switch it on; 0: always */
} cel_library;

#define CEL_LIBRARY(name_, libs_, ...)                             \
	static const cel_overload name_##_rows_[] = {__VA_ARGS__}; \
	const cel_library name_ = {name_##_rows_, SP_LEN(name_##_rows_), libs_}

/* fn(args) → result; target.fn(args) → result. */
#define CEL_FN(name_, id_, impl_, result_, ...)                                                     \
	{                                                                                           \
		.name = name_, .id = id_, .impl = impl_, .result = result_, .args = { __VA_ARGS__ } \
	}
#define CEL_FN_COST(name_, id_, cost_, impl_, result_, ...)                                          \
	{                                                                                            \
		.name = name_, .id = id_, .impl = impl_, .cost = cost_, .result = result_, .args = { \
			__VA_ARGS__                                                                  \
		}                                                                                    \
	}
#define CEL_MEMBER(name_, id_, impl_, result_, ...)                                                   \
	{                                                                                             \
		.name = name_, .id = id_, .impl = impl_, .member = true, .result = result_, .args = { \
			__VA_ARGS__                                                                   \
		}                                                                                     \
	}
#define CEL_MEMBER_COST(name_, id_, cost_, impl_, result_, ...)                                            \
	{                                                                                                  \
		.name = name_, .id = id_, .impl = impl_, .member = true, .cost = cost_, .result = result_, \
		.args = {                                                                                  \
			__VA_ARGS__                                                                        \
		}                                                                                          \
	}

static inline unsigned cel_overload_n_args(const cel_overload *o)
{
	unsigned n = 0;
	while (n < CEL_ARGS_MAX && o->args[n] != NULL)
		n++;
	return n;
}

/* Constant types that tables name. */
extern const sp_cel_type cel_t_optional, cel_t_type, cel_t_error, cel_t_a, cel_t_b, cel_t_list_a,
	cel_t_list_list_a, cel_t_map_ab, cel_t_optional_a, cel_t_optional_b, cel_t_optional_list_a,
	cel_t_optional_map_ab, cel_t_type_a, cel_t_list_string, cel_t_list_int, cel_t_list_uint,
	cel_t_list_double, cel_t_list_bool, cel_t_list_bytes, cel_t_list_timestamp, cel_t_list_duration,
	cel_t_map_string_string_list, cel_t_optional_dyn;
extern const sp_cel_type cel_t_url, cel_t_ip, cel_t_cidr, cel_t_quantity, cel_t_semver, cel_t_format,
	cel_t_path_check, cel_t_group_check, cel_t_decision, cel_t_optional_format, cel_t_optional_string;

extern const cel_library cel_lib_operators, cel_lib_convert, cel_lib_std, cel_lib_time, cel_lib_optional,
	cel_lib_strings, cel_lib_strings_new, cel_lib_lists, cel_lib_sets, cel_lib_two_vars, cel_lib_math,
	cel_lib_encoders, cel_lib_k8s_lists, cel_lib_regex, cel_lib_url, cel_lib_ip, cel_lib_cidr,
	cel_lib_quantity, cel_lib_semver, cel_lib_format, cel_lib_authz, cel_lib_jsonpatch;

struct sp_cel_env {
	uint32_t libs, rules;
	cel_function *functions;
	uint32_t n_functions;
	uint32_t *index; /* open addressing: function index + 1 */
	uint32_t n_index;
};

const cel_function *cel_env_function(const sp_cel_env *env, sp_str name);
/* A type that expressions may name: int, google.protobuf.Timestamp, net.IP … NULL: none of that name. */
const sp_cel_type *cel_env_type(const sp_cel_env *env, sp_str name);

/* Calls `impl` of the first overload that fits the values, or says that there is none. */
sp_cel_val cel_dispatch(cel_ctx *c, const cel_function *fn, const cel_overload *const *overloads, size_t n,
			bool member, const sp_cel_val *args, size_t n_args);

/* ---- used by more than one library ---- */

/* A compiled pattern or an error; one compilation per text and evaluation is not remembered. */
sp_cel_val cel_regex(cel_ctx *c, sp_str pattern, const sp_regex **ret);
sp_arena *cel_scratch(cel_ctx *c);
sp_cel_val cel_string_format(cel_ctx *c, const sp_cel_val *args);
/* Equality of values of libraries of the same type. */
bool cel_opaque_equal(sp_cel_val a, sp_cel_val b);
/* Shows an opaque value (string(ip), messages); false: it has no text. */
bool cel_opaque_show(sp_buf *out, sp_cel_val v);
/* Characters of opaque values for costs: 4 or 16 bytes of addresses. */
uint64_t cel_opaque_size(sp_cel_val v);
