/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node agent: the kubelet's role. It registers its node, keeps its lease and status, runs the pods that
 * are bound to it through a container runtime (contracts/cri.h) and tells the API what became of them. U:
 * kubernetes pkg/kubelet.
 */
#pragma once

#include "contracts/cri.h"
#include "contracts/pod_files.h"
#include "io/world.h"
#include "node/eviction.h"
#include "node/images.h"

typedef struct sp_log sp_log;
typedef struct sp_client sp_client;
typedef struct node_agent node_agent;

typedef struct node_agent_opts {
	sp_world *world;
	sp_log *log;
	sp_client *client;
	sp_cri *cri;
	sp_pod_files *files;
	sp_str node_name, node_ip;
	sp_str root_dir, log_dir; /* of pods; made when missing */
	sp_str manifest_dir;      /* of static pods; empty: there are none */
	sp_str local_path_dir;    /* of volumes that are directories of the node; empty: it has none */
	sp_str cgroup_root;       /* "kubepods" */
	bool systemd_cgroups;
	const sp_str *cluster_dns;
	size_t n_cluster_dns;
	sp_str cluster_domain;
	sp_str resolv_conf;                          /* path */
	int64_t pods_max;                            /* 0: 110 */
	int64_t log_bytes_max, log_files_max;        /* of a container's log; 0: it grows */
	int64_t cpu_milli, memory_bytes, disk_bytes; /* of the machine; 0: found out */
	unsigned image_high, image_low; /* percent of the disk that begin and end image garbage collection;
					   both 0: 85 and 80; image_high 100: none */
	sp_str unsafe_sysctls;          /* that pods may set beyond the safe ones: see sysctl.h */
	node_eviction eviction;         /* n 0: no thresholds; limits of pods' storage hold all the same */
	sp_code (*disk)(sp_str path, node_disk *ret, sp_err *err); /* NULL: of the machine */
	uint16_t port; /* of the kubelet API that is told; 0: none */
} node_agent_opts;

/* Texts are copied; the rest outlives the agent. Begins at once; blocks for small files of the machine. */
sp_code node_agent_new(const node_agent_opts *o, node_agent **ret, sp_err *err) SP_MUST_USE;
/* The same later, once it is known. */
void node_agent_set_port(node_agent *a, uint16_t port);
/* Pods go on running. done comes once, then the agent may be freed. */
void node_agent_close(node_agent *a, void (*done)(void *arg), void *arg);
void node_agent_free(node_agent *a);
