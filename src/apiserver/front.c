/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/front.h"

#include "base/alloc.h"

/* Connections whose handshake is not over; more are refused, so that half-open ones can't eat memory. */
#define HANDSHAKES_MAX 4096u

struct api_front {
	sp_world *world;
	api_server *server;
	sp_tls_source *source;
	sp_listener *listener;
	sp_list handshakes;
	size_t n_handshakes;
};

typedef struct handshake {
	sp_list node;
	api_front *front;
	sp_tls_req req;
} handshake;

static void forget(handshake *h)
{
	sp_list_remove(&h->node);
	h->front->n_handshakes--;
	sp_free(h);
}

static void on_handshake(sp_tls_req *req, sp_stream *s, const sp_err *err)
{
	handshake *h = req->arg;
	(void)err; /* the client knows by its alert */
	if (s != NULL)
		api_server_accept(h->front->server, s);
	forget(h);
}

static void on_accept(void *arg, sp_stream *s)
{
	api_front *f = arg;
	handshake *h = f->n_handshakes < HANDSHAKES_MAX ? sp_try_alloc(sizeof *h) : NULL;
	if (h == NULL) {
		sp_stream_close(s);
		return;
	}
	h->front = f;
	h->req = (sp_tls_req){.done = on_handshake, .arg = h};
	sp_list_init(&h->node);
	sp_list_push_back(&f->handshakes, &h->node);
	f->n_handshakes++;
	sp_tls_config *config = sp_tls_source_get(f->source);
	if (sp_tls_accept(&h->req, s, config, NULL) != SP_OK) {
		sp_stream_close(s);
		forget(h);
	}
	sp_tls_config_unref(config);
}

sp_code api_front_open(sp_world *w, api_server *server, sp_str address, sp_tls_source *source,
		       api_front **ret, sp_err *err)
{
	static const sp_listen_opts opts = {0};
	api_front *f = SP_NEW(api_front);
	f->world = w;
	f->server = server;
	f->source = source;
	sp_list_init(&f->handshakes);
	sp_code code = sp_listen(w, address, &opts, on_accept, f, &f->listener, err);
	if (code != SP_OK) {
		sp_free(f);
		return code;
	}
	*ret = f;
	return SP_OK;
}

sp_str api_front_address(const api_front *f)
{
	return sp_listener_address(f->listener);
}

void api_front_close(api_front *f)
{
	if (f == NULL)
		return;
	sp_listener_close(f->listener);
	SP_LIST_FOREACH (node, &f->handshakes) {
		handshake *h = SP_CONTAINER_OF(node, handshake, node);
		sp_tls_cancel(&h->req);
		forget(h);
	}
	sp_free(f);
}
