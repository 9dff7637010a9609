/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of kube/crd. */
#pragma once

#include "kube/cel/cel.h"
#include "kube/crd/crd.h"

/* A path step: "a.b" (joined by a dot unless the parent is empty), "a[key]" / "a[3]". Empty without room. */
sp_str sp_crd_path(sp_arena *a, sp_str parent, sp_str name);
sp_str sp_crd_path_key(sp_arena *a, sp_str parent, sp_str key);

/* Errors of a node's own keywords. */
void sp_crd_keywords(sp_arena *a, yyjson_mut_val *node, sp_str path, sp_violations *errors);

/* ---- rules ---- */

typedef struct sp_crd_rule {
	sp_str rule, message, message_expression, reason, field_path; /* as they were given */
	bool has_optional_old, optional_old;
	bool uses_old; /* a transition rule */
	const sp_cel_program *program, *message_program;
	sp_str fault, message_fault; /* why there is none */
	sp_str place;                /* field_path as part of a path; empty: none, or it is no path */
} sp_crd_rule;

/* Of one node. The variables are self and oldSelf; in the second pair the latter is optional. */
typedef struct sp_cel_rules {
	sp_crd_rule *rules;
	size_t n;
	sp_cel_var vars[2][2];
	bool untyped; /* upstream has no type for the node */
} sp_cel_rules;

/* x-kubernetes-validations of a schema as written. SP_ETOOLARGE: no room. */
sp_code sp_crd_rules_read(sp_arena *a, yyjson_mut_val *openapi, const sp_cel_rules **ret) SP_MUST_USE;

/*
 * A path like ".a.b['c']" below a schema as written: *ret is its form in field paths ("a.b[c]"). False: it is
 * none, or leads nowhere; or there is no room. U: ValidFieldPath.
 */
bool sp_crd_place(sp_arena *a, yyjson_mut_val *openapi, sp_str text, sp_str *ret);

/* The pattern of the format of rules, if it has one. */
sp_code sp_crd_format_compile(sp_arena *a, sp_rules *r) SP_MUST_USE;
/* Whether a text has the format; formats that aren't known have all. */
sp_code sp_crd_format_fits(const sp_rules *r, sp_str text, sp_arena *scratch, bool *ret) SP_MUST_USE;
