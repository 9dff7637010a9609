/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of a session as sp_stream. */
#include "base/alloc.h"
#include "io/spdy/session_int.h"

static spdy_stream *of(sp_stream *s)
{
	return SP_CONTAINER_OF(s, spdy_stream, base);
}

static void later(spdy_stream *st)
{
	sp_defer_call(st->base.world, &st->turn);
}

/* ---- receiving ---- */

static void give_back(spdy_stream *st, size_t n)
{
	if (st->cs == NULL)
		return;
	sp_spdy_core_consumed(st->session->core, st->cs, n);
	sp_pump_flush(&st->session->pump);
}

static void tell_end(spdy_stream *st)
{
	if (st->closing || st->rx.len > 0 || st->base.handler == &sp_stream_no_handler)
		return; /* a later owner hears of it when it starts to read */
	if (st->fin_came && st->reading && !st->fin_told) {
		st->fin_told = true;
		st->base.handler->on_end(st->base.arg);
		if (st->end == SPDY_END_ERROR && !st->closing)
			later(st);
	} else if (st->end == SPDY_END_ERROR && !st->error_told) {
		st->error_told = true;
		st->base.handler->on_error(st->base.arg, &st->end_err);
	}
}

/* Hands over what waited. The handler may stop reading or close in between. */
static void deliver(spdy_stream *st)
{
	if (st->rx.len > 0 && st->reading && !st->closing) {
		sp_buf rx = st->rx;
		sp_buf_init(&st->rx, rx.limit_bytes);
		st->session->buffered_bytes -= rx.len;
		st->base.handler->on_data(st->base.arg, (const uint8_t *)rx.ptr, rx.len);
		give_back(st, rx.len);
		sp_buf_done(&rx);
		spdy_update_reading(st->session);
	}
	tell_end(st);
}

void spdy_stream_on_data(spdy_stream *st, const uint8_t *bytes, size_t n)
{
	if (st->closing)
		return;
	if (st->reading && st->rx.len == 0) {
		st->base.handler->on_data(st->base.arg, bytes, n);
		give_back(st, n);
		return;
	}
	if (sp_buf_append(&st->rx, bytes, n) != SP_OK) {
		sp_err err = {0};
		(void)sp_fail(&err, SP_ENOMEM, "no memory for what a SPDY stream did not read");
		st->session->buffered_bytes -= SP_MIN(st->session->buffered_bytes, st->rx.len);
		sp_spdy_core_reset(st->session->core, st->cs, SP_SPDY_INTERNAL_ERROR);
		spdy_stream_end(st, &err);
		return;
	}
	st->session->buffered_bytes += n;
	spdy_update_reading(st->session);
}

void spdy_stream_end(spdy_stream *st, const sp_err *err)
{
	if (st->end == SPDY_END_ERROR || (st->end == SPDY_END_FIN && err == NULL))
		return;
	st->end = err == NULL ? SPDY_END_FIN : SPDY_END_ERROR;
	st->fin_came = st->fin_came || err == NULL;
	if (err != NULL)
		st->end_err = *err;
	later(st);
}

static void op_read(sp_stream *s, bool on)
{
	spdy_stream *st = of(s);
	st->reading = on;
	if (on && !st->closing && (st->rx.len > 0 || st->end != SPDY_END_NONE))
		later(st);
}

/* ---- sending ---- */

static void finish_write(spdy_stream *st, sp_write *req, sp_code code)
{
	size_t n = 0;
	for (size_t i = 0; i < req->n_iov; i++)
		n += req->iov[i].len;
	st->base.queued_bytes -= n;
	req->done(req, code);
}

static bool has_work(const spdy_stream *st)
{
	return !sp_list_is_empty(&st->writes) || (st->want_fin && !st->fin_sent);
}

/* The piece of the first write that comes next. */
static sp_iov next_piece(spdy_stream *st)
{
	sp_write *req = SP_CONTAINER_OF(st->writes.next, sp_write, node);
	size_t skip = st->write_at;
	for (size_t i = 0; i < req->n_iov; i++) {
		if (skip < req->iov[i].len)
			return (sp_iov){(const uint8_t *)req->iov[i].ptr + skip, req->iov[i].len - skip};
		skip -= req->iov[i].len;
	}
	return (sp_iov){NULL, 0};
}

static void pop_write(spdy_stream *st)
{
	sp_list *node = sp_list_pop_front(&st->writes);
	sp_list_push_back(&st->sent, node);
	st->write_at = 0;
	later(st);
}

typedef enum spdy_turn { TURN_DONE, TURN_MORE, TURN_BLOCKED, TURN_FAILED } spdy_turn;

/* One stream's turn: up to one DATA frame's worth. */
static spdy_turn take_turn(spdy_stream *st, sp_err *err)
{
	size_t budget = SP_SPDY_DATA_BYTES_MAX;
	while (!sp_list_is_empty(&st->writes)) {
		sp_iov piece = next_piece(st);
		if (piece.len == 0) {
			pop_write(st);
			continue;
		}
		if (budget == 0)
			return TURN_MORE;
		size_t taken = 0, want = SP_MIN(piece.len, budget);
		if (sp_spdy_core_data(st->session->core, st->cs, piece.ptr, want, false, &taken, err) !=
		    SP_OK)
			return TURN_FAILED;
		st->write_at += taken;
		budget -= taken;
		if (taken < want)
			return TURN_BLOCKED; /* on_window goes on */
	}
	if (st->want_fin && !st->fin_sent) {
		size_t taken = 0;
		st->fin_sent = true;
		if (sp_spdy_core_data(st->session->core, st->cs, NULL, 0, true, &taken, err) != SP_OK)
			return TURN_FAILED;
	}
	return TURN_DONE;
}

/* Nothing more can be sent: what waits is told so. */
static void drop_writes(spdy_stream *st)
{
	sp_list_remove(&st->sender);
	st->want_fin = false;
	later(st);
}

static bool can_send(const spdy_stream *st)
{
	return st->cs != NULL && !st->closing && !sp_spdy_core_is_stopped(st->session->core) &&
	       !sp_spdy_cs_is_closed(st->cs);
}

void spdy_senders_run(sp_spdy *y)
{
	sp_err err = {0};
	while (!sp_list_is_empty(&y->senders) && !sp_pump_is_full(&y->pump)) {
		spdy_stream *st = SP_CONTAINER_OF(sp_list_pop_front(&y->senders), spdy_stream, sender);
		if (!can_send(st)) {
			drop_writes(st);
			continue;
		}
		spdy_turn turn = take_turn(st, &err);
		if (turn == TURN_MORE)
			sp_list_push_back(&y->senders, &st->sender);
		else if (turn == TURN_FAILED && sp_buf_code(&y->pump.out) != SP_OK)
			spdy_session_fail(y, &err);
		else if (turn == TURN_FAILED)
			drop_writes(st);
	}
	sp_pump_flush(&y->pump);
}

void spdy_stream_want_send(spdy_stream *st)
{
	if (!has_work(st))
		return;
	if (!can_send(st)) {
		drop_writes(st);
		return;
	}
	if (sp_list_is_empty(&st->sender))
		sp_list_push_back(&st->session->senders, &st->sender);
	later(st);
}

static void op_write(sp_stream *s, sp_write *req)
{
	spdy_stream *st = of(s);
	for (size_t i = 0; i < req->n_iov; i++)
		s->queued_bytes += req->iov[i].len;
	sp_list_init(&req->node);
	sp_list_push_back(&st->writes, &req->node);
	spdy_stream_want_send(st);
}

static void op_shutdown(sp_stream *s)
{
	spdy_stream *st = of(s);
	st->want_fin = true;
	sp_err err = {0};
	/* With nothing before it the end goes at once, so that a close right after does not overtake it. */
	if (sp_list_is_empty(&st->writes) && !st->fin_sent && can_send(st) &&
	    take_turn(st, &err) == TURN_DONE)
		sp_pump_flush(&st->session->pump);
	else
		spdy_stream_want_send(st);
}

/* ---- the end ---- */

static void op_close(sp_stream *s)
{
	spdy_stream *st = of(s);
	if (st->closing)
		return;
	st->closing = true;
	sp_list_remove(&st->sender);
	sp_spdy *y = st->session;
	if (st->cs != NULL) {
		sp_spdy_core_release(y->core, st->cs);
		st->cs = NULL;
		sp_pump_flush(&y->pump);
	}
	y->buffered_bytes -= st->rx.len;
	sp_buf_done(&st->rx);
	sp_buf_init(&st->rx, 0);
	spdy_update_reading(y);
	later(st);
}

static void run_dones(spdy_stream *st)
{
	sp_list *node;
	while ((node = sp_list_pop_front(&st->sent)) != NULL)
		finish_write(st, SP_CONTAINER_OF(node, sp_write, node), SP_OK);
	if (can_send(st))
		return;
	sp_code code = st->closing || st->end != SPDY_END_ERROR ? SP_ECANCELED : st->end_err.code;
	while ((node = sp_list_pop_front(&st->writes)) != NULL)
		finish_write(st, SP_CONTAINER_OF(node, sp_write, node), code);
}

static void on_turn(sp_defer *d)
{
	spdy_stream *st = d->arg;
	spdy_senders_run(st->session);
	run_dones(st);
	if (!st->closing)
		deliver(st);
	if (!st->closing)
		return;
	run_dones(st);
	sp_spdy *y = st->session;
	sp_list_remove(&st->node); /* on_close may end the session, which visits its streams */
	if (st->base.handler != NULL && st->base.handler->on_close != NULL)
		st->base.handler->on_close(st->base.arg);
	sp_defer_cancel(&st->turn);
	sp_buf_done(&st->rx);
	sp_free(st);
	spdy_maybe_free(y);
}

static const sp_stream_ops stream_ops = {op_read, op_write, op_shutdown, op_close, NULL};

spdy_stream *spdy_stream_make(sp_spdy *y, sp_spdy_cs *cs)
{
	spdy_stream *st = sp_try_alloc(sizeof *st);
	if (st == NULL)
		return NULL;
	st->base.ops = &stream_ops;
	st->base.world = y->pump.world;
	st->base.handler = &sp_stream_no_handler;
	memcpy(st->base.local, y->pump.stream->local, sizeof st->base.local);
	memcpy(st->base.remote, y->pump.stream->remote, sizeof st->base.remote);
	st->session = y;
	st->cs = cs;
	sp_list_init(&st->sender);
	sp_list_init(&st->writes);
	sp_list_init(&st->sent);
	sp_buf_init(&st->rx, 2 * y->opts.buffer_bytes_max + ((size_t)1 << 20));
	sp_defer_init(&st->turn, on_turn, st);
	sp_list_init(&st->node);
	sp_list_push_back(&y->streams, &st->node);
	sp_spdy_cs_set_user(cs, st);
	return st;
}

sp_code sp_spdy_reply(sp_stream *s, const sp_spdy_header *headers, size_t n, sp_err *err)
{
	spdy_stream *st = of(s);
	if (!can_send(st))
		return sp_fail(err, SP_ECANCELED, "SPDY stream is closed");
	SP_TRY(sp_spdy_core_reply(st->session->core, st->cs, headers, n, false, err));
	sp_pump_flush(&st->session->pump);
	return SP_OK;
}

void sp_spdy_reset(sp_stream *s, uint32_t status)
{
	spdy_stream *st = of(s);
	if (st->cs == NULL)
		return;
	sp_spdy_core_reset(st->session->core, st->cs, status);
	drop_writes(st);
	sp_pump_flush(&st->session->pump);
}

uint32_t sp_spdy_stream_id(const sp_stream *s)
{
	const spdy_stream *st = (const spdy_stream *)(const void *)s;
	return st->cs == NULL ? 0 : sp_spdy_cs_id(st->cs);
}

sp_str sp_spdy_stream_header(const sp_stream *s, sp_str name)
{
	const spdy_stream *st = (const spdy_stream *)(const void *)s;
	return st->cs == NULL ? (sp_str){NULL, 0} : sp_spdy_headers_get(sp_spdy_cs_block(st->cs), name);
}

sp_str sp_spdy_stream_block(const sp_stream *s)
{
	const spdy_stream *st = (const spdy_stream *)(const void *)s;
	return st->cs == NULL ? (sp_str){NULL, 0} : sp_spdy_cs_block(st->cs);
}
