/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RBAC authorizer: what the roles and bindings in the store allow. It keeps them parsed and reads them
 * again after one has changed; a write is seen by the first request after it was acknowledged. A ClusterRole
 * with an aggregationRule has the rules of the roles it selects, also before a controller has written them
 * there. U: kubernetes plugin/pkg/auth/authorizer/rbac, pkg/registry/rbac/validation/rule.go.
 */
#pragma once

#include "apiserver/rules.h"
#include "apiserver/user.h"
#include "store/store.h"

typedef struct api_rbac api_rbac;

/* Nothing is read before the first question. The store outlives it. Aborts without memory. */
api_rbac *api_rbac_new(sp_store *store);
/* NULL is a no-op. */
void api_rbac_free(api_rbac *r);

/*
 * True when a binding allows it. *ret_reason (in the arena, may be NULL) says which, or which roles that are
 * bound to the user don't exist, in upstream's words; it may be empty. An error means that the roles could
 * not be read: that is no yes.
 */
sp_code api_rbac_allows(api_rbac *r, sp_arena *a, const api_user *user, const api_attributes *what, bool *ret,
			sp_str *ret_reason, sp_err *err) SP_MUST_USE;

/* All rules that apply to the user in the namespace (empty: cluster-wide). They share their texts with the
 * index and are good until the next write. */
sp_code api_rbac_rules_of(api_rbac *r, sp_arena *a, const api_user *user, sp_str ns, api_rules *ret,
			  sp_err *err) SP_MUST_USE;

/* The rules of a role, in the same way; a ClusterRole when `ns` is empty. SP_ENOTFOUND. */
sp_code api_rbac_role(api_rbac *r, sp_str ns, sp_str name, api_rules *ret, sp_err *err) SP_MUST_USE;
