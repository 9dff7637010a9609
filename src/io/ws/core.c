/* SPDX-License-Identifier: Apache-2.0 */
#include "io/ws/core.h"

#include <wslay/wslay.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/num.h"
#include "io/ws/utf8.h"

#define CONTROL_MAX 125u
#define FRAMES_PER_MESSAGE 4096u

struct sp_ws_core {
	sp_ws_opts opts;
	const sp_ws_events *events;
	void *arg;
	sp_ws_mask_fn mask;
	void *mask_arg;
	sp_buf *out;
	struct wslay_frame_context *frames;
	const uint8_t *in; /* what feed has left; wslay draws from it */
	size_t in_len;

	/* the frame being read */
	bool in_frame, fin;
	uint8_t opcode;
	uint64_t frame_left;
	uint8_t control[CONTROL_MAX];
	size_t n_control;

	/* the message being read; kind 0 = between messages */
	uint8_t kind;
	uint32_t n_frames;
	sp_buf message;
	sp_utf8_stream utf8;

	bool close_sent, close_received, stopped;
};

static ssize_t give_input(uint8_t *buf, size_t len, int flags, void *arg)
{
	(void)flags;
	sp_ws_core *c = arg;
	size_t n = SP_MIN(len, c->in_len);
	if (n == 0)
		return -1;
	memcpy(buf, c->in, n);
	c->in += n;
	c->in_len -= n;
	return (ssize_t)n;
}

static ssize_t take_output(const uint8_t *bytes, size_t len, int flags, void *arg)
{
	(void)flags;
	sp_ws_core *c = arg;
	return sp_buf_append(c->out, bytes, len) == SP_OK ? (ssize_t)len : -1;
}

static int give_mask(uint8_t *buf, size_t len, void *arg)
{
	sp_ws_core *c = arg;
	SP_ASSERT(len == 4);
	c->mask(c->mask_arg, buf);
	return 0;
}

static const struct wslay_frame_callbacks frame_callbacks = {take_output, give_input, give_mask};

bool sp_ws_code_is_valid(uint16_t code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

sp_code sp_ws_core_new(const sp_ws_opts *opts, const sp_ws_events *events, void *arg, sp_ws_mask_fn mask,
		       void *mask_arg, sp_buf *out, sp_ws_core **ret, sp_err *err)
{
	SP_ASSERT(!opts->client || mask != NULL);
	sp_ws_core *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a WebSocket connection");
	c->opts = *opts;
	if (c->opts.message_bytes_max == 0)
		c->opts.message_bytes_max = SP_LIMIT_WEBSOCKET_MESSAGE_BYTES;
	if (c->opts.frames_per_message == 0)
		c->opts.frames_per_message = FRAMES_PER_MESSAGE;
	c->events = events;
	c->arg = arg;
	c->mask = mask;
	c->mask_arg = mask_arg;
	c->out = out;
	sp_buf_init(&c->message, c->opts.message_bytes_max);
	if (wslay_frame_context_init(&c->frames, &frame_callbacks, c) != 0) {
		sp_free(c);
		return sp_fail(err, SP_ENOMEM, "no memory for a WebSocket connection");
	}
	*ret = c;
	return SP_OK;
}

void sp_ws_core_free(sp_ws_core *c)
{
	if (c == NULL)
		return;
	wslay_frame_context_free(c->frames);
	sp_buf_done(&c->message);
	sp_free(c);
}

void sp_ws_core_stop(sp_ws_core *c)
{
	c->stopped = true;
}

bool sp_ws_core_close_sent(const sp_ws_core *c)
{
	return c->close_sent;
}

bool sp_ws_core_close_received(const sp_ws_core *c)
{
	return c->close_received;
}

/* ---- sending ---- */

static sp_code send_frame(sp_ws_core *c, uint8_t opcode, const sp_iov *parts, size_t n_parts, sp_err *err)
{
	uint64_t total = 0;
	for (size_t i = 0; i < n_parts; i++)
		total += parts[i].len;
	struct wslay_frame_iocb io = {
		.fin = 1, .opcode = opcode, .payload_length = total, .mask = c->opts.client ? 1 : 0};
	ssize_t r = 0;
	if (total == 0)
		r = wslay_frame_send(c->frames, &io);
	for (size_t i = 0; i < n_parts && r >= 0; i++) {
		if (parts[i].len == 0)
			continue;
		io.data = parts[i].ptr;
		io.data_length = parts[i].len;
		r = wslay_frame_send(c->frames, &io);
		if (r >= 0 && (size_t)r != parts[i].len)
			r = -1; /* the queue took a part of it */
	}
	if (r < 0 || sp_buf_code(c->out) != SP_OK) { /* the frame is torn: nothing can follow it */
		c->close_sent = true;
		sp_code code = sp_buf_code(c->out) != SP_OK ? sp_buf_code(c->out) : SP_EINTERNAL;
		return sp_fail(err, code, "WebSocket send queue is full");
	}
	return SP_OK;
}

sp_code sp_ws_core_send(sp_ws_core *c, sp_ws_kind kind, const sp_iov *parts, size_t n_parts, sp_err *err)
{
	if (c->close_sent)
		return sp_fail(err, SP_ECANCELED, "WebSocket connection is closing");
	return send_frame(c, (uint8_t)kind, parts, n_parts, err);
}

sp_code sp_ws_core_ping(sp_ws_core *c, sp_str payload, sp_err *err)
{
	SP_ASSERT(payload.len <= CONTROL_MAX);
	if (c->close_sent)
		return sp_fail(err, SP_ECANCELED, "WebSocket connection is closing");
	return send_frame(c, WSLAY_PING, &(sp_iov){payload.ptr, payload.len}, 1, err);
}

void sp_ws_core_close(sp_ws_core *c, uint16_t code, sp_str reason)
{
	if (c->close_sent)
		return;
	uint8_t head[2];
	sp_be16_put(head, code);
	size_t n = SP_MIN(reason.len, (size_t)CONTROL_MAX - 2);
	while (n > 0 && n < reason.len && ((uint8_t)reason.ptr[n] & 0xc0) == 0x80)
		n--;
	sp_iov parts[2] = {{head, 2}, {reason.ptr, n}};
	bool has_code = code != SP_WS_NO_CODE;
	/* A full queue loses the Close frame; the transport's end says the same. */
	(void)send_frame(c, WSLAY_CONNECTION_CLOSE, parts, has_code ? 2 : 0, NULL);
	c->close_sent = true;
}

/* ---- receiving ---- */

static void finish(sp_ws_core *c, uint16_t code, sp_str reason, const sp_err *err)
{
	if (c->stopped)
		return;
	c->stopped = true;
	c->events->on_closed(c->arg, code, reason, err);
}

static sp_code refuse(sp_ws_core *c, uint16_t code, sp_code sp, const char *why)
{
	sp_err err = {0};
	(void)sp_fail(&err, sp, "WebSocket: %s", why);
	sp_ws_core_close(c, code, sp_str_c(why));
	finish(c, code, sp_str_c(why), &err);
	return sp;
}

static sp_code bad(sp_ws_core *c, const char *why)
{
	return refuse(c, SP_WS_PROTOCOL_ERROR, SP_EPROTO, why);
}

static bool is_control(uint8_t opcode)
{
	return (opcode & 8) != 0;
}

static sp_code begin_data_frame(sp_ws_core *c)
{
	if (c->opcode == WSLAY_CONTINUATION_FRAME) {
		if (c->kind == 0)
			return bad(c, "continuation frame without a message");
		if (++c->n_frames > c->opts.frames_per_message)
			return refuse(c, SP_WS_POLICY, SP_ETOOMANY, "message in too many frames");
	} else {
		if (c->kind != 0)
			return bad(c, "new message inside a fragmented one");
		c->kind = c->opcode;
		c->n_frames = 1;
		c->utf8 = (sp_utf8_stream){0};
	}
	if (!c->opts.pieces && c->frame_left > c->opts.message_bytes_max - c->message.len)
		return refuse(c, SP_WS_TOO_BIG, SP_ETOOLARGE, "message is too big");
	return SP_OK;
}

static sp_code begin_frame(sp_ws_core *c, const struct wslay_frame_iocb *io)
{
	c->in_frame = true;
	c->fin = io->fin != 0;
	c->opcode = io->opcode;
	c->frame_left = io->payload_length;
	c->n_control = 0;
	if (io->rsv != 0)
		return bad(c, "reserved bit set");
	if ((io->mask != 0) == c->opts.client)
		return bad(c, c->opts.client ? "frame of a server is masked"
					     : "frame of a client is not masked");
	if (is_control(c->opcode))
		return c->opcode > WSLAY_PONG ? bad(c, "reserved opcode") : SP_OK;
	return c->opcode > WSLAY_BINARY_FRAME ? bad(c, "reserved opcode") : begin_data_frame(c);
}

static sp_code on_close_frame(sp_ws_core *c)
{
	c->close_received = true;
	uint16_t code = SP_WS_NO_CODE;
	sp_str reason = {NULL, 0};
	if (c->n_control == 1)
		return bad(c, "Close frame with half a code");
	if (c->n_control >= 2) {
		code = sp_be16_get(c->control);
		reason = (sp_str){(const char *)c->control + 2, c->n_control - 2};
		if (!sp_ws_code_is_valid(code))
			return bad(c, "Close frame with a code that is not allowed");
		if (!sp_str_is_utf8(reason))
			return refuse(c, SP_WS_BAD_DATA, SP_EPROTO, "Close reason is not UTF-8");
	}
	sp_ws_core_close(c, code, (sp_str){NULL, 0});
	finish(c, code, reason, NULL);
	return SP_ECANCELED; /* nothing counts after it */
}

static sp_code end_control_frame(sp_ws_core *c)
{
	if (c->opcode == WSLAY_CONNECTION_CLOSE)
		return on_close_frame(c);
	if (c->opcode == WSLAY_PING && !c->close_sent) {
		sp_err err = {0};
		sp_code code = send_frame(c, WSLAY_PONG, &(sp_iov){c->control, c->n_control}, 1, &err);
		if (code != SP_OK) {
			finish(c, SP_WS_ABNORMAL, (sp_str){NULL, 0}, &err);
			return code;
		}
	} else if (c->opcode == WSLAY_PONG && c->events->on_pong != NULL) {
		c->events->on_pong(c->arg, c->control, c->n_control);
	}
	return c->stopped ? SP_ECANCELED : SP_OK;
}

static sp_code on_data_chunk(sp_ws_core *c, const uint8_t *bytes, size_t n, bool last)
{
	if (c->kind == SP_WS_TEXT) {
		if (!sp_utf8_stream_feed(&c->utf8, bytes, n) ||
		    (last && !sp_utf8_stream_at_boundary(&c->utf8)))
			return refuse(c, SP_WS_BAD_DATA, SP_EPROTO, "text is not UTF-8");
	}
	sp_ws_kind kind = (sp_ws_kind)c->kind;
	if (last)
		c->kind = 0;
	if (c->close_sent) /* we said goodbye: what still arrives is dropped */
		return SP_OK;
	if (c->opts.pieces || (last && c->message.len == 0)) {
		if (n > 0 || last)
			c->events->on_message(c->arg, kind, bytes, n, last);
		return c->stopped ? SP_ECANCELED : SP_OK;
	}
	if (sp_buf_append(&c->message, bytes, n) != SP_OK)
		return refuse(c, SP_WS_INTERNAL, sp_buf_code(&c->message), "no memory for the message");
	if (!last)
		return SP_OK;
	sp_buf whole = c->message; /* an event may feed on: let it find a clean state */
	sp_buf_init(&c->message, c->opts.message_bytes_max);
	c->events->on_message(c->arg, kind, (const uint8_t *)whole.ptr, whole.len, true);
	sp_buf_done(&whole);
	return c->stopped ? SP_ECANCELED : SP_OK;
}

static sp_code on_chunk(sp_ws_core *c, const uint8_t *bytes, size_t n)
{
	c->frame_left -= n;
	bool frame_ends = c->frame_left == 0;
	if (frame_ends)
		c->in_frame = false;
	if (!is_control(c->opcode))
		return on_data_chunk(c, bytes, n, frame_ends && c->fin);
	if (n > 0) /* wslay refuses control frames above 125 bytes */
		memcpy(c->control + c->n_control, bytes, n);
	c->n_control += n;
	return frame_ends ? end_control_frame(c) : SP_OK;
}

void sp_ws_core_feed(sp_ws_core *c, const uint8_t *bytes, size_t n)
{
	if (c->stopped)
		return;
	c->in = bytes;
	c->in_len = n;
	while (!c->stopped) {
		struct wslay_frame_iocb io = {0};
		ssize_t r = wslay_frame_recv(c->frames, &io);
		if (r == WSLAY_ERR_WANT_READ)
			break;
		if (r < 0) {
			(void)bad(c, "malformed frame header");
			break;
		}
		if (!c->in_frame && begin_frame(c, &io) != SP_OK)
			break;
		if (on_chunk(c, io.data, (size_t)r) != SP_OK)
			break;
	}
	c->in = NULL;
	c->in_len = 0;
}

void sp_ws_core_end(sp_ws_core *c)
{
	sp_err err = {0};
	(void)sp_fail(&err, SP_EIO, "WebSocket: connection ended without a Close frame");
	finish(c, SP_WS_ABNORMAL, (sp_str){NULL, 0}, &err);
}
