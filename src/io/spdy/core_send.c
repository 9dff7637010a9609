/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, and the frames that go out. */
#include "base/alloc.h"
#include "base/limits.h"
#include "base/num.h"
#include "io/spdy/core_int.h"

#define CONTROL_BIT 0x8000u

static void put_head(uint8_t *p, uint16_t type, uint8_t flags, size_t n)
{
	SP_ASSERT(n < 1u << 24);
	sp_be16_put(p, CONTROL_BIT | SPDY_VERSION);
	sp_be16_put(p + 2, type);
	sp_be32_put(p + 4, (uint32_t)n);
	p[4] = flags;
}

/* ---- streams ---- */

static sp_list *bucket(sp_spdy_core *c, uint32_t id)
{
	return &c->buckets[(id >> 1) % SPDY_BUCKETS];
}

sp_spdy_cs *spdy_find(sp_spdy_core *c, uint32_t id)
{
	SP_LIST_FOREACH (node, bucket(c, id)) {
		sp_spdy_cs *s = SP_CONTAINER_OF(node, sp_spdy_cs, node);
		if (s->id == id)
			return s;
	}
	return NULL;
}

sp_spdy_cs *spdy_stream_new(sp_spdy_core *c, uint32_t id, bool local)
{
	sp_spdy_cs *s = sp_try_alloc(sizeof *s);
	if (s == NULL)
		return NULL;
	s->id = id;
	s->local = local;
	s->send_window = c->initial_send_window;
	s->recv_window = (int64_t)c->opts.window_bytes;
	sp_buf_init(&s->block, SP_LIMIT_HTTP_HEADER_BYTES);
	sp_list_init(&s->node);
	sp_list_push_back(bucket(c, id), &s->node);
	c->n_open++;
	if (!local)
		c->n_peer_open++;
	return s;
}

void spdy_stream_settle(sp_spdy_core *c, sp_spdy_cs *s)
{
	if (!s->local_closed || !s->remote_closed || s->settled)
		return;
	s->settled = true;
	sp_list_remove(&s->node);
	sp_list_push_back(&c->zombies, &s->node);
	SP_ASSERT(c->n_open > 0);
	c->n_open--;
	if (!s->local)
		c->n_peer_open--;
	if (c->data_stream == s)
		c->data_stream = NULL;
}

void spdy_stream_kill(sp_spdy_core *c, sp_spdy_cs *s)
{
	s->local_closed = s->remote_closed = true;
	spdy_stream_settle(c, s);
}

void sp_spdy_core_release(sp_spdy_core *c, sp_spdy_cs *s)
{
	sp_spdy_core_reset(c, s, SP_SPDY_CANCEL);
	sp_list_remove(&s->node);
	sp_buf_done(&s->block);
	sp_free(s);
}

uint32_t sp_spdy_cs_id(const sp_spdy_cs *s)
{
	return s->id;
}

sp_str sp_spdy_cs_block(const sp_spdy_cs *s)
{
	return sp_buf_view(&s->block);
}

bool sp_spdy_cs_is_local(const sp_spdy_cs *s)
{
	return s->local;
}

bool sp_spdy_cs_replied(const sp_spdy_cs *s)
{
	return s->replied;
}

bool sp_spdy_cs_remote_closed(const sp_spdy_cs *s)
{
	return s->remote_closed;
}

bool sp_spdy_cs_is_closed(const sp_spdy_cs *s)
{
	return s->local_closed && s->remote_closed;
}

void *sp_spdy_cs_user(const sp_spdy_cs *s)
{
	return s->user;
}

void sp_spdy_cs_set_user(sp_spdy_cs *s, void *user)
{
	s->user = user;
}

size_t sp_spdy_core_n_open(const sp_spdy_core *c)
{
	return c->n_open;
}

bool sp_spdy_core_peer_has_windows(const sp_spdy_core *c)
{
	return c->peer_windows;
}

/* ---- frames without headers ---- */

/* A control frame of one or two words. */
void spdy_send_u32s(sp_spdy_core *c, uint16_t type, uint32_t a, uint32_t b, size_t n)
{
	uint8_t f[16];
	put_head(f, type, 0, 4 * n);
	sp_be32_put(f + 8, a);
	sp_be32_put(f + 12, b);
	sp_buf_append(c->out, f, 8 + 4 * n); /* a full queue shows in sp_buf_code(out) */
}

void spdy_send_rst(sp_spdy_core *c, uint32_t id, uint32_t status)
{
	spdy_send_u32s(c, SPDY_RST_STREAM, id, status, 2);
}

void spdy_send_hello(sp_spdy_core *c)
{
	uint8_t f[20];
	put_head(f, SPDY_SETTINGS, 0, 12);
	sp_be32_put(f + 8, 1);
	sp_be32_put(f + 12, SPDY_SETTING_INITIAL_WINDOW);
	sp_be32_put(f + 16, c->opts.window_bytes);
	sp_buf_append(c->out, f, sizeof f);
}

sp_code sp_spdy_core_ping(sp_spdy_core *c, uint32_t *ret_id, sp_err *err)
{
	if (c->stopped)
		return sp_fail(err, SP_EUNAVAILABLE, "SPDY session is over");
	*ret_id = c->next_ping;
	c->next_ping = c->next_ping > UINT32_MAX - 2 ? (c->opts.client ? 1 : 2) : c->next_ping + 2;
	spdy_send_u32s(c, SPDY_PING, *ret_id, 0, 1);
	return sp_buf_code(c->out);
}

void sp_spdy_core_goaway(sp_spdy_core *c, uint32_t status)
{
	if (c->goaway_sent)
		return;
	c->goaway_sent = true;
	spdy_send_u32s(c, SPDY_GOAWAY, c->last_peer_id, status, 2);
}

void sp_spdy_core_reset(sp_spdy_core *c, sp_spdy_cs *s, uint32_t status)
{
	if (sp_spdy_cs_is_closed(s))
		return;
	if (!c->stopped)
		spdy_send_rst(c, s->id, status);
	spdy_stream_kill(c, s);
}

/* ---- frames with headers ---- */

/* The fixed words of SYN_STREAM, SYN_REPLY and HEADERS are `id` and, for the first, the associated stream and
 * the priority. */
static sp_code send_headers(sp_spdy_core *c, uint16_t type, bool fin, uint32_t id,
			    const sp_spdy_header *headers, size_t n, sp_err *err)
{
	size_t fixed = type == SPDY_SYN_STREAM ? 10 : 4;
	size_t start = c->out->len;
	uint8_t f[18] = {0};
	sp_be32_put(f + 8, id);
	sp_code code = sp_buf_append(c->out, f, 8 + fixed);
	if (code != SP_OK)
		return sp_fail(err, code, "SPDY send queue is full");
	code = sp_spdy_headers_deflate(c->deflater, headers, n, c->out, err);
	if (code == SP_ETOOLARGE && sp_buf_code(c->out) == SP_OK) {
		c->out->len = start; /* refused before anything was compressed: the session is whole */
		return code;
	}
	SP_TRY(code);
	put_head((uint8_t *)c->out->ptr + start, type, fin ? SPDY_FLAG_FIN : 0, c->out->len - start - 8);
	return SP_OK;
}

sp_code sp_spdy_core_open(sp_spdy_core *c, const sp_spdy_header *headers, size_t n, bool fin,
			  sp_spdy_cs **ret, sp_err *err)
{
	if (c->stopped || c->goaway_received || c->goaway_sent || c->next_id > SPDY_ID_MAX)
		return sp_fail(err, SP_EUNAVAILABLE, "SPDY session takes no new streams");
	sp_spdy_cs *s = spdy_stream_new(c, c->next_id, true);
	if (s == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a SPDY stream");
	sp_code code = send_headers(c, SPDY_SYN_STREAM, fin, s->id, headers, n, err);
	if (code != SP_OK) {
		spdy_stream_kill(c, s);
		sp_spdy_core_release(c, s);
		return code;
	}
	c->next_id += 2;
	s->local_closed = fin;
	*ret = s;
	return SP_OK;
}

sp_code sp_spdy_core_reply(sp_spdy_core *c, sp_spdy_cs *s, const sp_spdy_header *headers, size_t n, bool fin,
			   sp_err *err)
{
	SP_ASSERT(!s->local);
	SP_ASSERT(!s->replied);
	if (c->stopped || sp_spdy_cs_is_closed(s))
		return SP_OK;
	s->replied = true;
	SP_TRY(send_headers(c, SPDY_SYN_REPLY, fin, s->id, headers, n, err));
	if (fin)
		s->local_closed = true;
	spdy_stream_settle(c, s);
	return SP_OK;
}

/* ---- data ---- */

size_t spdy_send_room(const sp_spdy_core *c, const sp_spdy_cs *s)
{
	int64_t room = c->peer_windows ? s->send_window : INT64_MAX;
	if (c->session_window)
		room = SP_MIN(room,
			      SPDY_DEFAULT_WINDOW + (int64_t)c->session_credit - (int64_t)c->session_sent);
	return room > 0 ? (size_t)room : 0;
}

static sp_code send_data_frame(sp_spdy_core *c, sp_spdy_cs *s, const uint8_t *bytes, size_t n, bool fin)
{
	uint8_t f[8];
	sp_be32_put(f, s->id);
	sp_be32_put(f + 4, (uint32_t)n);
	f[4] = fin ? SPDY_FLAG_FIN : 0;
	sp_buf_append(c->out, f, sizeof f);
	SP_TRY(sp_buf_append(c->out, bytes, n));
	s->send_window -= (int64_t)n;
	c->session_sent += n;
	s->carried_data = true;
	return SP_OK;
}

sp_code sp_spdy_core_data(sp_spdy_core *c, sp_spdy_cs *s, const uint8_t *bytes, size_t n, bool fin,
			  size_t *ret_taken, sp_err *err)
{
	if (c->stopped || s->local_closed)
		return sp_fail(err, SP_ECANCELED, "SPDY stream %u is closed", s->id);
	SP_ASSERT(s->local || s->replied);
	size_t taken = 0;
	s->blocked = false;
	while (taken < n) {
		size_t room = spdy_send_room(c, s);
		size_t part = SP_MIN(n - taken, SP_SPDY_DATA_BYTES_MAX);
		part = SP_MIN(part, room);
		if (part == 0) {
			s->blocked = true;
			break;
		}
		bool last = fin && taken + part == n;
		if (send_data_frame(c, s, bytes + taken, part, last) != SP_OK)
			return sp_fail(err, sp_buf_code(c->out), "SPDY send queue is full");
		taken += part;
		s->local_closed = last;
	}
	if (n == 0 && fin) {
		if (send_data_frame(c, s, NULL, 0, true) != SP_OK)
			return sp_fail(err, sp_buf_code(c->out), "SPDY send queue is full");
		s->local_closed = true;
	}
	spdy_stream_settle(c, s);
	*ret_taken = taken;
	return SP_OK;
}

void sp_spdy_core_consumed(sp_spdy_core *c, sp_spdy_cs *s, size_t n)
{
	s->unacked_bytes += n;
	if (c->stopped || s->remote_closed || s->unacked_bytes < c->opts.window_bytes / 2)
		return;
	uint32_t delta = (uint32_t)SP_MIN(s->unacked_bytes, (uint64_t)SPDY_ID_MAX);
	spdy_send_u32s(c, SPDY_WINDOW_UPDATE, s->id, delta, 2);
	s->unacked_bytes -= delta;
	s->recv_window += delta;
}
