/* SPDX-License-Identifier: Apache-2.0 */
/* Leader election among processes on a network that breaks: never two at once, soon one again. */
#include "client/election.h"
#include "lib/client_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define N 4u
#define FAULTS_NS (120 * SECOND)

typedef struct candidate {
	t_user user;
	sp_election *election;
	char leader[32]; /* whom it was told of */
	bool leading, closed;
	unsigned n_led;
} candidate;

typedef struct rig {
	t_api api;
	candidate all[N];
	unsigned n_most; /* at once */
} rig;

static void on_leading(void *arg)
{
	candidate *c = arg;
	c->leading = true;
	c->n_led++;
}

static void on_lost(void *arg)
{
	((candidate *)arg)->leading = false;
}

static void on_leader(void *arg, sp_str identity)
{
	(void)snprintf(((candidate *)arg)->leader, sizeof((candidate *)arg)->leader, SP_FMT,
		       SP_ARG(identity));
}

static unsigned count(const rig *r)
{
	unsigned n = 0;
	for (unsigned i = 0; i < N; i++)
		n += r->all[i].leading;
	return n;
}

static void check(void *arg)
{
	rig *r = arg;
	r->n_most = SP_MAX(r->n_most, count(r));
}

static bool is_led(void *arg)
{
	return count(arg) == 1;
}

static void on_closed(void *arg)
{
	((candidate *)arg)->closed = true;
}

static bool is_closed(void *arg)
{
	return ((candidate *)arg)->closed;
}

static void candidate_close(void *arg)
{
	candidate *c = arg;
	sp_sim *s = c->user.api->sim;
	if (!c->closed)
		sp_election_close(c->election, on_closed, c);
	if (!sp_sim_run(s, is_closed, c, sp_sim_now_ns(s) + 3 * SECOND))
		(void)t_fail(__FILE__, __LINE__, "an election does not close");
	sp_election_free(c->election);
}

static void candidate_open(candidate *c, t_api *api, const char *name)
{
	if (!t_user_open(&c->user, api, name, true))
		return;
	const sp_election_opts o = {.client = c->user.client,
				    .ns = SP_STR("default"),
				    .name = SP_STR("boss"),
				    .identity = sp_str_c(name),
				    .on_leading = on_leading,
				    .on_lost = on_lost,
				    .on_leader = on_leader,
				    .arg = c};
	T_OK(sp_election_new(&o, &c->election, t_err()));
	T_DEFER(candidate_close, c);
}

static rig *rig_open(const sp_sim_opts *o)
{
	static const char *const names[N] = {"a", "b", "c", "d"};
	rig *r = sp_new(T_ARENA, rig, 1);
	t_no_faults();
	if (!t_api_open(&r->api, o, NULL))
		return r;
	sp_sim_check(r->api.sim, check, r);
	for (unsigned i = 0; i < N && !t_failed(); i++)
		candidate_open(&r->all[i], &r->api, names[i]);
	return r;
}

static candidate *leader_of(rig *r)
{
	for (unsigned i = 0; i < N; i++) {
		if (r->all[i].leading)
			return &r->all[i];
	}
	return NULL;
}

static bool run(rig *r, bool (*until)(void *arg), uint64_t ns)
{
	return sp_sim_run(r->api.sim, until, r, sp_sim_now_ns(r->api.sim) + ns);
}

SP_TEST(sim_election, one_leads_and_gives_back)
{
	rig *r = rig_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed() && run(r, is_led, 20 * SECOND));
	sp_sim_run_until(r->api.sim, sp_sim_now_ns(r->api.sim) + 60 * SECOND);
	candidate *first = leader_of(r);
	T_TRUE(first != NULL && first->n_led == 1);
	for (unsigned i = 0; i < N; i++)
		T_EQ_STR(sp_str_c(r->all[i].leader), sp_str_c(sp_sim_host_name(first->user.host)));
	first->leading = false; /* it stops by itself: no on_lost */
	sp_election_close(first->election, on_closed, first);
	T_TRUE(run(r, is_led, 6 * SECOND)); /* without waiting for the lease to run out */
	T_EQ_U64(r->n_most, 1);
	T_TRUE(t_ask_ok(&r->all[0].user,
			&(sp_ask){.gvr = SP_LEASES, .ns = SP_STR("default"), .name = SP_STR("boss")}, SP_OK));
	T_TRUE(sp_str_find(sp_buf_view(&r->all[0].user.body), SP_STR("\"leaseTransitions\":1")) > 0 ||
	       sp_str_find(sp_buf_view(&r->all[0].user.body), SP_STR("\"leaseTransitions\":2")) > 0);
}

SP_TEST(sim_election, who_is_cut_off_stops)
{
	rig *r = rig_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed() && run(r, is_led, 20 * SECOND));
	candidate *first = leader_of(r);
	sp_sim_part(first->user.host, r->api.host);
	sp_sim_run_until(r->api.sim, sp_sim_now_ns(r->api.sim) + 11 * SECOND);
	T_TRUE(!first->leading);
	T_TRUE(run(r, is_led, 20 * SECOND));
	T_TRUE(!first->leading);
	T_EQ_U64(r->n_most, 1);
}

SP_TEST(sim_election, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = FAULTS_NS;
	o.faults.part_ns = 30 * SECOND;
	rig *r = rig_open(&o);
	T_TRUE(!t_failed());
	sp_sim_run_until(r->api.sim, FAULTS_NS);
	T_TRUE(run(r, is_led, 60 * SECOND));
	T_TRUE(r->n_most <= 1);
}
