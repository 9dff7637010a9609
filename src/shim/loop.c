/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/loop.h"

#include <errno.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

uint64_t shim_now_ns(void)
{
	struct timespec t;
	SP_ASSERT(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * SHIM_S + (uint64_t)t.tv_nsec;
}

int64_t shim_wall_ns(void *unused)
{
	(void)unused;
	struct timespec t;
	SP_ASSERT(clock_gettime(CLOCK_REALTIME, &t) == 0);
	return (int64_t)t.tv_sec * (int64_t)SHIM_S + t.tv_nsec;
}

sp_code shim_loop_init(shim_loop *l, sp_err *err)
{
	*l = (shim_loop){.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
	sp_heap_init(&l->timers);
	sp_list_init(&l->turns);
	return l->epoll_fd < 0 ? sp_fail_sys(err, errno, "epoll") : SP_OK;
}

void shim_loop_done(shim_loop *l)
{
	sp_heap_done(&l->timers);
	if (l->epoll_fd >= 0)
		(void)close(l->epoll_fd);
}

static void run_turns(shim_loop *l)
{
	/* Those asked for meanwhile wait for the next event's end or run in this pass: either is "after". */
	sp_list *node;
	while ((node = sp_list_pop_front(&l->turns)) != NULL) {
		shim_turn *t = SP_CONTAINER_OF(node, shim_turn, node);
		t->fn(t);
	}
}

static void run_timers(shim_loop *l)
{
	sp_heap_node *first;
	uint64_t now = shim_now_ns();
	while ((first = sp_heap_peek(&l->timers)) != NULL && first->key <= now && !l->stopped) {
		(void)sp_heap_pop(&l->timers);
		shim_timer *t = SP_CONTAINER_OF(first, shim_timer, node);
		t->fn(t);
		run_turns(l);
	}
}

static int wait_ms(const shim_loop *l)
{
	const sp_heap_node *first = sp_heap_peek(&l->timers);
	if (first == NULL)
		return -1;
	uint64_t now = shim_now_ns();
	if (first->key <= now)
		return 0;
	/* rounded up: waking a moment early would only turn the loop once more */
	uint64_t ms = (first->key - now + SHIM_MS - 1) / SHIM_MS;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

void shim_loop_run(shim_loop *l)
{
	run_turns(l);
	while (!l->stopped) {
		struct epoll_event e;
		int n = epoll_wait(l->epoll_fd, &e, 1, wait_ms(l));
		if (n == 1) {
			shim_watch *w = e.data.ptr;
			w->fn(w, e.events);
			run_turns(l);
		}
		if (!l->stopped)
			run_timers(l);
	}
}

void shim_loop_stop(shim_loop *l)
{
	l->stopped = true;
}

sp_code shim_watch_set(shim_loop *l, shim_watch *w, uint32_t events, sp_err *err)
{
	if (events == w->events)
		return SP_OK;
	struct epoll_event e = {.events = events, .data.ptr = w};
	int op = w->events == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
	if (epoll_ctl(l->epoll_fd, op, w->fd, &e) != 0)
		return sp_fail_sys(err, errno, "cannot watch a descriptor");
	w->events = events;
	return SP_OK;
}

void shim_watch_close(shim_loop *l, shim_watch *w)
{
	if (w->fd < 0)
		return;
	(void)!shim_watch_set(l, w, 0, NULL);
	(void)close(w->fd);
	w->fd = -1;
	w->events = 0;
}

void shim_timer_start(shim_loop *l, shim_timer *t, uint64_t delay_ns)
{
	sp_heap_remove(&l->timers, &t->node);
	sp_code code = sp_heap_push(&l->timers, &t->node, shim_now_ns() + delay_ns);
	SP_ASSERT(code == SP_OK);
}

void shim_timer_stop(shim_loop *l, shim_timer *t)
{
	sp_heap_remove(&l->timers, &t->node);
}

void shim_turn_init(shim_turn *t, void (*fn)(shim_turn *t), void *arg)
{
	sp_list_init(&t->node);
	t->fn = fn;
	t->arg = arg;
}

void shim_turn_call(shim_loop *l, shim_turn *t)
{
	sp_list_remove(&t->node);
	sp_list_push_back(&l->turns, &t->node);
}

void shim_turn_cancel(shim_turn *t)
{
	sp_list_remove(&t->node);
}
