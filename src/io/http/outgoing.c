/* SPDX-License-Identifier: Apache-2.0 */
/* The outgoing message of an exchange: head, queue of chunks, end. */
#include "base/num.h"
#include "io/http/http_int.h"

static http_chunk *chunk_new(http_ex *ex)
{
	http_chunk *c = ex->spare_chunks;
	if (c == NULL)
		return sp_try_new(&ex->pub.arena, http_chunk, 1);
	ex->spare_chunks = c->next;
	return c;
}

static void chunk_spare(http_ex *ex, http_chunk *c)
{
	*c = (http_chunk){.next = ex->spare_chunks};
	ex->spare_chunks = c;
}

static void chunk_push(http_ex *ex, http_chunk *c)
{
	c->next = NULL;
	*ex->chunks_tail = c;
	ex->chunks_tail = &c->next;
	ex->queued_bytes += c->len;
	if (ex->queued_bytes >= ex->pool->limits.queue_bytes)
		ex->above_mark = true;
}

void http_chunk_taken(http_ex *ex, size_t n)
{
	ex->queued_bytes -= n;
	ex->pub.n_body_out += n;
	while (ex->chunks != NULL) {
		http_chunk *c = ex->chunks;
		if (n < c->len) {
			c->ptr += n;
			c->len -= n;
			return;
		}
		n -= c->len;
		ex->chunks = c->next;
		if (ex->chunks == NULL)
			ex->chunks_tail = &ex->chunks;
		(void)sp_bytes_unref(c->owner);
		chunk_spare(ex, c);
		if (n == 0)
			return;
	}
}

bool http_call_body(http_ex *ex)
{
	sp_bytes *body = ex->call->body;
	while (ex->chunks != NULL)
		http_chunk_taken(ex, ex->chunks->len);
	ex->pub.n_body_out = 0;
	if (body == NULL || body->len == 0)
		return true;
	http_chunk *c = chunk_new(ex);
	if (c == NULL)
		return false;
	*c = (http_chunk){.owner = sp_bytes_ref(body), .ptr = body->data, .len = body->len};
	chunk_push(ex, c);
	return true;
}

bool http_out_tell(http_ex *ex)
{
	if (!ex->above_mark || ex->queued_bytes > ex->pool->limits.queue_bytes / 2)
		return false;
	ex->above_mark = false;
	if (ex->out_ended || ex->why != SP_OK || ex->pub.events->on_writable == NULL)
		return false;
	ex->pub.events->on_writable(&ex->pub);
	return true;
}

/* Checks a head the owner gave; finds its content-length. */
static sp_code head_check(const http_ex *ex, http_head *h, sp_err *err)
{
	if (ex->why != SP_OK)
		return sp_fail(err, SP_ECANCELED, "the exchange is over");
	if (ex->pub.is_client || ex->begun)
		return sp_fail(err, SP_EINVAL, "the response has begun");
	SP_TRY(http_headers_check(h->headers, h->n, err));
	h->content_length = -1;
	for (size_t i = 0; i < h->n; i++) {
		sp_http_name id = sp_http_name_of(h->headers[i].name);
		if (id == SP_HTTP_TRANSFER_ENCODING || id == SP_HTTP_CONNECTION)
			return sp_fail(err, SP_EINVAL, "header " SP_FMT " is the connection's own",
				       SP_ARG(h->headers[i].name));
		if (id == SP_HTTP_CONTENT_LENGTH)
			SP_TRY(sp_parse_i64(h->headers[i].value, 0, INT64_MAX, &h->content_length, err));
	}
	return SP_OK;
}

static void head_sent(http_ex *ex, const http_head *h)
{
	ex->begun = true;
	ex->pub.status = h->status;
	ex->no_body = h->empty;
	ex->out_left = h->content_length;
}

static sp_code respond(http_ex *ex, http_head *h, sp_bytes *owner, sp_str body, sp_err *err)
{
	SP_TRY(head_check(ex, h, err));
	bool has_body = http_has_body(h->status, ex->pub.method_id);
	bool head_only = ex->pub.method_id == SP_HTTP_HEAD;
	if (has_body && h->content_length >= 0 && (uint64_t)h->content_length != body.len)
		return sp_fail(err, SP_EINVAL, "content-length is not the body's");
	h->add_length =
		h->content_length < 0 && (has_body || head_only) && h->status != 204 && h->status != 304;
	if (h->add_length)
		h->content_length = (int64_t)body.len;
	h->empty = !has_body || body.len == 0;
	http_chunk *c = NULL;
	sp_bytes *made = NULL;
	if (!h->empty) {
		c = chunk_new(ex);
		if (c == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for a response");
		c->len = body.len;
		if (owner != NULL) {
			c->owner = owner;
			c->ptr = body.ptr;
		} else if (body.len <= HTTP_COPY_MAX) {
			c->ptr = sp_arena_try_dup(&ex->pub.arena, body).ptr;
		} else {
			made = c->owner = sp_bytes_try_dup(body);
			c->ptr = made == NULL ? NULL : made->data;
		}
	}
	sp_code code = c != NULL && c->ptr == NULL ? sp_fail(err, SP_ENOMEM, "no memory for a response")
						   : ex->ops->head(ex, h, err);
	if (code != SP_OK) {
		if (c != NULL)
			chunk_spare(ex, c);
		(void)sp_bytes_unref(made);
		return code;
	}
	head_sent(ex, h);
	ex->out_ended = true;
	if (c != NULL) {
		if (owner != NULL)
			(void)sp_bytes_ref(owner);
		chunk_push(ex, c);
	}
	ex->ops->out(ex);
	return SP_OK;
}

sp_code sp_http_respond(sp_http_exchange *ex, uint16_t status, const sp_http_header *headers, size_t n,
			sp_str body, sp_err *err)
{
	http_head h = {.status = status, .headers = headers, .n = n};
	return respond(http_ex_of(ex), &h, NULL, body, err);
}

sp_code sp_http_respond_bytes(sp_http_exchange *ex, uint16_t status, const sp_http_header *headers, size_t n,
			      sp_bytes *body, sp_err *err)
{
	http_head h = {.status = status, .headers = headers, .n = n};
	return respond(http_ex_of(ex), &h, body, body == NULL ? (sp_str){NULL, 0} : sp_bytes_view(body), err);
}

sp_code sp_http_begin(sp_http_exchange *ex, uint16_t status, const sp_http_header *headers, size_t n,
		      sp_err *err)
{
	http_ex *x = http_ex_of(ex);
	http_head h = {.status = status, .headers = headers, .n = n};
	SP_TRY(head_check(x, &h, err));
	h.empty = !http_has_body(status, ex->method_id) || h.content_length == 0;
	SP_TRY(x->ops->head(x, &h, err));
	head_sent(x, &h);
	x->ops->out(x);
	return SP_OK;
}

sp_code sp_http_interim(sp_http_exchange *ex, uint16_t status, const sp_http_header *headers, size_t n,
			sp_err *err)
{
	http_ex *x = http_ex_of(ex);
	http_head h = {.status = status, .headers = headers, .n = n, .empty = true};
	SP_TRY(head_check(x, &h, err));
	if (status < 102 || status > 199)
		return sp_fail(err, SP_EINVAL, "not an interim status: %u", status);
	return x->ops->interim(x, &h, err);
}

sp_code sp_http_accept_tunnel(sp_http_exchange *ex, const sp_http_header *headers, size_t n, sp_err *err)
{
	http_ex *x = http_ex_of(ex);
	http_head h = {.headers = headers, .n = n};
	SP_TRY(head_check(x, &h, err));
	if (ex->protocol.len == 0 && ex->method_id != SP_HTTP_CONNECT)
		return sp_fail(err, SP_EINVAL, "the client asks for no tunnel");
	SP_TRY(x->ops->tunnel(x, &h, err));
	x->begun = true;
	x->pub.status = h.status;
	return SP_OK;
}

/* ---- streaming ---- */

static sp_code write_check(const http_ex *ex, size_t len, sp_err *err)
{
	if (ex->why != SP_OK)
		return sp_fail(err, SP_ECANCELED, "the exchange is over");
	if (!ex->begun || ex->out_ended)
		return sp_fail(err, SP_EINVAL,
			       ex->begun ? "the message has ended" : "the message has not begun");
	if (ex->out_left >= 0 && !ex->no_body && len > (uint64_t)ex->out_left)
		return sp_fail(err, SP_EINVAL, "more body than content-length");
	if (len > HTTP_QUEUE_LIMIT_BYTES - SP_MIN(ex->queued_bytes, HTTP_QUEUE_LIMIT_BYTES))
		return sp_fail(err, SP_ETOOLARGE, "too much is queued");
	return SP_OK;
}

/* Takes the reference on success. */
static sp_code write_chunk(http_ex *ex, sp_bytes *owner, size_t offset, size_t len, sp_err *err)
{
	http_chunk *c = chunk_new(ex);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a body");
	*c = (http_chunk){.owner = owner, .ptr = owner->data + offset, .len = len};
	if (ex->out_left >= 0)
		ex->out_left -= (int64_t)len;
	chunk_push(ex, c);
	ex->ops->out(ex);
	return SP_OK;
}

sp_code sp_http_write(sp_http_exchange *ex, sp_str bytes, sp_err *err)
{
	http_ex *x = http_ex_of(ex);
	SP_TRY(write_check(x, bytes.len, err));
	if (bytes.len == 0 || x->no_body)
		return SP_OK;
	SP_AUTO_BYTES b = sp_bytes_try_dup(bytes);
	if (b == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a body");
	SP_TRY(write_chunk(x, b, 0, bytes.len, err));
	b = NULL;
	return SP_OK;
}

sp_code sp_http_write_bytes(sp_http_exchange *ex, sp_bytes *b, size_t offset, size_t len, sp_err *err)
{
	http_ex *x = http_ex_of(ex);
	SP_ASSERT(offset <= b->len && len <= b->len - offset);
	SP_TRY(write_check(x, len, err));
	if (len == 0 || x->no_body)
		return SP_OK;
	SP_TRY(write_chunk(x, b, offset, len, err));
	(void)sp_bytes_ref(b);
	return SP_OK;
}

bool sp_http_is_full(const sp_http_exchange *ex)
{
	const http_ex *x = SP_CONTAINER_OF((sp_http_exchange *)(uintptr_t)ex, http_ex, pub);
	return x->queued_bytes >= x->pool->limits.queue_bytes;
}

size_t sp_http_queued(const sp_http_exchange *ex)
{
	const http_ex *x = SP_CONTAINER_OF((sp_http_exchange *)(uintptr_t)ex, http_ex, pub);
	return x->queued_bytes;
}

bool sp_http_is_ended(const sp_http_exchange *ex)
{
	const http_ex *x = SP_CONTAINER_OF((sp_http_exchange *)(uintptr_t)ex, http_ex, pub);
	return x->out_ended;
}

static sp_code copy_trailers(http_ex *ex, const sp_http_header *trailers, size_t n, sp_err *err)
{
	SP_TRY(http_headers_check(trailers, n, err));
	sp_http_header *copy = n == 0 ? NULL : sp_try_new(&ex->pub.arena, sp_http_header, n);
	if (n > 0 && copy == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for trailers");
	for (size_t i = 0; i < n; i++) {
		copy[i].name = sp_arena_try_dup(&ex->pub.arena, trailers[i].name);
		copy[i].value = sp_arena_try_dup(&ex->pub.arena, trailers[i].value);
		if (copy[i].name.ptr == NULL || (trailers[i].value.len > 0 && copy[i].value.ptr == NULL))
			return sp_fail(err, SP_ENOMEM, "no memory for trailers");
	}
	ex->out_trailers = copy;
	ex->n_out_trailers = n;
	return SP_OK;
}

sp_code sp_http_end(sp_http_exchange *ex, const sp_http_header *trailers, size_t n, sp_err *err)
{
	http_ex *x = http_ex_of(ex);
	SP_TRY(write_check(x, 0, err));
	if (x->out_left > 0 && !x->no_body) {
		/* The peer would wait for the rest, or take what follows for it. */
		sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
		return sp_fail(err, SP_EINVAL, "less body than content-length");
	}
	SP_TRY(copy_trailers(x, trailers, n, err));
	x->out_ended = true;
	x->ops->out(x);
	return SP_OK;
}
