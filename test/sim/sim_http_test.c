/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1 and HTTP/2 over a network that breaks and a server that crashes. Each request ends exactly once,
 * with its right and whole answer or with an error; one that is not idempotent is never handled twice by a
 * server that lived; limits hold; nothing is left.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/num.h"
#include "io/http.h"
#include "io/sim/sim.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define N_REQUESTS 60u
#define PROBE N_REQUESTS /* one more, after the faults: it must succeed */
#define CALM_NS (40 * SECOND)
#define PROBE_NS (55 * SECOND)
#define N_CONNECTIONS_MAX 4u
#define STREAM_BYTES 150000u
#define BODY_MAX 30000u

/* ---- the server ---- */

typedef struct server {
	sp_world *world;
	sp_http_server *http;
	sp_listener *listener;
	sp_defer gone;
} server;

typedef struct visit {
	sp_http_exchange *ex;
	sp_timer timer;
	sp_str body;
	size_t n_sent;
} visit;

/* What all lives of the server handled, by request. */
static unsigned n_handled[N_REQUESTS + 1];
static unsigned n_broken;

static void reset_on(sp_http_exchange *ex, sp_code code)
{
	if (code != SP_OK)
		sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
}

static void answer(visit *v)
{
	reset_on(v->ex, sp_http_respond(v->ex, 200, NULL, 0, v->body, NULL));
}

static void on_answer_timer(sp_timer *t)
{
	answer(t->arg);
}

static void send_stream(sp_http_exchange *ex)
{
	visit *v = ex->arg;
	char block[1000];
	while (v->n_sent < STREAM_BYTES && !sp_http_is_full(ex)) {
		for (size_t i = 0; i < sizeof block; i++)
			block[i] = (char)((v->n_sent + i) % 251);
		if (sp_http_write(ex, (sp_str){block, sizeof block}, NULL) != SP_OK) {
			sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
			return;
		}
		v->n_sent += sizeof block;
		if (v->n_sent == STREAM_BYTES)
			reset_on(ex, sp_http_end(ex, NULL, 0, NULL));
	}
}

static void on_writable(sp_http_exchange *ex)
{
	if (((visit *)ex->arg)->n_sent > 0)
		send_stream(ex);
}

static void on_body_read(sp_http_exchange *ex, const sp_err *err, sp_str body)
{
	visit *v = ex->arg;
	uint64_t id = 0;
	if (err != NULL) {
		sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
		return;
	}
	v->body = body;
	sp_str text = sp_http_find(&ex->headers, SP_STR("x-id"));
	bool known = sp_parse_u64(text, 0, PROBE, &id, NULL) == SP_OK;
	n_broken += !known;
	n_handled[id] += sp_sim_is_alive(ex->world);
	if (sp_str_eq(ex->path, SP_STR("/slow"))) {
		sp_timer_start(ex->world, &v->timer, sp_random_u64(ex->world) % (3 * SECOND),
			       on_answer_timer);
	} else if (sp_str_eq(ex->path, SP_STR("/stream"))) {
		reset_on(ex, sp_http_begin(ex, 200, NULL, 0, NULL));
		send_stream(ex);
	} else if (!sp_str_eq(ex->path, SP_STR("/never"))) {
		answer(v);
	}
}

static void on_visit_close(sp_http_exchange *ex, const sp_err *err)
{
	visit *v = ex->arg;
	(void)err;
	sp_timer_stop(ex->world, &v->timer);
	sp_free(v);
}

static void on_request(void *arg, sp_http_exchange *ex)
{
	static const sp_http_events events = {.on_writable = on_writable, .on_close = on_visit_close};
	visit *v = SP_NEW(visit);
	(void)arg;
	v->ex = ex;
	v->timer.arg = v;
	sp_http_handle(ex, &events, v);
	sp_http_read_body(ex, BODY_MAX, on_body_read);
}

static void on_accept(void *arg, sp_stream *s)
{
	server *v = arg;
	sp_http_server_accept(v->http, s);
	n_broken += sp_http_server_connections(v->http) > N_CONNECTIONS_MAX;
}

static void on_gone(sp_defer *d)
{
	server *v = d->arg;
	sp_http_server_free(v->http);
	sp_free(v);
}

static void on_drained(void *arg)
{
	server *v = arg;
	sp_defer_call(v->world, &v->gone);
}

static void server_end(void *state, sp_world *w)
{
	server *v = state;
	(void)w;
	sp_listener_close(v->listener);
	sp_http_server_drain(v->http, 0, on_drained, v);
}

static void *server_start(void *arg, sp_world *w)
{
	server *v = SP_NEW(server);
	(void)arg;
	v->world = w;
	sp_defer_init(&v->gone, on_gone, v);
	sp_http_server_opts o = {.n_connections = N_CONNECTIONS_MAX, .on_request = on_request, .arg = v};
	SP_ASSERT(sp_http_server_new(w, &o, &v->http, NULL) == SP_OK);
	SP_ASSERT(sp_listen(w, SP_STR("0.0.0.0:80"), NULL, on_accept, v, &v->listener, NULL) == SP_OK);
	return v;
}

static const sp_sim_program server_program = {server_start, server_end};

/* ---- the client ---- */

typedef struct request {
	struct run *run;
	unsigned id;
	sp_timer timer;
	sp_http_exchange *ex;
	uint16_t status;
	bool is_post, wants_stream, wants_never;
	bool ended, closed;
	sp_code code;
	size_t n_got, n_body;
	char body[BODY_MAX];
} request;

typedef struct run {
	sp_sim *sim;
	sp_world *world;
	sp_http_client *client;
	request *requests;
	unsigned n_closed, n_ok;
	bool h2, client_closed;
} run;

static void on_response(sp_http_exchange *ex)
{
	((request *)ex->arg)->status = ex->status;
}

static void on_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	request *q = ex->arg;
	for (size_t i = 0; i < n; i++, q->n_got++) {
		uint8_t want = q->wants_stream        ? (uint8_t)(q->n_got % 251)
			       : q->n_got < q->n_body ? (uint8_t)q->body[q->n_got]
						      : 0;
		n_broken += bytes[i] != want;
	}
}

static void on_end(sp_http_exchange *ex)
{
	request *q = ex->arg;
	n_broken += q->ended || q->closed;
	q->ended = true;
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	request *q = ex->arg;
	n_broken += q->closed;
	q->closed = true;
	q->code = err == NULL ? SP_OK : err->code;
	q->run->n_closed++;
	if (err != NULL)
		return;
	q->run->n_ok++;
	n_broken += !q->ended || q->status != 200 || q->wants_never;
	n_broken += q->n_got != (q->wants_stream ? STREAM_BYTES : q->n_body);
}

static void start_request(sp_timer *t)
{
	static const sp_http_events events = {
		.on_response = on_response, .on_body = on_body, .on_end = on_end, .on_close = on_close};
	static const char *const paths[] = {"/now", "/now", "/slow", "/stream", "/never"};
	request *q = t->arg;
	run *r = q->run;
	bool probe = q->id == PROBE;
	const char *path = probe ? "/now" : paths[sp_sim_random_below(r->sim, SP_LEN(paths))];
	char id[12];
	(void)snprintf(id, sizeof id, "%u", q->id);
	sp_http_header header = {SP_STR("x-id"), sp_str_c(id)};
	q->is_post = !probe && sp_sim_random_below(r->sim, 2) == 0;
	q->wants_stream = strcmp(path, "/stream") == 0;
	q->wants_never = strcmp(path, "/never") == 0;
	q->n_body = q->is_post ? sp_sim_random_below(r->sim, BODY_MAX) : 0;
	for (size_t i = 0; i < q->n_body; i++)
		q->body[i] = (char)(i * 3 + q->id);
	SP_AUTO_BYTES body = sp_bytes_try_dup((sp_str){q->body, q->n_body});
	sp_http_request o = {
		.address = SP_STR("server:80"),
		.h2 = r->h2,
		.method = q->is_post ? SP_STR("POST") : SP_STR("GET"),
		.path = sp_str_c(path),
		.headers = &header,
		.n_headers = 1,
		.body = q->is_post ? body : NULL,
		.deadline_ns = sp_now_ns(r->world) + 20 * SECOND,
	};
	sp_code code = sp_http_request_start(r->client, &o, &events, q, &q->ex, NULL);
	if (code == SP_OK)
		return;
	q->closed = true; /* refused at once: that is an answer too */
	q->code = code;
	r->n_closed++;
}

static bool all_closed(void *arg)
{
	return ((run *)arg)->n_closed == N_REQUESTS + 1;
}

static void on_client_closed(void *arg)
{
	((run *)arg)->client_closed = true;
}

static bool client_closed(void *arg)
{
	return ((run *)arg)->client_closed;
}

static void run_one(uint64_t seed, bool h2, bool crashes, unsigned *n_ok)
{
	sp_sim_opts o = sp_sim_opts_chaos(seed, crashes);
	o.faults.until_ns = CALM_NS;
	run *r = sp_new(T_ARENA, run, 1);
	r->sim = sp_sim_new(&o);
	T_DEFER(sp_sim_free, r->sim);
	memset(n_handled, 0, sizeof n_handled);
	(void)sp_sim_host_new(r->sim, "server", &server_program, NULL);
	r->world = sp_sim_world(sp_sim_host_new(r->sim, "client", NULL, NULL));
	r->h2 = h2;
	r->requests = sp_new(T_ARENA, request, N_REQUESTS + 1);
	sp_http_client_opts co = {.connector = &sp_http_connector_plain, .n_per_origin = 3, .n_waiting = 20};
	T_OK(sp_http_client_new(r->world, &co, &r->client, T_ERR));
	for (unsigned i = 0; i <= PROBE; i++) {
		request *q = &r->requests[i];
		*q = (request){.run = r, .id = i, .timer = {.arg = q}};
		uint64_t at = i == PROBE ? PROBE_NS : sp_sim_random_below(r->sim, 30 * SECOND);
		sp_timer_start(r->world, &q->timer, at, start_request);
	}
	bool all = sp_sim_run(r->sim, all_closed, r, PROBE_NS + 60 * SECOND);
	sp_http_client_close(r->client, on_client_closed, r);
	T_TRUE(sp_sim_run(r->sim, client_closed, r, PROBE_NS + 120 * SECOND));
	sp_http_client_free(r->client);
	T_TRUE(all);
	T_CODE(r->requests[PROBE].code, SP_OK);
	T_EQ_U64(n_broken, 0);
	for (unsigned i = 0; i < N_REQUESTS; i++)
		T_TRUE(!r->requests[i].is_post || n_handled[i] <= 1);
	*n_ok += r->n_ok;
}

static void run_many(bool h2, bool crashes)
{
	unsigned n_ok = 0;
	for (int i = 0; i < 3 && !t_failed(); i++) {
		uint64_t seed = t_random();
		t_row("seed %llu", (unsigned long long)seed);
		run_one(seed, h2, crashes, &n_ok);
	}
	T_TRUE(n_ok > 0);
}

SP_TEST(sim_http, h1_requests_end_once)
{
	run_many(false, false);
}

SP_TEST(sim_http, h1_server_crashes)
{
	run_many(false, true);
}

SP_TEST(sim_http, h2_requests_end_once)
{
	run_many(true, false);
}

SP_TEST(sim_http, h2_server_crashes)
{
	run_many(true, true);
}
