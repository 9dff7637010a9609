/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes that match a pod's node selector and required affinity: of NodeAffinity, used by
 * PodTopologySpread. */
#pragma once

#include "scheduler/plugins/plugins.h"

/* Fills c->need for pods that have such rules; stays NULL for others. */
sp_code sched_need_column(sched_cycle *c) SP_MUST_USE;
