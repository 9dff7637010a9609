/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks: a name, groups, and what else the authenticator knows. U: apiserver pkg/authentication/user. */
#pragma once

#include "base/arena.h"
#include "base/json_out.h"

typedef struct api_extra {
	sp_str key;
	const sp_str *values;
	size_t n;
} api_extra;

typedef struct api_user {
	sp_str name, uid;
	const sp_str *groups;
	size_t n_groups;
	const api_extra *extra;
	size_t n_extra;
} api_user;

#define API_USER_ANONYMOUS SP_STR("system:anonymous")
#define API_GROUP_AUTHENTICATED SP_STR("system:authenticated")
#define API_GROUP_UNAUTHENTICATED SP_STR("system:unauthenticated")
#define API_GROUP_MASTERS SP_STR("system:masters")
#define API_GROUP_NODES SP_STR("system:nodes")

bool api_user_is_in(const api_user *u, sp_str group);
/* The value of an extra that has exactly one; empty otherwise. */
sp_str api_user_extra(const api_user *u, sp_str key);
/* Adds the group unless it is there; the list is made anew in the arena. False: no room. */
bool api_user_add_group(sp_arena *a, api_user *u, sp_str group) SP_MUST_USE;
/* Adds a value to a key; keys in the order of arrival. `extra` has room for one more. False: no room. */
bool api_extra_add(sp_arena *a, api_extra *extra, size_t *n, sp_str key, sp_str value) SP_MUST_USE;
/* The key behind a header's prefix, percent signs decoded where they can be. */
sp_str api_extra_key(sp_arena *a, sp_str header, size_t prefix_len);

/* The group of everybody who was recognised, unless the user is anonymous or says otherwise. */
bool api_user_settle_groups(sp_arena *a, api_user *u) SP_MUST_USE;

/* "system:serviceaccount:NS:NAME" of well-formed names. */
bool api_user_service_account(sp_str user_name, sp_str *ret_ns, sp_str *ret_name);
/* Its name, and its groups but system:authenticated. False: no room. */
bool api_user_of_service_account(sp_arena *a, sp_str ns, sp_str name, sp_str uid, api_user *ret) SP_MUST_USE;
/* The node of "system:node:NAME". */
bool api_user_node_name(sp_str user_name, sp_str *ret_node);
/* The same for members of system:nodes only: kubelets. U: kubernetes pkg/auth/nodeidentifier. */
bool api_user_is_node(const api_user *u, sp_str *ret_node);

/* The members of a UserInfo; those that are empty are left out. */
void api_user_write(sp_jout *j, const api_user *u);
