/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte streams as TCP makes them, from their owner's side; wire.c carries the bytes. What is on the way and
 * unread together is limited: that is the back-pressure. A closed end sends its end after what is on the way,
 * or breaks the connection when it had not read everything. Behaviour is that of io/uv/stream.c.
 */
#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "io/pump.h"
#include "io/sim/stream_int.h"

#define CHUNK_MAX ((size_t)16 << 10)
#define READ_MAX ((size_t)64 << 10)
#define TINY_WINDOW_MAX 2048
#define TINY_WINDOW_PPM 100000u
#define TINY_PIECE 16

static sim_stream *of(sp_stream *s)
{
	return SP_CONTAINER_OF(s, sim_stream, base);
}

sp_stream *sim_stream_base(sim_stream *s)
{
	return &s->base;
}

static bool wants_read(const sim_stream *s)
{
	return s->want_read && !s->ended && !s->failed && !s->closing;
}

void sim_stream_wake(sim_stream *s)
{
	if (s->closing || s->failed || sim_event_is_queued(&s->readable))
		return;
	const sim_half *in = sim_incoming(s);
	bool error =
		s->error_due || (s->reset_errno != 0 && (wants_read(s) || !sp_list_is_empty(&s->writes)));
	if (error || (wants_read(s) && (in->rx_len > 0 || in->fin)))
		sim_event_at(s->world->sim, &s->readable, s->world->sim->now_ns + sim_slow_ns(s->world->sim));
}

static void dirty(sim_stream *s)
{
	if (s->closing || !sp_list_is_empty(&s->turn))
		return;
	sp_list_push_back(&s->world->dirty, &s->turn);
	sim_touch(s->world);
}

static void on_writable(sim_event *e)
{
	sim_stream *s = SP_CONTAINER_OF(e, sim_stream, writable);
	s->blocked = false;
	dirty(s);
}

/* ---- ends ---- */

static void finish_first(sim_stream *s, sp_code code)
{
	sp_write *req = SP_CONTAINER_OF(s->writes.next, sp_write, node);
	sp_list_remove(&req->node);
	s->write_at = 0;
	s->base.queued_bytes -= sp_write_len(req);
	req->done(req, code);
}

static void fail(sim_stream *s, int errnum)
{
	sp_err err = {0};
	s->failed = true;
	s->blocked = s->error_due = false;
	s->write_code = sp_fail_sys(&err, errnum, "read");
	while (!s->closing && !sp_list_is_empty(&s->writes))
		finish_first(s, s->write_code);
	if (!s->closing)
		s->base.handler->on_error(s->base.arg, &err);
}

/* The end leaves its connection and every queue. */
static void detach(sim_stream *s, bool broken)
{
	sim_conn *c = s->conn;
	sim_event *const events[] = {&s->readable, &s->writable, &s->reset, &s->give_up};
	for (size_t i = 0; i < SP_LEN(events); i++)
		sim_event_stop(c->sim, events[i]);
	sp_list_remove(&s->node);
	sp_list_remove(&s->turn);
	if (c->end[1 - s->side] == NULL) {
		c->end[s->side] = NULL;
		sim_conn_free(c);
		return;
	}
	if (broken || sim_incoming(s)->rx_len > 0 || s->reset_errno == ETIMEDOUT)
		sim_reset_send(c, 1 - s->side);
	else if (!s->shut_sent && s->reset_errno == 0)
		sim_chunk_send(&c->half[s->side], sim_chunk_new(0));
	c->end[s->side] = NULL;
}

static void end(sim_stream *s)
{
	while (!sp_list_is_empty(&s->writes))
		finish_first(s, SP_ECANCELED);
	detach(s, false);
	if (s->base.handler->on_close != NULL)
		s->base.handler->on_close(s->base.arg);
	sp_free(s);
}

bool sim_streams_end(sim_world *w)
{
	sp_list *node;
	bool any = false;
	while (!(w->running && w->stopped) && (node = sp_list_pop_front(&w->closing)) != NULL) {
		end(SP_CONTAINER_OF(node, sim_stream, turn));
		any = true;
	}
	return any;
}

void sim_stream_drop(sim_stream *s)
{
	detach(s, true);
	sp_free(s);
}

void sim_streams_cut(sim_world *w)
{
	SP_LIST_FOREACH (n, &w->streams) {
		sim_stream *s = SP_CONTAINER_OF(n, sim_stream, node);
		sim_reset_send(s->conn, 1 - s->side);
		if (s->reset_errno == 0)
			s->reset_errno = ECONNRESET;
		sim_drop_unread(sim_incoming(s));
		sim_stream_wake(s);
	}
}

void sim_streams_forget(sim_world *w)
{
	/* Queued writes are left where they are: their owners are gone too. */
	SP_LIST_FOREACH (n, &w->streams)
		sim_stream_drop(SP_CONTAINER_OF(n, sim_stream, node));
}

/* ---- reading ---- */

static size_t piece_size(sp_sim *s, size_t n)
{
	if (n <= 1 || !sim_chance(s, s->opts.faults.short_io_ppm))
		return n;
	size_t max = (sp_sim_random(s) & 1) != 0 ? SP_MIN(n, (size_t)TINY_PIECE) : n;
	return 1 + sp_sim_random_below(s, max);
}

static void on_readable(sim_event *e)
{
	sim_stream *s = SP_CONTAINER_OF(e, sim_stream, readable);
	sim_half *in = sim_incoming(s);
	if (s->closing || s->failed)
		return;
	if (wants_read(s) && in->rx_len > 0) {
		size_t n = piece_size(s->world->sim, SP_MIN(in->rx_len, READ_MAX));
		const uint8_t *bytes = in->rx + in->rx_at;
		in->rx_at += n;
		in->rx_len -= n;
		sim_room_made(in);
		sim_trace_bytes(s->world->sim, bytes, n);
		s->base.handler->on_data(s->base.arg, bytes, n);
		sim_stream_wake(s);
	} else if (wants_read(s) && in->fin) {
		s->ended = true;
		s->base.handler->on_end(s->base.arg);
		sim_stream_wake(s);
	} else if (s->error_due ||
		   (s->reset_errno != 0 && (wants_read(s) || !sp_list_is_empty(&s->writes)))) {
		fail(s, s->reset_errno);
	}
}

static void stream_read(sp_stream *base, bool on)
{
	sim_stream *s = of(base);
	s->want_read = on;
	if (on)
		sim_stream_wake(s);
}

/* ---- writing ---- */

/* The next n bytes of the queue, copied. */
static void gather(const sim_stream *s, uint8_t *to, size_t n)
{
	size_t skip = s->write_at;
	SP_LIST_FOREACH (node, &s->writes) {
		const sp_write *req = SP_CONTAINER_OF(node, sp_write, node);
		for (size_t i = 0; i < req->n_iov && n > 0; i++) {
			if (skip >= req->iov[i].len) {
				skip -= req->iov[i].len;
				continue;
			}
			size_t part = SP_MIN(n, req->iov[i].len - skip);
			memcpy(to, (const uint8_t *)req->iov[i].ptr + skip, part);
			to += part;
			n -= part;
			skip = 0;
		}
		if (n == 0)
			return;
	}
}

/* n bytes are gone: ends the requests they complete, empty ones too. */
static void advance(sim_stream *s, size_t n)
{
	while (!s->closing && !sp_list_is_empty(&s->writes)) {
		size_t rest = sp_write_len(SP_CONTAINER_OF(s->writes.next, sp_write, node)) - s->write_at;
		if (n < rest) {
			s->write_at += n;
			return;
		}
		n -= rest;
		finish_first(s, SP_OK);
		if (n == 0)
			return;
	}
}

/* What the peer said before it went is still there to be read, and comes before the error. */
static void write_failed(sim_stream *s)
{
	s->write_code = sp_fail_sys(NULL, s->reset_errno, "write");
	s->error_due = true;
	while (!s->closing && !sp_list_is_empty(&s->writes))
		finish_first(s, s->write_code);
	sim_stream_wake(s);
}

static size_t room_of(const sim_stream *s)
{
	const sim_half *out = &s->conn->half[s->side];
	size_t used = out->n_flying + out->rx_len;
	return used < s->conn->window ? s->conn->window - used : 0;
}

/* Sends one piece; false when the stream has to wait. */
static bool send_piece(sim_stream *s)
{
	sp_sim *sim = s->world->sim;
	size_t queued = s->base.queued_bytes - s->write_at, room = room_of(s);
	if (queued > 0 && room == 0) {
		s->blocked = true;
		return false;
	}
	size_t fits = SP_MIN(queued, room), max = SP_MIN(fits, CHUNK_MAX), n = piece_size(sim, max);
	if (n > 0) {
		sim_chunk *c = sim_chunk_new(n);
		gather(s, c->bytes, n);
		sim_chunk_send(&s->conn->half[s->side], c);
	}
	advance(s, n);
	if (n == max)
		return true;
	s->blocked = true; /* a short write: the rest waits for the socket */
	sim_event_at(sim, &s->writable, sim->now_ns + sp_sim_random_below(sim, 100000));
	return false;
}

static void flush(sim_stream *s)
{
	if (s->blocked)
		return;
	while (!s->closing && !sp_list_is_empty(&s->writes)) {
		if (s->write_code != SP_OK || s->shut_sent)
			finish_first(s, s->write_code != SP_OK ? s->write_code : SP_EINVAL);
		else if (s->reset_errno != 0)
			write_failed(s);
		else if (!send_piece(s))
			return;
	}
	if (s->closing || !s->shut_wanted || s->shut_sent || !sp_list_is_empty(&s->writes))
		return;
	s->shut_sent = true;
	if (s->reset_errno == 0)
		sim_chunk_send(&s->conn->half[s->side], sim_chunk_new(0));
}

bool sim_streams_flush(sim_world *w)
{
	if (sp_list_is_empty(&w->dirty))
		return false;
	sp_list mark; /* what becomes dirty meanwhile waits for the next round */
	sp_list_push_back(&w->dirty, &mark);
	while (!(w->running && w->stopped) && w->dirty.next != &mark) {
		sim_stream *s = SP_CONTAINER_OF(w->dirty.next, sim_stream, turn);
		sp_list_remove(&s->turn);
		flush(s);
	}
	sp_list_remove(&mark);
	return true;
}

static void stream_write(sp_stream *base, sp_write *req)
{
	sim_stream *s = of(base);
	SP_ASSERT(req->n_iov <= SP_WRITE_IOV_MAX);
	s->base.queued_bytes += sp_write_len(req);
	sp_list_push_back(&s->writes, &req->node);
	if (s->blocked && s->reset_errno != 0)
		s->blocked = false;
	if (!s->blocked)
		dirty(s);
}

static void stream_shutdown(sp_stream *base)
{
	of(base)->shut_wanted = true;
	dirty(of(base));
}

static void stream_close(sp_stream *base)
{
	sim_stream *s = of(base);
	if (s->closing)
		return;
	s->closing = true;
	sp_list_remove(&s->turn);
	sp_list_push_back(&s->world->closing, &s->turn);
	sim_touch(s->world);
}

void sim_stream_close_node(sp_list *node)
{
	stream_close(&SP_CONTAINER_OF(node, sim_stream, node)->base);
}

static sp_code stream_peer_cred(sp_stream *base, sp_peer_cred *ret, sp_err *err)
{
	if (!of(base)->is_unix)
		return sp_fail(err, SP_EUNSUPPORTED, "not a unix socket: no credentials of the peer");
	*ret = (sp_peer_cred){.pid = of(base)->peer_pid};
	return SP_OK;
}

/* ---- making them ---- */

static const sp_stream_ops stream_ops = {
	.read = stream_read,
	.write = stream_write,
	.shutdown = stream_shutdown,
	.close = stream_close,
	.peer_cred = stream_peer_cred,
};

void sim_stream_name(sim_stream *s, const char *local, const char *remote, bool is_unix)
{
	(void)snprintf(s->base.local, sizeof s->base.local, "%s", local);    /* may be cut */
	(void)snprintf(s->base.remote, sizeof s->base.remote, "%s", remote); /* may be cut */
	s->is_unix = is_unix;
}

static void init_end(sim_stream *s, sim_conn *c, unsigned side, sim_world *w, const sim_world *peer)
{
	s->base.ops = &stream_ops;
	s->base.world = &w->base;
	s->base.handler = &sp_stream_no_handler;
	s->world = w;
	s->conn = c;
	s->side = side;
	s->peer_pid = peer->pid;
	sim_event_init(&s->readable, w, SIM_READABLE, on_readable);
	sim_event_init(&s->writable, w, SIM_WRITABLE, on_writable);
	sim_wire_init(s);
	sp_list_init(&s->writes);
	sp_list_init(&s->turn);
	sp_list_init(&s->node);
	sp_list_push_back(&w->streams, &s->node);
	c->end[side] = s;
	c->host[side] = w->host;
}

sp_code sim_conn_new(sim_world *a, sim_world *b, sim_stream *ret[2], sp_err *err)
{
	sim_stream *s = sp_try_alloc(sizeof *s), *t = sp_try_alloc(sizeof *t);
	sim_conn *c = sp_try_alloc(sizeof *c);
	if (s == NULL || t == NULL || c == NULL) {
		sp_free(s);
		sp_free(t);
		sp_free(c);
		return sp_fail(err, SP_ENOMEM, "no memory for a stream");
	}
	c->sim = a->sim;
	c->window = a->sim->opts.window_bytes;
	if (a->sim->opts.faults.short_io_ppm > 0 && sim_chance(a->sim, TINY_WINDOW_PPM))
		c->window = 1 + sp_sim_random_below(a->sim, TINY_WINDOW_MAX);
	init_end(s, c, 0, a, b);
	init_end(t, c, 1, b, a);
	sp_list_init(&c->node);
	sp_list_push_back(&a->sim->conns, &c->node);
	ret[0] = s;
	ret[1] = t;
	return SP_OK;
}

void sim_conns_widen(sp_sim *s)
{
	SP_LIST_FOREACH (n, &s->conns) {
		sim_conn *c = SP_CONTAINER_OF(n, sim_conn, node);
		c->window = s->opts.window_bytes;
		sim_room_made(&c->half[0]);
		sim_room_made(&c->half[1]);
	}
}

sp_code sim_stream_pair(sp_world *base, sp_stream *ret[2], sp_err *err)
{
	sim_stream *ends[2] = {NULL, NULL};
	SP_TRY(sim_conn_new(sim_of(base), sim_of(base), ends, err));
	for (size_t i = 0; i < 2; i++) {
		SP_ASSERT(ends[i] != NULL);
		sim_stream_name(ends[i], "", "", true);
		ret[i] = &ends[i]->base;
	}
	return SP_OK;
}
