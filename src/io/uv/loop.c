/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop. A turn is what libuv calls between two waits; what a callback put off (deferred calls, writes,
 * closes, finished jobs) is done at its end, in `check` after sockets and in `prepare` after timers, so that
 * many small writes of one turn leave in one system call. Nothing here wakes up by itself.
 */
#include <errno.h>
#include <signal.h>
#include <sys/random.h>
#include <time.h>

#include "base/alloc.h"
#include "io/uv/uv_int.h"

#define NOT_ARMED UINT64_MAX
/* One that postpones itself again and again must not keep sockets waiting. */
#define ROUNDS_MAX 16
/* Timers this long end together, on a coarse grid, to save wake-ups. */
#define COARSE_FROM_NS UINT64_C(1000000000)
#define COARSE_STEP_NS UINT64_C(10000000)

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;
	SP_ASSERT(clock_gettime(clock, &ts) == 0);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

bool uvw_enter(uvw_world *w)
{
	w->now_ns = clock_ns(CLOCK_MONOTONIC);
	return !w->stopping;
}

/* ---- the end of a turn ---- */

static bool run_defers(uvw_world *w)
{
	if (sp_list_is_empty(&w->defers))
		return false;
	sp_list mark; /* what is deferred meanwhile waits for the next round */
	sp_list_push_back(&w->defers, &mark);
	while (!w->stopping && w->defers.next != &mark) {
		sp_defer *d = SP_CONTAINER_OF(w->defers.next, sp_defer, node);
		sp_list_remove(&d->node);
		d->fn(d);
	}
	sp_list_remove(&mark);
	return true;
}

static bool run_round(uvw_world *w)
{
	static bool (*const steps[])(uvw_world * w) = {
		uvw_work_finish, uvw_wakeup_run,    uvw_signal_run,
		run_defers,      uvw_streams_flush, uvw_streams_end,
	};
	bool any = false;
	for (size_t i = 0; i < SP_LEN(steps) && !w->stopping; i++)
		any = steps[i](w) || any;
	return any;
}

static void on_idle(uv_idle_t *idle)
{
	(void)idle; /* its being active keeps the loop from waiting */
}

static void end_turn(uvw_world *w)
{
	for (int i = 0; i < ROUNDS_MAX && !w->stopping; i++) {
		if (!run_round(w)) {
			(void)uv_idle_stop(&w->idle); /* cannot fail */
			return;
		}
	}
	(void)uv_idle_start(&w->idle, on_idle); /* cannot fail */
}

/* ---- timers ---- */

static void on_timer(uv_timer_t *timer)
{
	uvw_world *w = timer->data;
	w->armed_ns = NOT_ARMED;
	(void)uvw_enter(w); /* the loop below looks itself */
	/* One that starts itself again without a delay is for the next turn. */
	uint64_t seq_max = w->timers.next_seq;
	const sp_heap_node *first;
	while (!w->stopping && (first = sp_heap_peek(&w->timers)) != NULL && first->key <= w->now_ns &&
	       first->seq < seq_max) {
		sp_timer *t = SP_CONTAINER_OF(sp_heap_pop(&w->timers), sp_timer, node);
		t->fn(t);
	}
}

static void arm_timer(uvw_world *w)
{
	const sp_heap_node *first = sp_heap_peek(&w->timers);
	uint64_t due_ns = first == NULL ? NOT_ARMED : first->key;
	if (due_ns == w->armed_ns)
		return;
	w->armed_ns = due_ns;
	if (first == NULL) {
		(void)uv_timer_stop(&w->timer); /* cannot fail */
		return;
	}
	uv_update_time(&w->loop);
	/* libuv counts whole milliseconds: rather late by one than early, which would cost a second turn. */
	uint64_t ms = due_ns > w->now_ns ? (due_ns - w->now_ns) / 1000000 + 1 : 0;
	(void)uv_timer_start(&w->timer, on_timer, ms, 0); /* cannot fail with a callback */
}

static void timer_start(sp_world *base, sp_timer *t, uint64_t delay_ns, void (*fn)(sp_timer *t))
{
	uvw_world *w = uvw_of(base);
	sp_heap_remove(&w->timers, &t->node);
	t->fn = fn;
	if (!w->running)
		(void)uvw_enter(w); /* before the first turn the time stands still */
	uint64_t due_ns = delay_ns < UINT64_MAX / 2 - w->now_ns ? w->now_ns + delay_ns : UINT64_MAX / 2;
	if (delay_ns >= COARSE_FROM_NS)
		due_ns += COARSE_STEP_NS - due_ns % COARSE_STEP_NS;
	/* Starting cannot fail: without memory for so little the process ends, as in sp_alloc. The second
	 * attempt is for tests, which let one allocation fail. */
	if (sp_heap_push(&w->timers, &t->node, due_ns) != SP_OK)
		SP_ASSERT(sp_heap_push(&w->timers, &t->node, due_ns) == SP_OK);
}

static void timer_stop(sp_world *base, sp_timer *t)
{
	sp_heap_remove(&uvw_of(base)->timers, &t->node);
}

static void defer_call(sp_world *base, sp_defer *d)
{
	sp_list_push_back(&uvw_of(base)->defers, &d->node);
}

/* ---- time and chance ---- */

static uint64_t now_ns(sp_world *base)
{
	uvw_world *w = uvw_of(base);
	if (!w->running)
		(void)uvw_enter(w); /* only the time is wanted */
	return w->now_ns;
}

static uint64_t exact_ns(sp_world *base)
{
	(void)base;
	return clock_ns(CLOCK_MONOTONIC);
}

static int64_t wall_ns(sp_world *base)
{
	(void)base;
	return (int64_t)clock_ns(CLOCK_REALTIME);
}

static void random_bytes(sp_world *base, void *bytes, size_t n)
{
	(void)base;
	for (size_t done = 0; done < n;) {
		ssize_t got = getrandom((char *)bytes + done, n - done, 0);
		SP_ASSERT(got > 0 || errno == EINTR);
		done += got > 0 ? (size_t)got : 0;
	}
}

/* ---- the world ---- */

static void on_prepare(uv_prepare_t *prepare)
{
	uvw_world *w = prepare->data;
	if (uvw_enter(w))
		end_turn(w);
	arm_timer(w);
}

static void on_check(uv_check_t *check)
{
	uvw_world *w = check->data;
	if (uvw_enter(w))
		end_turn(w);
}

static void on_async(uv_async_t *async)
{
	(void)async; /* the end of the turn looks at what came */
}

static void run(sp_world *base)
{
	uvw_world *w = uvw_of(base);
	SP_ASSERT(!w->running);
	w->running = true;
	if (!w->stopping)
		(void)uv_run(&w->loop, UV_RUN_DEFAULT); /* tells whether handles are left: some always are */
	w->running = w->stopping = false;
}

static void stop(sp_world *base)
{
	uvw_world *w = uvw_of(base);
	w->stopping = true;
	if (w->running)
		uv_stop(&w->loop);
}

static const sp_world_ops ops = {
	.run = run,
	.stop = stop,
	.now_ns = now_ns,
	.clock_ns = exact_ns,
	.wall_ns = wall_ns,
	.random = random_bytes,
	.timer_start = timer_start,
	.timer_stop = timer_stop,
	.defer_call = defer_call,
	.work_start = uvw_work_start,
	.wakeup_new = uvw_wakeup_new,
	.wakeup_call = uvw_wakeup_call,
	.wakeup_free = uvw_wakeup_free,
	.signal_watch_new = uvw_signal_watch_new,
	.signal_watch_free = uvw_signal_watch_free,
	.path_watch_new = uvw_path_watch_new,
	.path_watch_free = uvw_path_watch_free,
	.listen = uvw_listen,
	.listener_close = uvw_listener_close,
	.udp_open = uvw_udp_open,
	.udp_send = uvw_udp_send,
	.udp_peer = uvw_udp_peer,
	.udp_close = uvw_udp_close,
	.connect = uvw_connect,
	.connect_cancel = uvw_connect_cancel,
	.stream_pair = uvw_stream_pair,
	.stream_from_fd = uvw_stream_from_fd,
	.spawn = uvw_spawn,
	.process_kill = uvw_process_kill,
	.process_free = uvw_process_free,
};

static void init_handles(uvw_world *w)
{
	/* These only link the handle into the loop. */
	SP_ASSERT(uv_timer_init(&w->loop, &w->timer) == 0);
	SP_ASSERT(uv_prepare_init(&w->loop, &w->prepare) == 0);
	SP_ASSERT(uv_check_init(&w->loop, &w->check) == 0);
	SP_ASSERT(uv_idle_init(&w->loop, &w->idle) == 0);
	w->timer.data = w->prepare.data = w->check.data = w->idle.data = w->async.data = w;
	SP_ASSERT(uv_prepare_start(&w->prepare, on_prepare) == 0);
	SP_ASSERT(uv_check_start(&w->check, on_check) == 0);
}

sp_code sp_world_uv_new(sp_world **ret, sp_err *err)
{
	uvw_world *w = SP_NEW(uvw_world);
	w->base = (sp_world){&ops, &sp_sys_file_ops};
	int uv_err = uv_loop_init(&w->loop);
	if (uv_err != 0) {
		sp_free(w);
		return sp_fail_sys(err, -uv_err, "new event loop");
	}
	uv_err = uv_async_init(&w->loop, &w->async, on_async);
	if (uv_err != 0) {
		(void)uv_loop_close(&w->loop); /* nothing is in it */
		sp_free(w);
		return sp_fail_sys(err, -uv_err, "new event loop");
	}
	(void)signal(SIGPIPE, SIG_IGN); /* writing to a pipe nobody reads is an error of that write */
	init_handles(w);
	sp_heap_init(&w->timers);
	sp_list *const lists[] = {&w->defers, &w->dirty,    &w->closing, &w->streams, &w->listeners,
				  &w->udps,   &w->connects, &w->wakeups, &w->signals, &w->processes};
	for (size_t i = 0; i < SP_LEN(lists); i++)
		sp_list_init(lists[i]);
	w->armed_ns = NOT_ARMED;
	w->read_buf = sp_alloc(UVW_READ_BYTES);
	uvw_pool_init(w);
	(void)uvw_enter(w); /* only the time is wanted */
	*ret = &w->base;
	return SP_OK;
}

static void close_all(uvw_world *w)
{
	uvw_connects_cancel_all(w);
	uvw_listeners_close_all(w);
	uvw_udps_close_all(w);
	uvw_processes_free_all(w);
	uvw_signals_free_all(w);
	uvw_pool_done(w);
	do {
		w->stopping = false;
		SP_LIST_FOREACH (n, &w->streams)
			sp_stream_close(&SP_CONTAINER_OF(n, uvw_stream, node)->base);
	} while (run_round(w) || !sp_list_is_empty(&w->streams));
	uvw_wakeups_free_all(w);
}

void sp_world_uv_free(sp_world *world)
{
	if (world == NULL)
		return;
	uvw_world *w = uvw_of(world);
	SP_ASSERT(!w->running);
	close_all(w);
	uv_handle_t *const handles[] = {(uv_handle_t *)&w->timer, (uv_handle_t *)&w->prepare,
					(uv_handle_t *)&w->check, (uv_handle_t *)&w->idle,
					(uv_handle_t *)&w->async};
	for (size_t i = 0; i < SP_LEN(handles); i++)
		uv_close(handles[i], NULL);
	(void)uv_run(&w->loop, UV_RUN_DEFAULT); /* the closing callbacks */
	SP_ASSERT(uv_loop_close(&w->loop) == 0);
	sp_heap_done(&w->timers);
	sp_free(w->read_buf);
	sp_free(w);
}
