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
		{USES("gone"), "all VolumeZone persistentvolume \"no\" not found"},
		{USES("unbound"), "all VolumeBinding pod has unbound immediate PersistentVolumeClaims"},
		{USES("later"), "a ok; b ok"},
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

/* ---- claims that wait for their first consumer ---- */

#define VOLUME(name_, size_, more_)                                                    \
	"{\"metadata\":{\"name\":\"" name_ "\",\"labels\":{\"kind\":\"" name_          \
	"\"}},\"spec\":{\"storageClassName\":\"s\",\"capacity\":{\"storage\":\"" size_ \
	"\"},\"accessModes\":[\"ReadWriteOnce\"]" more_ "},\"status\":{\"phase\":\"Available\"}}"
#define ON_B                                                                                       \
	",\"nodeAffinity\":{\"required\":{\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":" \
	"\"topology.kubernetes.io/zone\",\"operator\":\"In\",\"values\":[\"zb\"]}]}]}}"
#define WISH(name_, class_, size_, more_)                                                          \
	"{\"metadata\":{\"name\":\"" name_ "\",\"namespace\":\"d\",\"uid\":\"u-" name_             \
	"\"},\"spec\":{\"storageClassName\":\"" class_                                             \
	"\",\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"" size_ \
	"\"}}" more_ "}}"
#define CLASS(name_, provisioner_, more_)                                        \
	"{\"metadata\":{\"name\":\"" name_ "\"},\"provisioner\":\"" provisioner_ \
	"\",\"volumeBindingMode\":\"WaitForFirstConsumer\"" more_ "}"
#define ONLY_ZA                                                                                         \
	",\"allowedTopologies\":[{\"matchLabelExpressions\":[{\"key\":\"topology.kubernetes.io/zone\"," \
	"\"values\":[\"za\"]}]}]"

static const char delayed_cluster[] = "\"nodes\":[" NODE("a", "za") "," NODE(
	"b", "zb") "],\"storageclasses\":[" CLASS("s", "kubernetes.io/no-provisioner",
						  "") "," CLASS("p", "x.io/p", "") "," CLASS("za",
											     "x.io/p", ONLY_ZA) "," CLASS("csi", "x.io/csi", "") "],\"csidrivers\":[{\"metadata\":{\"name\":\"x.io/csi\"},\"spec\":{\"storageCapacity\":true}}],"
																		 "\"csistoragecapacities\":[{\"metadata\":{\"name\":\"k\",\"namespace\":\"d\"},"
																		 "\"storageClassName\":\"csi\",\"capacity\":\"9Gi\",\"maximumVolumeSize\":\"2Gi\",\"nodeTopology\":"
																		 "{\"matchLabels\":{\"topology.kubernetes.io/zone\":\"za\"}}}],"
																		 "\"persistentvolumes\":[" VOLUME("large", "8Gi", "") "," VOLUME("small", "2Gi", ON_B) "," VOLUME("named", "4Gi", ON_B ",\"claimRef\":{\"namespace\":\"d\",\"name\":\"hers\"}") "],"
																																								"\"persistentvolumeclaims\":[" WISH("one",
																																												    "s",
																																												    "1Gi",
																																												    "") "," WISH("two",
																																														 "s", "2Gi", "") "," WISH("huge",
																																																	  "s", "1Ti", "") "," WISH("picky",
																																																				   "s",
																																																				   "1Gi", ",\"selector\":{\"matchLabels\":{\"kind\":\"large\"}}") "," WISH("block",
																																																													   "s",
																																																													   "1Gi",
																																																													   ",\"volumeMode\":\"Block\"") "," WISH("hers",
																																																																		 "s",
																																																																		 "1Gi",
																																																																		 "") "," WISH("new", "p", "1Gi", "") "," WISH("za",
																																																																							      "za",
																																																																							      "1Gi",
																																																																							      "") "," WISH("fits",
																																																																									   "csi",
																																																																									   "2Gi",
																																																																									   "") "," WISH("over",
																																																																											"csi", "3Gi", "") ",{\"metadata\":{\"name\":\"started\",\"namespace\":\"d\",\"annotations\":"
																																																																													  "{\"volume.kubernetes.io/selected-node\":\"b\"}},\"spec\":{\"storageClassName\":\"p\"}}]";

static yyjson_val *simulate(const char *list, const char *rest)
{
	SP_AUTO_BUF out;
	yyjson_val *root = NULL;
	sp_buf_init(&out, (size_t)1 << 20);
	sp_str text = sp_arena_printf(T_ARENA, "{%s,\"%s\":[%s]}", delayed_cluster, list, rest);
	if (text.ptr == NULL || sched_simulate(text, &out, T_ERR) != SP_OK ||
	    sp_json_parse(T_ARENA, sp_buf_view(&out), &root, T_ERR) != SP_OK)
		return NULL;
	return yyjson_obj_get(root, "decisions");
}

static const char *pod_using(const char *name, const char *node, const char *first, const char *second)
{
	return sp_arena_printf(T_ARENA,
			       "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"d\",\"uid\":\"%s\"},\"spec\":{"
			       "%s%s%s\"containers\":[{\"name\":\"c\"}],\"volumes\":[{\"name\":\"v\","
			       "\"persistentVolumeClaim\":{\"claimName\":\"%s\"}}%s%s%s]}}",
			       name, name,
			       node[0] == '\0' ? "" : "\"nodeSelector\":{\"topology.kubernetes.io/zone\":\"",
			       node, node[0] == '\0' ? "" : "\"},", first,
			       second[0] == '\0'
				       ? ""
				       : ",{\"name\":\"w\",\"persistentVolumeClaim\":{\"claimName\":\"",
			       second, second[0] == '\0' ? "" : "\"}}")
		.ptr;
}

/* "d/one=small d/new=" in the order of the decision. */
static sp_str given(yyjson_val *d)
{
	sp_str text = SP_STR("");
	yyjson_obj_iter it = yyjson_obj_iter_with(yyjson_obj_get(d, "volumes"));
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;)
		text = sp_arena_printf(T_ARENA, SP_FMT "%s%s=%s", SP_ARG(text), text.len == 0 ? "" : " ",
				       yyjson_get_str(key), yyjson_get_str(yyjson_obj_iter_get_val(key)));
	return text;
}

SP_TEST(scheduler_volumes, first_consumers_find_volumes_or_have_them_made)
{
#define NONE_TO_BIND "VolumeBinding node(s) didn't find available persistent volumes to bind"
#define NO_SPACE "VolumeBinding node(s) did not have enough free storage"
	static const struct {
		const char *zone, *first, *second, *want, *given;
	} rows[] = {
		{"", "one", "", "a ok; b ok", "d/one=large"},
		{"zb", "one", "", "a NodeAffinity node(s) didn't match Pod's node affinity/selector; b ok",
		 "d/one=small"},
		{"", "two", "one", "a " NONE_TO_BIND "; b ok", "d/one=small d/two=large"},
		{"", "huge", "", "a " NONE_TO_BIND "; b " NONE_TO_BIND, ""},
		{"zb", "picky", "", "a NodeAffinity node(s) didn't match Pod's node affinity/selector; b ok",
		 "d/picky=large"},
		{"", "block", "", "a " NONE_TO_BIND "; b " NONE_TO_BIND, ""},
		{"", "hers", "", "a " NONE_TO_BIND "; b ok", "d/hers=named"},
		{"", "new", "", "a ok; b ok", "d/new="},
		{"", "za", "", "a ok; b " NONE_TO_BIND, "d/za="},
		{"", "fits", "", "a ok; b " NO_SPACE, "d/fits="},
		{"", "over", "", "a " NO_SPACE "; b " NO_SPACE, ""},
		{"", "started", "", "a " NONE_TO_BIND "; b ok", "d/started="},
	};
	for (size_t i = 0; i < (t_torture() ? 3 : SP_LEN(rows)); i++) {
		t_row("%s %s", rows[i].first, rows[i].second);
		yyjson_val *d = yyjson_arr_get_first(
			simulate("pending", pod_using("p", rows[i].zone, rows[i].first, rows[i].second)));
		T_EQ_C(outcome(d), rows[i].want);
		T_EQ_C(given(d), rows[i].given);
	}
}

SP_TEST(scheduler_volumes, no_two_pods_get_the_same_volume)
{
	static const char *const want[] = {"d/one=small", "d/two=large", "", ""};
	sp_str steps = SP_STR("");
	const char *const claims[] = {"one", "two", "picky", "block"};
	for (size_t i = 0; i < SP_LEN(claims); i++) {
		steps = sp_arena_printf(T_ARENA, SP_FMT "%s{\"schedule\":%s}", SP_ARG(steps),
					i == 0 ? "" : ",", pod_using(claims[i], "zb", claims[i], ""));
		if (steps.ptr == NULL)
			T_FAIL("no room");
	}
	yyjson_val *all = simulate("steps", steps.ptr);
	for (size_t i = 0; i < SP_LEN(want); i++)
		T_EQ_C(given(yyjson_arr_get(all, i)), want[i]);
}

/* Two pods share a claim: the second goes where the first one's volume is made. */
SP_TEST(scheduler_volumes, a_shared_claim_is_made_for_one_node)
{
	sp_str steps = sp_arena_printf(T_ARENA, "{\"schedule\":%s},{\"schedule\":%s}",
				       pod_using("p", "zb", "new", ""), pod_using("q", "", "new", ""));
	yyjson_val *all = simulate("steps", steps.ptr);
	T_EQ_C(outcome(yyjson_arr_get(all, 1)), "a " NONE_TO_BIND "; b ok");
}

/* The claim of a pod that had the same name before. */
SP_TEST(scheduler_volumes, ephemeral_claims_are_their_pods)
{
	static const struct {
		const char *owner, *want;
	} rows[] = {
		{"other", "all VolumeBinding PVC d/p-v was not created for pod d/p (pod is not owner)"},
		{"p", "a ok; b ok"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		SP_AUTO_BUF out;
		yyjson_val *root = NULL;
		sp_buf_init(&out, (size_t)1 << 20);
		sp_str text = sp_arena_printf(
			T_ARENA,
			"{\"nodes\":[" NODE("a", "za") "," NODE("b", "zb") "],\"storageclasses\":[" CLASS(
				"p", "x.io/p",
				"") "],\"persistentvolumeclaims\":[{\"metadata\":{\"name\":\"p-v\","
				    "\"namespace\":\"d\",\"ownerReferences\":[{\"apiVersion\":\"v1\","
				    "\"kind\":\"Pod\",\"name\":"
				    "\"p\",\"uid\":\"%s\",\"controller\":true}]},\"spec\":{"
				    "\"storageClassName\":\"p\"}}],"
				    "\"pending\":[{\"metadata\":{\"name\":\"p\",\"namespace\":\"d\",\"uid\":"
				    "\"p\"},\"spec\":{"
				    "\"containers\":[{\"name\":\"c\"}],\"volumes\":[{\"name\":\"v\","
				    "\"ephemeral\":{"
				    "\"volumeClaimTemplate\":{\"spec\":{}}}}]}}]}",
			rows[i].owner);
		T_TRUE(text.ptr != NULL);
		T_OK(sched_simulate(text, &out, T_ERR));
		T_OK(sp_json_parse(T_ARENA, sp_buf_view(&out), &root, T_ERR));
		T_EQ_C(outcome(yyjson_arr_get_first(yyjson_obj_get(root, "decisions"))), rows[i].want);
	}
}
