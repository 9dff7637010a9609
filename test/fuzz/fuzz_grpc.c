/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any request for a gRPC server, or any response for a client, on exchanges that are good HTTP/2 (fuzz_http2
 * has the others). The input: one byte for side, sizes of pieces and method; lines "name value" of a head up
 * to an empty one; the same for trailers (client); the rest is the body. What must hold: no crash, no leak,
 * one end for each call.
 */
#include "base/alloc.h"
#include "lib/grpc_app.h"
#include "lib/mem_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define FIELDS 8u

typedef struct input {
	sp_http_header head[FIELDS], trailers[FIELDS];
	size_t n_head, n_trailers;
	uint16_t status;
	sp_str body;
	bool cut; /* the body ends by a reset */
} input;

/* Fields that HTTP lets pass; others are dropped. */
static size_t take_fields(sp_str *in, sp_http_header *out)
{
	size_t n = 0;
	sp_str line;
	while (sp_str_cut(in, '\n', &line) && line.len > 0) {
		sp_str name;
		if (n == FIELDS || !sp_str_cut(&line, ' ', &name) || name.len == 0 ||
		    sp_http_is_hop_by_hop(name) || sp_str_eq(name, SP_STR("content-length")) ||
		    sp_str_eq(name, SP_STR("host")))
			continue;
		out[n++] = (sp_http_header){name, sp_str_trim(line)};
	}
	return n;
}

static const char *const paths[] = {
	"/interop.Test/Echo",    "/interop.Test/Fail",  "/interop.Test/Never", "/interop.Test/Uid",
	"/interop.Test/Collect", "/interop.Test/Count", "/interop.Test/Chat",  "/x"};

static void run_for(sp_world *w, uint64_t s)
{
	mem_world_run_until(w, sp_now_ns(w) + s * UINT64_C(1000000000));
}

static void fuzz_server(sp_world *w, grpc_app *app, sp_http_client *client, const input *in, size_t which)
{
	http_got got;
	SP_AUTO_BYTES body = sp_bytes_try_dup(in->body);
	sp_http_request r = {.address = SP_STR("x:1"),
			     .h2 = true,
			     .method = SP_STR("POST"),
			     .path = sp_str_c(paths[which]),
			     .headers = in->head,
			     .n_headers = in->n_head,
			     .body = body};
	http_got_init(&got);
	if (sp_http_request_start(client, &r, &http_got_events, &got, &got.ex, NULL) == SP_OK) {
		run_for(w, 20);
		if (got.ex != NULL)
			sp_http_reset(got.ex, SP_HTTP2_CANCEL);
		run_for(w, 20);
		SP_ASSERT(got.closed);
	}
	SP_ASSERT(sp_grpc_server_n_calls(app->server) == 0);
	http_got_done(&got);
}

static void respond(void *arg, sp_http_exchange *ex)
{
	const input *in = arg;
	if (in->n_trailers == 0 && !in->cut) {
		if (sp_http_respond(ex, in->status, in->head, in->n_head, in->body, NULL) != SP_OK)
			sp_http_reset(ex, in->status);
		return;
	}
	if (sp_http_begin(ex, in->status, in->head, in->n_head, NULL) != SP_OK ||
	    sp_http_write(ex, in->body, NULL) != SP_OK || in->cut ||
	    sp_http_end(ex, in->trailers, in->n_trailers, NULL) != SP_OK)
		sp_http_reset(ex, in->status % 16);
}

static void fuzz_client(sp_world *w, grpc_app *app, sp_http_client *client, const input *in, size_t which)
{
	grpc_got got;
	sp_grpc_channel ch = {.http = client, .address = SP_STR("x:1")};
	sp_grpc_rpc_opts o = {.service = SP_STR("a.B"),
			      .method = SP_STR("C"),
			      .timeout_ns = (which & 4) != 0 ? UINT64_C(5000000000) : 0,
			      .client_streams = (which & 1) != 0,
			      .server_streams = (which & 2) != 0};
	sp_http_server_opts so = {.on_request = respond, .arg = (void *)(uintptr_t)in};
	sp_http_server_free(app->http.server);
	SP_ASSERT(sp_http_server_new(w, &so, &app->http.server, NULL) == SP_OK);
	grpc_got_init(&got);
	got.n_pause = which == 6 ? 2 : 0;
	SP_ASSERT(sp_grpc_rpc_start(&ch, &got.rpc, &o, NULL) == SP_OK);
	run_for(w, 2);
	sp_grpc_rpc_read(&got.rpc, true);
	run_for(w, 20);
	SP_ASSERT(got.n_ends == 1);
	grpc_got_done(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const size_t piece_max[] = {1 << 16, 3};
	if (n < 2)
		return 0;
	int64_t live = sp_alloc_live();
	sp_str rest = {(const char *)data + 2, n - 2};
	input in = {.status = (uint16_t)(data[1] < 128 ? 200 : 200 + data[1])};
	size_t which = data[0] >> 3 & 7;
	grpc_app app;
	sp_http_client *client = NULL;
	sp_http_client_opts o = {
		.connector = &http_app_connector, .connector_arg = &app.http, .n_per_origin = 1};
	sp_world *w = mem_world_new(data[0], piece_max[data[0] >> 1 & 1]);
	in.n_head = take_fields(&rest, in.head);
	if ((data[0] & 1) != 0)
		in.n_trailers = take_fields(&rest, in.trailers);
	in.cut = (data[0] & 4) != 0;
	in.body = rest;
	SP_ASSERT(grpc_app_init(&app, w, 1000, NULL) == SP_OK);
	SP_ASSERT(sp_http_client_new(w, &o, &client, NULL) == SP_OK);
	if ((data[0] & 1) == 0)
		fuzz_server(w, &app, client, &in, which);
	else
		fuzz_client(w, &app, client, &in, which);
	sp_http_client_close(client, NULL, NULL);
	sp_world_run(w);
	sp_http_client_free(client);
	grpc_app_done(&app);
	mem_world_free(w);
	SP_ASSERT(sp_alloc_live() == live);
	return 0;
}
