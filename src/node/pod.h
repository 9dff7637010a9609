/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pod as the API wants it, read once per version into structs that the rest of the agent works on.
 * Everything points into the pod's own arena.
 */
#pragma once

#include "base/json.h"
#include "kube/view.h"

#define NODE_POD_BYTES_MAX ((size_t)16 << 20)

typedef enum node_role {
	NODE_INIT, /* init containers, sidecars among them */
	NODE_REGULAR,
	NODE_EPHEMERAL,
} node_role;

typedef enum node_restart { NODE_RESTART_ALWAYS, NODE_RESTART_ON_FAILURE, NODE_RESTART_NEVER } node_restart;

typedef struct node_container_view {
	sp_str name, image, pull_policy, working_dir, restart_policy;
	sp_str termination_path, termination_policy;
	bool stdin, stdin_once, tty;
	sp_vlist command, args, env, env_from, ports, mounts, devices, restart_rules;
	sp_vlist resize_policy;
	sp_vmap requests, limits; /* those that are granted: see resize.h */
	yyjson_val *liveness, *readiness, *startup, *post_start, *pre_stop, *security;
} node_container_view;

typedef struct node_container {
	node_container_view v;
	sp_str name;
	node_role role;
	bool is_sidecar; /* an init container that keeps running */
	uint64_t hash;   /* of what makes it another container: name and image. U: HashContainer */
	sp_vmap wanted_requests, wanted_limits; /* as the spec has them */
	sp_str target;                          /* ephemeral: the container whose processes it sees */
	sp_str field_path;                      /* "spec.containers{web}", for events */
} node_container;

typedef struct node_pod_view {
	sp_str ns, name, uid, node, host_name, subdomain, host_name_override, service_account, runtime_class,
		dns_policy;
	sp_str restart_policy, priority_class, phase, reason, message, priority;
	sp_time created, deletion, start;
	bool has_deletion, has_start;
	int64_t deletion_grace_s, grace_s, deadline_s, generation;
	bool has_deletion_grace_s, has_grace_s, has_deadline_s;
	bool host_network, host_pid, host_ipc, share_pid, has_share_pid, fqdn_host_name;
	bool service_links, has_service_links, host_users, has_host_users;
	sp_vlist containers, init_containers, ephemeral_containers, volumes, host_aliases, pull_secrets,
		gates;
	sp_vlist conditions;
	sp_vmap labels, annotations, overhead;
	yyjson_val *dns_config, *security, *status, *resources;
} node_pod_view;

typedef struct node_pod {
	sp_arena arena;
	node_pod_view v;
	yyjson_val *tree; /* the whole object */
	node_restart restart;
	/* In the order init, regular, ephemeral. */
	node_container *containers;
	size_t n_init, n_regular, n_ephemeral, n_containers;
	sp_str full_name;  /* "name_namespace(uid)", of messages. U: format.Pod */
	uint32_t ids_from; /* the host's id of its user 0; 0: it has no range of its own (yet) */
	bool is_static;    /* from a file: there is a mirror in the API, or none */
} node_pod;

/* Copies the text. SP_EINVAL: not a pod the agent can work with; SP_ETOOLARGE, SP_ENOMEM. */
sp_code node_pod_parse(sp_str json, node_pod **ret, sp_err *err) SP_MUST_USE;
void node_pod_free(node_pod *p);

/* NULL when there is none of that name. */
const node_container *node_pod_container(const node_pod *p, sp_str name);
static inline const node_container *node_pod_init(const node_pod *p, size_t i)
{
	return &p->containers[i];
}
static inline const node_container *node_pod_regular(const node_pod *p, size_t i)
{
	return &p->containers[p->n_init + i];
}
static inline const node_container *node_pod_ephemeral(const node_pod *p, size_t i)
{
	return &p->containers[p->n_init + p->n_regular + i];
}

/* Whether one that ended with that code is started again, by its own or the pod's policy. U:
 * ContainerShouldRestart. */
bool node_container_restarts(const node_pod *p, const node_container *c, int32_t exit_code);

/* Whether its end with that code begins the whole pod anew, by one of its rules. NULL: no. */
bool node_container_resets(const node_container *c, int32_t exit_code);
/* Some rule of the pod can do that; it is being done, as the API was told. */
bool node_pod_may_reset(const node_pod *p);
bool node_pod_is_resetting(const node_pod *p);

/* hostUsers: false. */
static inline bool node_pod_has_own_users(const node_pod *p)
{
	return p->v.has_host_users && !p->v.host_users;
}

/* "Succeeded" and "Failed" are for good. */
bool node_phase_is_terminal(sp_str phase);
