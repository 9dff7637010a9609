/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the stored admission policies and their bindings say, compiled once per change and kept in memory: a
 * cluster without policies pays for looks at empty queues. For src/apiserver/admission. U: apiserver
 * pkg/admission/plugin/policy/{generic/policy_source,validating/plugin,mutating/compilation}.go.
 */
#pragma once

#include "apiserver/admission/hook_config.h"

typedef enum api_policy_sort {
	API_POLICY_VALIDATING,
	API_POLICY_MUTATING,
	API_POLICY_SORT_COUNT_
} api_policy_sort;

/* matchConstraints, matchResources. */
typedef struct api_policy_match {
	bool is_there;
	sp_selector namespaces, objects;
	const api_hook_rule *rules, *excludes;
	size_t n_rules, n_excludes;
	bool equivalent; /* other versions of what is named count too */
} api_policy_match;

typedef struct api_policy_check {
	sp_policy_program test, message_program; /* the latter without a source: none */
	sp_str message, reason;
} api_policy_check;

typedef struct api_policy_note {
	sp_str key;
	sp_policy_program program;
} api_policy_note;

typedef struct api_policy_mutation {
	bool json_patch; /* else ApplyConfiguration */
	sp_policy_program program;
} api_policy_mutation;

typedef struct api_policy {
	unsigned n_refs;
	sp_arena arena; /* of all below */
	sp_str name;
	uint64_t revision;
	bool ignores_failure, is_reinvoked;
	bool has_param_kind;
	sp_str param_version, param_kind; /* "v1", "ConfigMap" */
	api_policy_match match;
	sp_policy_env env;
	api_eval_variables variables;
	api_match_conditions conditions;
	const api_policy_check *checks;
	const api_policy_note *notes;
	const api_policy_mutation *mutations;
	size_t n_checks, n_notes, n_mutations;
} api_policy;

typedef struct api_policy_binding {
	sp_str name, policy;
	api_policy_match match;
	bool has_ref, has_selector;
	sp_str param_name, param_ns;
	sp_selector selector;
	bool denies_missing;        /* parameterNotFoundAction */
	bool denies, warns, audits; /* validationActions */
} api_policy_binding;

/* A policy and its bindings, which stand together. */
typedef struct api_policy_hook {
	api_policy *policy; /* a reference */
	const api_policy_binding *bindings;
	size_t n;
} api_policy_hook;

typedef struct api_policy_set {
	unsigned n_refs;
	sp_arena arena;
	api_policy_hook *hooks; /* by the policy's name */
	size_t n, cap;
} api_policy_set;

typedef struct api_policy_index {
	api_kept policies[API_POLICY_SORT_COUNT_], bindings[API_POLICY_SORT_COUNT_];
	api_policy_set *sets[API_POLICY_SORT_COUNT_]; /* NULL: to be read */
} api_policy_index;

void api_policy_index_init(api_policy_index *x, sp_store *store);
void api_policy_index_done(api_policy_index *x);

/* The policies with bindings after every acknowledged write; borrowed until the next call. Policies that did
 * not change keep their programs. Errors: those of the store, SP_ENOMEM. */
sp_code api_policy_index_get(api_policy_index *x, api_policy_sort sort, api_policy_set **ret,
			     sp_err *err) SP_MUST_USE;
api_policy_set *api_policy_set_ref(api_policy_set *s);
/* Returns NULL; NULL is allowed. */
api_policy_set *api_policy_set_unref(api_policy_set *s);

/* Compiles one policy. NULL: no room. */
api_policy *api_policy_new(api_policy_sort sort, sp_str name, uint64_t revision, yyjson_val *obj);
/* Returns NULL; NULL is allowed. */
api_policy *api_policy_unref(api_policy *p);
