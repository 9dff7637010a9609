/* SPDX-License-Identifier: Apache-2.0 */
/* The session and the frames that come in. */
#include "io/spdy/core.h"

#include "base/alloc.h"
#include "base/limits.h"
#include "base/num.h"
#include "io/spdy/core_int.h"

#define STREAMS_MAX 1024u
#define WINDOW_BYTES ((uint32_t)256 << 10)
#define RESETS_MAX 1000u

static sp_code no_memory(sp_err *err)
{
	return sp_fail(err, SP_ENOMEM, "no memory for a SPDY session");
}

sp_code sp_spdy_core_new(const sp_spdy_opts *opts, const sp_spdy_events *events, void *arg, sp_buf *out,
			 sp_spdy_core **ret, sp_err *err)
{
	sp_spdy_core *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return no_memory(err);
	c->opts = *opts;
	if (c->opts.streams_max == 0)
		c->opts.streams_max = STREAMS_MAX;
	if (c->opts.window_bytes == 0)
		c->opts.window_bytes = WINDOW_BYTES;
	if (c->opts.control_bytes_max == 0)
		c->opts.control_bytes_max = SP_LIMIT_HTTP_HEADER_BYTES + 64;
	if (c->opts.resets_max == 0)
		c->opts.resets_max = RESETS_MAX;
	c->events = events;
	c->arg = arg;
	c->out = out;
	c->next_id = c->opts.client ? 1 : 2;
	c->next_ping = c->next_id;
	c->initial_send_window = SPDY_DEFAULT_WINDOW;
	sp_buf_init(&c->control, c->opts.control_bytes_max);
	sp_buf_init(&c->block, SP_LIMIT_HTTP_HEADER_BYTES);
	for (size_t i = 0; i < SPDY_BUCKETS; i++)
		sp_list_init(&c->buckets[i]);
	sp_list_init(&c->zombies);
	c->deflater = sp_spdy_deflater_new();
	c->inflater = sp_spdy_inflater_new();
	if (c->deflater == NULL || c->inflater == NULL) {
		sp_spdy_core_free(c);
		return no_memory(err);
	}
	spdy_send_hello(c);
	if (sp_buf_code(out) != SP_OK) {
		sp_spdy_core_free(c);
		return no_memory(err);
	}
	*ret = c;
	return SP_OK;
}

void sp_spdy_core_free(sp_spdy_core *c)
{
	if (c == NULL)
		return;
	SP_ASSERT(c->n_open == 0);
	SP_ASSERT(sp_list_is_empty(&c->zombies));
	sp_spdy_deflater_free(c->deflater);
	sp_spdy_inflater_free(c->inflater);
	sp_buf_done(&c->control);
	sp_buf_done(&c->block);
	sp_free(c);
}

void sp_spdy_core_stop(sp_spdy_core *c)
{
	c->stopped = true;
}

bool sp_spdy_core_is_stopped(const sp_spdy_core *c)
{
	return c->stopped;
}

sp_code spdy_fail(sp_spdy_core *c, sp_code code, const char *why)
{
	if (c->stopped)
		return code;
	sp_err err = {0};
	(void)sp_fail(&err, code, "SPDY: %s", why);
	sp_spdy_core_goaway(c, code == SP_ENOMEM ? 2 : 1);
	c->stopped = true;
	c->events->on_failed(c->arg, &err);
	return code;
}

/* An error of one stream: RST_STREAM, and its owner is told. */
static sp_code reset_stream(sp_spdy_core *c, sp_spdy_cs *s, uint32_t status)
{
	spdy_send_rst(c, s->id, status);
	spdy_stream_kill(c, s);
	c->events->on_reset(c->arg, s, status);
	return SP_OK;
}

static bool is_peers(const sp_spdy_core *c, uint32_t id)
{
	return (id % 2 == 1) != c->opts.client;
}

/* Whether a stream of that number was ever there: frames for it may still be on their way. */
static bool was_there(const sp_spdy_core *c, uint32_t id)
{
	return is_peers(c, id) ? id <= c->last_peer_id : id < c->next_id;
}

/* ---- frames with headers ---- */

/* Every block goes through the decompressor first; only then does anything else count. */
static sp_code read_block(sp_spdy_core *c, const uint8_t *p, size_t n, bool *ret_valid)
{
	sp_err err = {0};
	sp_code code = sp_spdy_headers_inflate(c->inflater, p, n, &c->block, &err);
	if (code != SP_OK)
		return spdy_fail(c, code, "header block cannot be read");
	*ret_valid = sp_spdy_headers_check(sp_buf_view(&c->block), NULL) == SP_OK;
	return SP_OK;
}

static void end_remote(sp_spdy_core *c, sp_spdy_cs *s)
{
	s->remote_closed = true;
	spdy_stream_settle(c, s);
	c->events->on_fin(c->arg, s);
}

static sp_code on_syn_stream(sp_spdy_core *c, uint8_t flags, const uint8_t *p, size_t n)
{
	if (n < 10)
		return spdy_fail(c, SP_EPROTO, "SYN_STREAM is cut");
	uint32_t id = sp_be32_get(p) & SPDY_ID_MAX;
	bool valid = false;
	SP_TRY(read_block(c, p + 10, n - 10, &valid));
	if (id == 0)
		return spdy_fail(c, SP_EPROTO, "SYN_STREAM for stream 0");
	if (!is_peers(c, id) || id <= c->last_peer_id) {
		spdy_send_rst(c, id, SP_SPDY_PROTOCOL_ERROR);
		return SP_OK;
	}
	if (c->goaway_sent) /* those are ignored: the peer learns from GOAWAY that we did not see them */
		return SP_OK;
	c->last_peer_id = id;
	if (!valid || c->n_peer_open >= c->opts.streams_max) {
		spdy_send_rst(c, id, valid ? SP_SPDY_REFUSED_STREAM : SP_SPDY_PROTOCOL_ERROR);
		return SP_OK;
	}
	sp_spdy_cs *s = spdy_stream_new(c, id, false);
	if (s == NULL) {
		spdy_send_rst(c, id, SP_SPDY_INTERNAL_ERROR);
		return SP_OK;
	}
	sp_buf swap = s->block;
	s->block = c->block;
	c->block = swap;
	s->local_closed = (flags & SPDY_FLAG_UNIDIRECTIONAL) != 0;
	s->remote_closed = (flags & SPDY_FLAG_FIN) != 0;
	spdy_stream_settle(c, s);
	c->events->on_stream(c->arg, s);
	return SP_OK;
}

static sp_code on_syn_reply(sp_spdy_core *c, uint8_t flags, const uint8_t *p, size_t n)
{
	if (n < 4)
		return spdy_fail(c, SP_EPROTO, "SYN_REPLY is cut");
	uint32_t id = sp_be32_get(p) & SPDY_ID_MAX;
	bool valid = false;
	SP_TRY(read_block(c, p + 4, n - 4, &valid));
	sp_spdy_cs *s = spdy_find(c, id);
	if (s == NULL) {
		if (!was_there(c, id))
			spdy_send_rst(c, id, SP_SPDY_INVALID_STREAM);
		return SP_OK;
	}
	if (!s->local || s->remote_closed)
		return reset_stream(c, s, SP_SPDY_PROTOCOL_ERROR);
	if (s->replied)
		return reset_stream(c, s, SP_SPDY_STREAM_IN_USE);
	if (!valid)
		return reset_stream(c, s, SP_SPDY_PROTOCOL_ERROR);
	s->replied = true;
	c->events->on_reply(c->arg, s, sp_buf_view(&c->block));
	if ((flags & SPDY_FLAG_FIN) != 0 && !c->stopped && (s = spdy_find(c, id)) != NULL)
		end_remote(c, s);
	return SP_OK;
}

static sp_code on_headers(sp_spdy_core *c, uint8_t flags, const uint8_t *p, size_t n)
{
	if (n < 4)
		return spdy_fail(c, SP_EPROTO, "HEADERS is cut");
	uint32_t id = sp_be32_get(p) & SPDY_ID_MAX;
	bool valid = false;
	SP_TRY(read_block(c, p + 4, n - 4, &valid));
	sp_spdy_cs *s = spdy_find(c, id);
	if (s == NULL) {
		if (!was_there(c, id))
			spdy_send_rst(c, id, SP_SPDY_INVALID_STREAM);
		return SP_OK;
	}
	if (s->remote_closed)
		return reset_stream(c, s, SP_SPDY_STREAM_ALREADY_CLOSED);
	if (!valid)
		return reset_stream(c, s, SP_SPDY_PROTOCOL_ERROR);
	if (c->events->on_headers != NULL)
		c->events->on_headers(c->arg, s, sp_buf_view(&c->block));
	if ((flags & SPDY_FLAG_FIN) != 0 && !c->stopped && (s = spdy_find(c, id)) != NULL)
		end_remote(c, s);
	return SP_OK;
}

/* ---- other control frames ---- */

static sp_code on_rst_stream(sp_spdy_core *c, uint8_t flags, const uint8_t *p, size_t n)
{
	(void)flags;
	if (n != 8)
		return spdy_fail(c, SP_EPROTO, "RST_STREAM of the wrong size");
	sp_spdy_cs *s = spdy_find(c, sp_be32_get(p) & SPDY_ID_MAX);
	if (s == NULL)
		return SP_OK;
	/* Opening and resetting in a row costs us more than the peer. */
	if (!s->local && !s->carried_data && ++c->n_resets > c->opts.resets_max)
		return spdy_fail(c, SP_ETOOMANY, "too many streams opened and reset unused");
	spdy_stream_kill(c, s);
	c->events->on_reset(c->arg, s, sp_be32_get(p + 4));
	return SP_OK;
}

/* Streams that wait get told, one by one; each may vanish in its event. */
static void wake_blocked(sp_spdy_core *c)
{
	for (size_t i = 0; i < SPDY_BUCKETS; i++) {
		SP_LIST_FOREACH (node, &c->buckets[i]) {
			sp_spdy_cs *s = SP_CONTAINER_OF(node, sp_spdy_cs, node);
			if (!s->blocked || spdy_send_room(c, s) == 0)
				continue;
			s->blocked = false;
			c->events->on_window(c->arg, s);
			if (c->stopped)
				return;
			i = SIZE_MAX; /* the list may have changed: from the start; `blocked` ends it */
			break;
		}
	}
}

/*
 * The peer keeps windows. It may have sent more than ours before it knew that we do; what comes after the
 * answer to this PING was sent in the knowledge of our SETTINGS.
 */
static void learn_windows(sp_spdy_core *c)
{
	if (c->peer_windows)
		return;
	c->peer_windows = true;
	(void)!sp_spdy_core_ping(c, &c->proof_ping, NULL); /* a full queue ends the session in feed */
}

static sp_code on_initial_window(sp_spdy_core *c, uint32_t value)
{
	if (value > SPDY_ID_MAX)
		return spdy_fail(c, SP_EPROTO, "initial window is too large");
	int64_t delta = (int64_t)value - c->initial_send_window;
	c->initial_send_window = value;
	learn_windows(c);
	for (size_t i = 0; i < SPDY_BUCKETS; i++) {
		SP_LIST_FOREACH (node, &c->buckets[i]) {
			SP_CONTAINER_OF(node, sp_spdy_cs, node)->send_window += delta;
		}
	}
	wake_blocked(c);
	return SP_OK;
}

static sp_code on_settings(sp_spdy_core *c, uint8_t flags, const uint8_t *p, size_t n)
{
	(void)flags;
	uint32_t count = n >= 4 ? sp_be32_get(p) : 0;
	if (n < 4 || (n - 4) % 8 != 0 || count != (n - 4) / 8)
		return spdy_fail(c, SP_EPROTO, "SETTINGS of the wrong size");
	for (uint32_t i = 0; i < count && !c->stopped; i++) {
		const uint8_t *entry = p + 4 + 8 * (size_t)i;
		if ((sp_be32_get(entry) & 0xffffff) == SPDY_SETTING_INITIAL_WINDOW)
			SP_TRY(on_initial_window(c, sp_be32_get(entry + 4)));
	}
	return SP_OK;
}

static sp_code on_ping(sp_spdy_core *c, uint8_t flags, const uint8_t *p, size_t n)
{
	(void)flags;
	if (n != 4)
		return spdy_fail(c, SP_EPROTO, "PING of the wrong size");
	uint32_t id = sp_be32_get(p);
	if (is_peers(c, id))
		spdy_send_u32s(c, SPDY_PING, id, 0, 1);
	else if (c->proof_ping != 0 && id == c->proof_ping)
		c->peer_knows = true;
	else if (c->events->on_pong != NULL)
		c->events->on_pong(c->arg, id);
	return SP_OK;
}

static sp_code on_goaway(sp_spdy_core *c, uint8_t flags, const uint8_t *p, size_t n)
{
	(void)flags;
	if (n != 8)
		return spdy_fail(c, SP_EPROTO, "GOAWAY of the wrong size");
	uint32_t last = sp_be32_get(p) & SPDY_ID_MAX;
	c->goaway_received = true;
	for (size_t i = 0; i < SPDY_BUCKETS && !c->stopped; i++) {
		SP_LIST_FOREACH (node, &c->buckets[i]) {
			sp_spdy_cs *s = SP_CONTAINER_OF(node, sp_spdy_cs, node);
			if (!s->local || s->id <= last)
				continue;
			spdy_stream_kill(c, s);
			c->events->on_reset(c->arg, s, SP_SPDY_REFUSED_STREAM);
			i = SIZE_MAX; /* see wake_blocked */
			break;
		}
	}
	if (!c->stopped)
		c->events->on_goaway(c->arg, sp_be32_get(p + 4));
	return SP_OK;
}

static sp_code on_window_update(sp_spdy_core *c, uint8_t flags, const uint8_t *p, size_t n)
{
	(void)flags;
	if (n != 8)
		return spdy_fail(c, SP_EPROTO, "WINDOW_UPDATE of the wrong size");
	uint32_t id = sp_be32_get(p) & SPDY_ID_MAX;
	uint32_t delta = sp_be32_get(p + 4) & SPDY_ID_MAX;
	if (id == 0) {
		if (delta == 0)
			return spdy_fail(c, SP_EPROTO, "WINDOW_UPDATE by nothing");
		c->session_window = true;
		c->session_credit += delta;
		wake_blocked(c);
		return SP_OK;
	}
	learn_windows(c);
	sp_spdy_cs *s = spdy_find(c, id);
	if (s == NULL)
		return SP_OK;
	if (delta == 0)
		return reset_stream(c, s, SP_SPDY_PROTOCOL_ERROR);
	s->send_window += delta;
	if (s->send_window > (int64_t)SPDY_ID_MAX)
		return reset_stream(c, s, SP_SPDY_FLOW_CONTROL_ERROR);
	if (s->blocked && spdy_send_room(c, s) > 0) {
		s->blocked = false;
		c->events->on_window(c->arg, s);
	}
	return SP_OK;
}

typedef sp_code frame_fn(sp_spdy_core *c, uint8_t flags, const uint8_t *p, size_t n);
static frame_fn *const frame_fns[] = {
	[SPDY_SYN_STREAM] = on_syn_stream,
	[SPDY_SYN_REPLY] = on_syn_reply,
	[SPDY_RST_STREAM] = on_rst_stream,
	[SPDY_SETTINGS] = on_settings,
	[SPDY_PING] = on_ping,
	[SPDY_GOAWAY] = on_goaway,
	[SPDY_HEADERS] = on_headers,
	[SPDY_WINDOW_UPDATE] = on_window_update,
};

static sp_code on_control(sp_spdy_core *c)
{
	uint16_t type = sp_be16_get(c->head + 2);
	frame_fn *fn = type < SP_LEN(frame_fns) ? frame_fns[type] : NULL;
	sp_code code = fn == NULL ? SP_OK /* unknown types are ignored */
				  : fn(c, c->head[4], (const uint8_t *)c->control.ptr, c->control.len);
	sp_buf_clear(&c->control);
	return code;
}

/* ---- DATA ---- */

/* At the head of a DATA frame: which stream takes it, or none. */
static void begin_data(sp_spdy_core *c)
{
	uint32_t id = sp_be32_get(c->head);
	c->data_stream = NULL;
	sp_spdy_cs *s = spdy_find(c, id);
	if (s == NULL) {
		if (id == 0 || !was_there(c, id))
			spdy_send_rst(c, id, SP_SPDY_INVALID_STREAM);
		return;
	}
	if (s->remote_closed) {
		(void)reset_stream(c, s, SP_SPDY_STREAM_ALREADY_CLOSED);
		return;
	}
	if (s->local && !s->replied) {
		(void)reset_stream(c, s, SP_SPDY_PROTOCOL_ERROR);
		return;
	}
	s->recv_window -= c->left;
	if (s->recv_window < 0 && c->peer_knows) {
		(void)reset_stream(c, s, SP_SPDY_FLOW_CONTROL_ERROR);
		return;
	}
	s->carried_data = true;
	c->data_stream = s;
}

static void end_data(sp_spdy_core *c)
{
	sp_spdy_cs *s = c->data_stream;
	c->data_stream = NULL;
	if (s != NULL && (c->head[4] & SPDY_FLAG_FIN) != 0)
		end_remote(c, s);
}

static void feed_data(sp_spdy_core *c, const uint8_t *bytes, size_t n)
{
	c->left -= (uint32_t)n;
	if (c->data_stream != NULL && n > 0)
		c->events->on_data(c->arg, c->data_stream, bytes, n);
}

/* ---- frames ---- */

static sp_code begin_frame(sp_spdy_core *c)
{
	c->left = sp_be32_get(c->head + 4) & 0xffffff;
	c->in_data = (c->head[0] & 0x80) == 0;
	if (c->in_data) {
		begin_data(c);
		return SP_OK;
	}
	if ((sp_be16_get(c->head) & 0x7fff) != SPDY_VERSION)
		return spdy_fail(c, SP_EPROTO, "frame of another version");
	if (c->left > c->opts.control_bytes_max)
		return spdy_fail(c, SP_ETOOLARGE, "control frame is too big");
	return SP_OK;
}

/* Consumes from the front of the input what one step needs. */
static size_t feed_step(sp_spdy_core *c, const uint8_t *bytes, size_t n)
{
	size_t used = 0;
	if (c->n_head < sizeof c->head) {
		used = SP_MIN(n, sizeof c->head - c->n_head);
		memcpy(c->head + c->n_head, bytes, used);
		c->n_head += used;
		if (c->n_head < sizeof c->head || begin_frame(c) != SP_OK)
			return used;
	}
	size_t part = SP_MIN(n - used, (size_t)c->left);
	if (c->in_data) {
		feed_data(c, bytes + used, part);
	} else {
		c->left -= (uint32_t)part;
		if (sp_buf_append(&c->control, bytes + used, part) != SP_OK) {
			(void)spdy_fail(c, SP_ENOMEM, "no memory for a control frame");
			return n;
		}
	}
	if (c->left == 0 && !c->stopped) {
		c->n_head = 0;
		if (c->in_data)
			end_data(c);
		else
			(void)on_control(c); /* failed sessions are stopped */
	}
	return used + part;
}

void sp_spdy_core_feed(sp_spdy_core *c, const uint8_t *bytes, size_t n)
{
	while (n > 0 && !c->stopped) {
		size_t used = feed_step(c, bytes, n);
		bytes += used;
		n -= used;
	}
	if (!c->stopped && sp_buf_code(c->out) != SP_OK)
		(void)spdy_fail(c, sp_buf_code(c->out), "send queue is full");
}
