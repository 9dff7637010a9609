/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "io/ws/core.h"
#include "io/ws/handshake.h"
#include "io/ws/utf8.h"
#include "lib/t.h"

/* A core whose events become lines of text: "text:hello", "bin+:ab" (a piece), "pong:x", "closed:1000:bye".
 */
typedef struct side {
	sp_ws_core *core;
	sp_buf out, log;
	uint8_t next_mask;
	bool stop_at_message;
} side;

static void log_message(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last)
{
	side *s = arg;
	sp_buf_printf(&s->log, "%s%s:" SP_FMT ";", kind == SP_WS_TEXT ? "text" : "bin", last ? "" : "+",
		      SP_ARG(((sp_str){(const char *)bytes, n})));
	if (s->stop_at_message)
		sp_ws_core_stop(s->core);
}

static void log_pong(void *arg, const uint8_t *bytes, size_t n)
{
	side *s = arg;
	sp_buf_printf(&s->log, "pong:" SP_FMT ";", SP_ARG(((sp_str){(const char *)bytes, n})));
}

static void log_closed(void *arg, uint16_t code, sp_str reason, const sp_err *err)
{
	side *s = arg;
	sp_buf_printf(&s->log, "%s:%u:" SP_FMT ";", err == NULL ? "closed" : "failed", code, SP_ARG(reason));
}

static const sp_ws_events log_events = {log_message, log_pong, log_closed};

static void counted_mask(void *arg, uint8_t key[4])
{
	side *s = arg;
	for (size_t i = 0; i < 4; i++)
		key[i] = s->next_mask++;
}

static void side_done(void *arg)
{
	side *s = arg;
	sp_ws_core_free(s->core);
	sp_buf_done(&s->out);
	sp_buf_done(&s->log);
	sp_free(s);
}

static sp_code side_new(sp_ws_opts opts, side **ret)
{
	side *s = SP_NEW(side);
	sp_buf_init(&s->out, (size_t)1 << 20);
	sp_buf_init(&s->log, (size_t)1 << 20);
	T_DEFER(side_done, s);
	*ret = s;
	return sp_ws_core_new(&opts, &log_events, s, counted_mask, s, &s->out, &s->core, T_ERR);
}

#define B(lit)                       \
	{                            \
		lit, sizeof(lit) - 1 \
	}

/* What a client sends unmasked is an error, so client frames below carry the mask 0,0,0,0. */
#define M "\0\0\0\0"

typedef struct wire_row {
	const char *name;
	bool client; /* our side */
	sp_str in;
	const char *log;
	sp_str out;
} wire_row;

static const wire_row wire_rows[] = {
	{"empty text", false, B("\x81\x80" M), "text:;", B("")},
	{"empty binary", false, B("\x82\x80" M), "bin:;", B("")},
	{"text", false, B("\x81\x85" M "hello"), "text:hello;", B("")},
	{"masked text", false, B("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), "text:Hello;", B("")},
	{"to a client", true, B("\x81\x05Hello"), "text:Hello;", B("")},
	{"two fragments", false, B("\x01\x83" M "Hel\x80\x82" M "lo"), "text:Hello;", B("")},
	{"three fragments, empty ones among them", false, B("\x02\x80" M "\x00\x82" M "ab\x80\x80" M),
	 "bin:ab;", B("")},
	{"ping between fragments", false, B("\x01\x83" M "Hel\x89\x81" M "p\x80\x82" M "lo"), "text:Hello;",
	 B("\x8a\x01p")},
	{"ping is answered with its bytes", false, B("\x89\x83" M "abc"), "",
	 B("\x8a\x03"
	   "abc")},
	{"empty ping", true, B("\x89\x00"), "", B("\x8a\x80\x00\x01\x02\x03")},
	{"pong that nobody asked for", false, B("\x8a\x82" M "xy"), "pong:xy;", B("")},
	{"16-bit length", false,
	 B("\x82\xfe\x00\x7e" M "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
	 "bin:"
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaa;",
	 B("")},
	{"close without code", false, B("\x88\x80" M), "closed:1005:;", B("\x88\x00")},
	{"close with code and reason", false,
	 B("\x88\x85" M "\x03\xe8"
	   "bye"),
	 "closed:1000:bye;", B("\x88\x02\x03\xe8")},
	{"close with an application code", false, B("\x88\x82" M "\x0f\xa0"), "closed:4000:;",
	 B("\x88\x02\x0f\xa0")},
	{"frames after close are not read", false, B("\x88\x80" M "\x81\x80" M), "closed:1005:;",
	 B("\x88\x00")},
	{"utf-8 split inside a character", false, B("\x01\x82" M "\xe2\x82\x80\x81" M "\xac"),
	 "text:\xe2\x82\xac;", B("")},

	{"unmasked from a client", false, B("\x81\x00"), "failed:1002:frame of a client is not masked;",
	 B("\x88\x21\x03\xea"
	   "frame of a client is not masked")},
	{"masked from a server",
	 true,
	 B("\x81\x80" M),
	 "failed:1002:frame of a server is masked;",
	 {NULL, 1}},
	{"reserved bit 1", false, B("\xc1\x80" M), "failed:1002:reserved bit set;", {NULL, 1}},
	{"reserved bit 3 on a ping", false, B("\x99\x80" M), "failed:1002:reserved bit set;", {NULL, 1}},
	{"reserved data opcode", false, B("\x83\x80" M), "failed:1002:reserved opcode;", {NULL, 1}},
	{"reserved control opcode", false, B("\x8b\x80" M), "failed:1002:reserved opcode;", {NULL, 1}},
	{"fragmented ping", false, B("\x09\x80" M), "failed:1002:malformed frame header;", {NULL, 1}},
	{"long ping", false, B("\x89\xfe\x00\x7e"), "failed:1002:malformed frame header;", {NULL, 1}},
	{"length not in its shortest form",
	 false,
	 B("\x82\xfe\x00\x05" M "aaaaa"),
	 "failed:1002:malformed frame header;",
	 {NULL, 1}},
	{"64-bit length with the top bit",
	 false,
	 B("\x82\xff\x80\0\0\0\0\0\0\1" M "a"),
	 "failed:1002:malformed frame header;",
	 {NULL, 1}},
	{"continuation first",
	 false,
	 B("\x80\x80" M),
	 "failed:1002:continuation frame without a message;",
	 {NULL, 1}},
	{"new message inside another",
	 false,
	 B("\x01\x80" M "\x81\x80" M),
	 "failed:1002:new message inside a fragmented one;",
	 {NULL, 1}},
	{"bad utf-8 at once", false, B("\x01\x81" M "\xc0"), "failed:1007:text is not UTF-8;", {NULL, 1}},
	{"utf-8 cut at the end",
	 false,
	 B("\x81\x82" M "\xe2\x82"),
	 "failed:1007:text is not UTF-8;",
	 {NULL, 1}},
	{"surrogate", false, B("\x81\x83" M "\xed\xa0\x80"), "failed:1007:text is not UTF-8;", {NULL, 1}},
	{"binary may be anything", false, B("\x82\x82" M "\xc0\xff"), "bin:\xc0\xff;", B("")},
	{"close with one byte",
	 false,
	 B("\x88\x81" M "\x03"),
	 "failed:1002:Close frame with half a code;",
	 {NULL, 1}},
	{"close 1005",
	 false,
	 B("\x88\x82" M "\x03\xed"),
	 "failed:1002:Close frame with a code that is not allowed;",
	 {NULL, 1}},
	{"close 999",
	 false,
	 B("\x88\x82" M "\x03\xe7"),
	 "failed:1002:Close frame with a code that is not allowed;",
	 {NULL, 1}},
	{"close 2000",
	 false,
	 B("\x88\x82" M "\x07\xd0"),
	 "failed:1002:Close frame with a code that is not allowed;",
	 {NULL, 1}},
	{"close reason not utf-8",
	 false,
	 B("\x88\x83" M "\x03\xe8\xff"),
	 "failed:1007:Close reason is not UTF-8;",
	 {NULL, 1}},
};

static void check_row(const wire_row *row, size_t step)
{
	side *s = NULL;
	T_OK(side_new((sp_ws_opts){.client = row->client}, &s));
	for (size_t at = 0; at < row->in.len; at += step) {
		size_t n = SP_MIN(step, row->in.len - at);
		sp_ws_core_feed(s->core, (const uint8_t *)row->in.ptr + at, n);
	}
	T_OK(sp_buf_code(&s->out));
	T_EQ_C(sp_buf_view(&s->log), row->log);
	if (row->out.ptr != NULL)
		T_EQ_STR(sp_buf_view(&s->out), row->out);
	else
		T_TRUE(s->out.len > 0 && (uint8_t)s->out.ptr[0] == 0x88);
}

SP_TEST(ws_core, frames_as_the_rfc_says)
{
	for (size_t i = 0; i < SP_LEN(wire_rows); i++) {
		t_row("%s", wire_rows[i].name);
		check_row(&wire_rows[i], SIZE_MAX / 2);
		if (t_failed())
			return;
	}
}

SP_TEST(ws_core, byte_by_byte_changes_nothing)
{
	for (size_t i = 0; i < SP_LEN(wire_rows); i++) {
		for (size_t step = 1; step <= 3; step++) {
			t_row("%s by %zu", wire_rows[i].name, step);
			check_row(&wire_rows[i], step);
			if (t_failed())
				return;
		}
	}
}

SP_TEST(ws_core, limits_of_a_message)
{
	static const struct {
		const char *name;
		sp_ws_opts opts;
		sp_str in;
		const char *log;
	} rows[] = {
		{"one frame at the limit", {.message_bytes_max = 4}, B("\x82\x84" M "abcd"), "bin:abcd;"},
		{"one frame above",
		 {.message_bytes_max = 4},
		 B("\x82\x85" M "abcde"),
		 "failed:1009:message is too big;"},
		{"a huge frame is refused at its first byte",
		 {.message_bytes_max = 4},
		 B("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff" M "a"),
		 "failed:1009:message is too big;"},
		{"sum of fragments above",
		 {.message_bytes_max = 4},
		 B("\x02\x83" M "abc\x80\x82" M "de"),
		 "failed:1009:message is too big;"},
		{"pieces have no limit",
		 {.message_bytes_max = 4, .pieces = true},
		 B("\x02\x83" M "abc\x80\x82" M "de"),
		 "bin+:abc;bin:de;"},
		{"too many frames",
		 {.frames_per_message = 2},
		 B("\x02\x80" M "\0\x80" M "\0\x80" M),
		 "failed:1008:message in too many frames;"},
		{"enough frames",
		 {.frames_per_message = 2},
		 B("\x02\x80" M "\x80\x80" M "\x82\x80" M),
		 "bin:;bin:;"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].name);
		side *s = NULL;
		T_OK(side_new(rows[i].opts, &s));
		sp_ws_core_feed(s->core, (const uint8_t *)rows[i].in.ptr, rows[i].in.len);
		T_OK(sp_buf_code(&s->out));
		T_EQ_C(sp_buf_view(&s->log), rows[i].log);
	}
}

SP_TEST(ws_core, sends_parts_as_one_frame)
{
	side *server = NULL, *client = NULL;
	T_OK(side_new((sp_ws_opts){0}, &server));
	T_OK(side_new((sp_ws_opts){.client = true}, &client));
	sp_iov parts[3] = {{"\1", 1}, {NULL, 0}, {"out", 3}};
	T_OK(sp_ws_core_send(server->core, SP_WS_BINARY, parts, 3, T_ERR));
	T_EQ_STR(sp_buf_view(&server->out), SP_STR("\x82\x04\1out"));
	T_OK(sp_ws_core_send(client->core, SP_WS_BINARY, parts, 3, T_ERR));
	T_EQ_STR(sp_buf_view(&client->out), SP_STR("\x82\x84\x00\x01\x02\x03\x01nww"));
	T_OK(sp_ws_core_send(server->core, SP_WS_TEXT, NULL, 0, T_ERR));
	T_OK(sp_ws_core_ping(server->core, SP_STR("?"), T_ERR));
	sp_ws_core_feed(client->core, (const uint8_t *)server->out.ptr, server->out.len);
	T_EQ_C(sp_buf_view(&client->log), "bin:\1out;text:;");
	sp_ws_core_feed(server->core, (const uint8_t *)client->out.ptr, client->out.len);
	T_OK(sp_buf_code(&server->log));
	T_EQ_C(sp_buf_view(&server->log), "bin:\1out;pong:?;");
}

SP_TEST(ws_core, close_handshake_both_ways)
{
	side *server = NULL, *client = NULL;
	T_OK(side_new((sp_ws_opts){0}, &server));
	T_OK(side_new((sp_ws_opts){.client = true}, &client));
	sp_ws_core_close(server->core, SP_WS_GOING_AWAY, SP_STR("drain"));
	sp_ws_core_close(server->core, SP_WS_NORMAL, SP_STR("again"));
	T_EQ_STR(sp_buf_view(&server->out), SP_STR("\x88\x07\x03\xe9"
						   "drain"));
	T_CODE(sp_ws_core_send(server->core, SP_WS_TEXT, NULL, 0, NULL), SP_ECANCELED);
	/* data that was on its way is dropped */
	T_OK(sp_ws_core_send(client->core, SP_WS_TEXT, &(sp_iov){"late", 4}, 1, T_ERR));
	sp_ws_core_feed(client->core, (const uint8_t *)server->out.ptr, server->out.len);
	T_EQ_C(sp_buf_view(&client->log), "closed:1001:drain;");
	sp_ws_core_feed(server->core, (const uint8_t *)client->out.ptr, client->out.len);
	T_EQ_C(sp_buf_view(&server->log), "closed:1001:;");
	T_TRUE(sp_ws_core_close_received(server->core));
}

SP_TEST(ws_core, close_reason_is_cut_at_a_character)
{
	side *s = NULL;
	T_OK(side_new((sp_ws_opts){0}, &s));
	char reason[200];
	for (size_t i = 0; i + 1 < sizeof reason; i += 2)
		memcpy(reason + i, "\xc3\xa9", 2);
	sp_ws_core_close(s->core, SP_WS_POLICY, (sp_str){reason, sizeof reason});
	T_EQ_U64(s->out.len, 2 + 2 + 122);
	T_TRUE(sp_str_is_utf8(sp_str_sub(sp_buf_view(&s->out), 4, s->out.len)));
}

SP_TEST(ws_core, end_and_stop)
{
	side *s = NULL;
	T_OK(side_new((sp_ws_opts){0}, &s));
	sp_ws_core_end(s->core);
	sp_ws_core_end(s->core);
	T_EQ_C(sp_buf_view(&s->log), "failed:1006:;");
	side *stopped = NULL;
	T_OK(side_new((sp_ws_opts){0}, &stopped));
	stopped->stop_at_message = true;
	sp_ws_core_feed(stopped->core, (const uint8_t *)"\x81\x80" M "\x81\x80" M, 12);
	sp_ws_core_end(stopped->core);
	T_EQ_C(sp_buf_view(&stopped->log), "text:;");
}

SP_TEST(ws_core, full_queue_fails_the_send)
{
	side *s = NULL;
	T_OK(side_new((sp_ws_opts){0}, &s));
	s->out.limit_bytes = 64;
	char big[100] = {0};
	T_CODE(sp_ws_core_send(s->core, SP_WS_BINARY, &(sp_iov){big, sizeof big}, 1, NULL), SP_ETOOLARGE);
	T_CODE(sp_ws_core_send(s->core, SP_WS_BINARY, &(sp_iov){big, 1}, 1, NULL), SP_ECANCELED);
}

SP_TEST(ws_handshake, accept_is_the_rfcs)
{
	char accept[SP_WS_ACCEPT_BYTES];
	sp_ws_accept_of(SP_STR("dGhlIHNhbXBsZSBub25jZQ=="), accept);
	T_EQ_C(((sp_str){accept, sizeof accept}), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	T_TRUE(sp_ws_key_is_valid(SP_STR("dGhlIHNhbXBsZSBub25jZQ==")));
	T_TRUE(!sp_ws_key_is_valid(SP_STR("dGhlIHNhbXBsZSBub25jZQ=")));
	T_TRUE(!sp_ws_key_is_valid(SP_STR("dGhlIHNhbXBsZSBub25jZQAA")));
	T_TRUE(!sp_ws_key_is_valid(SP_STR("")));
}

SP_TEST(ws_handshake, the_client_orders_protocols)
{
	static const sp_str have[] = {SP_STR_INIT("b"), SP_STR_INIT("a")};
	sp_str got = {NULL, 0};
	T_TRUE(sp_ws_protocol_choose(SP_STR("x, a ,b"), have, 2, &got));
	T_EQ_C(got, "a");
	T_TRUE(!sp_ws_protocol_choose(SP_STR("x,y"), have, 2, &got));
	T_TRUE(!sp_ws_protocol_choose(SP_STR(""), have, 2, &got));
	T_EQ_C(got, "a");
}

SP_TEST(ws_utf8, agrees_with_the_whole_string_check_for_any_cut)
{
	/* every sequence of up to three bytes out of the interesting ones, fed whole and byte by byte */
	static const uint8_t bytes[] = {0x00, 'a',  0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1,
					0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff};
	for (size_t i = 0; i < SP_LEN(bytes) * SP_LEN(bytes) * SP_LEN(bytes); i++) {
		uint8_t s[12] = {'1', '2', '3', '4', '5', '6', '7', '8'};
		s[8] = bytes[i % SP_LEN(bytes)];
		s[9] = bytes[i / SP_LEN(bytes) % SP_LEN(bytes)];
		s[10] = bytes[i / SP_LEN(bytes) / SP_LEN(bytes)];
		s[11] = 0x80;
		for (size_t n = 9; n <= 12; n++) {
			bool want = sp_str_is_utf8((sp_str){(char *)s, n});
			sp_utf8_stream whole = {0}, split = {0};
			bool got = sp_utf8_stream_feed(&whole, s, n) && sp_utf8_stream_at_boundary(&whole);
			bool cut = true;
			for (size_t j = 0; j < n && cut; j++)
				cut = sp_utf8_stream_feed(&split, s + j, 1);
			cut = cut && sp_utf8_stream_at_boundary(&split);
			t_row("%02x %02x %02x of %zu", s[8], s[9], s[10], n);
			T_TRUE(got == want && cut == want);
		}
	}
}
