/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a pod to what the runtime is asked for: configurations of sandboxes and containers, pure functions. U:
 * kubernetes pkg/kubelet/kuberuntime/{kuberuntime_sandbox,kuberuntime_container,security_context,labels}.go.
 */
#pragma once

#include "contracts/cri.h"
#include "node/dns.h"
#include "node/env.h"
#include "node/huge.h"
#include "node/volumes.h"

/* Of the node, the same for every pod. */
typedef struct node_place {
	sp_str root;        /* pods/<uid>/ is below it */
	sp_str log_root;    /* "/var/log/pods" */
	sp_str links_root;  /* of log_links.h; {NULL, 0}: there are none */
	sp_str cgroup_root; /* "kubepods" */
	bool systemd;       /* the runtime's cgroup driver */
	int64_t memory_capacity;
	node_huge_sizes huge;
	sp_str seccomp_root; /* where Localhost profiles are */
	sp_str host_name;    /* of pods on the node's network */
	sp_str domain;       /* "cluster.local" */
} node_place;

/* Everything in the arena; errors are SP_EINVAL with words for the pod's events, or SP_ETOOLARGE. */
sp_code node_sandbox_config(const node_pod *p, const node_place *place, const node_resolv *dns,
			    uint32_t attempt, sp_arena *a, sp_cri_pod_sandbox_config **ret,
			    sp_err *err) SP_MUST_USE;

typedef struct node_container_input {
	const node_pod *pod;
	const node_container *c;
	const node_place *place;
	const node_env *env;
	const sp_cri_mount *mounts;
	size_t n_mounts;
	uint32_t restarts, attempt;
	sp_str image_ref;   /* as the runtime knows it */
	sp_str target_id;   /* ephemeral: the container it sees */
	bool has_image_uid; /* the image's own user */
	int64_t image_uid;
	sp_str image_user;
} node_container_input;

sp_code node_container_config(const node_container_input *in, sp_arena *a, sp_cri_container_config **ret,
			      sp_err *err) SP_MUST_USE;

/* A mount of a container that has to be prepared: a path inside a volume, bound at `target`. */
typedef struct node_sub_path {
	sp_str base, rel, target;
} node_sub_path;

typedef struct node_mounts {
	sp_cri_mount *at;
	size_t n;
	node_sub_path *subs;
	size_t n_subs;
	bool has_hosts;         /* the file ROOT/pods/UID/etc-hosts is mounted */
	sp_str termination_log; /* file to be made; empty: none */
} node_mounts;

/* `salt`: of the file for the last words, new for each start. SP_EINVAL, SP_ENOTFOUND with words for events.
 */
sp_code node_mounts_make(const node_pod *p, const node_container *c, const node_place *place,
			 const node_volumes *volumes, const node_env *env, sp_str salt, sp_arena *a,
			 node_mounts *ret, sp_err *err) SP_MUST_USE;

/* LOG_ROOT/NS_NAME_UID. {NULL, 0} without room. */
sp_str node_log_dir(sp_arena *a, const node_place *place, const node_pod *p);
/* ROOT/pods/UID/etc-hosts. */
sp_str node_hosts_path(sp_arena *a, const node_place *place, const node_pod *p);
