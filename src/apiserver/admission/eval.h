/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of the variables that expressions of admission see, and their evaluation within a budget of
 * costs. For src/apiserver/admission. U: apiserver
 * pkg/admission/plugin/cel/{activation,composition,condition}.go.
 */
#pragma once

#include "apiserver/admission/admission.h"
#include "kube/policy/policy.h"

/* A write as it looks in one version of its resource. */
typedef struct api_form {
	const api_resource *res; /* the resource that was matched */
	const sp_kind
		*kind; /* of the objects; another than res's where a subresource has a body of its own */
	const sp_schema *schema;
	yyjson_mut_val *object, *old;       /* in that version; NULL: none */
	yyjson_val *object_json, *old_json; /* as Go's clients would see them; NULL: none */
} api_form;

/* `variables` of a policy. */
typedef struct api_eval_variable {
	sp_str name;
	sp_policy_program program;
} api_eval_variable;
typedef struct api_eval_variables {
	const sp_cel_type *type;
	const api_eval_variable *items;
	size_t n;
} api_eval_variables;

typedef struct api_eval {
	const api_admit *a;
	const api_form *form;
	sp_arena *arena;  /* of the write: values and messages */
	sp_arena scratch; /* of evaluations */
	sp_cel_binding all[SP_POLICY_VAR_COUNT_];
	sp_cel_authorizer authorizer;
	sp_cel_authz_query resource;
	const api_eval_variables *vars;
	sp_cel_lazy lazy;
	int64_t budget;
	uint64_t composed; /* cost of variables since it was last taken from the budget */
} api_eval;

/* The write's own form; false: no room. */
bool api_form_of(const api_admit *a, api_form *ret) SP_MUST_USE;
/* The same in another version of the resource. */
bool api_form_in(const api_admit *a, const api_form *own, const api_resource *res, api_form *ret) SP_MUST_USE;

/* The same for who reads no JSON of it (object_json and old_json are NULL): a webhook. What has a body of its
 * own is seen as a whole, unless a->is_body. */
bool api_form_seen(const api_admit *a, const api_resource *res, api_form *ret) SP_MUST_USE;
/* An object of one version becomes one of the other, in place; custom resources as if by strategy None. */
bool api_form_turn(api_write *w, const api_resource *from, const api_resource *to,
		   yyjson_mut_val *v) SP_MUST_USE;

/* The name that the write is about, as upstream's attributes have it: empty while it is to be generated. */
sp_str api_eval_name(const api_admit *a);

/* The arguments stay in place until done. There are neither params nor a namespace yet. False: no room. */
bool api_eval_init(api_eval *x, const api_admit *a, const api_form *form) SP_MUST_USE;
void api_eval_done(api_eval *x);
/* `namespaceObject`, without what it does not show; NULL: none. `params`; NULL: null. False: no room. */
bool api_eval_set_namespace(api_eval *x, yyjson_mut_val *ns) SP_MUST_USE;
void api_eval_set_params(api_eval *x, yyjson_mut_val *params);
/* `object` is another one from now on. False: no room. */
bool api_eval_set_object(api_eval *x, api_form *form, yyjson_mut_val *object) SP_MUST_USE;

/* Around a group of expressions that share a budget and the values of variables (`vars` may be NULL). Values
 * are good until the end. */
void api_eval_begin(api_eval *x, const api_eval_variables *vars, uint64_t budget);
void api_eval_end(api_eval *x);

typedef enum api_eval_code {
	API_EVAL_OK,
	API_EVAL_ERROR, /* of this expression */
	API_EVAL_STOP,  /* the budget is spent (or there is no room): the group is over */
} api_eval_code;

/* *ret_error is upstream's text, in the write's arena. */
api_eval_code api_eval_run(api_eval *x, const sp_policy_program *p, sp_cel_val *ret, sp_str *ret_error);
/* For a result that is used beyond api_eval_run: its run. */
sp_cel_run api_eval_reader(api_eval *x);
