/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/kube_small.h"

static const sp_schema str_s = {.kind = SP_K_STRING}, i32_s = {.kind = SP_K_I32}, any_s = {.kind = SP_K_ANY};
static const sp_schema strs_s = {.kind = SP_K_LIST, .items = &str_s};
static const sp_schema set_s = {.kind = SP_K_LIST, .items = &str_s, .list_type = SP_LIST_SET};
static const sp_schema map_s = {.kind = SP_K_MAP, .items = &str_s};
static const sp_schema atomic_s = {.kind = SP_K_MAP, .items = &str_s, .map_type = SP_MAP_ATOMIC};
static const uint16_t env_order[] = {0, 1}, port_order[] = {1, 0}, item_order[] = {3, 2, 1, 0, 4};
static const uint16_t spec_order[] = {4, 0, 5, 1, 2, 3}, meta_order[] = {1, 3, 2, 0}, root_order[] = {0, 1};
static const sp_str name_key[] = {SP_STR_INIT("name")};
static const sp_str port_keys[] = {SP_STR_INIT("containerPort"), SP_STR_INIT("protocol")};
static const sp_field env_f[] = {{.name = SP_STR_INIT("name"), .schema = &str_s},
				 {.name = SP_STR_INIT("value"), .schema = &str_s}};
static const sp_schema env_s = {.kind = SP_K_OBJECT,
				.n_fields = 2,
				.fields = env_f,
				.by_name = env_order,
				.name = SP_STR_INIT("t.EnvVar")};
static const sp_schema envs_s = {.kind = SP_K_LIST,
				 .items = &env_s,
				 .list_type = SP_LIST_MAP,
				 .list_keys = name_key,
				 .n_list_keys = 1};
static const sp_field port_f[] = {
	{.name = SP_STR_INIT("protocol"), .schema = &str_s, .def = SP_STR_INIT("\"TCP\"")},
	{.name = SP_STR_INIT("containerPort"), .schema = &i32_s}};
static const sp_schema port_s = {.kind = SP_K_OBJECT,
				 .n_fields = 2,
				 .fields = port_f,
				 .by_name = port_order,
				 .name = SP_STR_INIT("t.Port")};
static const sp_schema ports_s = {.kind = SP_K_LIST,
				  .items = &port_s,
				  .list_type = SP_LIST_MAP,
				  .list_keys = port_keys,
				  .n_list_keys = 2};
static const sp_field item_f[] = {
	{.name = SP_STR_INIT("ports"),
	 .schema = &ports_s,
	 .flags = SP_F_SMP_MERGE,
	 .merge_key = SP_STR_INIT("containerPort")},
	{.name = SP_STR_INIT("name"), .schema = &str_s},
	{.name = SP_STR_INIT("image"), .schema = &str_s},
	{.name = SP_STR_INIT("env"),
	 .schema = &envs_s,
	 .flags = SP_F_SMP_MERGE,
	 .merge_key = SP_STR_INIT("name")},
	{.name = SP_STR_INIT("resources"), .schema = &any_s},
};
static const sp_schema item_s = {.kind = SP_K_OBJECT,
				 .n_fields = 5,
				 .fields = item_f,
				 .by_name = item_order,
				 .name = SP_STR_INIT("t.Item")};
static const sp_schema items_s = {.kind = SP_K_LIST,
				  .items = &item_s,
				  .list_type = SP_LIST_MAP,
				  .list_keys = name_key,
				  .n_list_keys = 1};
static const sp_field spec_f[] = {
	{.name = SP_STR_INIT("containers"),
	 .schema = &items_s,
	 .flags = SP_F_SMP_MERGE,
	 .merge_key = SP_STR_INIT("name")},
	{.name = SP_STR_INIT("replicas"), .schema = &i32_s, .flags = SP_F_OMITEMPTY},
	{.name = SP_STR_INIT("selector"), .schema = &atomic_s},
	{.name = SP_STR_INIT("strategy"), .schema = &env_s, .flags = SP_F_SMP_RETAIN_KEYS},
	{.name = SP_STR_INIT("args"), .schema = &strs_s},
	{.name = SP_STR_INIT("extra"), .schema = &any_s},
};
static const sp_schema spec_s = {.kind = SP_K_OBJECT,
				 .n_fields = 6,
				 .fields = spec_f,
				 .by_name = spec_order,
				 .name = SP_STR_INIT("t.Spec")};
static const sp_field meta_f[] = {
	{.name = SP_STR_INIT("name"), .schema = &str_s, .flags = SP_F_OMITEMPTY},
	{.name = SP_STR_INIT("annotations"), .schema = &map_s, .flags = SP_F_OMITEMPTY},
	{.name = SP_STR_INIT("labels"), .schema = &map_s, .flags = SP_F_OMITEMPTY},
	{.name = SP_STR_INIT("finalizers"), .schema = &set_s, .flags = SP_F_SMP_MERGE | SP_F_OMITEMPTY},
};
static const sp_schema meta_s = {.kind = SP_K_OBJECT,
				 .n_fields = 4,
				 .fields = meta_f,
				 .by_name = meta_order,
				 .name = SP_STR_INIT("t.Meta")};
static const sp_field root_f[] = {{.name = SP_STR_INIT("metadata"), .schema = &meta_s},
				  {.name = SP_STR_INIT("spec"), .schema = &spec_s}};
const sp_schema t_small_kind = {.kind = SP_K_OBJECT,
				.n_fields = 2,
				.fields = root_f,
				.by_name = root_order,
				.name = SP_STR_INIT("t.Small")};
