/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flow schemas and priority levels in a form of their own: read from the store when one of them changed,
 * matched against every request. U: apiserver pkg/util/flowcontrol/{apf_controller,rule}.go.
 */
#pragma once

#include "apiserver/admission/kept.h"
#include "apiserver/flow/level.h"
#include "apiserver/reqinfo.h"
#include "apiserver/rules.h"
#include "apiserver/user.h"

typedef enum api_flow_by { API_FLOW_ALL, API_FLOW_BY_USER, API_FLOW_BY_NAMESPACE } api_flow_by;

/* Whom a rule is about. */
typedef enum api_flow_subject_kind {
	API_FLOW_NOBODY, /* a kind that is not known */
	API_FLOW_USER,
	API_FLOW_GROUP,
	API_FLOW_ACCOUNT,
} api_flow_subject_kind;

typedef struct api_flow_subject {
	uint8_t kind; /* api_flow_subject_kind */
	sp_str ns, name;
} api_flow_subject;

typedef struct api_flow_resource_rule {
	api_strs verbs, groups, resources, namespaces;
	bool cluster_scope;
} api_flow_resource_rule;

typedef struct api_flow_rule {
	api_flow_subject *subjects;
	size_t n_subjects;
	api_flow_resource_rule *resources;
	size_t n_resources;
	api_rules paths; /* verbs and urls of it */
} api_flow_rule;

/* Of one configuration's arena. */
typedef struct api_flow_schema {
	sp_str name, uid, level_name, level_uid;
	int64_t precedence;
	uint8_t by; /* api_flow_by */
	api_flow_rule *rules;
	size_t n_rules;
	api_level *level;
} api_flow_schema;

typedef struct api_flow_config {
	sp_world *world;
	api_kept levels_kept, schemas_kept;
	uint32_t seats; /* of the whole server */
	api_level **levels;
	size_t n_levels;
	bool dirty; /* what the store says is not taken over yet */
	sp_arena arena;
	api_flow_schema *schemas; /* by precedence, then name */
	size_t n_schemas;
} api_flow_config;

/* Only "exempt" and "catch-all" at first. */
void api_flow_config_init(api_flow_config *c, sp_world *w, sp_store *store, uint32_t seats);
/* When no request holds a ticket. */
void api_flow_config_done(api_flow_config *c);

/*
 * Takes over what changed in the store. On an error everything stays as it was, and is tried again at the
 * next change. Names, UIDs and schemas from before are gone after it; levels that tickets are of stay.
 */
sp_code api_flow_config_follow(api_flow_config *c, sp_err *err) SP_MUST_USE;

/* Which schema a request belongs to; NULL before the first follow that succeeded. */
const api_flow_schema *api_flow_match(const api_flow_config *c, const api_user *u, const api_reqinfo *i);
/* What makes the request's flow one. */
uint64_t api_flow_hash(const api_flow_schema *s, const api_user *u, const api_reqinfo *i);
