/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world for programs that are not the test runner (fuzz targets, benchmarks, interop peers): virtual
 * time and streams in memory whose bytes arrive in random pieces, or sockets by poll(2). Exactly one file of
 * a program includes it.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/stream.h"
#include "io/world_ops.h"

typedef struct mini_stream {
	sp_stream base;
	sp_list node;
	struct mini_stream *peer; /* in memory */
	int fd;                   /* -1: in memory */
	sp_list writes;
	size_t write_at;
	bool reading, shut, shut_passed, closing, end_told, failed;
} mini_stream;

typedef struct mini_world {
	sp_world base;
	uint64_t now_ns, rng;
	size_t piece_max; /* of what one read gives */
	sp_heap timers;
	sp_list defers, streams;
	bool stopping, real_time;
	int listen_fd;
	void (*on_accept)(void *arg, sp_stream *s);
	void *accept_arg;
} mini_world;

static mini_world *mini_of(sp_world *w)
{
	return SP_CONTAINER_OF(w, mini_world, base);
}

static uint64_t mini_now_ns(sp_world *w)
{
	return mini_of(w)->now_ns;
}
static uint64_t mini_random_u64(mini_world *w)
{
	uint64_t z = (w->rng += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}
static void mini_random(sp_world *w, void *bytes, size_t n)
{
	uint8_t *p = bytes;
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)mini_random_u64(mini_of(w));
}
static void mini_stop(sp_world *w)
{
	mini_of(w)->stopping = true;
}

static void mini_timer_start(sp_world *w, sp_timer *t, uint64_t delay_ns, void (*fn)(sp_timer *t))
{
	sp_heap_remove(&mini_of(w)->timers, &t->node);
	t->fn = fn;
	SP_ASSERT(sp_heap_push(&mini_of(w)->timers, &t->node, mini_of(w)->now_ns + delay_ns) == SP_OK);
}
static void mini_timer_stop(sp_world *w, sp_timer *t)
{
	sp_heap_remove(&mini_of(w)->timers, &t->node);
}
static void mini_defer_call(sp_world *w, sp_defer *d)
{
	sp_list_push_back(&mini_of(w)->defers, &d->node);
}

/* ---- streams ---- */

static size_t mini_write_len(const sp_write *req)
{
	size_t n = 0;
	for (size_t i = 0; i < req->n_iov; i++)
		n += req->iov[i].len;
	return n;
}
static void mini_read(sp_stream *s, bool on)
{
	SP_CONTAINER_OF(s, mini_stream, base)->reading = on;
}
static void mini_write(sp_stream *s, sp_write *req)
{
	s->queued_bytes += mini_write_len(req);
	sp_list_init(&req->node);
	sp_list_push_back(&SP_CONTAINER_OF(s, mini_stream, base)->writes, &req->node);
}
static void mini_shutdown(sp_stream *s)
{
	SP_CONTAINER_OF(s, mini_stream, base)->shut = true;
}
static void mini_close(sp_stream *s)
{
	SP_CONTAINER_OF(s, mini_stream, base)->closing = true;
}
static const sp_stream_ops mini_ops = {mini_read, mini_write, mini_shutdown, mini_close, NULL};

static void mini_finish_write(mini_stream *s, sp_code code)
{
	sp_write *req = SP_CONTAINER_OF(sp_list_pop_front(&s->writes), sp_write, node);
	s->write_at = 0;
	s->base.queued_bytes -= mini_write_len(req);
	req->done(req, code);
}

/* The bytes of the first write not passed on yet. */
static sp_iov mini_next(const mini_stream *s)
{
	const sp_write *req = SP_CONTAINER_OF(s->writes.next, sp_write, node);
	size_t skip = s->write_at;
	for (size_t i = 0; i < req->n_iov; i++) {
		if (skip < req->iov[i].len)
			return (sp_iov){(const char *)req->iov[i].ptr + skip, req->iov[i].len - skip};
		skip -= req->iov[i].len;
	}
	return (sp_iov){NULL, 0};
}

static void mini_tell_end(mini_stream *s)
{
	if (!s->end_told && !s->closing) {
		s->end_told = true;
		s->base.handler->on_end(s->base.arg);
	}
}

/* One step of one stream in memory; true when something happened. */
static bool mini_step_memory(mini_world *w, mini_stream *s)
{
	mini_stream *to = s->peer;
	if (!sp_list_is_empty(&s->writes)) {
		sp_iov piece = mini_next(s);
		if (piece.len == 0 || to == NULL) {
			mini_finish_write(s, to == NULL ? SP_EIO : SP_OK);
			return true;
		}
		if (!to->reading || to->closing)
			return false;
		size_t n = 1 + mini_random_u64(w) % SP_MIN(piece.len, w->piece_max);
		if (w->piece_max >= (size_t)1 << 16)
			n = SP_MIN(piece.len, w->piece_max);
		s->write_at += n;
		to->base.handler->on_data(to->base.arg, piece.ptr, n);
		return true;
	}
	if (s->shut && !s->shut_passed && to != NULL && to->reading) {
		s->shut_passed = true;
		mini_tell_end(to);
		return true;
	}
	if (to == NULL && s->reading && !s->end_told) {
		mini_tell_end(s);
		return true;
	}
	return false;
}

static bool mini_write_fd(mini_stream *s)
{
	sp_iov piece = mini_next(s);
	if (piece.len == 0) {
		mini_finish_write(s, SP_OK);
		return true;
	}
	ssize_t n = send(s->fd, piece.ptr, piece.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0) {
		mini_finish_write(s, SP_EIO);
		return true;
	}
	s->write_at += (size_t)n;
	return true;
}

static bool mini_read_fd(mini_stream *s)
{
	static uint8_t buf[64 << 10];
	ssize_t n = recv(s->fd, buf, sizeof buf, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n > 0) {
		s->base.handler->on_data(s->base.arg, buf, (size_t)n);
	} else if (n == 0) {
		mini_tell_end(s);
	} else if (!s->failed) {
		sp_err err = {0};
		s->failed = s->end_told = true;
		(void)sp_fail_sys(&err, errno, "recv");
		s->base.handler->on_error(s->base.arg, &err);
	}
	return true;
}

static bool mini_step_fd(mini_stream *s)
{
	bool any = false;
	if (s->reading && !s->end_told)
		any = mini_read_fd(s);
	if (!s->closing && !sp_list_is_empty(&s->writes))
		any = mini_write_fd(s) || any;
	if (!s->closing && s->shut && !s->shut_passed && sp_list_is_empty(&s->writes)) {
		s->shut_passed = true;
		(void)shutdown(s->fd, SHUT_WR);
	}
	return any;
}

static void mini_end_stream(mini_stream *s)
{
	while (!sp_list_is_empty(&s->writes))
		mini_finish_write(s, SP_ECANCELED);
	if (s->peer != NULL)
		s->peer->peer = NULL;
	if (s->fd >= 0)
		(void)close(s->fd);
	sp_list_remove(&s->node);
	if (s->base.handler != NULL && s->base.handler->on_close != NULL)
		s->base.handler->on_close(s->base.arg);
	sp_free(s);
}

static mini_stream *mini_stream_new(mini_world *w, int fd)
{
	mini_stream *s = SP_NEW(mini_stream);
	s->base.ops = &mini_ops;
	s->base.world = &w->base;
	s->fd = fd;
	sp_list_init(&s->writes);
	sp_list_init(&s->node);
	sp_list_push_back(&w->streams, &s->node);
	return s;
}

static sp_code mini_stream_pair(sp_world *w, sp_stream *ret[2], sp_err *err)
{
	(void)err;
	mini_stream *a = mini_stream_new(mini_of(w), -1), *b = mini_stream_new(mini_of(w), -1);
	a->peer = b;
	b->peer = a;
	ret[0] = &a->base;
	ret[1] = &b->base;
	return SP_OK;
}

static void mini_clock(mini_world *w)
{
	struct timespec ts;
	if (w->real_time && clock_gettime(CLOCK_MONOTONIC, &ts) == 0)
		w->now_ns = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static sp_code mini_stream_from_fd(sp_world *w, int fd, sp_stream **ret, sp_err *err)
{
	(void)err;
	mini_of(w)->real_time = true;
	mini_clock(mini_of(w)); /* deadlines of what is started before the loop runs count from now */
	*ret = &mini_stream_new(mini_of(w), fd)->base;
	return SP_OK;
}

/* ---- the loop ---- */

static bool mini_step_all(mini_world *w)
{
	bool any = false;
	sp_list *node;
	while ((node = sp_list_pop_front(&w->defers)) != NULL) {
		sp_defer *d = SP_CONTAINER_OF(node, sp_defer, node);
		d->fn(d);
		any = true;
	}
	SP_LIST_FOREACH (n, &w->streams) {
		mini_stream *s = SP_CONTAINER_OF(n, mini_stream, node);
		if (s->closing) {
			mini_end_stream(s); /* may end or open others: start over */
			return true;
		}
		if (s->fd >= 0 ? mini_step_fd(s) : mini_step_memory(w, s))
			any = true;
	}
	sp_heap_node *first;
	while ((first = sp_heap_peek(&w->timers)) != NULL && first->key <= w->now_ns) {
		(void)sp_heap_pop(&w->timers);
		sp_timer *t = SP_CONTAINER_OF(first, sp_timer, node);
		t->fn(t);
		any = true;
	}
	return any;
}

/* Waits for sockets or the next timer; false when there is nothing to wait for. */
static bool mini_wait(mini_world *w)
{
	const sp_heap_node *first = sp_heap_peek(&w->timers);
	if (!w->real_time) {
		if (first == NULL)
			return false;
		w->now_ns = SP_MAX(w->now_ns, first->key);
		return true;
	}
	struct pollfd fds[64];
	nfds_t n = 0;
	if (w->listen_fd >= 0)
		fds[n++] = (struct pollfd){.fd = w->listen_fd, .events = POLLIN};
	SP_LIST_FOREACH (node, &w->streams) {
		const mini_stream *s = SP_CONTAINER_OF(node, mini_stream, node);
		if (n == SP_LEN(fds) || s->fd < 0)
			continue;
		short events = (short)((s->reading && !s->end_told ? POLLIN : 0) |
				       (sp_list_is_empty(&s->writes) ? 0 : POLLOUT));
		fds[n++] = (struct pollfd){.fd = s->fd, .events = events};
	}
	if (n == 0 && first == NULL)
		return false;
	int ms = first == NULL             ? -1
		 : first->key <= w->now_ns ? 0
					   : (int)((first->key - w->now_ns) / 1000000 + 1);
	(void)poll(fds, n, ms);
	if (w->listen_fd >= 0 && (fds[0].revents & POLLIN) != 0) {
		int fd = accept4(w->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			w->on_accept(w->accept_arg, &mini_stream_new(w, fd)->base);
	}
	return true;
}

static void mini_run(sp_world *base)
{
	mini_world *w = mini_of(base);
	do {
		mini_clock(w);
		while (!w->stopping && mini_step_all(w))
			mini_clock(w);
	} while (!w->stopping && mini_wait(w));
}

static void mini_world_init(mini_world *w, uint64_t seed, size_t piece_max)
{
	static const sp_world_ops ops = {
		.run = mini_run,
		.stop = mini_stop,
		.now_ns = mini_now_ns,
		.clock_ns = mini_now_ns,
		.random = mini_random,
		.timer_start = mini_timer_start,
		.timer_stop = mini_timer_stop,
		.defer_call = mini_defer_call,
		.stream_pair = mini_stream_pair,
		.stream_from_fd = mini_stream_from_fd,
	};
	*w = (mini_world){.base = {&ops, &sp_sys_file_ops},
			  .now_ns = 1000000000,
			  .rng = seed,
			  .piece_max = piece_max,
			  .listen_fd = -1};
	sp_heap_init(&w->timers);
	sp_list_init(&w->defers);
	sp_list_init(&w->streams);
}

static void mini_world_done(mini_world *w)
{
	SP_ASSERT(sp_list_is_empty(&w->streams));
	sp_heap_done(&w->timers);
}
