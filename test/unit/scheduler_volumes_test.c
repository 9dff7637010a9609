/* SPDX-License-Identifier: Apache-2.0 */
/* Claims and disks: two nodes in two zones, volumes that are tied to one of them. Texts are upstream's. */
#include "lib/t.h"
#include "scheduler/simulate.h"

#define NODE(name_, zone_)                                                                           \
	"{\"metadata\":{\"name\":\"" name_ "\",\"labels\":{\"topology.kubernetes.io/zone\":\"" zone_ \
	"\"}},\"status\":{\"allocatable\":{\"cpu\":\"4\",\"memory\":\"4Gi\",\"pods\":\"9\"}}}"
#define CLAIM(name_, rest_, meta_) \
	"{\"metadata\":{\"name\":\"" name_ "\",\"namespace\":\"d\"" meta_ "},\"spec\":{" rest_ "}}"
#define DONE ",\"annotations\":{\"pv.kubernetes.io/bind-completed\":\"yes\"}"

#define CLUSTER                                                                                                 \
	"\"nodes\":[" NODE("a", "za") "," NODE(                                                                 \
		"b",                                                                                            \
		"zb") "],"                                                                                      \
		      "\"storageclasses\":[{\"metadata\":{\"name\":\"later\"},\"provisioner\":\"x.io/"          \
		      "p\",\"volumeBindingMode\":"                                                              \
		      "\"WaitForFirstConsumer\"}],"                                                             \
		      "\"persistentvolumes\":[{\"metadata\":{\"name\":\"on-a\"},\"spec\":{\"nodeAffinity\":"    \
		      "{\"required\":"                                                                          \
		      "{\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":\"topology.kubernetes.io/"       \
		      "zone\",\"operator\":\"In\","                                                             \
		      "\"values\":[\"za\"]}]}]}}}},"                                                            \
		      "{\"metadata\":{\"name\":\"in-b\",\"labels\":{\"topology.kubernetes.io/"                  \
		      "zone\":\"zb__zc\"}},\"spec\":{}}],"                                                      \
		      "\"persistentvolumeclaims\":[" CLAIM("local", "\"volumeName\":\"on-a\"", DONE) "," CLAIM( \
			      "zonal", "\"volumeName\":\"in-b\"",                                               \
			      DONE) "," CLAIM("gone", "\"volumeName\":\"no\"",                                  \
					      DONE) "," CLAIM("unbound", "",                                    \
							      "") "," CLAIM("later",                            \
									    "\"storageClassName\":"             \
									    "\"later\"",                        \
									    "") "," CLAIM("mine",               \
											  "\"volumeName\":"     \
											  "\"in-b\","           \
											  "\"accessModes\":"    \
											  "[\"ReadWriteOnce"    \
											  "Pod\"]",             \
											  DONE) "],"            \
												"\"pods\":["    \
												"{\"metadat"    \
												"a\":{"         \
												"\"name\":"     \
												"\"e\","        \
												"\"namespac"    \
												"e\":\"d\","    \
												"\"uid\":"      \
												"\"e\"},"       \
												"\"spec\":{"    \
												"\"nodeName"    \
												"\":\"b\","     \
												"\"containe"    \
												"rs\":[{"       \
												"\"name\":"     \
												"\"c\"}],"      \
												"\"volumes"     \
												"\":[{"         \
												"\"name\":"     \
												"\"m\","        \
												"\"persiste"    \
												"ntVolumeCl"    \
												"aim\":{"       \
												"\"claimNam"    \
												"e\":"          \
												"\"mine\"}}"    \
												",{"            \
												"\"name\":"     \
												"\"g\","        \
												"\"gcePersi"    \
												"stentDisk"     \
												"\":{"          \
												"\"pdName\""    \
												":\"disk\","    \
												"\"readOnly"    \
												"\":true}}]"    \
												"}}]"

/* "a PLUGIN REASON; b ok", or "all PLUGIN REASON" when no node was looked at. */
static sp_str outcome(yyjson_val *d)
{
	static const char *const nodes[] = {"a", "b"};
	yyjson_val *all = yyjson_obj_get(d, "prefilter");
	sp_str text = {0};
	if (all != NULL)
		return sp_arena_printf(T_ARENA, "all %s %s", yyjson_get_str(yyjson_obj_get(all, "plugin")),
				       yyjson_get_str(yyjson_arr_get_first(yyjson_obj_get(all, "reasons"))));
	for (size_t i = 0; i < SP_LEN(nodes); i++) {
		yyjson_val *why = yyjson_obj_get(yyjson_obj_get(d, "rejected"), nodes[i]);
		text = sp_arena_printf(
			T_ARENA, SP_FMT "%s%s %s%s%s", SP_ARG(text), i == 0 ? "" : "; ", nodes[i],
			why == NULL ? "ok" : yyjson_get_str(yyjson_obj_get(why, "plugin")),
			why == NULL ? "" : " ",
			why == NULL ? ""
				    : yyjson_get_str(yyjson_arr_get_first(yyjson_obj_get(why, "reasons"))));
	}
	return text;
}

static yyjson_val *decide(const char *volume)
{
	SP_AUTO_BUF out;
	yyjson_val *root = NULL;
	sp_buf_init(&out, (size_t)1 << 20);
	sp_str text = sp_arena_printf(
		T_ARENA,
		"{%s,\"pending\":[{\"metadata\":{\"name\":\"p\",\"namespace\":\"d\",\"uid\":\"p\"},"
		"\"spec\":{\"containers\":[{\"name\":\"c\"}],\"volumes\":[{\"name\":\"v\",%s}]}}]}",
		CLUSTER, volume);
	if (text.ptr == NULL || sched_simulate(text, &out, T_ERR) != SP_OK ||
	    sp_json_parse(T_ARENA, sp_buf_view(&out), &root, T_ERR) != SP_OK)
		return NULL;
	return yyjson_arr_get_first(yyjson_obj_get(root, "decisions"));
}

#define USES(claim_) "\"persistentVolumeClaim\":{\"claimName\":\"" claim_ "\"}"

SP_TEST(scheduler_volumes, keep_pods_where_their_data_is)
{
	static const struct {
		const char *volume, *want;
	} rows[] = {
		{"\"emptyDir\":{}", "a ok; b ok"},
		{USES("local"),
		 "a ok; b VolumeBinding node(s) didn't match PersistentVolume's node affinity"},
		{USES("zonal"), "a VolumeZone node(s) had no available volume zone; b ok"},
		{USES("gone"), "a VolumeBinding node(s) unavailable due to one or more pvc(s) bound to "
			       "non-existent pv(s); b VolumeBinding "
			       "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"},
		{USES("unbound"), "all VolumeBinding pod has unbound immediate PersistentVolumeClaims"},
		{USES("later"), "all VolumeBinding claims that wait for their first consumer are not bound "
				"by this scheduler"},
		{USES("nowhere"), "all VolumeRestrictions persistentvolumeclaim \"nowhere\" not found"},
		{"\"ephemeral\":{\"volumeClaimTemplate\":{\"spec\":{}}}",
		 "all VolumeBinding waiting for ephemeral volume controller to create the "
		 "persistentvolumeclaim \"p-v\""},
		{USES("mine"), "a VolumeRestrictions node(s) unavailable due to PersistentVolumeClaim with "
			       "ReadWriteOncePod access mode "
			       "already in-use by another pod; b VolumeRestrictions node(s) unavailable due "
			       "to PersistentVolumeClaim with "
			       "ReadWriteOncePod access mode already in-use by another pod"},
		{"\"gcePersistentDisk\":{\"pdName\":\"disk\",\"readOnly\":true}", "a ok; b ok"},
		{"\"gcePersistentDisk\":{\"pdName\":\"disk\"}",
		 "a ok; b VolumeRestrictions node(s) had no available disk"},
	};
	for (size_t i = 0; i < (t_torture() ? 3 : SP_LEN(rows)); i++) {
		t_row("%s", rows[i].volume);
		yyjson_val *d = decide(rows[i].volume);
		if (d == NULL)
			T_FAIL("no decision: %s", T_ERR->msg);
		T_EQ_C(outcome(d), rows[i].want);
	}
}
