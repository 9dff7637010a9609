/* SPDX-License-Identifier: Apache-2.0 */
/* The service proxy follows objects, also when the kernel refuses a transaction: what it has then is what it
 * was told, and flows are looked through behind it. */
#include "base/log.h"
#include "lib/client_host.h"
#include "lib/store_help.h"
#include "lib/t.h"
#include "network/services/proxy.h"

#define SECOND UINT64_C(1000000000)

typedef struct rig {
	t_api api;
	t_user user, machine;
	sp_log *log;
	sp_informers *set;
	net_status status;
	net_health *health;
	net_proxy *proxy;
	net_runner runner;
	sp_sweeper sweeper;
	sp_timer ran, swept;
	void (*run_done)(void *arg, const sp_err *err);
	void (*sweep_done)(void *arg, size_t n, const sp_err *err);
	void *run_arg, *sweep_arg;
	sp_buf last; /* commands */
	size_t n_runs, n_setups, n_sweeps, n_stopped;
	bool refuses, busy;
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

static void on_ran(sp_timer *t)
{
	rig *r = t->arg;
	sp_err err = {.code = SP_EINVAL};
	r->busy = false;
	r->run_done(r->run_arg, r->refuses ? &err : NULL);
}

static void run(net_runner *runner, sp_str commands, void (*done)(void *arg, const sp_err *err), void *arg)
{
	rig *r = SP_CONTAINER_OF(runner, rig, runner);
	if (r->busy)
		(void)t_fail(__FILE__, __LINE__, "two at once");
	r->busy = true;
	r->run_done = done;
	r->run_arg = arg;
	r->n_runs++;
	r->n_setups += sp_str_starts(commands, SP_STR("add table"));
	sp_buf_clear(&r->last);
	(void)sp_buf_str(&r->last, commands);
	sp_timer_start(r->machine.world, &r->ran, SECOND / 100, on_ran);
}

static void on_swept(sp_timer *t)
{
	rig *r = t->arg;
	r->busy = false;
	r->sweep_done(r->sweep_arg, 1, NULL);
}

static void sweep(sp_sweeper *s, bool v4, bool (*is_stale)(const void *arg, const sp_flow *f),
		  const void *arg, void (*done)(void *arg, size_t n, const sp_err *err), void *done_arg)
{
	rig *r = SP_CONTAINER_OF(s, rig, sweeper);
	sp_flow f = {.to_port = 53, .from_port = 1};
	if (r->busy || !v4 || !sp_ip_parse(SP_STR("10.96.0.10"), &f.to) ||
	    !sp_ip_parse(SP_STR("10.88.9.9"), &f.from) || !is_stale(arg, &f))
		(void)t_fail(__FILE__, __LINE__, "this is no time to sweep");
	r->busy = true;
	r->sweep_done = done;
	r->sweep_arg = done_arg;
	r->n_sweeps++;
	sp_timer_start(r->machine.world, &r->swept, SECOND / 100, on_swept);
}

static void on_stopped(void *arg)
{
	((rig *)arg)->n_stopped++;
}
static bool are_stopped(void *arg)
{
	return ((rig *)arg)->n_stopped == 2;
}

static void rig_close(void *arg)
{
	rig *r = arg;
	if (r->proxy != NULL) {
		net_proxy_stop(r->proxy, on_stopped, r);
		net_health_stop(r->health, on_stopped, r);
		(void)sp_sim_run(r->api.sim, are_stopped, r, sp_sim_now_ns(r->api.sim) + 10 * SECOND);
	}
	net_proxy_free(r->proxy);
	net_health_free(r->health);
	if (r->set != NULL)
		sp_informers_free(r->set);
	sp_log_free(r->log);
	sp_buf_done(&r->last);
}

static rig *rig_open(void)
{
	rig *r = sp_new(T_ARENA, rig, 1);
	t_no_faults();
	sp_buf_init(&r->last, 1 << 20);
	r->runner.run = run;
	r->sweeper.sweep = sweep;
	r->ran.arg = r->swept.arg = r;
	if (!t_api_open(&r->api, &(sp_sim_opts){.seed = t_random()}, NULL) ||
	    !t_user_open(&r->user, &r->api, "user", true) || !t_user_open(&r->machine, &r->api, "n1", true))
		return r;
	r->log = sp_log_new(&(sp_log_opts){.level = SP_LOG_ERROR, .wall_ns = no_time, .write = no_line});
	T_DEFER(rig_close, r);
	if (sp_informers_new(r->machine.client, r->log, &r->set, T_ERR) != SP_OK)
		return r;
	r->health = net_health_new(r->machine.world, r->log, &r->status);
	const net_proxy_opts o = {.informers = r->set,
				  .runner = &r->runner,
				  .sweeper = &r->sweeper,
				  .status = &r->status,
				  .health = r->health,
				  .log = r->log,
				  .node = SP_STR("n1")};
	if (net_proxy_new(r->machine.world, &o, &r->proxy, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "no proxy: %s", T_ERR->msg);
	sp_informers_start(r->set);
	return r;
}

static void run_for(rig *r, uint64_t ns)
{
	sp_sim_run_until(r->api.sim, sp_sim_now_ns(r->api.sim) + ns);
}

static bool has(const rig *r, const char *part)
{
	return sp_str_find(sp_buf_view(&r->last), sp_str_c(part)) >= 0;
}

static void make_service(rig *r, const char *name, const char *ip, const char *protocol)
{
	sp_ask ask = {
		.verb = SP_ASK_CREATE,
		.gvr = SP_SERVICES,
		.ns = SP_STR("default"),
		.body = sp_arena_printf(T_ARENA,
					"{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"clusterIP\":\"%s\","
					"\"ports\":[{\"name\":\"p\",\"port\":53,\"protocol\":\"%s\"}]}}",
					name, ip, protocol)};
	(void)t_ask_ok(&r->user, &ask, SP_OK);
}

static void make_slice(rig *r, const char *name, const char *service, const char *protocol, const char *ip)
{
	sp_ask ask = {
		.verb = SP_ASK_CREATE,
		.gvr = SP_ENDPOINTSLICES,
		.ns = SP_STR("default"),
		.body = sp_arena_printf(
			T_ARENA,
			"{\"metadata\":{\"name\":\"%s\",\"labels\":{\"kubernetes.io/service-name\":\"%s\"}},"
			"\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"p\",\"port\":5353,\"protocol\":\"%"
			"s\"}],"
			"\"endpoints\":[{\"addresses\":[\"%s\"],\"conditions\":{\"ready\":true},"
			"\"hints\":{\"forZones\":[{\"name\":\"%s\"}]}}]}",
			name, service, protocol, ip, name)};
	(void)t_ask_ok(&r->user, &ask, SP_OK);
}

SP_TEST(sim_services, follow_objects_and_sweep_behind_them)
{
	rig *r = rig_open();
	T_TRUE(!t_failed());
	T_EQ_U64(r->status.pending_ns, 0);
	run_for(r, SECOND);
	T_EQ_U64(r->n_setups, 1);
	T_TRUE(r->status.updated_ns != 0 && r->status.pending_ns == 0 && r->n_sweeps == 0);
	make_service(r, "dns", "10.96.0.10", "UDP");
	run_for(r, SECOND);
	T_TRUE(has(r, "cluster-ips { 10.96.0.10 }"));
	T_TRUE(has(r, "no-endpoint-services { 10.96.0.10 . udp . 53 : goto reject-chain }"));
	T_EQ_U64(r->n_sweeps, 0); /* nobody could take over */
	make_slice(r, "z1", "dns", "UDP", "10.88.0.1");
	run_for(r, SECOND);
	T_EQ_U64(r->n_sweeps, 1);
	make_slice(r, "z2", "dns", "UDP", "10.88.0.2");
	run_for(r, SECOND);
	T_EQ_U64(r->n_sweeps, 2);
	T_TRUE(has(r, "numgen random mod 2"));
	/* TCP is told by itself. */
	make_service(r, "web", "10.96.0.20", "TCP");
	make_slice(r, "z3", "web", "TCP", "10.88.0.3");
	run_for(r, SECOND);
	T_EQ_U64(r->n_sweeps, 2);
	T_EQ_U64(r->status.n_swept[NET_V4], 2);
	/* Our node gets a zone: one endpoint of dns is for it. */
	sp_ask node = {.verb = SP_ASK_CREATE,
		       .gvr = SP_NODES,
		       .body = SP_STR("{\"metadata\":{\"name\":\"n1\",\"labels\":{\"topology.kubernetes.io/"
				      "zone\":\"z2\"}}}")};
	T_TRUE(!r->status.is_eligible);
	(void)t_ask_ok(&r->user, &node, SP_OK);
	run_for(r, SECOND);
	T_TRUE(has(r, "numgen random mod 1") && r->status.is_eligible);
	T_EQ_U64(r->n_setups, 1);
}

SP_TEST(sim_services, what_is_refused_is_drawn_anew)
{
	rig *r = rig_open();
	T_TRUE(!t_failed());
	make_service(r, "dns", "10.96.0.10", "UDP");
	run_for(r, SECOND);
	r->refuses = true;
	make_slice(r, "z1", "dns", "UDP", "10.88.0.1");
	run_for(r, SECOND);
	T_TRUE(r->status.failures > 0 && r->status.pending_ns != 0 && r->n_sweeps == 0);
	T_TRUE(net_status_is_healthy(&r->status, sp_now_ns(r->machine.world)));
	run_for(r, 60 * SECOND);
	T_TRUE(!net_status_is_healthy(&r->status, sp_now_ns(r->machine.world)));
	r->refuses = false;
	run_for(r, 31 * SECOND);
	T_TRUE(r->status.pending_ns == 0 && r->n_sweeps == 1);
	T_TRUE(has(r, "add table ip sampan-services") && has(r, "dnat to 10.88.0.1:5353"));
	size_t n = r->n_runs;
	run_for(r, 100 * SECOND);
	T_EQ_U64(r->n_runs, n);
}
