/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service accounts that are limited to the node their token was made for: those with the annotation
 * sampan.dev/node-scoped: "true". What upstream has is the claim only (KEP-4193: tokens of pods name their
 * node, authentication.kubernetes.io/node-name of a user's extras); here it also binds. On top of every
 * authorizer, of which one still has to say yes, such a user reaches what the node itself could of: its Node
 * and Lease, the pods bound to it and their status, the secrets, config maps, claims and volumes that those
 * use. The account is looked at each time, so the annotation counts for tokens that are out already.
 */
#pragma once

#include "apiserver/auth.h"

#define API_NODE_SCOPED_NOTE "sampan.dev/node-scoped"

/* True when the user is such an account; *ret_node is empty when the token names no node: then it may do
 * nothing. */
bool api_node_scoped(api_server *s, sp_arena *a, const api_user *user, sp_str *ret_node);

/* API_DENY, with the reason, when such a user goes beyond; else no opinion. */
api_decision api_node_scope_decide(api_server *s, sp_arena *a, const api_user *user,
				   const api_attributes *what, sp_str *ret_reason);
