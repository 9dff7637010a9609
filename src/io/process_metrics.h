/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel says of this process, in the words of Prometheus' client libraries. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "io/world.h"

/* Appends what can be read. */
void sp_process_metrics(sp_world *w, sp_arena *a, sp_buf *out);
