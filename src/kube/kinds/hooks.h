/* SPDX-License-Identifier: Apache-2.0 */
/* All hooks, as schema/ names them by hooks=NAME. */
#pragma once

#include "kube/kinds/kinds.h"

extern const sp_kind_hooks sp_hooks_pod, sp_hooks_persistent_volume_claim;
