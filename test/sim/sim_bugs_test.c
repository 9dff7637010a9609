/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planted bugs: three small protocols, each right or with one classic mistake. The simulation must find the
 * mistake within some seeds, the seed must show it again, and the right one must pass all of them.
 */
#include "base/alloc.h"
#include "io/sim/sim.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define MS UINT64_C(1000000)

/* One run: whether it broke the promise, and the trace. */
typedef struct verdict {
	bool broken;
	uint64_t hash;
} verdict;

/* A mistake shows in a few of a hundred seeds: so many that missing it is no chance. */
#define N_HUNT 2000

static void hunt(verdict (*run)(uint64_t seed, bool planted), int n_seeds)
{
	for (int i = 0; i < n_seeds; i++) {
		uint64_t seed = t_random();
		t_row("seed %llu", (unsigned long long)seed);
		T_TRUE(!run(seed, false).broken);
	}
	uint64_t found = t_random();
	int n = 1;
	while (!run(found, true).broken && n < N_HUNT) {
		found = t_random();
		n++;
	}
	t_row("seed %llu after %d", (unsigned long long)found, n);
	verdict a = run(found, true), b = run(found, true);
	T_TRUE(a.broken && b.broken);
	T_EQ_U64(a.hash, b.hash);
}

/* ---- a counter that acknowledges: what is acknowledged is on the disk ---- */

#define N_ADDS 40u

typedef struct log_entry {
	uint32_t id, check;
} log_entry;

typedef struct counter {
	sp_world *world;
	sp_sim_link *link;
	sp_file *file;
	sp_sim_host *from; /* of the request under way */
	sp_work job;
	bool working;
	uint32_t id;
	sp_code code;
	bool planted;
	bool has[N_ADDS];
} counter;

static log_entry entry_of(uint32_t id)
{
	return (log_entry){id, id ^ 0x5a5a1234u};
}

static void ack(counter *c, uint32_t id)
{
	(void)sp_sim_link_send(c->link, c->from, (sp_str){(char *)&id, sizeof id},
			       NULL); /* may be lost anyway */
}

static void counter_job(sp_work *job)
{
	counter *c = job->arg;
	log_entry e = entry_of(c->id);
	c->code = sp_file_append(c->file, &e, sizeof e, NULL);
	if (c->code == SP_OK)
		c->code = sp_file_sync(c->file, true, NULL);
}

static void counter_job_done(sp_work *job)
{
	counter *c = job->arg;
	c->working = false;
	if (c->code != SP_OK)
		return;
	c->has[c->id] = true;
	if (!c->planted)
		ack(c, c->id);
}

static void counter_request(void *arg, sp_sim_host *from, sp_str m)
{
	counter *c = arg;
	uint32_t id;
	memcpy(&id, m.ptr, sizeof id);
	c->from = from;
	if (c->has[id]) {
		ack(c, id);
		return;
	}
	if (c->working)
		return; /* it will ask again */
	c->id = id;
	c->working = sp_work_start(c->world, &c->job, NULL) == SP_OK;
	if (c->planted)
		ack(c, id); /* the mistake: before it is on the disk */
}

static bool recover(counter *c)
{
	uint32_t flags = SP_FILE_READ | SP_FILE_WRITE | SP_FILE_CREATE;
	log_entry e;
	size_t n = 0;
	if (sp_file_open(c->world, SP_STR("/log"), flags, 0600, &c->file, NULL) != SP_OK ||
	    sp_dir_sync(c->world, SP_STR("/"), NULL) != SP_OK)
		return false;
	uint64_t at = 0;
	for (;; at += sizeof e) {
		if (sp_file_pread(c->file, at, &e, sizeof e, &n, NULL) != SP_OK)
			return false;
		if (n < sizeof e || e.id >= N_ADDS || e.check != entry_of(e.id).check)
			break;
		c->has[e.id] = true;
	}
	/* A torn tail goes; and what was read is made to stay. */
	return sp_file_truncate(c->file, at, NULL) == SP_OK && sp_file_sync(c->file, true, NULL) == SP_OK;
}

static void *counter_start(void *arg, sp_world *w)
{
	counter *c = SP_NEW(counter);
	c->world = w;
	c->planted = *(const bool *)arg;
	c->job = (sp_work){.fn = counter_job, .done = counter_job_done, .arg = c};
	SP_ASSERT(recover(c));
	SP_ASSERT(sp_sim_link_new(w, 1, counter_request, c, &c->link, NULL) == SP_OK);
	return c;
}

static void counter_end(void *state, sp_world *w)
{
	counter *c = state;
	sp_sim_forget(w);
	sp_file_close(c->file);
	sp_free(c);
}

static const sp_sim_program counter_program = {counter_start, counter_end};

typedef struct adder {
	sp_sim_host *server;
	sp_world *world;
	sp_sim_link *link;
	sp_timer again;
	uint32_t id;
	bool acked[N_ADDS], broken;
} adder;

static void send_add(sp_timer *t)
{
	adder *a = t->arg;
	if (a->id == N_ADDS)
		return;
	(void)sp_sim_link_send(a->link, a->server, (sp_str){(char *)&a->id, sizeof a->id},
			       NULL); /* again later */
	sp_timer_start(a->world, t, 20 * MS, send_add);
}

static void on_ack(void *arg, sp_sim_host *from, sp_str m)
{
	adder *a = arg;
	uint32_t id;
	(void)from;
	memcpy(&id, m.ptr, sizeof id);
	a->acked[id] = true;
	if (id == a->id) {
		a->id++;
		sp_timer_start(a->world, &a->again, 1, send_add);
	}
}

/* What was acknowledged, and no write of it is under way, is known to the server. */
static void check_acked(void *arg)
{
	adder *a = arg;
	const counter *c = sp_sim_state(a->server);
	for (uint32_t i = 0; c != NULL && i < N_ADDS; i++)
		a->broken = a->broken || (a->acked[i] && !c->has[i] && !(c->working && c->id == i));
}

static bool all_acked(void *arg)
{
	const adder *a = arg;
	return a->id == N_ADDS || a->broken;
}

static verdict run_counter(uint64_t seed, bool planted)
{
	sp_sim_opts o = {.seed = seed,
			 .faults = {.loss_ppm = 50000,
				    .dup_ppm = 50000,
				    .delay_ppm = 20000,
				    .slow_ppm = 100000,
				    .slow_ns = 20 * MS,
				    .crash_ppm = 300000,
				    .down_ns = 100 * MS,
				    .tick_ns = 50 * MS,
				    .until_ns = 20 * SECOND}};
	sp_sim *s = sp_sim_new(&o);
	adder a = {.server = sp_sim_host_new(s, "server", &counter_program, &planted)};
	a.world = sp_sim_world(sp_sim_host_new(s, "client", NULL, NULL));
	a.again.arg = &a;
	SP_ASSERT(sp_sim_link_new(a.world, 1, on_ack, &a, &a.link, NULL) == SP_OK);
	sp_sim_check(s, check_acked, &a);
	sp_timer_start(a.world, &a.again, 1, send_add);
	bool done = sp_sim_run(s, all_acked, &a, 60 * SECOND);
	verdict v = {a.broken || !done, sp_sim_trace_hash(s)};
	sp_sim_free(s);
	return v;
}

SP_TEST(sim_bugs, an_ack_before_the_sync_is_found)
{
	hunt(run_counter, 40);
}

/* ---- a queue whose consumer sleeps: a push wakes it ---- */

#define N_ITEMS 30u

typedef struct queue {
	sp_world *world;
	sp_timer produce;
	sp_work go_to_sleep;
	sp_defer consume;
	uint32_t n_pushed, n_taken;
	bool sleeping, planted;
} queue;

static void on_consume(sp_defer *d)
{
	queue *q = d->arg;
	if (q->n_taken < q->n_pushed) {
		q->n_taken++;
		sp_defer_call(q->world, d);
		return;
	}
	SP_ASSERT(sp_work_start(q->world, &q->go_to_sleep, NULL) == SP_OK); /* takes a while */
}

static void nothing(sp_work *job)
{
	(void)job;
}

static void on_asleep(sp_work *job)
{
	queue *q = job->arg;
	if (!q->planted && q->n_taken < q->n_pushed)
		sp_defer_call(q->world, &q->consume); /* looked once more: something came meanwhile */
	else
		q->sleeping = true;
}

static void on_produce(sp_timer *t)
{
	queue *q = t->arg;
	q->n_pushed++;
	if (q->sleeping) {
		q->sleeping = false;
		sp_defer_call(q->world, &q->consume);
	}
	if (q->n_pushed < N_ITEMS)
		sp_timer_start(q->world, t, sp_random_u64(q->world) % (20 * MS), on_produce);
}

static bool all_taken(void *arg)
{
	return ((queue *)arg)->n_taken == N_ITEMS;
}

static verdict run_queue(uint64_t seed, bool planted)
{
	sp_sim_opts o = {.seed = seed, .faults = {.slow_ppm = 200000, .slow_ns = 5 * MS}};
	sp_sim *s = sp_sim_new(&o);
	queue q = {.world = sp_sim_world(sp_sim_host_new(s, "a", NULL, NULL)), .planted = planted};
	q.produce.arg = &q;
	q.go_to_sleep = (sp_work){.fn = nothing, .done = on_asleep, .arg = &q};
	sp_defer_init(&q.consume, on_consume, &q);
	sp_defer_call(q.world, &q.consume);
	sp_timer_start(q.world, &q.produce, 1, on_produce);
	bool done = sp_sim_run(s, all_taken, &q, 60 * SECOND);
	verdict v = {!done, sp_sim_trace_hash(s)};
	sp_sim_free(s);
	return v;
}

SP_TEST(sim_bugs, a_lost_wake_up_is_found)
{
	hunt(run_queue, 100);
}

/* ---- a lease: at no time two holders ---- */

#define N_CANDIDATES 3u
#define LEASE_NS (2 * SECOND)

typedef struct arbiter {
	sp_world *world;
	sp_sim_link *link;
	const sp_sim_host *holder;
	int64_t until_ns;
	bool planted;
} arbiter;

typedef struct candidate {
	sp_world *world;
	sp_sim_link *link;
	sp_sim_host *arbiter;
	sp_timer timer;
	uint64_t until_ns;
} candidate;

typedef struct lease {
	candidate of[N_CANDIDATES];
	unsigned n_held, n_changes;
	const candidate *last;
	bool broken;
} lease;

/* The mistake: a clock that may jump. */
static int64_t arbiter_clock(const arbiter *a)
{
	return a->planted ? sp_wall_ns(a->world) : (int64_t)sp_now_ns(a->world);
}

static void on_want(void *arg, sp_sim_host *from, sp_str m)
{
	arbiter *a = arg;
	int64_t now = arbiter_clock(a);
	if (now < a->until_ns && a->holder != from)
		return;
	a->holder = from;
	a->until_ns = now + (int64_t)LEASE_NS;
	(void)sp_sim_link_send(a->link, from, m, NULL); /* may be lost anyway */
}

static void *arbiter_start(void *arg, sp_world *w)
{
	arbiter *a = SP_NEW(arbiter);
	a->world = w;
	a->planted = *(const bool *)arg;
	a->until_ns = arbiter_clock(a) + (int64_t)LEASE_NS; /* of a life before */
	SP_ASSERT(sp_sim_link_new(w, 1, on_want, a, &a->link, NULL) == SP_OK);
	return a;
}

static void arbiter_end(void *state, sp_world *w)
{
	sp_sim_forget(w);
	sp_free(state);
}

static const sp_sim_program arbiter_program = {arbiter_start, arbiter_end};

/* Counted from when it asked: the arbiter's lease ends later. An answer to an old question is old too. */
static void on_granted(void *arg, sp_sim_host *from, sp_str m)
{
	candidate *c = arg;
	uint64_t asked_ns;
	(void)from;
	memcpy(&asked_ns, m.ptr, sizeof asked_ns);
	c->until_ns = SP_MAX(c->until_ns, asked_ns + LEASE_NS);
}

static void ask(sp_timer *t)
{
	candidate *c = t->arg;
	uint64_t now = sp_now_ns(c->world);
	(void)sp_sim_link_send(c->link, c->arbiter, (sp_str){(char *)&now, sizeof now},
			       NULL); /* again later */
	sp_timer_start(c->world, t, 200 * MS + sp_random_u64(c->world) % (200 * MS), ask);
}

static void check_lease(void *arg)
{
	lease *l = arg;
	unsigned n = 0;
	for (size_t i = 0; i < N_CANDIDATES; i++) {
		const candidate *c = &l->of[i];
		if (sp_now_ns(c->world) >= c->until_ns)
			continue;
		n++;
		l->n_changes += l->last != c;
		l->last = c;
	}
	l->n_held += n;
	l->broken = l->broken || n > 1;
}

static verdict run_lease(uint64_t seed, bool planted)
{
	sp_sim_opts o = {.seed = seed,
			 .faults = {.loss_ppm = 100000,
				    .dup_ppm = 100000,
				    .delay_ppm = 100000,
				    .delay_ns = SECOND,
				    .part_ppm = 30000,
				    .swizzle_ppm = 5000,
				    .clock_ppm = 10000,
				    .crash_ppm = 2000}};
	sp_sim *s = sp_sim_new(&o);
	sp_sim_host *at = sp_sim_host_new(s, "arbiter", &arbiter_program, &planted);
	lease l = {.n_held = 0};
	for (size_t i = 0; i < N_CANDIDATES; i++) {
		candidate *c = &l.of[i];
		sp_sim_host *h = sp_sim_host_new(s, (char[]){'c', (char)('0' + i), '\0'}, NULL, NULL);
		*c = (candidate){.world = sp_sim_world(h), .arbiter = at, .timer = {.arg = c}};
		SP_ASSERT(sp_sim_link_new(c->world, 1, on_granted, c, &c->link, NULL) == SP_OK);
		sp_timer_start(c->world, &c->timer, 1, ask);
	}
	sp_sim_check(s, check_lease, &l);
	sp_sim_run_until(s, 60 * SECOND);
	/* A lease that nobody gets keeps its promise too: that is not what we want to hear. */
	verdict v = {l.broken || l.n_held == 0 || l.n_changes == 0, sp_sim_trace_hash(s)};
	for (size_t i = 0; i < N_CANDIDATES; i++)
		sp_timer_stop(l.of[i].world, &l.of[i].timer);
	sp_sim_free(s);
	return v;
}

SP_TEST(sim_bugs, a_lease_by_wall_clock_is_found)
{
	hunt(run_lease, 30);
}
