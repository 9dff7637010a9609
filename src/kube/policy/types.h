/* SPDX-License-Identifier: Apache-2.0 */
/* The declared types of `request` and `namespaceObject`. U: apiserver pkg/admission/plugin/cel/compile.go. */
#pragma once

#include "kube/cel/cel.h"

/* In the arena; NULL: no room. */
const sp_cel_type *sp_policy_request_type(sp_arena *a);
const sp_cel_type *sp_policy_namespace_type(sp_arena *a);
