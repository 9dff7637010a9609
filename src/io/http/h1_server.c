/* SPDX-License-Identifier: Apache-2.0 */
/* The server's side of HTTP/1: what a request may say, how a response is framed, timeouts. */
#include "base/alloc.h"
#include "base/num.h"
#include "io/http/h1_int.h"

#define LINGER_NS (2 * HTTP_NS_PER_S)
/* The rest of a body nobody wants is read up to here, to keep the connection. */
#define DRAIN_BYTES 65536

/* ---- requests ---- */

/* RFC 9112 section 3.2: one of the four forms of a target, each with its own methods. */
static int head_target(h1_conn *c)
{
	sp_http_exchange *ex = &c->ex->pub;
	sp_str t = ex->path;
	if (!http_target_ok(t))
		return h1_refuse(c, 400, "bad request target");
	if (ex->method_id == SP_HTTP_CONNECT) {
		if (!http_authority_ok(t, false) || sp_str_rindex(t, ':') < 0)
			return h1_refuse(c, 400, "CONNECT needs host:port");
		ex->authority = t;
		ex->path = (sp_str){NULL, 0};
		return 0;
	}
	if (t.ptr[0] == '/')
		return 0;
	if (sp_str_eq(t, SP_STR("*")))
		return ex->method_id == SP_HTTP_OPTIONS ? 0 : h1_refuse(c, 400, "bad request target");
	ptrdiff_t colon = sp_str_find(t, SP_STR("://"));
	sp_str scheme = sp_str_sub(t, 0, colon < 0 ? 0 : (size_t)colon);
	if (!sp_str_eq_nocase(scheme, SP_STR("http")) && !sp_str_eq_nocase(scheme, SP_STR("https")))
		return h1_refuse(c, 400, "bad request target");
	sp_str rest = sp_str_sub(t, (size_t)colon + 3, t.len);
	size_t end = 0;
	while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
		end++;
	ex->authority = sp_str_sub(rest, 0, end);
	ex->path = sp_str_sub(rest, end, rest.len);
	if (ex->authority.len == 0 || !http_authority_ok(ex->authority, false))
		return h1_refuse(c, 400, "bad authority in the request target");
	if (ex->path.len == 0 || ex->path.ptr[0] != '/') {
		ex->path = sp_arena_printf(&ex->arena, "/" SP_FMT, SP_ARG(ex->path));
		if (ex->path.ptr == NULL)
			return h1_refuse(c, 503, "no memory");
	}
	return 0;
}

/* RFC 9112 section 3.2.2: the authority of an absolute target replaces Host, which must be there all the
 * same. */
static int head_host(h1_conn *c)
{
	sp_http_exchange *ex = &c->ex->pub;
	bool lax = http_server_opts(c->base.server)->lax_authority;
	unsigned n = 0;
	for (uint32_t i = 0; i < ex->headers.n; i++)
		n += sp_str_eq(ex->headers.at[i].name, SP_STR("host"));
	if (n > 1 || (n == 0 && ex->version == 11))
		return h1_refuse(c, 400, n > 1 ? "more than one Host" : "no Host");
	sp_str host = sp_http_get(&ex->headers, SP_HTTP_HOST);
	if (!http_authority_ok(host, lax))
		return h1_refuse(c, 400, "bad Host");
	if (ex->authority.ptr == NULL)
		ex->authority = host;
	else if (n == 1)
		ex->headers.at[ex->headers.first[SP_HTTP_HOST] - 1].value = ex->authority;
	return 0;
}

static int head_expect(h1_conn *c)
{
	const sp_http_exchange *ex = &c->ex->pub;
	sp_str expect = sp_http_get(&ex->headers, SP_HTTP_EXPECT);
	if (expect.len == 0)
		return 0;
	if (!sp_str_eq_nocase(expect, SP_STR("100-continue")))
		return h1_refuse(c, 417, "unknown expectation");
	c->expects = ex->version == 11 && ex->content_length != 0;
	return 0;
}

int h1_server_head(h1_conn *c)
{
	sp_http_exchange *ex = &c->ex->pub;
	if (ex->version != 10 && ex->version != 11)
		return h1_refuse(c, ex->version == 9 ? 400 : 505, "HTTP/1.0 and HTTP/1.1 are served here");
	ex->method = sp_str_c(llhttp_method_name((llhttp_method_t)c->parser.method));
	ex->method_id = http_method_of(ex->method);
	ex->scheme = c->base.is_tls ? SP_STR("https") : SP_STR("http");
	if (head_target(c) != 0 || head_host(c) != 0 || h1_check_framing(c) != 0 || head_expect(c) != 0)
		return -1;
	bool upgrade = sp_http_has_token(&ex->headers, SP_HTTP_CONNECTION, SP_STR("upgrade"));
	if (ex->version == 11 && upgrade)
		ex->protocol = sp_http_get(&ex->headers, SP_HTTP_UPGRADE);
	if (ex->method_id == SP_HTTP_CONNECT && ex->content_length != 0)
		return h1_refuse(c, 400, "CONNECT has no body");
	c->keep_alive = llhttp_should_keep_alive(&c->parser) != 0 && !c->base.draining;
	const sp_http_server_opts *o = http_server_opts(c->base.server);
	o->on_request(o->arg, ex);
	return 0;
}

/* ---- responses ---- */

/* Whether the connection can carry another request after this response. */
static bool keeps(const h1_conn *c, const http_head *h)
{
	const http_ex *ex = c->ex;
	if (!c->keep_alive || c->base.draining || c->peer_ended)
		return false;
	if (!h->empty && h->content_length < 0 && ex->pub.version == 10)
		return false; /* ends by closing */
	if (ex->in_ended || ex->reading)
		return true;
	/* The body was not asked for: what is still to come must be little, and certain to come. */
	return !c->expects && ex->pub.content_length >= 0 &&
	       ex->pub.content_length - (int64_t)ex->pub.n_body_in <= DRAIN_BYTES;
}

/* What the server adds by itself. */
static size_t own_headers(h1_conn *c, const http_head *h, sp_http_header own[4],
			  char length[SP_NUM_TEXT_BYTES])
{
	const http_ex *ex = c->ex;
	size_t n = 0;
	if (c->tunnel) {
		if (h->status == 101) {
			own[n++] = (sp_http_header){SP_STR("connection"), SP_STR("Upgrade")};
			own[n++] = (sp_http_header){SP_STR("upgrade"), ex->pub.protocol};
		}
		return n;
	}
	if (h->status < 200)
		return 0;
	bool have_date = false;
	for (size_t i = 0; i < h->n && !have_date; i++)
		have_date = sp_str_eq(h->headers[i].name, SP_STR("date"));
	if (!have_date)
		own[n++] = (sp_http_header){SP_STR("date"), {http_date(c->base.pool), HTTP_DATE_BYTES}};
	c->out_body = h->empty ? H1_BODY_NONE : H1_BODY_LENGTH;
	if (h->add_length) {
		size_t digits = sp_print_u64(length, (uint64_t)h->content_length);
		own[n++] = (sp_http_header){SP_STR("content-length"), {length, digits}};
	} else if (!h->empty && h->content_length < 0) {
		c->out_body = ex->pub.version == 11 ? H1_BODY_CHUNKED : H1_BODY_UNTIL_CLOSE;
		if (ex->pub.version == 11)
			own[n++] = (sp_http_header){SP_STR("transfer-encoding"), SP_STR("chunked")};
	}
	c->close_after = !keeps(c, h);
	if (c->close_after)
		own[n++] = (sp_http_header){SP_STR("connection"), SP_STR("close")};
	else if (ex->pub.version == 10)
		own[n++] = (sp_http_header){SP_STR("connection"), SP_STR("keep-alive")};
	return n;
}

sp_code h1_server_render(h1_conn *c, const http_head *h, sp_err *err)
{
	sp_http_header own[4];
	char length[SP_NUM_TEXT_BYTES];
	SP_ASSERT(h->status >= 100 && h->status <= 999);
	size_t n_own = own_headers(c, h, own, length);
	sp_str reason = sp_http_reason(h->status);
	char line[] = "HTTP/1.1 200 ";
	line[9] = (char)('0' + h->status / 100);
	line[10] = (char)('0' + h->status / 10 % 10);
	line[11] = (char)('0' + h->status % 10);
	size_t bytes = sizeof line - 1 + reason.len + 4 + h1_headers_bytes(h->headers, h->n) +
		       h1_headers_bytes(own, n_own);
	if (bytes > (size_t)1 << 20)
		return sp_fail(err, SP_EINVAL, "the head of the response is too large");
	sp_buf *b = http_out_text(&c->base.out);
	char *at = sp_buf_reserve(b, bytes);
	if (at == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a response");
	at = h1_put(at, (sp_str){line, sizeof line - 1});
	at = h1_put(at, reason);
	at = h1_put(at, SP_STR("\r\n"));
	at = h1_put_headers(at, h->headers, h->n);
	at = h1_put_headers(at, own, n_own);
	(void)h1_put(at, SP_STR("\r\n"));
	sp_buf_added(b, bytes);
	return SP_OK;
}

/* The request cannot be understood: its answer, and the end of the connection. */
void h1_server_refuse(h1_conn *c, uint16_t status, sp_code why)
{
	http_ex *ex = c->ex;
	if (!ex->begun) {
		char body[64];
		sp_str reason = sp_http_reason(status);
		char *end = h1_put(h1_put(body, reason), SP_STR("\n"));
		sp_http_header type = {SP_STR("content-type"), SP_STR("text/plain; charset=utf-8")};
		if (ex->pub.version != 10)
			ex->pub.version = 11;
		c->keep_alive = false;
		if (sp_http_respond(&ex->pub, status, &type, 1, (sp_str){body, (size_t)(end - body)}, NULL) ==
		    SP_OK) {
			for (const http_chunk *k = ex->chunks; k != NULL; k = k->next)
				http_out_body(&c->base.out, k->owner, k->ptr, k->len);
		}
	}
	http_ex_fail(ex, why, c->fail_text);
	c->lingering = true;
	h1_next(c);
	http_ex_close(ex, NULL);
}

void h1_server_done(h1_conn *c)
{
	http_ex *ex = c->ex;
	if (!c->out_done)
		return;
	if (!ex->in_ended && !(c->close_after && !ex->reading)) {
		ex->discard = ex->discard || !ex->reading;
		return;
	}
	bool closes = c->close_after || c->base.draining;
	h1_next(c);
	http_ex_close(ex, NULL);
	c->lingering = closes;
}

/* ---- time ---- */

uint64_t h1_due(const h1_conn *c)
{
	const sp_http_limits *l = &c->base.pool->limits;
	uint64_t stalled = c->base.out.writing ? c->base.out.progress_ns + l->write_ns : 0;
	uint64_t due = 0;
	if (c->lingering)
		due = c->shut ? c->since_ns + LINGER_NS : 0;
	else if (c->ex == NULL)
		due = c->since_ns + (c->client || c->base.out.progress_ns > 0 ? l->idle_ns : l->header_ns);
	else if (!c->client && !c->head_done)
		due = c->since_ns + l->header_ns;
	else if (!c->client && !c->ex->in_ended && http_in_wants(c->ex))
		due = c->in_ns + l->body_ns;
	return stalled != 0 && (due == 0 || stalled < due) ? stalled : due;
}

void h1_timeout(h1_conn *c)
{
	sp_err err = {0};
	bool stalled = c->base.out.writing &&
		       c->base.out.progress_ns + c->base.pool->limits.write_ns <= sp_now_ns(c->base.world);
	if (stalled || c->lingering || c->ex == NULL || c->client) {
		if (stalled && c->ex != NULL)
			http_ex_fail(c->ex, SP_ETIMEOUT, "the peer does not read");
		(void)sp_fail(&err, SP_ETIMEOUT, "HTTP: the connection timed out");
		h1_kill(c, &err);
		return;
	}
	(void)h1_refuse(c, 408, "the request did not arrive in time");
	if (c->ex->begun)
		http_ex_fail(c->ex, SP_ETIMEOUT, c->fail_text);
	else
		h1_server_refuse(c, 408, SP_ETIMEOUT);
}

/* ---- the connection ---- */

static void drain(http_conn *base)
{
	h1_conn *c = h1_of(base);
	base->draining = true;
	c->close_after = true;
	if (c->ex == NULL)
		c->lingering = true;
	http_conn_schedule(base);
}

static void kill_conn(http_conn *base, const sp_err *err)
{
	if (!base->closing)
		h1_kill(h1_of(base), err);
}

static const http_conn_ops conn_ops = {.drain = drain, .kill = kill_conn};

sp_code http1_server_start(sp_http_server *s, http_pool *pool, sp_stream *stream, sp_err *err)
{
	h1_conn *c = h1_conn_new(pool, stream, &conn_ops, false);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a connection");
	c->sniffing = stream->alpn.len == 0;
	http_server_add(s, &c->base);
	h1_work(c);
	return SP_OK;
}

bool h1_server_sniff(h1_conn *c, const uint8_t *bytes, size_t n)
{
	static const char magic[] = "PRI ";
	size_t have = c->in.len, want = sizeof magic - 1;
	size_t m = SP_MIN(n, want - have);
	bool same = memcmp(magic + have, bytes, m) == 0;
	if (same && have + n < want && sp_buf_append(&c->in, bytes, n) == SP_OK)
		return true;
	if (!same) {
		c->sniffing = false;
		return false;
	}
	SP_AUTO_BUF first;
	sp_buf_init(&first, (size_t)1 << 20);
	(void)sp_buf_append(&first, c->in.ptr, have);
	sp_http_server *server = c->base.server;
	sp_stream *stream = c->base.stream;
	if (sp_buf_append(&first, bytes, n) != SP_OK ||
	    http2_server_start(server, c->base.pool, stream, sp_buf_view(&first), NULL) != SP_OK) {
		http_conn_close(&c->base);
		return true;
	}
	http_conn_gone(&c->base);
	http_server_remove(server, &c->base);
	sp_buf_done(&c->in);
	sp_free(c);
	return true;
}
