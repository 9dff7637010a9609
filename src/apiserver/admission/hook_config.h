/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the stored webhook configurations say: read once per change and kept in memory, so that a cluster
 * without webhooks pays for two looks at empty queues. For src/apiserver/admission only.
 */
#pragma once

#include "apiserver/admission/kept.h"
#include "apiserver/admission/match_conditions.h"
#include "apiserver/rules.h"
#include "apiserver/webhook.h"
#include "kube/selector.h"

typedef struct api_hook_rule {
	api_strs operations, groups, versions, resources;
	sp_str scope;   /* "Namespaced", "Cluster"; anything else is both */
	api_strs names; /* policies: of objects; empty: any */
} api_hook_rule;

typedef struct api_hook {
	sp_str configuration, name;
	const api_hook_rule *rules;
	size_t n_rules;
	sp_selector namespaces, objects;
	api_webhook_at at;
	uint32_t timeout_s;
	bool ignores_failure; /* failurePolicy */
	bool allows_dry_run, is_reinvoked;
	bool is_exact; /* matchPolicy: rules mean their versions only */
	api_match_conditions conditions;
	bool knows_v1; /* of AdmissionReview */
} api_hook;

/* All webhooks of one kind of configuration, by the configuration's name and the order in it. */
typedef struct api_hook_set {
	size_t n_refs;
	sp_arena arena;
	api_hook *hooks;
	size_t n, cap;
} api_hook_set;

typedef enum api_hook_kind { API_HOOK_MUTATING, API_HOOK_VALIDATING, API_HOOK_KIND_COUNT_ } api_hook_kind;

typedef struct api_hook_index {
	api_kept kept[API_HOOK_KIND_COUNT_];
	api_hook_set *sets[API_HOOK_KIND_COUNT_]; /* NULL: to be read */
} api_hook_index;

void api_hook_index_init(api_hook_index *x, sp_store *store);
void api_hook_index_done(api_hook_index *x);

/* The webhooks after every acknowledged write; a borrowed reference, good until the next call. Errors: those
 * of the store, SP_ENOMEM. */
sp_code api_hook_index_get(api_hook_index *x, api_hook_kind kind, api_hook_set **ret,
			   sp_err *err) SP_MUST_USE;
api_hook_set *api_hook_set_ref(api_hook_set *s);
/* Returns NULL; NULL is allowed. */
api_hook_set *api_hook_set_unref(api_hook_set *s);

/* Appends the webhooks of one configuration object. False: no room. */
bool api_hook_set_add(api_hook_set *s, sp_str configuration, yyjson_val *obj) SP_MUST_USE;
/* An empty set with one reference. */
api_hook_set *api_hook_set_new(void);

/* Copies of a list of rules; of a selector, where an absent one selects everything and one that can't be read
 * nothing. False: no room. */
bool api_hook_rules_read(sp_arena *a, yyjson_val *list, const api_hook_rule **ret, size_t *ret_n) SP_MUST_USE;
bool api_hook_selector_read(sp_arena *a, yyjson_val *v, sp_selector *ret) SP_MUST_USE;

/* What a write is about, as rules see it. `ns` of a namespace is its own name. */
typedef struct api_hook_target {
	sp_str operation; /* "CREATE" … */
	sp_str group, version, resource, subresource, ns;
} api_hook_target;

/* U: apiserver pkg/admission/plugin/webhook/predicates/rules/rules.go */
bool api_hook_rule_matches(const api_hook_rule *r, const api_hook_target *t);
bool api_hook_matches(const api_hook *h, const api_hook_target *t);
