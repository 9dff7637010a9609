/* SPDX-License-Identifier: Apache-2.0 */
/* Claims of devices are not allocated yet: pods that have some are refused clearly instead of placed wrongly.
 */
#include "scheduler/plugins/plugins.h"

static sched_verdict prefilter(sched_cycle *c, sched_status *why)
{
	if (!c->spec->resource_claims)
		return SCHED_SKIP;
	sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_DYNAMIC_RESOURCES,
		     SP_STR("resource claims are not supported by this scheduler"));
	return SCHED_UNRESOLVABLE;
}

const sched_plugin sched_dynamic_resources = {.name = "DynamicResources", .prefilter = prefilter};
