/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "io/file.h"
#include "io/uv/uv.h"
#include "lib/peer.h"
#include "lib/t.h"

#define MS UINT64_C(1000000)

/* ---- time ---- */

static char trace[256];

static void note(const char *what)
{
	SP_ASSERT(strlen(trace) + strlen(what) < sizeof trace);
	memcpy(trace + strlen(trace), what, strlen(what) + 1);
}

typedef struct tick {
	sp_timer timer;
	sp_defer defer;
	sp_world *world;
	const char *name;
	struct tick *also; /* stopped, or called */
	int n_again;
} tick;

static void on_tick(sp_timer *t)
{
	tick *k = SP_CONTAINER_OF(t, tick, timer);
	SP_ASSERT(!sp_timer_is_running(t));
	note(k->name);
	if (k->also != NULL)
		sp_timer_stop(k->world, &k->also->timer);
	if (k->n_again-- > 0)
		sp_timer_start(k->world, t, 0, on_tick);
}

static void on_stop(sp_timer *t)
{
	sp_world_stop(((tick *)(void *)t)->world);
}

static void stop_after(sp_world *w, uint64_t delay_ns)
{
	static tick k;
	k = (tick){.world = w};
	sp_timer_start(w, &k.timer, delay_ns, on_stop);
}

SP_TEST(world_uv, clock_goes_on_in_a_callback)
{
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	uint64_t first = sp_clock_ns(w), seen = first;
	for (unsigned i = 0; i < 1000000 && seen == first; i++)
		seen = sp_clock_ns(w);
	T_TRUE(seen > first);
}

SP_TEST(world_uv, timers_in_order)
{
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	tick a = {.world = w, .name = "a"}, b = {.world = w, .name = "b"}, c = {.world = w, .name = "c"},
	     d = {.world = w, .name = "d"};
	uint64_t start = sp_now_ns(w);
	sp_timer_start(w, &c.timer, 12 * MS, on_tick);
	sp_timer_start(w, &a.timer, 0, on_tick);
	sp_timer_start(w, &b.timer, 50000 * MS, on_tick);
	sp_timer_start(w, &b.timer, 5 * MS, on_tick);
	sp_timer_start(w, &d.timer, 8 * MS, on_tick);
	a.n_again = 2;
	b.also = &d;
	T_TRUE(sp_timer_is_running(&a.timer));
	stop_after(w, 15 * MS);
	sp_world_run(w);
	T_EQ_C(sp_str_c(trace), "aaabc");
	T_TRUE(sp_now_ns(w) - start >= 15 * MS);
	T_TRUE(sp_wall_ns(w) > INT64_C(1600000000) * 1000000000);
	T_TRUE(sp_random_u64(w) != sp_random_u64(w));
	T_TRUE(!sp_buggify(w, 1000000));
}

static void on_defer(sp_defer *d)
{
	tick *k = SP_CONTAINER_OF(d, tick, defer);
	note(k->name);
	if (k->also != NULL)
		sp_defer_call(k->world, &k->also->defer);
	if (k->n_again-- > 0)
		sp_defer_call(k->world, d);
}

static void on_defers_tick(sp_timer *t)
{
	tick *k = SP_CONTAINER_OF(t, tick, timer);
	sp_defer_call(k->world, &k->defer);
	sp_defer_call(k->world, &k->defer);
	note("(");
	sp_defer_call(k->world, &k->also->defer);
	sp_defer_cancel(&k->also->defer);
	note(")");
}

SP_TEST(world_uv, defers_run_once_and_later)
{
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	tick b = {.world = w, .name = "b"}, a = {.world = w, .name = "a", .also = &b, .n_again = 1};
	sp_defer_init(&a.defer, on_defer, NULL);
	sp_defer_init(&b.defer, on_defer, NULL);
	sp_timer_start(w, &a.timer, 0, on_defers_tick);
	stop_after(w, 3 * MS);
	sp_world_run(w);
	T_EQ_C(sp_str_c(trace), "()abab");
}

static void on_defer_forever(sp_defer *d)
{
	sp_defer_call(((tick *)d->arg)->world, d);
}

SP_TEST(world_uv, a_defer_without_end_starves_nobody)
{
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	tick a = {.world = w};
	sp_defer_init(&a.defer, on_defer_forever, &a);
	sp_defer_call(w, &a.defer);
	stop_after(w, 3 * MS);
	sp_world_run(w);
	sp_defer_cancel(&a.defer);
}

static void on_stop_and_note(sp_timer *t)
{
	tick *k = SP_CONTAINER_OF(t, tick, timer);
	note(k->name);
	sp_world_stop(k->world);
}

SP_TEST(world_uv, stop_after_the_current_callback)
{
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	tick a = {.world = w, .name = "a"}, b = {.world = w, .name = "b"};
	sp_timer_start(w, &a.timer, 0, on_stop_and_note);
	sp_timer_start(w, &b.timer, 0, on_stop_and_note);
	sp_world_run(w);
	T_EQ_C(sp_str_c(trace), "a");
	sp_world_run(w);
	T_EQ_C(sp_str_c(trace), "ab");
	sp_world_stop(w);
	sp_world_run(w);
}

SP_TEST(world_uv, idle_is_no_wakeups)
{
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	struct rusage before, after;
	sp_stream *s[2];
	T_OK(sp_stream_pair(w, s, T_ERR));
	t_peer_attach(t_peer_new(w), s[0]);
	t_peer_attach(t_peer_new(w), s[1]);
	stop_after(w, 60 * MS);
	T_EQ_I64(getrusage(RUSAGE_THREAD, &before), 0);
	sp_world_run(w);
	T_EQ_I64(getrusage(RUSAGE_THREAD, &after), 0);
	T_TRUE(after.ru_nvcsw - before.ru_nvcsw <= 2);
}

/* ---- workers, wake-ups, signals ---- */

typedef struct job {
	sp_work work;
	sp_world *world;
	sem_t *gate;
	int *n_done;
	int result, stop_at;
} job;

static void job_run(sp_work *work)
{
	job *j = SP_CONTAINER_OF(work, job, work);
	if (j->gate != NULL) {
		while (sem_wait(j->gate) != 0)
			;
	}
	j->result = 42;
}

static void job_done(sp_work *work)
{
	job *j = SP_CONTAINER_OF(work, job, work);
	SP_ASSERT(j->result == 42);
	if (++*j->n_done == j->stop_at)
		sp_world_stop(j->world);
}

SP_TEST(world_uv, workers_and_their_limit)
{
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	static job jobs[SP_LIMIT_WORK_QUEUE + 16];
	static sem_t gate;
	int n_done = 0;
	int n = 0;
	T_EQ_I64(sem_init(&gate, 0, 0), 0);
	sp_code code = SP_OK;
	for (; n < (int)SP_LEN(jobs); n++) {
		jobs[n] = (job){{.fn = job_run, .done = job_done}, w, &gate, &n_done, 0, 0};
		code = sp_work_start(w, &jobs[n].work, T_ERR);
		if (code != SP_OK)
			break;
	}
	T_CODE(code, SP_EUNAVAILABLE);
	T_TRUE(n >= (int)SP_LIMIT_WORK_QUEUE);
	jobs[0].stop_at = 0;
	for (int i = 0; i < n; i++) {
		jobs[i].stop_at = n;
		T_EQ_I64(sem_post(&gate), 0);
	}
	sp_world_run(w);
	T_EQ_I64(n_done, n);
}

/* As many jobs as there are threads don't return: what comes after them is done all the same. */
SP_TEST(world_uv, stuck_workers_are_replaced)
{
	enum { STUCK = 12 };
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	static job jobs[STUCK], last;
	static sem_t gate;
	int n_stuck = 0, n_last = 0;
	T_EQ_I64(sem_init(&gate, 0, 0), 0);
	for (size_t i = 0; i < STUCK; i++) {
		jobs[i] = (job){{.fn = job_run, .done = job_done}, w, &gate, &n_stuck, 0, STUCK};
		T_OK(sp_work_start(w, &jobs[i].work, T_ERR));
	}
	last = (job){{.fn = job_run, .done = job_done}, w, NULL, &n_last, 0, 1};
	T_OK(sp_work_start(w, &last.work, T_ERR));
	sp_world_run(w);
	T_EQ_I64(n_last, 1);
	T_EQ_I64(n_stuck, 0);
	for (size_t i = 0; i < STUCK; i++)
		T_EQ_I64(sem_post(&gate), 0);
	sp_world_run(w);
	T_EQ_I64(n_stuck, STUCK);
}

SP_TEST(world_uv, jobs_end_before_the_world)
{
	static int n_done;
	static job jobs[20];
	sp_world *w = NULL;
	T_OK(sp_world_uv_new(&w, T_ERR));
	for (size_t i = 0; i < SP_LEN(jobs); i++) {
		jobs[i] = (job){{.fn = job_run, .done = job_done}, w, NULL, &n_done, 0, 0};
		T_OK(sp_work_start(w, &jobs[i].work, T_ERR));
	}
	sp_world_uv_free(w);
	T_EQ_I64(n_done, 20);
}

typedef struct waker {
	sp_work work;
	sp_world *world;
	sp_wakeup *wakeup;
	int n;
} waker;

static void on_wakeup(void *arg)
{
	waker *k = arg;
	k->n++;
	sp_wakeup_free(k->wakeup);
	sp_world_stop(k->world);
}

static void wake(sp_work *work)
{
	waker *k = SP_CONTAINER_OF(work, waker, work);
	sp_wakeup_call(k->wakeup);
}

static void wake_done(sp_work *work)
{
	(void)work;
}

SP_TEST(world_uv, wakeup_from_a_thread)
{
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	static waker k;
	k = (waker){.work = {.fn = wake, .done = wake_done}, .world = w};
	sp_wakeup *unused = NULL;
	T_OK(sp_wakeup_new(w, on_wakeup, &k, &unused, T_ERR));
	T_OK(sp_wakeup_new(w, on_wakeup, &k, &k.wakeup, T_ERR));
	T_OK(sp_work_start(w, &k.work, T_ERR));
	sp_world_run(w);
	T_EQ_I64(k.n, 1);
}

typedef struct signals {
	sp_world *world;
	sp_signal_watch *watch;
	int got;
} signals;

static void on_signal(void *arg, int signal)
{
	signals *s = arg;
	s->got = signal;
	sp_signal_watch_free(s->watch);
	sp_world_stop(s->world);
}

SP_TEST(world_uv, signals)
{
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	signals s = {.world = w};
	sp_signal_watch *other = NULL;
	T_OK(sp_signal_watch_new(w, SIGTERM, on_signal, &s, &other, T_ERR));
	T_OK(sp_signal_watch_new(w, SIGHUP, on_signal, &s, &s.watch, T_ERR));
	T_EQ_I64(raise(SIGHUP), 0);
	sp_world_run(w);
	T_EQ_I64(s.got, SIGHUP);
	T_CODE(sp_signal_watch_new(w, SIGKILL, on_signal, &s, &other, NULL), SP_EINVAL);
}

/* ---- directories ---- */

typedef struct dir_watch {
	sp_world *world;
	sp_path_watch *watch;
	sp_timer timer;
	sp_str file;
	int n, want;
} dir_watch;

static bool write_line(dir_watch *d)
{
	sp_file *f = NULL;
	if (sp_file_open(d->world, d->file, SP_FILE_WRITE | SP_FILE_CREATE, 0600, &f, NULL) != SP_OK)
		return false;
	bool written = sp_file_append(f, "x", 1, NULL) == SP_OK;
	sp_file_close(f);
	return written;
}

static void on_dir(void *arg)
{
	dir_watch *d = arg;
	if (++d->n < d->want && write_line(d))
		return;
	sp_path_watch_free(SP_TAKE(d->watch));
	sp_world_stop(d->world);
}

static void on_dir_late(sp_timer *t)
{
	const dir_watch *d = t->arg;
	sp_world_stop(d->world);
}

static void dir_watch_done(void *arg)
{
	dir_watch *d = arg;
	sp_path_watch_free(SP_TAKE(d->watch));
	sp_timer_stop(d->world, &d->timer);
}

SP_TEST(world_uv, directories_that_change)
{
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	dir_watch *d = sp_new(T_ARENA, dir_watch, 1);
	*d = (dir_watch){.world = w, .want = 3, .file = sp_arena_printf(T_ARENA, "%s/log", t_tmpdir())};
	d->timer.arg = d;
	T_DEFER(dir_watch_done, d);
	T_OK(sp_path_watch_new(w, sp_str_c(t_tmpdir()), on_dir, d, &d->watch, T_ERR));
	sp_timer_start(w, &d->timer, UINT64_C(10000000000), on_dir_late);
	T_TRUE(write_line(d)); /* made, then written to by each change before */
	sp_world_run(w);
	T_EQ_I64(d->n, 3);
	T_OK(sp_path_unlink(w, d->file, T_ERR));
	T_TRUE(sp_path_watch_new(w, SP_STR("/tmp/sp-watch-none"), on_dir, d, &d->watch, NULL) != SP_OK);
}
