/* SPDX-License-Identifier: Apache-2.0 */
/* Port-forward: each pair of streams of a SPDY client is joined with a connection into the pod. */
#include "base/alloc.h"
#include "io/splice.h"
#include "runtime/streams.h"

#define CONNECT_NS UINT64_C(5000000000)

typedef struct forwards {
	rt_session base;
	sp_spdy *spdy; /* NULL once gone */
	sp_forward forward;
	sp_list pairs;
} forwards;

typedef struct pair {
	sp_list node;
	forwards *f;
	uint16_t port;
	sp_stream *data, *error; /* NULL once gone, or the splice's */
	sp_host_call host;
	sp_connect_req connect;
	sp_splice *splice;
	sp_write req;
	char text[SP_ERR_MSG_BYTES + 64];
	bool writing;
} pair;

/* ---- the end ---- */

static void maybe_free(forwards *f)
{
	if (f->spdy != NULL || !sp_list_is_empty(&f->pairs))
		return;
	rt_session_end(&f->base);
	sp_free(f);
}

static void maybe_free_pair(pair *p)
{
	forwards *f = p->f;
	if (p->data != NULL || p->error != NULL || p->splice != NULL || p->writing || p->host.impl != NULL ||
	    p->connect.impl != NULL)
		return;
	sp_list_remove(&p->node);
	sp_free(p);
	maybe_free(f);
}

static void on_data_close(void *arg)
{
	pair *p = arg;
	p->data = NULL;
	maybe_free_pair(p);
}

static void on_error_close(void *arg)
{
	pair *p = arg;
	p->error = NULL;
	maybe_free_pair(p);
}

static void ignore_data(void *arg, const uint8_t *bytes, size_t n)
{
	(void)arg, (void)bytes, (void)n;
}
static void ignore_end(void *arg)
{
	(void)arg;
}

static void end_pair(pair *p)
{
	rt *r = p->f->base.owner->r;
	if (p->host.impl != NULL)
		r->opts->host->cancel(r->opts->host, &p->host);
	sp_connect_cancel(r->world, &p->connect);
	if (p->splice != NULL)
		sp_splice_abort(p->splice);
	if (p->data != NULL)
		sp_stream_close(p->data);
	if (p->error != NULL && !p->writing)
		sp_stream_close(p->error);
}

static void on_stream_error(void *arg, const sp_err *err)
{
	(void)err;
	end_pair(arg);
}

static const sp_stream_handler data_handler = {ignore_data, ignore_end, on_stream_error, on_data_close};
static const sp_stream_handler error_handler = {ignore_data, ignore_end, on_stream_error, on_error_close};

/* ---- errors to the client ---- */

static void on_told(sp_write *req, sp_code code)
{
	pair *p = req->arg;
	(void)code;
	p->writing = false;
	if (p->error != NULL)
		sp_stream_shutdown(p->error);
	end_pair(p);
	maybe_free_pair(p);
}

static void tell(pair *p, const sp_err *err)
{
	if (p->error == NULL) {
		end_pair(p);
		return;
	}
	int n = snprintf(p->text, sizeof p->text, "an error occurred forwarding to port %u: %s", p->port,
			 err->msg);
	p->writing = true;
	p->req = (sp_write){.n_iov = 1, .done = on_told, .arg = p};
	p->req.iov[0] = (sp_iov){p->text, (size_t)n};
	sp_stream_write(p->error, &p->req);
}

/* ---- the connection ---- */

static void on_spliced(void *arg, const sp_err *err)
{
	pair *p = arg;
	(void)err; /* a connection that broke is one that ended */
	p->splice = NULL;
	end_pair(p);
	maybe_free_pair(p);
}

static void on_connected(sp_connect_req *req, sp_stream *s, const sp_err *err)
{
	pair *p = req->arg;
	sp_err mine;
	if (s == NULL) {
		tell(p, err);
		return;
	}
	if (p->data == NULL || sp_splice_start(p->data, s, on_spliced, p, &p->splice, &mine) != SP_OK) {
		sp_stream_handle(s, &sp_stream_no_handler, NULL);
		sp_stream_close(s);
		end_pair(p);
		maybe_free_pair(p);
		return;
	}
	p->data = NULL; /* the splice's */
}

static void on_forwarded(sp_host_call *c, const void *response, const sp_err *err)
{
	const sp_host_forwarded *a = response;
	pair *p = c->arg;
	sp_err mine;
	if (err == NULL) {
		p->connect = (sp_connect_req){.done = on_connected, .arg = p};
		if (sp_connect(p->f->base.owner->r->world, &p->connect, a->address, CONNECT_NS, &mine) !=
		    SP_OK)
			err = &mine;
	}
	if (err != NULL)
		tell(p, err);
}

static void on_pair(sp_forward *fw, uint16_t port, sp_stream *data, sp_stream *error)
{
	forwards *f = fw->arg;
	rt *r = f->base.owner->r;
	pair *p = SP_NEW(pair);
	*p = (pair){.f = f, .port = port, .data = data, .error = error};
	sp_list_push_back(&f->pairs, &p->node);
	sp_stream_handle(data, &data_handler, p);
	sp_stream_handle(error, &error_handler, p);
	sp_stream_read(error, true);
	p->host = (sp_host_call){.done = on_forwarded, .arg = p};
	const sp_host_forward q = {.id = f->base.ticket->sandbox->rec.id, .port = port};
	r->opts->host->call(r->opts->host, SP_HOST_FORWARD, &q, &p->host);
}

/* ---- the client ---- */

static void on_stream(void *arg, sp_stream *s, sp_str block)
{
	forwards *f = arg;
	(void)block;
	sp_stream_handle(s, &sp_stream_no_handler, NULL);
	(void)!sp_forward_add(&f->forward, s, NULL); /* what is wrong was reset */
}

static void on_session_close(void *arg, const sp_err *err)
{
	forwards *f = arg;
	(void)err;
	f->spdy = NULL;
	sp_forward_done(&f->forward);
	SP_LIST_FOREACH (n, &f->pairs)
		end_pair(SP_CONTAINER_OF(n, pair, node));
	maybe_free(f);
}

static const sp_spdy_handler session_handler = {on_stream, NULL, NULL, on_session_close};

static void stop(rt_session *s)
{
	forwards *f = SP_CONTAINER_OF(s, forwards, base);
	if (f->spdy != NULL)
		sp_spdy_abort(f->spdy);
}

void rt_forward_start(rt_streams *o, rt_ticket *t, sp_stream *transport)
{
	static const sp_spdy_conn_opts opts = {.ping_every_ns = UINT64_C(30000000000)};
	forwards *f = SP_NEW(forwards);
	*f = (forwards){.forward = {.world = o->r->world, .on_pair = on_pair, .arg = f}};
	sp_list_init(&f->pairs);
	sp_forward_init(&f->forward);
	rt_session_begin(&f->base, o, t, stop);
	if (sp_spdy_open(o->r->world, transport, &opts, &session_handler, f, &f->spdy, NULL) != SP_OK) {
		sp_stream_handle(transport, &sp_stream_no_handler, NULL);
		sp_stream_close(transport);
		sp_forward_done(&f->forward);
		maybe_free(f);
	}
}
