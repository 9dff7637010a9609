/* SPDX-License-Identifier: Apache-2.0 */
#include <zlib.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/num.h"
#include "io/spdy/core.h"
#include "lib/t.h"

/* ---- dictionary and header blocks ---- */

SP_TEST(spdy_headers, dictionary_is_the_protocols)
{
	const uint8_t *d = (const uint8_t *)sp_spdy_dictionary;
	T_EQ_U64(adler32(adler32(0, NULL, 0), d, SP_SPDY_DICTIONARY_BYTES), 0xe3c6a7c2);
	size_t n_words = 0, at = 0;
	while (d[at] == 0) {
		at += 4 + sp_be32_get(d + at);
		n_words++;
	}
	T_EQ_U64(n_words, 65);
	T_TRUE(memcmp(d + at, "100101201", 9) == 0);
}

typedef struct codec {
	sp_spdy_deflater *d;
	sp_spdy_inflater *z;
	sp_buf wire, block;
} codec;

static void codec_done(codec *c)
{
	sp_spdy_deflater_free(c->d);
	sp_spdy_inflater_free(c->z);
	sp_buf_done(&c->wire);
	sp_buf_done(&c->block);
}
#define AUTO_CODEC SP_CLEANUP(codec_done) codec

static bool codec_init(codec *c)
{
	sp_buf_init(&c->wire, 1 << 20);
	sp_buf_init(&c->block, SP_LIMIT_HTTP_HEADER_BYTES);
	c->d = sp_spdy_deflater_new();
	c->z = sp_spdy_inflater_new();
	return c->d != NULL && c->z != NULL;
}

SP_TEST(spdy_headers, blocks_share_one_state)
{
	AUTO_CODEC c = {0};
	T_TRUE(codec_init(&c));
	sp_spdy_header h[] = {{SP_STR("streamType"), SP_STR("stdin")}, {SP_STR("port"), SP_STR("80\08080")}};
	size_t first = 0;
	for (size_t i = 0; i < 3; i++) {
		sp_buf_clear(&c.wire);
		T_OK(sp_spdy_headers_deflate(c.d, h, 2, &c.wire, T_ERR));
		if (i == 0)
			first = c.wire.len;
		else
			T_TRUE(c.wire.len < first);
		T_OK(sp_spdy_headers_inflate(c.z, (const uint8_t *)c.wire.ptr, c.wire.len, &c.block, T_ERR));
		T_OK(sp_spdy_headers_check(sp_buf_view(&c.block), T_ERR));
		T_EQ_C(sp_spdy_headers_get(sp_buf_view(&c.block), SP_STR("streamtype")), "stdin");
		T_EQ_STR(sp_spdy_headers_get(sp_buf_view(&c.block), SP_STR("port")), SP_STR("80\08080"));
		T_EQ_C(sp_spdy_headers_get(sp_buf_view(&c.block), SP_STR("absent")), "");
	}
}

SP_TEST(spdy_headers, no_headers_at_all)
{
	AUTO_CODEC c = {0};
	T_TRUE(codec_init(&c));
	T_OK(sp_spdy_headers_deflate(c.d, NULL, 0, &c.wire, T_ERR));
	T_OK(sp_spdy_headers_inflate(c.z, (const uint8_t *)c.wire.ptr, c.wire.len, &c.block, T_ERR));
	T_EQ_STR(sp_buf_view(&c.block), SP_STR("\0\0\0\0"));
	T_OK(sp_spdy_headers_check(sp_buf_view(&c.block), T_ERR));
}

SP_TEST(spdy_headers, a_bomb_stops_at_the_limit)
{
	AUTO_CODEC c = {0};
	T_TRUE(codec_init(&c));
	sp_spdy_deflater *d = c.d;
	SP_AUTO_BUF big;
	sp_buf_init(&big, 1 << 20);
	char *room = sp_buf_reserve(&big, 60000);
	T_TRUE(room != NULL);
	memset(room, 'a', 60000);
	sp_buf_added(&big, 60000);
	sp_spdy_header h = {SP_STR("x"), sp_buf_view(&big)};
	T_OK(sp_spdy_headers_deflate(d, &h, 1, &c.wire, T_ERR));
	T_OK(sp_spdy_headers_deflate(d, &h, 1, &c.wire, T_ERR));
	T_TRUE(c.wire.len < 1000);
	T_CODE(sp_spdy_headers_inflate(c.z, (const uint8_t *)c.wire.ptr, c.wire.len, &c.block, NULL),
	       SP_ETOOLARGE);
	sp_spdy_header twice[2] = {h, {SP_STR("y"), sp_buf_view(&big)}};
	T_CODE(sp_spdy_headers_deflate(d, twice, 2, &c.wire, NULL), SP_ETOOLARGE);
}

SP_TEST(spdy_headers, check)
{
	static const struct {
		const char *name;
		sp_str block;
		const char *err; /* NULL: good */
	} rows[] = {
		{"one", SP_STR_INIT("\0\0\0\1\0\0\0\1a\0\0\0\0"), NULL},
		{"empty", SP_STR_INIT(""), "SPDY header block is cut"},
		{"cut in a name", SP_STR_INIT("\0\0\0\1\0\0\0\2a"), "SPDY header block is cut"},
		{"cut before a value", SP_STR_INIT("\0\0\0\1\0\0\0\1a\0\0"), "SPDY header block is cut"},
		{"length wraps",
		 SP_STR_INIT("\0\0\0\1\xff\xff\xff\xff"
			     "a"),
		 "SPDY header block is cut"},
		{"rest", SP_STR_INIT("\0\0\0\0x"), "SPDY header block has bytes after its last header"},
		{"no name", SP_STR_INIT("\0\0\0\1\0\0\0\0\0\0\0\0"), "SPDY header without a name"},
		{"upper case", SP_STR_INIT("\0\0\0\1\0\0\0\1A\0\0\0\0"),
		 "SPDY header name 'A' is not lower case"},
		{"twice", SP_STR_INIT("\0\0\0\2\0\0\0\1a\0\0\0\0\0\0\0\1a\0\0\0\0"),
		 "SPDY header 'a' stands twice"},
		{"count", SP_STR_INIT("\0\0\1\1"),
		 "SPDY header block of 257 headers, at most 256 are allowed"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].name);
		sp_err err = {0};
		sp_code code = sp_spdy_headers_check(rows[i].block, &err);
		T_CODE(code, rows[i].err == NULL ? SP_OK : SP_EPROTO);
		T_EQ_C(sp_str_c(err.msg), rows[i].err == NULL ? "" : rows[i].err);
	}
}

SP_TEST(spdy_headers, not_our_dictionary_or_not_zlib)
{
	AUTO_CODEC c = {0};
	T_TRUE(codec_init(&c));
	T_CODE(sp_spdy_headers_inflate(c.z, (const uint8_t *)"GET / HTTP/1.1", 14, &c.block, NULL),
	       SP_EPROTO);
	AUTO_CODEC other = {0};
	T_TRUE(codec_init(&other));
	/* zlib header with FDICT and another checksum */
	T_CODE(sp_spdy_headers_inflate(other.z, (const uint8_t *)"\x78\xbb\1\2\3\4", 6, &other.block, NULL),
	       SP_EPROTO);
}

/* ---- sessions ---- */

/* One side; events become text: "stream 1 [a=b]", "data 1:xyz", "fin 1" … each ended by ';'. */
typedef struct side {
	sp_spdy_core *core;
	sp_buf out, log;
	sp_spdy_cs *streams[16];
	size_t n_streams;
	bool auto_reply, auto_consume;
} side;

static void keep(side *s, sp_spdy_cs *cs)
{
	SP_ASSERT(s->n_streams < SP_LEN(s->streams));
	s->streams[s->n_streams++] = cs;
}

static void log_block(side *s, const char *what, sp_spdy_cs *cs, sp_str block)
{
	sp_buf_printf(&s->log, "%s %u [", what, sp_spdy_cs_id(cs));
	sp_spdy_header h;
	for (size_t i = 0; sp_spdy_headers_next(block, &i, &h);)
		sp_buf_printf(&s->log, SP_FMT "=" SP_FMT, SP_ARG(h.name), SP_ARG(h.value));
	sp_buf_printf(&s->log, "];");
}

static void ev_stream(void *arg, sp_spdy_cs *cs)
{
	side *s = arg;
	keep(s, cs);
	log_block(s, sp_spdy_cs_remote_closed(cs) ? "stream+fin" : "stream", cs, sp_spdy_cs_block(cs));
	if (s->auto_reply && sp_spdy_core_reply(s->core, cs, NULL, 0, false, NULL) != SP_OK)
		sp_buf_printf(&s->log, "no reply %u;", sp_spdy_cs_id(cs));
}
static void ev_reply(void *arg, sp_spdy_cs *cs, sp_str block)
{
	log_block(arg, "reply", cs, block);
}
static void ev_headers(void *arg, sp_spdy_cs *cs, sp_str block)
{
	log_block(arg, "headers", cs, block);
}
static void ev_data(void *arg, sp_spdy_cs *cs, const uint8_t *bytes, size_t n)
{
	side *s = arg;
	sp_str text = {(const char *)bytes, n};
	if (n <= 16)
		sp_buf_printf(&s->log, "data %u:" SP_FMT ";", sp_spdy_cs_id(cs), SP_ARG(text));
	else
		sp_buf_printf(&s->log, "data %u*%zu;", sp_spdy_cs_id(cs), n);
	if (s->auto_consume)
		sp_spdy_core_consumed(s->core, cs, n);
}
static void ev_fin(void *arg, sp_spdy_cs *cs)
{
	sp_buf_printf(&((side *)arg)->log, "fin %u;", sp_spdy_cs_id(cs));
}
static void ev_reset(void *arg, sp_spdy_cs *cs, uint32_t status)
{
	sp_buf_printf(&((side *)arg)->log, "reset %u:%u;", sp_spdy_cs_id(cs), status);
}
static void ev_window(void *arg, sp_spdy_cs *cs)
{
	sp_buf_printf(&((side *)arg)->log, "window %u;", sp_spdy_cs_id(cs));
}
static void ev_pong(void *arg, uint32_t id)
{
	sp_buf_printf(&((side *)arg)->log, "pong %u;", id);
}
static void ev_goaway(void *arg, uint32_t status)
{
	sp_buf_printf(&((side *)arg)->log, "goaway %u;", status);
}
static void ev_failed(void *arg, const sp_err *err)
{
	sp_buf_printf(&((side *)arg)->log, "failed %s;", err->msg);
}
static const sp_spdy_events log_events = {ev_stream, ev_reply,  ev_headers, ev_data,   ev_fin,
					  ev_reset,  ev_window, ev_pong,    ev_goaway, ev_failed};

static void side_done(void *arg)
{
	side *s = arg;
	for (size_t i = 0; i < s->n_streams; i++)
		sp_spdy_core_release(s->core, s->streams[i]);
	sp_spdy_core_free(s->core);
	sp_buf_done(&s->out);
	sp_buf_done(&s->log);
	sp_free(s);
}

static sp_code side_new(sp_spdy_opts opts, side **ret)
{
	side *s = SP_NEW(side);
	s->auto_reply = s->auto_consume = true;
	sp_buf_init(&s->out, (size_t)8 << 20);
	sp_buf_init(&s->log, (size_t)1 << 20);
	T_DEFER(side_done, s);
	*ret = s;
	return sp_spdy_core_new(&opts, &log_events, s, &s->out, &s->core, T_ERR);
}

static void give(side *from, side *to)
{
	sp_spdy_core_feed(to->core, (const uint8_t *)from->out.ptr, from->out.len);
	sp_buf_clear(&from->out);
}

#define PAIR(c, s, c_opts, s_opts)    \
	side *c = NULL, *s = NULL;    \
	T_OK(side_new((c_opts), &c)); \
	T_OK(side_new((s_opts), &s)); \
	give(c, s);                   \
	give(s, c);                   \
	give(c, s);                   \
	give(s, c);                   \
	T_OK(sp_buf_code(&s->log))

#define CLIENT ((sp_spdy_opts){.client = true})
#define SERVER ((sp_spdy_opts){0})

static sp_spdy_cs *open_stream(side *s, const char *type, bool fin)
{
	sp_spdy_header h = {SP_STR("streamType"), sp_str_c(type)};
	sp_spdy_cs *cs = NULL;
	if (sp_spdy_core_open(s->core, &h, 1, fin, &cs, T_ERR) != SP_OK)
		return NULL;
	keep(s, cs);
	return cs;
}

SP_TEST(spdy_core, the_settings_come_first)
{
	side *s = NULL;
	T_OK(side_new((sp_spdy_opts){.window_bytes = 0x12345}, &s));
	T_EQ_STR(sp_buf_view(&s->out), SP_STR("\x80\x03\0\x04\0\0\0\x0c\0\0\0\1\0\0\0\7\0\1\x23\x45"));
}

SP_TEST(spdy_core, streams_carry_data_both_ways)
{
	PAIR(c, s, CLIENT, SERVER);
	sp_spdy_cs *cs = open_stream(c, "stdin", false);
	T_TRUE(cs != NULL);
	size_t taken = 0;
	T_OK(sp_spdy_core_data(c->core, cs, (const uint8_t *)"hi", 2, true, &taken, T_ERR));
	T_EQ_U64(taken, 2);
	give(c, s);
	T_OK(sp_buf_code(&s->log));
	T_EQ_C(sp_buf_view(&s->log), "stream 1 [streamtype=stdin];data 1:hi;fin 1;");
	T_OK(sp_spdy_core_data(s->core, s->streams[0], (const uint8_t *)"yo", 2, true, &taken, T_ERR));
	give(s, c);
	T_EQ_C(sp_buf_view(&c->log), "reply 1 [];data 1:yo;fin 1;");
	T_TRUE(sp_spdy_cs_is_closed(cs));
	T_TRUE(sp_spdy_cs_is_closed(s->streams[0]));
	T_EQ_U64(sp_spdy_core_n_open(c->core) + sp_spdy_core_n_open(s->core), 0);
	T_CODE(sp_spdy_core_data(c->core, cs, NULL, 0, true, &taken, NULL), SP_ECANCELED);
}

SP_TEST(spdy_core, both_sides_open_streams)
{
	PAIR(c, s, CLIENT, SERVER);
	T_TRUE(open_stream(c, "a", false) != NULL);
	T_TRUE(open_stream(s, "b", true) != NULL);
	give(s, c);
	give(c, s);
	T_OK(sp_buf_code(&c->log));
	T_EQ_C(sp_buf_view(&c->log), "stream+fin 2 [streamtype=b];");
	T_EQ_C(sp_buf_view(&s->log), "stream 1 [streamtype=a];reply 2 [];");
}

SP_TEST(spdy_core, windows_bind_and_open_again)
{
	sp_spdy_opts small = {.window_bytes = 1000};
	PAIR(c, s, CLIENT, small);
	s->auto_consume = false;
	sp_spdy_cs *cs = open_stream(c, "x", false);
	T_TRUE(cs != NULL);
	SP_AUTO_BUF big;
	sp_buf_init(&big, 1 << 20);
	char *room = sp_buf_reserve(&big, 1500);
	T_TRUE(room != NULL);
	memset(room, 'x', 1500);
	size_t taken = 0;
	T_OK(sp_spdy_core_data(c->core, cs, (uint8_t *)room, 1500, true, &taken, T_ERR));
	T_EQ_U64(taken, 1000);
	T_OK(sp_spdy_core_data(c->core, cs, (uint8_t *)room, 1, true, &taken, T_ERR));
	T_EQ_U64(taken, 0);
	give(c, s);
	T_EQ_U64(s->n_streams, 1);
	sp_spdy_core_consumed(s->core, s->streams[0], 499);
	give(s, c);
	T_EQ_C(sp_buf_view(&c->log), "reply 1 [];");
	sp_spdy_core_consumed(s->core, s->streams[0], 501);
	give(s, c);
	T_EQ_C(sp_buf_view(&c->log), "reply 1 [];window 1;");
	T_OK(sp_spdy_core_data(c->core, cs, (uint8_t *)room, 500, true, &taken, T_ERR));
	T_EQ_U64(taken, 500);
	give(c, s);
	T_OK(sp_buf_code(&s->log));
	T_EQ_C(sp_buf_view(&s->log), "stream 1 [streamtype=x];data 1*1000;data 1*500;fin 1;");
}

SP_TEST(spdy_core, no_window_binds_for_a_peer_that_keeps_none)
{
	side *c = NULL;
	T_OK(side_new(CLIENT, &c));
	sp_spdy_cs *cs = open_stream(c, "x", false);
	T_TRUE(cs != NULL);
	static uint8_t zeros[200000];
	size_t taken = 0;
	T_OK(sp_spdy_core_data(c->core, cs, zeros, sizeof zeros, false, &taken, T_ERR));
	T_EQ_U64(taken, sizeof zeros);
	/* its first WINDOW_UPDATE shows that it does: all of the above counts */
	sp_spdy_core_feed(c->core, (const uint8_t *)"\x80\3\0\x09\0\0\0\x08\0\0\0\1\0\0\0\1", 16);
	T_OK(sp_spdy_core_data(c->core, cs, zeros, 1, false, &taken, T_ERR));
	T_EQ_U64(taken, 0);
	T_TRUE(sp_spdy_core_peer_has_windows(c->core));
}

SP_TEST(spdy_core, the_sessions_window)
{
	side *c = NULL;
	T_OK(side_new(CLIENT, &c));
	sp_spdy_cs *cs = open_stream(c, "x", false);
	T_TRUE(cs != NULL);
	static uint8_t zeros[200000];
	size_t taken = 0;
	sp_spdy_core_feed(c->core, (const uint8_t *)"\x80\3\0\x09\0\0\0\x08\0\0\0\0\0\0\0\1", 16);
	T_OK(sp_spdy_core_data(c->core, cs, zeros, sizeof zeros, false, &taken, T_ERR));
	T_EQ_U64(taken, 65537);
	sp_spdy_core_feed(c->core, (const uint8_t *)"\x80\3\0\x09\0\0\0\x08\0\0\0\0\0\0\0\2", 16);
	T_OK(sp_buf_code(&c->log));
	T_EQ_C(sp_buf_view(&c->log), "window 1;");
	T_OK(sp_spdy_core_data(c->core, cs, zeros, sizeof zeros, false, &taken, T_ERR));
	T_EQ_U64(taken, 2);
}

SP_TEST(spdy_core, goaway_refuses_what_comes_later)
{
	PAIR(c, s, CLIENT, SERVER);
	T_TRUE(open_stream(c, "a", false) != NULL);
	give(c, s);
	give(s, c);
	T_TRUE(open_stream(c, "b", false) != NULL);
	sp_spdy_core_goaway(s->core, 0);
	give(s, c);
	give(c, s);
	T_OK(sp_buf_code(&c->log));
	T_EQ_C(sp_buf_view(&c->log), "reply 1 [];reset 3:3;goaway 0;");
	T_EQ_C(sp_buf_view(&s->log), "stream 1 [streamtype=a];");
	sp_spdy_cs *cs = NULL;
	T_CODE(sp_spdy_core_open(c->core, NULL, 0, false, &cs, NULL), SP_EUNAVAILABLE);
}

SP_TEST(spdy_core, pings_and_headers)
{
	PAIR(c, s, CLIENT, SERVER);
	uint32_t id = 0;
	T_OK(sp_spdy_core_ping(c->core, &id, T_ERR));
	T_OK(sp_spdy_core_ping(c->core, &id, T_ERR));
	T_EQ_U64(id, 5); /* 1 went with the settings */
	give(c, s);
	give(s, c);
	T_OK(sp_buf_code(&c->log));
	T_EQ_C(sp_buf_view(&c->log), "pong 3;pong 5;");
}

SP_TEST(spdy_core, opening_and_resetting_is_limited)
{
	sp_spdy_opts few = {.resets_max = 3};
	PAIR(c, s, CLIENT, few);
	for (size_t i = 0; i < 4; i++) {
		sp_spdy_cs *cs = open_stream(c, "x", false);
		T_TRUE(cs != NULL);
		sp_spdy_core_reset(c->core, cs, SP_SPDY_CANCEL);
	}
	sp_buf_clear(&s->log);
	give(c, s);
	T_OK(sp_buf_code(&s->log));
	T_TRUE(sp_str_ends(sp_buf_view(&s->log),
			   SP_STR("failed SPDY: too many streams opened and reset unused;")));
}

SP_TEST(spdy_core, streams_above_the_limit_are_refused)
{
	sp_spdy_opts one = {.streams_max = 1};
	PAIR(c, s, CLIENT, one);
	T_TRUE(open_stream(c, "a", false) != NULL);
	T_TRUE(open_stream(c, "b", false) != NULL);
	give(c, s);
	give(s, c);
	T_OK(sp_buf_code(&c->log));
	T_EQ_C(sp_buf_view(&c->log), "reply 1 [];reset 3:3;");
	sp_spdy_core_reset(c->core, c->streams[0], SP_SPDY_CANCEL);
	T_TRUE(open_stream(c, "c", false) != NULL);
	give(c, s);
	give(s, c);
	T_EQ_C(sp_buf_view(&c->log), "reply 1 [];reset 3:3;reply 5 [];");
}

/* Single frames at a server that has replied to stream 1 (open) and seen 3 come and go. */
#define CTL "\x80\x03\0"
SP_TEST(spdy_core, bad_frames_get_the_protocols_answer)
{
	static const struct {
		const char *name;
		sp_str in;
		const char *log;
		sp_str out;
	} rows[] = {
		{"data for a stream that never was", SP_STR_INIT("\0\0\0\x63\0\0\0\1x"), "",
		 SP_STR_INIT(CTL "\3\0\0\0\x08\0\0\0\x63\0\0\0\2")},
		{"data for stream 0", SP_STR_INIT("\0\0\0\0\0\0\0\1x"), "",
		 SP_STR_INIT(CTL "\3\0\0\0\x08\0\0\0\0\0\0\0\2")},
		{"data for a stream that is gone", SP_STR_INIT("\0\0\0\3\0\0\0\1x"), "", SP_STR_INIT("")},
		{"data after fin", SP_STR_INIT("\0\0\0\1\1\0\0\0\0\0\0\1\0\0\0\1x"), "fin 1;reset 1:9;",
		 SP_STR_INIT(CTL "\3\0\0\0\x08\0\0\0\1\0\0\0\x09")},
		{"empty data", SP_STR_INIT("\0\0\0\1\0\0\0\0"), "", SP_STR_INIT("")},
		{"unknown control frame", SP_STR_INIT(CTL "\x63\0\0\0\2xx"), "", SP_STR_INIT("")},
		{"another version", SP_STR_INIT("\x80\x02\0\6\0\0\0\4\0\0\0\1"),
		 "failed SPDY: frame of another version;", SP_STR_INIT(CTL "\7\0\0\0\x08\0\0\0\3\0\0\0\1")},
		{"ping of a client", SP_STR_INIT(CTL "\6\0\0\0\4\0\0\0\5"), "",
		 SP_STR_INIT(CTL "\6\0\0\0\4\0\0\0\5")},
		{"ping of the wrong size", SP_STR_INIT(CTL "\6\0\0\0\5\0\0\0\5x"),
		 "failed SPDY: PING of the wrong size;", SP_STR_INIT(CTL "\7\0\0\0\x08\0\0\0\3\0\0\0\1")},
		{"reset", SP_STR_INIT(CTL "\3\0\0\0\x08\0\0\0\1\0\0\0\5"), "reset 1:5;", SP_STR_INIT("")},
		{"reset of the wrong size", SP_STR_INIT(CTL "\3\0\0\0\4\0\0\0\1"),
		 "failed SPDY: RST_STREAM of the wrong size;",
		 SP_STR_INIT(CTL "\7\0\0\0\x08\0\0\0\3\0\0\0\1")},
		{"settings with a wrong count", SP_STR_INIT(CTL "\4\0\0\0\4\0\0\0\1"),
		 "failed SPDY: SETTINGS of the wrong size;", SP_STR_INIT(CTL "\7\0\0\0\x08\0\0\0\3\0\0\0\1")},
		{"window by nothing", SP_STR_INIT(CTL "\x09\0\0\0\x08\0\0\0\1\0\0\0\0"), "reset 1:1;",
		 SP_STR_INIT(CTL "\3\0\0\0\x08\0\0\0\1\0\0\0\1")},
		{"window too wide", SP_STR_INIT(CTL "\x09\0\0\0\x08\0\0\0\1\x7f\xff\xff\xff"), "reset 1:7;",
		 SP_STR_INIT(CTL "\3\0\0\0\x08\0\0\0\1\0\0\0\7")},
		{"cut SYN_STREAM", SP_STR_INIT(CTL "\1\0\0\0\4\0\0\0\5"), "failed SPDY: SYN_STREAM is cut;",
		 SP_STR_INIT(CTL "\7\0\0\0\x08\0\0\0\3\0\0\0\1")},
		{"headers that do not decompress", SP_STR_INIT(CTL "\x08\0\0\0\x08\0\0\0\1\xff\xff\xff\xff"),
		 "failed SPDY: header block cannot be read;",
		 SP_STR_INIT(CTL "\7\0\0\0\x08\0\0\0\3\0\0\0\1")},
		{"huge control frame", SP_STR_INIT(CTL "\1\0\xff\xff\xff"),
		 "failed SPDY: control frame is too big;", SP_STR_INIT(CTL "\7\0\0\0\x08\0\0\0\3\0\0\0\1")},
		{"nothing after a failure",
		 SP_STR_INIT(CTL "\6\0\0\0\0"
				 "\0\0\0\1\0\0\0\1x"),
		 "failed SPDY: PING of the wrong size;", SP_STR_INIT(CTL "\7\0\0\0\x08\0\0\0\3\0\0\0\1")},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		for (size_t step = 1; step < 100; step += 98) {
			t_row("%s by %zu", rows[i].name, step);
			PAIR(c, s, CLIENT, SERVER);
			T_TRUE(open_stream(c, "a", false) != NULL);
			T_TRUE(open_stream(c, "b", false) != NULL);
			sp_spdy_core_reset(c->core, c->streams[1], SP_SPDY_CANCEL);
			give(c, s);
			sp_buf_clear(&s->out);
			sp_buf_clear(&s->log);
			for (size_t at = 0; at < rows[i].in.len; at += step) {
				size_t n = SP_MIN(step, rows[i].in.len - at);
				sp_spdy_core_feed(s->core, (const uint8_t *)rows[i].in.ptr + at, n);
			}
			T_OK(sp_buf_code(&s->log));
			T_EQ_C(sp_buf_view(&s->log), rows[i].log);
			T_EQ_STR(sp_buf_view(&s->out), rows[i].out);
		}
	}
}

SP_TEST(spdy_core, a_keeper_of_windows_that_breaks_ours_is_reset)
{
	sp_spdy_opts small = {.window_bytes = 100};
	PAIR(c, s, CLIENT, small);
	s->auto_consume = false;
	T_TRUE(open_stream(c, "a", false) != NULL);
	give(c, s);
	sp_buf_clear(&s->out);
	sp_buf_clear(&s->log);
	sp_spdy_core_feed(s->core, (const uint8_t *)"\0\0\0\1\0\0\0\x65", 8);
	T_EQ_C(sp_buf_view(&s->log), "reset 1:7;");
	T_EQ_STR(sp_buf_view(&s->out), SP_STR(CTL "\3\0\0\0\x08\0\0\0\1\0\0\0\7"));
}

SP_TEST(spdy_core, identifiers_only_go_up)
{
	PAIR(c, s, CLIENT, SERVER);
	T_TRUE(open_stream(c, "a", false) != NULL);
	/* the same SYN_STREAM again, its header block fresh for the decompressor */
	sp_spdy_core_feed(s->core, (const uint8_t *)c->out.ptr, c->out.len);
	sp_buf_clear(&c->out);
	sp_buf_clear(&s->out);
	T_TRUE(open_stream(c, "a", false) != NULL);
	T_TRUE(c->out.len > 12);
	c->out.ptr[11] = 1;
	give(c, s);
	T_OK(sp_buf_code(&s->out));
	T_EQ_STR(sp_buf_view(&s->out), SP_STR(CTL "\3\0\0\0\x08\0\0\0\1\0\0\0\1"));
	T_EQ_C(sp_buf_view(&s->log), "stream 1 [streamtype=a];");
}

/* Bytes that moby/spdystream 0.5.1 sends for kubectl's streams, recorded by test/interop/spdy. */
SP_TEST(spdy_core, streams_as_kubectls_library_opens_them)
{
	side *s = NULL;
	T_OK(side_new(SERVER, &s));
	s->auto_reply = false;
	sp_str in = t_file("test/golden/spdy/client_streams.bin");
	T_TRUE(in.len > 0);
	sp_buf_clear(&s->out);
	sp_spdy_core_feed(s->core, (const uint8_t *)in.ptr, in.len);
	T_OK(sp_buf_code(&s->log));
	T_EQ_C(sp_buf_view(&s->log),
	       "stream 1 [streamtype=error];stream 3 [streamtype=stdin];stream 5 [streamtype=stdout];"
	       "stream 7 [streamtype=stderr];stream 9 [streamtype=resize];"
	       "stream+fin 11 [port=8080requestid=0streamtype=error];"
	       "stream 13 [streamtype=dataport=8080requestid=0];");
	T_EQ_STR(sp_buf_view(&s->out), SP_STR(CTL "\6\0\0\0\4\0\0\0\1"));
}
