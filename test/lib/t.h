/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test runner. Tests register themselves; each runs in a process of its own with a fresh arena, a seed, a
 * deadline and a leak check (blocks of base/alloc still live at its end fail it).
 *
 *   SP_TEST(buf, append_over_limit) { … T_OK(…); T_EQ_STR(…); }
 *
 * A failed check returns from the function it stands in: release locals by SP_CLEANUP (or SP_AUTO_BUF …),
 * everything else by T_DEFER, never by a line at the end of the test. In --torture mode each test is run
 * again and again with its n-th fallible allocation failing: checks then count as passed once the fault has
 * struck, but crashes, hangs and leaks fail.
 *
 * Flags: --filter SUITE or SUITE.NAME (may repeat, prefix match), --seed N, --repeat N, --torture, --fault N
 * (the first to try), --tap, --list, -j N, --timeout SECONDS, --trace (prints "trace SUITE.NAME HASH" of each
 * test's simulations, the same in every run of a seed). The last line is always "N passed, N failed[, N
 * skipped]"; running nothing fails.
 */
#pragma once

#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

typedef struct t_case {
	const char *suite, *name;
	void (*fn)(void);
	struct t_case *next;
} t_case;

void t_register(t_case *c);

#define SP_TEST(suite_, name_)                                                                      \
	static void t_fn_##suite_##_##name_(void);                                                  \
	static t_case t_case_##suite_##_##name_ = {#suite_, #name_, t_fn_##suite_##_##name_, NULL}; \
	__attribute__((constructor)) static void t_reg_##suite_##_##name_(void)                     \
	{                                                                                           \
		t_register(&t_case_##suite_##_##name_);                                             \
	}                                                                                           \
	static void t_fn_##suite_##_##name_(void)

/* Of the running test: an arena (64 MiB), a scratch error, the seed, and the next number of a stream made
 * from it. */
sp_arena *t_arena(void);
sp_err *t_err(void);
uint64_t t_seed(void);
uint64_t t_random(void);
/* A number in [0, n). */
uint64_t t_random_below(uint64_t n);
#define T_ARENA t_arena()
#define T_ERR t_err()

/* An empty directory of this test, removed at its end. */
const char *t_tmpdir(void);
/* The content of a file under test/ (path relative to the checkout), in the arena; fails the test when
 * unreadable. */
sp_str t_file(const char *path);

/* Runs fn(arg) after the test function returned, whatever its outcome, newest first. Not for its locals. */
void t_defer(void (*fn)(void *arg), void *arg);
#define T_DEFER(fn, arg) t_defer((void (*)(void *))(fn), (arg))

/* Names the row of a table test; shown with a failure. */
void t_row(const char *fmt, ...) SP_PRINTF(1, 2);

/* Ends the test as skipped and counted, with the reason. Allowed for missing privileges or optional data
 * only. */
SP_NORETURN void t_skip(const char *fmt, ...) SP_PRINTF(1, 2);

/* Record a failure; true when the check is to be forgiven because an armed allocation fault struck. */
bool t_fail(const char *file, int line, const char *fmt, ...) SP_PRINTF(3, 4);
bool t_failed(void);
/* True under --torture: tests over much data take a part of it. */
bool t_torture(void);

#define T_FAIL(...)                                            \
	do {                                                   \
		(void)t_fail(__FILE__, __LINE__, __VA_ARGS__); \
		return;                                        \
	} while (0)
#define T_TRUE(cond)                                   \
	do {                                           \
		if (!(cond))                           \
			T_FAIL("not true: %s", #cond); \
	} while (0)
#define T_OK(expr)                                                                             \
	do {                                                                                   \
		sp_code t_c_ = (expr);                                                         \
		if (t_c_ != SP_OK)                                                             \
			T_FAIL("%s: %s: %s", #expr, sp_code_lookup(t_c_)->name, t_err()->msg); \
	} while (0)
#define T_CODE(expr, want)                                                               \
	do {                                                                             \
		sp_code t_c_ = (expr);                                                   \
		if (t_c_ != (want))                                                      \
			T_FAIL("%s: got %s, want %s", #expr, sp_code_lookup(t_c_)->name, \
			       sp_code_lookup(want)->name);                              \
	} while (0)
#define T_EQ_I64(got, want)                                                                        \
	do {                                                                                       \
		int64_t t_g_ = (int64_t)(got), t_w_ = (int64_t)(want);                             \
		if (t_g_ != t_w_)                                                                  \
			T_FAIL("%s: got %lld, want %lld", #got, (long long)t_g_, (long long)t_w_); \
	} while (0)
#define T_EQ_U64(got, want)                                                               \
	do {                                                                              \
		uint64_t t_g_ = (uint64_t)(got), t_w_ = (uint64_t)(want);                 \
		if (t_g_ != t_w_)                                                         \
			T_FAIL("%s: got %llu, want %llu", #got, (unsigned long long)t_g_, \
			       (unsigned long long)t_w_);                                 \
	} while (0)
/* Both are sp_str; T_EQ_C takes a C string as the expectation. */
#define T_EQ_STR(got, want)                                                                         \
	do {                                                                                        \
		sp_str t_g_ = (got), t_w_ = (want);                                                 \
		if (!sp_str_eq(t_g_, t_w_))                                                         \
			T_FAIL("%s:\n  got  '" SP_FMT "'\n  want '" SP_FMT "'", #got, SP_ARG(t_g_), \
			       SP_ARG(t_w_));                                                       \
	} while (0)
#define T_EQ_C(got, want) T_EQ_STR(got, sp_str_c(want))
