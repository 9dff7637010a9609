/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Environments of containers: $(VAR), variables of services, config maps, secrets and fields. U: kubernetes
 * pkg/kubelet/kubelet_pods.go makeEnvironmentVariables, pkg/kubelet/envvars/envvars.go,
 * third_party/forked/golang/expansion/expand.go.
 */
#pragma once

#include "base/map.h"
#include "node/env_file.h"
#include "node/fields.h"
#include "node/objects.h"

typedef struct node_env_var {
	sp_str name, value;
} node_env_var;

/* In the order they were first defined. */
typedef struct node_env {
	node_env_var *at;
	size_t n, cap;
	size_t n_own; /* the first ones are the container's; services' that it did not define follow */
} node_env;

/* The value of a variable; {NULL, 0} when it is not defined. */
sp_str node_env_get(const node_env *e, sp_str name);

/* Names of variables in order of bytes, each once; those after the first 32 that were found are left out. */
#define NODE_MISSING_MAX 32u
typedef struct node_missing {
	sp_str at[NODE_MISSING_MAX];
	size_t n;
} node_missing;

/*
 * Appends text with every $(NAME) replaced by what it is in `vars`; $$ is a dollar; unknown names stay as
 * they are. `missing` (may be NULL) gets the names that are unknown or empty.
 */
void node_expand(sp_buf *out, sp_str text, const node_env *vars, node_missing *missing);
/* The same into the arena; {NULL, 0} without room. */
sp_str node_expand_arena(sp_arena *a, sp_str text, const node_env *vars);

/* Adds a variable, or replaces its value. */
sp_code node_env_set(node_env *e, sp_arena *a, sp_str name, sp_str value, sp_err *err) SP_MUST_USE;

/* The variables of one service (a v1 Service object), as links of docker had them. None for headless ones. */
sp_code node_env_add_service(node_env *e, sp_arena *a, yyjson_val *service, sp_err *err) SP_MUST_USE;

/*
 * The environment of a container. `services` are the variables that services give (NULL: none), `files` what
 * it refers to of files (NULL: none is there). SP_ENOTFOUND, SP_EINVAL: a reference that can't be resolved;
 * err says which, in kubelet's words (CreateContainerConfigError).
 */
sp_code node_env_make(const node_field_source *from, const node_container *c, const node_objects *objects,
		      const node_env_files *files, const node_env *services, sp_arena *a, node_env *ret,
		      sp_err *err) SP_MUST_USE;
