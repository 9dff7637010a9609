/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structured logs. A line is a constant message and typed fields; text for people on a terminal, JSON lines
 * otherwise. Components log once, where they handle an error; library rooms (base, io, kube, store) never do.
 *
 *   sp_log(l, SP_LOG_INFO, "pod bound", SP_KS("pod", key), SP_KI("node_ms", ms));
 *
 *  - Arguments are not evaluated when the level is off.
 *  - A call site writes at most SP_LOG_PER_SECOND lines a second; the first line after says how many were
 *    dropped (field "dropped").
 *  - Secrets have no formatter: what must not be seen is never given to a field.
 *  - Besides the lines, a ring keeps the last SP_LOG_RING_EVENTS notes of what happened at any level: the
 *    flight recorder. It costs a few stores a note and is written out on a crash.
 *
 * One sp_log per loop; not thread-safe.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define SP_LOG_PER_SECOND 10u
#define SP_LOG_RING_EVENTS 4096u
#define SP_LOG_RING_KEY_BYTES 24u

typedef enum sp_log_level {
	SP_LOG_ERROR, /* someone must act */
	SP_LOG_WARN,  /* survived; says how */
	SP_LOG_INFO,  /* a state change that a user caused */
	SP_LOG_DEBUG,
	SP_LOG_TRACE,
	SP_LOG_LEVEL_COUNT_
} sp_log_level;

typedef enum sp_log_format { SP_LOG_TEXT, SP_LOG_JSON } sp_log_format;

typedef struct sp_log_field {
	const char *key;
	enum { SP_LOG_F_STR, SP_LOG_F_I64, SP_LOG_F_U64, SP_LOG_F_BOOL } type;
	union {
		sp_str s;
		int64_t i;
		uint64_t u;
	};
} sp_log_field;

#define SP_KS(k, v) ((sp_log_field){.key = (k), .type = SP_LOG_F_STR, .s = (v)})
#define SP_KC(k, v) SP_KS(k, sp_str_c(v))
#define SP_KI(k, v) ((sp_log_field){.key = (k), .type = SP_LOG_F_I64, .i = (v)})
#define SP_KU(k, v) ((sp_log_field){.key = (k), .type = SP_LOG_F_U64, .u = (v)})
#define SP_KB(k, v) ((sp_log_field){.key = (k), .type = SP_LOG_F_BOOL, .u = (v)})
/* The message of an sp_err. */
#define SP_KE(e) SP_KC("err", (e)->msg)

typedef struct sp_log sp_log;

typedef struct sp_log_opts {
	sp_log_level level; /* lines of this level and more urgent ones are written */
	sp_log_format format;
	const char *component;                 /* "api": a field of every line; NULL = none */
	int64_t (*wall_ns)(void *arg);         /* nanoseconds since 1970 */
	void (*write)(void *arg, sp_str line); /* with its newline; called from sp_log, must not log */
	void *arg;
} sp_log_opts;

/* Aborts without memory. */
sp_log *sp_log_new(const sp_log_opts *opts);
/* NULL is a no-op. */
void sp_log_free(sp_log *l);

/* A sink for sp_log_opts.write: one write(2) to standard error; what can't be written is lost. */
void sp_log_to_stderr(void *arg, sp_str line);

void sp_log_set_level(sp_log *l, sp_log_level level);
/* "error", "warn", "info", "debug", "trace"; SP_EINVAL names the known ones. */
sp_code sp_log_level_parse(sp_str text, sp_log_level *ret, sp_err *err) SP_MUST_USE;

/* True when lines of this level are written. */
bool sp_log_is_on(const sp_log *l, sp_log_level level);

#define sp_log(l, level_, msg, ...)                                                                    \
	do {                                                                                           \
		static sp_log_site sp_site_;                                                           \
		if (sp_log_is_on((l), (level_))) {                                                     \
			const sp_log_field sp_f_[] = {{.key = NULL} __VA_OPT__(, ) __VA_ARGS__};       \
			sp_log_write_((l), &sp_site_, (level_), "" msg, sp_f_ + 1, SP_LEN(sp_f_) - 1); \
		}                                                                                      \
	} while (0)

/* Of one call of sp_log; shared by the logs of all loops, so the counts are close, not exact, between them.
 */
typedef struct sp_log_site {
	_Atomic int64_t second;
	_Atomic uint32_t n_written, n_dropped;
} sp_log_site;

void sp_log_write_(sp_log *l, sp_log_site *site, sp_log_level level, const char *msg,
		   const sp_log_field *fields, size_t n);

/* ---- the flight recorder ---- */

/* Keeps {time, what, key, a, b}; `what` is a literal, the key is cut to SP_LOG_RING_KEY_BYTES. */
void sp_log_note(sp_log *l, const char *what, sp_str key, uint64_t a, uint64_t b);

/* Appends the notes, oldest first, a line each: "SECONDS.NANOS what key a b". */
sp_code sp_log_dump(const sp_log *l, sp_buf *out);

/* Makes this log's notes the ones that a failed assertion prints to standard error; NULL: none. */
void sp_log_dump_on_crash(const sp_log *l);
