/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only callers of malloc. Two families: sp_alloc for small sizes that the program fixes (out of memory
 * aborts with a message: the supervisor restarts us), and sp_try_alloc for sizes that input influences (NULL,
 * answered with SP_ENOMEM). Both return zeroed memory; both are released by sp_free.
 */
#pragma once

#include "base/defs.h"

void *sp_alloc(size_t n_bytes) __attribute__((malloc, returns_nonnull));
void *sp_try_alloc(size_t n_bytes) SP_MUST_USE __attribute__((malloc));

/* Grows or shrinks; the bytes above old_bytes are zeroed. On NULL the old block is untouched. */
void *sp_try_realloc(void *p, size_t old_bytes, size_t new_bytes) SP_MUST_USE;

/* free(NULL) is a no-op. */
void sp_free(void *p);

/* sp_alloc of one T. */
#define SP_NEW(T) ((T *)sp_alloc(sizeof(T)))

/*
 * Allocation faults for tests: the n-th fallible allocation from now on (0 is the next one) fails, once.
 * A negative n switches faults off. sp_alloc_fault_hit tells whether it happened since it was armed.
 */
void sp_alloc_fault_arm(int64_t n);
bool sp_alloc_fault_hit(void);
/* True when the armed fault strikes here. Arenas and other fallible allocators ask it, once per attempt. */
bool sp_alloc_fault_strike(void);

/* Blocks handed out by this file and not yet freed. Tests compare it before and after. */
int64_t sp_alloc_live(void);
