/* SPDX-License-Identifier: Apache-2.0 */
/* Routes to the pods of other nodes follow their objects, also when the kernel refuses some for a while. */
#include "base/log.h"
#include "lib/client_host.h"
#include "lib/store_help.h"
#include "lib/t.h"
#include "network/routes/routes.h"

#define SECOND UINT64_C(1000000000)

typedef struct rig {
	t_api api;
	t_user user, machine;
	sp_log *log;
	sp_informers *set;
	net_routes *routes;
	sp_router router;
	sp_timer answer;
	void (*done)(void *arg, const sp_err *err);
	void *done_arg;
	sp_buf now; /* what was set last, as text, sorted as it came */
	size_t n, n_sets;
	bool refuses, stopped;
} rig;

static void no_line(void *arg, sp_str line)
{
	(void)arg, (void)line;
}
static int64_t no_time(void *arg)
{
	(void)arg;
	return 0;
}

static void on_answer(sp_timer *t)
{
	rig *r = t->arg;
	sp_err err = {.code = SP_EUNAVAILABLE};
	r->done(r->done_arg, r->refuses ? &err : NULL);
}

static void set(sp_router *router, const sp_route *at, size_t n, void (*done)(void *arg, const sp_err *err),
		void *arg)
{
	rig *r = SP_CONTAINER_OF(router, rig, router);
	if (sp_timer_is_running(&r->answer))
		(void)t_fail(__FILE__, __LINE__, "two at once");
	r->done = done;
	r->done_arg = arg;
	r->n = n;
	r->n_sets++;
	sp_buf_clear(&r->now);
	for (size_t i = 0; i < n; i++) {
		char to[SP_IP_TEXT_BYTES], via[SP_IP_TEXT_BYTES];
		int n_to = (int)sp_cidr_print(to, &at[i].to), n_via = (int)sp_ip_print(via, &at[i].via);
		(void)sp_buf_printf(&r->now, "%.*s via %.*s;", n_to, to, n_via, via);
	}
	sp_timer_start(r->machine.world, &r->answer, SECOND / 100, on_answer);
}

static void on_stopped(void *arg)
{
	((rig *)arg)->stopped = true;
}
static bool is_stopped(void *arg)
{
	return ((rig *)arg)->stopped;
}

static void rig_close(void *arg)
{
	rig *r = arg;
	if (r->routes != NULL) {
		net_routes_stop(r->routes, on_stopped, r);
		(void)sp_sim_run(r->api.sim, is_stopped, r, sp_sim_now_ns(r->api.sim) + 10 * SECOND);
		net_routes_free(r->routes);
	}
	if (r->set != NULL)
		sp_informers_free(r->set);
	sp_log_free(r->log);
	sp_buf_done(&r->now);
}

static rig *rig_open(void)
{
	rig *r = sp_new(T_ARENA, rig, 1);
	t_no_faults();
	sp_buf_init(&r->now, 1 << 16);
	r->router.set = set;
	r->answer.arg = r;
	if (!t_api_open(&r->api, &(sp_sim_opts){.seed = t_random()}, NULL) ||
	    !t_user_open(&r->user, &r->api, "user", true) || !t_user_open(&r->machine, &r->api, "n1", true))
		return r;
	r->log = sp_log_new(&(sp_log_opts){.level = SP_LOG_ERROR, .wall_ns = no_time, .write = no_line});
	T_DEFER(rig_close, r);
	if (sp_informers_new(r->machine.client, r->log, &r->set, T_ERR) != SP_OK)
		return r;
	const net_routes_opts o = {
		.informers = r->set, .router = &r->router, .log = r->log, .node = SP_STR("n1")};
	if (net_routes_new(r->machine.world, &o, &r->routes, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "no routes: %s", T_ERR->msg);
	sp_informers_start(r->set);
	return r;
}

static void make_node(rig *r, const char *name, const char *cidr, const char *ip)
{
	sp_str body = sp_arena_printf(T_ARENA,
				      "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"podCIDR\":\"%s\","
				      "\"podCIDRs\":[\"%s\"]},\"status\":{"
				      "\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"%s\"}]}}",
				      name, cidr, cidr, ip);
	sp_ask ask = {.verb = SP_ASK_CREATE, .gvr = SP_NODES, .body = body};
	(void)t_ask_ok(&r->user, &ask, SP_OK);
}

static void run_for(rig *r, uint64_t ns)
{
	sp_sim_run_until(r->api.sim, sp_sim_now_ns(r->api.sim) + ns);
}

SP_TEST(sim_routes, follow_nodes)
{
	rig *r = rig_open();
	T_TRUE(!t_failed());
	make_node(r, "n1", "10.1.1.0/24", "192.0.2.1");
	run_for(r, SECOND);
	T_EQ_U64(r->n, 0); /* our own */
	make_node(r, "n2", "10.1.2.0/24", "192.0.2.2");
	run_for(r, SECOND);
	T_EQ_C(sp_buf_view(&r->now), "10.1.2.0/24 via 192.0.2.2;");
	size_t n = r->n_sets;
	/* Something else of a node changes: nothing is to be done. */
	sp_ask note = {.verb = SP_ASK_MERGE_PATCH,
		       .gvr = SP_NODES,
		       .name = SP_STR("n2"),
		       .body = SP_STR("{\"metadata\":{\"labels\":{\"a\":\"b\"}}}")};
	(void)t_ask_ok(&r->user, &note, SP_OK);
	run_for(r, SECOND);
	T_EQ_U64(r->n_sets, n);
	/* Refused ones are tried again until they are taken. */
	r->refuses = true;
	make_node(r, "n3", "10.1.3.0/24", "192.0.2.3");
	run_for(r, 35 * SECOND);
	T_TRUE(r->n_sets >= n + 3 && r->n_sets <= n + 5);
	r->refuses = false;
	run_for(r, 11 * SECOND);
	n = r->n_sets;
	T_EQ_U64(r->n, 2);
	run_for(r, 60 * SECOND);
	T_EQ_U64(r->n_sets, n);
	/* One that wants what is n2's gets nothing, and takes nothing. */
	make_node(r, "n0", "10.1.2.128/25", "192.0.2.4");
	run_for(r, SECOND);
	T_EQ_U64(r->n_sets, n);
	sp_ask gone = {.verb = SP_ASK_DELETE, .gvr = SP_NODES, .name = SP_STR("n2")};
	t_ask(&r->user, &gone);
	run_for(r, SECOND);
	T_EQ_C(sp_buf_view(&r->now), "10.1.3.0/24 via 192.0.2.3;10.1.2.128/25 via 192.0.2.4;");
}
