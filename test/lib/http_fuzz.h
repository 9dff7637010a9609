/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fuzz targets of HTTP: any bytes for a server, or any bytes of a server for a client. The first byte of
 * the input chooses the side and the sizes in which bytes arrive; a server's h2 input gets the client's
 * preface put before it. What must hold: no crash, no leak, nothing left open when both sides are gone.
 */
#pragma once

#include "base/alloc.h"
#include "lib/http_app.h"
#include "lib/mem_world.h"

typedef struct fuzz_dial {
	sp_defer turn;
	sp_http_dial *dial;
	http_raw raw;
	sp_str bytes;
	bool used;
} fuzz_dial;

static void fuzz_dial_turn(sp_defer *d)
{
	fuzz_dial *f = d->arg;
	sp_stream *pair[2];
	if (f->used) {
		sp_err err = {0};
		(void)sp_fail(&err, SP_EUNAVAILABLE, "only once");
		f->dial->done(f->dial, NULL, &err);
		return;
	}
	f->used = true;
	SP_ASSERT(sp_stream_pair(f->dial->world, pair, NULL) == SP_OK);
	http_raw_attach(&f->raw, pair[0], f->bytes, true);
	f->dial->done(f->dial, pair[1], NULL);
}

static sp_code fuzz_dial_start(void *arg, sp_http_dial *d, sp_err *err)
{
	fuzz_dial *f = arg;
	(void)err;
	f->dial = d;
	sp_defer_init(&f->turn, fuzz_dial_turn, f);
	sp_defer_call(d->world, &f->turn);
	return SP_OK;
}

static void fuzz_dial_cancel(void *arg, sp_http_dial *d)
{
	(void)d;
	sp_defer_cancel(&((fuzz_dial *)arg)->turn);
}

static const sp_http_connector fuzz_connector = {.dial = fuzz_dial_start, .cancel = fuzz_dial_cancel};

static void fuzz_server(sp_world *w, sp_str bytes)
{
	http_app app;
	http_raw raw;
	SP_ASSERT(http_app_init(&app, w, NULL, NULL, NULL) == SP_OK);
	http_raw_open(&raw, &app, bytes, true);
	sp_world_run(w);
	if (raw.stream != NULL)
		sp_stream_close(raw.stream);
	sp_world_run(w);
	SP_ASSERT(sp_http_server_connections(app.server) == 0);
	http_raw_done(&raw);
	http_app_done(&app);
}

static void fuzz_client(sp_world *w, sp_str bytes, bool h2)
{
	static const sp_http_request requests[] = {
		{.path = SP_STR_INIT("/a")},
		{.method = SP_STR_INIT("POST"), .path = SP_STR_INIT("/b"), .streaming = true},
		{.method = SP_STR_INIT("HEAD"), .path = SP_STR_INIT("/c")},
		{.path = SP_STR_INIT("/d"), .protocol = SP_STR_INIT("echo")},
	};
	fuzz_dial f = {.bytes = bytes};
	sp_http_client_opts o = {.connector = &fuzz_connector, .connector_arg = &f, .n_per_origin = 1};
	sp_http_client *client = NULL;
	http_got got[SP_LEN(requests)];
	sp_buf_init(&f.raw.got, 1);
	SP_ASSERT(sp_http_client_new(w, &o, &client, NULL) == SP_OK);
	for (size_t i = 0; i < SP_LEN(requests); i++) {
		sp_http_request r = requests[i];
		r.address = SP_STR("x:1");
		r.h2 = h2;
		http_got_init(&got[i]);
		SP_ASSERT(sp_http_request_start(client, &r, &http_got_events, &got[i], &got[i].ex, NULL) ==
			  SP_OK);
	}
	mem_world_run_until(w, UINT64_C(20000000000));
	for (size_t i = 0; i < SP_LEN(requests); i++)
		if (got[i].tunnel != NULL)
			sp_stream_close(got[i].tunnel);
	sp_http_client_close(client, NULL, NULL);
	sp_world_run(w);
	if (f.raw.stream != NULL)
		sp_stream_close(f.raw.stream);
	sp_world_run(w);
	for (size_t i = 0; i < SP_LEN(requests); i++) {
		SP_ASSERT(got[i].closed);
		http_got_done(&got[i]);
	}
	http_raw_done(&f.raw);
	sp_http_client_free(client);
}

static void fuzz_http(const uint8_t *data, size_t n, bool h2)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
	static const size_t piece_max[] = {1 << 16, 1, 9, 100};
	if (n == 0)
		return;
	int64_t live = sp_alloc_live();
	sp_world *w = mem_world_new(data[0], piece_max[(data[0] >> 1) % SP_LEN(piece_max)]);
	sp_buf bytes;
	sp_buf_init(&bytes, (size_t)1 << 24);
	if (h2 && (data[0] & 1) == 0)
		(void)sp_buf_append(&bytes, preface, sizeof preface - 1);
	(void)sp_buf_append(&bytes, data + 1, n - 1);
	if ((data[0] & 1) == 0)
		fuzz_server(w, sp_buf_view(&bytes));
	else
		fuzz_client(w, sp_buf_view(&bytes), h2);
	sp_buf_done(&bytes);
	mem_world_free(w);
	SP_ASSERT(sp_alloc_live() == live);
}
