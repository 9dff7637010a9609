/* SPDX-License-Identifier: Apache-2.0 */
/* What the runtime can do, in the node's status. */
#include "lib/t.h"
#include "node/features.h"

static sp_str written(const node_features *f)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4096);
	sp_jout j = sp_jout_to(&out);
	sp_jout_open(&j, '{');
	node_features_write(f, &j);
	sp_jout_close(&j, '}');
	return sp_arena_printf(T_ARENA, SP_FMT, SP_ARG(sp_buf_view(&out)));
}

SP_TEST(node_features, told)
{
	sp_cri_runtime_handler_features all = {true, true};
	sp_cri_runtime_handler at[] = {{.name = SP_STR("")}, {.name = SP_STR("slow"), .features = &all}};
	sp_cri_runtime_features own = {.supplemental_groups_policy = true};
	SP_CLEANUP(node_features_done) node_features f = {.n_handlers = 0};
	T_EQ_C(written(&f), "{}");
	node_features_take(
		&f, &(sp_cri_status_response){.runtime_handlers = {.at = at, .n = 2}, .features = &own});
	T_TRUE(f.is_known && f.strict_groups);
	T_EQ_C(written(&f),
	       "{\"runtimeHandlers\":[{\"name\":\"\",\"features\":{\"recursiveReadOnlyMounts\":false,"
	       "\"userNamespaces\":false}},{\"name\":\"slow\",\"features\":{\"recursiveReadOnlyMounts\":true,"
	       "\"userNamespaces\":true}}],\"features\":{\"supplementalGroupsPolicy\":true}}");
	/* an old runtime */
	node_features_take(&f, &(sp_cri_status_response){.status = NULL});
	T_TRUE(f.is_known && !f.strict_groups);
	T_EQ_C(written(&f), "{}");
}
