/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte streams as TCP makes them. A connection has two directions; each carries chunks that arrive in order
 * after a latency, then wait unread. What is on the way and unread together is limited: that is the
 * back-pressure. A closed end sends its end after what is on the way, or breaks the connection when it had
 * not read everything. Behaviour towards the owner is that of io/uv/stream.c.
 */
#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "io/pump.h"
#include "io/sim/sim_int.h"

#define CHUNK_MAX ((size_t)16 << 10)
#define READ_MAX ((size_t)64 << 10)
#define TINY_WINDOW_MAX 2048
#define TINY_WINDOW_PPM 100000u
#define TINY_PIECE 16

typedef struct chunk {
	sp_list node;
	uint64_t at_ns;
	size_t len;
	bool fin;
	uint8_t bytes[];
} chunk;

typedef struct sim_conn sim_conn;

typedef struct half {
	sim_conn *conn;
	unsigned from; /* index of the end that writes */
	sp_list chunks;
	size_t n_flying;
	uint64_t last_ns;
	sim_event arrival; /* of the first chunk */
	bool stalled;
	bool broken; /* a chunk was lost: nothing behind it counts */
	uint8_t *rx; /* arrived, unread */
	size_t rx_at, rx_len, rx_cap;
	bool fin;
} half;

struct sim_stream {
	sp_stream base;
	sp_list node; /* of the world's streams */
	sp_list turn; /* of its dirty or closing ones */
	sim_world *world;
	sim_conn *conn;
	unsigned side;
	sp_list writes;
	size_t write_at;
	bool want_read, shut_wanted, shut_sent, blocked, ended, failed, closing;
	bool error_due; /* a write failed: the owner is told after what is unread */
	int reset_errno;
	sp_code write_code;
	sim_event readable, writable, reset, give_up;
	bool is_unix;
	int64_t peer_pid;
};

struct sim_conn {
	sp_list node;
	sp_sim *sim;
	sp_sim_host *host[2];
	sim_stream *end[2]; /* NULL: gone */
	half half[2];
	size_t window;
	bool lost_reset[2]; /* towards this end, while parted */
};

static sim_stream *of(sp_stream *s)
{
	return SP_CONTAINER_OF(s, sim_stream, base);
}

sp_stream *sim_stream_base(sim_stream *s)
{
	return &s->base;
}

static half *incoming(const sim_stream *s)
{
	return &s->conn->half[1 - s->side];
}

static uint64_t latency(const sim_conn *c)
{
	return sim_latency_ns(c->sim, c->host[0], c->host[1]);
}

static bool is_parted(const sim_conn *c)
{
	return sim_is_cut(c->sim, c->host[0], c->host[1]);
}

static bool wants_read(const sim_stream *s)
{
	return s->want_read && !s->ended && !s->failed && !s->closing;
}

/* Something to tell the owner. */
static void wake(sim_stream *s)
{
	if (s->closing || s->failed || sim_event_is_queued(&s->readable))
		return;
	const half *in = incoming(s);
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

/* ---- the wire ---- */

static void arm_arrival(half *h)
{
	if (sp_list_is_empty(&h->chunks) || sim_event_is_queued(&h->arrival) || h->stalled)
		return;
	const chunk *first = SP_CONTAINER_OF(h->chunks.next, chunk, node);
	sim_event_at(h->conn->sim, &h->arrival, first->at_ns);
}

/* An empty chunk is the end of the direction. */
static chunk *chunk_new(size_t len)
{
	chunk *c = sp_alloc(sizeof *c + len);
	c->len = len;
	c->fin = len == 0;
	sp_list_init(&c->node);
	return c;
}

static void send_chunk(half *h, chunk *c)
{
	sp_sim *s = h->conn->sim;
	uint64_t at = s->now_ns + latency(h->conn);
	c->at_ns = SP_MAX(at, h->last_ns) + c->len * UINT64_C(1000000000) / s->opts.bytes_per_s;
	h->last_ns = c->at_ns;
	h->n_flying += c->len;
	sp_list_push_back(&h->chunks, &c->node);
	arm_arrival(h);
}

static void drop_chunks(half *h)
{
	sp_list *node;
	sim_event_stop(h->conn->sim, &h->arrival);
	while ((node = sp_list_pop_front(&h->chunks)) != NULL)
		sp_free(SP_CONTAINER_OF(node, chunk, node));
	h->n_flying = 0;
}

static void send_reset(sim_conn *c, unsigned to)
{
	sim_stream *s = c->end[to];
	if (s != NULL && s->reset_errno == 0 && !sim_event_is_queued(&s->reset))
		sim_event_at(c->sim, &s->reset, c->sim->now_ns + latency(c));
}

static void take_chunk(half *h, const chunk *c)
{
	if (c->fin) {
		h->fin = true;
		return;
	}
	if (h->rx_at > 0 && h->rx_len > 0)
		memmove(h->rx, h->rx + h->rx_at, h->rx_len);
	h->rx_at = 0;
	if (h->rx_len + c->len > h->rx_cap) {
		size_t cap = SP_MAX(h->rx_cap * 2, h->rx_len + c->len);
		uint8_t *grown = sp_alloc(cap);
		if (h->rx_len > 0)
			memcpy(grown, h->rx, h->rx_len);
		sp_free(h->rx);
		h->rx = grown;
		h->rx_cap = cap;
	}
	memcpy(h->rx + h->rx_len, c->bytes, c->len);
	h->rx_len += c->len;
}

static void on_arrival(sim_event *e)
{
	half *h = SP_CONTAINER_OF(e, half, arrival);
	sim_conn *conn = h->conn;
	sim_stream *to = conn->end[1 - h->from];
	if (is_parted(conn)) {
		h->stalled = true;
		return;
	}
	if (to == NULL || to->reset_errno != 0) {
		const chunk *last = SP_CONTAINER_OF(h->chunks.prev, chunk, node);
		if (!last->fin || last->node.prev != &h->chunks)
			send_reset(conn, h->from); /* bytes nobody takes */
		drop_chunks(h);
		return;
	}
	chunk *c = SP_CONTAINER_OF(h->chunks.next, chunk, node);
	sp_list_remove(&c->node);
	h->n_flying -= c->len;
	if (h->broken || sim_chance(conn->sim, conn->sim->opts.faults.reset_ppm)) {
		h->broken = true;
		send_reset(conn, 0);
		send_reset(conn, 1);
	} else {
		take_chunk(h, c);
		wake(to);
	}
	sp_free(c);
	arm_arrival(h);
}

/* Unread bytes are lost, and with them the end behind them. */
static void drop_unread(half *h)
{
	h->rx_len = 0;
	h->fin = false;
}

static void on_reset(sim_event *e)
{
	sim_stream *s = SP_CONTAINER_OF(e, sim_stream, reset);
	sim_conn *c = s->conn;
	if (is_parted(c)) {
		c->lost_reset[s->side] = true;
		return;
	}
	if (s->reset_errno != 0)
		return;
	s->reset_errno = ECONNRESET;
	if ((sp_sim_random(c->sim) & 1) != 0)
		drop_unread(incoming(s));
	wake(s);
}

static void on_give_up(sim_event *e)
{
	sim_stream *s = SP_CONTAINER_OF(e, sim_stream, give_up);
	if (s->reset_errno == 0)
		s->reset_errno = ETIMEDOUT;
	wake(s);
}

static void on_writable(sim_event *e)
{
	sim_stream *s = SP_CONTAINER_OF(e, sim_stream, writable);
	s->blocked = false;
	dirty(s);
}

static void room_made(half *h)
{
	sim_stream *from = h->conn->end[h->from];
	if (from != NULL && from->blocked && !sim_event_is_queued(&from->writable))
		sim_event_at(h->conn->sim, &from->writable, h->conn->sim->now_ns + latency(h->conn));
}

/* ---- ends ---- */

static size_t write_len(const sp_write *req)
{
	size_t n = 0;
	for (size_t i = 0; i < req->n_iov; i++)
		n += req->iov[i].len;
	return n;
}

static void finish_first(sim_stream *s, sp_code code)
{
	sp_write *req = SP_CONTAINER_OF(s->writes.next, sp_write, node);
	sp_list_remove(&req->node);
	s->write_at = 0;
	s->base.queued_bytes -= write_len(req);
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

static void conn_free(sim_conn *c)
{
	for (unsigned i = 0; i < 2; i++) {
		drop_chunks(&c->half[i]);
		sp_free(c->half[i].rx);
	}
	sp_list_remove(&c->node);
	sp_free(c);
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
		conn_free(c);
		return;
	}
	if (broken || incoming(s)->rx_len > 0 || s->reset_errno == ETIMEDOUT)
		send_reset(c, 1 - s->side);
	else if (!s->shut_sent && s->reset_errno == 0)
		send_chunk(&c->half[s->side], chunk_new(0));
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
		send_reset(s->conn, 1 - s->side);
		if (s->reset_errno == 0)
			s->reset_errno = ECONNRESET;
		drop_unread(incoming(s));
		wake(s);
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
	half *in = incoming(s);
	if (s->closing || s->failed)
		return;
	if (wants_read(s) && in->rx_len > 0) {
		size_t n = piece_size(s->world->sim, SP_MIN(in->rx_len, READ_MAX));
		const uint8_t *bytes = in->rx + in->rx_at;
		in->rx_at += n;
		in->rx_len -= n;
		room_made(in);
		sim_trace_bytes(s->world->sim, bytes, n);
		s->base.handler->on_data(s->base.arg, bytes, n);
		wake(s);
	} else if (wants_read(s) && in->fin) {
		s->ended = true;
		s->base.handler->on_end(s->base.arg);
		wake(s);
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
		wake(s);
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
		size_t rest = write_len(SP_CONTAINER_OF(s->writes.next, sp_write, node)) - s->write_at;
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
	wake(s);
}

static size_t room_of(const sim_stream *s)
{
	const half *out = &s->conn->half[s->side];
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
		chunk *c = chunk_new(n);
		gather(s, c->bytes, n);
		send_chunk(&s->conn->half[s->side], c);
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
		send_chunk(&s->conn->half[s->side], chunk_new(0));
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
	s->base.queued_bytes += write_len(req);
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
	sim_event_init(&s->reset, w, SIM_RESET, on_reset);
	sim_event_init(&s->give_up, w, SIM_RESET, on_give_up);
	sp_list_init(&s->writes);
	sp_list_init(&s->turn);
	sp_list_init(&s->node);
	sp_list_push_back(&w->streams, &s->node);
	c->end[side] = s;
	c->host[side] = w->host;
	half *h = &c->half[side];
	h->conn = c;
	h->from = side;
	sp_list_init(&h->chunks);
	sim_event_init(&h->arrival, w, SIM_ARRIVAL, on_arrival);
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

/* ---- faults ---- */

static bool is_between(const sim_conn *c, const sp_sim_host *a, const sp_sim_host *b)
{
	return (c->host[0] == a && c->host[1] == b) || (c->host[0] == b && c->host[1] == a);
}

void sim_conns_parted(sp_sim *s, const sp_sim_host *a, const sp_sim_host *b)
{
	uint64_t wait = s->opts.give_up_ns;
	SP_LIST_FOREACH (n, &s->conns) {
		sim_conn *c = SP_CONTAINER_OF(n, sim_conn, node);
		for (unsigned i = 0; i < 2 && is_between(c, a, b); i++) {
			if (c->end[i] != NULL)
				sim_event_at(s, &c->end[i]->give_up,
					     s->now_ns + wait + sp_sim_random_below(s, wait));
		}
	}
}

void sim_conns_healed(sp_sim *s, const sp_sim_host *a, const sp_sim_host *b)
{
	SP_LIST_FOREACH (n, &s->conns) {
		sim_conn *c = SP_CONTAINER_OF(n, sim_conn, node);
		for (unsigned i = 0; i < 2 && is_between(c, a, b); i++) {
			half *h = &c->half[i];
			if (c->end[i] != NULL)
				sim_event_stop(s, &c->end[i]->give_up);
			if (h->stalled) {
				h->stalled = false;
				sim_event_at(s, &h->arrival, s->now_ns + latency(c));
			}
			if (c->lost_reset[i]) {
				c->lost_reset[i] = false;
				send_reset(c, i);
			}
		}
	}
}

void sp_sim_reset_streams(sp_sim_host *a, sp_sim_host *b)
{
	SP_LIST_FOREACH (n, &a->sim->conns) {
		sim_conn *c = SP_CONTAINER_OF(n, sim_conn, node);
		for (unsigned i = 0; i < 2 && is_between(c, a, b); i++)
			send_reset(c, i);
	}
}
