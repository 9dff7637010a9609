/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/peer.h"

#include <stdio.h>

#include "base/alloc.h"
#include "io/uv/uv.h"
#include "lib/t.h"

typedef struct copy {
	sp_write req;
	t_peer *peer;
	char bytes[];
} copy;

static void on_done(sp_write *req, sp_code code)
{
	copy *c = SP_CONTAINER_OF(req, copy, req);
	t_peer *p = c->peer;
	SP_ASSERT(p->n_closes == 0);
	p->n_done++;
	p->n_pending--;
	p->done_code = code;
	sp_free(c);
	if (p->close_on_done)
		sp_stream_close(p->stream);
}

void t_peer_send(t_peer *p, const void *bytes, size_t n)
{
	copy *c = sp_alloc(sizeof *c + n);
	c->peer = p;
	memcpy(c->bytes, bytes, n);
	/* Two parts and an empty one. */
	c->req = (sp_write){.n_iov = 3, .done = on_done};
	c->req.iov[0] = (sp_iov){c->bytes, n / 2};
	c->req.iov[2] = (sp_iov){c->bytes + n / 2, n - n / 2};
	p->n_pending++;
	sp_stream_write(p->stream, &c->req);
}

static void on_data(void *arg, const uint8_t *bytes, size_t n)
{
	t_peer *p = arg;
	SP_ASSERT(n > 0);
	SP_ASSERT(p->n_ends == 0);
	SP_ASSERT(p->n_errors == 0);
	SP_ASSERT(p->n_closes == 0);
	if (sp_buf_append(&p->got, bytes, n) != SP_OK) {
		/* An injected fault: nobody shall wait for us; the test goes on to its checks, which forgive.
		 */
		sp_stream_close(p->stream);
		sp_world_stop(p->world);
		return;
	}
	if (p->echo)
		t_peer_send(p, bytes, n);
	if (p->close_on_data)
		sp_stream_close(p->stream);
	if (p->on_data != NULL)
		p->on_data(p);
	if (p->stop_at != 0 && p->got.len >= p->stop_at)
		sp_world_stop(p->world);
}

static void on_end(void *arg)
{
	t_peer *p = arg;
	SP_ASSERT(p->n_ends++ == 0);
	SP_ASSERT(p->n_closes == 0);
	if (p->shutdown_on_end)
		sp_stream_shutdown(p->stream);
	if (p->close_on_end)
		sp_stream_close(p->stream);
	if (p->stop_on_end)
		sp_world_stop(p->world);
}

static void on_error(void *arg, const sp_err *err)
{
	t_peer *p = arg;
	SP_ASSERT(p->n_errors++ == 0);
	SP_ASSERT(p->n_closes == 0);
	p->error = err->code;
	(void)snprintf(p->error_text, sizeof p->error_text, "%s", err->msg);
	if (p->close_on_error)
		sp_stream_close(p->stream);
}

static void on_close(void *arg)
{
	t_peer *p = arg;
	SP_ASSERT(p->n_closes++ == 0);
	SP_ASSERT(p->n_pending == 0);
	p->stream = NULL;
	if (p->stop_on_close)
		sp_world_stop(p->world);
}

static const sp_stream_handler handler = {on_data, on_end, on_error, on_close};

static sp_list peers = {&peers, &peers};

t_peer *t_peer_new(sp_world *w)
{
	t_peer *p = SP_NEW(t_peer);
	p->world = w;
	p->close_on_error = true;
	sp_buf_init(&p->got, (size_t)64 << 20);
	sp_list_push_back(&peers, &p->node);
	return p;
}

void t_peer_free(void *arg)
{
	t_peer *p = arg;
	sp_list_remove(&p->node);
	sp_buf_done(&p->got);
	sp_free(p);
}

static void world_done(void *arg)
{
	sp_world *w = arg;
	sp_world_uv_free(w); /* closes what the peers still have */
	SP_LIST_FOREACH (node, &peers) {
		t_peer *p = SP_CONTAINER_OF(node, t_peer, node);
		if (p->world == w)
			t_peer_free(p);
	}
}

sp_world *t_world_uv(void)
{
	sp_world *w = NULL;
	if (sp_world_uv_new(&w, t_err()) != SP_OK) {
		(void)t_fail(__FILE__, __LINE__, "no world: %s", t_err()->msg);
		return NULL;
	}
	T_DEFER(world_done, w);
	return w;
}

void t_peer_attach(t_peer *p, sp_stream *s)
{
	p->stream = s;
	sp_stream_handle(s, &handler, p);
	sp_stream_read(s, true);
}
