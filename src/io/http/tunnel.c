/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP/2 stream as sp_stream: CONNECT and extended CONNECT (RFC 8441). */
#include "base/alloc.h"
#include "io/http/h2_int.h"
#include "io/pump.h"

typedef struct http_tunnel {
	sp_stream base;
	sp_http_exchange *ex; /* NULL once it is over */
	sp_list writes;
	sp_defer turn;
	bool shut, shut_done, closing, failed;
} http_tunnel;

static void finish_write(http_tunnel *t, sp_write *req, sp_code code)
{
	sp_list_remove(&req->node);
	t->base.queued_bytes -= sp_write_len(req);
	req->done(req, code);
}

static sp_code take(http_tunnel *t, const sp_write *req)
{
	if (t->ex == NULL || t->failed)
		return SP_EIO;
	for (size_t i = 0; i < req->n_iov; i++)
		SP_TRY(sp_http_write(t->ex, (sp_str){req->iov[i].ptr, req->iov[i].len}, NULL));
	return SP_OK;
}

static void end_tunnel(http_tunnel *t)
{
	while (!sp_list_is_empty(&t->writes))
		finish_write(t, SP_CONTAINER_OF(t->writes.next, sp_write, node), SP_ECANCELED);
	if (t->ex != NULL) {
		const http_ex *ex = http_ex_of(t->ex);
		sp_http_exchange *pub = t->ex;
		static const sp_http_events none = {0};
		sp_http_handle(pub, &none, NULL);
		if (!ex->in_ended || !ex->out_ended)
			sp_http_reset(pub, SP_HTTP2_CANCEL);
	}
	if (t->base.handler != NULL && t->base.handler->on_close != NULL)
		t->base.handler->on_close(t->base.arg);
	sp_free(t);
}

static void on_turn(sp_defer *d)
{
	http_tunnel *t = d->arg;
	if (t->closing) {
		end_tunnel(t);
		return;
	}
	while (!t->closing && !sp_list_is_empty(&t->writes) && (t->ex == NULL || !sp_http_is_full(t->ex))) {
		sp_write *req = SP_CONTAINER_OF(t->writes.next, sp_write, node);
		finish_write(t, req, take(t, req));
	}
	if (t->shut && !t->shut_done && !t->closing && sp_list_is_empty(&t->writes) && t->ex != NULL) {
		t->shut_done = true;
		(void)sp_http_end(t->ex, NULL, 0, NULL); /* fails only when it is over */
	}
}

static void schedule(http_tunnel *t)
{
	sp_defer_call(t->base.world, &t->turn);
}

/* ---- the owner's side ---- */

static http_tunnel *tunnel_of(sp_stream *s)
{
	return SP_CONTAINER_OF(s, http_tunnel, base);
}

static void tunnel_read(sp_stream *s, bool on)
{
	http_tunnel *t = tunnel_of(s);
	if (t->ex != NULL)
		sp_http_read(t->ex, on);
}

static void tunnel_write(sp_stream *s, sp_write *req)
{
	http_tunnel *t = tunnel_of(s);
	s->queued_bytes += sp_write_len(req);
	sp_list_init(&req->node);
	sp_list_push_back(&t->writes, &req->node);
	schedule(t);
}

static void tunnel_shutdown(sp_stream *s)
{
	tunnel_of(s)->shut = true;
	schedule(tunnel_of(s));
}

static void tunnel_close(sp_stream *s)
{
	tunnel_of(s)->closing = true;
	schedule(tunnel_of(s));
}

static const sp_stream_ops tunnel_ops = {tunnel_read, tunnel_write, tunnel_shutdown, tunnel_close, NULL};

/* ---- the exchange's side ---- */

static void on_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	http_tunnel *t = ex->arg;
	if (!t->closing)
		t->base.handler->on_data(t->base.arg, bytes, n);
}

static void on_end(sp_http_exchange *ex)
{
	http_tunnel *t = ex->arg;
	if (!t->closing)
		t->base.handler->on_end(t->base.arg);
}

static void on_writable(sp_http_exchange *ex)
{
	schedule(ex->arg);
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	http_tunnel *t = ex->arg;
	t->ex = NULL;
	t->failed = err != NULL;
	schedule(t); /* what waits to be written fails */
	if (err != NULL && !t->closing)
		t->base.handler->on_error(t->base.arg, err);
}

static const sp_http_events tunnel_events = {
	.on_body = on_body, .on_end = on_end, .on_writable = on_writable, .on_close = on_close};

void http_tunnel_open(http_ex *ex)
{
	sp_http_exchange *pub = &ex->pub;
	const sp_http_events *events = pub->events;
	http_tunnel *t = events->on_tunnel == NULL ? NULL : sp_try_alloc(sizeof *t);
	if (t == NULL) {
		pub->reset_code = SP_HTTP2_INTERNAL_ERROR;
		http_ex_fail(ex, SP_ENOMEM, "no memory for a tunnel");
		ex->ops->reset(ex);
		return;
	}
	t->base.ops = &tunnel_ops;
	t->base.world = pub->world;
	t->base.handler = &sp_stream_no_handler;
	t->base.tls = pub->stream->tls;
	memcpy(t->base.local, pub->stream->local, sizeof t->base.local);
	memcpy(t->base.remote, pub->stream->remote, sizeof t->base.remote);
	t->ex = pub;
	sp_list_init(&t->writes);
	sp_defer_init(&t->turn, on_turn, t);
	ex->reading = false;
	events->on_tunnel(pub, &t->base);
	if (events->on_close != NULL)
		events->on_close(pub, NULL);
	sp_http_handle(pub, &tunnel_events, t);
	ex->ops->read(ex); /* the new owner may have asked already */
}
