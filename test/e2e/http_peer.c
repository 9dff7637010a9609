/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server and client of test/lib/http_app.h on real sockets, for test/e2e/http.sh,
 * test/interop/h2spec and bench_http: http_peer serve ADDRESS             prints the bound address, serves
 * until killed http_peer serve2 ADDRESS            the same, HTTP/2 only http_peer get ADDRESS h1|h2 PATH…
 * prints status and size of each body, one request after the other
 */
#include <stdio.h>
#include <string.h>

#include "io/uv/uv.h"
#include "lib/http_app.h"

static http_app app;
static bool only_h2;

static void on_accept(void *arg, sp_stream *s)
{
	(void)arg;
	if (only_h2)
		s->alpn = SP_STR("h2"); /* as TLS would have agreed */
	sp_http_server_accept(app.server, s);
}

static int serve(sp_world *w, sp_str address)
{
	sp_err err = {0};
	sp_listener *l = NULL;
	sp_http_server_opts o = {.lax_authority = sp_str_starts(address, SP_STR("unix:"))};
	sp_listen_opts lo = {0};
	if (http_app_init(&app, w, &o, NULL, &err) != SP_OK ||
	    sp_listen(w, address, &lo, on_accept, NULL, &l, &err) != SP_OK) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	sp_str bound = sp_listener_address(l);
	(void)printf(SP_FMT "\n", SP_ARG(bound));
	(void)fflush(stdout);
	sp_world_run(w);
	return 0;
}

typedef struct fetch {
	sp_world *world;
	sp_http_client *client;
	http_got got;
	sp_http_request req;
	char **paths;
	int n_paths;
	bool failed;
} fetch;

static void next(fetch *f);

static void on_response(sp_http_exchange *ex)
{
	http_got_events.on_response(ex);
}
static void on_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	http_got_events.on_body(ex, bytes, n);
}
static void on_done(sp_http_exchange *ex, const sp_err *err)
{
	http_got *g = ex->arg;
	fetch *f = SP_CONTAINER_OF(g, fetch, got);
	http_got_events.on_close(ex, err);
	(void)printf("%u %zu %s\n", g->status, g->body.len, g->msg);
	f->failed = f->failed || err != NULL;
	http_got_done(g);
	next(f);
}
static const sp_http_events fetch_events = {
	.on_response = on_response, .on_body = on_body, .on_close = on_done};

static void closed(void *arg)
{
	sp_world_stop(((fetch *)arg)->world);
}

static void next(fetch *f)
{
	sp_err err = {0};
	if (f->n_paths == 0) {
		sp_http_client_close(f->client, closed, f);
		return;
	}
	http_got_init(&f->got);
	f->req.path = sp_str_c(*f->paths++);
	f->n_paths--;
	if (sp_http_request_start(f->client, &f->req, &fetch_events, &f->got, &f->got.ex, &err) == SP_OK)
		return;
	(void)printf("%s\n", err.msg);
	f->failed = true;
	sp_world_stop(f->world);
}

static int get(sp_world *w, sp_str address, bool h2, char **paths, int n_paths)
{
	fetch f = {.world = w, .req = {.address = address, .h2 = h2}, .paths = paths, .n_paths = n_paths};
	sp_http_client_opts o = {.connector = &sp_http_connector_plain};
	if (sp_http_client_new(w, &o, &f.client, NULL) != SP_OK)
		return 1;
	next(&f);
	sp_world_run(w);
	sp_http_client_free(f.client);
	sp_world_uv_free(w);
	return f.failed;
}

int main(int argc, char **argv)
{
	sp_world *w = NULL;
	if (argc < 3 || sp_world_uv_new(&w, NULL) != SP_OK)
		return 2;
	only_h2 = strcmp(argv[1], "serve2") == 0;
	if (strncmp(argv[1], "serve", 5) == 0)
		return serve(w, sp_str_c(argv[2]));
	if (strcmp(argv[1], "get") == 0 && argc >= 4)
		return get(w, sp_str_c(argv[2]), strcmp(argv[3], "h2") == 0, argv + 4, argc - 4);
	return 2;
}
