/* SPDX-License-Identifier: Apache-2.0 */
/* Between the two files of the estimate. */
#pragma once

#include "kube/cel/plan.h"

/* A size or a cost: at least, at most. */
typedef struct est_range {
	uint64_t min, max;
} est_range;

#define EST_UNKNOWN ((est_range){0, UINT64_MAX})

/* Sizes of the keys (or indexes) and values of a list or map. */
typedef struct est_entry_size {
	bool list;
	est_range key, value;
} est_entry_size;

typedef enum est_step { EST_FIELD, EST_ELEMENT, EST_KEY, EST_INDEX } est_step;

/* Where a value stands in the variables' schemas, as far as that is known. */
typedef struct est_path {
	bool known, root;
	enum { EST_NOWHERE = 0, EST_AT_SCHEMA, EST_AT_KEY, EST_AT_ROOT } at;
	const sp_schema *schema;
} est_path;

/* What is known of a node. */
typedef struct est_node {
	est_path path;
	bool has_size, has_entry;
	est_range size;
	est_entry_size entry;
} est_node;

typedef struct est_local {
	struct est_local *outer;
	sp_str name;
	est_path path;
	bool has_size, has_entry;
	est_range size;
	est_entry_size entry;
} est_local;

typedef struct estimator {
	sp_arena *scratch;
	const sp_cel_program *program;
	est_node *nodes; /* by id */
	est_local *locals;
	bool has_schema; /* some variable has one */
} estimator;

typedef struct est_call {
	est_range cost;
	bool has_size;
	est_range size; /* of the result */
} est_call;

est_range est_add(est_range a, est_range b);
est_range est_mul(est_range a, est_range b);
est_range est_scale(est_range a, double factor);
est_range est_union(est_range a, est_range b);

est_node *est_of(estimator *x, const cel_node *e);
bool est_size(estimator *x, const cel_node *e, est_range *ret);
est_range est_size_or_unknown(estimator *x, const cel_node *e);
bool est_element_size(estimator *x, const cel_node *e, est_range *ret);
bool est_entry(estimator *x, const cel_node *e, est_entry_size *ret);
void est_set_entry(estimator *x, const cel_node *e, est_entry_size entry);

/* One overload of a call; args: costs of its arguments (without the receiver), all: their sum. */
void est_call_cost(estimator *x, const cel_node *e, const cel_overload *o, const est_range *args,
		   est_range all, est_call *ret);
