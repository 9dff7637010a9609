/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RBAC authorizer: what the roles and bindings in the store allow. It keeps them parsed and reads them
 * again after one has changed; a write is seen by the first request after it was acknowledged. U: kubernetes
 * plugin/pkg/auth/authorizer/rbac.
 */
#pragma once

#include "apiserver/request.h"
#include "store/store.h"

typedef struct api_rbac api_rbac;

/* Nothing is read before the first question. The store outlives it. Aborts without memory. */
api_rbac *api_rbac_new(sp_store *store);
/* NULL is a no-op. */
void api_rbac_free(api_rbac *r);

/* What somebody wants to do. */
typedef struct api_attributes {
	bool is_resource;
	sp_str verb;
	sp_str group, resource, subresource, ns, name;
	sp_str path;
} api_attributes;

/*
 * True when a binding allows it; *ret_reason (in the arena, may be NULL) says which, in upstream's words. An
 * error means that the roles could not be read: that is no yes.
 */
sp_code api_rbac_allows(api_rbac *r, sp_arena *a, const api_user *user, const api_attributes *what, bool *ret,
			sp_str *ret_reason, sp_err *err) SP_MUST_USE;
