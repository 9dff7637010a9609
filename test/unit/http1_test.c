/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http_app.h"
#include "lib/mem_world.h"
#include "lib/t.h"

#define DATE "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define OK "HTTP/1.1 200 OK\r\n"
#define TEXT "content-type: text/plain\r\n"
#define LEN(n) "content-length: " #n "\r\n"
#define CLOSE "connection: close\r\n"
#define HELLO OK TEXT DATE LEN(6) "\r\nhello\n"
#define HELLO_CLOSE OK TEXT DATE LEN(6) CLOSE "\r\nhello\n"
#define ERROR(line, n) \
	"HTTP/1.1 " line "\r\ncontent-type: text/plain; charset=utf-8\r\n" DATE LEN(n) CLOSE "\r\n"
#define BAD ERROR("400 Bad Request", 12) "Bad Request\n"
#define H "host: a\r\n"

typedef struct session {
	sp_world *world;
	http_app app;
	http_raw raw;
	sp_buf log;
} session;

static void session_done(session *s)
{
	sp_buf_done(&s->log);
	http_raw_done(&s->raw);
	http_app_done(&s->app);
	mem_world_free(s->world);
}
#define AUTO_SESSION SP_CLEANUP(session_done) session

/* Sends the bytes to a server and runs until nothing is left to do. False: no memory for a server. */
static bool run(session *s, sp_str bytes, const sp_http_server_opts *opts, size_t piece_max, bool shut)
{
	*s = (session){.world = mem_world_new(t_seed(), piece_max)};
	sp_buf_init(&s->log, (size_t)1 << 20);
	sp_buf_init(&s->raw.got, 1);
	if (http_app_init(&s->app, s->world, opts, &s->log, T_ERR) != SP_OK)
		return false;
	http_raw_open(&s->raw, &s->app, bytes, shut);
	sp_world_run(s->world);
	return true;
}

static const struct {
	const char *name, *in, *out;
} rows[] = {
	/* what goes well */
	{"get", "GET /hello HTTP/1.1\r\n" H "\r\n", HELLO},
	{"close", "GET /hello HTTP/1.1\r\n" H "connection: close\r\n\r\n", HELLO_CLOSE},
	{"head", "HEAD /hello HTTP/1.1\r\n" H "\r\n", OK TEXT DATE LEN(6) "\r\n"},
	{"1.0", "GET /hello HTTP/1.0\r\n\r\n", HELLO_CLOSE},
	{"1.0 keep-alive", "GET /hello HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
	 OK TEXT DATE LEN(6) "connection: keep-alive\r\n\r\nhello\n"},
	{"pipelined",
	 "GET /hello HTTP/1.1\r\n" H "\r\nGET /x HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" H "\r\n",
	 HELLO "HTTP/1.1 404 Not Found\r\n" TEXT DATE LEN(5) "\r\nnone\n" HELLO},
	{"pipelined behind a slow one", "GET /later HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" H "\r\n",
	 OK TEXT DATE LEN(5) "\r\nlater" HELLO},
	{"empty lines before", "\r\n\r\nGET /hello HTTP/1.1\r\n" H "\r\n", HELLO},
	{"204", "GET /status/204 HTTP/1.1\r\n" H "\r\n", "HTTP/1.1 204 No Content\r\n" TEXT DATE "\r\n"},
	{"304", "GET /status/304 HTTP/1.1\r\n" H "\r\n", "HTTP/1.1 304 Not Modified\r\n" TEXT DATE "\r\n"},
	{"unknown status", "GET /status/599 HTTP/1.1\r\n" H "\r\n",
	 "HTTP/1.1 599 \r\n" TEXT DATE LEN(1) "\r\nx"},
	{"chunked response", "GET /stream HTTP/1.1\r\n" H "\r\n",
	 OK DATE "transfer-encoding: chunked\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\nx-sum: 7\r\n\r\n"},
	{"response until close", "GET /stream HTTP/1.0\r\n\r\n", OK DATE CLOSE "\r\none two"},
	{"streamed head", "HEAD /stream HTTP/1.1\r\n" H "\r\n", OK DATE "\r\n"},
	{"sized response", "GET /sized HTTP/1.1\r\n" H "\r\n", OK LEN(5) DATE "\r\n12345"},
	{"body", "POST /echo HTTP/1.1\r\n" H "content-length: 3\r\n\r\nabcGET /hello HTTP/1.1\r\n" H "\r\n",
	 OK TEXT DATE LEN(3) "\r\nabc" HELLO},
	{"empty body", "POST /echo HTTP/1.1\r\n" H "content-length: 0\r\n\r\n", OK TEXT DATE LEN(0) "\r\n"},
	{"chunked body",
	 "POST /echo HTTP/1.1\r\n" H "transfer-encoding: chunked\r\n\r\n"
	 "2;x=y\r\nab\r\n3\r\ncde\r\n0\r\nx: y\r\n\r\nGET /hello HTTP/1.1\r\n" H "\r\n",
	 OK TEXT DATE LEN(5) "\r\nabcde" HELLO},
	{"100-continue", "POST /echo HTTP/1.1\r\n" H "expect: 100-continue\r\ncontent-length: 3\r\n\r\nabc",
	 "HTTP/1.1 100 Continue\r\n\r\n" OK TEXT DATE LEN(3) "\r\nabc"},
	{"no continue, no body read",
	 "POST /nobody HTTP/1.1\r\n" H "expect: 100-continue\r\ncontent-length: 3\r\n\r\n",
	 OK TEXT DATE LEN(2) CLOSE "\r\nno"},
	{"small body not read",
	 "POST /nobody HTTP/1.1\r\n" H "content-length: 3\r\n\r\nabcGET /hello HTTP/1.1\r\n" H "\r\n",
	 OK TEXT DATE LEN(2) "\r\nno" HELLO},
	{"chunked body not read",
	 "POST /nobody HTTP/1.1\r\n" H "transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
	 OK TEXT DATE LEN(2) CLOSE "\r\nno"},
	{"interim", "GET /hint HTTP/1.1\r\n" H "\r\n",
	 "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n" OK TEXT DATE LEN(6) "\r\nhinted"},
	{"no interim for 1.0", "GET /hint HTTP/1.0\r\n\r\n", OK TEXT DATE LEN(6) CLOSE "\r\nhinted"},
	{"deadline", "GET /deadline HTTP/1.1\r\n" H "\r\n",
	 "HTTP/1.1 504 Gateway Timeout\r\n" DATE LEN(0) "\r\n"},
	{"reset", "GET /reset HTTP/1.1\r\n" H "\r\n", ""},
	{"dump",
	 "GET /dump?a=b%20c HTTP/1.1\r\nHost: Example.com:80\r\nX-A:  b\tc \t\r\nempty:\r\nx-a: 2\r\n\r\n",
	 OK TEXT DATE LEN(83) "\r\nGET http Example.com:80 /dump?a=b%20c  "
			      "11\nhost=Example.com:80\nx-a=b\tc\nempty=\nx-a=2\n"},
	{"absolute form", "GET http://b:8/dump HTTP/1.1\r\n" H "\r\n",
	 OK TEXT DATE LEN(32) "\r\nGET http b:8 /dump  11\nhost=b:8\n"},
	{"absolute form without path", "GET http://b?x HTTP/1.1\r\n" H "\r\n",
	 "HTTP/1.1 404 Not Found\r\n" TEXT DATE LEN(5) "\r\nnone\n"},
	{"asterisk", "OPTIONS * HTTP/1.1\r\n" H "\r\n",
	 "HTTP/1.1 404 Not Found\r\n" TEXT DATE LEN(5) "\r\nnone\n"},
	{"empty host", "GET /hello HTTP/1.1\r\nhost:\r\n\r\n", HELLO},
	{"ipv6 host", "GET /hello HTTP/1.1\r\nhost: [::1]:80\r\n\r\n", HELLO},
	{"body too large", "POST /echo HTTP/1.1\r\n" H "content-length: 1001\r\n\r\n",
	 "HTTP/1.1 413 Content Too Large\r\n" TEXT DATE LEN(0) "\r\n"},
	{"body far too large", "POST /echo HTTP/1.1\r\n" H "content-length: 99999999\r\n\r\n",
	 "HTTP/1.1 413 Content Too Large\r\n" TEXT DATE LEN(0) CLOSE "\r\n"},
	{"upgrade refused", "GET /hello HTTP/1.1\r\n" H "connection: upgrade\r\nupgrade: x\r\n\r\n", HELLO},
	/* framing attacks */
	{"length and chunked",
	 "POST /echo HTTP/1.1\r\n" H "content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", BAD},
	{"chunked and length",
	 "POST /echo HTTP/1.1\r\n" H "transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n", BAD},
	{"two lengths", "POST /echo HTTP/1.1\r\n" H "content-length: 3\r\ncontent-length: 3\r\n\r\nabc", BAD},
	{"length list", "POST /echo HTTP/1.1\r\n" H "content-length: 3, 3\r\n\r\nabc", BAD},
	{"length with sign", "POST /echo HTTP/1.1\r\n" H "content-length: +3\r\n\r\nabc", BAD},
	{"length in hex", "POST /echo HTTP/1.1\r\n" H "content-length: 0x3\r\n\r\nabc", BAD},
	{"length negative", "POST /echo HTTP/1.1\r\n" H "content-length: -1\r\n\r\n", BAD},
	{"length empty", "POST /echo HTTP/1.1\r\n" H "content-length:\r\n\r\n", BAD},
	{"length over 64 bits", "POST /echo HTTP/1.1\r\n" H "content-length: 99999999999999999999\r\n\r\n",
	 BAD},
	{"length over 63 bits", "POST /echo HTTP/1.1\r\n" H "content-length: 18446744073709551615\r\n\r\n",
	 BAD},
	{"chunked twice",
	 "POST /echo HTTP/1.1\r\n" H
	 "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
	 BAD},
	{"chunked not last", "POST /echo HTTP/1.1\r\n" H "transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
	 BAD},
	{"coding unknown", "POST /echo HTTP/1.1\r\n" H "transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	 ERROR("501 Not Implemented", 16) "Not Implemented\n"},
	{"coding hidden", "POST /echo HTTP/1.1\r\n" H "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
	 ERROR("501 Not Implemented", 16) "Not Implemented\n"},
	{"coding in 1.0", "POST /echo HTTP/1.0\r\n" H "transfer-encoding: chunked\r\n\r\n0\r\n\r\n", BAD},
	{"blank before colon", "POST /echo HTTP/1.1\r\n" H "content-length : 3\r\n\r\nabc", BAD},
	{"folded", "GET /hello HTTP/1.1\r\n" H "x: a\r\n b\r\n\r\n", BAD},
	{"blank before the first name", "GET /hello HTTP/1.1\r\n x: y\r\n" H "\r\n", BAD},
	{"bare LF", "GET /hello HTTP/1.1\n" H "\r\n", BAD},
	{"bare LF behind a field", "GET /hello HTTP/1.1\r\nhost: a\n\r\n", BAD},
	{"bare LF ends the head", "GET /hello HTTP/1.1\r\n" H "\n", BAD},
	{"bare CR in a value", "GET /hello HTTP/1.1\r\n" H "x: a\rb\r\n\r\n", BAD},
	{"NUL in a value", "GET /hello HTTP/1.1\r\n" H "x: a\1b\r\n\r\n", BAD},
	{"bad name", "GET /hello HTTP/1.1\r\n" H "x@y: a\r\n\r\n", BAD},
	{"empty name", "GET /hello HTTP/1.1\r\n" H ": a\r\n\r\n", BAD},
	{"no colon", "GET /hello HTTP/1.1\r\n" H "xy\r\n\r\n", BAD},
	{"bad chunk size", "POST /echo HTTP/1.1\r\n" H "transfer-encoding: chunked\r\n\r\nx\r\n", BAD},
	{"chunk size with 0x",
	 "POST /echo HTTP/1.1\r\n" H "transfer-encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", BAD},
	{"chunk size too large",
	 "POST /echo HTTP/1.1\r\n" H "transfer-encoding: chunked\r\n\r\n10000000000000000\r\n", BAD},
	{"blank behind a chunk size",
	 "POST /echo HTTP/1.1\r\n" H "transfer-encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n", BAD},
	{"LF behind a chunk size",
	 "POST /echo HTTP/1.1\r\n" H "transfer-encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", BAD},
	{"chunk longer than said",
	 "POST /echo HTTP/1.1\r\n" H "transfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", BAD},
	{"bad trailer", "POST /echo HTTP/1.1\r\n" H "transfer-encoding: chunked\r\n\r\n0\r\nx y\r\n\r\n",
	 BAD},
	/* hosts and targets */
	{"no host", "GET /hello HTTP/1.1\r\n\r\n", BAD},
	{"two hosts", "GET /hello HTTP/1.1\r\n" H H "\r\n", BAD},
	{"two hosts in 1.0", "GET /hello HTTP/1.0\r\n" H "host: b\r\n\r\n", BAD},
	{"host with user", "GET /hello HTTP/1.1\r\nhost: u@a\r\n\r\n", BAD},
	{"host with path", "GET /hello HTTP/1.1\r\nhost: a/b\r\n\r\n", BAD},
	{"host with two ports", "GET /hello HTTP/1.1\r\nhost: a:1:2\r\n\r\n", BAD},
	{"host with bad port", "GET /hello HTTP/1.1\r\nhost: a:b\r\n\r\n", BAD},
	{"absolute form without host", "GET http://b/hello HTTP/1.1\r\n\r\n", BAD},
	{"absolute form with user", "GET http://u@b/hello HTTP/1.1\r\n" H "\r\n", BAD},
	{"other scheme", "GET ftp://b/hello HTTP/1.1\r\n" H "\r\n", BAD},
	{"asterisk for get", "GET * HTTP/1.1\r\n" H "\r\n", BAD},
	{"fragment", "GET /hello#x HTTP/1.1\r\n" H "\r\n", BAD},
	{"control byte in target", "GET /he\1llo HTTP/1.1\r\n" H "\r\n", BAD},
	{"connect without port", "CONNECT b HTTP/1.1\r\n" H "\r\n", BAD},
	{"connect with a body", "CONNECT b:1 HTTP/1.1\r\n" H "content-length: 1\r\n\r\nx", BAD},
	/* versions, methods, expectations */
	{"0.9", "GET /hello\r\n\r\n", BAD},
	{"2.0", "GET /hello HTTP/2.0\r\n" H "\r\n",
	 ERROR("505 HTTP Version Not Supported", 27) "HTTP Version Not Supported\n"},
	{"1.2", "GET /hello HTTP/1.2\r\n" H "\r\n",
	 ERROR("505 HTTP Version Not Supported", 27) "HTTP Version Not Supported\n"},
	{"long version", "GET /hello HTTP/1.11\r\n" H "\r\n", BAD},
	{"bad version", "GET /hello HTTQ/1.1\r\n" H "\r\n", BAD},
	{"unknown method", "FOO /hello HTTP/1.1\r\n" H "\r\n",
	 ERROR("501 Not Implemented", 16) "Not Implemented\n"},
	{"TLS on a plain port", "\x16\x03\x01\x02\x01 xxxxxxxxxxxx", BAD},
	{"lower-case method", "get /hello HTTP/1.1\r\n" H "\r\n",
	 ERROR("501 Not Implemented", 16) "Not Implemented\n"},
	{"other expectation", "POST /echo HTTP/1.1\r\n" H "expect: tea\r\ncontent-length: 1\r\n\r\nx",
	 ERROR("417 Expectation Failed", 19) "Expectation Failed\n"},
	/* too slow */
	{"head in time", "GET /hello HTTP/1.1\r\nhos", ERROR("408 Request Timeout", 16) "Request Timeout\n"},
	{"nothing", "", ""},
	{"body in time", "POST /echo HTTP/1.1\r\n" H "content-length: 3\r\n\r\nab",
	 ERROR("408 Request Timeout", 16) "Request Timeout\n"},
};

/* In parts, for the sake of --torture. Each row as it is, and in random pieces. */
static void answers(size_t part)
{
	for (size_t i = part * 2; i < SP_LEN(rows) * 2; i += i % 2 == 0 ? 1 : 15) {
		size_t piece_max = i % 2 == 0 ? 1 << 16 : 1 + t_random_below(9);
		t_row("%s, in pieces of %zu", rows[i / 2].name, piece_max);
		AUTO_SESSION s;
		T_TRUE(run(&s, sp_str_c(rows[i / 2].in), NULL, piece_max, false));
		T_EQ_C(sp_buf_view(&s.raw.got), rows[i / 2].out);
		T_TRUE(s.raw.closed);
		T_EQ_U64(sp_http_server_connections(s.app.server), 0);
	}
}
SP_TEST(http1, answers_0)
{
	answers(0);
}
SP_TEST(http1, answers_1)
{
	answers(1);
}
SP_TEST(http1, answers_2)
{
	answers(2);
}
SP_TEST(http1, answers_3)
{
	answers(3);
}
SP_TEST(http1, answers_4)
{
	answers(4);
}
SP_TEST(http1, answers_5)
{
	answers(5);
}
SP_TEST(http1, answers_6)
{
	answers(6);
}
SP_TEST(http1, answers_7)
{
	answers(7);
}

/* The bytes behind the head belong to the new protocol; so does the end, whenever it came. */
SP_TEST(http1, tunnels)
{
	static const struct {
		const char *in, *out;
	} tunnels[] = {
		{"GET /up HTTP/1.1\r\n" H "connection: keep-alive, Upgrade\r\nupgrade: echo\r\n\r\nhow",
		 "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\nhow"},
		{"CONNECT b:443 HTTP/1.1\r\n" H "\r\nGET ", "HTTP/1.1 200 OK\r\n\r\nGET "},
		{"CONNECT b:443 HTTP/1.1\r\n" H "\r\n", "HTTP/1.1 200 OK\r\n\r\n"},
		/* the app gives up: it did not read the body */
		{"GET /up HTTP/1.1\r\n" H
		 "connection: upgrade\r\nupgrade: echo\r\ncontent-length: 3\r\n\r\nabc",
		 ""},
	};
	for (size_t i = 0; i < SP_LEN(tunnels) * 2; i++) {
		t_row("%s", tunnels[i / 2].in);
		AUTO_SESSION s;
		T_TRUE(run(&s, sp_str_c(tunnels[i / 2].in), NULL, i % 2 == 0 ? 1 << 16 : 2, true));
		T_EQ_C(sp_buf_view(&s.raw.got), tunnels[i / 2].out);
		T_TRUE(s.raw.closed);
	}
}

SP_TEST(http1, limits)
{
	sp_http_server_opts o = {.limits = {.header_bytes = 200, .n_headers = 4, .target_bytes = 20}};
	static const char big[] =
		ERROR("431 Request Header Fields Too Large", 32) "Request Header Fields Too Large\n";
	static const struct {
		const char *in, *out;
	} limits[] = {
		{"GET /hello?xxxxxxxxxxxxx HTTP/1.1\r\n" H "\r\n", HELLO},
		{"GET /hello?xxxxxxxxxxxxxx HTTP/1.1\r\n" H "\r\n",
		 ERROR("414 URI Too Long", 13) "URI Too Long\n"},
		{"GET /hello HTTP/1.1\r\n" H "a: 1\r\na: 1\r\na: 1\r\n\r\n", HELLO},
		{"GET /hello HTTP/1.1\r\n" H "a: 1\r\na: 1\r\na: 1\r\na: 1\r\n\r\n", big},
		{"GET /hello HTTP/1.1\r\n" H "a: "
		 "123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 "
		 "123456789 123456789 123456789 1234567890\r\n\r\n",
		 HELLO},
		{"GET /hello HTTP/1.1\r\n" H "a: "
		 "123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 "
		 "123456789 123456789 123456789 12345678901\r\n\r\n",
		 big},
		{"POST /echo HTTP/1.1\r\n" H
		 "transfer-encoding: chunked\r\n\r\n0\r\na:1\r\na:1\r\na:1\r\na:1\r\na:1\r\n\r\n",
		 big},
	};
	for (size_t i = 0; i < SP_LEN(limits); i++) {
		t_row("%zu", i);
		AUTO_SESSION s;
		T_TRUE(run(&s, sp_str_c(limits[i].in), &o, 1 << 16, false));
		T_EQ_C(sp_buf_view(&s.raw.got), limits[i].out);
	}
}

/* What the owner is told when things go wrong; exactly one close for each request. */
SP_TEST(http1, closes)
{
	static const struct {
		const char *in, *log;
		bool shut;
	} closes[] = {
		{"GET /hello HTTP/1.1\r\n" H "\r\n", "request /hello\nend /hello\nclose ok\n", false},
		{"GET /never HTTP/1.1\r\n" H "\r\n", "request /never\nend /never\nclose canceled\n", true},
		{"POST /pipe HTTP/1.1\r\n" H "content-length: 3\r\n\r\nab",
		 "request /pipe\nclose timed out\n", false},
		{"POST /pipe HTTP/1.1\r\n" H "content-length: 3\r\n\r\nab", "request /pipe\nclose canceled\n",
		 true},
		{"POST /echo HTTP/1.1\r\n" H "content-length: 3\r\n\r\nab",
		 "request /echo\nclose timed out\n", false},
		{"POST /echo HTTP/1.1\r\n" H "transfer-encoding: chunked\r\n\r\nx",
		 "request /echo\nclose protocol error\n", false},
		{"POST /nobody HTTP/1.1\r\n" H "content-length: 9\r\n\r\nab",
		 "request /nobody\nclose timed out\n", false},
		{"GET /deadline HTTP/1.1\r\n" H "\r\n", "request /deadline\nend /deadline\nclose timed out\n",
		 false},
		{"GET /reset HTTP/1.1\r\n" H "\r\n", "request /reset\nclose canceled\n", false},
	};
	for (size_t i = 0; i < SP_LEN(closes); i++) {
		t_row("%s, %d", closes[i].in, closes[i].shut);
		AUTO_SESSION s;
		T_TRUE(run(&s, sp_str_c(closes[i].in), NULL, 1 << 16, closes[i].shut));
		T_EQ_C(sp_buf_view(&s.log), closes[i].log);
	}
}

SP_TEST(http1, large_responses_under_back_pressure)
{
	static const struct {
		const char *path;
		size_t n;
	} larges[] = {{"GET /big HTTP/1.0\r\n\r\n", 100000}, {"GET /flow HTTP/1.0\r\n\r\n", 1 << 20}};
	for (size_t i = 0; i < SP_LEN(larges); i++) {
		t_row("%s", larges[i].path);
		AUTO_SESSION s;
		T_TRUE(run(&s, sp_str_c(larges[i].path), NULL, 20000, false));
		sp_str got = sp_buf_view(&s.raw.got);
		ptrdiff_t head = sp_str_find(got, SP_STR("\r\n\r\n"));
		T_TRUE(head > 0);
		T_EQ_U64(got.len - (size_t)head - 4, larges[i].n);
		T_TRUE(sp_str_ends(sp_buf_view(&s.log), SP_STR("close ok\n")));
	}
}

/* A client that reads nothing is cut, and its exchange told. */
SP_TEST(http1, a_stalled_reader_is_cut)
{
	AUTO_SESSION s = {.world = mem_world_new(t_seed(), 1 << 16)};
	sp_buf_init(&s.log, 1 << 20);
	sp_buf_init(&s.raw.got, 1);
	T_OK(http_app_init(&s.app, s.world, NULL, &s.log, T_ERR));
	http_raw_open(&s.raw, &s.app, SP_STR("GET /flow HTTP/1.1\r\n" H "\r\n"), false);
	mem_stream_limit(s.raw.stream, 0);
	sp_world_run(s.world);
	T_EQ_C(sp_buf_view(&s.log), "request /flow\nend /flow\nclose timed out\n");
	T_TRUE(s.raw.closed);
}

static void set_true(void *arg)
{
	*(bool *)arg = true;
}

/* An idle connection ends at once, a busy one after its response, a hanging one with the grace. */
SP_TEST(http1, drain)
{
	static const struct {
		const char *in, *out;
		uint64_t done_s;
	} drains[] = {
		{"GET /hello HTTP/1.1\r\n" H "\r\n", HELLO, 2},
		{"GET /later HTTP/1.1\r\n" H "\r\n", OK TEXT DATE LEN(5) CLOSE "\r\nlater", 6},
		{"GET /never HTTP/1.1\r\n" H "\r\n", "", 12},
	};
	for (size_t i = 0; i < SP_LEN(drains); i++) {
		t_row("%s", drains[i].in);
		bool done = false;
		AUTO_SESSION s = {.world = mem_world_new(t_seed(), 1 << 16)};
		sp_buf_init(&s.log, 1 << 20);
		sp_buf_init(&s.raw.got, 1);
		T_OK(http_app_init(&s.app, s.world, NULL, &s.log, T_ERR));
		http_raw_open(&s.raw, &s.app, sp_str_c(drains[i].in), false);
		mem_world_run_until(s.world, UINT64_C(2000000000));
		sp_http_server_drain(s.app.server, UINT64_C(10000000000), set_true, &done);
		sp_world_run(s.world);
		T_EQ_C(sp_buf_view(&s.raw.got), drains[i].out);
		T_TRUE(done);
		T_EQ_U64(sp_now_ns(s.world) / 1000000000, drains[i].done_s);
	}
}

SP_TEST(http1, connections_are_limited)
{
	sp_http_server_opts o = {.n_connections = 1};
	AUTO_SESSION s = {.world = mem_world_new(t_seed(), 1 << 16)};
	static http_raw second;
	sp_buf_init(&s.log, 1 << 20);
	sp_buf_init(&s.raw.got, 1);
	T_OK(http_app_init(&s.app, s.world, &o, &s.log, T_ERR));
	http_raw_open(&s.raw, &s.app, SP_STR("GET /hello HTTP/1.1\r\n" H "\r\n"), false);
	http_raw_open(&second, &s.app, SP_STR("GET /hello HTTP/1.1\r\n" H "\r\n"), false);
	T_DEFER(http_raw_done, &second);
	sp_world_run(s.world);
	T_EQ_C(sp_buf_view(&s.raw.got), HELLO);
	T_EQ_U64(second.got.len, 0);
	T_TRUE(second.closed);
}

SP_TEST(http1, names)
{
	T_EQ_I64(sp_http_name_of(SP_STR("te")), SP_HTTP_TE);
	T_EQ_I64(sp_http_name_of(SP_STR("x-stream-protocol-version")), SP_HTTP_X_STREAM_PROTOCOL_VERSION);
	T_EQ_I64(sp_http_name_of(SP_STR("content-type")), SP_HTTP_CONTENT_TYPE);
	T_EQ_I64(sp_http_name_of(SP_STR("grpc-timeout")), SP_HTTP_GRPC_TIMEOUT);
	T_EQ_I64(sp_http_name_of(SP_STR("sec-websocket-protocol")), SP_HTTP_SEC_WEBSOCKET_PROTOCOL);
	T_EQ_I64(sp_http_name_of(SP_STR("x-forwarded-proto")), SP_HTTP_X_FORWARDED_PROTO);
	T_EQ_I64(sp_http_name_of(SP_STR("x-forwarded-prot0")), SP_HTTP_NAME_COUNT_);
	T_EQ_I64(sp_http_name_of(SP_STR("")), SP_HTTP_NAME_COUNT_);
	T_EQ_C(sp_http_reason(100), "Continue");
	T_EQ_C(sp_http_reason(511), "Network Authentication Required");
	T_EQ_C(sp_http_reason(299), "");
}
