/* SPDX-License-Identifier: Apache-2.0 */
/* Client and server against each other, the same for both protocols. */
#include "lib/http_app.h"
#include "lib/mem_world.h"
#include "lib/t.h"

typedef struct pair {
	sp_world *world;
	http_app app;
	sp_http_client *client;
	http_got got[8];
	sp_buf log;
	bool h2, closing;
} pair;

static void pair_done(pair *p)
{
	for (size_t i = 0; i < SP_LEN(p->got); i++)
		if (p->got[i].tunnel != NULL)
			sp_stream_close(p->got[i].tunnel);
	if (p->client != NULL && !p->closing)
		sp_http_client_close(p->client, NULL, NULL);
	sp_world_run(p->world);
	sp_http_client_free(p->client);
	for (size_t i = 0; i < SP_LEN(p->got); i++)
		http_got_done(&p->got[i]);
	sp_buf_done(&p->log);
	http_app_done(&p->app);
	mem_world_free(p->world);
}
#define AUTO_PAIR SP_CLEANUP(pair_done) pair

static sp_code pair_init(pair *p, bool h2, size_t piece_max)
{
	sp_http_client_opts o = {.connector = &http_app_connector, .connector_arg = &p->app};
	*p = (pair){.world = mem_world_new(t_seed(), piece_max), .h2 = h2};
	sp_buf_init(&p->log, (size_t)1 << 20);
	for (size_t i = 0; i < SP_LEN(p->got); i++)
		http_got_init(&p->got[i]);
	SP_TRY(http_app_init(&p->app, p->world, NULL, &p->log, T_ERR));
	return sp_http_client_new(p->world, &o, &p->client, T_ERR);
}

static sp_code start(pair *p, size_t i, sp_http_request r)
{
	r.address = SP_STR("server:80");
	r.h2 = p->h2;
	return sp_http_request_start(p->client, &r, &http_got_events, &p->got[i], &p->got[i].ex, T_ERR);
}

/* Runs for ten virtual seconds: no idle timeout yet. */
static void run(pair *p)
{
	mem_world_run_until(p->world, sp_now_ns(p->world) + UINT64_C(10000000000));
}

static const size_t pieces[] = {1 << 16, 5};

SP_TEST(http, exchanges)
{
	static const struct {
		const char *method, *path, *body, *h1_body, *trailers;
		uint16_t status;
		sp_code code;
	} rows[] = {
		{"GET", "/hello", NULL, "hello\n", "", 200, SP_OK},
		{"HEAD", "/hello", NULL, "", "", 200, SP_OK},
		{"GET", "/x", NULL, "none\n", "", 404, SP_OK},
		{"POST", "/echo", "abc", "abc", "", 200, SP_OK},
		{"POST", "/echo", "", "", "", 200, SP_OK},
		{"PUT", "/echo", NULL, "", "", 200, SP_OK},
		{"POST", "/pipe", "piped through", "piped through", "", 200, SP_OK},
		{"GET", "/stream", NULL, "one two", "x-sum=7;", 200, SP_OK},
		{"GET", "/sized", NULL, "12345", "", 200, SP_OK},
		{"GET", "/status/204", NULL, "", "", 204, SP_OK},
		{"GET", "/status/304", NULL, "", "", 304, SP_OK},
		{"GET", "/later", NULL, "later", "", 200, SP_OK},
		{"GET", "/hint", NULL, "hinted", "", 200, SP_OK},
		{"POST", "/nobody", "unread", "no", "", 200, SP_OK},
		{"GET", "/deadline", NULL, "", "", 504, SP_OK},
		{"OPTIONS", "*", NULL, "none\n", "", 404, SP_OK},
	};
	for (size_t i = 0; i < SP_LEN(rows) * 4; i++) {
		t_row("%s %s, HTTP/%d, pieces of %zu", rows[i / 4].method, rows[i / 4].path,
		      i % 4 < 2 ? 1 : 2, pieces[i % 2]);
		AUTO_PAIR p;
		T_OK(pair_init(&p, i % 4 >= 2, pieces[i % 2]));
		SP_AUTO_BYTES body = NULL;
		if (rows[i / 4].body != NULL) {
			body = sp_bytes_try_dup(sp_str_c(rows[i / 4].body));
			T_TRUE(body != NULL);
		}
		T_OK(start(&p, 0,
			   (sp_http_request){.method = sp_str_c(rows[i / 4].method),
					     .path = sp_str_c(rows[i / 4].path),
					     .body = body}));
		run(&p);
		const http_got *g = &p.got[0];
		T_EQ_C(sp_str_c(g->msg), "");
		T_TRUE(g->closed);
		T_EQ_I64(g->code, rows[i / 4].code);
		T_EQ_U64(g->status, rows[i / 4].status);
		T_EQ_C(sp_buf_view(&g->body), rows[i / 4].h1_body);
		T_EQ_C(sp_buf_view(&g->trailers), rows[i / 4].trailers);
		T_TRUE(g->responded && g->ended);
		T_TRUE(g->interim == (strcmp(rows[i / 4].path, "/hint") == 0));
		T_EQ_U64(p.app.n_open, 0);
	}
}

SP_TEST(http, large_bodies_and_slow_readers)
{
	static const char *const paths[] = {"/big", "/flow"};
	for (size_t i = 0; i < 4; i++) {
		t_row("%s, HTTP/%zu", paths[i % 2], i / 2 + 1);
		AUTO_PAIR p;
		T_OK(pair_init(&p, i >= 2, 30000));
		T_OK(start(&p, 0, (sp_http_request){.path = sp_str_c(paths[i % 2])}));
		p.got[0].n_slow = 20000;
		run(&p);
		T_TRUE(!p.got[0].closed);
		T_TRUE(p.got[0].body.len < 600000);
		sp_http_read(p.got[0].ex, true);
		run(&p);
		T_TRUE(p.got[0].closed);
		T_EQ_I64(p.got[0].code, SP_OK);
		T_EQ_U64(p.got[0].body.len, i % 2 == 0 ? 100000 : 1 << 20);
	}
}

/* A body that is written as there is room, through the server's echo with its own back-pressure. */
SP_TEST(http, streaming_both_ways)
{
	for (size_t i = 0; i < 2; i++) {
		t_row("HTTP/%zu", i + 1);
		AUTO_PAIR p;
		T_OK(pair_init(&p, i == 1, 100000));
		T_OK(start(&p, 0,
			   (sp_http_request){
				   .method = SP_STR("POST"), .path = SP_STR("/pipe"), .streaming = true}));
		static char block[50000];
		memset(block, 'b', sizeof block);
		p.got[0].n_slow = 100;
		size_t sent = 0;
		for (size_t n = 0; n < 30; n++) {
			T_OK(sp_http_write(p.got[0].ex, (sp_str){block, sizeof block}, T_ERR));
			sent += sizeof block;
			mem_world_run_until(p.world, sp_now_ns(p.world) + 1000000000);
			T_TRUE(!p.got[0].closed);
		}
		T_TRUE(sp_http_queued(p.got[0].ex) > 0);
		T_TRUE(p.got[0].body.len < 600000);
		sp_http_header trailer = {SP_STR("x-t"), SP_STR("1")};
		T_OK(sp_http_end(p.got[0].ex, &trailer, 1, T_ERR));
		T_CODE(sp_http_write(p.got[0].ex, SP_STR("x"), NULL), SP_EINVAL);
		sp_http_read(p.got[0].ex, true);
		run(&p);
		T_TRUE(p.got[0].closed);
		T_EQ_C(sp_str_c(p.got[0].msg), "");
		T_EQ_U64(p.got[0].body.len, sent);
	}
}

SP_TEST(http, ends_that_are_not_good)
{
	static const struct {
		const char *path;
		uint64_t deadline_s;
		bool reset;
		sp_code code;
		uint32_t h2_code;
		const char *log_end;
	} rows[] = {
		{"/reset", 0, false, SP_ECANCELED, 2, "close canceled\n"},
		{"/never", 5, false, SP_ETIMEOUT, 8, "close canceled\n"},
		{"/never", 0, true, SP_ECANCELED, 5, "close canceled\n"},
		{"/flow", 0, true, SP_ECANCELED, 5, "close canceled\n"},
	};
	for (size_t i = 0; i < SP_LEN(rows) * 2; i++) {
		t_row("%zu %s, HTTP/%zu", i / 2, rows[i / 2].path, i % 2 + 1);
		bool h2 = i % 2 == 1;
		AUTO_PAIR p;
		T_OK(pair_init(&p, h2, 1 << 16));
		uint64_t at = rows[i / 2].deadline_s * 1000000000;
		T_OK(start(&p, 0, (sp_http_request){.path = sp_str_c(rows[i / 2].path), .deadline_ns = at}));
		p.got[0].n_slow = 1000;
		if (rows[i / 2].reset) {
			mem_world_run_until(p.world, sp_now_ns(p.world) + 1000000000);
			T_TRUE(p.got[0].ex != NULL);
			sp_http_reset(p.got[0].ex, 5);
			T_TRUE(!p.got[0].closed);
		}
		run(&p);
		T_TRUE(p.got[0].closed);
		if (h2 || rows[i / 2].code != SP_ECANCELED || rows[i / 2].reset) {
			T_EQ_I64(p.got[0].code, rows[i / 2].code);
			T_EQ_U64(p.got[0].reset_code, rows[i / 2].h2_code);
		} else {
			T_EQ_I64(p.got[0].code,
				 SP_EUNAVAILABLE); /* HTTP/1 knows only the end of a connection */
		}
		T_TRUE(sp_str_ends(sp_buf_view(&p.log), sp_str_c(rows[i / 2].log_end)));
		T_EQ_U64(p.app.n_open, 0);
	}
}

SP_TEST(http, connections_are_shared)
{
	for (size_t i = 0; i < 2; i++) {
		t_row("HTTP/%zu", i + 1);
		AUTO_PAIR p;
		T_OK(pair_init(&p, i == 1, 1 << 16));
		for (size_t n = 0; n < 4; n++)
			T_OK(start(&p, n, (sp_http_request){.path = SP_STR("/later")}));
		run(&p);
		for (size_t n = 0; n < 4; n++) {
			T_TRUE(p.got[n].closed);
			T_EQ_C(sp_buf_view(&p.got[n].body), "later");
		}
		T_EQ_U64(sp_http_server_connections(p.app.server), i == 0 ? 4 : 1);
		for (size_t n = 4; n < 8; n++) {
			T_OK(start(&p, n, (sp_http_request){.path = SP_STR("/hello")}));
			run(&p);
			T_EQ_C(sp_buf_view(&p.got[n].body), "hello\n");
		}
		T_EQ_U64(sp_http_server_connections(p.app.server), i == 0 ? 4 : 1);
		mem_world_run_until(p.world, sp_now_ns(p.world) + UINT64_C(200000000000));
		T_EQ_U64(sp_http_server_connections(p.app.server), 0);
	}
}

static void bytes_in(void *arg, const uint8_t *bytes, size_t n)
{
	(void)sp_buf_append(&((http_got *)arg)->body, bytes, n);
}
static void stream_end(void *arg)
{
	((http_got *)arg)->ended = true;
}
static void stream_error(void *arg, const sp_err *err)
{
	(void)err;
	stream_end(arg);
}
static void stream_closed(void *arg)
{
	((http_got *)arg)->tunnel = NULL;
}
static const sp_stream_handler tunnel_handler = {bytes_in, stream_end, stream_error, stream_closed};
static void written(sp_write *req, sp_code code)
{
	*(sp_code *)req->arg = code;
}

SP_TEST(http, tunnels)
{
	for (size_t i = 0; i < 4; i++) {
		t_row("HTTP/%zu, %s", i / 2 + 1, i % 2 == 0 ? "upgrade" : "connect");
		AUTO_PAIR p;
		T_OK(pair_init(&p, i >= 2, 100));
		sp_http_request r = {.path = SP_STR("/up"), .protocol = SP_STR("echo")};
		if (i % 2 == 1)
			r = (sp_http_request){.method = SP_STR("CONNECT"), .authority = SP_STR("b:1")};
		T_OK(start(&p, 0, r));
		run(&p);
		http_got *g = &p.got[0];
		T_EQ_C(sp_str_c(g->msg), "");
		T_TRUE(g->closed && g->tunnel != NULL);
		T_EQ_U64(g->status, i == 0 ? 101 : 200);
		sp_code done = SP_EINTERNAL;
		sp_stream_handle(g->tunnel, &tunnel_handler, g);
		sp_stream_read(g->tunnel, true);
		sp_write req = {
			.n_iov = 2, .iov = {{"how ", 4}, {"are you", 7}}, .done = written, .arg = &done};
		sp_stream_write(g->tunnel, &req);
		sp_stream_shutdown(g->tunnel);
		run(&p);
		T_EQ_I64(done, SP_OK);
		T_EQ_U64(sp_stream_queued(g->tunnel), 0);
		T_EQ_C(sp_buf_view(&g->body), "how are you");
		T_TRUE(g->ended);
		sp_stream_close(g->tunnel);
		run(&p);
		T_TRUE(g->tunnel == NULL);
	}
}

/* The response ends the exchange, though the request could go on; a tunnel that is refused is a response. */
SP_TEST(http, early_responses)
{
	for (size_t i = 0; i < 4; i++) {
		t_row("HTTP/%zu, %zu", i / 2 + 1, i % 2);
		AUTO_PAIR p;
		T_OK(pair_init(&p, i >= 2, 1 << 16));
		sp_http_request r = {.method = SP_STR("POST"), .path = SP_STR("/nobody"), .streaming = true};
		if (i % 2 == 1)
			r = (sp_http_request){.path = SP_STR("/status/403"), .protocol = SP_STR("echo")};
		T_OK(start(&p, 0, r));
		if (i % 2 == 0)
			T_OK(sp_http_write(p.got[0].ex, SP_STR("begin"), T_ERR));
		run(&p);
		T_EQ_C(sp_str_c(p.got[0].msg), "");
		T_TRUE(p.got[0].closed && p.got[0].ended);
		T_EQ_U64(p.got[0].status, i % 2 == 0 ? 200 : 403);
		T_EQ_C(sp_buf_view(&p.got[0].body), i % 2 == 0 ? "no" : "x");
		T_EQ_U64(p.app.n_open, 0);
	}
}

SP_TEST(http, bad_requests_are_refused_at_once)
{
	AUTO_PAIR p;
	T_OK(pair_init(&p, false, 1 << 16));
	sp_http_header crlf = {SP_STR("x"), SP_STR("a\r\nb: c")}, upper = {SP_STR("X"), SP_STR("a")},
		       host = {SP_STR("host"), SP_STR("a")},
		       te = {SP_STR("transfer-encoding"), SP_STR("chunked")};
	const sp_http_request rows[] = {
		{.path = SP_STR("/a b")},
		{.path = SP_STR("/a\r\nx: y")},
		{.method = SP_STR("GE T")},
		{.authority = SP_STR("a\n")},
		{.scheme = SP_STR("ftp")},
		{.headers = &crlf, .n_headers = 1},
		{.headers = &upper, .n_headers = 1},
		{.headers = &host, .n_headers = 1},
		{.headers = &te, .n_headers = 1},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		T_CODE(start(&p, 0, rows[i]), SP_EINVAL);
	}
	run(&p);
}

static void set_true(void *arg)
{
	*(bool *)arg = true;
}

/* The server stops: what runs is finished, what comes later goes to a new connection (here: refused). */
SP_TEST(http, drain_lets_exchanges_finish)
{
	for (size_t i = 0; i < 2; i++) {
		t_row("HTTP/%zu", i + 1);
		bool drained = false;
		AUTO_PAIR p;
		T_OK(pair_init(&p, i == 1, 1 << 16));
		T_OK(start(&p, 0, (sp_http_request){.path = SP_STR("/later")}));
		mem_world_run_until(p.world, UINT64_C(2000000000));
		sp_http_server_drain(p.app.server, UINT64_C(60000000000), set_true, &drained);
		run(&p);
		T_EQ_C(sp_buf_view(&p.got[0].body), "later");
		T_EQ_I64(p.got[0].code, SP_OK);
		T_TRUE(drained);
		T_OK(start(&p, 1, (sp_http_request){.path = SP_STR("/hello")}));
		run(&p);
		T_TRUE(p.got[1].closed);
		T_EQ_I64(p.got[1].code, SP_EUNAVAILABLE);
	}
}

/* A connector whose next dial hangs, when it is told so. */
typedef struct hanging {
	http_app *app;
	sp_http_dial *held;
	bool hangs;
	unsigned n;
} hanging;

static sp_code hanging_dial(void *arg, sp_http_dial *d, sp_err *err)
{
	hanging *h = arg;
	h->n++;
	if (!h->hangs)
		return http_app_connector.dial(h->app, d, err);
	h->hangs = false;
	h->held = d;
	return SP_OK;
}
static void hanging_fails(hanging *h)
{
	const sp_err late = {.code = SP_ETIMEOUT, .msg = "i/o timeout"};
	sp_http_dial *held = SP_TAKE(h->held);
	held->done(held, NULL, &late);
}
static void hanging_cancel(void *arg, sp_http_dial *d)
{
	hanging *h = arg;
	if (d == h->held)
		h->held = NULL;
	else
		http_app_connector.cancel(h->app, d);
}

SP_TEST(http, a_failed_dial_fails_only_who_waited_for_it)
{
	static const sp_http_connector connector = {.dial = hanging_dial, .cancel = hanging_cancel};
	for (size_t i = 0; i < 2; i++) {
		t_row("HTTP/%zu", i + 1);
		AUTO_PAIR p;
		T_OK(pair_init(&p, i == 1, 1 << 16));
		hanging h = {.app = &p.app, .hangs = true};
		const sp_http_client_opts o = {.connector = &connector, .connector_arg = &h};
		sp_http_client_close(p.client, NULL, NULL);
		sp_world_run(p.world);
		sp_http_client_free(SP_TAKE(p.client));
		T_OK(sp_http_client_new(p.world, &o, &p.client, T_ERR));
		T_OK(start(&p, 0, (sp_http_request){.path = SP_STR("/hello")}));
		run(&p);
		T_TRUE(h.held != NULL);
		hanging_fails(&h);
		run(&p);
		T_EQ_I64(p.got[0].code, SP_ETIMEOUT);
		/* Who began it goes, another one comes: it gets a dial of its own. */
		h.hangs = true;
		T_OK(start(&p, 1, (sp_http_request){.path = SP_STR("/hello")}));
		run(&p);
		T_TRUE(h.held != NULL);
		sp_http_reset(p.got[1].ex, SP_HTTP2_CANCEL);
		T_OK(start(&p, 2, (sp_http_request){.path = SP_STR("/hello")}));
		run(&p);
		T_EQ_U64(h.n, 2);
		hanging_fails(&h);
		run(&p);
		T_EQ_I64(p.got[1].code, SP_ECANCELED);
		T_EQ_U64(p.got[2].status, 200);
		T_EQ_U64(h.n, 3);
	}
}

SP_TEST(http, closing_the_client_ends_everything)
{
	for (size_t i = 0; i < 2; i++) {
		t_row("HTTP/%zu", i + 1);
		bool closed = false;
		AUTO_PAIR p;
		T_OK(pair_init(&p, i == 1, 1 << 16));
		T_OK(start(&p, 0, (sp_http_request){.path = SP_STR("/never")}));
		run(&p);
		T_OK(start(&p, 1, (sp_http_request){.path = SP_STR("/never")}));
		p.closing = true;
		sp_http_client_close(p.client, set_true, &closed);
		run(&p);
		T_TRUE(closed);
		T_EQ_I64(p.got[0].code, SP_ECANCELED);
		T_EQ_U64(p.got[0].reset_code, SP_HTTP2_CANCEL);
		T_EQ_I64(p.got[1].code, SP_ECANCELED);
		T_CODE(start(&p, 2, (sp_http_request){.path = SP_STR("/hello")}), SP_EUNAVAILABLE);
		sp_http_client_free(SP_TAKE(p.client));
	}
}
