/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP/1 connection: parsing by llhttp, one exchange at a time, framing of bodies. */
#include "base/alloc.h"
#include "base/num.h"
#include "io/http/h1_int.h"
#include "io/pump.h"

/* Read ahead of the exchange under way: pipelined requests, or a body that is not wanted yet. */
#define IN_HIGH_BYTES ((size_t)16 << 10)
#define IN_LIMIT_BYTES ((size_t)8 << 20)

/* ---- parser callbacks ---- */

int h1_refuse(h1_conn *c, uint16_t status, const char *text)
{
	if (c->fail_status == 0) {
		c->fail_status = status;
		c->fail_text = text;
	}
	return -1;
}

/* Appends to a text that is growing in the arena; lower-cases when asked. */
static bool grow(sp_arena *a, sp_str *s, const char *at, size_t n, bool lower)
{
	char *p = s->ptr == NULL ? sp_arena_try_alloc(a, n)
				 : sp_arena_try_grow(a, (char *)(uintptr_t)s->ptr, s->len, s->len + n);
	if (p == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		char ch = at[i];
		p[s->len + i] = lower && ch >= 'A' && ch <= 'Z' ? (char)(ch | 0x20) : ch;
	}
	*s = (sp_str){p, s->len + n};
	return true;
}

static bool in_limits(h1_conn *c, size_t n)
{
	c->ex->head_bytes += n;
	return c->ex->head_bytes <= c->base.pool->limits.header_bytes;
}

static int on_begin(llhttp_t *p)
{
	h1_conn *c = p->data;
	c->begun = true;
	c->fields = &c->ex->pub.headers;
	return 0;
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
	h1_conn *c = p->data;
	if (c->ex->pub.path.len + n > c->base.pool->limits.target_bytes)
		return h1_refuse(c, 414, "the request target is too long");
	if (!grow(&c->ex->pub.arena, &c->ex->pub.path, at, n, false))
		return h1_refuse(c, 503, "no memory");
	return 0;
}

static int on_field(llhttp_t *p, const char *at, size_t n)
{
	h1_conn *c = p->data;
	if (!in_limits(c, n))
		return h1_refuse(c, 431, "the header is too large");
	if (!grow(&c->ex->pub.arena, &c->name, at, n, true))
		return h1_refuse(c, 503, "no memory");
	return 0;
}

static int on_field_complete(llhttp_t *p)
{
	h1_conn *c = p->data;
	if (!in_limits(c, 32) || c->fields->n >= c->base.pool->limits.n_headers)
		return h1_refuse(c, 431, "too many header fields");
	if (!http_fields_add(c->fields, &c->ex->pub.arena, sp_http_name_of(c->name), c->name, SP_STR("")))
		return h1_refuse(c, 503, "no memory");
	c->name = (sp_str){NULL, 0};
	return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
	h1_conn *c = p->data;
	if (n == 0)
		return 0;
	if (!in_limits(c, n))
		return h1_refuse(c, 431, "the header is too large");
	sp_str *value = &c->fields->at[c->fields->n - 1].value;
	if (value->len == 0)
		value->ptr = NULL;
	if (!grow(&c->ex->pub.arena, value, at, n, false))
		return h1_refuse(c, 503, "no memory");
	return 0;
}

static int on_value_complete(llhttp_t *p)
{
	h1_conn *c = p->data;
	sp_str *value = &c->fields->at[c->fields->n - 1].value;
	*value = sp_str_trim(*value);
	if (value->len == 0)
		*value = SP_STR("");
	return 0;
}

int h1_check_framing(h1_conn *c)
{
	const sp_http_fields *f = &c->ex->pub.headers;
	bool chunked = f->first[SP_HTTP_TRANSFER_ENCODING] != 0;
	unsigned n_codings = 0;
	for (uint32_t i = 0; i < f->n && chunked; i++) {
		if (!sp_str_eq(f->at[i].name, SP_STR("transfer-encoding")))
			continue;
		n_codings++;
		if (!sp_str_eq_nocase(f->at[i].value, SP_STR("chunked")))
			return h1_refuse(c, 501, "the only transfer coding known is chunked");
	}
	if (n_codings > 1 || (chunked && f->first[SP_HTTP_CONTENT_LENGTH] != 0))
		return h1_refuse(c, 400, "ambiguous framing");
	if (chunked && c->ex->pub.version == 10)
		return h1_refuse(c, 400, "transfer-encoding in HTTP/1.0");
	if (f->first[SP_HTTP_CONTENT_LENGTH] != 0) {
		if (c->parser.content_length > INT64_MAX)
			return h1_refuse(c, 400, "bad content-length");
		c->ex->pub.content_length = (int64_t)c->parser.content_length;
	} else if (!chunked && !c->client) {
		c->ex->pub.content_length = 0;
	}
	return 0;
}

static int on_head(llhttp_t *p)
{
	h1_conn *c = p->data;
	c->ex->pub.version = (uint8_t)(p->http_major * 10 + p->http_minor);
	c->head_done = true;
	c->ex->head_in = true;
	int rc = c->client ? h1_client_head(c) : h1_server_head(c);
	c->fields = &c->ex->pub.trailers;
	c->ex->head_bytes = 0;
	p->upgrade = 0; /* who takes the connection over is decided by the exchange */
	return rc;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
	h1_conn *c = p->data;
	if (n > 0 && !c->interim)
		http_in_body(c->ex, (const uint8_t *)at, n);
	return 0;
}

static int on_complete(llhttp_t *p)
{
	h1_conn *c = p->data;
	c->keep_alive = llhttp_should_keep_alive(p) != 0;
	if (c->interim) {
		c->interim = c->head_done = false;
		sp_http_fields none = {0};
		c->ex->pub.headers = none;
		return 0;
	}
	http_in_end(c->ex);
	return HPE_PAUSED;
}

const llhttp_settings_t h1_settings = {
	.on_message_begin = on_begin,
	.on_url = on_url,
	.on_header_field = on_field,
	.on_header_field_complete = on_field_complete,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_complete,
	.on_headers_complete = on_head,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

/* ---- writing ---- */

char *h1_put(char *at, sp_str s)
{
	if (s.len > 0)
		memcpy(at, s.ptr, s.len);
	return at + s.len;
}

size_t h1_headers_bytes(const sp_http_header *h, size_t n)
{
	size_t bytes = 0;
	for (size_t i = 0; i < n; i++)
		bytes += h[i].name.len + h[i].value.len + 4;
	return bytes;
}

char *h1_put_headers(char *at, const sp_http_header *h, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		at = h1_put(at, h[i].name);
		at = h1_put(at, SP_STR(": "));
		at = h1_put(at, h[i].value);
		at = h1_put(at, SP_STR("\r\n"));
	}
	return at;
}

static void put_chunk_size(sp_buf *b, size_t n)
{
	char text[18];
	size_t at = sizeof text;
	text[--at] = '\n';
	text[--at] = '\r';
	do {
		text[--at] = "0123456789abcdef"[n & 15];
		n >>= 4;
	} while (n != 0);
	(void)sp_buf_append(b, text + at, sizeof text - at); /* sticky: flush looks */
}

static void put_last_chunk(h1_conn *c)
{
	const http_ex *ex = c->ex;
	sp_buf *b = http_out_text(&c->base.out);
	size_t bytes = h1_headers_bytes(ex->out_trailers, ex->n_out_trailers) + 5;
	char *at = sp_buf_reserve(b, bytes);
	if (at == NULL)
		return; /* sticky: flush looks */
	at = h1_put(at, SP_STR("0\r\n"));
	at = h1_put_headers(at, ex->out_trailers, ex->n_out_trailers);
	(void)h1_put(at, SP_STR("\r\n"));
	sp_buf_added(b, bytes);
}

/* Moves what the exchange queued to the connection. */
static void move(h1_conn *c)
{
	http_ex *ex = c->ex;
	http_out *o = &c->base.out;
	if (!ex->head_out || c->out_done || c->tunnel)
		return;
	do {
		while (ex->chunks != NULL && !http_out_is_full(o)) {
			const http_chunk *k = ex->chunks;
			size_t n = k->len;
			if (c->out_body == H1_BODY_CHUNKED)
				put_chunk_size(http_out_text(o), n);
			http_out_body(o, k->owner, k->ptr, n);
			if (c->out_body == H1_BODY_CHUNKED)
				(void)sp_buf_append(http_out_text(o), "\r\n", 2); /* sticky */
			http_chunk_taken(ex, n);
		}
	} while (http_out_tell(ex));
	if (!http_out_whole(ex))
		return;
	if (c->out_body == H1_BODY_CHUNKED)
		put_last_chunk(c);
	c->out_done = true;
}

/* ---- the exchange's side ---- */

static sp_code op_head(http_ex *ex, const http_head *h, sp_err *err)
{
	SP_TRY(h1_server_render(h1_of(ex->conn), h, err));
	ex->head_out = true;
	return SP_OK;
}

static sp_code op_interim(http_ex *ex, const http_head *h, sp_err *err)
{
	if (ex->pub.version < 11)
		return SP_OK; /* an HTTP/1.0 client would take it for the response */
	SP_TRY(h1_server_render(h1_of(ex->conn), h, err));
	http_conn_schedule(ex->conn);
	return SP_OK;
}

static sp_code op_tunnel(http_ex *ex, const http_head *head, sp_err *err)
{
	h1_conn *c = h1_of(ex->conn);
	http_head h = *head;
	/* The protocol changes behind the request, so a body has to be read before. */
	if (!ex->in_ended && ex->pub.content_length != 0)
		return sp_fail(err, SP_EINVAL, "the body of the request was not read");
	h.status = ex->pub.method_id == SP_HTTP_CONNECT ? 200 : 101;
	h.empty = true;
	c->tunnel = true;
	sp_code code = h1_server_render(c, &h, err);
	if (code != SP_OK) {
		c->tunnel = false;
		return code;
	}
	ex->pub.status = h.status;
	http_conn_schedule(ex->conn);
	return SP_OK;
}

static void op_out(http_ex *ex)
{
	http_conn_schedule(ex->conn);
}

static void op_read(http_ex *ex)
{
	h1_conn *c = h1_of(ex->conn);
	c->in_ns = sp_now_ns(c->base.world); /* the time nobody listened does not count */
	if (ex->reading && c->expects && !ex->begun) {
		c->expects = false;
		(void)sp_buf_str(http_out_text(&c->base.out), SP_STR("HTTP/1.1 100 Continue\r\n\r\n"));
	}
	http_conn_schedule(ex->conn);
}

const http_ops h1_ops = {
	.head = op_head,
	.interim = op_interim,
	.tunnel = op_tunnel,
	.out = op_out,
	.read = op_read,
	.reset = op_out, /* the turn sees ex->why */
};

/* ---- the connection's work ---- */

void h1_next(h1_conn *c)
{
	c->ex = NULL;
	c->begun = c->head_done = c->expects = c->out_done = false;
	c->fail_status = 0;
	c->name = (sp_str){NULL, 0};
	c->since_ns = sp_now_ns(c->base.world);
}

static bool can_parse(const h1_conn *c)
{
	if (c->base.closing || c->ending || c->lingering || c->tunnel)
		return false;
	if (c->ex == NULL)
		return !c->client && !http_out_is_full(&c->base.out);
	return !c->head_done || (!c->ex->in_ended && http_in_wants(c->ex));
}

/* The messages that are whole end the exchange. */
static void finish_exchange(h1_conn *c)
{
	http_ex *ex = c->ex;
	if (ex->why != SP_OK) {
		c->ending = true;
		h1_next(c);
		http_ex_close(ex, NULL);
		return;
	}
	http_in_resume(ex);
	move(c);
	if (c->client)
		h1_client_done(c);
	else
		h1_server_done(c);
}

static bool new_exchange(h1_conn *c)
{
	c->ex = http_ex_new(c->base.pool);
	if (c->ex == NULL) {
		c->ending = true;
		return false;
	}
	c->ex->ops = &h1_ops;
	c->ex->conn = &c->base;
	c->ex->pub.stream = c->base.stream;
	c->since_ns = sp_now_ns(c->base.world);
	return true;
}

/* RFC 9112 sections 2.2 to 7; what llhttp refuses. A version it does not know and text that is none have the
 * same number, so its words decide. */
static uint16_t status_of(const llhttp_t *p, llhttp_errno_t e, char bad)
{
	if (e == HPE_INVALID_METHOD)
		return http_method_ok((sp_str){&bad, 1}) ? 501 : 400;
	if (e == HPE_INVALID_VERSION &&
	    sp_str_eq(sp_str_c(llhttp_get_error_reason(p)), SP_STR("Invalid HTTP version")))
		return 505;
	return 400;
}

static void refuse(h1_conn *c, llhttp_errno_t e, char bad)
{
	if (c->fail_status == 0)
		(void)h1_refuse(c, status_of(&c->parser, e, bad), llhttp_get_error_reason(&c->parser));
	if (c->client)
		h1_client_refuse(c);
	else
		h1_server_refuse(c, c->fail_status, SP_EPROTO);
}

/* Parses what it may; the rest is kept. */
static void parse(h1_conn *c, const char *p, size_t n)
{
	while (n > 0 && can_parse(c)) {
		if (c->ex == NULL && !new_exchange(c))
			return;
		llhttp_errno_t e = llhttp_execute(&c->parser, p, n);
		if (e == HPE_PAUSED) {
			const char *at = llhttp_get_error_pos(&c->parser);
			n -= (size_t)(at - p);
			p = at;
			llhttp_resume(&c->parser);
			finish_exchange(c);
		} else if (e != HPE_OK) {
			const char *at = llhttp_get_error_pos(&c->parser);
			refuse(c, e, at != NULL && at >= p && at < p + n ? *at : '\0');
			return;
		} else {
			n = 0;
		}
	}
	if (n > 0 && sp_buf_append(&c->in, p, n) != SP_OK)
		c->ending = true;
}

static void hand_over(h1_conn *c)
{
	http_ex *ex = c->ex;
	sp_stream *s = c->base.stream;
	if (!http_out_is_idle(&c->base.out) || !ex->in_ended || c->base.out.failed)
		return;
	if (http_stream_unread(s, sp_buf_view(&c->in), c->peer_ended, NULL) != SP_OK) {
		http_ex_fail(ex, SP_ENOMEM, "no memory to hand the connection over");
		finish_exchange(c);
		return;
	}
	c->base.closing = true; /* the stream is no longer ours */
	h1_next(c);
	if (ex->pub.events->on_tunnel != NULL) {
		ex->pub.events->on_tunnel(&ex->pub, s);
	} else {
		sp_stream_handle(s, &sp_stream_no_handler, NULL);
		sp_stream_close(s);
	}
	http_ex_close(ex, NULL);
}

/* Ends the connection once everything is written; a server waits for the client's end first. */
static void end_when_idle(h1_conn *c)
{
	if ((!c->ending && !c->lingering) || !http_out_is_idle(&c->base.out))
		return;
	if (c->ending || c->peer_ended) {
		http_conn_close(&c->base);
	} else if (!c->shut) {
		c->shut = true;
		c->since_ns = sp_now_ns(c->base.world);
		sp_stream_shutdown(c->base.stream);
	}
}

static void update_reading(h1_conn *c)
{
	bool on = !c->base.closing && !c->ending && (c->lingering || c->in.len < IN_HIGH_BYTES);
	if (on == c->reading)
		return;
	c->reading = on;
	sp_stream_read(c->base.stream, on);
}

static void on_timer(sp_timer *t)
{
	h1_conn *c = t->arg;
	uint64_t due = h1_due(c);
	if (due != 0 && due <= sp_now_ns(c->base.world)) {
		c->base.busy = true;
		h1_timeout(c);
		c->base.busy = false;
	}
	h1_work(c);
}

static void release(h1_conn *c)
{
	http_conn_gone(&c->base);
	if (c->client)
		http_client_lost(&c->base);
	else
		http_server_remove(c->base.server, &c->base);
	sp_buf_done(&c->in);
	sp_free(c);
}

void h1_work(h1_conn *c)
{
	if (c->base.closing)
		return;
	c->base.busy = true;
	if (c->ex != NULL)
		finish_exchange(c);
	while (c->in.len > 0 && can_parse(c)) {
		sp_buf taken = c->in;
		sp_buf_init(&c->in, IN_LIMIT_BYTES);
		parse(c, taken.ptr, taken.len);
		sp_buf_done(&taken);
		if (c->ex != NULL)
			finish_exchange(c);
	}
	if (c->peer_ended && !c->tunnel && !c->client) {
		if (c->ex != NULL) {
			http_ex *ex = c->ex;
			http_ex_fail(ex, SP_ECANCELED, "the client closed the connection");
			h1_next(c);
			http_ex_close(ex, NULL);
		}
		c->ending = true;
	}
	if (c->ending && c->ex != NULL) {
		http_ex *ex = c->ex;
		http_ex_fail(ex, SP_ENOMEM, "no memory for what was read");
		h1_next(c);
		http_ex_close(ex, NULL);
	}
	http_out_flush(&c->base.out);
	if (c->tunnel && c->ex != NULL)
		hand_over(c);
	c->base.busy = false;
	if (c->base.closing) {
		if (c->ex == NULL && c->tunnel)
			release(c);
		return;
	}
	if (c->base.out.failed) {
		h1_kill(c, NULL);
		return;
	}
	end_when_idle(c);
	update_reading(c);
	http_conn_arm(&c->base, h1_due(c), on_timer);
}

void h1_kill(h1_conn *c, const sp_err *err)
{
	http_ex *ex = c->ex;
	sp_err own = {0};
	c->base.busy = true;
	if (ex != NULL) {
		h1_next(c);
		if (!c->client || !http_client_again(ex, false))
			http_ex_close(ex, http_conn_broke(&c->base, err, &own));
	}
	http_conn_close(&c->base);
}

static void on_turn(sp_defer *d)
{
	h1_work(d->arg);
}

static void on_progress(http_conn *base)
{
	if (!base->closing)
		h1_work(h1_of(base));
}

/* ---- the stream's events ---- */

static void on_data(void *arg, const uint8_t *bytes, size_t n)
{
	h1_conn *c = arg;
	if (c->base.closing || c->lingering || c->ending)
		return;
	c->in_ns = sp_now_ns(c->base.world);
	if (c->sniffing && h1_server_sniff(c, bytes, n))
		return;
	c->base.busy = true;
	if (c->client && c->ex == NULL)
		c->ending = true; /* nobody asked for anything */
	else if (c->in.len == 0)
		parse(c, (const char *)bytes, n);
	else if (sp_buf_append(&c->in, bytes, n) != SP_OK)
		c->ending = true;
	c->base.busy = false;
	h1_work(c);
}

static void on_end(void *arg)
{
	h1_conn *c = arg;
	c->peer_ended = true;
	if (c->client && c->ex != NULL && !c->tunnel) {
		c->base.busy = true;
		if (c->begun)
			(void)llhttp_finish(&c->parser); /* a body may end like this; in_ended tells */
		if (!c->ex->in_ended) {
			sp_err err = {0};
			(void)sp_fail(&err, SP_EUNAVAILABLE, "closed by the server");
			h1_kill(c, &err);
			return;
		}
		c->keep_alive = false;
		c->base.busy = false;
	} else if (c->client && c->ex == NULL) {
		c->ending = true;
	}
	h1_work(c);
}

static void on_error(void *arg, const sp_err *err)
{
	h1_conn *c = arg;
	if (!c->base.closing)
		h1_kill(c, err);
}

static void on_close(void *arg)
{
	release(arg);
}

static const sp_stream_handler stream_handler = {on_data, on_end, on_error, on_close};

h1_conn *h1_conn_new(http_pool *pool, sp_stream *s, const http_conn_ops *ops, bool client)
{
	h1_conn *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return NULL;
	http_conn_init(&c->base, ops, pool, s, on_turn, on_progress);
	c->client = client;
	sp_buf_init(&c->in, IN_LIMIT_BYTES);
	llhttp_init(&c->parser, client ? HTTP_RESPONSE : HTTP_REQUEST, &h1_settings);
	c->parser.data = c;
	c->in_ns = c->since_ns = sp_now_ns(pool->world);
	sp_stream_handle(s, &stream_handler, c);
	return c;
}
