/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/time.h"

#define LINE_BYTES_MAX ((size_t)16 << 10)
#define NS_PER_S INT64_C(1000000000)

typedef struct note {
	int64_t wall_ns;
	const char *what;
	uint64_t a, b;
	char key[SP_LOG_RING_KEY_BYTES]; /* padded with NUL */
} note;

struct sp_log {
	sp_log_opts opts;
	sp_buf line;
	uint64_t n_notes;               /* ever made; the ring holds the last ones */
	note notes[SP_LOG_RING_EVENTS]; /* touched page by page as it fills */
};

static const char *const level_names[SP_LOG_LEVEL_COUNT_] = {"error", "warn", "info", "debug", "trace"};

sp_log *sp_log_new(const sp_log_opts *opts)
{
	SP_ASSERT(opts->wall_ns != NULL);
	SP_ASSERT(opts->write != NULL);
	sp_log *l = SP_NEW(sp_log);
	l->opts = *opts;
	sp_buf_init(&l->line, LINE_BYTES_MAX);
	return l;
}

void sp_log_to_stderr(void *arg, sp_str line)
{
	(void)arg;
	if (write(STDERR_FILENO, line.ptr, line.len) < 0)
		return; /* nowhere left to complain */
}

void sp_log_set_level(sp_log *l, sp_log_level level)
{
	SP_ASSERT(level < SP_LOG_LEVEL_COUNT_);
	l->opts.level = level;
}

sp_code sp_log_level_parse(sp_str text, sp_log_level *ret, sp_err *err)
{
	for (unsigned i = 0; i < SP_LOG_LEVEL_COUNT_; i++) {
		if (sp_str_eq(text, sp_str_c(level_names[i]))) {
			*ret = (sp_log_level)i;
			return SP_OK;
		}
	}
	return sp_fail(err, SP_EINVAL, "unknown log level '" SP_FMT "' (error, warn, info, debug or trace)",
		       SP_ARG(text));
}

bool sp_log_is_on(const sp_log *l, sp_log_level level)
{
	return level <= l->opts.level;
}

/* ---- lines ---- */

static sp_str time_text(int64_t wall_ns, char text[SP_TIME_TEXT_BYTES])
{
	int64_t s = wall_ns / NS_PER_S, ns = wall_ns % NS_PER_S;
	if (ns < 0) {
		s--;
		ns += NS_PER_S;
	}
	return (sp_str){text, sp_time_print(text, (sp_time){s, (uint32_t)ns}, 6)};
}

static void write_value(sp_buf *out, const sp_log_field *f, sp_code (*write_str)(sp_buf *out, sp_str s))
{
	switch (f->type) {
	case SP_LOG_F_STR:
		(void)write_str(out, f->s);
		break;
	case SP_LOG_F_I64:
		(void)sp_buf_i64(out, f->i);
		break;
	case SP_LOG_F_U64:
		(void)sp_buf_u64(out, f->u);
		break;
	case SP_LOG_F_BOOL:
		(void)sp_buf_str(out, f->u != 0 ? SP_STR("true") : SP_STR("false"));
		break;
	}
}

/* Bare when it can't be mistaken for anything else, in JSON quotes otherwise: a line stays one line. */
static sp_code write_text_value(sp_buf *out, sp_str s)
{
	bool bare = s.len > 0;
	for (size_t i = 0; i < s.len && bare; i++)
		bare = s.ptr[i] > ' ' && s.ptr[i] != 0x7f && s.ptr[i] != '"' && s.ptr[i] != '=';
	return bare ? sp_buf_str(out, s) : sp_json_write_str(out, s);
}

static void text_line(sp_log *l, sp_str when, sp_log_level level, const char *msg, const sp_log_field *f,
		      size_t n)
{
	/* The day is of no use to who is watching. */
	(void)sp_buf_printf(&l->line, SP_FMT " %-5s %s", SP_ARG(sp_str_sub(when, 11, 23)), level_names[level],
			    msg);
	for (size_t i = 0; i < n; i++) {
		(void)sp_buf_printf(&l->line, " %s=", f[i].key);
		write_value(&l->line, &f[i], write_text_value);
	}
}

static void json_line(sp_log *l, sp_str when, sp_log_level level, const char *msg, const sp_log_field *f,
		      size_t n)
{
	(void)sp_buf_printf(&l->line, "{\"time\":\"" SP_FMT "\",\"level\":\"%s\",", SP_ARG(when),
			    level_names[level]);
	if (l->opts.component != NULL)
		(void)sp_buf_printf(&l->line, "\"component\":\"%s\",", l->opts.component);
	(void)sp_buf_str(&l->line, SP_STR("\"msg\":"));
	(void)sp_json_write_str(&l->line, sp_str_c(msg));
	for (size_t i = 0; i < n; i++) {
		(void)sp_buf_printf(&l->line, ",\"%s\":", f[i].key);
		write_value(&l->line, &f[i], sp_json_write_str);
	}
	(void)sp_buf_char(&l->line, '}');
}

static void write_line(sp_log *l, int64_t wall_ns, sp_log_level level, const char *msg, const sp_log_field *f,
		       size_t n)
{
	char text[SP_TIME_TEXT_BYTES];
	sp_str when = time_text(wall_ns, text);
	sp_buf_clear(&l->line);
	if (l->opts.format == SP_LOG_JSON)
		json_line(l, when, level, msg, f, n);
	else
		text_line(l, when, level, msg, f, n);
	if (sp_buf_char(&l->line, '\n') == SP_OK) {
		l->opts.write(l->opts.arg, sp_buf_view(&l->line));
	} else if (n > 0) {
		/* Over the limit: the message alone says what happened. */
		write_line(l, wall_ns, level, msg, NULL, 0);
	}
}

void sp_log_write_(sp_log *l, sp_log_site *site, sp_log_level level, const char *msg,
		   const sp_log_field *fields, size_t n)
{
	int64_t now = l->opts.wall_ns(l->opts.arg);
	if (site->second != now / NS_PER_S) {
		site->second = now / NS_PER_S;
		site->n_written = 0;
	}
	if (site->n_written >= SP_LOG_PER_SECOND) {
		site->n_dropped++;
		return;
	}
	site->n_written++;
	write_line(l, now, level, msg, fields, n);
	uint32_t dropped = site->n_dropped;
	if (dropped > 0 && site->n_written == 1) {
		site->n_dropped = 0;
		const sp_log_field f[] = {SP_KC("line", msg), SP_KU("dropped", dropped)};
		write_line(l, now, level, "a line came too often", f, SP_LEN(f));
	}
}

/* ---- the flight recorder ---- */

void sp_log_note(sp_log *l, const char *what, sp_str key, uint64_t a, uint64_t b)
{
	note *at = &l->notes[l->n_notes++ % SP_LOG_RING_EVENTS];
	*at = (note){.wall_ns = l->opts.wall_ns(l->opts.arg), .what = what, .a = a, .b = b};
	if (key.len > 0)
		memcpy(at->key, key.ptr, SP_MIN(key.len, sizeof at->key));
}

static const note *nth_note(const sp_log *l, uint64_t i)
{
	return &l->notes[i % SP_LOG_RING_EVENTS];
}

static uint64_t oldest_note(const sp_log *l)
{
	return l->n_notes > SP_LOG_RING_EVENTS ? l->n_notes - SP_LOG_RING_EVENTS : 0;
}

#define NOTE_FMT "%lld.%09lld %s %.*s %llu %llu\n"
#define NOTE_ARGS(n)                                                                           \
	(long long)((n)->wall_ns / NS_PER_S), (long long)((n)->wall_ns % NS_PER_S), (n)->what, \
		(int)strnlen((n)->key, sizeof(n)->key), (n)->key, (unsigned long long)(n)->a,  \
		(unsigned long long)(n)->b

sp_code sp_log_dump(const sp_log *l, sp_buf *out)
{
	for (uint64_t i = oldest_note(l); i < l->n_notes; i++)
		(void)sp_buf_printf(out, NOTE_FMT, NOTE_ARGS(nth_note(l, i)));
	return sp_buf_code(out);
}

/* The log whose notes a crash prints: the one thing that a failed assertion can't be handed. */
static const sp_log *crash_log;

static void dump_crash_log(void)
{
	for (uint64_t i = oldest_note(crash_log); i < crash_log->n_notes; i++)
		(void)fprintf(stderr, NOTE_FMT, NOTE_ARGS(nth_note(crash_log, i)));
}

void sp_log_dump_on_crash(const sp_log *l)
{
	crash_log = l;
	sp_assert_on_fail(l == NULL ? NULL : dump_crash_log);
}

void sp_log_free(sp_log *l)
{
	if (l == NULL)
		return;
	if (crash_log == l)
		sp_log_dump_on_crash(NULL);
	sp_buf_done(&l->line);
	sp_free(l);
}
