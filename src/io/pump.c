/* SPDX-License-Identifier: Apache-2.0 */
#include "io/pump.h"

/* A buffer that grew beyond this for a burst is given back when it is empty. */
#define KEEP_BYTES ((size_t)4 << 10)

static void update_reading(sp_pump *p)
{
	if (p->closed || p->failed)
		return;
	bool on = p->want_read && !p->want_close && !p->paused;
	if (on == p->reading)
		return;
	p->reading = on;
	sp_stream_read(p->stream, on);
}

static void recycle(sp_buf *b)
{
	size_t limit = b->limit_bytes;
	if (b->cap <= KEEP_BYTES) {
		sp_buf_clear(b);
		return;
	}
	sp_buf_done(b);
	sp_buf_init(b, limit);
}

static void close_now(sp_pump *p)
{
	if (p->closed)
		return;
	p->closed = true;
	sp_defer_cancel(&p->turn);
	sp_stream_close(p->stream);
}

static void on_written(sp_write *req, sp_code code);

static void start_write(sp_pump *p)
{
	if (p->writing || p->closed || p->failed)
		return;
	if (p->out.len > 0) {
		sp_buf swap = p->flying;
		p->flying = p->out;
		p->out = swap;
		p->writing = true;
		p->req = (sp_write){.n_iov = 1, .done = on_written, .arg = p};
		p->req.iov[0] = (sp_iov){p->flying.ptr, p->flying.len};
		sp_stream_write(p->stream, &p->req);
		return;
	}
	if (p->want_close) {
		close_now(p);
	} else if (p->want_shutdown && !p->shutdown_sent) {
		p->shutdown_sent = true;
		sp_stream_shutdown(p->stream);
	}
}

static void on_written(sp_write *req, sp_code code)
{
	sp_pump *p = req->arg;
	p->writing = false;
	recycle(&p->flying);
	if (p->closed)
		return;
	if (code != SP_OK &&
	    p->want_close) { /* on_error tells the owner; a draining close has no reason to wait */
		close_now(p);
		return;
	}
	start_write(p);
	if (p->paused && sp_pump_queued(p) <= p->marks.pause_bytes / 2) {
		p->paused = false;
		update_reading(p);
	}
	if (p->above_high && sp_pump_queued(p) <= p->marks.high_bytes / 2) {
		p->above_high = false;
		if (p->handler->on_drain != NULL && !p->want_close)
			p->handler->on_drain(p->arg);
	}
}

static void on_turn(sp_defer *d)
{
	start_write(d->arg);
}

static void on_data(void *arg, const uint8_t *bytes, size_t n)
{
	sp_pump *p = arg;
	if (!p->closed && !p->want_close)
		p->handler->on_bytes(p->arg, bytes, n);
}

static void on_end(void *arg)
{
	sp_pump *p = arg;
	if (!p->closed && !p->want_close)
		p->handler->on_end(p->arg);
}

static void on_error(void *arg, const sp_err *err)
{
	sp_pump *p = arg;
	if (p->closed || p->failed)
		return;
	p->failed = true;
	if (p->want_close)
		close_now(p);
	else
		p->handler->on_fail(p->arg, err);
}

static void on_close(void *arg)
{
	sp_pump *p = arg;
	p->handler->on_close(p->arg);
}

static const sp_stream_handler stream_handler = {on_data, on_end, on_error, on_close};

void sp_pump_init(sp_pump *p, sp_world *w, sp_stream *s, const sp_pump_marks *marks, const sp_pump_handler *h,
		  void *arg)
{
	*p = (sp_pump){.world = w, .stream = s, .handler = h, .arg = arg, .marks = *marks};
	sp_buf_init(&p->out, marks->limit_bytes);
	sp_buf_init(&p->flying, marks->limit_bytes);
	sp_defer_init(&p->turn, on_turn, p);
}

void sp_pump_start(sp_pump *p)
{
	sp_stream_handle(p->stream, &stream_handler, p);
}

void sp_pump_done(sp_pump *p)
{
	sp_defer_cancel(&p->turn);
	sp_buf_done(&p->out);
	sp_buf_done(&p->flying);
}

void sp_pump_read(sp_pump *p, bool on)
{
	p->want_read = on;
	update_reading(p);
}

void sp_pump_flush(sp_pump *p)
{
	if (p->closed || p->failed)
		return;
	if (sp_pump_is_full(p))
		p->above_high = true;
	if (!p->paused && sp_pump_queued(p) >= p->marks.pause_bytes) {
		p->paused = true;
		update_reading(p);
	}
	if (!p->writing)
		sp_defer_call(p->world, &p->turn);
}

void sp_pump_shutdown(sp_pump *p)
{
	p->want_shutdown = true;
	sp_pump_flush(p);
}

void sp_pump_close(sp_pump *p, bool drain)
{
	if (p->closed)
		return;
	p->want_close = true;
	if (!drain || p->failed) {
		close_now(p);
		return;
	}
	update_reading(p);
	if (!p->writing)
		sp_defer_call(p->world, &p->turn);
}

static void ignore_data(void *arg, const uint8_t *bytes, size_t n)
{
	(void)arg;
	(void)bytes;
	(void)n;
}

static void ignore_end(void *arg)
{
	(void)arg;
}

static void ignore_error(void *arg, const sp_err *err)
{
	(void)arg;
	(void)err;
}

const sp_stream_handler sp_stream_no_handler = {ignore_data, ignore_end, ignore_error, NULL};
