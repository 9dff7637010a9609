/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CSI drivers can attach: node "full" has two volumes of the driver d.io and room for no more, "free"
 * has room for one. Texts and codes are upstream's.
 */
#include "lib/t.h"
#include "scheduler/hints.h"
#include "scheduler/plugins/in_tree.h"
#include "scheduler/plugins/volumes.h"
#include "scheduler/simulate.h"

#define NODE(name_)                                                                              \
	"{\"metadata\":{\"name\":\"" name_ "\",\"labels\":{\"topology.kubernetes.io/zone\":\"z1" \
	"\",\"topology.gke.io/"                                                                  \
	"zone\":\"g1\"}},\"status\":{\"allocatable\":{\"cpu\":\"4\",\"memory\":\"4Gi\",\"pods\":\"9\"}}}"
#define CSI_NODE(name_, meta_, drivers_) \
	"{\"metadata\":{\"name\":\"" name_ "\"" meta_ "},\"spec\":{\"drivers\":[" drivers_ "]}}"
#define DRIVER(name_, count_) \
	"{\"name\":\"" name_ "\",\"nodeID\":\"x\",\"topologyKeys\":[],\"allocatable\":{\"count\":" count_ "}}"
#define PV(name_, meta_, source_) "{\"metadata\":{\"name\":\"" name_ "\"" meta_ "},\"spec\":{" source_ "}}"
#define CSI(handle_) "\"csi\":{\"driver\":\"d.io\",\"volumeHandle\":\"" handle_ "\"}"
#define CLAIM(name_, spec_)                                                                                \
	"{\"metadata\":{\"name\":\"" name_ "\",\"namespace\":\"d\",\"uid\":\"" name_                       \
	"\",\"annotations\":{\"pv.kubernetes.io/"                                                          \
	"bind-completed\":\"yes\"},\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":" \
	"\"p\",\"uid\":\"p\",\"controller\":true}]},\"spec\":{" spec_ "}}"
#define ON(volume_) "\"volumeName\":\"" volume_ "\""
#define USE(claim_) "{\"name\":\"" claim_ "\",\"persistentVolumeClaim\":{\"claimName\":\"" claim_ "\"}}"
#define POD(name_, spec_, volumes_)                                                                         \
	"{\"metadata\":{\"name\":\"" name_ "\",\"namespace\":\"d\",\"uid\":\"" name_ "\"},\"spec\":{" spec_ \
	"\"containers\":[{\"name\":\"c\"}],\"volumes\":[" volumes_ "]}}"

#define OBJECTS                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               \
	"\"nodes\":[" NODE("full") "," NODE("free") "],\"csinodes\":[" CSI_NODE(                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                              \
		"full", "",                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   \
		DRIVER("d.io", "2") "," DRIVER(                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               \
			"pd.csi.storage.gke.io",                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                              \
			"1")) "," CSI_NODE("free", "",                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                        \
					   DRIVER("d.io", "1") "," DRIVER(                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                    \
						   "pd.csi.storage.gke.io",                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   \
						   "9")) "],"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 \
							 "\"storageclasses\""                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 \
							 ":["                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 \
							 "{\"metadata\":{"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                    \
							 "\"name\":"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
							 "\"later\"},"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                        \
							 "\"provisioner\":"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   \
							 "\"d.io\","                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
							 "\"volumeBindingMod"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 \
							 "e\":"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               \
							 "\"WaitForFirstCons"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 \
							 "umer\"},"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           \
							 "{\"metadata\":{"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                    \
							 "\"name\":\"gce\"},"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 \
							 "\"provisioner\":"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   \
							 "\"kubernetes.io/"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   \
							 "gce-pd\","                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
							 "\"volumeBindingMod"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 \
							 "e\":"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               \
							 "\"WaitForFirstCons"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 \
							 "umer\"},"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           \
							 "{\"metadata\":{"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                    \
							 "\"name\":"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
							 "\"sphere\"},"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       \
							 "\"provisioner\":"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   \
							 "\"kubernetes.io/"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   \
							 "vsphere-volume\","                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  \
							 "\"volumeBindingMod"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 \
							 "e\":"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               \
							 "\"WaitForFirstCons"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 \
							 "umer\"}],"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
							 "\"persistentvolume"                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                 \
							 "s\":[" PV(                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
								 "v1", "", CSI("h1")) "," PV("v2", "",                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                        \
											     CSI("h2")) "," PV("v3",                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                          \
													       "",                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                            \
													       CSI(                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           \
														       "h3")) "," PV("again", "", CSI("h1")) "," PV("other", "", "\"csi\":{\"driver\":\"e.io\",\"volumeHandle\":\"h\"}") "," PV("host", "", "\"hostPath\":{\"path\":\"/\"}") "," PV("disk", "", "\"gcePersistentDisk\":{\"pdName\":\"data\"}") "],"                                                                                                                                                                                                                                                                                                                                           \
																																											       "\"persistentvolumeclaims\":[" CLAIM("c1", ON("v1")) "," CLAIM("c2", ON(                                                                                                                                                                                                                                                                       \
																																																					    "v2")) "," CLAIM("c3",                                                                                                                                                                                                                                            \
																																																							     ON(                                                                                                                                                                                                                                              \
																																																								     "v3")) "," CLAIM("same",                                                                                                                                                                                                                 \
																																																										      ON(                                                                                                                                                                                                                     \
																																																											      "again")) "," CLAIM("other",                                                                                                                                                                                    \
																																																														  ON(                                                                                                                                                                                         \
																																																															  "other")) "," CLAIM("host",                                                                                                                                                         \
																																																																	      ON("host")) "," CLAIM("disk",                                                                                                                                   \
																																																																				    ON("disk")) "," CLAIM("p-e",                                                                                                              \
																																																																							  ON("v3")) "," CLAIM("later",                                                                                        \
																																																																									      "\"storageClassName\":\"later\"") "," CLAIM("gce",                                              \
																																																																															  "\"storageClassName\":\"gce\"") "," CLAIM("sphere", \
																																																																																				    "\"storageClassName\":\"sphere\"") "]"
#define INLINE_GCE(name_) \
	"{\"name\":\"i\",\"gcePersistentDisk\":{\"pdName\":\"" name_ "\",\"readOnly\":true}}"
#define PLACED                                                                        \
	"\"pods\":[" POD("x1", "\"nodeName\":\"full\",", USE("c1")) "," POD(          \
		"x2", "\"nodeName\":\"full\",",                                       \
		USE("c2")) "," POD("x3", "\"nodeName\":\"full\",",                    \
				   USE("c1")) "," POD("x4", "\"nodeName\":\"full\",", \
						      INLINE_GCE("boot")) "]"

static yyjson_val *simulate(sp_str text)
{
	SP_AUTO_BUF out;
	yyjson_val *root = NULL;
	sp_buf_init(&out, (size_t)1 << 20);
	if (text.ptr == NULL || sched_simulate(text, &out, T_ERR) != SP_OK ||
	    sp_json_parse(T_ARENA, sp_buf_view(&out), &root, T_ERR) != SP_OK)
		return NULL;
	return yyjson_arr_get_first(yyjson_obj_get(root, "decisions"));
}

/* "full free", the nodes that are not refused; a refusal that is none of the limits is named. */
static sp_str feasible(yyjson_val *d)
{
	static const char *const nodes[] = {"full", "free"};
	sp_str text = {"", 0};
	for (size_t i = 0; i < SP_LEN(nodes); i++) {
		yyjson_val *why = yyjson_obj_get(yyjson_obj_get(d, "rejected"), nodes[i]);
		sp_str reason = sp_json_str(yyjson_arr_get_first(yyjson_obj_get(why, "reasons")));
		bool limit =
			sp_str_eq(reason, SP_STR("node(s) exceed max volume count")) &&
			sp_str_eq(sp_json_str(yyjson_obj_get(why, "code")), SP_STR("Unschedulable")) &&
			sp_str_eq(sp_json_str(yyjson_obj_get(why, "plugin")), SP_STR("NodeVolumeLimits"));
		if (limit)
			continue;
		text = SP_CONCAT(T_ARENA, text, text.len > 0 ? SP_STR(" ") : SP_STR(""),
				 why == NULL ? sp_str_c(nodes[i]) : reason);
	}
	return text;
}

SP_TEST(scheduler_limits, a_node_takes_what_its_driver_can_attach)
{
	static const struct {
		const char *volumes, *more, *want;
	} rows[] = {
		{"", "", "full free"},
		{USE("c3"), "", "free"},
		{USE("c1"), "", "full free"},   /* it is there */
		{USE("same"), "", "full free"}, /* the same handle by another name */
		{USE("c1") "," USE("c3"), "", ""},
		{USE("c1") "," USE("same"), "", "full free"},
		{USE("other"), "", "full free"}, /* of a driver without a limit */
		{USE("host"), "", "full free"},
		{USE("later"), "", "free"}, /* what will be made counts */
		{USE("gce"), "", "free"},
		{USE("sphere"), "", "full free"}, /* never counted: U: isCSIMigrationOn */
		{USE("disk"), "", "free"},
		{INLINE_GCE("boot"), "", "full free"},
		{INLINE_GCE("data"), "", "free"},
		{"{\"name\":\"e\",\"ephemeral\":{\"volumeClaimTemplate\":{\"spec\":{}}}}", "", "free"},
		{"{\"name\":\"s\",\"csi\":{\"driver\":\"d.io\"}}", "", "full free"}, /* is not attached */
		/* Attached without a pod. */
		{USE("c3"),
		 ",\"volumeattachments\":[{\"metadata\":{\"name\":\"a\"},\"spec\":{\"attacher\":\"d.io\","
		 "\"nodeName\":\"free\",\"source\":{\"persistentVolumeName\":\"v2\"}}}]",
		 ""},
		/* One that the pod wants counts again, as long as no pod has it. */
		{USE("c3"),
		 ",\"volumeattachments\":[{\"metadata\":{\"name\":\"a\"},\"spec\":{\"attacher\":\"d.io\","
		 "\"nodeName\":\"free\",\"source\":{\"persistentVolumeName\":\"v3\"}}}]",
		 ""},
		/* What pods have is not counted twice, and what is no CSI volume not at all. */
		{USE("c1"),
		 ",\"volumeattachments\":[{\"metadata\":{\"name\":\"a\"},\"spec\":{\"attacher\":\"d.io\","
		 "\"nodeName\":\"full\",\"source\":{\"persistentVolumeName\":\"v1\"}}},"
		 "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"attacher\":\"d.io\","
		 "\"nodeName\":\"free\",\"source\":{\"persistentVolumeName\":\"disk\"}}}]",
		 "full free"},
	};
	for (size_t i = 0; i < (t_torture() ? 3 : SP_LEN(rows)); i++) {
		t_row("%s %s", rows[i].volumes, rows[i].more);
		yyjson_val *d = simulate(sp_arena_printf(
			T_ARENA, "{" OBJECTS "," PLACED "%s,\"pending\":[" POD("p", "", "%s") "]}",
			rows[i].more, rows[i].volumes));
		if (d == NULL)
			T_FAIL("no decision: %s", T_ERR->msg);
		T_EQ_C(feasible(d), rows[i].want);
	}
}

SP_TEST(scheduler_limits, whom_it_helps_to_evict)
{
	/* On "full" one of two volumes has to go: x1 and x3 share the first. */
	yyjson_val *d = simulate(SP_STR("{" OBJECTS "," PLACED ",\"pending\":[" POD(
		"p", "\"priority\":5,\"nodeSelector\":{\"topology.kubernetes.io/zone\":\"z1\"},",
		USE("c3") "," USE("other") "," USE("later")) "]}"));
	if (d == NULL)
		T_FAIL("no decision: %s", T_ERR->msg);
	T_EQ_C(feasible(d), "");
	yyjson_val *p = yyjson_obj_get(d, "preemption");
	yyjson_val *victims =
		yyjson_obj_get(yyjson_obj_get(yyjson_obj_get(p, "candidates"), "full"), "victims");
	T_EQ_U64(yyjson_arr_size(victims), 3); /* both volumes, three pods */
	T_EQ_U64(yyjson_obj_size(yyjson_obj_get(p, "candidates")), 1);
	if (t_torture())
		return;
	/* A VolumeAttachment stays when its pod goes. */
	d = simulate(SP_STR("{" OBJECTS "," PLACED
			    ",\"volumeattachments\":[{\"metadata\":{\"name\":\"a\"},\"spec\":{\"attacher\":"
			    "\"d.io\",\"nodeName\":\"full\",\"source\":{\"persistentVolumeName\":\"v1\"}}},"
			    "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"attacher\":"
			    "\"d.io\",\"nodeName\":\"full\",\"source\":{\"persistentVolumeName\":\"v2\"}}}],"
			    "\"pending\":[" POD("p", "\"priority\":5,", USE("c3") "," USE("later")) "]}"));
	if (d == NULL)
		T_FAIL("no decision: %s", T_ERR->msg);
	T_EQ_U64(yyjson_obj_size(yyjson_obj_get(yyjson_obj_get(d, "preemption"), "candidates")), 0);
}

/* ---- volumes of plugins that were built in ---- */

static yyjson_val *parse(const char *text)
{
	yyjson_val *v = NULL;
	return sp_json_parse(T_ARENA, sp_str_c(text), &v, T_ERR) == SP_OK ? v : NULL;
}

SP_TEST(scheduler_limits, handles_of_built_in_volumes)
{
	static const struct {
		const char *spec, *labels, *handle;
	} rows[] = {
		{"{\"awsElasticBlockStore\":{\"volumeID\":\"vol-1\"}}", "{}", "vol-1"},
		{"{\"awsElasticBlockStore\":{\"volumeID\":\"aws://us-east-1a/vol-1\"}}", "{}", "vol-1"},
		{"{\"awsElasticBlockStore\":{\"volumeID\":\"aws:///vol-1/\"}}", "{}", "vol-1"},
		{"{\"awsElasticBlockStore\":{\"volumeID\":\"aws://us-east-1a/disk-1\"}}", "{}", ""},
		{"{\"awsElasticBlockStore\":{\"volumeID\":\"aws://us-east-1a\"}}", "{}", ""},
		{"{\"gcePersistentDisk\":{\"pdName\":\"d\"}}", "{}",
		 "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d"},
		{"{\"gcePersistentDisk\":{\"pdName\":\"d\"}}", "{\"topology.kubernetes.io/zone\":\"a-b-c\"}",
		 "projects/UNSPECIFIED/zones/a-b-c/disks/d"},
		{"{\"gcePersistentDisk\":{\"pdName\":\"d\"}}",
		 "{\"failure-domain.beta.kubernetes.io/zone\":\"a-b-c__a-b-d\"}",
		 "projects/UNSPECIFIED/regions/a-b/disks/d"},
		{"{\"gcePersistentDisk\":{\"pdName\":\"d\"}}",
		 "{\"topology.kubernetes.io/zone\":\"a-b-c__a-x-d\"}", ""},
		{"{\"gcePersistentDisk\":{\"pdName\":\"d\"}}", "{\"topology.kubernetes.io/zone\":\"a__b\"}",
		 ""},
		{"{\"azureDisk\":{\"diskName\":\"n\",\"diskURI\":\"/uri\",\"kind\":\"managed\"}}", "{}",
		 "/uri"},
		{"{\"azureDisk\":{\"diskName\":\"n\",\"diskURI\":\"/uri\",\"kind\":\"Shared\"}}", "{}", ""},
		{"{\"cinder\":{\"volumeID\":\"c\"}}", "{}", "c"},
		{"{\"portworxVolume\":{\"volumeID\":\"w\"}}", "{}", "w"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		const sp_label *labels;
		size_t n_labels;
		sp_str handle;
		t_row("%s %s", rows[i].spec, rows[i].labels);
		yyjson_val *spec = parse(rows[i].spec), *map = parse(rows[i].labels);
		T_TRUE(spec != NULL && map != NULL);
		const sched_in_tree *k = sched_in_tree_of(spec);
		T_TRUE(k != NULL && k->moved && sched_in_tree_by_plugin(k->plugin) == k);
		T_OK(sched_labels_read(T_ARENA, map, &labels, &n_labels));
		T_OK(sched_in_tree_pv_handle(T_ARENA, k, spec, labels, n_labels, &handle));
		T_EQ_C(handle, rows[i].handle);
	}
	T_TRUE(sched_in_tree_of(parse("{\"hostPath\":{\"path\":\"/\"}}")) == NULL);
	T_TRUE(sched_in_tree_by_plugin(SP_STR("kubernetes.io/rbd")) == NULL);
}

#define MIGRATED                                                                              \
	",\"annotations\":{\"storage.alpha.kubernetes.io/migrated-plugins\":\"kubernetes.io/" \
	"aws-ebs,kubernetes.io/gce-pd\"}"
#define IN_ZONE(key_, zone_)                                                                              \
	",\"nodeAffinity\":{\"required\":{\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":\"" key_ \
	"\",\"operator\":\"In\",\"values\":[\"" zone_ "\"]}]}]}}"
#define GCE "\"gcePersistentDisk\":{\"pdName\":\"d\"}"

/* "full" has the driver in the plugin's place, "free" has not; both are in zone z1, and in g1 for the driver.
 */
SP_TEST(scheduler_limits, built_in_volumes_are_where_their_driver_says)
{
	static const struct {
		const char *pv, *want;
	} rows[] = {
#define ELSEWHERE "node(s) didn't match PersistentVolume's node affinity"
		{PV("v", "", GCE), "full free"},
		{PV("v", "", GCE IN_ZONE("topology.kubernetes.io/zone", "z1")), ELSEWHERE " free"},
		{PV("v", "", GCE IN_ZONE("topology.kubernetes.io/zone", "g1")), "full " ELSEWHERE},
		{PV("v", "", GCE IN_ZONE("failure-domain.beta.kubernetes.io/zone", "g1")), "full " ELSEWHERE},
		{PV("v", "", GCE IN_ZONE("other", "x")), ELSEWHERE " " ELSEWHERE},
		/* Labels come in where the affinity names no zone; VolumeZone reads them too. */
		{PV("v", ",\"labels\":{\"topology.kubernetes.io/zone\":\"z1\"}", GCE), ELSEWHERE " free"},
		{PV("v", ",\"labels\":{\"topology.kubernetes.io/zone\":\"g1__z1\"}", GCE),
		 ELSEWHERE " free"}, /* zones of no region: the driver cannot have it */
		{PV("v", ",\"labels\":{\"topology.kubernetes.io/zone\":\"z1\"}",
		    "\"azureDisk\":{\"diskName\":\"d\",\"diskURI\":\"u\"}"),
		 "full free"},
		{PV("v", "", "\"awsElasticBlockStore\":{\"volumeID\":\"aws://z/x\"}"), ELSEWHERE " free"},
	};
	for (size_t i = 0; i < (t_torture() ? 2 : SP_LEN(rows)); i++) {
		t_row("%s", rows[i].pv);
		yyjson_val *d = simulate(sp_arena_printf(
			T_ARENA,
			"{\"nodes\":[" NODE("full") "," NODE("free") "],\"csinodes\":[" CSI_NODE(
				"full", MIGRATED,
				"") "," CSI_NODE("free", "",
						 "") "],\"persistentvolumes\":[%s],"
						     "\"persistentvolumeclaims\":[" CLAIM(
							     "c",
							     ON("v")) "],\"pending\":[" POD("p", "",
											    USE("c")) "]}",
			rows[i].pv));
		if (d == NULL)
			T_FAIL("no decision: %s", T_ERR->msg);
		T_EQ_C(feasible(d), rows[i].want);
	}
}

/* ---- what wakes a pod that found every node full ---- */

static sp_code put(sched_state *st, sched_volume_kind kind, const char *text)
{
	yyjson_val *v = parse(text);
	return v == NULL ? SP_ENOMEM : sched_put_volume_object(st, kind, v, T_ERR);
}

SP_TEST(scheduler_limits, changes_that_may_help)
{
	static const struct {
		sched_plugin_id plugin;
		sched_volume_kind kind;
		const char *key;
		bool went, helps;
	} rows[] = {
		{SCHED_P_NODE_VOLUME_LIMITS, SCHED_ATTACHMENT, "a", true, true},
		{SCHED_P_NODE_VOLUME_LIMITS, SCHED_ATTACHMENT, "a", false, false},
		{SCHED_P_NODE_VOLUME_LIMITS, SCHED_PVC, "d/c", false, true},
		{SCHED_P_NODE_VOLUME_LIMITS, SCHED_PVC, "d/c", true, false},
		{SCHED_P_NODE_VOLUME_LIMITS, SCHED_PVC, "d/other", false, false},
		{SCHED_P_NODE_VOLUME_LIMITS, SCHED_PVC, "e/c", false, false},
		{SCHED_P_NODE_VOLUME_LIMITS, SCHED_PVC, "d/p-mine", false, true},
		{SCHED_P_NODE_VOLUME_LIMITS, SCHED_PV, "v", false, false},
		{SCHED_P_NODE_VOLUME_LIMITS, SCHED_CSI_NODE, "more", false, true},
		{SCHED_P_NODE_VOLUME_LIMITS, SCHED_CSI_NODE, "less", false, false},
		{SCHED_P_NODE_VOLUME_LIMITS, SCHED_CSI_NODE, "gone", true, false},
		{SCHED_P_VOLUME_BINDING, SCHED_ATTACHMENT, "a", true, false},
		{SCHED_P_VOLUME_BINDING, SCHED_CAPACITY, "d/x", false, true},
		{SCHED_P_VOLUME_ZONE, SCHED_CAPACITY, "d/x", false, false},
		{SCHED_P_VOLUME_ZONE, SCHED_PV, "v", false, true},
		{SCHED_P_VOLUME_RESTRICTIONS, SCHED_PV, "v", false, false},
		{SCHED_P_NODE_AFFINITY, SCHED_PV, "v", false, false},
	};
	sched_state *st = sched_state_new();
	sched_pod *pod;
	T_TRUE(st != NULL);
	T_DEFER(sched_state_free, st);
	T_OK(put(st, SCHED_CSI_NODE, CSI_NODE("more", "", DRIVER("d.io", "2"))));
	T_OK(put(st, SCHED_CSI_NODE, CSI_NODE("more", "", DRIVER("d.io", "3"))));
	T_OK(put(st, SCHED_CSI_NODE, CSI_NODE("less", "", DRIVER("d.io", "3"))));
	T_OK(put(st, SCHED_CSI_NODE, CSI_NODE("less", "", DRIVER("d.io", "2"))));
	yyjson_val *v = parse(POD("p", "", USE("c") ",{\"name\":\"mine\",\"ephemeral\":{}}"));
	T_TRUE(v != NULL);
	T_OK(sched_pod_make(st, v, &pod, T_ERR));
	T_OK(sched_put_pod(st, pod));
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu %s", i, rows[i].key);
		sched_change c = {.kind = SCHED_CHANGE_VOLUME,
				  .volume = (uint8_t)rows[i].kind,
				  .key = sp_str_c(rows[i].key),
				  .went = rows[i].went};
		T_TRUE(sched_hint(st, pod->spec, rows[i].plugin, &c) == rows[i].helps);
	}
}
