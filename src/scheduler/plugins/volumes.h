/* SPDX-License-Identifier: Apache-2.0 */
/* What the volume plugins share. */
#pragma once

#include "scheduler/plugins/plugins.h"

typedef enum sched_disk_kind {
	SCHED_DISK_GCE,
	SCHED_DISK_AWS,
	SCHED_DISK_ISCSI,
	SCHED_DISK_RBD
} sched_disk_kind;

/* A pod comes to a node that exists (+1) or leaves it (-1): which claims are in use. */
void sched_volumes_count(sched_state *st, const sched_pod *pod, int sign);
void sched_volumes_done(sched_state *st);
