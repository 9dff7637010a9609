/* SPDX-License-Identifier: Apache-2.0 */
/* Compiler helpers and assertions that every file may use. No functions of a component live here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SP_MUST_USE __attribute__((warn_unused_result))
#define SP_PRINTF(fmt_index, first_arg) __attribute__((format(printf, fmt_index, first_arg)))
#define SP_NORETURN __attribute__((noreturn))
#define SP_UNUSED __attribute__((unused))
#define SP_CLEANUP(fn) __attribute__((cleanup(fn)))
/* Before a loop: no step reads what another one writes. */
#ifdef __clang__
#define SP_IVDEP
#else
#define SP_IVDEP _Pragma("GCC ivdep")
#endif

#define SP_LIKELY(x) __builtin_expect(!!(x), 1)
#define SP_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define SP_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define SP_MIN(a, b)                           \
	({                                     \
		__typeof__(a) sp_a_ = (a);     \
		__typeof__(b) sp_b_ = (b);     \
		sp_a_ < sp_b_ ? sp_a_ : sp_b_; \
	})
#define SP_MAX(a, b)                           \
	({                                     \
		__typeof__(a) sp_a_ = (a);     \
		__typeof__(b) sp_b_ = (b);     \
		sp_a_ > sp_b_ ? sp_a_ : sp_b_; \
	})

/* The struct that holds `member` at `ptr`. */
#define SP_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Hands ownership of a pointer out and leaves NULL behind: `return SP_TAKE(b);`. */
#define SP_TAKE(p)                         \
	({                                 \
		__typeof__(p) sp_t_ = (p); \
		(p) = NULL;                \
		sp_t_;                     \
	})

/* Prints what was violated and where, then aborts. Never returns. */
SP_NORETURN void sp_assert_failed(const char *cond, const char *file, int line);
/* Called once before the abort, after the message, to print what was going on; NULL: nothing. */
void sp_assert_on_fail(void (*fn)(void));

/*
 * SP_ASSERT stays on in release builds. It is for programmer errors (preconditions, invariants, impossible
 * states), never for input, I/O or resource limits. SP_DEBUG_ASSERT is for checks that cost more than O(1).
 */
#define SP_ASSERT(cond)                                              \
	do {                                                         \
		if (SP_UNLIKELY(!(cond)))                            \
			sp_assert_failed(#cond, __FILE__, __LINE__); \
	} while (0)
#define SP_UNREACHABLE() sp_assert_failed("unreachable", __FILE__, __LINE__)

#ifdef SP_DEBUG
#define SP_DEBUG_ASSERT(cond) SP_ASSERT(cond)
#else
#define SP_DEBUG_ASSERT(cond)       \
	do {                        \
		(void)sizeof(cond); \
	} while (0)
#endif
