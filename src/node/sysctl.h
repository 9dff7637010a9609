/* SPDX-License-Identifier: Apache-2.0 */
/* Which kernel settings pods may set for themselves. Pure. U: kubernetes pkg/kubelet/sysctl/allowlist.go,
 * k8s.io/component-helpers node/util/sysctl. */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef enum node_sysctl_ns { NODE_SYSCTL_UNKNOWN, NODE_SYSCTL_IPC, NODE_SYSCTL_NET } node_sysctl_ns;

/* One that is allowed: a name, or all names that begin so. */
typedef struct node_sysctl {
	sp_str name;
	bool is_prefix;
	node_sysctl_ns ns;
} node_sysctl;

/* Beyond those that every node allows. */
typedef struct node_sysctls {
	const node_sysctl *at;
	size_t n;
} node_sysctls;

/* Patterns by commas, as kubelet's --allowed-unsafe-sysctls: "kernel.msg*,net.core.somaxconn". Copied into
 * the arena. SP_EINVAL with upstream's words, SP_ENOMEM. */
sp_code node_sysctls_parse(sp_str patterns, sp_arena *a, node_sysctls *ret, sp_err *err) SP_MUST_USE;

/* Whether a pod may set it. SP_EINVAL: why not, as '"kernel.msgmax" not allowlisted'. */
sp_code node_sysctl_check(const node_sysctls *extra, sp_str name, bool host_net, bool host_ipc,
			  sp_err *err) SP_MUST_USE;
