/* SPDX-License-Identifier: Apache-2.0 */
#include "io/spdy/translate.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/limits.h"
#include "io/pump.h"
#include "io/spdy/remote.h"

#define CREATE_TIMEOUT_NS (UINT64_C(30) * 1000000000)
#define STDIN_HIGH_BYTES ((size_t)256 << 10)
#define STATUS_BYTES_MAX ((size_t)1 << 20)

/* One stream of the upstream and its channel. */
typedef struct leg {
	sp_translate *t;
	sp_stream *stream; /* NULL: not asked for, or gone */
	uint8_t channel;
	bool accepted, ended, paused;
} leg;

struct sp_translate {
	sp_world *world;
	sp_translate_opts opts;
	void (*done)(void *arg, const sp_err *err);
	void *arg;
	sp_ws *ws;     /* NULL once gone */
	sp_spdy *spdy; /* NULL once gone */
	leg legs[SP_CHANNEL_COUNT];
	sp_buf status;  /* what came on the error stream */
	sp_buf scratch; /* one message */
	sp_timer create;
	size_t n_waiting; /* streams not accepted yet */
	bool finished, ws_paused;
	bool have_err;
	sp_err err;
};

static const char *const stream_types[SP_CHANNEL_COUNT] = {"stdin", "stdout", "stderr", "error", "resize"};
/* client-go's order */
static const uint8_t opening_order[] = {SP_CHANNEL_ERROR, SP_CHANNEL_STDIN, SP_CHANNEL_STDOUT,
					SP_CHANNEL_STDERR, SP_CHANNEL_RESIZE};

static void note_err(sp_translate *t, const sp_err *err)
{
	if (t->have_err || err == NULL)
		return;
	t->have_err = true;
	t->err = *err;
}

static void maybe_done(sp_translate *t)
{
	if (t->ws != NULL || t->spdy != NULL)
		return;
	for (size_t i = 0; i < SP_CHANNEL_COUNT; i++) {
		if (t->legs[i].stream != NULL)
			return;
	}
	sp_timer_stop(t->world, &t->create);
	sp_buf_done(&t->status);
	sp_buf_done(&t->scratch);
	t->done(t->arg, t->have_err ? &t->err : NULL);
	sp_free(t);
}

/* The upstream's side is over: its streams and its connection go. */
static void end_upstream(sp_translate *t)
{
	for (size_t i = 0; i < SP_CHANNEL_COUNT; i++) {
		if (t->legs[i].stream != NULL)
			sp_stream_close(t->legs[i].stream);
	}
	if (t->spdy != NULL)
		sp_spdy_close(t->spdy);
}

/* ---- towards the client ---- */

static sp_code send_channel(sp_translate *t, uint8_t channel, sp_str bytes, sp_err *err)
{
	uint8_t head = 0;
	sp_iov parts[2];
	sp_ws_kind kind = SP_WS_BINARY;
	if (t->ws == NULL)
		return sp_fail(err, SP_ECANCELED, "the client is gone");
	SP_TRY(sp_channel_encode(t->opts.protocol, channel, bytes, &head, &t->scratch, parts, &kind, err));
	return sp_ws_send(t->ws, kind, parts, 2, err);
}

/* Before v4 there is no status: a failure is its text, a success nothing. U: kubelet v1WriteStatusFunc. */
static sp_code send_plain_status(sp_translate *t, sp_str status, sp_err *err)
{
	sp_arena a;
	yyjson_val *v = NULL;
	sp_arena_init(&a, 2 * STATUS_BYTES_MAX);
	(void)!sp_json_parse(&a, status, &v, NULL);
	sp_str text = sp_json_str(sp_json_last(v, SP_STR("message")));
	bool failed = !sp_str_eq(sp_json_str(sp_json_last(v, SP_STR("status"))), SP_STR("Success"));
	sp_code code = failed ? send_channel(t, SP_CHANNEL_ERROR, text.len > 0 ? text : status, err) : SP_OK;
	sp_arena_done(&a);
	return code;
}

/* The status to the client, then the end of both sides. */
static void finish(sp_translate *t, sp_str status)
{
	if (t->finished)
		return;
	t->finished = true;
	sp_timer_stop(t->world, &t->create);
	sp_err err = {0};
	if (t->ws != NULL) {
		sp_code code = t->opts.protocol->status_json ? send_channel(t, SP_CHANNEL_ERROR, status, &err)
							     : send_plain_status(t, status, &err);
		if (code != SP_OK)
			note_err(t, &err);
		sp_ws_close(t->ws, SP_WS_NORMAL, (sp_str){NULL, 0});
	}
	end_upstream(t);
}

static void fail(sp_translate *t, const sp_err *err)
{
	if (t->finished)
		return;
	note_err(t, err);
	sp_buf_clear(&t->status);
	sp_str status =
		SP_STR("{\"metadata\":{},\"status\":\"Failure\",\"reason\":\"InternalError\",\"code\":500}");
	if (sp_remote_status_internal(&t->status, sp_str_c(err->msg)) == SP_OK)
		status = sp_buf_view(&t->status);
	finish(t, status);
}

/* All output and the status are here: the order that clients rely on. */
static void maybe_finish(sp_translate *t)
{
	static const uint8_t outputs[] = {SP_CHANNEL_STDOUT, SP_CHANNEL_STDERR, SP_CHANNEL_ERROR};
	for (size_t i = 0; i < SP_LEN(outputs); i++) {
		const leg *l = &t->legs[outputs[i]];
		if (l->stream != NULL && !l->ended)
			return;
	}
	bool said = t->status.len > 0;
	finish(t, said ? sp_buf_view(&t->status) : SP_STR("{\"metadata\":{},\"status\":\"Success\"}"));
}

static void resume_outputs(sp_translate *t)
{
	for (size_t i = 0; i < SP_CHANNEL_COUNT; i++) {
		leg *l = &t->legs[i];
		if (l->paused && l->stream != NULL) {
			l->paused = false;
			sp_stream_read(l->stream, true);
		}
	}
}

static void leg_data(void *arg, const uint8_t *bytes, size_t n)
{
	leg *l = arg;
	sp_translate *t = l->t;
	sp_err err = {0};
	if (t->finished)
		return;
	if (l->channel == SP_CHANNEL_ERROR) {
		if (sp_buf_append(&t->status, bytes, n) != SP_OK) {
			(void)sp_fail(&err, SP_ETOOLARGE, "the status of the command is too large");
			fail(t, &err);
		}
		return;
	}
	if (send_channel(t, l->channel, (sp_str){(const char *)bytes, n}, &err) != SP_OK) {
		fail(t, &err);
		return;
	}
	if (sp_ws_is_full(t->ws)) {
		l->paused = true;
		sp_stream_read(l->stream, false);
	}
}

static void leg_end(void *arg)
{
	leg *l = arg;
	l->ended = true;
	maybe_finish(l->t);
}

static void leg_error(void *arg, const sp_err *err)
{
	leg *l = arg;
	if (l->ended)
		return; /* it gave all it had; that it takes no more is nothing new */
	l->ended = true;
	fail(l->t, err);
}

static void leg_close(void *arg)
{
	leg *l = arg;
	l->stream = NULL;
	maybe_done(l->t);
}

static const sp_stream_handler leg_handler = {leg_data, leg_end, leg_error, leg_close};

/* ---- towards the upstream ---- */

typedef struct piece {
	sp_write req;
	leg *to;
	char bytes[];
} piece;

static void on_written(sp_write *req, sp_code code)
{
	piece *p = SP_CONTAINER_OF(req, piece, req);
	leg *to = p->to;
	sp_free(p);
	(void)code;
	sp_translate *t = to->t;
	if (t->ws_paused && to->stream != NULL && sp_stream_queued(to->stream) <= STDIN_HIGH_BYTES / 2) {
		t->ws_paused = false;
		if (t->ws != NULL)
			sp_ws_read(t->ws, true);
	}
}

static void write_leg(leg *to, sp_str bytes)
{
	sp_translate *t = to->t;
	if (to->stream == NULL || t->finished || bytes.len == 0)
		return;
	piece *p = sp_try_alloc(sizeof *p + bytes.len); /* a message is bounded */
	if (p == NULL) {
		sp_err err = {0};
		(void)sp_fail(&err, SP_ENOMEM, "no memory for input of %zu bytes", bytes.len);
		fail(t, &err);
		return;
	}
	memcpy(p->bytes, bytes.ptr, bytes.len);
	p->to = to;
	p->req = (sp_write){.n_iov = 1, .done = on_written};
	p->req.iov[0] = (sp_iov){p->bytes, bytes.len};
	sp_stream_write(to->stream, &p->req);
	if (!t->ws_paused && sp_stream_queued(to->stream) > STDIN_HIGH_BYTES) {
		t->ws_paused = true;
		sp_ws_read(t->ws, false);
	}
}

static void ws_message(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last)
{
	sp_translate *t = arg;
	(void)kind;
	(void)last;
	sp_channel_event ev = {0};
	sp_err err = {0};
	sp_str message = {(const char *)bytes, n};
	sp_code code = sp_channel_decode(t->opts.protocol, SP_CHANNEL_COUNT, message, &t->scratch, &ev, &err);
	if (code == SP_EINVAL) /* upstream drops what is not base64 and goes on */
		return;
	if (code != SP_OK) {
		fail(t, &err);
		return;
	}
	bool input = ev.channel == SP_CHANNEL_STDIN || ev.channel == SP_CHANNEL_RESIZE;
	if (ev.kind == SP_CHANNEL_DATA && input)
		write_leg(&t->legs[ev.channel], ev.bytes);
	else if (ev.kind == SP_CHANNEL_END && ev.channel == SP_CHANNEL_STDIN && t->legs[0].stream != NULL)
		sp_stream_shutdown(t->legs[0].stream);
}

static void ws_drain(void *arg)
{
	resume_outputs(arg);
}

static void ws_close(void *arg, uint16_t code, sp_str reason, const sp_err *err)
{
	sp_translate *t = arg;
	t->ws = NULL;
	if (!t->finished) {
		sp_err gone = {0};
		(void)sp_fail(&gone, SP_ECANCELED, "the client closed the connection (%u '" SP_FMT "')", code,
			      SP_ARG(reason));
		note_err(t, err != NULL ? err : &gone);
		t->finished = true;
		end_upstream(t);
	}
	maybe_done(t);
}

static const sp_ws_handler ws_handler = {ws_message, ws_drain, ws_close};

/* ---- the upstream's session ---- */

/* Clients take the first message, an empty one on the first output, as the sign that the command is set up.
 */
static void greet(sp_translate *t)
{
	sp_err err = {0};
	uint8_t channel = t->opts.out   ? SP_CHANNEL_STDOUT
			  : t->opts.err ? SP_CHANNEL_STDERR
					: SP_CHANNEL_ERROR;
	if (send_channel(t, channel, (sp_str){NULL, 0}, &err) != SP_OK)
		fail(t, &err);
}

static void spdy_stream(void *arg, sp_stream *s, sp_str block)
{
	(void)arg;
	(void)block;
	sp_spdy_reset(s, SP_SPDY_REFUSED_STREAM); /* an upstream opens none */
	sp_stream_close(s);
}

static void spdy_reply(void *arg, sp_stream *s, sp_str block)
{
	sp_translate *t = arg;
	(void)block;
	leg *l = s->arg;
	if (l->accepted)
		return;
	l->accepted = true;
	if (--t->n_waiting == 0)
		sp_timer_stop(t->world, &t->create);
}

static void spdy_close(void *arg, const sp_err *err)
{
	sp_translate *t = arg;
	t->spdy = NULL;
	if (!t->finished && err != NULL)
		fail(t, err);
	maybe_done(t);
}

static const sp_spdy_handler spdy_handler = {spdy_stream, spdy_reply, NULL, spdy_close};

static void on_create_timeout(sp_timer *timer)
{
	sp_err err = {0};
	(void)sp_fail(&err, SP_ETIMEOUT, "timed out waiting for the upstream to accept streams");
	fail(timer->arg, &err);
}

static bool wanted(const sp_translate_opts *o, uint8_t channel)
{
	switch (channel) {
	case SP_CHANNEL_STDIN:
		return o->in;
	case SP_CHANNEL_STDOUT:
		return o->out;
	case SP_CHANNEL_STDERR:
		return o->err && !o->tty;
	case SP_CHANNEL_RESIZE:
		return o->tty;
	default:
		return true;
	}
}

static sp_code open_legs(sp_translate *t, sp_err *err)
{
	for (size_t i = 0; i < SP_LEN(opening_order); i++) {
		leg *l = &t->legs[opening_order[i]];
		if (!wanted(&t->opts, l->channel))
			continue;
		sp_spdy_header h = {SP_STR("streamtype"), sp_str_c(stream_types[l->channel])};
		SP_TRY(sp_spdy_stream_open(t->spdy, &h, 1, false, &l->stream, err));
		sp_stream_handle(l->stream, &leg_handler, l);
		sp_stream_read(l->stream, true);
		t->n_waiting++;
	}
	return SP_OK;
}

/* The upstream's connection is ours but nothing stands on it yet. */
static void drop_upstream(sp_stream *upstream)
{
	sp_stream_handle(upstream, &sp_stream_no_handler, NULL);
	sp_stream_close(upstream);
}

static void start_upstream(sp_translate *t, sp_stream *upstream)
{
	sp_err err = {0};
	if (t->finished) {
		drop_upstream(upstream);
		return;
	}
	if (sp_spdy_open(t->world, upstream, &t->opts.spdy, &spdy_handler, t, &t->spdy, &err) != SP_OK) {
		drop_upstream(upstream);
		fail(t, &err);
		return;
	}
	sp_timer_start(t->world, &t->create, t->opts.create_timeout_ns, on_create_timeout);
	if (open_legs(t, &err) != SP_OK)
		fail(t, &err);
}

sp_code sp_translate_start(sp_world *w, sp_stream *client, sp_stream *upstream, const sp_translate_opts *opts,
			   void (*done)(void *arg, const sp_err *err), void *arg, sp_translate **ret,
			   sp_err *err)
{
	sp_translate *t = sp_try_alloc(sizeof *t);
	if (t == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a stream translation");
	t->world = w;
	t->opts = *opts;
	t->opts.spdy.core.client = true;
	if (t->opts.create_timeout_ns == 0)
		t->opts.create_timeout_ns = CREATE_TIMEOUT_NS;
	t->done = done;
	t->arg = arg;
	t->create.arg = t;
	sp_buf_init(&t->status, STATUS_BYTES_MAX);
	sp_buf_init(&t->scratch, 2 * SP_LIMIT_WEBSOCKET_MESSAGE_BYTES);
	for (size_t i = 0; i < SP_CHANNEL_COUNT; i++)
		t->legs[i] = (leg){.t = t, .channel = (uint8_t)i};
	sp_code code = sp_ws_open(w, client, &t->opts.ws, &ws_handler, t, &t->ws, err);
	if (code != SP_OK) {
		sp_free(t);
		return code;
	}
	/* From here on errors go to the client as a status, and to `done`. */
	*ret = t;
	sp_ws_read(t->ws, true);
	greet(t);
	start_upstream(t, upstream);
	return SP_OK;
}

void sp_translate_abort(sp_translate *t)
{
	sp_err err = {0};
	(void)sp_fail(&err, SP_ECANCELED, "stream translation was stopped");
	note_err(t, &err);
	t->finished = true;
	end_upstream(t);
	if (t->spdy != NULL)
		sp_spdy_abort(t->spdy);
	if (t->ws != NULL)
		sp_ws_abort(t->ws);
}
