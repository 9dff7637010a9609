/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kubelet may do: read what the pods on its node refer to, write what is about itself. No graph is
 * kept; a question is answered from the store's index of pods by node, so it sees every write that was
 * acknowledged. Only yes or no opinion, never no. U: kubernetes plugin/pkg/auth/authorizer/node.
 */
#pragma once

#include "apiserver/auth.h"

/* *ret_reason says why there is no opinion. */
api_decision api_node_decide(api_server *s, sp_arena *a, const api_user *user, const api_attributes *what,
			     sp_str *ret_reason);

/* The same for that node, whoever asks, and without its roles: nodes, what is theirs, and what their pods
 * use. */
api_decision api_node_may(api_server *s, sp_arena *a, sp_str node, const api_attributes *what,
			  sp_str *ret_reason);
/* Whether the pod that `what` names is bound to the node. */
bool api_node_has_pod(api_server *s, sp_arena *a, sp_str node, const api_attributes *what);
