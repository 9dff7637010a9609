/* SPDX-License-Identifier: Apache-2.0 */
#include "io/https_server.h"

#include "base/alloc.h"
#include "base/list.h"

#define HANDSHAKES_MAX 256u

struct sp_https_server {
	sp_tls_config *tls;
	sp_listener *listener;
	sp_http_server *http;
	sp_list handshakes;
	size_t n_handshakes;
};

typedef struct handshake {
	sp_list node;
	sp_https_server *server;
	sp_tls_req req;
} handshake;

static void forget(handshake *h)
{
	sp_list_remove(&h->node);
	h->server->n_handshakes--;
	sp_free(h);
}

static void on_handshake(sp_tls_req *req, sp_stream *stream, const sp_err *err)
{
	handshake *h = req->arg;
	(void)err; /* the peer knows by its alert */
	if (stream != NULL)
		sp_http_server_accept(h->server->http, stream);
	forget(h);
}

static void on_accept(void *arg, sp_stream *stream)
{
	sp_https_server *s = arg;
	handshake *h = s->n_handshakes < HANDSHAKES_MAX ? sp_try_alloc(sizeof *h) : NULL;
	if (h == NULL) {
		sp_stream_close(stream);
		return;
	}
	h->server = s;
	h->req = (sp_tls_req){.done = on_handshake, .arg = h};
	sp_list_init(&h->node);
	sp_list_push_back(&s->handshakes, &h->node);
	s->n_handshakes++;
	if (sp_tls_accept(&h->req, stream, s->tls, NULL) != SP_OK) {
		sp_stream_close(stream);
		forget(h);
	}
}

sp_code sp_https_server_open(sp_world *w, sp_str address, sp_tls_config *tls, const sp_http_server_opts *o,
			     sp_https_server **ret, sp_err *err)
{
	sp_https_server *s = SP_NEW(sp_https_server);
	s->tls = sp_tls_config_ref(tls);
	sp_list_init(&s->handshakes);
	sp_code code = sp_http_server_new(w, o, &s->http, err);
	if (code == SP_OK)
		code = sp_listen(w, address, NULL, on_accept, s, &s->listener, err);
	if (code != SP_OK) {
		sp_https_server_free(s);
		return code;
	}
	*ret = s;
	return SP_OK;
}

void sp_https_server_set_tls(sp_https_server *s, sp_tls_config *tls)
{
	sp_tls_config *old = s->tls;
	s->tls = sp_tls_config_ref(tls);
	(void)sp_tls_config_unref(old);
}

sp_str sp_https_server_address(const sp_https_server *s)
{
	return sp_listener_address(s->listener);
}

static void end_handshakes(sp_https_server *s)
{
	SP_LIST_FOREACH (node, &s->handshakes) {
		handshake *h = SP_CONTAINER_OF(node, handshake, node);
		sp_tls_cancel(&h->req);
		forget(h);
	}
}

void sp_https_server_close(sp_https_server *s, uint64_t grace_ns, void (*done)(void *arg), void *arg)
{
	sp_listener_close(SP_TAKE(s->listener));
	end_handshakes(s);
	sp_http_server_drain(s->http, grace_ns, done, arg);
}

void sp_https_server_free(sp_https_server *s)
{
	if (s == NULL)
		return;
	sp_listener_close(s->listener);
	end_handshakes(s);
	if (s->http != NULL)
		sp_http_server_free(s->http);
	sp_tls_config_unref(s->tls);
	sp_free(s);
}
