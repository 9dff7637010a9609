/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http/h2_int.h"

#include "base/alloc.h"
#include "base/num.h"

/* Frames that cost us and bring nothing: what a connection may spend at once, and per second. Ordinary
 * clients cancel a watch now and then; the attacks (rapid reset CVE-2023-44487, made-you-reset CVE-2025-8671,
 * floods of CVE-2019-9512 to 9518) send thousands. */
#define TOKENS_MAX 500u
#define TOKENS_PER_S 100u
/* Queued and not read by the peer: then we do not read it either. */
#define PAUSE_BYTES ((size_t)1 << 20)
/* References one DATA frame can need: 16 KiB in pieces above HTTP_COPY_MAX, cut at both ends. */
#define FRAME_REFS 5u
#define CONTINUATIONS_MAX 16
#define HPACK_TABLE_BYTES 4096
#define DRAIN_BYTES 65536
/* After our last word the peer's end is awaited a little, lest a reset eats the word. */
#define LINGER_NS HTTP_NS_PER_S

void h2_ready(http_ex *ex)
{
	h2_conn *c = h2_of(ex->conn);
	if (sp_list_is_empty(&ex->ready))
		sp_list_push_back(&c->ready, &ex->ready);
	http_conn_schedule(&c->base);
}

void h2_spend(h2_conn *c, int64_t n)
{
	uint64_t now = sp_now_ns(c->base.world);
	uint64_t earned = (now - c->tokens_ns) * TOKENS_PER_S / HTTP_NS_PER_S;
	if (earned > 0) {
		earned = SP_MIN(earned, (uint64_t)TOKENS_MAX);
		c->tokens = SP_MIN(c->tokens + (int64_t)earned, (int64_t)TOKENS_MAX);
		c->tokens_ns = now;
	}
	c->tokens -= n;
	if (c->tokens < 0)
		h2_fail(c, NGHTTP2_ENHANCE_YOUR_CALM);
}

void h2_fail(h2_conn *c, uint32_t code)
{
	if (c->ended && !c->base.draining)
		return;
	c->ended = true;
	(void)nghttp2_session_terminate_session(c->session, code);
}

/* Keeps the counts of exchanges whose progress is watched. */
static void track(h2_conn *c, http_ex *ex)
{
	bool sending = ex->chunks != NULL && !ex->stream_closed;
	bool receiving = !c->client && ex->reading && !ex->in_ended && !ex->stream_closed && ex->head_in;
	if (sending != ex->sending) {
		ex->sending = sending;
		c->n_sending += sending ? 1u : (uint32_t)-1;
		ex->out_ns = sp_now_ns(c->base.world);
	}
	if (receiving != ex->receiving) {
		ex->receiving = receiving;
		c->n_receiving += receiving ? 1u : (uint32_t)-1;
		ex->in_ns = sp_now_ns(c->base.world);
	}
}

void h2_refuse(h2_conn *c, http_ex *ex, uint32_t code, sp_code why, const char *text)
{
	ex->refused = true;
	ex->pub.reset_code = code;
	http_ex_fail(ex, why, text);
	(void)nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, ex->stream_id, code);
	http_conn_schedule(&c->base);
}

/* ---- the exchange's side ---- */

static sp_code op_head(http_ex *ex, const http_head *h, sp_err *err)
{
	SP_TRY(h2_submit_response(h2_of(ex->conn), ex, h, false, err));
	ex->head_out = true;
	http_conn_schedule(ex->conn);
	return SP_OK;
}

static sp_code op_interim(http_ex *ex, const http_head *h, sp_err *err)
{
	SP_TRY(h2_submit_response(h2_of(ex->conn), ex, h, true, err));
	http_conn_schedule(ex->conn);
	return SP_OK;
}

static sp_code op_tunnel(http_ex *ex, const http_head *head, sp_err *err)
{
	http_head h = *head;
	h.status = 200;
	SP_TRY(h2_submit_response(h2_of(ex->conn), ex, &h, false, err));
	ex->head_out = ex->want_tunnel = true;
	ex->pub.status = 200;
	h2_ready(ex);
	return SP_OK;
}

static void op_out(http_ex *ex)
{
	h2_conn *c = h2_of(ex->conn);
	if (ex->stream_closed)
		return;
	if (ex->deferred) {
		ex->deferred = false;
		(void)nghttp2_session_resume_data(c->session, ex->stream_id);
	}
	track(c, ex);
	http_conn_schedule(&c->base);
}

static void op_read(http_ex *ex)
{
	h2_conn *c = h2_of(ex->conn);
	if (ex->reading && ex->expects && !ex->begun && !ex->stream_closed) {
		http_head h = {.status = 100};
		ex->expects = false;
		if (h2_submit_response(c, ex, &h, true, NULL) != SP_OK)
			ex->pub.reset_code = SP_HTTP2_NO_ERROR; /* it was only a hint */
	}
	track(c, ex);
	h2_ready(ex);
}

static void op_consumed(http_ex *ex, size_t n)
{
	if (!ex->stream_closed)
		(void)nghttp2_session_consume_stream(h2_of(ex->conn)->session, ex->stream_id, n);
}

static void op_reset(http_ex *ex)
{
	h2_conn *c = h2_of(ex->conn);
	if (ex->stream_closed)
		h2_ready(ex);
	else
		(void)nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, ex->stream_id,
						ex->pub.reset_code);
	http_conn_schedule(&c->base);
}

const http_ops h2_ops = {
	.head = op_head,
	.interim = op_interim,
	.tunnel = op_tunnel,
	.out = op_out,
	.read = op_read,
	.consumed = op_consumed,
	.reset = op_reset,
};

/* ---- events of the library ---- */

static http_ex *ex_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

static void ex_attach(h2_conn *c, http_ex *ex)
{
	ex->ops = &h2_ops;
	ex->conn = &c->base;
	ex->pub.stream = c->base.stream;
	ex->pub.version = 20;
	sp_list_push_back(&c->exs, &ex->node);
	c->n_open++;
}

static void ex_detach(h2_conn *c, http_ex *ex)
{
	ex->stream_closed = true;
	track(c, ex);
	if (c->cur == ex)
		c->cur = NULL;
	sp_list_remove(&ex->node);
	sp_list_remove(&ex->ready);
	c->n_open--;
	c->since_ns = sp_now_ns(c->base.world);
}

static void ex_end(h2_conn *c, http_ex *ex)
{
	ex_detach(c, ex);
	http_ex_close(ex, NULL);
	if (c->client)
		http_client_room(&c->base);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	h2_conn *c = user;
	int32_t id = frame->hd.stream_id;
	c->cur = NULL;
	if (frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	c->head_ns = sp_now_ns(c->base.world);
	http_ex *ex = ex_of(session, id);
	if (ex == NULL && !c->client && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		ex = http_ex_new(c->base.pool);
		if (ex == NULL || nghttp2_session_set_stream_user_data(session, id, ex) != 0) {
			if (ex != NULL)
				http_ex_close(ex, NULL);
			(void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id,
							NGHTTP2_REFUSED_STREAM);
			return 0;
		}
		ex->stream_id = id;
		ex_attach(c, ex);
	}
	if (ex != NULL)
		ex->trailing = ex->head_in;
	c->cur = ex;
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t n_name,
		     const uint8_t *value, size_t n_value, uint8_t flags, void *user)
{
	(void)session, (void)frame, (void)flags;
	h2_head_field(user, (sp_str){(const char *)name, n_name}, (sp_str){(const char *)value, n_value});
	return 0;
}

/* A client's exchange is over with its response: what it still had to say is not wanted any more. */
static void client_finish(h2_conn *c, http_ex *ex)
{
	bool tunnel = c->client && ex->call->tunnel && ex->pub.status < 300;
	if (!c->client || !ex->end_told || ex->stream_closed || ex->refused || tunnel || http_out_whole(ex))
		return;
	ex->refused = true;
	(void)nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, ex->stream_id, NGHTTP2_NO_ERROR);
}

static void message_end(h2_conn *c, http_ex *ex)
{
	int64_t length = ex->pub.content_length;
	bool sized = !c->client || http_has_body(ex->pub.status, ex->pub.method_id);
	if (ex->refused || ex->why != SP_OK || !ex->head_in)
		return;
	if (sized && length >= 0 && (uint64_t)length != ex->pub.n_body_in) {
		h2_refuse(c, ex, SP_HTTP2_PROTOCOL_ERROR, SP_EPROTO,
			  "the body is shorter than content-length");
		return;
	}
	http_in_end(ex);
	client_finish(c, ex);
	track(c, ex);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	h2_conn *c = user;
	http_ex *ex = frame->hd.stream_id == 0 ? NULL : ex_of(session, frame->hd.stream_id);
	bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
		c->cur = NULL;
		if (ex != NULL) {
			h2_head_done(c, ex, last);
			if (last)
				message_end(c, ex);
		}
		break;
	case NGHTTP2_DATA:
		if (ex != NULL && last)
			message_end(c, ex);
		else if (frame->data.hd.length == frame->data.padlen)
			h2_spend(c, 1); /* an empty one */
		break;
	case NGHTTP2_SETTINGS:
		if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
			c->greeted = true;
			h2_spend(c, 1);
		}
		if (c->client)
			http_client_room(&c->base);
		break;
	case NGHTTP2_PING:
		if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0 && c->ping_earned)
			c->ping_earned = false;
		else if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0)
			h2_spend(c, 1);
		else if (c->base.draining && !c->ended) {
			c->ended = true;
			(void)nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE,
						    nghttp2_session_get_last_proc_stream_id(session),
						    NGHTTP2_NO_ERROR, NULL, 0);
		}
		break;
	case NGHTTP2_GOAWAY:
		c->going = true;
		break;
	case NGHTTP2_WINDOW_UPDATE:
		break;
	default: /* PRIORITY, RST_STREAM */
		h2_spend(c, 1);
		break;
	}
	return 0;
}

/* The library tells frames on closed streams (an error) from those on streams it has reset (still on their
 * way); a stream that was jumped over it takes for one of the latter (RFC 9113 section 5.1.1). */
static bool was_open(const h2_conn *c, int32_t id)
{
	int32_t oldest = c->n_over < OVER_MAX ? 0 : INT32_MAX;
	for (unsigned i = 0; i < SP_MIN(c->n_over, OVER_MAX); i++) {
		if (c->over[i] == id)
			return true;
		oldest = SP_MIN(oldest, c->over[i]);
	}
	return id <= oldest; /* nobody knows any more */
}

static void over_note(h2_conn *c, int32_t id)
{
	c->over[c->n_over % OVER_MAX] = id;
	c->n_over++;
	if (c->n_over == 2 * OVER_MAX)
		c->n_over = OVER_MAX;
}

/* A frame of a type that nobody knows is ignored, as it must be, but not for nothing. */
static int on_unknown(nghttp2_session *session, void **payload, const nghttp2_frame_hd *hd, void *user)
{
	(void)session, (void)payload, (void)hd;
	h2_spend(user, 1);
	return NGHTTP2_ERR_CANCEL;
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user)
{
	h2_conn *c = user;
	if (!c->client && hd->type == NGHTTP2_HEADERS && (hd->stream_id & 1) != 0 &&
	    hd->stream_id <= nghttp2_session_get_last_proc_stream_id(session) &&
	    nghttp2_session_find_stream(session, hd->stream_id) == NULL && !was_open(c, hd->stream_id))
		h2_fail(c, NGHTTP2_PROTOCOL_ERROR);
	return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n,
		    void *user)
{
	h2_conn *c = user;
	(void)flags;
	/* The connection's window is given back at once: an exchange that does not read must not stop the
	 * others; its own window bounds what it holds. */
	(void)nghttp2_session_consume_connection(session, n);
	http_ex *ex = ex_of(session, id);
	if (ex == NULL || ex->refused || ex->why != SP_OK)
		return 0;
	int64_t length = ex->pub.content_length;
	bool sized = !c->client || http_has_body(ex->pub.status, ex->pub.method_id);
	if (!ex->head_in || ex->in_ended || (!sized && n > 0) ||
	    (length >= 0 && n > (uint64_t)length - ex->pub.n_body_in)) {
		h2_refuse(c, ex, SP_HTTP2_PROTOCOL_ERROR, SP_EPROTO, "more body than content-length");
		return 0;
	}
	ex->in_ns = sp_now_ns(c->base.world);
	http_in_body(ex, bytes, n);
	return 0;
}

static int on_stream_closed(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
	h2_conn *c = user;
	http_ex *ex = ex_of(session, id);
	if (!c->client)
		over_note(c, id);
	if (ex == NULL)
		return 0;
	(void)nghttp2_session_set_stream_user_data(session, id, NULL);
	/* A server's whole response is enough: it asks for no more of the request by itself. */
	bool whole = code == NGHTTP2_NO_ERROR && (c->client ? ex->in_ended : ex->begun && http_out_whole(ex));
	if (c->client && code == NGHTTP2_REFUSED_STREAM && ex->why == SP_OK) {
		ex_detach(c, ex);
		if (http_client_again(ex, true))
			return 0;
		ex->pub.reset_code = code;
		http_ex_fail(ex, SP_EUNAVAILABLE, "the server refused the request");
		http_ex_close(ex, NULL);
		return 0;
	}
	if (!whole && ex->why == SP_OK) {
		ex->pub.reset_code = code;
		http_ex_fail(ex, SP_ECANCELED, "reset by the peer");
	}
	ex->stream_closed = true;
	track(c, ex);
	if (c->client && ex->why == SP_OK && !ex->end_told)
		return 0; /* its owner has not read everything yet */
	ex_end(c, ex);
	return 0;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	h2_conn *c = user;
	if (frame->hd.type == NGHTTP2_RST_STREAM) {
		/* Those the peer provoked; a few that our owners ask for do not matter. */
		if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR &&
		    frame->rst_stream.error_code != NGHTTP2_CANCEL)
			h2_spend(c, 1);
		return 0;
	}
	bool data = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
	/* gRPC's libraries measure the path by a PING, one at a time, after data of ours. */
	c->ping_earned = c->ping_earned || data;
	if (!data || c->client || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
		return 0;
	http_ex *ex = ex_of(session, frame->hd.stream_id);
	if (ex == NULL || ex->in_ended)
		return 0;
	/* The response is whole and the request is not: the rest is not wanted (RFC 9113 section 8.1). When
	 * it is little it is dropped instead: some clients forget the response at a reset. */
	int64_t rest = ex->pub.content_length - (int64_t)ex->pub.n_body_in;
	if (!ex->reading && ex->pub.content_length >= 0 && rest <= DRAIN_BYTES) {
		ex->discard = true;
		h2_ready(ex);
	} else if (!ex->reading)
		(void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, ex->stream_id, NGHTTP2_NO_ERROR);
	return 0;
}

static bool has_room(const http_out *o)
{
	return !http_out_is_full(o) && o->batch[o->fill].n_refs + FRAME_REFS <= HTTP_OUT_REFS;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t n,
			nghttp2_data_source *source, void *user)
{
	h2_conn *c = user;
	http_ex *ex = source->ptr;
	http_out *o = &c->base.out;
	(void)session, (void)frame;
	if (!has_room(o))
		return NGHTTP2_ERR_WOULDBLOCK;
	(void)sp_buf_append(http_out_text(o), head, 9); /* sticky: flush looks */
	while (n > 0) {
		const http_chunk *k = ex->chunks;
		size_t m = SP_MIN(n, k->len);
		http_out_body(o, k->owner, k->ptr, m);
		http_chunk_taken(ex, m);
		n -= m;
	}
	ex->out_ns = sp_now_ns(c->base.world);
	(void)http_out_tell(ex);
	track(c, ex);
	return 0;
}

/* ---- the connection's work ---- */

static void end_all(h2_conn *c, const sp_err *why)
{
	while (!sp_list_is_empty(&c->exs)) {
		http_ex *ex = SP_CONTAINER_OF(c->exs.next, http_ex, node);
		(void)nghttp2_session_set_stream_user_data(c->session, ex->stream_id, NULL);
		bool whole = ex->stream_closed; /* it only waited for its owner to read */
		ex_detach(c, ex);
		if (!c->client || whole || !http_client_again(ex, false))
			http_ex_close(ex, why);
	}
}

/* The session is over: a protocol error of either side, or a drained one without exchanges. */
static void drop_all(h2_conn *c)
{
	sp_err err = {0};
	(void)sp_fail(&err, SP_EPROTO, "HTTP/2: the connection was ended");
	c->base.busy = true;
	end_all(c, &err);
	c->base.busy = false;
}

static void kill_all(h2_conn *c, const sp_err *err)
{
	sp_err own = {0};
	c->base.busy = true;
	end_all(c, http_conn_broke(&c->base, err, &own));
	http_conn_close(&c->base);
}

static void update_reading(h2_conn *c)
{
	bool on = !c->base.closing && http_out_queued(&c->base.out) < PAUSE_BYTES;
	if (on == c->reading)
		return;
	c->reading = on;
	sp_stream_read(c->base.stream, on);
}

static void do_ready(h2_conn *c)
{
	sp_list *node;
	while ((node = sp_list_pop_front(&c->ready)) != NULL) {
		http_ex *ex = SP_CONTAINER_OF(node, http_ex, ready);
		if (ex->want_tunnel && ex->why == SP_OK) {
			ex->want_tunnel = false;
			http_tunnel_open(ex);
		}
		http_in_resume(ex);
		client_finish(c, ex);
		track(c, ex);
		if (ex->stream_closed && (ex->end_told || ex->why != SP_OK))
			ex_end(c, ex);
	}
}

static void send_frames(h2_conn *c)
{
	while (has_room(&c->base.out)) {
		const uint8_t *bytes;
		ssize_t n = nghttp2_session_mem_send(c->session, &bytes);
		if (n < 0)
			c->base.out.failed = true;
		if (n <= 0)
			return;
		(void)sp_buf_append(http_out_text(&c->base.out), bytes, (size_t)n); /* sticky */
	}
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a != 0 && (b == 0 || a < b) ? a : b;
}

/*
 * When a stream counts as stalled; 0 = never. One that has failed waits for its RST_STREAM to
 * leave, which the connection's own write limit watches over.
 */
static uint64_t stall_of(const http_ex *ex, const sp_http_limits *l)
{
	if (ex->why != SP_OK)
		return 0;
	uint64_t due = ex->sending ? ex->out_ns + l->write_ns : 0;
	return ex->receiving ? earlier(ex->in_ns + l->body_ns, due) : due;
}

/* When somebody has to be looked at; 0 = never. */
static uint64_t due_of(const h2_conn *c)
{
	const sp_http_limits *l = &c->base.pool->limits;
	uint64_t due = c->base.out.writing ? c->base.out.progress_ns + l->write_ns : 0;
	if (c->shut)
		return c->since_ns + LINGER_NS;
	if (c->cur != NULL)
		due = earlier(c->head_ns + l->header_ns, due);
	if (c->n_open == 0)
		due = earlier(c->since_ns + (c->greeted ? l->idle_ns : l->header_ns), due);
	if (c->n_sending + c->n_receiving > 0) {
		SP_LIST_FOREACH (node, &c->exs)
			due = earlier(stall_of(SP_CONTAINER_OF(node, http_ex, node), l), due);
	}
	if (c->client && c->n_open > 0) {
		uint64_t every = http_client_opts(c->base.origin)->ping_ns;
		due = earlier(c->pinged ? c->ping_ns + every / 2 : c->in_ns + every, due);
	}
	return due;
}

static void on_timer(sp_timer *t);

static void work(h2_conn *c)
{
	if (c->base.closing)
		return;
	c->base.busy = true;
	do {
		do_ready(c);
		send_frames(c);
	} while (!sp_list_is_empty(&c->ready)); /* what sending ended */
	http_out_flush(&c->base.out);
	c->base.busy = false;
	if (c->base.out.failed) {
		kill_all(c, NULL);
		return;
	}
	bool over = nghttp2_session_want_read(c->session) == 0 && nghttp2_session_want_write(c->session) == 0;
	if (over && !c->shut && http_out_is_idle(&c->base.out)) {
		c->shut = true;
		c->since_ns = sp_now_ns(c->base.world);
		drop_all(c);
		sp_stream_shutdown(c->base.stream);
	}
	update_reading(c);
	http_conn_arm(&c->base, due_of(c), on_timer);
}

static void reset_stalled(h2_conn *c, uint64_t now)
{
	const sp_http_limits *l = &c->base.pool->limits;
	SP_LIST_FOREACH (node, &c->exs) {
		http_ex *ex = SP_CONTAINER_OF(node, http_ex, node);
		uint64_t due = stall_of(ex, l);
		if (due == 0 || due > now)
			continue;
		ex->pub.reset_code = SP_HTTP2_CANCEL;
		http_ex_fail(ex, SP_ETIMEOUT,
			     ex->sending ? "the peer does not read" : "the body did not arrive in time");
		op_reset(ex);
	}
}

static void on_timer(sp_timer *t)
{
	h2_conn *c = h2_of(t->arg);
	const sp_http_limits *l = &c->base.pool->limits;
	uint64_t now = sp_now_ns(c->base.world), due = due_of(c);
	sp_err err = {0};
	(void)sp_fail(&err, SP_ETIMEOUT, "HTTP: the connection timed out");
	if (due == 0 || due > now) {
		http_conn_arm(&c->base, due, on_timer);
		return;
	}
	bool dead = c->shut || (c->base.out.writing && c->base.out.progress_ns + l->write_ns <= now);
	if (dead || (c->pinged && c->ping_ns + http_client_opts(c->base.origin)->ping_ns / 2 <= now)) {
		kill_all(c, &err);
		return;
	}
	c->base.busy = true;
	if (c->n_open == 0 || (c->cur != NULL && c->head_ns + l->header_ns <= now)) {
		if (c->ended) {
			kill_all(c, &err);
			return;
		}
		c->ended = true;
		(void)nghttp2_session_terminate_session(c->session, NGHTTP2_NO_ERROR);
		c->since_ns = now;
	}
	reset_stalled(c, now);
	if (c->client && c->n_open > 0 && !c->pinged &&
	    c->in_ns + http_client_opts(c->base.origin)->ping_ns <= now) {
		c->pinged = true;
		c->ping_ns = now;
		(void)nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL);
	}
	c->base.busy = false;
	work(c);
}

static void on_turn(sp_defer *d)
{
	work(h2_of(d->arg));
}

static void on_progress(http_conn *base)
{
	if (!base->closing)
		work(h2_of(base));
}

/* ---- the stream's events ---- */

static void feed(h2_conn *c, const uint8_t *bytes, size_t n)
{
	if (c->base.closing || c->shut)
		return;
	c->in_ns = sp_now_ns(c->base.world);
	c->pinged = false;
	c->base.busy = true;
	ssize_t rc = nghttp2_session_mem_recv(c->session, bytes, n);
	c->base.busy = false;
	if (rc == NGHTTP2_ERR_FLOODED) {
		c->ended = true;
		rc = nghttp2_session_terminate_session(c->session, NGHTTP2_ENHANCE_YOUR_CALM);
	}
	if (rc < 0 && rc != NGHTTP2_ERR_BAD_CLIENT_MAGIC && rc != NGHTTP2_ERR_NOMEM)
		rc = nghttp2_session_terminate_session(c->session, NGHTTP2_INTERNAL_ERROR);
	if (rc < 0) {
		sp_err err = {0};
		(void)sp_fail(&err, SP_EPROTO, "HTTP/2: %s", nghttp2_strerror((int)rc));
		kill_all(c, &err);
		return;
	}
	work(c);
}

static void on_data(void *arg, const uint8_t *bytes, size_t n)
{
	feed(arg, bytes, n);
}

static void on_end(void *arg)
{
	h2_conn *c = arg;
	c->peer_ended = true;
	if (c->base.closing)
		return;
	kill_all(c, NULL);
}

static void on_error(void *arg, const sp_err *err)
{
	h2_conn *c = arg;
	if (!c->base.closing)
		kill_all(c, err);
}

static void on_close(void *arg)
{
	h2_conn *c = arg;
	http_conn_gone(&c->base);
	nghttp2_session_del(c->session);
	if (c->client)
		http_client_lost(&c->base);
	else
		http_server_remove(c->base.server, &c->base);
	sp_free(c);
}

static const sp_stream_handler stream_handler = {on_data, on_end, on_error, on_close};

/* ---- begin ---- */

static int session_new(h2_conn *c)
{
	nghttp2_session_callbacks *cb = NULL;
	nghttp2_option *opt = NULL;
	if (nghttp2_session_callbacks_new(&cb) != 0)
		return NGHTTP2_ERR_NOMEM;
	if (nghttp2_option_new(&opt) != 0) {
		nghttp2_session_callbacks_del(cb);
		return NGHTTP2_ERR_NOMEM;
	}
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_chunk);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_closed);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_sent);
	nghttp2_session_callbacks_set_send_data_callback(cb, on_send_data);
	nghttp2_session_callbacks_set_unpack_extension_callback(cb, on_unknown);
	for (unsigned type = NGHTTP2_CONTINUATION + 1; type <= UINT8_MAX; type++)
		nghttp2_option_set_user_recv_extension_type(opt, (uint8_t)type);
	nghttp2_option_set_no_auto_window_update(opt, 1);
	nghttp2_option_set_no_http_messaging(opt, 1);
	nghttp2_option_set_max_continuations(opt, CONTINUATIONS_MAX);
	nghttp2_option_set_max_deflate_dynamic_table_size(opt, HPACK_TABLE_BYTES);
	/* Ours is stricter, and answers ENHANCE_YOUR_CALM. */
	nghttp2_option_set_stream_reset_rate_limit(opt, UINT64_C(4) * TOKENS_MAX, UINT64_C(4) * TOKENS_PER_S);
	int rc = c->client ? nghttp2_session_client_new2(&c->session, cb, c, opt)
			   : nghttp2_session_server_new2(&c->session, cb, c, opt);
	nghttp2_option_del(opt);
	nghttp2_session_callbacks_del(cb);
	return rc;
}

static int session_greet(h2_conn *c)
{
	const sp_http_limits *l = &c->base.pool->limits;
	nghttp2_settings_entry of_server[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, l->n_streams},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, l->stream_window},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)(l->header_bytes + l->target_bytes)},
		{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
	};
	nghttp2_settings_entry of_client[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, l->stream_window},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)(l->header_bytes + l->target_bytes)},
	};
	int rc = c->client ? nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, of_client,
						     SP_LEN(of_client))
			   : nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, of_server,
						     SP_LEN(of_server));
	if (rc == 0)
		rc = nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0,
							   (int32_t)l->connection_window);
	return rc;
}

static h2_conn *conn_new(http_pool *pool, sp_stream *s, const http_conn_ops *ops, bool client)
{
	h2_conn *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return NULL;
	http_conn_init(&c->base, ops, pool, s, on_turn, on_progress);
	c->client = client;
	sp_list_init(&c->exs);
	sp_list_init(&c->ready);
	c->tokens = TOKENS_MAX;
	c->in_ns = c->since_ns = c->tokens_ns = sp_now_ns(pool->world);
	if (session_new(c) != 0 || session_greet(c) != 0) {
		http_conn_gone(&c->base);
		nghttp2_session_del(c->session);
		sp_free(c);
		return NULL;
	}
	sp_stream_handle(s, &stream_handler, c);
	return c;
}

static void kill_conn(http_conn *base, const sp_err *err)
{
	if (!base->closing)
		kill_all(h2_of(base), err);
}

/* GOAWAY without a limit, and a PING: its answer proves that the client has seen it; then the real one. */
static void drain(http_conn *base)
{
	h2_conn *c = h2_of(base);
	base->draining = c->going = true;
	if (c->client) {
		if (c->n_open == 0)
			(void)nghttp2_session_terminate_session(c->session, NGHTTP2_NO_ERROR);
	} else {
		(void)nghttp2_submit_shutdown_notice(c->session);
		(void)nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL);
	}
	http_conn_schedule(base);
}

static void start(http_conn *base, http_ex *ex)
{
	h2_conn *c = h2_of(base);
	sp_err err = {0};
	ex->call->reused = base->out.progress_ns > 0;
	ex_attach(c, ex);
	if (h2_submit_request(c, ex, &err) != SP_OK) {
		ex_detach(c, ex);
		http_ex_close(ex, &err);
		return;
	}
	ex->head_out = true;
	ex->deferred = false;
	track(c, ex);
	http_conn_schedule(base);
}

static uint32_t room(const http_conn *base)
{
	const h2_conn *c = (const h2_conn *)(const void *)base;
	if (base->closing || c->going || c->ended || base->draining ||
	    nghttp2_session_check_request_allowed(c->session) == 0)
		return 0;
	uint32_t max =
		nghttp2_session_get_remote_settings(c->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
	max = SP_MIN(max, base->pool->limits.n_streams);
	return c->n_open < max ? max - c->n_open : 0;
}

static const http_conn_ops conn_ops = {.drain = drain, .kill = kill_conn, .start = start, .room = room};

sp_code http2_server_start(sp_http_server *s, http_pool *pool, sp_stream *stream, sp_str first, sp_err *err)
{
	h2_conn *c = conn_new(pool, stream, &conn_ops, false);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a connection");
	http_server_add(s, &c->base);
	if (first.len > 0)
		feed(c, (const uint8_t *)first.ptr, first.len);
	else
		work(c);
	return SP_OK;
}

sp_code http2_client_start(struct http_origin *o, http_pool *pool, sp_stream *stream, http_conn **ret,
			   sp_err *err)
{
	h2_conn *c = conn_new(pool, stream, &conn_ops, true);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a connection");
	c->base.origin = o;
	*ret = &c->base;
	work(c);
	return SP_OK;
}
