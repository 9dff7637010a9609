/* SPDX-License-Identifier: Apache-2.0 */
#include "node/own_node.h"

#include "base/num.h"
#include "base/time.h"
#include "kube/view.h"

static node_says says_of(sp_str status)
{
	if (sp_str_eq(status, SP_STR("True")))
		return NODE_SAYS_TRUE;
	return sp_str_eq(status, SP_STR("False")) ? NODE_SAYS_FALSE : NODE_SAYS_UNKNOWN;
}

static void read_condition(yyjson_val *item, node_own_node *ret)
{
	sp_str type = sp_view_str_at(item, "type");
	sp_time since;
	size_t k = 0;
	while (k < NODE_PRESSURE_COUNT_ && !sp_str_eq(type, node_pressure_name((node_pressure)k)))
		k++;
	if (k == NODE_OWN_READY && !sp_str_eq(type, SP_STR("Ready")))
		return;
	ret->says[k] = says_of(sp_view_str_at(item, "status"));
	if (sp_time_parse(sp_view_str_at(item, "lastTransitionTime"), &since, NULL) == SP_OK)
		ret->since_ns[k] = sp_time_ns(since);
}

void node_own_node_read(yyjson_val *object, node_own_node *ret)
{
	yyjson_val *item;
	size_t i, n;
	*ret = (node_own_node){.uid = sp_view_str_at(object, "metadata.uid"),
			       .boot_id = sp_view_str_at(object, "status.nodeInfo.bootID"),
			       .is_unschedulable = yyjson_is_true(sp_view_at(object, "spec.unschedulable"))};
	if (sp_parse_u64(sp_view_str_at(object, "metadata.resourceVersion"), 0, UINT64_MAX, &ret->revision,
			 NULL) != SP_OK)
		ret->revision = 0;
	yyjson_arr_foreach(sp_view_at(object, "status.conditions"), i, n, item) read_condition(item, ret);
}
