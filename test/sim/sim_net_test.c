/* SPDX-License-Identifier: Apache-2.0 */
/* The network of the simulator: connections, their faults, partitions, message links. */
#include "io/sim/sim.h"
#include "lib/t.h"
#include "sim/flow.h"

#define SECOND UINT64_C(1000000000)

static sp_sim *new_sim(const sp_sim_opts *opts)
{
	sp_sim *s = sp_sim_new(opts);
	T_DEFER(sp_sim_free, s);
	return s;
}

/* ---- two hosts and a connection ---- */

typedef struct two {
	sp_sim *sim;
	sp_sim_host *a, *b;
	sp_world *wa, *wb;
	sp_listener *listener;
	sp_connect_req req;
	sp_code code; /* of the connect; SP_OK after success */
	sp_err err;
	bool done, accepted;
	flow fa, fb;
	uint64_t n_a, n_b; /* bytes to send */
} two;

static void on_accept(void *arg, sp_stream *s)
{
	two *t = arg;
	t->accepted = true;
	flow_start(&t->fb, t->wb, s, t->n_b, 2, 1);
}

static void on_connect(sp_connect_req *r, sp_stream *s, const sp_err *err)
{
	two *t = r->arg;
	t->done = true;
	t->code = err->code;
	t->err = *err;
	if (s != NULL)
		flow_start(&t->fa, t->wa, s, t->n_a, 1, 2);
}

static two *two_new(const sp_sim_opts *opts, uint64_t n_a, uint64_t n_b)
{
	two *t = sp_new(T_ARENA, two, 1);
	t->sim = new_sim(opts);
	t->a = sp_sim_host_new(t->sim, "a", NULL, NULL);
	t->b = sp_sim_host_new(t->sim, "b", NULL, NULL);
	t->wa = sp_sim_world(t->a);
	t->wb = sp_sim_world(t->b);
	t->n_a = n_a;
	t->n_b = n_b;
	t->req = (sp_connect_req){.done = on_connect, .arg = t};
	return t;
}

static bool two_listen(two *t)
{
	return sp_listen(t->wb, SP_STR("0.0.0.0:80"), NULL, on_accept, t, &t->listener, T_ERR) == SP_OK;
}

static bool both_closed(void *arg)
{
	const two *t = arg;
	return t->fa.closed && t->fb.closed;
}

static bool connect_done(void *arg)
{
	return ((two *)arg)->done;
}

SP_TEST(sim_net, bytes_pass_both_ways)
{
	two *t = two_new(&(sp_sim_opts){.seed = t_random()}, 300000, 1234567);
	T_TRUE(two_listen(t));
	t->fb.n_pause = 100000;
	T_OK(sp_connect(t->wa, &t->req, SP_STR("b:80"), SECOND, T_ERR));
	T_TRUE(sp_sim_run(t->sim, both_closed, t, 100 * SECOND));
	T_EQ_U64(t->fa.n_got, t->n_b);
	T_EQ_U64(t->fb.n_got, t->n_a);
	T_TRUE(!t->fa.failed && !t->fb.failed);
	T_EQ_U64(t->fa.n_wrong + t->fb.n_wrong, 0);
	sp_listener_close(t->listener);
}

SP_TEST(sim_net, what_is_not_read_holds_the_writer)
{
	two *t = two_new(&(sp_sim_opts){.seed = t_random(), .window_bytes = 10000}, 1000000, 0);
	T_TRUE(two_listen(t));
	T_OK(sp_connect(t->wa, &t->req, SP_STR("10.0.0.2:80"), SECOND, T_ERR));
	T_TRUE(sp_sim_run(t->sim, connect_done, t, 5 * SECOND));
	sp_stream_read(t->fb.stream, false);
	sp_sim_run_until(t->sim, sp_sim_now_ns(t->sim) + 100 * SECOND);
	T_TRUE(t->fa.n_sent <= 10000 + 2 * FLOW_BLOCK);
	T_TRUE(t->fa.writing);
	sp_stream_read(t->fb.stream, true);
	T_TRUE(sp_sim_run(t->sim, both_closed, t, 300 * SECOND));
	T_EQ_U64(t->fb.n_got, t->n_a);
	sp_listener_close(t->listener);
}

SP_TEST(sim_net, connecting_fails_as_it_should)
{
	static const struct {
		const char *address, *text;
		sp_code code;
		bool part;
		uint64_t timeout_ns;
	} rows[] = {
		{"10.0.0.2:81", "connect to '10.0.0.2:81': Connection refused", SP_EUNAVAILABLE, false, 0},
		{"10.0.0.9:80", "connect to '10.0.0.9:80': no answer in time", SP_ETIMEOUT, false,
		 3 * SECOND},
		{"10.0.0.2:80", "connect to '10.0.0.2:80': Connection timed out", SP_ETIMEOUT, true, 0},
		{"10.0.0.2:80", "connect to '10.0.0.2:80': no answer in time", SP_ETIMEOUT, true, SECOND},
		{"c:80", "resolve 'c:80': no such host", SP_EUNAVAILABLE, false, 0},
		{"127.0.0.1:80", "connect to '127.0.0.1:80': Connection refused", SP_EUNAVAILABLE, false, 0},
		{"unix:/x", "connect to 'unix:/x': No such file or directory", SP_ENOTFOUND, false, 0},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].address);
		two *t = two_new(&(sp_sim_opts){.seed = t_random()}, 0, 0);
		T_TRUE(two_listen(t));
		if (rows[i].part)
			sp_sim_part(t->a, t->b);
		T_OK(sp_connect(t->wa, &t->req, sp_str_c(rows[i].address), rows[i].timeout_ns, T_ERR));
		T_TRUE(sp_sim_run(t->sim, connect_done, t, 1000 * SECOND));
		T_CODE(t->code, rows[i].code);
		T_EQ_C(sp_str_c(t->err.msg), rows[i].text);
		T_TRUE(!t->accepted);
		sp_listener_close(t->listener);
	}
}

SP_TEST(sim_net, a_canceled_connect_says_nothing)
{
	for (uint64_t delay = 0; delay < 6000000; delay += 200000) {
		two *t = two_new(&(sp_sim_opts){.seed = t_random()}, 10, 10);
		T_TRUE(two_listen(t));
		T_OK(sp_connect(t->wa, &t->req, SP_STR("b:80"), 0, T_ERR));
		sp_sim_run_until(t->sim, sp_sim_now_ns(t->sim) + delay);
		bool was_done = t->done;
		sp_connect_cancel(t->wa, &t->req);
		sp_sim_run_until(t->sim, sp_sim_now_ns(t->sim) + 100 * SECOND);
		T_EQ_I64(t->done, was_done);
		T_TRUE(!t->accepted || t->fb.closed);
		T_TRUE(was_done || !t->accepted || t->fb.failed);
		sp_listener_close(t->listener);
	}
}

SP_TEST(sim_net, addresses_of_listeners)
{
	two *t = two_new(NULL, 0, 0);
	sp_listener *l[5] = {NULL};
	T_OK(sp_listen(t->wa, SP_STR("127.0.0.1:0"), NULL, on_accept, t, &l[0], T_ERR));
	T_OK(sp_listen(t->wa, SP_STR("127.0.0.1:0"), NULL, on_accept, t, &l[1], T_ERR));
	T_TRUE(!sp_str_eq(sp_listener_address(l[0]), sp_listener_address(l[1])));
	T_CODE(sp_listen(t->wa, sp_listener_address(l[0]), NULL, on_accept, t, &l[2], T_ERR),
	       SP_EUNAVAILABLE);
	T_CODE(sp_listen(t->wa, SP_STR("10.0.0.2:1"), NULL, on_accept, t, &l[2], T_ERR), SP_EIO);
	T_CODE(sp_listen(t->wa, SP_STR("fd:3"), NULL, on_accept, t, &l[2], T_ERR), SP_EUNSUPPORTED);
	T_CODE(sp_listen(t->wa, SP_STR("b:3"), NULL, on_accept, t, &l[2], T_ERR), SP_EINVAL);
	T_OK(sp_listen(t->wa, SP_STR("unix:/run/x"), NULL, on_accept, t, &l[2], T_ERR));
	T_CODE(sp_listen(t->wa, SP_STR("unix:/run/x"), NULL, on_accept, t, &l[3], T_ERR), SP_EUNAVAILABLE);
	T_OK(sp_listen(t->wb, SP_STR("unix:/run/x"), NULL, on_accept, t, &l[3], T_ERR));
	for (size_t i = 0; i < SP_LEN(l); i++)
		sp_listener_close(l[i]);
	T_OK(sp_listen(t->wa, SP_STR("unix:/run/x"), NULL, on_accept, t, &l[4], T_ERR));
	sp_listener_close(l[4]);
}

SP_TEST(sim_net, a_short_partition_only_delays)
{
	two *t = two_new(&(sp_sim_opts){.seed = t_random()}, 2000000, 2000000);
	T_TRUE(two_listen(t));
	T_OK(sp_connect(t->wa, &t->req, SP_STR("b:80"), 0, T_ERR));
	sp_sim_run_until(t->sim, sp_sim_now_ns(t->sim) + 12000000);
	sp_sim_part(t->a, t->b);
	sp_sim_part(t->b, t->a);
	sp_sim_run_until(t->sim, sp_sim_now_ns(t->sim) + 5 * SECOND);
	uint64_t got = t->fb.n_got;
	sp_sim_heal(t->a, t->b);
	sp_sim_run_until(t->sim, sp_sim_now_ns(t->sim) + 5 * SECOND);
	T_EQ_U64(t->fb.n_got, got);
	T_TRUE(got < t->n_a);
	sp_sim_heal(t->a, t->b);
	T_TRUE(sp_sim_run(t->sim, both_closed, t, 100 * SECOND));
	T_TRUE(!t->fa.failed && !t->fb.failed);
	T_EQ_U64(t->fb.n_got, t->n_a);
	sp_listener_close(t->listener);
}

SP_TEST(sim_net, a_long_partition_breaks_both_ends)
{
	two *t = two_new(&(sp_sim_opts){.seed = t_random()}, 20000000, 0);
	T_TRUE(two_listen(t));
	T_OK(sp_connect(t->wa, &t->req, SP_STR("b:80"), 0, T_ERR));
	sp_sim_run_until(t->sim, sp_sim_now_ns(t->sim) + 20000000);
	sp_sim_part(t->a, t->b);
	sp_sim_run_until(t->sim, sp_sim_now_ns(t->sim) + 31 * SECOND);
	T_TRUE(t->fa.closed && t->fb.closed);
	T_CODE(t->fa.code, SP_ETIMEOUT);
	T_CODE(t->fb.code, SP_ETIMEOUT);
	T_EQ_U64(t->fa.n_wrong + t->fb.n_wrong, 0);
	sp_listener_close(t->listener);
}

SP_TEST(sim_net, a_reset_is_seen_at_both_ends)
{
	two *t = two_new(&(sp_sim_opts){.seed = t_random()}, 20000000, 0);
	T_TRUE(two_listen(t));
	T_OK(sp_connect(t->wa, &t->req, SP_STR("b:80"), 0, T_ERR));
	sp_sim_run_until(t->sim, sp_sim_now_ns(t->sim) + 20000000);
	sp_sim_reset_streams(t->a, t->b);
	T_TRUE(sp_sim_run(t->sim, both_closed, t, 100 * SECOND));
	T_CODE(t->fa.code, SP_EUNAVAILABLE);
	T_CODE(t->fb.code, SP_EUNAVAILABLE);
	sp_listener_close(t->listener);
}

static void *accept_start(void *arg, sp_world *w)
{
	two *t = arg;
	t->wb = w;
	return two_listen(t) ? t : NULL;
}

static const sp_sim_program accept_program = {accept_start, NULL};

SP_TEST(sim_net, a_crash_resets_and_a_reboot_answers)
{
	two *t = two_new(&(sp_sim_opts){.seed = t_random()}, 20000000, 0);
	sp_sim_host *c = sp_sim_host_new(t->sim, "c", &accept_program, t);
	T_OK(sp_connect(t->wa, &t->req, SP_STR("c:80"), 0, T_ERR));
	sp_sim_run_until(t->sim, sp_sim_now_ns(t->sim) + 20000000);
	T_TRUE(t->accepted);
	sp_sim_crash(c, 5 * SECOND);
	uint64_t at = sp_sim_now_ns(t->sim);
	T_TRUE(sp_sim_run(t->sim, both_closed, t, 100 * SECOND));
	T_CODE(t->fa.code, SP_EUNAVAILABLE);
	T_TRUE(t->fb.failed);
	T_CODE(sp_connect(t->wb, &(sp_connect_req){.arg = t}, SP_STR("a:1"), 0, T_ERR), SP_EUNAVAILABLE);
	t->done = t->accepted = false;
	t->n_a = 100;
	T_OK(sp_connect(t->wa, &t->req, SP_STR("c:80"), 0, T_ERR));
	T_TRUE(sp_sim_run(t->sim, connect_done, t, 100 * SECOND));
	T_CODE(t->code, SP_OK);
	T_TRUE(sp_sim_now_ns(t->sim) >= at + 5 * SECOND);
	T_TRUE(sp_sim_run(t->sim, both_closed, t, 100 * SECOND));
	T_EQ_U64(t->fb.n_got, 100);
}

/* The law of streams under every fault of the network. */
SP_TEST(sim_net, streams_keep_their_law)
{
	unsigned n_whole = 0;
	for (int i = 0; i < 40; i++) {
		sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
		o.faults.reset_ppm /= 10;
		two *t = two_new(&o, t_random_below(200000), t_random_below(200000));
		t_row("run %d, seed %llu", i, (unsigned long long)o.seed);
		T_TRUE(two_listen(t));
		t->fa.n_pause = t_random_below(100000);
		T_OK(sp_connect(t->wa, &t->req, SP_STR("b:80"), 60 * SECOND, T_ERR));
		T_TRUE(sp_sim_run(t->sim, connect_done, t, 200 * SECOND));
		if (t->code == SP_OK)
			T_TRUE(sp_sim_run(t->sim, both_closed, t, 3000 * SECOND));
		T_EQ_U64(t->fa.n_wrong + t->fb.n_wrong, 0);
		T_TRUE(t->fa.n_got <= t->n_b && t->fb.n_got <= t->n_a);
		T_TRUE(!t->fa.ended || t->fa.n_got == t->n_b);
		T_TRUE(!t->fb.ended || t->fb.n_got == t->n_a);
		n_whole += t->fa.ended && t->fb.ended;
		sp_listener_close(t->listener);
	}
	T_TRUE(n_whole > 0);
}

/* ---- links ---- */

typedef struct mailbox {
	unsigned n_got[1000];
	unsigned n, n_swapped;
	uint32_t last;
} mailbox;

static void on_message(void *arg, sp_sim_host *from, sp_str m)
{
	mailbox *box = arg;
	uint32_t i;
	(void)from;
	memcpy(&i, m.ptr, sizeof i);
	box->n_got[i]++;
	box->n++;
	box->n_swapped += i < box->last;
	box->last = i;
}

static bool send_all(two *t, mailbox *box)
{
	sp_sim_link *la = NULL, *lb = NULL;
	if (sp_sim_link_new(t->wa, 7, on_message, box, &la, T_ERR) != SP_OK ||
	    sp_sim_link_new(t->wb, 7, on_message, box, &lb, T_ERR) != SP_OK)
		return false;
	for (uint32_t i = 0; i < 1000; i++) {
		if (sp_sim_link_send(la, t->b, (sp_str){(char *)&i, sizeof i}, T_ERR) != SP_OK)
			return false;
	}
	sp_sim_run_until(t->sim, sp_sim_now_ns(t->sim) + 10 * SECOND);
	sp_sim_link_free(la);
	sp_sim_link_free(lb);
	return true;
}

SP_TEST(sim_net, links_lose_repeat_and_reorder)
{
	static mailbox box;
	two *t = two_new(&(sp_sim_opts){.seed = t_random()}, 0, 0);
	T_TRUE(send_all(t, &box));
	T_EQ_U64(box.n, 1000);
	T_TRUE(box.n_swapped > 0);
	box = (mailbox){0};
	sp_sim_opts o = {.seed = t_random(), .faults = {.loss_ppm = 200000, .dup_ppm = 200000}};
	T_TRUE(send_all(two_new(&o, 0, 0), &box));
	unsigned lost = 0, twice = 0;
	for (size_t i = 0; i < SP_LEN(box.n_got); i++) {
		lost += box.n_got[i] == 0;
		twice += box.n_got[i] == 2;
	}
	T_TRUE(lost > 100 && lost < 300 && twice > 80 && twice < 300);
	box = (mailbox){0};
	t = two_new(&(sp_sim_opts){.seed = t_random()}, 0, 0);
	sp_sim_part(t->a, t->b);
	T_TRUE(send_all(t, &box));
	T_EQ_U64(box.n, 0);
}

SP_TEST(sim_net, swizzle_parts_and_heals_again)
{
	sp_sim *s = new_sim(&(sp_sim_opts){.seed = t_random()});
	sp_sim_host *h[6];
	for (size_t i = 0; i < SP_LEN(h); i++)
		h[i] = sp_sim_host_new(s, (char[]){(char)('a' + i), '\0'}, NULL, NULL);
	sp_sim_swizzle(s, 10 * SECOND);
	unsigned n_parted[2] = {0, 0};
	for (int round = 0; round < 2; round++) {
		sp_sim_run_until(s, sp_sim_now_ns(s) + (round == 0 ? 5 * SECOND : 6 * SECOND));
		for (size_t i = 0; i < SP_LEN(h); i++) {
			for (size_t j = 0; j < i; j++)
				n_parted[round] += sp_sim_is_parted(h[i], h[j]);
		}
	}
	T_TRUE(n_parted[0] > 0 && n_parted[0] < 15);
	T_EQ_U64(n_parted[1], 0);
}
