/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shim's loop: descriptors by epoll, timers by one heap, signals by signalfd; one thread. The world
 * (io/world.h) is not used here because its libuv costs what a shim may cost in all; the protocols above it
 * that need no I/O of their own (io/ttrpc cores) are.
 *
 * One event is taken per turn, so a callback may close or free any watch.
 */
#pragma once

#include <sys/epoll.h>

#include "base/heap.h"
#include "base/list.h"

#define SHIM_SCRATCH_BYTES 16384u

typedef struct shim_loop {
	int epoll_fd;
	bool stopped;
	sp_heap timers;
	sp_list turns;                    /* shim_turn that want to run after this event */
	char scratch[SHIM_SCRATCH_BYTES]; /* of whoever reads something just now */
} shim_loop;

/* Zero-initialised but for fd = -1; stays in place while events are asked for. */
typedef struct shim_watch {
	int fd;
	uint32_t events; /* asked for; 0 = not watched */
	void (*fn)(struct shim_watch *w, uint32_t events);
	void *arg;
} shim_watch;

typedef struct shim_timer {
	sp_heap_node node;
	void (*fn)(struct shim_timer *t);
	void *arg;
} shim_timer;

/* A call after the present event, once, however often it was asked for. */
typedef struct shim_turn {
	sp_list node;
	void (*fn)(struct shim_turn *t);
	void *arg;
} shim_turn;

sp_code shim_loop_init(shim_loop *l, sp_err *err) SP_MUST_USE;
void shim_loop_done(shim_loop *l);
/* Until shim_loop_stop. */
void shim_loop_run(shim_loop *l);
void shim_loop_stop(shim_loop *l);

/* EPOLLIN, EPOLLOUT or both; 0 takes the watch off. Errors and hang-ups are reported to whatever is asked
 * for. */
sp_code shim_watch_set(shim_loop *l, shim_watch *w, uint32_t events, sp_err *err) SP_MUST_USE;
/* Off, and closes the descriptor; harmless for -1. */
void shim_watch_close(shim_loop *l, shim_watch *w);

/* Moves a running timer. Aborts without memory (a few words per timer of the program). */
void shim_timer_start(shim_loop *l, shim_timer *t, uint64_t delay_ns);
void shim_timer_stop(shim_loop *l, shim_timer *t);

void shim_turn_init(shim_turn *t, void (*fn)(shim_turn *t), void *arg);
void shim_turn_call(shim_loop *l, shim_turn *t);
void shim_turn_cancel(shim_turn *t);

/* Monotonic, and since 1970; nanoseconds. */
uint64_t shim_now_ns(void);
int64_t shim_wall_ns(void *unused);

#define SHIM_S UINT64_C(1000000000)
#define SHIM_MS UINT64_C(1000000)
