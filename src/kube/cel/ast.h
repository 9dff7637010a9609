/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions between text and program: the tree, its parser, macros and checker. Only for the files of
 * kube/cel. */
#pragma once

#include "kube/cel/lib.h"

typedef enum cel_node_kind {
	CEL_LITERAL,
	CEL_IDENT,
	CEL_SELECT, /* target.name; `test`: has() */
	CEL_CALL,   /* name(args) or target.name(args); operators have names like _+_ */
	CEL_LIST,   /* args; optional[i]: ?element */
	CEL_MAP,    /* args: key, value, key, value …; optional[i] of entry i */
	CEL_STRUCT, /* name{fields: args} */
	CEL_FOLD,   /* comprehension */
	CEL_BROKEN, /* stands where an error was reported */
} cel_node_kind;

typedef struct cel_node cel_node;

typedef struct cel_fold {
	sp_str iter, iter2, accu; /* names; iter2 empty: one variable */
	cel_node *range, *init, *cond, *step, *result;
	uint32_t slot_iter, slot_iter2, slot_accu; /* set by the checker */
	bool bind;                                 /* cel.bind: init is evaluated when first read */
} cel_fold;

#define CEL_NO_SLOT UINT32_MAX

struct cel_node {
	uint8_t kind;  /* cel_node_kind */
	bool test;     /* SELECT */
	uint32_t at;   /* byte of the source its messages point at */
	uint32_t n;    /* args */
	uint32_t id;   /* counts from 0 */
	uint32_t slot; /* IDENT: variable or local, CEL_NO_SLOT for types */
	sp_str name;
	cel_node *target; /* SELECT; CALL of a member */
	cel_node **args;
	const sp_str *fields;     /* STRUCT */
	const uint32_t *field_at; /* STRUCT: where their colons stand */
	const bool *optional;     /* LIST, MAP, STRUCT; NULL: none is */
	sp_cel_val value;         /* LITERAL; IDENT of a type */
	cel_fold *fold;
	/* Set by the checker. */
	const sp_cel_type *type;
	const cel_function *fn;
	const cel_overload *const *overloads; /* those that fit */
	uint32_t n_overloads;
};

/* Everything of one compilation. */
typedef struct cel_compiler {
	sp_arena *arena;
	const sp_cel_env *env;
	const sp_cel_var *vars;
	size_t n_vars;
	sp_str source;
	/* issues */
	sp_cel_issue *issues;
	uint32_t n_issues, cap_issues, n_dropped;
	bool no_memory;
	/* parser */
	uint32_t depth, n_syntax, n_nodes;
	bool hopeless; /* stop parsing: the report says why */
	/* checker */
	uint32_t n_slots, n_slots_max;
	uint32_t n_type_vars, n_visits;
	struct cel_scope *scope;
	void **trail; /* bindings of type variables, to be undone: the variable, what it stood for */
	uint32_t n_trail, cap_trail;
	bool *used; /* by variable */
} cel_compiler;

/* Nodes that one pass visits: optMap doubles its target, so nested ones grow beyond their text. */
#define CEL_VISITS_MAX 200000u
#define CEL_ISSUES_MAX 100u

/* Reports at a byte of the source. */
void cel_issue(cel_compiler *c, uint32_t at, const char *fmt, ...) SP_PRINTF(3, 4);
void cel_issue_str(cel_compiler *c, uint32_t at, sp_str text);
/* Sorts them and makes the text; false: no room. */
bool cel_issues_finish(cel_compiler *c, sp_cel_issues *ret);

/* NULL without memory; a tree with BROKEN nodes when issues were reported. */
cel_node *cel_parse(cel_compiler *c);

/* Nodes; NULL and c->no_memory without room. */
cel_node *cel_node_new(cel_compiler *c, cel_node_kind kind, uint32_t at);
cel_node *cel_literal(cel_compiler *c, uint32_t at, sp_cel_val v);
cel_node *cel_ident(cel_compiler *c, uint32_t at, sp_str name);
cel_node *cel_call(cel_compiler *c, uint32_t at, const char *fn, size_t n, cel_node *const *args);
#define CEL_CALL_N(c, at, fn, ...)                                                          \
	cel_call((c), (at), (fn), sizeof((cel_node *[]){__VA_ARGS__}) / sizeof(cel_node *), \
		 (cel_node *[]){__VA_ARGS__})

/* What a call of that name becomes when it is a macro: NULL when it is none, BROKEN when its arguments do not
 * fit. */
cel_node *cel_macro(cel_compiler *c, uint32_t at, sp_str name, cel_node *target, cel_node **args, size_t n);

/* Text of a string or bytes token (with quotes and prefix r but without b). NULL: fine, else what is wrong.
 */
const char *cel_unescape_literal(sp_arena *a, sp_str token, bool bytes, sp_str *ret);

/* Types and references of all nodes. */
void cel_check(cel_compiler *c, cel_node *root);
void cel_check_call(cel_compiler *c, cel_node *e);
void cel_check_node(cel_compiler *c, cel_node *e);
void cel_check_select_of(cel_compiler *c, cel_node *e, cel_node *operand, sp_str field, bool optional);
/* Literals that Kubernetes checks at compile time. */
void cel_check_literals(cel_compiler *c, cel_node *root);
/* "a.b.c" of idents and selects; {NULL, 0} when it is none. */
sp_str cel_qualified_name(cel_compiler *c, const cel_node *e);

/* ---- unification (unify.c) ---- */

const sp_cel_type *cel_type_var(cel_compiler *c);
bool cel_assignable(cel_compiler *c, const sp_cel_type *to, const sp_cel_type *from);
bool cel_assignable_list(cel_compiler *c, const sp_cel_type *const *to, const sp_cel_type *const *from,
			 size_t n);
/* The type with its variables replaced; `final`: unbound ones become dyn. */
const sp_cel_type *cel_substitute(cel_compiler *c, const sp_cel_type *t, bool final);
/* Parameters A, B of a declaration replaced by fresh variables. */
typedef struct cel_fresh {
	const sp_cel_type *vars[4];
} cel_fresh;
const sp_cel_type *cel_freshen(cel_compiler *c, cel_fresh *f, const sp_cel_type *t);
const sp_cel_type *cel_most_general(const sp_cel_type *a, const sp_cel_type *b);
bool cel_type_is_dyn(const sp_cel_type *t);
/* A type as checker messages print it. */
sp_str cel_type_shown(cel_compiler *c, const sp_cel_type *t);
/* The type of a field; NULL: there is none. */
const sp_cel_type *cel_field_type(cel_compiler *c, const sp_cel_type *t, sp_str field);
