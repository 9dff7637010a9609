/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "io/http/http_int.h"
#include "io/pump.h"

struct sp_http_server {
	http_pool pool;
	sp_http_server_opts opts;
	sp_list conns;
	uint32_t n_conns;
	bool draining;
	sp_timer grace;
	sp_defer empty;
	void (*drained)(void *arg);
	void *drained_arg;
};

static void on_empty(sp_defer *d)
{
	sp_http_server *s = d->arg;
	if (s->n_conns > 0 || s->drained == NULL)
		return;
	void (*done)(void *arg) = s->drained;
	s->drained = NULL;
	sp_timer_stop(s->pool.world, &s->grace);
	done(s->drained_arg);
}

sp_code sp_http_server_new(sp_world *w, const sp_http_server_opts *opts, sp_http_server **ret, sp_err *err)
{
	SP_ASSERT(opts->on_request != NULL);
	sp_http_server *s = sp_try_alloc(sizeof *s);
	if (s == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for an HTTP server");
	http_pool_init(&s->pool, w, &opts->limits, 180 * HTTP_NS_PER_S);
	s->opts = *opts;
	if (s->opts.n_connections == 0)
		s->opts.n_connections = 10000;
	sp_list_init(&s->conns);
	sp_defer_init(&s->empty, on_empty, s);
	*ret = s;
	return SP_OK;
}

void sp_http_server_free(sp_http_server *s)
{
	if (s == NULL)
		return;
	SP_ASSERT(s->n_conns == 0);
	sp_defer_cancel(&s->empty);
	sp_timer_stop(s->pool.world, &s->grace);
	http_pool_done(&s->pool);
	sp_free(s);
}

const sp_http_server_opts *http_server_opts(const sp_http_server *s)
{
	return &s->opts;
}

void http_server_add(sp_http_server *s, http_conn *c)
{
	c->server = s;
	sp_list_push_back(&s->conns, &c->node);
	s->n_conns++;
}

void http_server_remove(sp_http_server *s, http_conn *c)
{
	sp_list_remove(&c->node);
	s->n_conns--;
	if (s->n_conns == 0 && s->draining)
		sp_defer_call(s->pool.world, &s->empty);
}

static void refuse(sp_stream *stream)
{
	sp_stream_handle(stream, &sp_stream_no_handler, NULL);
	sp_stream_close(stream);
}

void sp_http_server_accept(sp_http_server *s, sp_stream *stream)
{
	bool h2 = sp_str_eq(stream->alpn, SP_STR("h2"));
	if (s->draining || s->n_conns >= s->opts.n_connections) {
		refuse(stream);
		return;
	}
	sp_code code = h2 ? http2_server_start(s, &s->pool, stream, (sp_str){NULL, 0}, NULL)
			  : http1_server_start(s, &s->pool, stream, NULL);
	if (code != SP_OK)
		refuse(stream);
}

static void on_grace(sp_timer *t)
{
	sp_http_server *s = t->arg;
	sp_err err = {0};
	(void)sp_fail(&err, SP_ECANCELED, "the server stops");
	SP_LIST_FOREACH (node, &s->conns) {
		http_conn *c = SP_CONTAINER_OF(node, http_conn, node);
		c->ops->kill(c, &err);
	}
}

void sp_http_server_drain(sp_http_server *s, uint64_t grace_ns, void (*done)(void *arg), void *arg)
{
	SP_ASSERT(!s->draining);
	s->draining = true;
	s->drained = done;
	s->drained_arg = arg;
	s->grace.arg = s;
	sp_timer_start(s->pool.world, &s->grace, grace_ns, on_grace);
	SP_LIST_FOREACH (node, &s->conns) {
		http_conn *c = SP_CONTAINER_OF(node, http_conn, node);
		if (!c->closing)
			c->ops->drain(c);
	}
	sp_defer_call(s->pool.world, &s->empty);
}

size_t sp_http_server_connections(const sp_http_server *s)
{
	return s->n_conns;
}
