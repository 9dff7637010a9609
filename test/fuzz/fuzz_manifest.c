/* SPDX-License-Identifier: Apache-2.0 */
/* Files of static pods, and the mirror of what is taken. */
#include "node/manifest.h"
#include "node/pod.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void no_random(void *arg, void *bytes, size_t n)
{
	(void)arg;
	memset(bytes, 0, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const node_manifest_source from = {
		.node_name = SP_STR("n1"), .path = SP_STR("/m/a.yaml"), .random = no_random};
	sp_arena arena;
	sp_str pod, mirror;
	if (size > 65536)
		return 0;
	sp_arena_init(&arena, NODE_MANIFEST_ARENA_BYTES);
	if (node_manifest_read(&arena, (sp_str){(const char *)data, size}, &from, &pod, NULL) == SP_OK) {
		node_pod *p;
		/* What is taken can be run, and has a mirror. */
		SP_ASSERT(node_pod_parse(pod, &p, NULL) == SP_OK);
		node_pod_free(p);
		SP_ASSERT(node_manifest_mirror(&arena, pod, SP_STR("n1"), SP_STR("u"), &mirror, NULL) ==
			  SP_OK);
	}
	sp_arena_done(&arena);
	return 0;
}
