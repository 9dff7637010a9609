/* SPDX-License-Identifier: Apache-2.0 */
/* The conditions of a pod that the agent owns. U: kubernetes pkg/kubelet/status/generate.go. */
#pragma once

#include "node/status.h"

/* Fills ret->conditions from its containers and phase. SP_ENOMEM. */
sp_code node_conditions_make(const node_status_input *in, sp_arena *a, node_status *ret,
			     sp_err *err) SP_MUST_USE;
