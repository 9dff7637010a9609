/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/flow.h"

#include "base/defs.h"

#define PAUSE_NS UINT64_C(300000000)

static uint8_t pattern(uint64_t i, uint8_t salt)
{
	return (uint8_t)(i * 7 + (i >> 8) * 3 + salt);
}

static void expect(flow *f, bool ok)
{
	f->n_wrong += !ok;
}

static void write_more(flow *f);

static void on_done(sp_write *req, sp_code code)
{
	flow *f = req->arg;
	expect(f, f->writing && !f->closed);
	f->writing = false;
	if (code == SP_OK)
		write_more(f);
}

static void finish(flow *f)
{
	if (f->stream != NULL && (f->failed || (f->ended && f->n_sent == f->n_to_send && !f->writing)))
		sp_stream_close(f->stream);
}

static void write_more(flow *f)
{
	if (f->failed)
		return;
	if (f->n_sent == f->n_to_send) {
		sp_stream_shutdown(f->stream);
		finish(f);
		return;
	}
	size_t n = (size_t)SP_MIN((uint64_t)FLOW_BLOCK, f->n_to_send - f->n_sent);
	for (size_t i = 0; i < n; i++)
		f->block[i] = pattern(f->n_sent + i, f->salt_out);
	f->n_sent += n;
	f->writing = true;
	f->req = (sp_write){.iov = {{f->block, n / 3}, {f->block, 0}, {f->block + n / 3, n - n / 3}},
			    .n_iov = 3,
			    .done = on_done,
			    .arg = f};
	sp_stream_write(f->stream, &f->req);
}

static void on_resume(sp_timer *t)
{
	flow *f = t->arg;
	if (f->stream != NULL)
		sp_stream_read(f->stream, true);
}

static void on_data(void *arg, const uint8_t *bytes, size_t n)
{
	flow *f = arg;
	expect(f, n > 0 && !f->ended && !f->failed && !f->closed && !sp_timer_is_running(&f->resume));
	for (size_t i = 0; i < n; i++)
		expect(f, bytes[i] == pattern(f->n_got + i, f->salt_in));
	f->n_got += n;
	if (f->n_pause != 0 && f->n_got >= f->n_pause) {
		f->n_pause = 0;
		sp_stream_read(f->stream, false);
		sp_timer_start(f->world, &f->resume, PAUSE_NS, on_resume);
	}
}

static void on_end(void *arg)
{
	flow *f = arg;
	expect(f, !f->ended && !f->failed && !f->closed);
	f->ended = true;
	finish(f);
}

static void on_error(void *arg, const sp_err *err)
{
	flow *f = arg;
	expect(f, !f->failed && !f->closed && err->code != SP_OK);
	f->failed = true;
	f->code = err->code;
	finish(f);
}

static void on_close(void *arg)
{
	flow *f = arg;
	expect(f, !f->closed && !f->writing);
	f->closed = true;
	f->stream = NULL;
	sp_timer_stop(f->world, &f->resume);
}

void flow_start(flow *f, sp_world *w, sp_stream *s, uint64_t n_to_send, uint8_t salt_out, uint8_t salt_in)
{
	static const sp_stream_handler handler = {on_data, on_end, on_error, on_close};
	uint64_t n_pause = f->n_pause;
	*f = (flow){.world = w,
		    .stream = s,
		    .n_to_send = n_to_send,
		    .n_pause = n_pause,
		    .salt_out = salt_out,
		    .salt_in = salt_in};
	f->resume.arg = f;
	sp_stream_handle(s, &handler, f);
	sp_stream_read(s, true);
	write_more(f);
}
