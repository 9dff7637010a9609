/* SPDX-License-Identifier: Apache-2.0 */
/* A pod with gates does not enter the queue. */
#pragma once

#include "scheduler/plugins/plugins.h"

/* The text of *why lives in the arena. */
sched_verdict sched_gates_check(sp_arena *a, const sched_spec *s, sched_status *why);
