/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The expressions of admission: which variables they see, what they may result in, and what upstream says of
 * those that can't be kept. Checked when a policy or webhook is written, run by the API server's admission.
 * U: apiserver pkg/admission/plugin/cel/{compile,composition}.go.
 */
#pragma once

#include "kube/cel/cel.h"

/* The variables, and where their values stand in a run's bindings before they are chosen (sp_policy_bind). */
typedef enum sp_policy_var {
	SP_POLICY_OBJECT,
	SP_POLICY_OLD_OBJECT,
	SP_POLICY_NAMESPACE,
	SP_POLICY_REQUEST,
	SP_POLICY_PARAMS,
	SP_POLICY_AUTHORIZER,
	SP_POLICY_REQUEST_RESOURCE,
	SP_POLICY_VARIABLES,
	SP_POLICY_VAR_COUNT_
} sp_policy_var;

/* Which of them an expression sees besides the first four; and what else it is for. */
enum {
	SP_POLICY_HAS_PARAMS = 1u << 0,
	SP_POLICY_HAS_AUTHORIZER = 1u << 1,
	SP_POLICY_HAS_VARIABLES = 1u << 2,
	SP_POLICY_HAS_PATCHES = 1u << 3, /* makes patches: Object… and JSONPatch are types */
	SP_POLICY_SETS = 1u << 4,
};

/* What an expression has to result in. */
typedef enum sp_policy_result {
	SP_POLICY_BOOL,           /* validations, match conditions */
	SP_POLICY_STRING,         /* messageExpression */
	SP_POLICY_STRING_OR_NULL, /* audit annotations */
	SP_POLICY_ANY,            /* variables */
	SP_POLICY_OBJECT_PATCH,   /* ApplyConfiguration */
	SP_POLICY_JSON_PATCH,
	SP_POLICY_RESULT_COUNT_
} sp_policy_result;

typedef struct sp_policy_vars {
	sp_cel_var vars[SP_POLICY_VAR_COUNT_];
	uint8_t ids[SP_POLICY_VAR_COUNT_]; /* sp_policy_var of each */
	size_t n;
} sp_policy_vars;

/* One expression. Without a program `fault` says why. */
typedef struct sp_policy_program {
	sp_str source;
	const sp_cel_program *program;
	const sp_policy_vars *vars;
	sp_str fault;
	bool is_internal; /* the fault is one of making the program, which upstream calls an internal error */
} sp_policy_program;

/* What the expressions of one policy or webhook share. Stays in place while its programs are used. */
typedef struct sp_policy_env {
	sp_arena *arena;
	const sp_cel_env *env, *patch_env; /* made when needed */
	const sp_cel_type *request, *ns;
	const sp_cel_type *object, *params; /* dyn, unless types are checked */
	bool checks_types;                  /* nothing will run: authorizer.requestResource is not declared */
	sp_cel_type variables;              /* a field for each variable so far */
	sp_cel_field *fields;
	size_t cap;
	const sp_policy_vars *sets[SP_POLICY_SETS];
} sp_policy_env;

/* Programs live in the arena. `n_variables`: the most that sp_policy_variable will be asked for. SP_ENOMEM.
 */
sp_code sp_policy_env_init(sp_policy_env *e, sp_arena *a, size_t n_variables) SP_MUST_USE;

/* SP_OK also with a fault. SP_ETOOLARGE: no room. */
sp_code sp_policy_compile(sp_policy_env *e, unsigned has, sp_str expression, sp_policy_result want,
			  sp_policy_program *ret) SP_MUST_USE;

/* The same of a variable, which later expressions then see as variables.NAME; one with a fault as dyn. */
sp_code sp_policy_variable(sp_policy_env *e, unsigned has, sp_str name, sp_str expression,
			   sp_policy_program *ret) SP_MUST_USE;

/* Chooses from `all` (indexed by sp_policy_var) what the program's variables are bound to. */
void sp_policy_bind(const sp_policy_program *p, const sp_cel_binding all[SP_POLICY_VAR_COUNT_],
		    sp_cel_binding ret[SP_POLICY_VAR_COUNT_]);
