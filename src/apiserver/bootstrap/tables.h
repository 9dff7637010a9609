/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default roles and bindings, as data. Rules are lines:
 *
 *	get,list core,apps pods,deployments [name,name]   verbs, API groups ("core" is the empty one),
 *resources, names get /healthz,/version                             verbs, paths
 */
#pragma once

#include "base/str.h"

typedef struct boot_role {
	const char *name;
	const char *ns;             /* NULL: a ClusterRole */
	const char *aggregate_to;   /* "view": is part of that role */
	const char *aggregate_from; /* "view": has the rules of all that are part of it */
	const char *rules;          /* NULL: none */
} boot_role;

typedef struct boot_binding {
	const char *name;
	const char *ns; /* NULL: a ClusterRoleBinding to a ClusterRole; else a RoleBinding to a Role */
	const char *role;
	const char *subjects; /* lines "Group NAME", "User NAME", "ServiceAccount NAMESPACE/NAME"; or NULL */
} boot_binding;

extern const boot_role boot_cluster_roles[], boot_controller_roles[], boot_roles[];
extern const size_t boot_cluster_roles_n, boot_controller_roles_n, boot_roles_n;
extern const boot_binding boot_cluster_bindings[], boot_bindings[];
extern const size_t boot_cluster_bindings_n, boot_bindings_n;
