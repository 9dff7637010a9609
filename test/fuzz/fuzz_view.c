/* SPDX-License-Identifier: Apache-2.0 */
/* Views of any JSON: only what fits is set, pointers stay inside the text. */
#include "kube/view.h"

typedef struct some_view {
	sp_str name, node;
	int64_t grace_s;
	int32_t priority;
	double ratio;
	bool host_network, has_grace_s;
	sp_time created;
	sp_vlist containers;
	sp_vmap labels;
	yyjson_val *affinity;
} some_view;
SP_VIEW(some_view_desc, some_view, "v1/Pod", SP_V(some_view, name, "metadata.name"),
	SP_V(some_view, created, "metadata.creationTimestamp"), SP_V(some_view, labels, "metadata.labels"),
	SP_V(some_view, containers, "spec.containers"), SP_V(some_view, node, "spec.nodeName"),
	SP_VH(some_view, grace_s, "spec.terminationGracePeriodSeconds"),
	SP_V(some_view, host_network, "spec.hostNetwork"), SP_V(some_view, affinity, "spec.affinity"),
	SP_V(some_view, priority, "spec.priority"), SP_V(some_view, ratio, "spec.ratio"));

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 65536)
		return 0;
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	some_view v;
	char path[64];
	size_t n = SP_MIN(size, sizeof path - 1);
	if (sp_view(&a, (sp_str){(const char *)data, size}, &some_view_desc, &v, NULL) != SP_OK)
		return 0;
	if (v.name.len != 0)
		SP_ASSERT(v.name.ptr[v.name.len] == '\0');
	SP_VLIST_FOREACH(item, v.containers)
	{
		some_view inner;
		sp_view_fill(item, &some_view_desc, &inner);
	}
	(void)sp_vmap_str(v.labels, SP_STR("a"));
	if (n != 0)
		memcpy(path, data, n);
	path[n] = '\0';
	yyjson_val *root;
	if (sp_json_parse(&a, (sp_str){(const char *)data, size}, &root, NULL) == SP_OK)
		(void)sp_view_at(root, path);
	return 0;
}
