/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects that a cluster has from its first moment: default roles and bindings, namespaces, the service
 * "kubernetes", priority classes, flow schemas and so on. They are brought up to date at each start, in one
 * group of store transactions: what is missing is made; of what was changed by people only that is touched
 * which upstream touches. U: kubernetes pkg/registry/rbac/rest/storage_rbac.go, pkg/controlplane/controller,
 * apiserver pkg/apis/flowcontrol/bootstrap.
 */
#pragma once

#include "apiserver/rules.h"
#include "apiserver/server.h"

/* A further object, made when it is missing and brought to this state when it differs; its kind is built in.
 */
typedef struct api_bootstrap_object {
	const char *group, *version, *plural;
	sp_str ns, name, json;
} api_bootstrap_object;

/* What about this server goes into the objects. */
typedef struct api_bootstrap_opts {
	sp_str address;      /* IP that clients are told to use; a loopback one gets no endpoints */
	uint16_t port;       /* of HTTPS */
	sp_str service_cidr; /* "10.96.0.0/16" */
	sp_str client_ca;    /* PEM, or empty */
	/* Whose certificates tell aggregated servers that a request comes from a front proxy: PEM, or empty.
	 */
	sp_str front_proxy_ca;
	/* As the config map tells them: JSON lists. */
	sp_str front_proxy_names, user_headers, uid_headers, group_headers, extra_prefixes;
	const api_bootstrap_object *more; /* beyond upstream's; stay until it is done */
	size_t n_more;
} api_bootstrap_opts;

/*
 * Begins; `done` comes once, on the loop: SP_OK, and the server reports itself ready from now on, or why not.
 * The options are not needed afterwards. Not twice for one server. The server is not freed before. The texts
 * of the options stay until then.
 */
void api_bootstrap(api_server *s, const api_bootstrap_opts *o,
		   void (*done)(void *arg, sp_code code, const sp_err *err), void *arg);

/* The rules of a default ClusterRole, as they were before anybody changed them. */
sp_code api_bootstrap_rules(sp_arena *a, const char *name, api_rules *ret, sp_err *err) SP_MUST_USE;
