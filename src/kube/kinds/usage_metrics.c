/* SPDX-License-Identifier: Apache-2.0 */
/* Cells of PodMetrics and NodeMetrics. U: metrics-server pkg/api/table.go. */
#include "base/quantity.h"
#include "kube/kinds/cells.h"
#include "kube/kinds/hooks.h"

/* The sum over the containers. */
static yyjson_mut_val *sum(sp_kind_ctx *c, yyjson_mut_val *obj, const char *resource)
{
	sp_qty all = {0}, one;
	SP_KV_EACH (container, i, sp_kv_list(obj, "containers")) {
		sp_str text = sp_kv_str(sp_kv_get(container, "usage"), resource);
		if (text.len > 0 && sp_qty_parse(text, &one, NULL) == SP_OK)
			(void)!sp_qty_add(&all, &one);
	}
	return sp_cell_str(c, sp_qty_print(c->arena, all));
}

static yyjson_mut_val *pod_cpu(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sum(c, obj, "cpu");
}

static yyjson_mut_val *pod_memory(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sum(c, obj, "memory");
}

static yyjson_mut_val *node_cpu(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_str(c, sp_kv_str(sp_kv_get(obj, "usage"), "cpu"));
}

static yyjson_mut_val *node_memory(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_str(c, sp_kv_str(sp_kv_get(obj, "usage"), "memory"));
}

static const sp_cell pod_cells[] = {{SP_STR_INIT("cpu"), pod_cpu}, {SP_STR_INIT("memory"), pod_memory}};
static const sp_cell node_cells[] = {{SP_STR_INIT("cpu"), node_cpu}, {SP_STR_INIT("memory"), node_memory}};

const sp_kind_hooks sp_hooks_pod_metrics = {.cells = pod_cells, .n_cells = SP_LEN(pod_cells)};
const sp_kind_hooks sp_hooks_node_metrics = {.cells = node_cells, .n_cells = SP_LEN(node_cells)};
