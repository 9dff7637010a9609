/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Huge pages: what sizes the machine has, how resources, cgroups and volumes name them. U: kubernetes
 * pkg/apis/core/v1/helper/helpers.go, pkg/kubelet/cadvisor/util.go, pkg/volume/emptydir/empty_dir.go
 * getPageSizeMountOption.
 */
#pragma once

#include "contracts/pod_files.h"
#include "io/file.h"
#include "node/pod.h"

#define NODE_HUGE_NAME_BYTES 40u

/* Sizes that the machine has, smallest first, and what is set aside for each. */
typedef struct node_huge {
	uint64_t page_bytes;
	int64_t total_bytes;
} node_huge;
typedef struct node_huge_sizes {
	node_huge at[SP_POD_HUGE_MAX];
	size_t n;
} node_huge_sizes;

/* What DIR ("/sys/kernel/mm/hugepages") says; nothing when it can't be read. Blocks. */
void node_huge_read(sp_world *w, sp_str dir, sp_arena *scratch, node_huge_sizes *ret);
/* "hugepages-2Mi". */
void node_huge_resource(uint64_t page_bytes, char out[NODE_HUGE_NAME_BYTES]);
/* "2MB", as the kernel names files of cgroups. */
void node_huge_cgroup_name(uint64_t page_bytes, char out[NODE_HUGE_NAME_BYTES]);
/* What the whole pod asks for of each size. */
void node_huge_of_pod(const node_huge_sizes *sizes, const node_pod *p, sp_pod_cgroup *ret);
/* The size of the pages of an emptyDir of that medium ("HugePages", "HugePages-2Mi"): one that the pod asks
 * for. SP_EINVAL with upstream's words. */
sp_code node_huge_medium(const node_pod *p, sp_str medium, uint64_t *ret_page_bytes, sp_err *err) SP_MUST_USE;
