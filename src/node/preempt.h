/* SPDX-License-Identifier: Apache-2.0 */
/* Which pods go so that a critical one fits. Pure. U: kubernetes pkg/kubelet/preemption/preemption.go. */
#pragma once

#include "node/admission.h"

typedef struct node_preempted {
	const node_pod *const *at;
	size_t n;
} node_preempted;

/* Of these pods those that go, in upstream's order, in the arena. SP_EUNAVAILABLE with upstream's words: even
 * all of them would not do. SP_ENOMEM. */
sp_code node_preempt_choose(const node_pod *critical, const node_pod *const *from, size_t n,
			    const node_shortage *lacks, size_t n_lacks, sp_arena *a, node_preempted *ret,
			    sp_err *err) SP_MUST_USE;
