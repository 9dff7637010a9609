/* SPDX-License-Identifier: Apache-2.0 */
/* The seam contracts/cri.h over gRPC: any CRI runtime behind a unix socket. */
#pragma once

#include "contracts/cri.h"
#include "io/world.h"

/* `endpoint` is "unix:///run/containerd/containerd.sock" or "unix:/…" (copied). Connects with the first call
 * and again after every loss; free() lets the connections go in the next turns of the loop. SP_EINVAL: no
 * such address. */
sp_code node_cri_client_new(sp_world *w, sp_str endpoint, sp_cri **ret, sp_err *err) SP_MUST_USE;
