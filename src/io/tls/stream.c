/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream side of an established connection. Plaintext is copied at most once on its way out: small writes
 * are put together into one record, large ones are encrypted from where they lie. On the way in it lies in
 * one buffer of the thread, which is good during on_data.
 */
#include <openssl/err.h>

#include "base/alloc.h"
#include "io/tls/stream_int.h"

/* Encrypting runs ahead of writing by this much. */
#define AHEAD_BYTES ((size_t)128 << 10)

/* What on_data gets lies here. TLS may run inside TLS, with anything in between, so the inner one reads what
 * lies in the buffer of the outer one: each level has its own. Deeper ones take a copy and wait for their
 * turn. */
#define LEVELS 3
static _Thread_local uint8_t plain_in[LEVELS][TLS_RECORD_BYTES];
static _Thread_local unsigned level;
/* Not held over any callback. */
static _Thread_local uint8_t plain_out[TLS_RECORD_BYTES];

static tls_stream *of(sp_stream *s)
{
	return SP_CONTAINER_OF(s, tls_stream, base);
}

static void finish_first(tls_stream *t, sp_list *list, sp_code code)
{
	sp_write *req = SP_CONTAINER_OF(list->next, sp_write, node);
	sp_list_remove(&req->node);
	t->base.queued_bytes -= sp_write_len(req);
	req->done(req, code);
}

static void finish_all(tls_stream *t, sp_code code, bool also_when_closing)
{
	sp_list *const lists[] = {&t->sent, &t->writes}; /* in the order of the writes */
	for (size_t i = 0; i < SP_LEN(lists); i++) {
		while ((also_when_closing || !t->closing) && !sp_list_is_empty(lists[i]))
			finish_first(t, lists[i], code);
	}
}

void tls_stream_fail(tls_stream *t, const sp_err *err)
{
	if (t->failed || t->closing)
		return;
	sp_err copy = *err;
	t->failed = true;
	t->write_code = err->code;
	tls_wire_read(t);
	tls_wire_flush(t); /* perhaps an alert */
	finish_all(t, copy.code, false);
	if (!t->closing)
		t->base.handler->on_error(t->base.arg, &copy);
}

void tls_stream_gone(tls_stream *t)
{
	t->closing = true;
	sp_timer_stop(t->base.world, &t->timeout);
	sp_defer_cancel(&t->turn);
	finish_all(t, SP_ECANCELED, true);
	sp_tls_req *req = SP_TAKE(t->req);
	sp_err err = t->err;
	bool established = t->established;
	const sp_stream_handler *handler = t->base.handler;
	void *arg = t->base.arg;
	if (established && handler->on_close != NULL)
		handler->on_close(arg);
	SSL_free(t->ssl);
	(void)sp_tls_config_unref(t->config);
	sp_arena_done(&t->arena);
	sp_buf_done(&t->out);
	sp_buf_done(&t->flying);
	sp_buf_done(&t->rest);
	sp_free(t);
	if (req != NULL) {
		if (err.code == SP_OK)
			(void)sp_fail(&err, SP_ECANCELED, "TLS handshake: stopped"); /* told here */
		req->impl = NULL;
		req->done(req, NULL, &err);
	}
}

/* ---- reading ---- */

static void read_failed(tls_stream *t, int ret)
{
	sp_err err = {0};
	int why = SSL_get_error(t->ssl, ret);
	if (why == SSL_ERROR_WANT_READ)
		return;
	if (why == SSL_ERROR_ZERO_RETURN) {
		t->ended = true;
		t->base.handler->on_end(t->base.arg);
		return;
	}
	(void)tls_stream_error(t, "TLS", &err); /* told below */
	tls_stream_fail(t, &err);
}

void tls_stream_input(tls_stream *t)
{
	while (t->want_read && !t->ended && !t->failed && !t->closing) {
		size_t n = 0;
		if (level == LEVELS)
			return;
		ERR_clear_error();
		int ret = SSL_read_ex(t->ssl, plain_in[level], TLS_RECORD_BYTES, &n);
		if (ret != 1) {
			read_failed(t, ret);
			return;
		}
		level++;
		t->base.handler->on_data(t->base.arg, plain_in[level - 1], n);
		level--;
	}
}

static void input_rest(tls_stream *t)
{
	if (t->rest.len == 0 || !t->want_read || t->ended || t->failed)
		return;
	size_t before = t->rest.len;
	t->in = (const uint8_t *)t->rest.ptr;
	t->in_len = before;
	tls_stream_input(t); /* lower is not read: nothing is appended meanwhile */
	sp_buf_consume(&t->rest, before - t->in_len);
	t->in_len = 0;
	if (t->rest.len == 0)
		sp_buf_done(&t->rest);
}

/* ---- writing ---- */

/* The first piece not encrypted yet; empty when only empty ones are left of this request. */
static sp_iov piece_at(const sp_write *req, size_t skip)
{
	for (size_t i = 0; i < req->n_iov; i++) {
		if (skip < req->iov[i].len)
			return (sp_iov){(const char *)req->iov[i].ptr + skip, req->iov[i].len - skip};
		skip -= req->iov[i].len;
	}
	return (sp_iov){NULL, 0};
}

/* Up to one record of what waits: in place when the first piece fills it or is all there is. */
static sp_iov gather(const tls_stream *t)
{
	size_t n = 0, skip = t->write_at;
	sp_iov first = piece_at(SP_CONTAINER_OF(t->writes.next, sp_write, node), skip);
	if (first.len >= TLS_RECORD_BYTES)
		return (sp_iov){first.ptr, TLS_RECORD_BYTES};
	SP_LIST_FOREACH (node, &t->writes) {
		const sp_write *req = SP_CONTAINER_OF(node, sp_write, node);
		for (;;) {
			sp_iov piece = piece_at(req, skip);
			if (piece.len == 0)
				break;
			if (n == TLS_RECORD_BYTES)
				return (sp_iov){plain_out, n};
			size_t part = SP_MIN(piece.len, TLS_RECORD_BYTES - n);
			memcpy(plain_out + n, piece.ptr, part);
			n += part;
			skip += part;
		}
		skip = 0;
	}
	return n == first.len ? first : (sp_iov){plain_out, n};
}

/* n bytes are encrypted: requests they complete wait for their ciphertext to leave. */
static void advance(tls_stream *t, size_t n)
{
	while (!sp_list_is_empty(&t->writes)) {
		sp_write *req = SP_CONTAINER_OF(t->writes.next, sp_write, node);
		size_t rest = sp_write_len(req) - t->write_at;
		if (n < rest) {
			t->write_at += n;
			return;
		}
		n -= rest;
		t->write_at = 0;
		sp_list_remove(&req->node);
		req->impl[0] = (void *)(uintptr_t)t->out_end;
		sp_list_push_back(&t->sent, &req->node);
	}
}

static sp_code encrypt(tls_stream *t, sp_err *err)
{
	while (!sp_list_is_empty(&t->writes) && t->out.len + t->flying.len < AHEAD_BYTES) {
		size_t n = 0;
		sp_iov piece = gather(t);
		ERR_clear_error();
		if (piece.len > 0 && SSL_write_ex(t->ssl, piece.ptr, piece.len, &n) != 1)
			return tls_stream_error(t, "TLS", err);
		advance(t, n);
	}
	if (t->shut_wanted && !t->shut_sent && sp_list_is_empty(&t->writes)) {
		t->shut_sent = true;
		ERR_clear_error();
		if (SSL_shutdown(t->ssl) < 0)
			return tls_stream_error(t, "TLS", err);
	}
	return SP_OK;
}

static void output(tls_stream *t)
{
	sp_err err = {0};
	if (t->write_code != SP_OK) {
		finish_all(t, t->write_code, false);
		return;
	}
	while (t->shut_sent && !t->closing && !sp_list_is_empty(&t->writes))
		finish_first(t, &t->writes, SP_EINVAL); /* after a shutdown */
	if (t->closing)
		return;
	if (encrypt(t, &err) != SP_OK) {
		tls_stream_fail(t, &err);
		return;
	}
	tls_wire_flush(t);
	tls_stream_written(t); /* empty writes have nothing to wait for */
	if (t->shut_sent && !t->lower_shut && !t->writing && !t->closing) {
		t->lower_shut = true;
		sp_stream_shutdown(t->lower);
	}
}

/* Ciphertext left: the requests it belonged to are done. */
void tls_stream_written(tls_stream *t)
{
	while (!t->closing && !sp_list_is_empty(&t->sent)) {
		const sp_write *req = SP_CONTAINER_OF(t->sent.next, sp_write, node);
		if ((uint64_t)(uintptr_t)req->impl[0] > t->written_end)
			break;
		finish_first(t, &t->sent, SP_OK);
	}
}

void tls_stream_turn(sp_defer *d)
{
	tls_stream *t = d->arg;
	if (t->closing)
		return;
	if (!t->established) {
		if (!t->failed)
			tls_handshake_step(t);
		if (!t->established && !t->closing) {
			tls_wire_flush(t);
			return;
		}
	}
	if (!t->closing)
		input_rest(t);
	if (!t->closing)
		tls_wire_read(t);
	if (!t->closing)
		output(t);
}

/* ---- operations ---- */

static void stream_read(sp_stream *base, bool on)
{
	tls_stream *t = of(base);
	t->want_read = on;
	if (t->closing)
		return;
	if (on)
		sp_defer_call(base->world, &t->turn); /* first what was left, then lower */
	else
		tls_wire_read(t);
}

static void stream_write(sp_stream *base, sp_write *req)
{
	tls_stream *t = of(base);
	SP_ASSERT(req->n_iov <= SP_WRITE_IOV_MAX);
	t->base.queued_bytes += sp_write_len(req);
	sp_list_push_back(&t->writes, &req->node);
	if (!t->closing)
		sp_defer_call(base->world, &t->turn);
}

static void stream_shutdown(sp_stream *base)
{
	tls_stream *t = of(base);
	t->shut_wanted = true;
	if (!t->closing)
		sp_defer_call(base->world, &t->turn);
}

static void stream_close(sp_stream *base)
{
	tls_stream *t = of(base);
	if (t->closing)
		return;
	t->closing = true;
	sp_stream_close(t->lower); /* its on_close ends ours */
}

static sp_code stream_peer_cred(sp_stream *base, sp_peer_cred *ret, sp_err *err)
{
	return sp_stream_peer_cred(of(base)->lower, ret, err);
}

const sp_stream_ops tls_stream_ops = {
	.read = stream_read,
	.write = stream_write,
	.shutdown = stream_shutdown,
	.close = stream_close,
	.peer_cred = stream_peer_cred,
};
