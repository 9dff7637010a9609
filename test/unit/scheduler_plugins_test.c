/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worked examples of the default plugins: a cluster of four nodes and four pods, one incoming pod a row. The
 * numbers are those of kube-scheduler 1.36.2.
 */
#include "scheduler/simulate.h"

#include "lib/t.h"

#define NODE(name_, labels_, cpu_, memory_, rest_)                                                           \
	"{\"metadata\":{\"name\":\"" name_ "\",\"labels\":{\"kubernetes.io/hostname\":\"" name_ "\"" labels_ \
	"}},\"status\":{\"allocatable\":{\"cpu\":\"" cpu_ "\",\"memory\":\"" memory_                         \
	"\",\"pods\":\"110\"}" rest_ "}"
#define ZONE(z_) ",\"topology.kubernetes.io/zone\":\"" z_ "\""
#define POD(ns_, name_, labels_, node_, requests_, rest_)                                  \
	"{\"metadata\":{\"name\":\"" name_ "\",\"namespace\":\"" ns_ "\",\"uid\":\"" name_ \
	"\",\"labels\":{" labels_ "}},\"spec\":{\"nodeName\":\"" node_                     \
	"\",\"containers\":[{\"name\":\"c\",\"image\":\"none:1\","                         \
	"\"resources\":{\"requests\":{" requests_ "}}}]" rest_ "}}"
#define REQ(cpu_, memory_) "\"cpu\":\"" cpu_ "\",\"memory\":\"" memory_ "\""

#define E3_AFFINITY                                                                                 \
	",\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{" \
	"\"topologyKey\":"                                                                          \
	"\"topology.kubernetes.io/zone\",\"labelSelector\":{\"matchLabels\":{\"role\":\"db\"}}}]}," \
	"\"podAffinity\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[{\"weight\":30,"     \
	"\"podAffinityTerm\":"                                                                      \
	"{\"topologyKey\":\"topology.kubernetes.io/"                                                \
	"zone\",\"labelSelector\":{\"matchLabels\":{\"app\":\"z\"}}}}]}}"

#define CLUSTER                                                                                                                         \
	"\"nodes\":[" NODE("a1", ZONE("a") ",\"disk\":\"ssd\"", "4", "32Gi", "}") "," NODE("a2", ZONE("a"), "8", "16Gi", "}") "," NODE( \
		"b1", ZONE("b"), "4", "32Gi",                                                                                           \
		",\"images\":[{\"names\":[\"img:latest\"],\"sizeBytes\":734003200}]}"                                                   \
		",\"spec\":{\"taints\":[{\"key\":\"soft\",\"effect\":"                                                                  \
		"\"PreferNoSchedule\"}]}") "," NODE("nz", "", "4", "32Gi",                                                              \
						    "}") "],"                                                                           \
							 "\"namespaces\":[{"                                                            \
							 "\"metadata\":{\"name\":"                                                      \
							 "\"default\"}},{\"metadata\":"                                                 \
							 "{\"name\":\"red\","                                                           \
							 "\"labels\":"                                                                  \
							 "{\"team\":\"r\"}}}],"                                                         \
							 "\"services\":[{\"metadata\":"                                                 \
							 "{\"name\":\"s\","                                                             \
							 "\"namespace\":\"default\"},"                                                  \
							 "\"spec\":{\"selector\":"                                                      \
							 "{\"svc\":\"w\"}}}],"                                                          \
							 "\"pods\":[" POD(                                                              \
								 "default", "e1",                                                       \
								 "\"app\":\"x\","                                                       \
								 "\"svc\":\"w\"",                                                       \
								 "a1", REQ("1", "4Gi"),                                                 \
								 "") "," POD("default", "e2",                                           \
									     "\"app\":"                                                 \
									     "\"x\"",                                                   \
									     "a2",                                                      \
									     REQ("2", "1G"                                              \
										      "i"),                                             \
									     "") "," POD("default", "e3",                               \
											 "\"app\":\"y\","                               \
											 "\"svc\":\"w\"",                               \
											 "b1",                                          \
											 REQ("500m", "8Gi"),                            \
											 E3_AFFINITY) "," POD("red",                    \
													      "e4",                     \
													      "\"app\":\"y\"",          \
													      "b1",                     \
													      "",                       \
													      "") "]"

/* "a1 444, a2 450, b1 UU InterPodAffinity" and so on, in the order of the nodes above. */
static sp_str summary(yyjson_val *decision)
{
	static const char *const nodes[] = {"a1", "a2", "b1", "nz"};
	sp_str text = {0};
	for (size_t i = 0; i < SP_LEN(nodes); i++) {
		yyjson_val *total = yyjson_obj_get(yyjson_obj_get(decision, "totals"), nodes[i]);
		yyjson_val *why = yyjson_obj_get(yyjson_obj_get(decision, "rejected"), nodes[i]);
		sp_str comma = i == 0 ? SP_STR("") : SP_STR(", ");
		if (total != NULL)
			text = sp_arena_printf(T_ARENA, SP_FMT SP_FMT "%s %lld", SP_ARG(text), SP_ARG(comma),
					       nodes[i], (long long)yyjson_get_sint(total));
		else
			text = sp_arena_printf(
				T_ARENA, SP_FMT SP_FMT "%s %s %s", SP_ARG(text), SP_ARG(comma), nodes[i],
				strcmp(yyjson_get_str(yyjson_obj_get(why, "code")), "Unschedulable") == 0
					? "U"
					: "UU",
				yyjson_get_str(yyjson_obj_get(why, "plugin")));
	}
	return text;
}

static yyjson_val *decide(const char *labels, const char *requests, const char *spec)
{
	SP_AUTO_BUF out;
	yyjson_val *root = NULL;
	sp_buf_init(&out, (size_t)1 << 20);
	sp_str text = sp_arena_printf(T_ARENA,
				      "{%s,\"pending\":[{\"metadata\":{\"name\":\"p\",\"namespace\":"
				      "\"default\",\"uid\":\"p\",\"labels\":{%s}},"
				      "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"%s\","
				      "\"resources\":{\"requests\":{%s}}}]%s}}]}",
				      CLUSTER, labels, strstr(spec, "disk") != NULL ? "img" : "none:1",
				      requests, spec);
	if (text.ptr == NULL || sched_simulate(text, &out, T_ERR) != SP_OK ||
	    sp_json_parse(T_ARENA, sp_buf_view(&out), &root, T_ERR) != SP_OK)
		return NULL;
	return yyjson_arr_get_first(yyjson_obj_get(root, "decisions"));
}

#define SMALL REQ("100m", "1Gi")
#define TERM(key_, value_, topology_)                                                                   \
	"{\"topologyKey\":\"" topology_ "\",\"labelSelector\":{\"matchLabels\":{\"" key_ "\":\"" value_ \
	"\"}}}"
#define AFFINITY(terms_) \
	",\"affinity\":{\"podAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[" terms_ "]}}"
#define ANTI(terms_)                                                                                      \
	",\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[" terms_ \
	"]}}"
#define SPREAD(when_, rest_)                                                                              \
	",\"topologySpreadConstraints\":[{\"maxSkew\":1,\"topologyKey\":\"topology.kubernetes.io/zone\"," \
	"\"whenUnsatisfiable\":\"" when_ "\",\"labelSelector\":{\"matchLabels\":{\"app\":\"x\"}}" rest_ "}]"
#define Z "topology.kubernetes.io/zone"
#define H "kubernetes.io/hostname"

static const struct {
	const char *about, *labels, *requests, *spec, *want;
} rows[] = {
	{"plain", "\"app\":\"q\"", REQ("500m", "2Gi"), "", "a1 444, a2 450, b1 146, nz 463"},
	{"best effort", "\"app\":\"q\"", "", "", "a1 379, a2 382, b1 77, nz 398"},
	{"default spread", "\"svc\":\"w\"", REQ("500m", "2Gi"), "", "a1 488, a2 516, b1 190, nz 663"},
	{"placed anti-affinity", "\"role\":\"db\"", SMALL, "",
	 "a1 453, a2 456, b1 U InterPodAffinity, nz 470"},
	{"placed preference", "\"app\":\"z\"", SMALL, "", "a1 453, a2 456, b1 351, nz 470"},
	{"affinity", "", SMALL, AFFINITY(TERM("app", "x", Z)),
	 "a1 453, a2 456, b1 UU InterPodAffinity, nz UU InterPodAffinity"},
	{"no pod matches both terms", "", SMALL, AFFINITY(TERM("app", "x", Z) "," TERM("app", "y", Z)),
	 "a1 UU InterPodAffinity, a2 UU InterPodAffinity, b1 UU InterPodAffinity, nz UU InterPodAffinity"},
	{"first of its kind", "\"grp\":\"new\"", SMALL, AFFINITY(TERM("grp", "new", Z)),
	 "a1 453, a2 456, b1 151, nz UU InterPodAffinity"},
	{"anti-affinity", "", SMALL, ANTI(TERM("app", "x", Z)),
	 "a1 U InterPodAffinity, a2 U InterPodAffinity, b1 151, nz 470"},
	{"anti-affinity in a namespace by label", "", SMALL,
	 ANTI("{\"topologyKey\":\"" H "\",\"labelSelector\":{\"matchLabels\":{\"app\":\"y\"}},"
	      "\"namespaceSelector\":{\"matchLabels\":{\"team\":\"r\"}}}"),
	 "a1 453, a2 456, b1 U InterPodAffinity, nz 470"},
	{"hard spread", "\"app\":\"x\"", SMALL, SPREAD("DoNotSchedule", ""),
	 "a1 U PodTopologySpread, a2 U PodTopologySpread, b1 151, nz UU PodTopologySpread"},
	{"too few domains", "\"app\":\"n\"", SMALL, SPREAD("DoNotSchedule", ",\"minDomains\":3"),
	 "a1 U PodTopologySpread, a2 U PodTopologySpread, b1 151, nz UU PodTopologySpread"},
	{"soft spread", "\"app\":\"x\"", SMALL, SPREAD("ScheduleAnyway", ""),
	 "a1 453, a2 456, b1 351, nz 470"},
	{"image and preferred node", "", SMALL,
	 ",\"affinity\":{\"nodeAffinity\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[{\"weight\":"
	 "20,"
	 "\"preference\":{\"matchExpressions\":[{\"key\":\"disk\",\"operator\":\"In\",\"values\":[\"ssd\"]}]}"
	 "}]}}",
	 "a1 653, a2 456, b1 166, nz 470"},
	{"too large", "", REQ("6", "1Gi"), "",
	 "a1 UU NodeResourcesFit, a2 401, b1 UU NodeResourcesFit, nz UU NodeResourcesFit"},
	{"one node by name", "", SMALL,
	 ",\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"
	 "\"nodeSelectorTerms\":"
	 "[{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"b1\"]}]}]}}}",
	 "a1 UU , a2 UU , b1 151, nz UU "},
	{"node selector", "", SMALL, ",\"nodeSelector\":{\"" Z "\":\"b\"}",
	 "a1 UU NodeAffinity, a2 UU NodeAffinity, b1 151, nz UU NodeAffinity"},
	{"an affinity without terms", "", SMALL,
	 ",\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"
	 "\"nodeSelectorTerms\":[]}}}",
	 "a1 UU NodeAffinity, a2 UU NodeAffinity, b1 UU NodeAffinity, nz UU NodeAffinity"},
	{"features nobody declares", "", SMALL, ",\"hostNetwork\":true,\"hostUsers\":false",
	 "a1 UU NodeDeclaredFeatures, a2 UU NodeDeclaredFeatures, b1 UU NodeDeclaredFeatures, nz UU "
	 "NodeDeclaredFeatures"},
	{"a soft taint tolerated", "\"app\":\"q\"", REQ("500m", "2Gi"),
	 ",\"tolerations\":[{\"key\":\"soft\",\"operator\":\"Exists\"}]", "a1 444, a2 450, b1 446, nz 463"},
};

SP_TEST(scheduler, worked_examples)
{
	for (size_t i = 0; i < (t_torture() ? 3 : SP_LEN(rows)); i++) {
		t_row("%s", rows[i].about);
		yyjson_val *d = decide(rows[i].labels, rows[i].requests, rows[i].spec);
		if (d == NULL)
			T_FAIL("no decision: %s", T_ERR->msg);
		T_EQ_C(summary(d), rows[i].want);
	}
}

static sp_code refuse(const char *snapshot)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)1 << 20);
	return sched_simulate(sp_str_c(snapshot), &out, T_ERR);
}

SP_TEST(scheduler, refuses_bad_snapshots)
{
	static const struct {
		const char *snapshot, *message;
	} bad[] = {
		{"", "unexpected end of JSON input"},
		{"[]", "the snapshot is not a JSON object"},
		{"{\"nodez\":[]}", "the snapshot has an unknown member \"nodez\""},
		{"{\"nodes\":{}}", "nodes is not a list"},
		{"{\"nodes\":[3]}", "nodes[0] is not an object"},
		{"{\"nodes\":[{}]}", "nodes[0] has no metadata.name"},
		{"{\"nodes\":[{\"metadata\":{\"name\":\"n\"},\"spec\":{\"unschedulabel\":true}}]}",
		 "nodes[0]: unknown field \"spec.unschedulabel\""},
		{"{\"nodes\":[{\"metadata\":{\"name\":\"n\",\"labels\":[]}}]}",
		 "nodes[0]: json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of "
		 "type map[string]string"},
		{"{\"pods\":[{\"metadata\":{\"name\":\"p\",\"namespace\":\"d\"}}]}",
		 "pods[0] has no spec.nodeName"},
		{"{\"pending\":[{\"metadata\":{\"name\":\"p\"}}]}", "pending[0] has no metadata.namespace"},
		{"{\"pending\":[],\"steps\":[]}", "the snapshot has both pending and steps"},
		{"{\"steps\":[{\"jump\":1}]}", "steps[0]: unknown step \"jump\""},
		{"{\"steps\":[{}]}", "steps[0] is not an object with one member"},
		{"{\"steps\":[{\"deletePod\":1}]}", "steps[0]: a name was expected"},
		{"{\"pending\":[{\"metadata\":{\"name\":\"p\",\"namespace\":\"d\"},\"spec\":{\"containers\":["
		 "{\"name\":\"c\","
		 "\"resources\":{\"requests\":{\"cpu\":\"1x\"}}}]}}]}",
		 "pending[0]: quantities must match the regular expression "
		 "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
	};
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		t_row("%s", bad[i].snapshot);
		T_CODE(refuse(bad[i].snapshot), SP_EINVAL);
		T_EQ_C(sp_str_c(T_ERR->msg), bad[i].message);
	}
}
