/* SPDX-License-Identifier: Apache-2.0 */
#include "io/ws/tunnel.h"

#include "base/alloc.h"
#include "io/pump.h"

#define MESSAGE_BYTES ((size_t)32 << 10) /* of one message we send */

typedef struct tunnel {
	sp_stream base;
	sp_ws *ws; /* NULL once it is gone */
	sp_list writes, sent;
	size_t write_at; /* bytes of the first write already sent */
	sp_defer turn;
	bool want_end, ended, failed, closing;
	bool told; /* on_end or on_error */
	sp_err err;
} tunnel;

static tunnel *of(sp_stream *s)
{
	return SP_CONTAINER_OF(s, tunnel, base);
}

static void later(tunnel *t)
{
	sp_defer_call(t->base.world, &t->turn);
}

/* Sends up to MESSAGE_BYTES of the piece that comes next; false when the first write is done. */
static bool send_next(tunnel *t, const sp_write *req)
{
	size_t skip = t->write_at;
	for (size_t i = 0; i < req->n_iov; i++) {
		if (skip >= req->iov[i].len) {
			skip -= req->iov[i].len;
			continue;
		}
		size_t n = SP_MIN(req->iov[i].len - skip, MESSAGE_BYTES);
		sp_iov part = {(const uint8_t *)req->iov[i].ptr + skip, n};
		if (sp_ws_send(t->ws, SP_WS_BINARY, &part, 1, NULL) != SP_OK)
			t->failed = true; /* on_close of the connection follows and says why */
		t->write_at += n;
		return true;
	}
	return false;
}

static void send_some(tunnel *t)
{
	while (!sp_list_is_empty(&t->writes) && t->ws != NULL && !t->failed && !sp_ws_is_full(t->ws)) {
		sp_write *req = SP_CONTAINER_OF(t->writes.next, sp_write, node);
		if (send_next(t, req))
			continue;
		sp_list_remove(&req->node);
		sp_list_push_back(&t->sent, &req->node);
		t->write_at = 0;
		later(t);
	}
	if (sp_list_is_empty(&t->writes) && t->want_end && t->ws != NULL)
		sp_ws_close(t->ws, SP_WS_NORMAL, (sp_str){NULL, 0});
}

static void finish(tunnel *t, sp_list *list, sp_code code)
{
	sp_list *node;
	while ((node = sp_list_pop_front(list)) != NULL) {
		sp_write *req = SP_CONTAINER_OF(node, sp_write, node);
		t->base.queued_bytes -= sp_write_len(req);
		req->done(req, code);
	}
}

static void tell_end(tunnel *t)
{
	if (t->told || t->closing || t->ws != NULL)
		return;
	t->told = true;
	if (t->err.code == SP_OK)
		t->base.handler->on_end(t->base.arg);
	else
		t->base.handler->on_error(t->base.arg, &t->err);
}

static void on_turn(sp_defer *d)
{
	tunnel *t = d->arg;
	if (!t->closing)
		send_some(t);
	finish(t, &t->sent, SP_OK);
	if (t->closing || t->ws == NULL)
		finish(t, &t->writes, SP_ECANCELED);
	tell_end(t);
	if (!t->closing || t->ws != NULL)
		return;
	finish(t, &t->sent, SP_OK);
	finish(t, &t->writes, SP_ECANCELED);
	if (t->base.handler != NULL && t->base.handler->on_close != NULL)
		t->base.handler->on_close(t->base.arg);
	sp_defer_cancel(&t->turn);
	sp_free(t);
}

/* ---- the stream ---- */

static void op_read(sp_stream *s, bool on)
{
	tunnel *t = of(s);
	if (t->ws != NULL && !t->closing)
		sp_ws_read(t->ws, on);
}

static void op_write(sp_stream *s, sp_write *req)
{
	tunnel *t = of(s);
	s->queued_bytes += sp_write_len(req);
	sp_list_init(&req->node);
	sp_list_push_back(&t->writes, &req->node);
	later(t);
}

static void op_shutdown(sp_stream *s)
{
	tunnel *t = of(s);
	t->want_end = true;
	later(t);
}

static void op_close(sp_stream *s)
{
	tunnel *t = of(s);
	if (t->closing)
		return;
	t->closing = true;
	if (t->ws != NULL)
		sp_ws_close(t->ws, SP_WS_NORMAL, (sp_str){NULL, 0});
	later(t);
}

static const sp_stream_ops tunnel_ops = {op_read, op_write, op_shutdown, op_close, NULL};

/* ---- the connection ---- */

static void ws_message(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last)
{
	tunnel *t = arg;
	(void)last;
	if (t->closing)
		return;
	if (kind == SP_WS_TEXT) {
		(void)sp_fail(&t->err, SP_EPROTO, "WebSocket: text message in a tunnel");
		sp_ws_close(t->ws, SP_WS_UNSUPPORTED, SP_STR("only binary messages are allowed"));
	} else if (n > 0) {
		t->base.handler->on_data(t->base.arg, bytes, n);
	}
}

static void ws_drain(void *arg)
{
	later(arg);
}

static void ws_close(void *arg, uint16_t code, sp_str reason, const sp_err *err)
{
	tunnel *t = arg;
	t->ws = NULL;
	if (t->err.code == SP_OK && err != NULL)
		t->err = *err;
	else if (t->err.code == SP_OK && code != SP_WS_NORMAL && code != SP_WS_GOING_AWAY &&
		 code != SP_WS_NO_CODE)
		(void)sp_fail(&t->err, SP_EIO, "WebSocket: closed by the peer with %u '" SP_FMT "'", code,
			      SP_ARG(reason));
	later(t);
}

static const sp_ws_handler ws_handler = {ws_message, ws_drain, ws_close};

sp_code sp_ws_tunnel_open(sp_world *w, sp_stream *transport, const sp_ws_conn_opts *opts, sp_stream **ret,
			  sp_err *err)
{
	tunnel *t = sp_try_alloc(sizeof *t);
	if (t == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a WebSocket tunnel");
	t->base.ops = &tunnel_ops;
	t->base.world = w;
	t->base.handler = &sp_stream_no_handler;
	memcpy(t->base.local, transport->local, sizeof t->base.local);
	memcpy(t->base.remote, transport->remote, sizeof t->base.remote);
	sp_list_init(&t->writes);
	sp_list_init(&t->sent);
	sp_defer_init(&t->turn, on_turn, t);
	sp_ws_conn_opts o = *opts;
	o.core.pieces = true;
	sp_code code = sp_ws_open(w, transport, &o, &ws_handler, t, &t->ws, err);
	if (code != SP_OK) {
		sp_free(t);
		return code;
	}
	*ret = &t->base;
	return SP_OK;
}
