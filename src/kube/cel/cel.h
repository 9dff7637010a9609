/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CEL, the Common Expression Language, with the syntax, types, results, error texts and costs of cel-go as
 * the API server of Kubernetes 1.36 uses it (k8s.io/apiserver/pkg/cel).
 *
 *   env      which libraries there are; constant once made, shared by any number of threads
 *   program  one expression compiled against an env and named, typed variables; constant, lives in its arena
 *   run      one evaluation: values of the variables, a budget, an arena; belongs to one thread
 *
 * Values are views: an object is read where the rule touches it, nothing is converted beforehand. A value
 * lives as long as what it views and the arena of the run it came from.
 */
#pragma once

#include "base/json.h"
#include "base/time.h"
#include "kube/schema.h"

/* ---- types ---- */

typedef enum sp_cel_kind {
	SP_CEL_DYN = 0, /* of types only: any value */
	SP_CEL_NULL,
	SP_CEL_BOOL,
	SP_CEL_INT,
	SP_CEL_UINT,
	SP_CEL_DOUBLE,
	SP_CEL_STRING,
	SP_CEL_BYTES,
	SP_CEL_TIMESTAMP,
	SP_CEL_DURATION,
	SP_CEL_LIST,
	SP_CEL_MAP,
	SP_CEL_STRUCT, /* named fields */
	SP_CEL_TYPE,   /* a type as a value */
	SP_CEL_OPTIONAL,
	SP_CEL_OPAQUE, /* values of libraries: net.IP, kubernetes.Quantity … (whose type may be a STRUCT) */
	SP_CEL_PARAM,  /* of types only: a type parameter */
	SP_CEL_ERROR,  /* an error on its way through the expression */
	SP_CEL_KIND_COUNT_
} sp_cel_kind;

typedef struct sp_cel_type sp_cel_type;

/* A field of a struct type that is declared (not described by a schema). The name as CEL writes it. */
typedef struct sp_cel_field {
	sp_str name;
	const sp_cel_type *type;
} sp_cel_field;

enum {
	SP_CEL_T_NULLABLE = 1u << 0,  /* takes null as well: "wrapper(int)" */
	SP_CEL_T_ANY_FIELD = 1u << 1, /* STRUCT: every field is known and dyn (Object of mutating policies) */
	SP_CEL_T_ROOT_ = 1u << 2,     /* STRUCT by schema: of a resource (the engine's) */
};

struct sp_cel_type {
	uint8_t kind; /* sp_cel_kind */
	uint8_t n_params, flags;
	uint32_t n_fields;
	sp_str name; /* "int", "list", "google.protobuf.Timestamp", "kubernetes.Quantity", of a schema its
			path */
	const sp_cel_type *const *params;
	const sp_cel_field *fields; /* STRUCT, declared */
	const sp_schema *schema;    /* STRUCT, by schema */
};

extern const sp_cel_type sp_cel_dyn, sp_cel_null, sp_cel_bool, sp_cel_int, sp_cel_uint, sp_cel_double,
	sp_cel_string, sp_cel_bytes, sp_cel_timestamp, sp_cel_duration, sp_cel_list_dyn,
	sp_cel_map_dyn; /* map(dyn, dyn) */
/* The types of the variables `authorizer` and `authorizer.requestResource`. */
extern const sp_cel_type sp_cel_authorizer_type, sp_cel_resource_check_type;
/* JSONPatch of mutating policies: op, path, from (strings), value (dyn). */
extern const sp_cel_type sp_cel_json_patch_type;

/* kubernetes.Quantity. */
extern const sp_cel_type *const sp_cel_quantity_type;

/* Whether Go's url.ParseRequestURI takes it. */
bool sp_cel_is_url(sp_arena *scratch, sp_str text);

/* In the arena; NULL: no room. */
const sp_cel_type *sp_cel_list_of(sp_arena *a, const sp_cel_type *elem);
const sp_cel_type *sp_cel_map_of(sp_arena *a, const sp_cel_type *key, const sp_cel_type *value);
const sp_cel_type *sp_cel_optional_of(sp_arena *a, const sp_cel_type *value);
/* A struct of declared fields; they are not copied and stand in any order. */
const sp_cel_type *sp_cel_struct_of(sp_arena *a, sp_str name, const sp_cel_field *fields, size_t n);

/*
 * The type by which a rule sees values of a schema; NULL in *ret when upstream shows none (unknown fields
 * kept without a type, lists of such). Structs made from it are called `name`, their parts name.field,
 * name.@idx (elements of lists), name.@elem (values of maps). `root`: the value of a resource, which has
 * kind, apiVersion, metadata.name and metadata.generateName whatever the schema says (and no more of
 * metadata, unless it is a built-in kind). U: SchemaDeclType. SP_ENOMEM.
 */
sp_code sp_cel_type_of_schema(sp_arena *a, const sp_schema *schema, sp_str name, bool root,
			      const sp_cel_type **ret) SP_MUST_USE;

/* Same kind, name and parameters. */
bool sp_cel_type_eq(const sp_cel_type *a, const sp_cel_type *b);
/* As messages print it ("list(string)", "map(string, dyn)", "kubernetes.Quantity"), in the arena. {NULL, 0}:
 * no room. */
sp_str sp_cel_type_text(sp_arena *a, const sp_cel_type *t);

/*
 * A JSON name as an identifier of CEL: "a-b" is a__dash__b, "namespace" is __namespace__. *ret is the name
 * itself when nothing is to be escaped, else in the arena. False: it can't be one. And back.
 */
bool sp_cel_escape(sp_arena *a, sp_str name, sp_str *ret);
bool sp_cel_unescape(sp_arena *a, sp_str escaped, sp_str *ret);

/* What upstream assumes of a schema's values when it estimates: the most elements, characters or bytes (0 of
 * scalars), and the fewest bytes of JSON. Depth and recursion are bounded. U: DeclType.MaxElements,
 * MinSerializedSize. */
uint64_t sp_cel_max_elements(const sp_schema *schema);
uint64_t sp_cel_min_serialized_size(const sp_schema *schema, bool root);

/* ---- environments ---- */

/* Libraries. */
enum {
	SP_CEL_LIB_OPTIONAL = 1u << 0, /* optional types and the syntax a.?b, a[?b], {?k: v} */
	SP_CEL_LIB_STRINGS = 1u << 1,  /* strings extension, version 2 */
	SP_CEL_LIB_LISTS = 1u << 2,    /* lists extension, version 3 */
	SP_CEL_LIB_SETS = 1u << 3,
	SP_CEL_LIB_TWO_VARS = 1u << 4, /* comprehensions of two variables */
	SP_CEL_LIB_K8S =
		1u
		<< 5, /* url, regex, lists, quantity, ip, cidr, format, semver, authorizer with selectors */
	SP_CEL_LIB_JSONPATCH = 1u << 6, /* jsonpatch.escapeKey, and the types Object… and JSONPatch */
	SP_CEL_LIB_MATH = 1u << 7,      /* the rest is not in Kubernetes: for the conformance data */
	SP_CEL_LIB_BINDINGS = 1u << 8,
	SP_CEL_LIB_ENCODERS = 1u << 9,
	SP_CEL_LIB_ALL_STRINGS = 1u << 10, /* strings extension, newest version: reverse */
	/* What the API server has for rules of CRDs, validating policies and match conditions. */
	SP_CEL_KUBERNETES = SP_CEL_LIB_OPTIONAL | SP_CEL_LIB_STRINGS | SP_CEL_LIB_LISTS | SP_CEL_LIB_SETS |
			    SP_CEL_LIB_TWO_VARS | SP_CEL_LIB_K8S,
	/* The same for mutating policies. */
	SP_CEL_KUBERNETES_MUTATION = SP_CEL_KUBERNETES | SP_CEL_LIB_JSONPATCH,
};

/* Rules that Kubernetes sets and plain cel-go does not. */
enum {
	SP_CEL_HOMOGENEOUS = 1u << 0, /* elements of a list or map literal agree in type */
	SP_CEL_CHECK_LITERALS =
		1u << 1, /* durations, times and patterns that are literals are checked at compile time */
	SP_CEL_FREE_HAS = 1u << 2, /* has() costs nothing by itself */
	SP_CEL_KUBERNETES_RULES = SP_CEL_HOMOGENEOUS | SP_CEL_CHECK_LITERALS | SP_CEL_FREE_HAS,
};

typedef struct sp_cel_env sp_cel_env;

/* Makes an environment in the arena, which has to outlive it and all programs of it. */
sp_code sp_cel_env_new(sp_arena *a, uint32_t libs, uint32_t rules, const sp_cel_env **ret) SP_MUST_USE;

/* ---- programs ---- */

typedef struct sp_cel_program sp_cel_program;

typedef struct sp_cel_var {
	sp_str name; /* may have dots: authorizer.requestResource */
	const sp_cel_type *type;
	const sp_schema *schema; /* of the value, for the estimate of costs; NULL: nothing is known */
} sp_cel_var;

/* One complaint of the parser or checker. */
typedef struct sp_cel_issue {
	uint32_t line, column; /* from 1 */
	sp_str text;
} sp_cel_issue;

typedef struct sp_cel_issues {
	const sp_cel_issue *items;
	size_t n;
	/* All of them as cel-go prints them: "ERROR: <input>:1:5: undeclared reference to 'x' (in container
	 * '')\n | …", joined by line feeds. Upstream's messages begin with "compilation failed: ". */
	sp_str text;
	/* No complaint, but a constant part of the expression fails when it is evaluated: `text` is why.
	 * Upstream's messages begin with "program instantiation failed: ". */
	bool instantiation;
} sp_cel_issues;

#define SP_CEL_SOURCE_RUNES_MAX 100000u
#define SP_CEL_DEPTH_MAX 250u /* nesting of an expression */

/*
 * Compiles `source` (copied) into the arena. The variables are not copied and have to outlive the program;
 * their order is that of the bindings of a run. `ret_issues` (may be NULL) is filled when the answer is
 * SP_EINVAL: the expression is refused. SP_ETOOLARGE: the arena's ceiling, or no memory.
 */
sp_code sp_cel_compile(sp_arena *a, const sp_cel_env *env, const sp_cel_var *vars, size_t n_vars,
		       sp_str source, const sp_cel_program **ret, sp_cel_issues *ret_issues,
		       sp_err *err) SP_MUST_USE;

/* The type of the result. */
const sp_cel_type *sp_cel_result_type(const sp_cel_program *p);
sp_str sp_cel_source(const sp_cel_program *p);
/* Whether the expression mentions the variable of that index (a transition rule mentions oldSelf). */
bool sp_cel_uses(const sp_cel_program *p, size_t i_var);

typedef struct sp_cel_cost {
	uint64_t min, max; /* UINT64_MAX: no bound */
} sp_cel_cost;

/*
 * The costs that upstream expects before anything runs, from the sizes that the variables' schemas allow.
 * Needs some scratch memory. U: cel-go checker/cost.go with apiserver's library.CostEstimator. SP_ETOOLARGE:
 * no room.
 */
sp_code sp_cel_estimate(sp_arena *scratch, const sp_cel_program *p, sp_cel_cost *ret) SP_MUST_USE;

/* ---- values ---- */

/* The fields are the engine's: use the functions below. */
typedef struct sp_cel_val {
	uint8_t kind; /* sp_cel_kind */
	uint8_t rep;  /* which of the representations of that kind */
	uint16_t flags;
	uint32_t n; /* nanoseconds of a time, elements of a list */
	union {
		bool b;
		int64_t i; /* INT; DURATION in nanoseconds; TIMESTAMP in seconds */
		uint64_t u;
		double d;
		const char *text;
		const void *ptr;
	};
	union {
		size_t len;
		const sp_schema *schema;
		const sp_cel_type *type;
	};
} sp_cel_val;

typedef struct sp_cel_run sp_cel_run;

static inline sp_cel_val sp_cel_of_null(void)
{
	return (sp_cel_val){.kind = SP_CEL_NULL};
}
static inline sp_cel_val sp_cel_of_bool(bool b)
{
	return (sp_cel_val){.kind = SP_CEL_BOOL, .b = b};
}
static inline sp_cel_val sp_cel_of_int(int64_t i)
{
	return (sp_cel_val){.kind = SP_CEL_INT, .i = i};
}
static inline sp_cel_val sp_cel_of_uint(uint64_t u)
{
	return (sp_cel_val){.kind = SP_CEL_UINT, .u = u};
}
static inline sp_cel_val sp_cel_of_double(double d)
{
	return (sp_cel_val){.kind = SP_CEL_DOUBLE, .d = d};
}
/* A view: the text has to outlive the run. */
static inline sp_cel_val sp_cel_of_str(sp_str s)
{
	return (sp_cel_val){.kind = SP_CEL_STRING, .text = s.ptr, .len = s.len};
}
static inline sp_cel_val sp_cel_of_time(sp_time t)
{
	return (sp_cel_val){.kind = SP_CEL_TIMESTAMP, .n = t.nanos, .i = t.seconds};
}

/*
 * A JSON value as a CEL value, read through the schema (numbers that are doubles there, date-time, duration
 * and byte formats as timestamps, durations and bytes, names escaped, lists of type set and map compared as
 * such) or, when it is NULL, as it is: objects are map(string, dyn). NULL for `v` is CEL's null. `root` as of
 * sp_cel_type_of_schema.
 */
sp_cel_val sp_cel_of_json(const yyjson_val *v, const sp_schema *schema, bool root);
sp_cel_val sp_cel_of_mut(const yyjson_mut_val *v, const sp_schema *schema, bool root);

/* A struct whose fields are made when the expression reads them, and kept for the run: `variables` of
 * policies. `get` returns the value of type->fields[i]; errors are made with sp_cel_error. `obj` has to
 * outlive the run; zero `cache` (n_fields values) before. */
typedef struct sp_cel_lazy {
	const sp_cel_type *type; /* declared struct */
	sp_cel_val (*get)(void *arg, sp_cel_run *run, size_t i_field);
	void *arg;
	sp_cel_val *cache;
} sp_cel_lazy;
sp_cel_val sp_cel_of_lazy(const sp_cel_lazy *obj);

/* optional.of(v) in the arena of the run, or optional.none() for NULL. */
sp_cel_val sp_cel_of_optional(sp_cel_run *run, const sp_cel_val *v);

/* An error with that text, in the arena of the run. */
sp_cel_val sp_cel_error(sp_cel_run *run, const char *fmt, ...) SP_PRINTF(2, 3);

static inline sp_cel_kind sp_cel_kind_of(sp_cel_val v)
{
	return (sp_cel_kind)v.kind;
}
/* Text of a STRING or BYTES, {NULL, 0} of others. */
static inline sp_str sp_cel_str(sp_cel_val v)
{
	return v.kind == SP_CEL_STRING || v.kind == SP_CEL_BYTES ? (sp_str){v.text, v.len}
								 : (sp_str){NULL, 0};
}
static inline bool sp_cel_is_true(sp_cel_val v)
{
	return v.kind == SP_CEL_BOOL && v.b;
}
/* Text of an ERROR, or {NULL, 0}. */
sp_str sp_cel_error_text(sp_cel_val v);

/* Elements of a LIST, entries of a MAP or fields of a STRUCT that are set; 0 of others. */
size_t sp_cel_size(sp_cel_val v);
/* Element i < size of a LIST; an ERROR when the JSON does not fit its schema. */
sp_cel_val sp_cel_at(sp_cel_run *run, sp_cel_val list, size_t i);
/* A field of a STRUCT or the value of a text key of a MAP. False: not there. */
bool sp_cel_get(sp_cel_run *run, sp_cel_val v, sp_str name, sp_cel_val *ret);
/* Entries of a MAP or set fields of a STRUCT in turn: `for (size_t i = 0; sp_cel_next(run, v, &i, &k, &e);)`.
 */
bool sp_cel_next(sp_cel_run *run, sp_cel_val v, size_t *i, sp_cel_val *ret_key, sp_cel_val *ret_value);
/* The name of the value's type: "int", "Object.spec". */
sp_str sp_cel_type_name(sp_cel_val v);
/* none() of an OPTIONAL: false, and *ret untouched. */
bool sp_cel_optional_get(sp_cel_val v, sp_cel_val *ret);

/*
 * The value as JSON in a document (whose memory is the run's arena or one that outlives it), as CEL's
 * conversion to google.protobuf.Value does it: bytes as base64, times as RFC 3339, durations as "1.5s", int
 * and uint beyond 2^53 as text. SP_EINVAL: it has no JSON (types, keys of maps that are no texts …).
 * SP_ETOOLARGE: no room.
 */
sp_code sp_cel_to_json(sp_cel_run *run, sp_cel_val v, yyjson_mut_doc *doc, yyjson_mut_val **ret,
		       sp_err *err) SP_MUST_USE;
/* The same with numbers kept exact, as upstream takes the result of an ApplyConfiguration (ObjectVal.Value).
 */
sp_code sp_cel_to_object(sp_cel_run *run, sp_cel_val v, yyjson_mut_doc *doc, yyjson_mut_val **ret,
			 sp_err *err) SP_MUST_USE;

/* ---- authorizer ---- */

/* What an expression asks: all texts are views that live for the call. */
typedef struct sp_cel_authz_query {
	bool resource;                    /* else a path */
	sp_str path;                      /* of !resource */
	sp_str user_namespace, user_name; /* authorizer.serviceAccount(ns, name); empty: the request's user */
	sp_str verb, group, version, name_of_resource, subresource, ns, name; /* version is "*" */
	bool has_field_selector, has_label_selector;
	sp_str field_selector, label_selector; /* as written; parsing them is the callee's */
} sp_cel_authz_query;

typedef enum sp_cel_decision { SP_CEL_DENY, SP_CEL_ALLOW, SP_CEL_NO_OPINION } sp_cel_decision;

typedef struct sp_cel_authz_answer {
	sp_cel_decision decision;
	sp_str reason;
	sp_str error; /* empty: none. Both are copied */
} sp_cel_authz_answer;

/* Answers at once: it is asked from within an evaluation. */
typedef struct sp_cel_authorizer {
	void (*ask)(void *arg, const sp_cel_authz_query *q, sp_cel_authz_answer *ret);
	void *arg;
} sp_cel_authorizer;

/* The value of `authorizer`. */
sp_cel_val sp_cel_of_authorizer(const sp_cel_authorizer *z);
/* The value of `authorizer.requestResource`: group, name_of_resource, subresource, ns and name of `q` count;
 * both have to outlive the run. */
sp_cel_val sp_cel_of_request_resource(sp_cel_run *run, const sp_cel_authorizer *z,
				      const sp_cel_authz_query *q);

/* ---- runs ---- */

/* Upstream's limits. U: apiserver/pkg/apis/cel/config.go */
#define SP_CEL_PER_CALL_LIMIT UINT64_C(1000000)  /* of one evaluation */
#define SP_CEL_RUNTIME_BUDGET UINT64_C(10000000) /* of a CRD's rules on one object; of a policy */
#define SP_CEL_MATCH_CONDITIONS_BUDGET UINT64_C(2500000)

typedef struct sp_cel_binding {
	sp_cel_val value;
	/* NULL: `value` counts. Else it is asked when the expression first reads the variable. */
	sp_cel_val (*get)(void *arg, sp_cel_run *run);
	void *arg;
} sp_cel_binding;

/* Named time zones ("Europe/Berlin"): the engine reads no files. NULL of a zone: unknown. */
struct sp_zone;
typedef struct sp_cel_zones {
	const struct sp_zone *(*find)(void *arg, sp_str name); /* kube/kinds/zone.h */
	void *arg;
} sp_cel_zones;

/* Of the caller; zero it, then set the first part. May be used for one evaluation after another. */
struct sp_cel_run {
	sp_arena *arena;                /* all memory of the evaluation; its ceiling bounds it */
	const sp_cel_binding *bindings; /* one per variable of the program, in its order */
	uint64_t cost_limit;            /* 0: none */
	const sp_cel_zones *zones;      /* NULL: only UTC and offsets */

	uint64_t cost; /* set by sp_cel_eval: of this evaluation, also of a failed one */
	sp_str error;  /* set with any code but SP_OK: upstream's text, in the arena or constant */
};

/*
 * Evaluates. SP_EINVAL: the expression ended in an error ("no such key: x"); SP_ETOOMANY: its cost went
 * beyond the limit ("operation cancelled: actual cost limit exceeded"); SP_ETOOLARGE: the arena's ceiling, or
 * no memory. A program of bool type may still give another kind at run time where its type was dyn.
 */
sp_code sp_cel_eval(const sp_cel_program *p, sp_cel_run *run, sp_cel_val *ret) SP_MUST_USE;
