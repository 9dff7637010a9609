/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/num.h"
#include "lib/t.h"

typedef struct sink {
	sp_buf text;
	int64_t now_ns;
} sink;

static int64_t sink_now(void *arg)
{
	return ((sink *)arg)->now_ns;
}
static void sink_write(void *arg, sp_str line)
{
	(void)sp_buf_str(&((sink *)arg)->text, line);
}
static void sink_done(sink *s)
{
	sp_buf_done(&s->text);
}
static void log_done(sp_log **l)
{
	sp_log_free(*l);
}
#define AUTO_SINK SP_CLEANUP(sink_done) sink
#define AUTO_LOG SP_CLEANUP(log_done) sp_log *

static sp_log *start(sink *s, sp_log_format format)
{
	sp_buf_init(&s->text, (size_t)1 << 20);
	s->now_ns = INT64_C(1709210096123456789);
	return sp_log_new(&(sp_log_opts){.level = SP_LOG_INFO,
					 .format = format,
					 .component = "api",
					 .wall_ns = sink_now,
					 .write = sink_write,
					 .arg = s});
}

SP_TEST(log, one_line_as_text_and_as_json)
{
	static const char *const want[] = {
		[SP_LOG_TEXT] =
			"12:34:56.123 warn  pod bound pod=ns/a note=\"a b\\n\" n=-3 u=18446744073709551615 "
			"ok=true\n",
		[SP_LOG_JSON] =
			"{\"time\":\"2024-02-29T12:34:56.123456Z\",\"level\":\"warn\",\"component\":\"api\","
			"\"msg\":\"pod bound\",\"pod\":\"ns/a\",\"note\":\"a b\\n\",\"n\":-3,"
			"\"u\":18446744073709551615,\"ok\":true}\n",
	};
	for (unsigned format = 0; format < SP_LEN(want); format++) {
		AUTO_SINK s = {0};
		AUTO_LOG l = start(&s, (sp_log_format)format);
		sp_log(l, SP_LOG_WARN, "pod bound", SP_KC("pod", "ns/a"), SP_KC("note", "a b\n"),
		       SP_KI("n", -3), SP_KU("u", UINT64_MAX), SP_KB("ok", true));
		T_EQ_C(sp_buf_view(&s.text), want[format]);
	}
}

SP_TEST(log, a_level_that_is_off_costs_no_evaluation)
{
	AUTO_SINK s = {0};
	AUTO_LOG l = start(&s, SP_LOG_TEXT);
	int n = 0;
	sp_log(l, SP_LOG_DEBUG, "not seen", SP_KI("n", ++n));
	T_EQ_I64(n, 0);
	T_EQ_U64(s.text.len, 0);
	sp_log_level level;
	T_OK(sp_log_level_parse(SP_STR("debug"), &level, T_ERR));
	sp_log_set_level(l, level);
	sp_log(l, SP_LOG_DEBUG, "seen", SP_KI("n", ++n));
	T_EQ_I64(n, 1);
	T_EQ_C(sp_buf_view(&s.text), "12:34:56.123 debug seen n=1\n");
	T_CODE(sp_log_level_parse(SP_STR("loud"), &level, T_ERR), SP_EINVAL);
	T_EQ_C(sp_str_c(t_err()->msg), "unknown log level 'loud' (error, warn, info, debug or trace)");
}

static size_t count_lines(sp_str text)
{
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++)
		n += text.ptr[i] == '\n';
	return n;
}

static void shout(sp_log *l)
{
	sp_log(l, SP_LOG_INFO, "again");
}

SP_TEST(log, a_site_that_floods_is_held_back_and_counted)
{
	AUTO_SINK s = {0};
	AUTO_LOG l = start(&s, SP_LOG_TEXT);
	for (int i = 0; i < 25; i++)
		shout(l);
	T_EQ_U64(count_lines(sp_buf_view(&s.text)), SP_LOG_PER_SECOND);
	sp_log(l, SP_LOG_INFO, "another site");
	T_EQ_U64(count_lines(sp_buf_view(&s.text)), SP_LOG_PER_SECOND + 1);
	sp_buf_clear(&s.text);
	s.now_ns += 1000000000;
	shout(l);
	T_EQ_C(sp_buf_view(&s.text), "12:34:57.123 info  again\n"
				     "12:34:57.123 info  a line came too often line=again dropped=15\n");
}

SP_TEST(log, a_line_over_the_limit_leaves_its_message)
{
	AUTO_SINK s = {0};
	AUTO_LOG l = start(&s, SP_LOG_TEXT);
	size_t n = (size_t)20 << 10;
	char *big = sp_arena_try_alloc(T_ARENA, n);
	T_TRUE(big != NULL);
	memset(big, 'x', n);
	sp_log(l, SP_LOG_ERROR, "long", SP_KS("text", ((sp_str){big, n})));
	T_EQ_C(sp_buf_view(&s.text), "12:34:56.123 error long\n");
}

SP_TEST(log, the_ring_keeps_the_last_notes)
{
	AUTO_SINK s = {0};
	AUTO_LOG l = start(&s, SP_LOG_TEXT);
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)1 << 20);
	s.now_ns = INT64_C(5000000007);
	sp_log_note(l, "bound", SP_STR("a-name-that-is-longer-than-the-room-for-it"), 1, 2);
	T_OK(sp_log_dump(l, &out));
	T_EQ_C(sp_buf_view(&out), "5.000000007 bound a-name-that-is-longer-th 1 2\n");
	for (uint64_t i = 0; i < SP_LOG_RING_EVENTS; i++)
		sp_log_note(l, "step", SP_STR(""), i, 0);
	sp_buf_clear(&out);
	T_OK(sp_log_dump(l, &out));
	T_EQ_U64(count_lines(sp_buf_view(&out)), SP_LOG_RING_EVENTS);
	T_TRUE(sp_str_starts(sp_buf_view(&out), SP_STR("5.000000007 step  0 0\n")));
}
