/* SPDX-License-Identifier: Apache-2.0 */
/* What all connections share, and giving a stream away. */
#include "base/alloc.h"
#include "io/http/http_int.h"
#include "io/pump.h"

void http_conn_init(http_conn *c, const http_conn_ops *ops, http_pool *pool, sp_stream *s,
		    void (*turn)(sp_defer *d), void (*on_progress)(http_conn *c))
{
	*c = (http_conn){.ops = ops, .pool = pool, .world = pool->world, .stream = s};
	c->is_tls = s->tls != NULL || s->alpn.len > 0;
	sp_list_init(&c->node);
	sp_defer_init(&c->turn, turn, c);
	c->timer.arg = c;
	http_out_init(&c->out, pool->world, s, c, on_progress);
}

void http_conn_arm(http_conn *c, uint64_t due_ns, void (*fn)(sp_timer *t))
{
	if (due_ns == 0 || c->closing || (sp_timer_is_running(&c->timer) && c->timer_at_ns <= due_ns))
		return;
	uint64_t now = sp_now_ns(c->world);
	c->timer_at_ns = due_ns;
	sp_timer_start(c->world, &c->timer, due_ns > now ? due_ns - now : 0, fn);
}

static void conn_stop(http_conn *c)
{
	c->closing = true;
	sp_timer_stop(c->world, &c->timer);
	sp_defer_cancel(&c->turn);
}

void http_conn_close(http_conn *c)
{
	if (c->closing)
		return;
	conn_stop(c);
	sp_stream_close(c->stream);
}

void http_conn_gone(http_conn *c)
{
	conn_stop(c);
	http_out_done(&c->out);
}

const sp_err *http_conn_broke(const http_conn *c, const sp_err *err, sp_err *own)
{
	if (err != NULL && (err->code == SP_ETIMEOUT || err->code == SP_EPROTO || err->code == SP_ECANCELED))
		return err;
	(void)sp_fail(own, c->server != NULL ? SP_ECANCELED : SP_EUNAVAILABLE,
		      "HTTP: the connection broke%s%s", err == NULL ? "" : ": ", err == NULL ? "" : err->msg);
	return own;
}

/* ---- a stream whose first bytes were read already ---- */

/*
 * Stands in for the stream's operations until its new owner has asked for bytes and got the first ones (and
 * the end, when that was seen too); then the stream is as it was. So nothing is paid afterwards, and nobody
 * has to know.
 */
typedef struct unread {
	sp_stream_ops ops; /* first: found again by s->ops */
	const sp_stream_ops *under;
	sp_stream *stream;
	sp_defer turn;
	bool reading, ended, inside, closed;
	size_t n;
	uint8_t bytes[];
} unread;

static unread *unread_of(const sp_stream *s)
{
	return SP_CONTAINER_OF((sp_stream_ops *)(uintptr_t)s->ops, unread, ops);
}

static void unread_drop(unread *u)
{
	sp_defer_cancel(&u->turn);
	u->stream->ops = u->under;
	sp_free(u);
}

static void unread_turn(sp_defer *d)
{
	unread *u = d->arg;
	sp_stream *s = u->stream;
	size_t n = u->n;
	u->n = 0;
	u->inside = true;
	if (n > 0)
		s->handler->on_data(s->arg, u->bytes, n);
	else
		s->handler->on_end(s->arg);
	u->inside = false;
	bool closed = u->closed, reading = u->reading;
	if (!closed && n > 0 && u->ended) {
		if (reading)
			sp_defer_call(s->world, &u->turn);
		return;
	}
	unread_drop(u);
	if (closed)
		sp_stream_close(s);
	else
		sp_stream_read(s, reading);
}

static void unread_read(sp_stream *s, bool on)
{
	unread *u = unread_of(s);
	u->reading = on;
	if (on && !u->inside)
		sp_defer_call(s->world, &u->turn);
	else if (!on)
		sp_defer_cancel(&u->turn);
}

static void unread_write(sp_stream *s, sp_write *req)
{
	unread_of(s)->under->write(s, req);
}

static void unread_shutdown(sp_stream *s)
{
	unread_of(s)->under->shutdown(s);
}

static void unread_close(sp_stream *s)
{
	unread *u = unread_of(s);
	if (u->inside) {
		u->closed = true; /* unread_turn goes on */
		return;
	}
	unread_drop(u);
	sp_stream_close(s);
}

static sp_code unread_peer_cred(sp_stream *s, sp_peer_cred *ret, sp_err *err)
{
	const sp_stream_ops *under = unread_of(s)->under;
	if (under->peer_cred == NULL)
		return sp_fail(err, SP_EUNSUPPORTED, "the stream has no peer credentials");
	return under->peer_cred(s, ret, err);
}

sp_code http_stream_unread(sp_stream *s, sp_str bytes, bool ended, sp_err *err)
{
	sp_stream_read(s, false);
	if (bytes.len == 0 && !ended)
		return SP_OK;
	unread *u = sp_try_alloc(sizeof *u + bytes.len);
	if (u == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to hand a connection over");
	u->ops = (sp_stream_ops){unread_read, unread_write, unread_shutdown, unread_close, unread_peer_cred};
	u->under = s->ops;
	u->stream = s;
	u->ended = ended;
	u->n = bytes.len;
	if (bytes.len > 0)
		memcpy(u->bytes, bytes.ptr, bytes.len);
	sp_defer_init(&u->turn, unread_turn, u);
	s->ops = &u->ops;
	return SP_OK;
}
