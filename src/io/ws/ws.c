/* SPDX-License-Identifier: Apache-2.0 */
#include "io/ws/ws.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "io/pump.h"

#define HIGH_BYTES ((size_t)256 << 10)
/* Pongs, and answers that a handler sends without asking whether there is room. */
#define ANSWER_BYTES ((size_t)1 << 20)
#define CLOSE_TIMEOUT_NS (UINT64_C(5) * 1000000000)
#define REASON_MAX 123u

struct sp_ws {
	sp_pump pump;
	sp_ws_core *core;
	sp_ws_conn_opts opts;
	const sp_ws_handler *handler;
	void *arg;
	sp_timer ping, pong, closing;
	bool want_read, ended;
	/* what on_close will say */
	bool have_outcome, have_err;
	uint16_t code;
	uint8_t n_reason;
	char reason[REASON_MAX];
	sp_err err;
};

static void set_outcome(sp_ws *ws, uint16_t code, sp_str reason, const sp_err *err)
{
	if (ws->have_outcome)
		return;
	ws->have_outcome = true;
	ws->code = code;
	ws->n_reason = (uint8_t)SP_MIN(reason.len, (size_t)REASON_MAX);
	if (ws->n_reason > 0)
		memcpy(ws->reason, reason.ptr, ws->n_reason);
	ws->have_err = err != NULL;
	if (err != NULL)
		ws->err = *err;
}

/* Ends the connection; with `drain` after what is queued, within the close deadline. */
static void end(sp_ws *ws, bool drain)
{
	sp_timer_stop(ws->pump.world, &ws->ping);
	sp_timer_stop(ws->pump.world, &ws->pong);
	sp_ws_core_stop(ws->core);
	ws->ended = true;
	if (!drain)
		sp_timer_stop(ws->pump.world, &ws->closing);
	sp_pump_close(&ws->pump, drain);
}

static void fail(sp_ws *ws, sp_code code, const char *why)
{
	sp_err err = {0};
	(void)sp_fail(&err, code, "WebSocket: %s", why);
	set_outcome(ws, SP_WS_ABNORMAL, (sp_str){NULL, 0}, &err);
	end(ws, false);
}

/* ---- timers ---- */

static void on_close_timeout(sp_timer *t)
{
	fail(t->arg, SP_ETIMEOUT, "the peer did not finish the close in time");
}

static void start_close_timer(sp_ws *ws)
{
	if (!sp_timer_is_running(&ws->closing))
		sp_timer_start(ws->pump.world, &ws->closing, ws->opts.close_timeout_ns, on_close_timeout);
}

static void on_pong_timeout(sp_timer *t)
{
	fail(t->arg, SP_ETIMEOUT, "no pong in time");
}

/* The deadline moves with every sign of life, and stands still while we do not read. */
static void restart_pong_timer(sp_ws *ws)
{
	if (ws->opts.pong_timeout_ns == 0 || ws->ended)
		return;
	if (ws->want_read)
		sp_timer_start(ws->pump.world, &ws->pong, ws->opts.pong_timeout_ns, on_pong_timeout);
	else
		sp_timer_stop(ws->pump.world, &ws->pong);
}

static void on_ping_time(sp_timer *t)
{
	sp_ws *ws = t->arg;
	if (sp_ws_core_close_sent(ws->core))
		return;
	/* While our queue is full the peer is busy enough; a ping would only lengthen it. */
	if (!sp_pump_is_full(&ws->pump) && sp_ws_core_ping(ws->core, (sp_str){NULL, 0}, NULL) == SP_OK)
		sp_pump_flush(&ws->pump);
	sp_timer_start(ws->pump.world, t, ws->opts.ping_every_ns, on_ping_time);
}

/* ---- events of the core ---- */

static void core_message(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last)
{
	sp_ws *ws = arg;
	ws->handler->on_message(ws->arg, kind, bytes, n, last);
}

static void core_pong(void *arg, const uint8_t *bytes, size_t n)
{
	(void)arg;
	(void)bytes;
	(void)n; /* any bytes of the peer are a sign of life: see pump_bytes */
}

static void core_closed(void *arg, uint16_t code, sp_str reason, const sp_err *err)
{
	sp_ws *ws = arg;
	set_outcome(ws, code, reason, err);
	start_close_timer(ws);
	if (ws->opts.core.client && err == NULL && !ws->ended) {
		sp_pump_flush(&ws->pump); /* the server ends the connection first (RFC 6455 section 7.1.1) */
		return;
	}
	end(ws, true);
}

static const sp_ws_events core_events = {core_message, core_pong, core_closed};

/* ---- events of the stream ---- */

static void pump_bytes(void *arg, const uint8_t *bytes, size_t n)
{
	sp_ws *ws = arg;
	if (ws->ended)
		return;
	restart_pong_timer(ws);
	sp_ws_core_feed(ws->core, bytes, n);
	if (ws->pump.out.len > 0)
		sp_pump_flush(&ws->pump);
}

static void pump_end(void *arg)
{
	sp_ws *ws = arg;
	sp_ws_core_end(ws->core);
	if (!ws->ended)
		end(ws, true);
}

static void pump_fail(void *arg, const sp_err *err)
{
	sp_ws *ws = arg;
	set_outcome(ws, SP_WS_ABNORMAL, (sp_str){NULL, 0}, err);
	end(ws, false);
}

static void pump_drain(void *arg)
{
	sp_ws *ws = arg;
	if (ws->handler->on_drain != NULL && !sp_ws_core_close_sent(ws->core))
		ws->handler->on_drain(ws->arg);
}

static void pump_close(void *arg)
{
	sp_ws *ws = arg;
	sp_timer_stop(ws->pump.world, &ws->ping);
	sp_timer_stop(ws->pump.world, &ws->pong);
	sp_timer_stop(ws->pump.world, &ws->closing);
	set_outcome(ws, SP_WS_ABNORMAL, (sp_str){NULL, 0}, NULL);
	ws->handler->on_close(ws->arg, ws->code, (sp_str){ws->reason, ws->n_reason},
			      ws->have_err ? &ws->err : NULL);
	sp_pump_done(&ws->pump);
	sp_ws_core_free(ws->core);
	sp_free(ws);
}

static const sp_pump_handler pump_handler = {pump_bytes, pump_end, pump_fail, pump_drain, pump_close};

static void make_mask(void *arg, uint8_t key[4])
{
	sp_random(arg, key, 4);
}

sp_code sp_ws_open(sp_world *w, sp_stream *s, const sp_ws_conn_opts *opts, const sp_ws_handler *h, void *arg,
		   sp_ws **ret, sp_err *err)
{
	sp_ws *ws = sp_try_alloc(sizeof *ws);
	if (ws == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a WebSocket connection");
	ws->opts = *opts;
	if (ws->opts.high_bytes == 0)
		ws->opts.high_bytes = HIGH_BYTES;
	if (ws->opts.limit_bytes == 0)
		ws->opts.limit_bytes =
			ws->opts.high_bytes + ANSWER_BYTES + 2 * SP_LIMIT_WEBSOCKET_MESSAGE_BYTES;
	if (ws->opts.close_timeout_ns == 0)
		ws->opts.close_timeout_ns = CLOSE_TIMEOUT_NS;
	ws->handler = h;
	ws->arg = arg;
	ws->ping.arg = ws->pong.arg = ws->closing.arg = ws;
	sp_pump_marks marks = {ws->opts.high_bytes, ws->opts.high_bytes + ANSWER_BYTES, ws->opts.limit_bytes};
	sp_pump_init(&ws->pump, w, s, &marks, &pump_handler, ws);
	sp_code code =
		sp_ws_core_new(&ws->opts.core, &core_events, ws, make_mask, w, &ws->pump.out, &ws->core, err);
	if (code != SP_OK) {
		sp_pump_done(&ws->pump);
		sp_free(ws);
		return code;
	}
	sp_pump_start(&ws->pump);
	if (ws->opts.ping_every_ns != 0)
		sp_timer_start(w, &ws->ping, ws->opts.ping_every_ns, on_ping_time);
	*ret = ws;
	return SP_OK;
}

void sp_ws_read(sp_ws *ws, bool on)
{
	if (ws->ended || sp_ws_core_close_sent(ws->core))
		return; /* the end of the connection is always read */
	ws->want_read = on;
	restart_pong_timer(ws);
	sp_pump_read(&ws->pump, on);
}

sp_code sp_ws_send(sp_ws *ws, sp_ws_kind kind, const sp_iov *parts, size_t n_parts, sp_err *err)
{
	if (ws->ended)
		return sp_fail(err, SP_ECANCELED, "WebSocket connection is closed");
	sp_code code = sp_ws_core_send(ws->core, kind, parts, n_parts, err);
	if (code == SP_OK) {
		sp_pump_flush(&ws->pump);
	} else if (code != SP_ECANCELED) {
		fail(ws, code, "the send queue is full");
	}
	return code;
}

bool sp_ws_is_full(const sp_ws *ws)
{
	return sp_pump_is_full(&ws->pump);
}

size_t sp_ws_queued(const sp_ws *ws)
{
	return sp_pump_queued(&ws->pump);
}

void sp_ws_close(sp_ws *ws, uint16_t code, sp_str reason)
{
	if (ws->ended || sp_ws_core_close_sent(ws->core))
		return;
	sp_ws_core_close(ws->core, code, reason);
	start_close_timer(ws);
	sp_timer_stop(ws->pump.world, &ws->ping);
	sp_timer_stop(ws->pump.world, &ws->pong);
	sp_pump_read(&ws->pump, true);
	sp_pump_flush(&ws->pump);
}

void sp_ws_abort(sp_ws *ws)
{
	if (!ws->pump.closed)
		fail(ws, SP_ECANCELED, "closed by us");
}
