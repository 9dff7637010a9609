/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io/splice and io/pump over a network with every fault: clients talk through a proxy that splices to a
 * server that echoes through a pump. What comes back is what was sent, in order; everything ends; nothing is
 * left.
 */
#include "base/alloc.h"
#include "io/pump.h"
#include "io/sim/sim.h"
#include "io/splice.h"
#include "lib/t.h"
#include "sim/flow.h"

#define SECOND UINT64_C(1000000000)
#define N_CLIENTS 12u

/* ---- the echo ---- */

static unsigned n_echoes;

typedef struct echo {
	sp_pump pump;
} echo;

static void echo_bytes(void *arg, const uint8_t *bytes, size_t n)
{
	echo *e = arg;
	if (sp_buf_append(&e->pump.out, bytes, n) != SP_OK) {
		sp_pump_close(&e->pump, false);
		return;
	}
	sp_pump_flush(&e->pump);
	if (sp_pump_is_full(&e->pump))
		sp_pump_read(&e->pump, false);
}

static void echo_drain(void *arg)
{
	sp_pump_read(&((echo *)arg)->pump, true);
}

static void echo_end(void *arg)
{
	sp_pump_close(&((echo *)arg)->pump, true);
}

static void echo_fail(void *arg, const sp_err *err)
{
	(void)err;
	sp_pump_close(&((echo *)arg)->pump, false);
}

static void echo_close(void *arg)
{
	echo *e = arg;
	sp_pump_done(&e->pump);
	sp_free(e);
	n_echoes--;
}

static void echo_accept(void *arg, sp_stream *s)
{
	static const sp_pump_handler handler = {echo_bytes, echo_end, echo_fail, echo_drain, echo_close};
	static const sp_pump_marks marks = {8 << 10, 32 << 10, 200 << 10};
	echo *e = SP_NEW(echo);
	n_echoes++;
	sp_pump_init(&e->pump, arg, s, &marks, &handler, e);
	sp_pump_start(&e->pump);
	sp_pump_read(&e->pump, true);
}

/* ---- the proxy ---- */

static unsigned n_joints;

typedef struct joint {
	sp_world *world;
	sp_connect_req req;
	sp_stream *down;
	sp_splice *splice;
} joint;

static void joint_done(void *arg, const sp_err *err)
{
	(void)err;
	sp_free(arg);
	n_joints--;
}

static void joint_connected(sp_connect_req *r, sp_stream *up, const sp_err *err)
{
	joint *j = r->arg;
	(void)err;
	if (up != NULL && sp_splice_start(j->down, up, joint_done, j, &j->splice, NULL) == SP_OK)
		return;
	sp_stream_close(j->down);
	joint_done(j, NULL);
}

static void proxy_accept(void *arg, sp_stream *s)
{
	joint *j = SP_NEW(joint);
	n_joints++;
	j->world = arg;
	j->down = s;
	j->req = (sp_connect_req){.done = joint_connected, .arg = j};
	SP_ASSERT(sp_connect(j->world, &j->req, SP_STR("server:7"), 20 * SECOND, NULL) == SP_OK);
}

/* ---- the clients ---- */

typedef struct caller {
	struct run *run;
	sp_timer timer;
	sp_connect_req req;
	flow flow;
	uint64_t n_bytes;
	bool over;
} caller;

typedef struct run {
	sp_sim *sim;
	sp_world *world;
	caller callers[N_CLIENTS];
} run;

static void caller_connected(sp_connect_req *r, sp_stream *s, const sp_err *err)
{
	caller *c = r->arg;
	(void)err;
	c->over = s == NULL;
	if (s != NULL)
		flow_start(&c->flow, c->run->world, s, c->n_bytes, 9, 9);
}

static void caller_start(sp_timer *t)
{
	caller *c = t->arg;
	SP_ASSERT(sp_connect(c->run->world, &c->req, SP_STR("proxy:80"), 20 * SECOND, NULL) == SP_OK);
}

static bool all_over(void *arg)
{
	const run *r = arg;
	for (size_t i = 0; i < N_CLIENTS; i++) {
		if (!r->callers[i].over && !r->callers[i].flow.closed)
			return false;
	}
	return n_joints == 0 && n_echoes == 0;
}

static void talk(uint64_t seed, unsigned *n_whole)
{
	sp_sim_opts o = sp_sim_opts_chaos(seed, false);
	o.faults.reset_ppm /= 10;
	o.faults.until_ns = 120 * SECOND;
	run *r = sp_new(T_ARENA, run, 1);
	r->sim = sp_sim_new(&o);
	T_DEFER(sp_sim_free, r->sim);
	sp_world *server = sp_sim_world(sp_sim_host_new(r->sim, "server", NULL, NULL));
	sp_world *proxy = sp_sim_world(sp_sim_host_new(r->sim, "proxy", NULL, NULL));
	r->world = sp_sim_world(sp_sim_host_new(r->sim, "client", NULL, NULL));
	sp_listener *l = NULL;
	T_OK(sp_listen(server, SP_STR("0.0.0.0:7"), NULL, echo_accept, server, &l, T_ERR));
	T_OK(sp_listen(proxy, SP_STR("0.0.0.0:80"), NULL, proxy_accept, proxy, &l, T_ERR));
	for (size_t i = 0; i < N_CLIENTS; i++) {
		caller *c = &r->callers[i];
		c->run = r;
		c->timer.arg = c->req.arg = c;
		c->req.done = caller_connected;
		c->n_bytes = sp_sim_random_below(r->sim, 400000);
		c->flow.n_pause = sp_sim_random_below(r->sim, 100000);
		sp_timer_start(r->world, &c->timer, sp_sim_random_below(r->sim, 10 * SECOND), caller_start);
	}
	/* After the faults stop, everything comes to its end. */
	T_TRUE(sp_sim_run(r->sim, all_over, r, 900 * SECOND));
	for (size_t i = 0; i < N_CLIENTS; i++) {
		const flow *f = &r->callers[i].flow;
		T_EQ_U64(f->n_wrong, 0);
		*n_whole += f->ended && f->n_got == f->n_to_send;
	}
}

SP_TEST(sim_stream, splice_and_pump_pass_everything_on)
{
	unsigned n_whole = 0;
	for (int i = 0; i < 6 && !t_failed(); i++) {
		uint64_t seed = t_random();
		t_row("seed %llu", (unsigned long long)seed);
		talk(seed, &n_whole);
	}
	T_TRUE(n_whole > 0);
}
