/* SPDX-License-Identifier: Apache-2.0 */
/* A decision in words, for people: per node why not and what would have to change, or what score by which
 * plugin. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/*
 * Explains the one pod in "pending" of a snapshot (scheduler/snapshot.h) by the default profile, and what
 * preemption would do when it fits nowhere. `runs_on` not empty: the pod is bound there already, and the
 * snapshot is without it.
 */
sp_code sched_explain(sp_str snapshot, sp_str runs_on, sp_buf *out, sp_err *err) SP_MUST_USE;
