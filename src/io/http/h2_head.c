/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of HTTP/2 messages: what is allowed in (RFC 9113 section 8, RFC 8441), and how ours are rendered. */
#include "base/num.h"
#include "io/http/h2_int.h"

/* ---- in ---- */

static void malformed(h2_conn *c, http_ex *ex, const char *text)
{
	h2_refuse(c, ex, SP_HTTP2_PROTOCOL_ERROR, SP_EPROTO, text);
}

typedef enum pseudo { P_METHOD, P_SCHEME, P_AUTHORITY, P_PATH, P_PROTOCOL, P_STATUS, P_COUNT_ } pseudo;

static const struct {
	sp_str name;
	bool of_response;
} pseudos[P_COUNT_] = {
	[P_METHOD] = {SP_STR_INIT(":method"), false},       [P_SCHEME] = {SP_STR_INIT(":scheme"), false},
	[P_AUTHORITY] = {SP_STR_INIT(":authority"), false}, [P_PATH] = {SP_STR_INIT(":path"), false},
	[P_PROTOCOL] = {SP_STR_INIT(":protocol"), false},   [P_STATUS] = {SP_STR_INIT(":status"), true},
};

static sp_str *pseudo_place(sp_http_exchange *ex, pseudo p)
{
	sp_str *const places[] = {&ex->method, &ex->scheme, &ex->authority, &ex->path, &ex->protocol};
	return places[p];
}

static bool status_field(h2_conn *c, http_ex *ex, sp_str value)
{
	uint64_t status;
	if (ex->pub.status != 0 || value.len != 3 || sp_parse_u64(value, 100, 999, &status, NULL) != SP_OK) {
		malformed(c, ex, "bad :status");
		return false;
	}
	ex->pub.status = (uint16_t)status;
	return true;
}

static void pseudo_field(h2_conn *c, http_ex *ex, sp_str name, sp_str value)
{
	unsigned p = 0;
	while (p < P_COUNT_ && !sp_str_eq(pseudos[p].name, name))
		p++;
	if (p == P_COUNT_ || pseudos[p].of_response != c->client || ex->regular_seen || ex->trailing) {
		malformed(c, ex, "a pseudo-header field where none may be");
		return;
	}
	if (p == P_STATUS) {
		(void)status_field(c, ex, value);
		return;
	}
	sp_str *place = pseudo_place(&ex->pub, (pseudo)p);
	if (place->ptr != NULL) {
		malformed(c, ex, "a pseudo-header field twice");
		return;
	}
	*place = sp_arena_try_dup(&ex->pub.arena, value);
	if (place->ptr == NULL)
		h2_refuse(c, ex, SP_HTTP2_INTERNAL_ERROR, SP_ENOMEM, "no memory for a head");
}

static bool of_connection(sp_http_name id, sp_str value)
{
	return id == SP_HTTP_CONNECTION || id == SP_HTTP_KEEP_ALIVE || id == SP_HTTP_PROXY_CONNECTION ||
	       id == SP_HTTP_TRANSFER_ENCODING || id == SP_HTTP_UPGRADE ||
	       (id == SP_HTTP_TE && !sp_str_eq_nocase(value, SP_STR("trailers")));
}

static bool has_outer_blank(sp_str v)
{
	return v.len > 0 &&
	       (v.ptr[0] == ' ' || v.ptr[0] == '\t' || v.ptr[v.len - 1] == ' ' || v.ptr[v.len - 1] == '\t');
}

static void regular_field(h2_conn *c, http_ex *ex, sp_str name, sp_str value)
{
	sp_http_name id = sp_http_name_of(name);
	sp_http_fields *f = ex->trailing ? &ex->pub.trailers : &ex->pub.headers;
	ex->regular_seen = true;
	if (!http_name_ok(name) || !http_value_ok(value) || has_outer_blank(value) ||
	    of_connection(id, value)) {
		malformed(c, ex, "a header field that may not be there");
		return;
	}
	if ((id == SP_HTTP_CONTENT_LENGTH || id == SP_HTTP_HOST) && f->first[id] != 0) {
		malformed(c, ex, "a header field twice");
		return;
	}
	if (id == SP_HTTP_CONTENT_LENGTH && !ex->trailing &&
	    sp_parse_i64(value, 0, INT64_MAX, &ex->pub.content_length, NULL) != SP_OK) {
		malformed(c, ex, "bad content-length");
		return;
	}
	sp_arena *a = &ex->pub.arena;
	sp_str n = sp_arena_try_dup(a, name);
	sp_str v = value.len == 0 ? SP_STR("") : sp_arena_try_dup(a, value);
	if (n.ptr == NULL || v.ptr == NULL || !http_fields_add(f, a, id, n, v))
		h2_refuse(c, ex, SP_HTTP2_INTERNAL_ERROR, SP_ENOMEM, "no memory for a head");
}

void h2_head_field(h2_conn *c, sp_str name, sp_str value)
{
	http_ex *ex = c->cur;
	const sp_http_limits *l = &c->base.pool->limits;
	if (ex == NULL)
		return;
	ex->head_bytes += name.len + value.len + 32;
	if (ex->head_bytes > l->header_bytes * 4 + l->target_bytes) {
		/* decoding has a price too */
		h2_fail(c, NGHTTP2_ENHANCE_YOUR_CALM);
		c->cur = NULL;
		return;
	}
	if (ex->refused || ex->too_large)
		return;
	const sp_http_fields *f = ex->trailing ? &ex->pub.trailers : &ex->pub.headers;
	if (ex->head_bytes > l->header_bytes + l->target_bytes || f->n >= l->n_headers) {
		ex->too_large = true;
		return;
	}
	if (name.len > 0 && name.ptr[0] == ':')
		pseudo_field(c, ex, name, value);
	else
		regular_field(c, ex, name, value);
}

/* What is wrong with a request, or NULL. */
static const char *request_fault(const h2_conn *c, http_ex *ex)
{
	sp_http_exchange *p = &ex->pub;
	bool lax = http_server_opts(c->base.server)->lax_authority;
	sp_str host = sp_http_get(&p->headers, SP_HTTP_HOST);
	bool has_authority = p->authority.ptr != NULL;
	if (p->method.ptr == NULL || !http_method_ok(p->method))
		return "no method";
	p->method_id = http_method_of(p->method);
	bool connect = p->method_id == SP_HTTP_CONNECT;
	if (connect && p->protocol.ptr == NULL) {
		if (p->scheme.ptr != NULL || p->path.ptr != NULL || !has_authority)
			return "CONNECT with wrong pseudo-header fields";
	} else {
		if (p->scheme.len == 0 || p->path.len == 0)
			return "a pseudo-header field is missing";
		if (!http_target_ok(p->path) || (p->path.ptr[0] != '/' && !(p->method_id == SP_HTTP_OPTIONS &&
									    sp_str_eq(p->path, SP_STR("*")))))
			return "bad :path";
	}
	if (p->protocol.ptr != NULL && (!connect || !has_authority || !http_value_ok(p->protocol)))
		return ":protocol without CONNECT";
	if (has_authority && host.ptr != NULL && !sp_str_eq(host, p->authority))
		return "host is not :authority";
	if (!has_authority)
		p->authority = host;
	if (!http_authority_ok(p->authority, lax))
		return "bad authority";
	return NULL;
}

static void answer(http_ex *ex, uint16_t status)
{
	ex->discard = true;
	if (sp_http_respond(&ex->pub, status, NULL, 0, (sp_str){NULL, 0}, NULL) != SP_OK)
		sp_http_reset(&ex->pub, SP_HTTP2_REFUSED_STREAM);
}

static void request_done(h2_conn *c, http_ex *ex, bool last)
{
	const char *fault = ex->too_large ? NULL : request_fault(c, ex);
	if (fault == NULL && last && ex->pub.content_length > 0)
		fault = "content-length without a body";
	if (fault != NULL) {
		malformed(c, ex, fault);
		return;
	}
	ex->head_in = true;
	ex->pub.version = 20;
	if (last)
		ex->pub.content_length = 0;
	if (ex->pub.path.len > c->base.pool->limits.target_bytes) {
		answer(ex, 414);
	} else if (ex->too_large) {
		answer(ex, 431);
	} else {
		ex->expects = sp_str_eq_nocase(sp_http_get(&ex->pub.headers, SP_HTTP_EXPECT),
					       SP_STR("100-continue"));
		const sp_http_server_opts *o = http_server_opts(c->base.server);
		o->on_request(o->arg, &ex->pub);
	}
}

static void response_done(h2_conn *c, http_ex *ex, bool last)
{
	uint16_t status = ex->pub.status;
	if (status == 0 || status == 101 || ex->too_large || (status < 200 && last)) {
		malformed(c, ex, status == 0 ? "no :status" : "a response that may not be");
		return;
	}
	if (status < 200) {
		sp_http_fields interim = ex->pub.headers, none = {0};
		ex->pub.status = 0;
		ex->pub.content_length = -1;
		ex->pub.headers = none;
		if (ex->pub.events->on_interim != NULL)
			ex->pub.events->on_interim(&ex->pub, status, &interim);
		return;
	}
	ex->head_in = true;
	ex->call->answered = true;
	if (ex->call->tunnel && status < 300) {
		ex->want_tunnel = true;
		h2_ready(ex);
		return;
	}
	bool sized = http_has_body(status, ex->pub.method_id);
	if (last && sized && ex->pub.content_length > 0) {
		malformed(c, ex, "content-length without a body");
		return;
	}
	if (last && ex->pub.method_id != SP_HTTP_HEAD)
		ex->pub.content_length = 0;
	if (ex->pub.events->on_response != NULL)
		ex->pub.events->on_response(&ex->pub);
}

void h2_head_done(h2_conn *c, http_ex *ex, bool last)
{
	ex->head_bytes = 0;
	ex->regular_seen = false;
	if (ex->refused || ex->why != SP_OK)
		return;
	if (ex->trailing) {
		if (!last || ex->too_large)
			malformed(c, ex, "bad trailers");
	} else if (c->client) {
		response_done(c, ex, last);
	} else {
		request_done(c, ex, last);
	}
}

/* ---- out ---- */

static nghttp2_nv nv_of(sp_str name, sp_str value)
{
	return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name.ptr,
			    .value = (uint8_t *)(uintptr_t)value.ptr,
			    .namelen = name.len,
			    .valuelen = value.len,
			    .flags = NGHTTP2_NV_FLAG_NONE};
}

static size_t put_headers(nghttp2_nv *nv, size_t n, const sp_http_header *h, size_t n_h)
{
	for (size_t i = 0; i < n_h; i++)
		nv[n++] = nv_of(h[i].name, h[i].value);
	return n;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length, uint32_t *flags,
			 nghttp2_data_source *source, void *user)
{
	http_ex *ex = source->ptr;
	h2_conn *c = user;
	(void)session, (void)id, (void)buf;
	size_t n = SP_MIN(ex->queued_bytes, length);
	bool last = ex->out_ended && n == ex->queued_bytes;
	if (n == 0 && !last) {
		ex->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (last) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		if (ex->n_out_trailers > 0) {
			*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
			h2_submit_trailers(c, ex);
		}
	}
	return (ssize_t)n;
}

static sp_code submitted(int rc, sp_err *err)
{
	if (rc >= 0)
		return SP_OK;
	return sp_fail(err, rc == NGHTTP2_ERR_NOMEM ? SP_ENOMEM : SP_EUNAVAILABLE, "HTTP/2: %s",
		       nghttp2_strerror(rc));
}

sp_code h2_submit_response(h2_conn *c, http_ex *ex, const http_head *h, bool interim, sp_err *err)
{
	SP_ASSERT(h->status >= 100 && h->status <= 999);
	char status[3] = {(char)('0' + h->status / 100), (char)('0' + h->status / 10 % 10),
			  (char)('0' + h->status % 10)};
	char length[SP_NUM_TEXT_BYTES];
	nghttp2_nv small[24];
	nghttp2_nv *nv = small;
	if (h->n + 3 > SP_LEN(small)) {
		nv = sp_try_new(&ex->pub.arena, nghttp2_nv, h->n + 3);
		if (nv == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for a response");
	}
	size_t n = 0;
	nv[n++] = nv_of(SP_STR(":status"), (sp_str){status, 3});
	bool have_date = interim;
	for (size_t i = 0; i < h->n && !have_date; i++)
		have_date = sp_str_eq(h->headers[i].name, SP_STR("date"));
	n = put_headers(nv, n, h->headers, h->n);
	if (!have_date)
		nv[n++] = nv_of(SP_STR("date"), (sp_str){http_date(c->base.pool), HTTP_DATE_BYTES});
	if (h->add_length) {
		size_t digits = sp_print_u64(length, (uint64_t)h->content_length);
		nv[n++] = nv_of(SP_STR("content-length"), (sp_str){length, digits});
	}
	if (interim)
		return submitted(nghttp2_submit_headers(c->session, NGHTTP2_FLAG_NONE, ex->stream_id, NULL,
							nv, n, NULL),
				 err);
	nghttp2_data_provider provider = {.source.ptr = ex, .read_callback = read_body};
	return submitted(
		nghttp2_submit_response(c->session, ex->stream_id, nv, n, h->empty ? NULL : &provider), err);
}

sp_code h2_submit_request(h2_conn *c, http_ex *ex, sp_err *err)
{
	const http_call *call = ex->call;
	const sp_http_exchange *p = &ex->pub;
	char length[SP_NUM_TEXT_BYTES];
	nghttp2_nv *nv = sp_try_new(&ex->pub.arena, nghttp2_nv, call->n_headers + 6);
	if (nv == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a request");
	size_t n = 0;
	bool upgrade = p->protocol.len > 0, plain_connect = p->method_id == SP_HTTP_CONNECT && !upgrade;
	nv[n++] = nv_of(SP_STR(":method"), upgrade ? SP_STR("CONNECT") : p->method);
	if (upgrade)
		nv[n++] = nv_of(SP_STR(":protocol"), p->protocol);
	if (!plain_connect) {
		nv[n++] = nv_of(SP_STR(":scheme"), p->scheme);
		nv[n++] = nv_of(SP_STR(":path"), p->path);
	}
	nv[n++] = nv_of(SP_STR(":authority"), p->authority);
	n = put_headers(nv, n, call->headers, call->n_headers);
	if (!call->streaming && call->body != NULL) {
		size_t digits = sp_print_u64(length, call->body->len);
		nv[n++] = nv_of(SP_STR("content-length"), (sp_str){length, digits});
	}
	nghttp2_data_provider provider = {.source.ptr = ex, .read_callback = read_body};
	bool body = call->tunnel || call->streaming || ex->chunks != NULL;
	ex->stream_id = nghttp2_submit_request(c->session, NULL, nv, n, body ? &provider : NULL, ex);
	return submitted(ex->stream_id, err);
}

void h2_submit_trailers(h2_conn *c, http_ex *ex)
{
	nghttp2_nv *nv = sp_try_new(&ex->pub.arena, nghttp2_nv, ex->n_out_trailers);
	if (nv != NULL) {
		size_t n = put_headers(nv, 0, ex->out_trailers, ex->n_out_trailers);
		if (nghttp2_submit_trailer(c->session, ex->stream_id, nv, n) == 0)
			return;
	}
	h2_refuse(c, ex, SP_HTTP2_INTERNAL_ERROR, SP_ENOMEM, "no memory for trailers");
}
