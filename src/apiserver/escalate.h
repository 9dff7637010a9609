/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nobody grants what they may not do themselves: who writes a role needs all it allows, or the verb
 * "escalate"; who binds one, the same or the verb "bind". U: kubernetes
 * pkg/registry/rbac/{role,clusterrole,rolebinding,clusterrolebinding}/policybased.
 */
#pragma once

#include "apiserver/write.h"

/* Before w->obj is stored; `old` is NULL for a create. False: refused and answered. Other kinds always pass.
 */
bool api_escalation_check(api_write *w, yyjson_mut_val *old);
