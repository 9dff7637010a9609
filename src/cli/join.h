/* SPDX-License-Identifier: Apache-2.0 */
/* What `sampan join` leaves behind, for `sampan agent`. Paths, in the arena. */
#pragma once

#include "base/arena.h"

sp_str cli_join_kubeconfig(sp_arena *a, sp_str data_dir);
/* The certificate and its key in one file, which the node makes anew by itself (sampan node --cert-dir). */
sp_str cli_join_certificate(sp_arena *a, sp_str data_dir);
