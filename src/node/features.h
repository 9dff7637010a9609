/* SPDX-License-Identifier: Apache-2.0 */
/* What the runtime and its handlers can do, as the node's status has it. U: kubernetes
 * pkg/kubelet/nodestatus/setters.go (RuntimeHandlers, NodeFeatures). */
#pragma once

#include "base/json_out.h"
#include "contracts/cri.h"

#define NODE_HANDLERS_MAX 64u

typedef struct node_handler {
	sp_str name; /* heap */
	bool recursive_read_only, user_namespaces;
} node_handler;

typedef struct node_features {
	bool is_known; /* the runtime has said it */
	bool has_any;  /* it has features of its own */
	bool strict_groups;
	node_handler handlers[NODE_HANDLERS_MAX];
	size_t n_handlers;
} node_features;

/* Copies what the runtime says. More handlers than NODE_HANDLERS_MAX are not told. */
void node_features_take(node_features *f, const sp_cri_status_response *r);
void node_features_done(node_features *f);
/* Whether pods of that handler ("": the default one) may have users of their own. SP_EINVAL: not, in the
 * words that such pods are refused with. */
sp_code node_features_check_users(const node_features *f, sp_str handler, sp_err *err) SP_MUST_USE;
/* Members of a node's status: runtimeHandlers, features. */
void node_features_write(const node_features *f, sp_jout *j);
