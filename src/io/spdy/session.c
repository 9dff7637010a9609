/* SPDX-License-Identifier: Apache-2.0 */
/* The connection of a session. */
#include "io/spdy/session.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "io/spdy/session_int.h"

#define HIGH_BYTES ((size_t)256 << 10)
/* Answers to control frames come on top of data: half of this, then the peer is not read. One read of input
 * makes less than the other half of answers. */
#define CONTROL_ROOM_BYTES ((size_t)4 << 20)
#define BUFFER_BYTES ((size_t)1 << 20)

void spdy_update_reading(sp_spdy *y)
{
	if (!y->ending)
		sp_pump_read(&y->pump, y->buffered_bytes < y->opts.buffer_bytes_max);
}

void spdy_maybe_free(sp_spdy *y)
{
	if (!y->transport_gone || !sp_list_is_empty(&y->streams))
		return;
	sp_pump_done(&y->pump);
	sp_spdy_core_free(y->core);
	sp_free(y);
}

/* Ends all streams and the connection; err NULL = in order. */
static void end(sp_spdy *y, const sp_err *err, bool drain)
{
	if (y->ending) {
		if (!drain)
			sp_pump_close(&y->pump, false);
		return;
	}
	y->ending = true;
	sp_timer_stop(y->pump.world, &y->ping);
	sp_timer_stop(y->pump.world, &y->pong);
	if (err != NULL) {
		y->have_err = true;
		y->err = *err;
	}
	sp_spdy_core_stop(y->core);
	sp_err over = {0};
	(void)sp_fail(&over, SP_ECANCELED, "SPDY session is over");
	SP_LIST_FOREACH (node, &y->streams) {
		spdy_stream *st = SP_CONTAINER_OF(node, spdy_stream, node);
		/* Whoever still wants to send on a stream whose peer ended it must hear that it is over. */
		spdy_stream_end(st, err == NULL && st->end == SPDY_END_FIN && !st->fin_sent ? &over : err);
		spdy_stream_want_send(st); /* what waits is told */
	}
	sp_pump_close(&y->pump, drain);
}

void spdy_session_fail(sp_spdy *y, const sp_err *err)
{
	end(y, err, false);
}

/* ---- events of the core ---- */

static spdy_stream *stream_of(const sp_spdy_cs *cs)
{
	return sp_spdy_cs_user(cs);
}

static void core_stream(void *arg, sp_spdy_cs *cs)
{
	sp_spdy *y = arg;
	spdy_stream *st = spdy_stream_make(y, cs);
	if (st == NULL) {
		sp_spdy_core_reset(y->core, cs, SP_SPDY_INTERNAL_ERROR);
		sp_spdy_core_release(y->core, cs);
		return;
	}
	if (sp_spdy_cs_remote_closed(cs))
		spdy_stream_end(st, NULL);
	y->handler->on_stream(y->arg, &st->base, sp_spdy_cs_block(cs));
}

static void core_reply(void *arg, sp_spdy_cs *cs, sp_str block)
{
	sp_spdy *y = arg;
	if (y->handler->on_reply != NULL)
		y->handler->on_reply(y->arg, &stream_of(cs)->base, block);
}

static void core_data(void *arg, sp_spdy_cs *cs, const uint8_t *bytes, size_t n)
{
	(void)arg;
	spdy_stream_on_data(stream_of(cs), bytes, n);
}

static void core_fin(void *arg, sp_spdy_cs *cs)
{
	(void)arg;
	spdy_stream_end(stream_of(cs), NULL);
}

static void core_reset(void *arg, sp_spdy_cs *cs, uint32_t status)
{
	(void)arg;
	sp_err err = {0};
	(void)sp_fail(&err, status == SP_SPDY_REFUSED_STREAM ? SP_EUNAVAILABLE : SP_ECANCELED,
		      "SPDY stream %u was reset (status %u)", sp_spdy_cs_id(cs), status);
	spdy_stream_end(stream_of(cs), &err);
	spdy_stream_want_send(stream_of(cs));
}

static void core_window(void *arg, sp_spdy_cs *cs)
{
	(void)arg;
	spdy_stream_want_send(stream_of(cs));
}

static void core_goaway(void *arg, uint32_t status)
{
	sp_spdy *y = arg;
	if (y->handler->on_goaway != NULL)
		y->handler->on_goaway(y->arg, status);
}

static void core_failed(void *arg, const sp_err *err)
{
	end(arg, err, true);
}

static const sp_spdy_events core_events = {core_stream, core_reply,  NULL, core_data,   core_fin,
					   core_reset,  core_window, NULL, core_goaway, core_failed};

/* ---- events of the connection ---- */

static void on_pong_timeout(sp_timer *t)
{
	sp_err err = {0};
	(void)sp_fail(&err, SP_ETIMEOUT, "SPDY: no answer to a ping in time");
	end(t->arg, &err, false);
}

static void restart_pong_timer(sp_spdy *y)
{
	if (y->opts.pong_timeout_ns == 0 || y->ending)
		return;
	sp_timer_start(y->pump.world, &y->pong, y->opts.pong_timeout_ns, on_pong_timeout);
}

static void on_ping_time(sp_timer *t)
{
	sp_spdy *y = t->arg;
	uint32_t id = 0;
	if (!sp_pump_is_full(&y->pump) && sp_spdy_core_ping(y->core, &id, NULL) == SP_OK)
		sp_pump_flush(&y->pump);
	/* While streams hold the connection back we would not see the answer. */
	if (!y->pump.reading)
		restart_pong_timer(y);
	sp_timer_start(y->pump.world, t, y->opts.ping_every_ns, on_ping_time);
}

static void pump_bytes(void *arg, const uint8_t *bytes, size_t n)
{
	sp_spdy *y = arg;
	restart_pong_timer(y);
	sp_spdy_core_feed(y->core, bytes, n);
	if (y->pump.out.len > 0)
		sp_pump_flush(&y->pump);
}

static void pump_end(void *arg)
{
	end(arg, NULL, true);
}

static void pump_fail(void *arg, const sp_err *err)
{
	end(arg, err, false);
}

static void pump_drain(void *arg)
{
	spdy_senders_run(arg);
}

static void pump_close(void *arg)
{
	sp_spdy *y = arg;
	y->transport_gone = true;
	y->handler->on_close(y->arg, y->have_err ? &y->err : NULL);
	spdy_maybe_free(y);
}

static const sp_pump_handler pump_handler = {pump_bytes, pump_end, pump_fail, pump_drain, pump_close};

/* ---- interface ---- */

sp_code sp_spdy_open(sp_world *w, sp_stream *transport, const sp_spdy_conn_opts *opts,
		     const sp_spdy_handler *h, void *arg, sp_spdy **ret, sp_err *err)
{
	sp_spdy *y = sp_try_alloc(sizeof *y);
	if (y == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a SPDY session");
	y->opts = *opts;
	if (y->opts.high_bytes == 0)
		y->opts.high_bytes = HIGH_BYTES;
	if (y->opts.buffer_bytes_max == 0)
		y->opts.buffer_bytes_max = BUFFER_BYTES;
	y->handler = h;
	y->arg = arg;
	y->ping.arg = y->pong.arg = y;
	sp_list_init(&y->streams);
	sp_list_init(&y->senders);
	sp_pump_marks marks = {y->opts.high_bytes, y->opts.high_bytes + CONTROL_ROOM_BYTES / 2,
			       y->opts.high_bytes + CONTROL_ROOM_BYTES};
	sp_pump_init(&y->pump, w, transport, &marks, &pump_handler, y);
	sp_code code = sp_spdy_core_new(&y->opts.core, &core_events, y, &y->pump.out, &y->core, err);
	if (code != SP_OK) {
		sp_pump_done(&y->pump);
		sp_free(y);
		return code;
	}
	sp_pump_start(&y->pump);
	sp_pump_read(&y->pump, true);
	sp_pump_flush(&y->pump);
	if (y->opts.ping_every_ns != 0)
		sp_timer_start(w, &y->ping, y->opts.ping_every_ns, on_ping_time);
	*ret = y;
	return SP_OK;
}

static void finish(sp_spdy *y, bool drain)
{
	if (y->ending && drain)
		return;
	sp_err err = {0};
	(void)sp_fail(&err, SP_ECANCELED, "SPDY session was closed");
	if (drain)
		sp_spdy_core_goaway(y->core, 0);
	bool had_err = y->have_err || y->ending;
	end(y, &err, drain);
	if (!had_err)
		y->have_err = false; /* our own close is orderly */
}

void sp_spdy_close(sp_spdy *y)
{
	finish(y, true);
}

void sp_spdy_abort(sp_spdy *y)
{
	finish(y, false);
}

void sp_spdy_goaway(sp_spdy *y)
{
	if (y->ending)
		return;
	sp_spdy_core_goaway(y->core, 0);
	sp_pump_flush(&y->pump);
}

size_t sp_spdy_n_streams(const sp_spdy *y)
{
	return sp_spdy_core_n_open(y->core);
}

sp_code sp_spdy_stream_open(sp_spdy *y, const sp_spdy_header *headers, size_t n, bool fin, sp_stream **ret,
			    sp_err *err)
{
	sp_spdy_cs *cs = NULL;
	SP_TRY(sp_spdy_core_open(y->core, headers, n, fin, &cs, err));
	spdy_stream *st = spdy_stream_make(y, cs);
	if (st == NULL) {
		sp_spdy_core_release(y->core, cs);
		sp_pump_flush(&y->pump);
		return sp_fail(err, SP_ENOMEM, "no memory for a SPDY stream");
	}
	st->fin_sent = fin;
	sp_pump_flush(&y->pump);
	*ret = &st->base;
	return SP_OK;
}
