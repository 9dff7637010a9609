/* SPDX-License-Identifier: Apache-2.0 */
/* What a DaemonSet decides, without a server: which nodes, which pods go, which are made. */
#include <string.h>

#include "controllers/daemon_set_int.h"
#include "lib/t.h"

#define NODES 6
#define PODS 24

static yyjson_val *parse(const char *text)
{
	yyjson_val *v = NULL;
	return sp_json_parse(T_ARENA, sp_str_c(text), &v, T_ERR) == SP_OK ? v : NULL;
}

/* ---- nodes ---- */

#define AFFINITY(term)                                                                         \
	"{\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":" \
	"{\"nodeSelectorTerms\":[" term "]}}}}"
#define LABEL(op, values) \
	"{\"matchExpressions\":[{\"key\":\"k\",\"operator\":\"" op "\",\"values\":[" values "]}]}"

SP_TEST(daemon_set, fits_nodes)
{
	static const struct {
		const char *spec, *taints;
		bool runs, stays;
	} rows[] = {
		{"{}", "[]", true, true},
		{"{\"nodeName\":\"n\"}", "[]", true, true},
		{"{\"nodeName\":\"m\"}", "[]", false, false},
		{"{\"nodeSelector\":{\"k\":\"5\"}}", "[]", true, true},
		{"{\"nodeSelector\":{\"k\":\"6\"}}", "[]", false, false},
		{"{\"nodeSelector\":{\"x\":\"\"}}", "[]", false, false},
		{AFFINITY(""), "[]", false, false},
		{AFFINITY("{}"), "[]", false, false},
		{AFFINITY("{}," LABEL("Exists", "")), "[]", true, true},
		{AFFINITY(LABEL("In", "\"4\",\"5\"")), "[]", true, true},
		{AFFINITY(LABEL("NotIn", "\"5\"")), "[]", false, false},
		{AFFINITY(LABEL("DoesNotExist", "")), "[]", false, false},
		{AFFINITY(LABEL("Gt", "\"4\"")), "[]", true, true},
		{AFFINITY(LABEL("Lt", "\"5\"")), "[]", false, false},
		{AFFINITY(LABEL("Lt", "\"x\"")), "[]", false, false},
		{AFFINITY(LABEL("Like", "\"5\"")), "[]", false, false},
		{AFFINITY("{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":["
			  "\"n\"]}]}"),
		 "[]", true, true},
		{AFFINITY("{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"NotIn\",\"values\":["
			  "\"n\"]}]}"),
		 "[]", false, false},
		{"{}", "[{\"key\":\"t\",\"effect\":\"NoSchedule\"}]", false, true},
		{"{}", "[{\"key\":\"t\",\"effect\":\"NoExecute\"}]", false, false},
		{"{}", "[{\"key\":\"t\",\"effect\":\"PreferNoSchedule\"}]", true, true},
		{"{\"tolerations\":[{\"key\":\"t\",\"operator\":\"Exists\"}]}",
		 "[{\"key\":\"t\",\"effect\":\"NoExecute\"}]", true, true},
		{"{\"tolerations\":[{\"key\":\"t\",\"value\":\"v\"}]}",
		 "[{\"key\":\"t\",\"value\":\"w\",\"effect\":\"NoExecute\"}]", false, false},
		{"{\"tolerations\":[{\"operator\":\"Exists\",\"effect\":\"NoSchedule\"}]}",
		 "[{\"key\":\"t\",\"effect\":\"NoSchedule\"},{\"key\":\"u\",\"effect\":\"NoExecute\"}]",
		 false, false},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		yyjson_val *taints = parse(rows[i].taints);
		const sp_fit_node node = {.name = SP_STR("n"),
					  .labels = parse("{\"k\":\"5\"}"),
					  .taints = {yyjson_arr_get_first(taints), yyjson_arr_size(taints)}};
		ds_node got = {.create = false};
		yyjson_val *spec = parse(rows[i].spec);
		T_TRUE(spec != NULL);
		ds_fit(spec, &node, &got);
		if (got.should_run != rows[i].runs || got.may_stay != rows[i].stays)
			T_FAIL("row %zu: %d %d", i, got.should_run, got.may_stay);
	}
}

SP_TEST(daemon_set, where_a_pod_is_meant_to_be)
{
#define TERM(values) \
	"{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[" values "]}]}"
	static const struct {
		const char *node, *required, *want;
	} rows[] = {
		{"a", "{}", "a"},
		{"", "{}", ""},
		{"", "{\"nodeSelectorTerms\":[{}," TERM("\"b\"") "]}", "b"},
		{"", "{\"nodeSelectorTerms\":[" TERM("\"b\",\"c\"") "," TERM("\"d\"") "]}", ""},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++)
		T_EQ_C(ds_target(sp_str_c(rows[i].node), parse(rows[i].required)), rows[i].want);
}

/* ---- pods ---- */

/*
 * Nodes as words, a letter a pod: 'r' ready, 'n' not ready, 'f' failed, 'w' failed and to wait, 't' ready and
 * going; capitals are updated; '.' no pod. Before it '!' for a node where none should run or stay, '~' where
 * none should run but one may stay, '?' for one that does not exist. Answers a word a node: 'd' for each pod
 * that goes, '-' for the others, 'c' when one is made.
 */
typedef struct rig {
	ds_node nodes[NODES];
	ds_pod pods[PODS];
	size_t n_nodes, n_pods;
} rig;

static void read_pod(rig *g, ds_node *node, char c)
{
	static const sp_object object = {.n_refs = 1};
	ds_pod *p = &g->pods[g->n_pods++], **at = &node->pods;
	char low = (char)(c | 0x20);
	bool failed = low == 'f' || low == 'w';
	*p = (ds_pod){.pod = {.object = &object,
			      .node = node->exists ? SP_STR("n") : SP_STR(""),
			      .phase = failed ? SP_STR("Failed") : SP_STR("Running"),
			      .deleted = low == 't' ? SP_STR("x") : SP_STR(""),
			      .is_ready = low == 'r' || low == 't',
			      .ready_s = 100},
		      .is_updated = c < 'a',
		      .waits = low == 'w'};
	while (*at != NULL)
		at = &(*at)->next;
	*at = p;
}

static void read_rig(rig *g, const char *text)
{
	*g = (rig){.n_nodes = 0};
	for (; *text != '\0'; g->n_nodes++) {
		ds_node *node = &g->nodes[g->n_nodes];
		bool none = *text == '!', stay = *text == '~', gone = *text == '?';
		*node = (ds_node){
			.exists = !gone, .should_run = !none && !stay && !gone, .may_stay = !none && !gone};
		text += none || stay || gone;
		for (; *text != '\0' && *text != ' '; text++) {
			if (*text != '.')
				read_pod(g, node, *text);
		}
		text += *text == ' ';
	}
}

static sp_str told(const rig *g)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1000);
	for (size_t i = 0; i < g->n_nodes; i++) {
		if (i > 0)
			(void)sp_buf_char(&out, ' ');
		for (const ds_pod *p = g->nodes[i].pods; p != NULL; p = p->next)
			(void)sp_buf_char(&out, p->drop ? 'd' : '-');
		if (g->nodes[i].create)
			(void)sp_buf_char(&out, 'c');
		else if (g->nodes[i].pods == NULL)
			(void)sp_buf_char(&out, '.');
	}
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&out));
}

SP_TEST(daemon_set, one_for_each_node)
{
	static const struct {
		const char *nodes;
		bool surge;
		const char *want;
	} rows[] =
		{
			{". R", false, "c -"},  {"!. ~.", false, ". ."}, {"!R ~R", false, "d -"},
			{"!T", false, "-"},     {"F W", false, "d -"},   {"RR rN", false, "-d -d"},
			{"TR", false, "--"},    {"T", false, "-"},       {"?R", false, "d"},
			{"T ~T", true, "-c -"}, {"rR", true, "d-"}, /* the new one is available */
			{"rN", true, "--"},     {"nN", true, "d-"},      {"rrN", true, "-d-"},
			{"F", true, "dc"},
		};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		rig g;
		const ds_rules r = {.allows_surge = rows[i].surge};
		read_rig(&g, rows[i].nodes);
		bool any = ds_manage(&r, g.nodes, g.n_nodes);
		sp_str got = told(&g);
		T_EQ_STR(got, sp_str_c(rows[i].want));
		T_EQ_U64(any, sp_str_index(got, 'd') >= 0 || sp_str_index(got, 'c') >= 0);
	}
}

SP_TEST(daemon_set, rolls)
{
	static const struct {
		const char *nodes;
		ds_rules rules;
		const char *want;
	} rows[] = {
		{"r r r", {.max_unavailable = 1}, "d - -"},
		{"r r r", {.max_unavailable = 2}, "d d -"},
		{"N r r", {.max_unavailable = 1}, "- - -"},
		{"t r r", {.max_unavailable = 1}, "- - -"}, /* its node has none now */
		{". r r", {.max_unavailable = 1}, ". - -"},
		{"n r r", {.max_unavailable = 1}, "d - -"}, /* is unavailable in any case */
		{"n n r", {.max_unavailable = 1}, "d d -"},
		{"R R r", {.max_unavailable = 1}, "- - d"},
		{"R R R", {.max_unavailable = 1}, "- - -"},
		{"R r", {.max_unavailable = 1, .min_ready_s = 10, .now_s = 105}, "- d"},
		{"r r r", {.max_surge = 1}, "-c - -"},
		{"r r r", {.max_surge = 2}, "-c -c -"},
		{"rN r r", {.max_surge = 1}, "-- - -"},
		{"rR r r", {.max_surge = 1}, "d- -c -"},
		{"n r r", {.max_surge = 1}, "-c -c -"}, /* what is unavailable does not count */
		{"~n r", {.max_surge = 1}, "d -c"},
		{"~r R", {.max_surge = 1}, "d -"}, /* another is available in its place */
		{"~r N", {.max_surge = 1}, "- -"},
		{"~r ~r N N", {.max_surge = 1}, "- - - -"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		rig g;
		read_rig(&g, rows[i].nodes);
		ds_roll(&rows[i].rules, g.nodes, g.n_nodes);
		sp_str got = told(&g);
		if (!sp_str_eq(got, sp_str_c(rows[i].want)))
			T_FAIL("row %zu, '%s': got '" SP_FMT "', want '%s'", i, rows[i].nodes, SP_ARG(got),
			       rows[i].want);
	}
}

SP_TEST(daemon_set, counts)
{
	rig g;
	ds_counts c;
	const ds_rules r = {.min_ready_s = 10, .now_s = 105};
	read_rig(&g, "R n . ~r !. ?R");
	ds_count(&r, g.nodes, g.n_nodes, &c);
	T_EQ_I64(c.n_desired, 3);
	T_EQ_I64(c.n_current, 2);
	T_EQ_I64(c.n_misscheduled, 1);
	T_EQ_I64(c.n_ready, 1);
	T_EQ_I64(c.n_updated, 1);
	T_EQ_I64(c.n_available, 0);
	T_EQ_I64(c.wait_s, 6);
}

SP_TEST(daemon_set, order_of_pods)
{
	const sp_object a = {.name = SP_STR("a")}, b = {.name = SP_STR("b")};
	ds_pod pods[] = {{.pod = {.object = &a, .created = SP_STR("1")}},
			 {.pod = {.object = &b, .created = SP_STR("3"), .node = SP_STR("n")}},
			 {.pod = {.object = &b, .created = SP_STR("2"), .node = SP_STR("n")}},
			 {.pod = {.object = &a, .created = SP_STR("3"), .node = SP_STR("n")}}};
	ds_sort(pods, SP_LEN(pods));
	T_EQ_C(pods[0].pod.created, "2");
	T_TRUE(pods[1].pod.object == &a && pods[2].pod.object == &b);
	T_EQ_C(pods[3].pod.created, "1");
}
