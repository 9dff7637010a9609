/* SPDX-License-Identifier: Apache-2.0 */
/* Raw frames for a server, and what it answers. What h2spec tests (test/interop/h2spec) is not repeated. */
#include "base/num.h"
#include "lib/http_app.h"
#include "lib/mem_world.h"
#include "lib/t.h"

enum { DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION, UNKNOWN = 77 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };

static void frame(sp_buf *b, unsigned type, unsigned flags, uint32_t stream, sp_str payload)
{
	uint8_t head[9] = {(uint8_t)(payload.len >> 16), (uint8_t)(payload.len >> 8), (uint8_t)payload.len,
			   (uint8_t)type, (uint8_t)flags};
	sp_be32_put(head + 5, stream);
	(void)sp_buf_append(b, head, sizeof head);
	(void)sp_buf_str(b, payload);
}

/* A header block of "name value" lines, literal. */
static sp_str block(const char *lines)
{
	static char text[1 << 16];
	size_t n = 0;
	sp_str rest = sp_str_c(lines), line;
	while (sp_str_cut(&rest, '\n', &line)) {
		sp_str name;
		if (!sp_str_cut(&line, ' ', &name))
			continue;
		text[n++] = 0;
		text[n++] = (char)name.len;
		memcpy(text + n, name.ptr, name.len);
		n += name.len;
		text[n++] = (char)line.len;
		if (line.len > 0)
			memcpy(text + n, line.ptr, line.len);
		n += line.len;
	}
	return (sp_str){text, n};
}

#define GET ":method GET\n:scheme http\n:path /hello\n:authority a\n"
#define NEVER ":method GET\n:scheme http\n:path /never\n:authority a\n"
#define ECHO ":method POST\n:scheme http\n:path /echo\n:authority a\n"

/* What the server said, short: each frame but SETTINGS, WINDOW_UPDATE and DATA. */
static sp_str said(sp_str got)
{
	static char text[1 << 16];
	size_t n = 0;
	const uint8_t *p = (const uint8_t *)got.ptr;
	for (size_t at = 0; at + 9 <= got.len && n + 64 < sizeof text;) {
		size_t len = (size_t)p[at] << 16 | (size_t)p[at + 1] << 8 | p[at + 2];
		uint32_t stream = sp_be32_get(p + at + 5);
		const uint8_t *payload = p + at + 9;
		if (at + 9 + len > got.len)
			break;
		if (p[at + 3] == HEADERS)
			n += (size_t)snprintf(text + n, 64, "HEADERS %u;", stream);
		if (p[at + 3] == RST)
			n += (size_t)snprintf(text + n, 64, "RST %u %u;", stream, sp_be32_get(payload));
		if (p[at + 3] == PING)
			n += (size_t)snprintf(text + n, 64, "PING;");
		if (p[at + 3] == GOAWAY)
			n += (size_t)snprintf(text + n, 64, "GOAWAY %u;", sp_be32_get(payload + 4));
		at += 9 + len;
	}
	return (sp_str){text, n};
}

typedef struct session {
	sp_world *world;
	http_app app;
	http_raw raw;
	sp_buf log, out;
} session;

static void session_done(session *s)
{
	if (s->raw.stream != NULL)
		sp_stream_close(SP_TAKE(s->raw.stream));
	sp_world_run(s->world);
	sp_buf_done(&s->log);
	sp_buf_done(&s->out);
	http_raw_done(&s->raw);
	http_app_done(&s->app);
	mem_world_free(s->world);
}
#define AUTO_SESSION SP_CLEANUP(session_done) session

static sp_code session_init(session *s, const sp_http_server_opts *opts)
{
	*s = (session){.world = mem_world_new(t_seed(), 1 << 16)};
	sp_buf_init(&s->log, (size_t)1 << 20);
	sp_buf_init(&s->out, (size_t)4 << 20);
	sp_buf_init(&s->raw.got, 1);
	(void)sp_buf_str(&s->out, SP_STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
	frame(&s->out, SETTINGS, 0, 0, SP_STR(""));
	return http_app_init(&s->app, s->world, opts, &s->log, T_ERR);
}

/* Sends what stands in `out`, and runs for a second. */
static sp_str run(session *s)
{
	if (sp_buf_code(&s->out) != SP_OK)
		return SP_STR("no memory");
	http_raw_open(&s->raw, &s->app, sp_buf_view(&s->out), false);
	mem_world_run_until(s->world, sp_now_ns(s->world) + 100000000);
	return said(sp_buf_view(&s->raw.got));
}
static void finish(session *s)
{
	if (s->raw.stream != NULL)
		sp_stream_close(SP_TAKE(s->raw.stream));
	sp_world_run(s->world);
}

SP_TEST(http2, heads)
{
	static const struct {
		const char *name, *head, *said;
	} rows[] = {
		{"good", GET, "HEADERS 1;"},
		{"good, host only", ":method GET\n:scheme http\n:path /hello\nhost a\n", "HEADERS 1;"},
		{"good, both", GET "host a\n", "HEADERS 1;"},
		{"asterisk", ":method OPTIONS\n:scheme http\n:path *\n:authority a\n", "HEADERS 1;"},
		{"te trailers", GET "te trailers\n", "HEADERS 1;"},
		{"connect", ":method CONNECT\n:authority a:1\n", "HEADERS 1;"},
		{"extended connect",
		 ":method CONNECT\n:protocol echo\n:scheme http\n:path /up\n:authority a\n", "HEADERS 1;"},
		{"hosts differ", GET "host b\n", "RST 1 1;"},
		{"two hosts", GET "host a\nhost a\n", "RST 1 1;"},
		{"authority with user", ":method GET\n:scheme http\n:path /\n:authority u@a\n", "RST 1 1;"},
		{"authority with path", ":method GET\n:scheme http\n:path /\n:authority a/b\n", "RST 1 1;"},
		{"no method", ":scheme http\n:path /\n:authority a\n", "RST 1 1;"},
		{"no scheme", ":method GET\n:path /\n:authority a\n", "RST 1 1;"},
		{"no path", ":method GET\n:scheme http\n:authority a\n", "RST 1 1;"},
		{"empty path", ":method GET\n:scheme http\n:path \n:authority a\n", "RST 1 1;"},
		{"relative path", ":method GET\n:scheme http\n:path hello\n:authority a\n", "RST 1 1;"},
		{"absolute path", ":method GET\n:scheme http\n:path http://a/\n:authority a\n", "RST 1 1;"},
		{"asterisk for get", ":method GET\n:scheme http\n:path *\n:authority a\n", "RST 1 1;"},
		{"blank in path", ":method GET\n:scheme http\n:path /a b\n:authority a\n", "RST 1 1;"},
		{"line end in path", ":method GET\n:scheme http\n:path /\r\n:authority a\n", "RST 1 1;"},
		{"bad method", ":method G(T\n:scheme http\n:path /\n:authority a\n", "RST 1 1;"},
		{"twice", GET ":path /\n", "RST 1 1;"},
		{"behind a field", ":method GET\n:scheme http\nx y\n:path /\n", "RST 1 1;"},
		{"unknown pseudo", GET ":x y\n", "RST 1 1;"},
		{"status", GET ":status 200\n", "RST 1 1;"},
		{"connect with path", ":method CONNECT\n:scheme http\n:path /\n:authority a:1\n", "RST 1 1;"},
		{"connect without authority", ":method CONNECT\n", "RST 1 1;"},
		{"protocol for get", GET ":protocol x\n", "RST 1 1;"},
		{"upper case", GET "Xy z\n", "RST 1 1;"},
		{"bad name", GET "x@y z\n", "RST 1 1;"},
		{"CR in a value", GET "x a\rb\n", "RST 1 1;"},
		{"outer blank", GET "x  a\n", "RST 1 1;"},
		{"connection", GET "connection close\n", "RST 1 1;"},
		{"keep-alive", GET "keep-alive 1\n", "RST 1 1;"},
		{"proxy-connection", GET "proxy-connection 1\n", "RST 1 1;"},
		{"transfer-encoding", GET "transfer-encoding chunked\n", "RST 1 1;"},
		{"upgrade", GET "upgrade x\n", "RST 1 1;"},
		{"te", GET "te gzip\n", "RST 1 1;"},
		{"length without body", GET "content-length 1\n", "RST 1 1;"},
		{"bad length", GET "content-length 1x\n", "RST 1 1;"},
		{"two lengths", GET "content-length 0\ncontent-length 0\n", "RST 1 1;"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].name);
		AUTO_SESSION s;
		T_OK(session_init(&s, NULL));
		frame(&s.out, HEADERS, END_HEADERS | END_STREAM, 1, block(rows[i].head));
		T_EQ_C(run(&s), rows[i].said);
		T_EQ_U64(s.app.n_requests, rows[i].said[0] == 'H');
		finish(&s);
	}
}

/* grpc-java puts the path of a unix socket there. */
SP_TEST(http2, lax_authority)
{
	static const char *const authorities[] = {"localhost", "/run/x.sock", "%2Frun%2Fx.sock",
						  "unix:/run/x.sock"};
	sp_http_server_opts o = {.lax_authority = true};
	for (size_t i = 0; i < SP_LEN(authorities); i++) {
		AUTO_SESSION s;
		T_OK(session_init(&s, &o));
		char head[200];
		(void)snprintf(head, sizeof head, ":method GET\n:scheme http\n:path /hello\n:authority %s\n",
			       authorities[i]);
		frame(&s.out, HEADERS, END_HEADERS | END_STREAM, 1, block(head));
		T_EQ_C(run(&s), "HEADERS 1;");
		finish(&s);
	}
}

SP_TEST(http2, bodies)
{
	static const struct {
		const char *name, *length, *data, *trailers, *said;
	} rows[] = {
		{"good", "content-length 3\n", "abc", NULL, "HEADERS 1;"},
		{"trailers", "", "abc", "x y\n", "HEADERS 1;"},
		{"too short", "content-length 4\n", "abc", NULL, "RST 1 1;"},
		{"too long", "content-length 2\n", "abc", NULL, "RST 1 1;"},
		{"pseudo in trailers", "", "abc", ":path /\n", "RST 1 1;"},
		{"connection in trailers", "", "abc", "connection x\n", "RST 1 1;"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].name);
		AUTO_SESSION s;
		T_OK(session_init(&s, NULL));
		char head[200];
		(void)snprintf(head, sizeof head, ECHO "%s", rows[i].length);
		frame(&s.out, HEADERS, END_HEADERS, 1, block(head));
		frame(&s.out, DATA, rows[i].trailers == NULL ? END_STREAM : 0, 1, sp_str_c(rows[i].data));
		if (rows[i].trailers != NULL)
			frame(&s.out, HEADERS, END_HEADERS | END_STREAM, 1, block(rows[i].trailers));
		T_EQ_C(run(&s), rows[i].said);
		finish(&s);
	}
}

SP_TEST(http2, limits)
{
	sp_http_server_opts o = {.limits = {.header_bytes = 1000, .n_headers = 10, .target_bytes = 100}};
	for (size_t i = 0; i < 4; i++) {
		AUTO_SESSION s;
		T_OK(session_init(&s, &o));
		char head[9000];
		int n = snprintf(head, sizeof head, GET);
		for (size_t k = 0; k < (i == 0 ? 11 : i == 1 ? 10 : i == 2 ? 9 : 60); k++)
			n += snprintf(head + n, sizeof head - (size_t)n, "x%zu %0*d\n", k, i < 2 ? 1 : 100,
				      0);
		frame(&s.out, HEADERS, END_HEADERS | END_STREAM, 1, block(head));
		frame(&s.out, HEADERS, END_HEADERS | END_STREAM, 3, block(GET));
		t_row("%zu", i);
		/* more fields, enough, more bytes (431 both), far more bytes */
		T_EQ_C(run(&s), i == 3 ? "GOAWAY 11;" : "HEADERS 1;HEADERS 3;");
		T_EQ_U64(s.app.n_requests, i == 1 ? 2 : i == 3 ? 0 : 1);
		finish(&s);
	}
}

typedef void attack(sp_buf *b, uint32_t i);

static void rapid_reset(sp_buf *b, uint32_t i)
{
	frame(b, HEADERS, END_HEADERS | END_STREAM, i * 2 + 1, block(NEVER));
	frame(b, RST, 0, i * 2 + 1, (sp_str){"\0\0\0\x08", 4});
}
static void made_you_reset_window(sp_buf *b, uint32_t i)
{
	frame(b, HEADERS, END_HEADERS | END_STREAM, i * 2 + 1, block(NEVER));
	frame(b, WINDOW, 0, i * 2 + 1, (sp_str){"\x7f\xff\xff\xff", 4});
}
static void made_you_reset_head(sp_buf *b, uint32_t i)
{
	frame(b, HEADERS, END_HEADERS | END_STREAM, i * 2 + 1, block(NEVER "connection x\n"));
}
static void pings(sp_buf *b, uint32_t i)
{
	(void)i;
	frame(b, PING, 0, 0, SP_STR("12345678"));
}
static void settings(sp_buf *b, uint32_t i)
{
	(void)i;
	frame(b, SETTINGS, 0, 0, SP_STR(""));
}
static void priorities(sp_buf *b, uint32_t i)
{
	frame(b, PRIORITY, 0, i * 2 + 1, (sp_str){"\0\0\0\0\1", 5});
}
static void empty_data(sp_buf *b, uint32_t i)
{
	if (i == 0)
		frame(b, HEADERS, END_HEADERS, 1, block(ECHO));
	frame(b, DATA, 0, 1, SP_STR(""));
}
static void unknown(sp_buf *b, uint32_t i)
{
	(void)i;
	frame(b, UNKNOWN, 0, 0, SP_STR("x"));
}
static void continuations(sp_buf *b, uint32_t i)
{
	frame(b, i == 0 ? HEADERS : CONTINUATION, 0, 1, block("x y\n"));
}

/* A few are ordinary, thousands end the connection; nothing is left behind. */
SP_TEST(http2, abuse)
{
	static const struct {
		const char *name;
		attack *fn;
		uint32_t few;
	} rows[] = {
		{"rapid reset, CVE-2023-44487", rapid_reset, 100},
		{"made you reset, CVE-2025-8671: window", made_you_reset_window, 100},
		{"made you reset: malformed", made_you_reset_head, 100},
		{"ping flood, CVE-2019-9512", pings, 100},
		{"settings flood, CVE-2019-9515", settings, 100},
		{"resource loop, CVE-2019-9513", priorities, 100},
		{"empty frames, CVE-2019-9518", empty_data, 100},
		{"unknown frames", unknown, 100},
		{"continuations, CVE-2024-28182", continuations, 8},
	};
	for (size_t i = 0; i < SP_LEN(rows) * 2; i++) {
		bool many = i % 2 == 1;
		t_row("%s, %s", rows[i / 2].name, many ? "many" : "few");
		AUTO_SESSION s;
		T_OK(session_init(&s, NULL));
		for (uint32_t k = 0; k < (many ? 3000 : rows[i / 2].few); k++)
			rows[i / 2].fn(&s.out, k);
		sp_str words = run(&s);
		bool away = sp_str_find(words, SP_STR("GOAWAY")) >= 0;
		if (away != many)
			T_FAIL("said " SP_FMT, SP_ARG(words));
		if (many && rows[i / 2].fn != continuations)
			T_TRUE(sp_str_ends(words, SP_STR("GOAWAY 11;")));
		finish(&s);
		T_EQ_U64(sp_http_server_connections(s.app.server), 0);
		T_EQ_U64(s.app.n_open, 0);
		T_TRUE(s.app.n_requests < 1000);
	}
}

/* Clients of gRPC send a PING after each answer, to measure the path: that is no flood. */
SP_TEST(http2, a_ping_after_each_answer)
{
	AUTO_SESSION s;
	T_OK(session_init(&s, NULL));
	(void)run(&s);
	for (uint32_t k = 0; k < 1500; k++) {
		sp_buf_clear(&s.out);
		frame(&s.out, HEADERS, END_STREAM | END_HEADERS, 2 * k + 1, block(GET));
		http_raw_send(&s.raw, sp_buf_view(&s.out));
		mem_world_run_until(s.world, sp_now_ns(s.world) + 10000);
		sp_buf_clear(&s.out);
		frame(&s.out, PING, 0, 0, SP_STR("12345678"));
		http_raw_send(&s.raw, sp_buf_view(&s.out));
		mem_world_run_until(s.world, sp_now_ns(s.world) + 10000);
	}
	T_EQ_U64(s.app.n_requests, 1500);
	finish(&s);
}

/* Before the client knows the limit its streams are refused, one that ends makes room; who knows it and
 * ignores it loses the connection. */
SP_TEST(http2, concurrent_streams)
{
	sp_http_server_opts o = {.limits = {.n_streams = 3}};
	for (size_t acked = 0; acked < 2; acked++) {
		t_row("%zu", acked);
		AUTO_SESSION s;
		T_OK(session_init(&s, &o));
		T_EQ_C(run(&s), "");
		sp_buf_clear(&s.out);
		if (acked == 1)
			frame(&s.out, SETTINGS, ACK, 0, SP_STR(""));
		for (uint32_t i = 0; i < 4; i++)
			frame(&s.out, HEADERS, END_HEADERS | END_STREAM, i * 2 + 1, block(NEVER));
		frame(&s.out, RST, 0, 1, (sp_str){"\0\0\0\x08", 4});
		frame(&s.out, HEADERS, END_HEADERS | END_STREAM, 9, block(GET));
		http_raw_send(&s.raw, sp_buf_view(&s.out));
		mem_world_run_until(s.world, sp_now_ns(s.world) + 100000000);
		T_EQ_C(said(sp_buf_view(&s.raw.got)), acked == 1 ? "GOAWAY 1;" : "RST 7 7;HEADERS 9;");
		T_EQ_U64(s.app.n_open, acked == 1 ? 0 : 2);
		finish(&s);
		T_EQ_U64(s.app.n_open, 0);
	}
}

/* A head that dribbles, a connection that says nothing, a window that stays shut. */
SP_TEST(http2, slow_peers)
{
	for (size_t i = 0; i < 3; i++) {
		t_row("%zu", i);
		AUTO_SESSION s;
		T_OK(session_init(&s, NULL));
		if (i == 0)
			frame(&s.out, HEADERS, 0, 1, block("x y\n"));
		if (i == 1)
			sp_buf_clear(&s.out);
		if (i == 2)
			frame(&s.out, HEADERS, END_HEADERS | END_STREAM, 1,
			      block(":method GET\n:scheme http\n:path /big\n:authority a\n"));
		if (i == 1)
			(void)sp_buf_str(&s.out, SP_STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
		T_TRUE(run(&s).len == 0 || i == 2);
		uint64_t begin = sp_now_ns(s.world);
		mem_world_run_until(s.world, begin + UINT64_C(9000000000));
		T_EQ_U64(sp_http_server_connections(s.app.server), 1);
		mem_world_run_until(s.world, begin + UINT64_C(70000000000));
		T_EQ_U64(s.app.n_open, 0);
		if (i == 2)
			T_EQ_C(sp_buf_view(&s.log), "request /big\nend /big\nclose timed out\n");
		if (i != 2)
			T_EQ_U64(sp_http_server_connections(s.app.server), 0);
		finish(&s);
	}
}
