/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decisions about a snapshot of a cluster, as JSON: nodes, pods on them, pods to decide, or a sequence of
 * steps. What is read and printed is described in src/scheduler/README.md, "simulate".
 */
#pragma once

#include "base/json.h"

#define SCHED_SNAPSHOT_BYTES_MAX ((size_t)512 << 20)

/*
 * Appends one JSON object to out. SP_EINVAL with one sentence that says where the snapshot is wrong: not
 * JSON, a value of a wrong type, a member that nobody knows. SP_ENOMEM, SP_ETOOLARGE: no room.
 */
sp_code sched_simulate(sp_str snapshot, sp_buf *out, sp_err *err) SP_MUST_USE;
