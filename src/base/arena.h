/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sp_arena: memory of one request, reconcile or event, released as a whole.
 *
 *  - allocations are zeroed and aligned to 16 bytes; there is no free of one object;
 *  - every arena has a ceiling in bytes, counted over what was asked for (rounded up) and its big blocks;
 *  - a pointer into an arena never outlives its reset or done;
 *  - fallible allocations (the _try_ ones) return NULL at the ceiling or without memory; the others abort,
 * and are only for small counts that the program fixes;
 *  - ASan builds poison what is not handed out.
 * Not thread-safe: an arena belongs to one thread at a time.
 */
#pragma once

#include "base/str.h"

typedef struct sp_arena_block sp_arena_block;
typedef struct sp_arena_cleanup sp_arena_cleanup;

typedef struct sp_arena {
	sp_arena_block *blocks;     /* newest first; the newest small one is bumped */
	char *next, *end;           /* free room in it */
	sp_arena_cleanup *cleanups; /* newest first */
	size_t used_bytes, limit_bytes;
	bool secret; /* released memory is overwritten first */
} sp_arena;

/* No memory is taken before the first allocation. */
void sp_arena_init(sp_arena *a, size_t limit_bytes);
/* For keys and tokens: whatever was in it is overwritten before its memory is given back. */
void sp_arena_init_secret(sp_arena *a, size_t limit_bytes);

/* Runs the cleanups in reverse order and releases everything. The arena is then as after init (reset) or
 * undefined (done). */
void sp_arena_reset(sp_arena *a);
void sp_arena_done(sp_arena *a);
/* As reset, but one small block stays, cleared: for owners that are used again and again. */
void sp_arena_rewind(sp_arena *a);

void *sp_arena_alloc(sp_arena *a, size_t n_bytes) __attribute__((returns_nonnull));
void *sp_arena_try_alloc(sp_arena *a, size_t n_bytes) SP_MUST_USE;
/* NULL also when count * size overflows. */
void *sp_arena_try_array(sp_arena *a, size_t count, size_t size_bytes) SP_MUST_USE;

#define sp_new(a, T, n) ((T *)sp_arena_alloc((a), sizeof(T) * (n)))
#define sp_try_new(a, T, n) ((T *)sp_arena_try_array((a), (n), sizeof(T)))

/*
 * Grows the newest allocation in place when it can, else moves it. NULL on the ceiling, the old one stays
 * valid. Growing arrays double their capacity, so moves cost at most as much again as the final size.
 */
void *sp_arena_try_grow(sp_arena *a, void *old, size_t old_bytes, size_t new_bytes) SP_MUST_USE;

/* Runs fn(arg) at reset, newest first: for descriptors and references held by objects in the arena. False: no
 * memory. */
bool sp_arena_on_reset(sp_arena *a, void (*fn)(void *arg), void *arg) SP_MUST_USE;

/* Copies; the copy is also NUL-terminated. {NULL, 0} when there is no room (and the input was not empty). */
sp_str sp_arena_try_dup(sp_arena *a, sp_str s);
/* printf into the arena; a NUL follows the text. {NULL, 0} when there is no room. */
sp_str sp_arena_printf(sp_arena *a, const char *fmt, ...) SP_PRINTF(2, 3);
/* The parts in one piece, for the paths that every request takes: some 20 times cheaper than printf. A NUL
 * follows. {NULL, 0} when there is no room. */
sp_str sp_arena_concat(sp_arena *a, const sp_str *parts, size_t n);
#define SP_CONCAT(a, ...)                                   \
	sp_arena_concat((a), (const sp_str[]){__VA_ARGS__}, \
			sizeof((const sp_str[]){__VA_ARGS__}) / sizeof(sp_str))

/* The bytes handed out since init or reset. */
static inline size_t sp_arena_used(const sp_arena *a)
{
	return a->used_bytes;
}
