/* SPDX-License-Identifier: Apache-2.0 */
/* Work queues and expectations of the client library. */
#include "client/queue.h"

#include "client/expect.h"
#include "lib/mem_world.h"
#include "lib/t.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

typedef struct rig {
	sp_world *world;
	sp_queue *queue;
	char log[512]; /* keys in the order of work, a blank behind each */
	size_t n_log;
	sp_job *open[8];
	size_t n_open, n_most;
	bool keep, closed;
	uint64_t now_ns;  /* as far as it ran: the world stops at its last event */
	unsigned n_fails; /* jobs to fail */
	uint64_t again_ns;
	sp_metrics *metrics;
} rig;

static void work(void *arg, sp_job *job)
{
	rig *r = arg;
	for (size_t i = 0; i < job->key.len && r->n_log < sizeof r->log - 2; i++)
		r->log[r->n_log++] = job->key.ptr[i];
	r->log[r->n_log++] = ' ';
	if (r->keep) {
		r->open[r->n_open++] = job;
		r->n_most = SP_MAX(r->n_most, r->n_open);
	} else if (r->n_fails > 0) {
		r->n_fails--;
		sp_job_done(job, SP_EUNAVAILABLE);
	} else if (r->again_ns > 0) {
		uint64_t after = r->again_ns;
		r->again_ns = 0;
		sp_job_again(job, after);
	} else {
		sp_job_done(job, SP_OK);
	}
}

static void on_closed(void *arg)
{
	((rig *)arg)->closed = true;
}

static void rig_close(void *arg)
{
	rig *r = arg;
	sp_queue_close(r->queue, on_closed, r);
	mem_world_run_until(r->world, sp_now_ns(r->world) + SECOND);
	if (!r->closed)
		(void)t_fail(__FILE__, __LINE__, "the queue does not close");
	sp_queue_free(r->queue);
	sp_metrics_free(r->metrics);
	mem_world_free(r->world);
}

static void rig_open(rig *r, uint32_t n_workers)
{
	*r = (rig){.world = mem_world_new(t_seed(), 1024)};
	r->now_ns = sp_now_ns(r->world);
	r->metrics = sp_queue_metrics_new();
	r->queue = sp_queue_new(r->world, &(sp_queue_opts){.name = "test",
							   .work = work,
							   .arg = r,
							   .n_workers = n_workers,
							   .metrics = r->metrics});
	T_DEFER(rig_close, r);
}

static void run(rig *r, uint64_t ns)
{
	r->now_ns += ns;
	mem_world_run_until(r->world, r->now_ns);
}

static sp_str worked(const rig *r)
{
	return (sp_str){r->log, r->n_log};
}

SP_TEST(queue, a_key_waits_once)
{
	static rig r;
	rig_open(&r, 1);
	sp_queue_add(r.queue, SP_STR("a"));
	sp_queue_add(r.queue, SP_STR("b"));
	sp_queue_add(r.queue, SP_STR("a"));
	T_EQ_U64(sp_queue_counts(r.queue).n_waiting, 2);
	run(&r, MS);
	T_EQ_C(worked(&r), "a b ");
	T_EQ_U64(sp_queue_counts(r.queue).n_waiting, 0);
	T_EQ_U64(sp_queue_counts(r.queue).n_done, 2);
}

SP_TEST(queue, never_twice_at_once)
{
	static rig r;
	rig_open(&r, 3);
	r.keep = true;
	sp_queue_add(r.queue, SP_STR("a"));
	run(&r, MS);
	sp_queue_add(r.queue, SP_STR("a"));
	sp_queue_add(r.queue, SP_STR("a"));
	sp_queue_add(r.queue, SP_STR("b"));
	run(&r, MS);
	T_EQ_C(worked(&r), "a b ");
	r.keep = false;
	sp_job_done(r.open[0], SP_OK);
	run(&r, MS);
	T_EQ_C(worked(&r), "a b a ");
	sp_job_done(r.open[1], SP_OK);
	run(&r, MS);
	T_EQ_C(worked(&r), "a b a ");
}

SP_TEST(queue, at_most_its_workers)
{
	static rig r;
	rig_open(&r, 2);
	r.keep = true;
	for (char c = 'a'; c <= 'f'; c++)
		sp_queue_add(r.queue, (sp_str){&c, 1});
	run(&r, MS);
	T_EQ_U64(r.n_open, 2);
	T_EQ_U64(sp_queue_counts(r.queue).n_running, 2);
	r.keep = false;
	sp_job_done(r.open[0], SP_OK);
	sp_job_done(r.open[1], SP_OK);
	run(&r, MS);
	T_EQ_C(worked(&r), "a b c d e f ");
}

SP_TEST(queue, later_and_the_earlier_counts)
{
	static rig r;
	rig_open(&r, 1);
	sp_queue_add_after(r.queue, SP_STR("a"), 10 * SECOND);
	sp_queue_add_after(r.queue, SP_STR("a"), 2 * SECOND);
	sp_queue_add_after(r.queue, SP_STR("a"), 5 * SECOND);
	sp_queue_add_after(r.queue, SP_STR("b"), 3 * SECOND);
	run(&r, 1999 * MS);
	T_EQ_C(worked(&r), "");
	run(&r, 2 * MS);
	T_EQ_C(worked(&r), "a ");
	run(&r, 20 * SECOND);
	T_EQ_C(worked(&r), "a b ");
}

SP_TEST(queue, failures_back_off)
{
	static rig r;
	rig_open(&r, 1);
	r.n_fails = 4; /* 5, 10, 20, 40 ms */
	sp_queue_add(r.queue, SP_STR("a"));
	run(&r, 34 * MS);
	T_EQ_C(worked(&r), "a a a ");
	run(&r, 2 * MS);
	T_EQ_C(worked(&r), "a a a a ");
	run(&r, 38 * MS);
	T_EQ_C(worked(&r), "a a a a ");
	run(&r, 2 * MS);
	T_EQ_C(worked(&r), "a a a a a ");
	T_EQ_U64(sp_queue_counts(r.queue).n_retries, 4);
	r.n_fails = 1; /* a success forgets: 5 ms again */
	sp_queue_add(r.queue, SP_STR("a"));
	run(&r, 6 * MS);
	T_EQ_C(worked(&r), "a a a a a a a ");
}

SP_TEST(queue, retries_of_all_keys_share_a_bucket)
{
	static rig r;
	rig_open(&r, 1);
	for (uint32_t i = 0; i < 120; i++) {
		char key[2] = {(char)('a' + i / 12), (char)('a' + i % 12)};
		sp_queue_add_failed(r.queue, (sp_str){key, 2});
	}
	run(&r, 6 * MS); /* 100 at once, then 10 a second */
	T_EQ_U64(sp_queue_counts(r.queue).n_done, 100);
	run(&r, SECOND);
	T_EQ_U64(sp_queue_counts(r.queue).n_done, 110);
	run(&r, 2 * SECOND);
	T_EQ_U64(sp_queue_counts(r.queue).n_done, 120);
}

SP_TEST(queue, again_after_a_while)
{
	static rig r;
	rig_open(&r, 1);
	r.again_ns = 3 * SECOND;
	sp_queue_add(r.queue, SP_STR("a"));
	run(&r, 2 * SECOND);
	T_EQ_C(worked(&r), "a ");
	run(&r, 2 * SECOND);
	T_EQ_C(worked(&r), "a a ");
}

SP_TEST(queue, closing_waits_for_jobs)
{
	static rig r;
	rig_open(&r, 1);
	r.keep = true;
	sp_queue_add(r.queue, SP_STR("a"));
	sp_queue_add(r.queue, SP_STR("b"));
	run(&r, MS);
	sp_queue_close(r.queue, on_closed, &r);
	run(&r, SECOND);
	T_TRUE(!r.closed);
	sp_job_done(r.open[0], SP_EUNAVAILABLE);
	run(&r, MS);
	T_TRUE(r.closed);
	T_EQ_C(worked(&r), "a ");
}

/* ---- expectations ---- */

typedef struct expecting {
	sp_world *world;
	sp_expect e;
} expecting;

static void expecting_close(void *arg)
{
	expecting *x = arg;
	sp_expect_done(&x->e);
	mem_world_free(x->world);
}

static void expecting_open(expecting *x)
{
	x->world = mem_world_new(t_seed(), 1024);
	sp_expect_init(&x->e, x->world);
	T_DEFER(expecting_close, x);
}

SP_TEST(expect, creations_and_deletions)
{
	static expecting x;
	static const sp_str uids[] = {SP_STR_INIT("u1"), SP_STR_INIT("u2")};
	const sp_str key = SP_STR("ns/a");
	expecting_open(&x);
	T_TRUE(sp_expect_is_met(&x.e, key));
	T_OK(sp_expect_set(&x.e, key, 2, NULL, 0));
	T_TRUE(!sp_expect_is_met(&x.e, key));
	T_TRUE(sp_expect_is_met(&x.e, SP_STR("ns/b")));
	sp_expect_created(&x.e, key);
	T_TRUE(!sp_expect_is_met(&x.e, key));
	sp_expect_created(&x.e, key);
	T_TRUE(sp_expect_is_met(&x.e, key));
	sp_expect_created(&x.e, key); /* somebody else's */
	T_TRUE(sp_expect_is_met(&x.e, key));
	T_OK(sp_expect_set(&x.e, key, 0, uids, 2));
	sp_expect_deleted(&x.e, key, SP_STR("u1"));
	sp_expect_deleted(&x.e, key, SP_STR("u1"));
	sp_expect_deleted(&x.e, key, SP_STR("u3"));
	T_TRUE(!sp_expect_is_met(&x.e, key));
	sp_expect_deleted(&x.e, key, SP_STR("u2"));
	T_TRUE(sp_expect_is_met(&x.e, key));
}

static void on_late(sp_timer *t)
{
	(void)t;
}

SP_TEST(expect, ends_by_itself)
{
	static expecting x;
	static sp_timer timer;
	expecting_open(&x);
	T_OK(sp_expect_set(&x.e, SP_STR("a"), 1, NULL, 0));
	sp_timer_start(x.world, &timer, 299 * SECOND, on_late);
	mem_world_run_until(x.world, sp_now_ns(x.world) + 299 * SECOND);
	T_TRUE(!sp_expect_is_met(&x.e, SP_STR("a")));
	sp_timer_start(x.world, &timer, 2 * SECOND, on_late);
	mem_world_run_until(x.world, sp_now_ns(x.world) + 2 * SECOND);
	T_TRUE(sp_expect_is_met(&x.e, SP_STR("a")));
	T_OK(sp_expect_set(&x.e, SP_STR("a"), 1, NULL, 0));
	sp_expect_forget(&x.e, SP_STR("a"));
	T_TRUE(sp_expect_is_met(&x.e, SP_STR("a")));
}

SP_TEST(queue, tells_what_it_does)
{
	static rig r;
	SP_AUTO_BUF out;
	static const char *const lines[] = {
		"workqueue_depth{name=\"test\"} 1\n",
		"workqueue_adds_total{name=\"test\"} 3\n",
		"workqueue_queue_duration_seconds_count{name=\"test\"} 2\n",
		"workqueue_queue_duration_seconds_bucket{name=\"test\",le=\"1e-08\"} ",
		"workqueue_work_duration_seconds_count{name=\"test\"} 2\n",
		"workqueue_unfinished_work_seconds{name=\"test\"} 2.001\n",
		"workqueue_longest_running_processor_seconds{name=\"test\"} 2.001\n",
		"workqueue_retries_total{name=\"test\"} 1\n",
	};
	rig_open(&r, 1);
	r.n_fails = 1;
	sp_queue_add(r.queue, SP_STR("a"));
	run(&r, MS); /* fails: it comes again after 5 ms */
	r.keep = true;
	sp_queue_add(r.queue, SP_STR("b"));
	run(&r, MS);
	T_EQ_U64(r.n_open, 1);
	run(&r, 2 * SECOND);
	sp_queue_measure(r.queue);
	r.keep = false;
	sp_job_done(r.open[0], SP_OK);
	sp_buf_init(&out, (size_t)1 << 20);
	T_OK(sp_metrics_write(r.metrics, false, &out));
	t_row(SP_FMT, SP_ARG(sp_buf_view(&out)));
	for (size_t i = 0; i < SP_LEN(lines); i++)
		T_TRUE(sp_str_find(sp_buf_view(&out), sp_str_c(lines[i])) >= 0);
}
