/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RBAC policy rules: what they allow, and whether some cover others. All lists live in an arena.
 * U: kubernetes pkg/apis/rbac/v1/evaluation_helpers.go, component-helpers
 * auth/rbac/validation/policy_comparator.go.
 */
#pragma once

#include "base/json.h"

typedef struct api_strs {
	sp_str *items;
	size_t n;
} api_strs;

typedef struct api_rule {
	api_strs verbs, groups, resources, names, urls;
} api_rule;

typedef struct api_rules {
	api_rule *items;
	size_t n;
} api_rules;

/* What somebody wants to do. */
typedef struct api_attributes {
	bool is_resource;
	sp_str verb;
	sp_str group, resource, subresource, ns, name;
	sp_str path;
	sp_str field_selector, label_selector; /* of list, watch and deletecollection; as text, or empty */
} api_attributes;

/* Copies of a list of PolicyRules and of a list of texts; NULL is empty. False: no room. */
bool api_rules_read(sp_arena *a, yyjson_val *list, api_rules *ret) SP_MUST_USE;
bool api_strs_read(sp_arena *a, yyjson_val *list, api_strs *ret) SP_MUST_USE;
/* Appends copies of the structs (the texts are shared). False: no room. */
bool api_rules_add(sp_arena *a, api_rules *to, const api_rules *from) SP_MUST_USE;

bool api_rule_allows(const api_rule *r, const api_attributes *what);

/*
 * Every action that `wanted` allows and `owned` doesn't, one rule of one verb, resource and name each.
 * SP_ETOOLARGE: more than API_RULES_ACTIONS_MAX actions are wanted, or no room.
 */
#define API_RULES_ACTIONS_MAX 100000u
sp_code api_rules_missing(sp_arena *a, const api_rules *owned, const api_rules *wanted, api_rules *ret,
			  sp_err *err) SP_MUST_USE;

/* Rules on one resource that differ in their verbs only become one. Changes the rules in place. */
bool api_rules_compact(sp_arena *a, api_rules *rules) SP_MUST_USE;

/* Appends `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`, one line a rule, sorted. */
sp_code api_rules_print(sp_arena *a, sp_buf *out, const api_rules *rules);

/* Appends the rule as JSON, fields in the API's order. */
sp_code api_rule_write(sp_buf *out, const api_rule *r);

/* Appends Go's %q of a list: ["a" "b"]. */
sp_code api_strs_print(sp_buf *out, const sp_str *items, size_t n);
