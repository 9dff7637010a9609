/* SPDX-License-Identifier: Apache-2.0 */
/* Programs: what is left of an expression once names, overloads and constants are settled. Only for kube/cel.
 */
#pragma once

#include "kube/cel/ast.h"

typedef enum cel_op_kind {
	CEL_OP_CONST,
	CEL_OP_ATTR, /* a variable, local or other value (base), then qualifiers */
	CEL_OP_COND, /* args: condition, then, else; qualifiers are applied to the branch taken */
	CEL_OP_CALL,
	CEL_OP_EQUAL,
	CEL_OP_DIFFER,
	CEL_OP_AND,
	CEL_OP_OR,
	CEL_OP_LIST,
	CEL_OP_MAP,
	CEL_OP_STRUCT,
	CEL_OP_FOLD,
	CEL_OP_OR_ELSE, /* optional.or(), optional.orValue(): the second only when needed, free of charge */
	CEL_OP_IN_SET,  /* args[0] in a constant list of scalars: upstream charges only the argument */
} cel_op_kind;

typedef struct cel_op cel_op;

/* .name, [key], .?name, [?key] */
typedef struct cel_qual {
	sp_cel_val key;
	const cel_op *op;    /* computes the key; NULL: `key` is constant */
	bool optional, test; /* test: the last step of has() */
} cel_qual;

struct cel_op {
	uint8_t kind; /* cel_op_kind */
	bool member, test;
	uint32_t n, n_quals, cap_quals, n_overloads;
	uint32_t slot; /* ATTR without base */
	const cel_op *base;
	cel_op **args;
	cel_qual *quals;
	sp_cel_val value; /* CONST; the list of IN_SET */
	const cel_function *fn;
	const cel_overload *const *overloads;
	const sp_regex *regex; /* of a constant pattern */
	const bool *optional;
	const sp_str *fields;
	const sp_cel_type *type; /* STRUCT */
	const struct cel_loop *loop;
};

typedef struct cel_loop {
	const cel_op *range, *init, *cond, *step, *result;
	uint32_t slot_iter, slot_iter2, slot_accu;
	bool two, bind;
} cel_loop;

struct sp_cel_program {
	const sp_cel_env *env;
	const sp_cel_var *vars;
	uint32_t n_vars, n_slots, n_nodes;
	sp_str source;
	const cel_node *root; /* for the estimate */
	const cel_op *op;
	const bool *used; /* by variable */
};

/* NULL: no room, or *ret_error tells what a constant part ended in. */
cel_op *cel_plan(cel_compiler *c, const cel_node *root, cel_ctx *ctx, sp_cel_val *ret_error);

sp_cel_val cel_eval_op(cel_ctx *c, const cel_op *op);

/* Adds to the cost; beyond the limit the evaluation ends. */
static inline void cel_charge(cel_ctx *c, uint64_t n)
{
	c->cost += n;
	if (SP_UNLIKELY(c->cost > c->limit) && c->abort == SP_OK)
		c->abort = SP_ETOOMANY;
}

/* Whether a value may stand in brackets, and what is said of one that may not. */
bool cel_is_key(sp_cel_val v);
sp_cel_val cel_bad_key(cel_ctx *c, sp_cel_val v);

/* What a call costs once it is done. */
uint64_t cel_call_cost(cel_ctx *c, const cel_op *op, const sp_cel_val *args, size_t n, sp_cel_val result);
