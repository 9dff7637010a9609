/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /var/log/containers: a symbolic link to the log of each container, by names that collectors of logs take
 * pods, namespaces and containers from: POD_NAMESPACE_CONTAINER-ID.log. U: kubernetes
 * pkg/kubelet/kuberuntime/legacy.go. Calls with a world block.
 */
#pragma once

#include "contracts/pod_files.h"
#include "io/file.h"

/* Where links of these logs are: the directory "containers" beside a directory "pods"; {NULL, 0}: the logs
 * are in another one, and there are no links, or without room. */
sp_str node_log_links_root(sp_arena *a, sp_str log_root);

/* The link of a container, as long as a file's name may be at most; {NULL, 0} without room. */
sp_str node_log_link(sp_arena *a, sp_str links_root, sp_str ns, sp_str pod, sp_str container, sp_str id);

/* Removes the links of a pod of that name that lead to that file or into that directory. No links: SP_OK. */
sp_code node_log_links_remove(sp_world *w, sp_pod_files *f, sp_str links_root, sp_str ns, sp_str pod,
			      sp_str target, sp_arena *a, sp_err *err) SP_MUST_USE;
/* Removes all links that lead nowhere: of logs that went while no agent was there. Nothing may be rotated
 * meanwhile. */
sp_code node_log_links_sweep(sp_world *w, sp_pod_files *f, sp_str links_root, sp_arena *a,
			     sp_err *err) SP_MUST_USE;
