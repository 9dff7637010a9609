/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/mem_world.h"

#include "base/alloc.h"
#include "io/world_ops.h"

typedef struct mem_world {
	sp_world base;
	uint64_t now_ns, until_ns, rng;
	size_t piece_max;
	sp_heap timers;
	sp_list defers, streams;
	bool stopping;
} mem_world;

typedef struct mem_stream {
	sp_stream base;
	sp_list node;
	struct mem_stream *peer;
	sp_list writes;
	size_t write_at, piece_max;
	bool reading, shut, shut_passed, closing, end_told;
} mem_stream;

static mem_world *of(sp_world *w)
{
	return SP_CONTAINER_OF(w, mem_world, base);
}

static uint64_t next_random(mem_world *w)
{
	uint64_t z = (w->rng += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t mem_now(sp_world *w)
{
	return of(w)->now_ns;
}

static int64_t mem_wall(sp_world *w)
{
	(void)w;
	return INT64_C(784111777) * 1000000000;
}

static void mem_random(sp_world *w, void *bytes, size_t n)
{
	uint8_t *p = bytes;
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)next_random(of(w));
}

static void mem_stop(sp_world *w)
{
	of(w)->stopping = true;
}

static void mem_timer_start(sp_world *w, sp_timer *t, uint64_t delay_ns, void (*fn)(sp_timer *t))
{
	sp_heap_remove(&of(w)->timers, &t->node);
	t->fn = fn;
	if (sp_heap_push(&of(w)->timers, &t->node, of(w)->now_ns + delay_ns) != SP_OK)
		SP_ASSERT(sp_heap_push(&of(w)->timers, &t->node, of(w)->now_ns + delay_ns) == SP_OK);
}

static void mem_timer_stop(sp_world *w, sp_timer *t)
{
	sp_heap_remove(&of(w)->timers, &t->node);
}

static void mem_defer_call(sp_world *w, sp_defer *d)
{
	if (sp_list_is_empty(&d->node))
		sp_list_push_back(&of(w)->defers, &d->node);
}

/* ---- streams ---- */

static mem_stream *stream_of(sp_stream *s)
{
	return SP_CONTAINER_OF(s, mem_stream, base);
}

static void stream_read(sp_stream *s, bool on)
{
	stream_of(s)->reading = on;
}

static void stream_write(sp_stream *s, sp_write *req)
{
	s->queued_bytes += sp_write_len(req);
	sp_list_init(&req->node);
	sp_list_push_back(&stream_of(s)->writes, &req->node);
}

static void stream_shutdown(sp_stream *s)
{
	stream_of(s)->shut = true;
}

static void stream_close(sp_stream *s)
{
	SP_ASSERT(!stream_of(s)->closing);
	stream_of(s)->closing = true;
}

static const sp_stream_ops stream_ops = {stream_read, stream_write, stream_shutdown, stream_close, NULL};

void mem_stream_limit(sp_stream *s, size_t piece_max)
{
	stream_of(s)->piece_max = piece_max;
}

static mem_stream *stream_new(mem_world *w)
{
	mem_stream *s = SP_NEW(mem_stream);
	s->base.ops = &stream_ops;
	s->base.world = &w->base;
	s->piece_max = w->piece_max;
	sp_list_init(&s->writes);
	sp_list_init(&s->node);
	sp_list_push_back(&w->streams, &s->node);
	return s;
}

static sp_code mem_stream_pair(sp_world *w, sp_stream *ret[2], sp_err *err)
{
	(void)err;
	mem_stream *a = stream_new(of(w)), *b = stream_new(of(w));
	a->peer = b;
	b->peer = a;
	ret[0] = &a->base;
	ret[1] = &b->base;
	return SP_OK;
}

static void finish_write(mem_stream *s, sp_code code)
{
	sp_write *req = SP_CONTAINER_OF(sp_list_pop_front(&s->writes), sp_write, node);
	s->write_at = 0;
	s->base.queued_bytes -= sp_write_len(req);
	req->done(req, code);
}

/* The bytes of the first write not passed on yet. */
static sp_iov next_piece(const mem_stream *s)
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

static bool tell_end(mem_stream *s)
{
	s->end_told = true;
	s->base.handler->on_end(s->base.arg);
	return true;
}

static bool step_stream(mem_world *w, mem_stream *s)
{
	mem_stream *to = s->peer;
	if (!sp_list_is_empty(&s->writes)) {
		sp_iov piece = next_piece(s);
		if (piece.len == 0 || to == NULL) {
			finish_write(s, to == NULL ? SP_EIO : SP_OK);
			return true;
		}
		if (!to->reading || to->closing || to->piece_max == 0)
			return false;
		size_t n = SP_MIN(piece.len, to->piece_max);
		if (to->piece_max < (size_t)1 << 16)
			n = 1 + next_random(w) % n;
		s->write_at += n;
		to->base.handler->on_data(to->base.arg, piece.ptr, n);
		return true;
	}
	if (s->shut && !s->shut_passed && to != NULL && to->reading && !to->closing) {
		s->shut_passed = true;
		return tell_end(to);
	}
	return to == NULL && s->reading && !s->end_told && tell_end(s);
}

static void end_stream(mem_stream *s)
{
	while (!sp_list_is_empty(&s->writes))
		finish_write(s, SP_ECANCELED);
	if (s->peer != NULL)
		s->peer->peer = NULL;
	sp_list_remove(&s->node);
	if (s->base.handler != NULL && s->base.handler->on_close != NULL)
		s->base.handler->on_close(s->base.arg);
	sp_free(s);
}

/* ---- the loop ---- */

static bool step_all(mem_world *w)
{
	bool any = false;
	sp_list *node;
	while ((node = sp_list_pop_front(&w->defers)) != NULL) {
		sp_defer *d = SP_CONTAINER_OF(node, sp_defer, node);
		d->fn(d);
		any = true;
	}
	SP_LIST_FOREACH (n, &w->streams) {
		mem_stream *s = SP_CONTAINER_OF(n, mem_stream, node);
		if (s->closing) {
			end_stream(s); /* may end or open others: start over */
			return true;
		}
		if (step_stream(w, s))
			return true; /* deferred calls come first */
	}
	sp_heap_node *first = sp_heap_peek(&w->timers);
	if (!any && first != NULL && first->key <= w->now_ns) {
		(void)sp_heap_pop(&w->timers);
		sp_timer *t = SP_CONTAINER_OF(first, sp_timer, node);
		t->fn(t);
		any = true;
	}
	return any;
}

static void mem_run(sp_world *base)
{
	mem_world *w = of(base);
	w->stopping = false;
	while (!w->stopping) {
		if (step_all(w))
			continue;
		const sp_heap_node *first = sp_heap_peek(&w->timers);
		if (first == NULL || first->key > w->until_ns)
			return;
		w->now_ns = SP_MAX(w->now_ns, first->key);
	}
}

static const sp_world_ops ops = {
	.run = mem_run,
	.stop = mem_stop,
	.now_ns = mem_now,
	.clock_ns = mem_now,
	.wall_ns = mem_wall,
	.random = mem_random,
	.timer_start = mem_timer_start,
	.timer_stop = mem_timer_stop,
	.defer_call = mem_defer_call,
	.stream_pair = mem_stream_pair,
};

sp_world *mem_world_new(uint64_t seed, size_t piece_max)
{
	mem_world *w = SP_NEW(mem_world);
	w->base.ops = &ops;
	w->now_ns = 1000000000;
	w->until_ns = UINT64_MAX;
	w->rng = seed;
	w->piece_max = piece_max;
	sp_heap_init(&w->timers);
	sp_list_init(&w->defers);
	sp_list_init(&w->streams);
	return &w->base;
}

void mem_world_free(sp_world *base)
{
	mem_world *w = of(base);
	SP_ASSERT(sp_list_is_empty(&w->streams));
	sp_heap_done(&w->timers);
	sp_free(w);
}

void mem_world_run_until(sp_world *base, uint64_t until_ns)
{
	mem_world *w = of(base);
	w->until_ns = until_ns;
	sp_world_run(base);
	w->now_ns = SP_MAX(w->now_ns, until_ns == UINT64_MAX ? 0 : until_ns);
	w->until_ns = UINT64_MAX;
}
