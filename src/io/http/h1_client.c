/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of HTTP/1: rendering requests, judging responses. */
#include "base/alloc.h"
#include "base/num.h"
#include "io/http/h1_int.h"

static size_t own_headers(h1_conn *c, sp_http_header own[4], char length[SP_NUM_TEXT_BYTES])
{
	const http_ex *ex = c->ex;
	const http_call *call = ex->call;
	size_t n = 0;
	own[n++] = (sp_http_header){SP_STR("host"), ex->pub.authority};
	if (ex->pub.protocol.len > 0) {
		own[n++] = (sp_http_header){SP_STR("connection"), SP_STR("Upgrade")};
		own[n++] = (sp_http_header){SP_STR("upgrade"), ex->pub.protocol};
	}
	bool expected = ex->pub.method_id == SP_HTTP_POST || ex->pub.method_id == SP_HTTP_PUT ||
			ex->pub.method_id == SP_HTTP_PATCH;
	c->out_body = H1_BODY_NONE;
	if (call->has_length) {
		c->out_body = H1_BODY_LENGTH;
	} else if (call->streaming) {
		c->out_body = H1_BODY_CHUNKED;
		own[n++] = (sp_http_header){SP_STR("transfer-encoding"), SP_STR("chunked")};
	} else if (call->body != NULL || expected) {
		size_t digits = sp_print_u64(length, call->body == NULL ? 0 : call->body->len);
		c->out_body = H1_BODY_LENGTH;
		own[n++] = (sp_http_header){SP_STR("content-length"), {length, digits}};
	}
	return n;
}

static void render(h1_conn *c)
{
	const http_ex *ex = c->ex;
	sp_http_header own[4];
	char length[SP_NUM_TEXT_BYTES];
	size_t n = own_headers(c, own, length);
	sp_str target = ex->pub.method_id == SP_HTTP_CONNECT ? ex->pub.authority : ex->pub.path;
	size_t bytes = ex->pub.method.len + target.len + 14 + h1_headers_bytes(own, n) +
		       h1_headers_bytes(ex->call->headers, ex->call->n_headers);
	sp_buf *b = http_out_text(&c->base.out);
	char *at = sp_buf_reserve(b, bytes);
	if (at == NULL)
		return; /* sticky: flush looks */
	at = h1_put(at, ex->pub.method);
	at = h1_put(at, SP_STR(" "));
	at = h1_put(at, target);
	at = h1_put(at, SP_STR(" HTTP/1.1\r\n"));
	at = h1_put_headers(at, own, n);
	at = h1_put_headers(at, ex->call->headers, ex->call->n_headers);
	(void)h1_put(at, SP_STR("\r\n"));
	sp_buf_added(b, bytes);
}

/* ---- responses ---- */

static int head_interim(h1_conn *c, uint16_t status)
{
	http_ex *ex = c->ex;
	c->interim = true;
	if (ex->why == SP_OK && ex->pub.events->on_interim != NULL)
		ex->pub.events->on_interim(&ex->pub, status, &ex->pub.headers);
	return 0;
}

int h1_client_head(h1_conn *c)
{
	http_ex *ex = c->ex;
	uint16_t status = c->parser.status_code;
	if (ex->pub.version != 10 && ex->pub.version != 11)
		return h1_refuse(c, 502, "the response is neither HTTP/1.0 nor HTTP/1.1");
	if (status < 100 || (status == 101 && ex->pub.protocol.len == 0))
		return h1_refuse(c, 502, "the response has a status nobody asked for");
	if (status < 200 && status != 101)
		return head_interim(c, status);
	ex->pub.status = status;
	bool connected = ex->pub.method_id == SP_HTTP_CONNECT && status < 300;
	if (status == 101 || connected) {
		c->tunnel = true;
		ex->out_ended = true;
		return 1;
	}
	if (h1_check_framing(c) != 0)
		return -1;
	bool has_body = http_has_body(status, ex->pub.method_id);
	if (!has_body)
		ex->pub.content_length = ex->pub.method_id == SP_HTTP_HEAD ? ex->pub.content_length : 0;
	if (ex->why == SP_OK && ex->pub.events->on_response != NULL)
		ex->pub.events->on_response(&ex->pub);
	return has_body ? 0 : 1;
}

void h1_client_refuse(h1_conn *c)
{
	http_ex *ex = c->ex;
	http_ex_fail(ex, SP_EPROTO, c->fail_text);
	c->ending = true;
	h1_next(c);
	http_ex_close(ex, NULL);
}

void h1_client_done(h1_conn *c)
{
	http_ex *ex = c->ex;
	if (c->begun)
		ex->call->answered = true;
	if (!ex->end_told || c->tunnel)
		return;
	bool again = c->keep_alive && c->out_done && !c->peer_ended && !c->base.draining;
	h1_next(c);
	c->ending = !again;
	http_ex_close(ex, NULL);
	http_client_room(&c->base);
}

/* ---- the connection ---- */

static void start(http_conn *base, http_ex *ex)
{
	h1_conn *c = h1_of(base);
	c->ex = ex;
	ex->conn = base;
	ex->ops = &h1_ops;
	ex->pub.stream = base->stream;
	ex->pub.version = 11;
	ex->head_out = true;
	ex->call->reused = base->out.progress_ns > 0;
	render(c);
	http_conn_schedule(base);
}

static uint32_t room(const http_conn *base)
{
	const h1_conn *c = (const h1_conn *)(const void *)base;
	return !base->closing && !c->ending && !c->peer_ended && !base->draining && c->ex == NULL;
}

static void drain(http_conn *base)
{
	h1_conn *c = h1_of(base);
	base->draining = true;
	c->ending = c->ending || c->ex == NULL;
	http_conn_schedule(base);
}

static void kill_conn(http_conn *base, const sp_err *err)
{
	if (!base->closing)
		h1_kill(h1_of(base), err);
}

static const http_conn_ops conn_ops = {.drain = drain, .kill = kill_conn, .start = start, .room = room};

sp_code http1_client_start(struct http_origin *o, http_pool *pool, sp_stream *stream, http_conn **ret,
			   sp_err *err)
{
	h1_conn *c = h1_conn_new(pool, stream, &conn_ops, true);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a connection");
	c->base.origin = o;
	*ret = &c->base;
	h1_work(c);
	return SP_OK;
}
