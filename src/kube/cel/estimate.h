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

typedef struct est_part {
	est_step step;
	sp_str field;
	uint32_t var; /* of the first part: which variable, CEL_NO_SLOT for other names */
} est_part;

/*
 * Where a value comes from: a variable, then steps into its schema; empty when it is not known. Held as
 * upstream's Go slices are, with room behind their end that appends share: the key of a two-variable
 * comprehension may so get the path of the value, and estimates depend on it.
 */
typedef struct est_path {
	est_part *parts;
	uint32_t len, cap;
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
	bool no_memory;
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
