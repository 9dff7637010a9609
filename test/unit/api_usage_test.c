/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.k8s.io: texts of kubelets, rates of two points, and the answers made of them. */
#include "apiserver/usage/points.h"
#include "apiserver/usage/text.h"
#include "lib/api_ask.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define NS(s) ((int64_t)(s)*INT64_C(1000000000))

SP_TEST(api_usage, numbers)
{
	static const struct {
		const char *text;
		unsigned digits;
		uint64_t want;
	} good[] = {{"0", 9, 0},
		    {"12", 0, 12},
		    {"1.5", 9, 1500000000},
		    {"1.23456789012", 9, 1234567890},
		    {"1.7e+09", 0, 1700000000},
		    {"1.7639e+09", 9, UINT64_C(1763900000000000000)},
		    {"4.096e+03", 0, 4096},
		    {"5e-05", 9, 50000},
		    {"123e-1", 0, 12},
		    {"123e-5", 0, 0},
		    {".5", 1, 5},
		    {"7.", 0, 7},
		    {"18446744073709551616", 0, UINT64_MAX},
		    {"1e300", 0, UINT64_MAX}};
	static const char *const bad[] = {"",   ".",   "-1", "NaN",   "+Inf", "1.2.3",
					  "1e", "1e+", "e5", "1e999", "0x1",  "1 "};
	for (size_t i = 0; i < SP_LEN(good); i++) {
		uint64_t v;
		t_row("%s", good[i].text);
		T_OK(usage_number(sp_str_c(good[i].text), good[i].digits, &v));
		T_EQ_U64(v, good[i].want);
	}
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		uint64_t v;
		t_row("%s", bad[i]);
		T_CODE(usage_number(sp_str_c(bad[i]), 0, &v), SP_EINVAL);
	}
}

SP_TEST(api_usage, lines)
{
	sp_str text =
		SP_STR("# HELP node_cpu_usage_seconds_total x\n"
		       "node_cpu_usage_seconds_total 1.5 2000\n"
		       "node_cpu_usage_seconds_total_other 9\n"
		       "\n"
		       "container_memory_working_set_bytes{ pod=\"p\" , "
		       "container=\"c\",namespace=\"n\",x=\"a\\\"}\"} 4096\n"
		       "container_start_time_seconds{container=\"c\",namespace=\"n\",pod=\"p\"} 1.5e+09 7");
	usage_line l;
	sp_code code;
	T_TRUE(usage_text_next(&text, &l, &code));
	T_TRUE(l.family == USAGE_NODE_CPU && l.has_time);
	T_EQ_U64(l.value, 1500000000);
	T_EQ_I64(l.at_ns, NS(2));
	T_TRUE(usage_text_next(&text, &l, &code));
	T_TRUE(l.family == USAGE_CONTAINER_MEMORY && !l.has_time);
	T_EQ_C(l.ns, "n");
	T_EQ_C(l.pod, "p");
	T_EQ_C(l.container, "c");
	T_EQ_U64(l.value, 4096);
	T_TRUE(usage_text_next(&text, &l, &code));
	T_TRUE(l.family == USAGE_CONTAINER_START);
	T_TRUE(!usage_text_next(&text, &l, &code));
	T_EQ_I64(code, SP_OK);
	static const char *const bad[] = {"node_cpu_usage_seconds_total x\n",
					  "node_cpu_usage_seconds_total{a=\"b\" 1\n",
					  "node_cpu_usage_seconds_total{a=b} 1\n",
					  "node_cpu_usage_seconds_total 1 x\n",
					  "node_cpu_usage_seconds_total{a=\"b\"c=\"d\"} 1\n",
					  "node_cpu_usage_seconds_total 1 99999999999999999\n"};
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		sp_str t = sp_str_c(bad[i]);
		t_row("%s", bad[i]);
		T_TRUE(!usage_text_next(&t, &l, &code));
		T_EQ_I64(code, SP_EINVAL);
	}
}

/* What a node with one pod of one container says. */
static sp_str said(double at, double node_cpu, double cpu, double started)
{
	return sp_arena_printf(
		T_ARENA,
		"node_cpu_usage_seconds_total %f %lld\nnode_memory_working_set_bytes 1048576 %lld\n"
		"container_cpu_usage_seconds_total{container=\"c\",namespace=\"d\",pod=\"p\"} %f %lld\n"
		"container_memory_working_set_bytes{container=\"c\",namespace=\"d\",pod=\"p\"} 8192 %lld\n"
		"container_start_time_seconds{container=\"c\",namespace=\"d\",pod=\"p\"} %f\n",
		node_cpu, (long long)(at * 1000), (long long)(at * 1000), cpu, (long long)(at * 1000),
		(long long)(at * 1000), started);
}

/* Two rounds; what the second makes of the container. False: nothing. */
static bool second_round(sp_str first, sp_str second, usage_rate *ret)
{
	SP_CLEANUP(usage_set_done) usage_set a, b;
	usage_set_init(&a);
	usage_set_init(&b);
	if (usage_set_add(&a, SP_STR("n"), first, NS(1), NULL, T_ERR) != SP_OK ||
	    usage_set_add(&b, SP_STR("n"), second, NS(2), &a, T_ERR) != SP_OK)
		return false;
	const usage_pod *p = usage_set_pod(&b, SP_STR("d/p"));
	return p != NULL && usage_rate_of(&p->containers->pair, ret);
}

SP_TEST(api_usage, rates)
{
	usage_rate r;
	T_TRUE(second_round(said(100, 50, 10, 1), said(110, 51, 15, 1), &r));
	T_EQ_U64(r.nano_cores, 500000000);
	T_EQ_U64(r.memory_bytes, 8192);
	T_EQ_I64(r.at_ns, NS(110));
	T_EQ_I64(r.window_ns, NS(10));
	/* the same reading again: no rate yet */
	T_TRUE(!second_round(said(100, 50, 10, 1), said(100, 50, 10, 1), &r));
	/* it started again in between */
	T_TRUE(!second_round(said(100, 50, 10, 1), said(130, 51, 15, 105), &r));
	/* it has just started: from its start on */
	T_TRUE(second_round(said(100, 50, 10, 1), said(130, 51, 6, 118), &r));
	T_EQ_U64(r.nano_cores, 500000000);
	T_EQ_I64(r.window_ns, NS(12));
	/* too short ago */
	T_TRUE(!second_round(said(100, 50, 10, 1), said(130, 51, 6, 125), &r));
	/* the counter went backwards */
	T_TRUE(!second_round(said(100, 50, 10, 1), said(110, 51, 5, 1), &r));
	/* nothing is said of its processor */
	T_TRUE(!second_round(said(100, 50, 10, 1), said(110, 51, 0, 1), &r));
}

SP_TEST(api_usage, nodes_apart)
{
	SP_CLEANUP(usage_set_done) usage_set s;
	usage_set_init(&s);
	T_OK(usage_set_add(&s, SP_STR("a"), said(100, 50, 10, 89), NS(1), NULL, T_ERR));
	/* Another node that knows a pod of that name, and one that can't be read. */
	T_OK(usage_set_add(&s, SP_STR("b"), said(100, 50, 99, 89), NS(1), NULL, T_ERR));
	T_CODE(usage_set_add(&s, SP_STR("c"),
			     SP_STR("container_cpu_usage_seconds_total{container=\"c\",namespace=\"d\",pod="
				    "\"q\"} 1\n"
				    "node_cpu_usage_seconds_total x\n"),
			     NS(1), NULL, T_ERR),
	       SP_EINVAL);
	usage_rate r;
	const usage_pod *p = usage_set_pod(&s, SP_STR("d/p"));
	T_TRUE(p != NULL && usage_rate_of(&p->containers->pair, &r));
	T_EQ_U64(r.nano_cores, 909090909);
	T_TRUE(sp_map_get(&s.pods, SP_STR("d/q")) == NULL);
	T_TRUE(sp_map_get(&s.nodes, SP_STR("c")) == NULL);
	T_TRUE(usage_set_node(&s, SP_STR("a")) == NULL); /* one point */
}

/* ---- a server and a kubelet ---- */

typedef struct rig {
	t_asker *f;
	sp_world *world;
	sp_listener *listener;
	sp_http_server *http;
	uint16_t status; /* 0: it does not answer */
	bool silent_of_pods;
	size_t n_asked;
	bool drained;
} rig;

static void on_request(void *arg, sp_http_exchange *ex)
{
	rig *r = arg;
	static const sp_http_header plain = {SP_STR_INIT("content-type"), SP_STR_INIT("text/plain")};
	double now = (double)sp_wall_ns(r->world) / 1e9;
	char text[1024];
	r->n_asked++;
	if (r->status == 0)
		return;
	int n = snprintf(text, sizeof text,
			 "node_cpu_usage_seconds_total %f %.0f\nnode_memory_working_set_bytes 1048576 %.0f\n",
			 now * 0.25, now * 1000, now * 1000);
	if (!r->silent_of_pods)
		n += snprintf(
			text + n, sizeof text - (size_t)n,
			"container_cpu_usage_seconds_total{container=\"c\",namespace=\"default\",pod=\"p\"} "
			"%f %.0f\n"
			"container_memory_working_set_bytes{container=\"c\",namespace=\"default\",pod=\"p\"} "
			"8192 "
			"%.0f\n"
			"container_start_time_seconds{container=\"c\",namespace=\"default\",pod=\"p\"} 1\n",
			now * 0.5, now * 1000, now * 1000);
	(void)sp_http_respond(ex, r->status, &plain, 1, (sp_str){text, (size_t)n}, NULL);
}

static void on_accept(void *arg, sp_stream *s)
{
	sp_http_server_accept(((rig *)arg)->http, s);
}

static void on_drained(void *arg)
{
	((rig *)arg)->drained = true;
}

static bool is_drained(void *arg)
{
	return ((rig *)arg)->drained;
}

static void rig_done(void *arg)
{
	rig *r = arg;
	sp_listener_close(r->listener);
	if (r->http == NULL)
		return;
	sp_http_server_drain(r->http, 0, on_drained, r);
	(void)sp_sim_run(r->f->api.sim, is_drained, r, sp_sim_now_ns(r->f->api.sim) + 60 * SECOND);
	sp_http_server_free(r->http);
}

static void ask(rig *r, const char *method, const char *path, const char *body, uint16_t status,
		const char *like)
{
	if (!t_failed())
		t_ask_one(r->f, &(t_req){.method = method, .path = path, .body = sp_str_c(body)}, status,
			  like);
}

#define POD(name)                                                        \
	"{\"metadata\":{\"name\":\"" name "\",\"labels\":{\"a\":\"" name \
	"\"}},\"spec\":{\"nodeName\":\"n\","                             \
	"\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"
#define PODS "/api/v1/namespaces/default/pods"
#define METRICS "/apis/metrics.k8s.io/v1beta1"

static rig *rig_open(void)
{
	rig *r = sp_new(T_ARENA, rig, 1);
	r->f = t_asker_open();
	if (r->f == NULL)
		return NULL;
	r->status = 200;
	r->world = sp_sim_world(sp_sim_host_new(r->f->api.sim, "node", NULL, NULL));
	t_defer(rig_done, r);
	const sp_http_server_opts o = {.on_request = on_request, .arg = r};
	if (!t_api_restart(&r->f->api, SECOND) ||
	    sp_http_server_new(r->world, &o, &r->http, T_ERR) != SP_OK ||
	    sp_listen(r->world, SP_STR("0.0.0.0:10250"), NULL, on_accept, r, &r->listener, T_ERR) != SP_OK)
		return NULL;
	ask(r, "POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"n\"}}", 201, NULL);
	ask(r, "PUT", "/api/v1/nodes/n/status",
	    "{\"metadata\":{\"name\":\"n\"},\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":"
	    "\"10.0.0.3\"}]}}",
	    200, NULL);
	ask(r, "POST", PODS, POD("p"), 201, NULL);
	ask(r, "POST", PODS, POD("q"), 201, NULL);
	return t_failed() ? NULL : r;
}

#define NODE_USE "\"timestamp\":\"*\",\"window\":\"*s\",\"usage\":{\"cpu\":\"2*n\",\"memory\":\"1Mi\"}}"
#define POD_USE                                                                                           \
	"\"timestamp\":\"*\",\"window\":\"*s\",\"containers\":[{\"name\":\"c\",\"usage\":{\"cpu\":\"*\"," \
	"\"memory\":\"8Ki\"}}]}"
#define POD_META                                                                                          \
	"\"metadata\":{\"name\":\"p\",\"namespace\":\"default\",\"creationTimestamp\":\"*\",\"labels\":{" \
	"\"a\":\"p\"}},"

SP_TEST(api_usage, answers)
{
	rig *r = rig_open();
	if (r == NULL)
		return;
	/* The first question waits for two rounds. */
	ask(r, "GET", METRICS "/nodes/n", "", 200,
	    "{\"kind\":\"NodeMetrics\",\"apiVersion\":\"metrics.k8s.io/"
	    "v1beta1\",\"metadata\":{\"name\":\"n\","
	    "\"creationTimestamp\":\"*\"},\"timestamp\":\"*\",\"window\":\"2*s\",\"usage\":{\"cpu\":\"2*\","
	    "\"memory\":\"1Mi\"}}*");
	T_EQ_U64(r->n_asked, 2);
	ask(r, "GET", METRICS "/nodes", "", 200,
	    "{\"kind\":\"NodeMetricsList\",*\"items\":[{*\"name\":\"n\"*");
	ask(r, "GET", METRICS "/pods", "", 200,
	    "{\"kind\":\"PodMetricsList\",\"apiVersion\":\"metrics.k8s.io/"
	    "v1beta1\",\"metadata\":{},\"items\":[{*" POD_META POD_USE "]}*");
	ask(r, "GET", METRICS "/namespaces/default/pods", "", 200, "*" POD_META "*");
	ask(r, "GET", METRICS "/namespaces/default/pods?labelSelector=a%3Dq", "", 200, "*\"items\":[]}*");
	ask(r, "GET", METRICS "/namespaces/default/pods?fieldSelector=metadata.name%3Dp", "", 200,
	    "*" POD_META "*");
	ask(r, "GET", METRICS "/namespaces/other/pods", "", 200, "*\"items\":[]}*");
	ask(r, "GET", METRICS "/namespaces/default/pods/p", "", 200,
	    "{\"kind\":\"PodMetrics\",*" POD_META POD_USE "*");
	ask(r, "GET", METRICS "/namespaces/default/pods/q", "", 404,
	    "*\"message\":\"pods.metrics.k8s.io \\\"default/q\\\" not found\"*");
	ask(r, "GET", METRICS "/namespaces/default/pods/x", "", 404,
	    "*\"message\":\"pods \\\"x\\\" not found\"*");
	ask(r, "GET", METRICS "/nodes/x", "", 404, "*\"message\":\"nodes \\\"x\\\" not found\"*");
	ask(r, "DELETE", METRICS "/nodes/n", "", 405, NULL);
	ask(r, "GET", METRICS "/nodes?watch=1", "", 405, NULL);
	T_EQ_U64(r->n_asked, 2);
	if (!t_failed())
		t_ask_one(r->f,
			  &(t_req){.method = "GET",
				   .path = METRICS "/namespaces/default/pods",
				   .accept = "application/json;as=Table;v=v1;g=meta.k8s.io"},
			  200,
			  "*\"name\":\"Name\",*\"name\":\"cpu\",*\"format\":\"quantity\",*\"name\":"
			  "\"memory\",*\"name\":"
			  "\"Window\",*\"cells\":[\"p\",\"*\",\"8Ki\",\"2*s\"]*");
	ask(r, "GET", METRICS, "", 200,
	    "*{\"name\":\"nodes\",*\"namespaced\":false,\"kind\":\"NodeMetrics\",\"verbs\":[\"get\",\"list\"]"
	    "}*");
}

SP_TEST(api_usage, rounds)
{
	rig *r = rig_open();
	if (r == NULL)
		return;
	sp_sim *sim = r->f->api.sim;
	ask(r, "GET", METRICS "/nodes", "", 200, "*\"name\":\"n\"*");
	sp_sim_run_until(sim, sp_sim_now_ns(sim) + 61 * SECOND);
	T_EQ_U64(r->n_asked, 6);
	/* A pod that is not told of any more, then a kubelet that fails. */
	r->silent_of_pods = true;
	sp_sim_run_until(sim, sp_sim_now_ns(sim) + 15 * SECOND);
	ask(r, "GET", METRICS "/pods", "", 200, "*\"items\":[]}*");
	r->status = 500;
	sp_sim_run_until(sim, sp_sim_now_ns(sim) + 15 * SECOND);
	ask(r, "GET", METRICS "/nodes", "", 200, "*\"items\":[]}*");
	ask(r, "GET", METRICS "/nodes/n", "", 404,
	    "*\"message\":\"nodes.metrics.k8s.io \\\"n\\\" not found\"*");
	r->status = 0;
	sp_sim_run_until(sim, sp_sim_now_ns(sim) + 30 * SECOND);
	r->status = 200;
	sp_sim_run_until(sim, sp_sim_now_ns(sim) + 60 * SECOND);
	ask(r, "GET", METRICS "/nodes", "", 200, "*\"window\":\"15*s\"*");
	/* Nobody asks: nobody is asked any more. */
	sp_sim_run_until(sim, sp_sim_now_ns(sim) + 330 * SECOND);
	size_t n_asked = r->n_asked;
	sp_sim_run_until(sim, sp_sim_now_ns(sim) + 600 * SECOND);
	T_EQ_U64(r->n_asked, n_asked);
	ask(r, "GET", METRICS "/nodes", "", 200, "*\"window\":\"2*s\"*");
}

static void call_done(void *arg)
{
	t_call_done(arg);
}

/* A server that ends answers those who wait. */
SP_TEST(api_usage, ends_while_asked)
{
	rig *r = rig_open();
	if (r == NULL)
		return;
	t_call *call = sp_new(T_ARENA, t_call, 1);
	t_call_init(call);
	t_defer(call_done, call);
	r->status = 0;
	T_TRUE(t_call_start(&r->f->api.maker, call, &(t_req){.method = "GET", .path = METRICS "/nodes"}));
	sp_sim_run_until(r->f->api.sim, sp_sim_now_ns(r->f->api.sim) + SECOND);
	T_EQ_U64(r->n_asked, 1);
	T_TRUE(t_api_restart(&r->f->api, SECOND));
	T_TRUE(call->closed);
}
