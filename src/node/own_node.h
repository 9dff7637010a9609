/* SPDX-License-Identifier: Apache-2.0 */
/* What a Node object says that its agent compares with what it knows itself. */
#pragma once

#include "base/json.h"
#include "node/eviction.h"

typedef enum node_says { NODE_SAYS_NOTHING, NODE_SAYS_TRUE, NODE_SAYS_FALSE, NODE_SAYS_UNKNOWN } node_says;

/* Conditions by their node_pressure, then Ready. */
#define NODE_OWN_READY NODE_PRESSURE_COUNT_
#define NODE_OWN_CONDITIONS (NODE_PRESSURE_COUNT_ + 1)

typedef struct node_own_node {
	node_says says[NODE_OWN_CONDITIONS];
	int64_t since_ns[NODE_OWN_CONDITIONS]; /* lastTransitionTime; 0: not told */
	uint64_t revision;                     /* 0: none that is a number */
	sp_str uid, boot_id;                   /* of the tree; empty: not told */
	bool is_unschedulable;
} node_own_node;

/* Whatever is missing or of another type is as if it were not told. */
void node_own_node_read(yyjson_val *object, node_own_node *ret);
