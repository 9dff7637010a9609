/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that keep counters. */
#pragma once

#include "base/alloc.h"
#include "scheduler/state.h"

sp_code sched_topologies_grow(sched_state *st, uint32_t old_cap, uint32_t new_cap) SP_MUST_USE;

/* Frees an entry that nobody needs any more. */
void sched_namespace_tidy(sched_state *st, sched_namespace *ns);

/* A copy of its own, which ends with a NUL. */
sp_code sched_str_dup(sp_str s, sp_str *ret) SP_MUST_USE;
static inline void *sched_str_unconst(sp_str s)
{
	return (void *)(uintptr_t)s.ptr;
}

/* More elements of an array; the new ones are zero. */
#define sched_grow_array(array_, old_, new_)                                                               \
	({                                                                                                 \
		void *grown_ =                                                                             \
			sp_try_realloc(*(array_), sizeof **(array_) * (old_), sizeof **(array_) * (new_)); \
		if (grown_ != NULL)                                                                        \
			*(array_) = grown_;                                                                \
		grown_ != NULL;                                                                            \
	})

/* The same of an array of pointers. */
#define sched_grow_pointers(array_, old_, new_)                                                             \
	({                                                                                                  \
		void *grown_ = sp_try_realloc(*(array_), sizeof(void *) * (old_), sizeof(void *) * (new_)); \
		if (grown_ != NULL)                                                                         \
			*(array_) = grown_;                                                                 \
		grown_ != NULL;                                                                             \
	})

/* One more element at the end of a vector of pointers. False: no memory. */
#define sched_push(array_, n_, cap_, item_)                                        \
	({                                                                         \
		bool ok_ = true;                                                   \
		if (*(n_) == *(cap_)) {                                            \
			ok_ = sched_grow_pointers(array_, *(cap_), *(cap_)*2 + 4); \
			*(cap_) = ok_ ? *(cap_)*2 + 4 : *(cap_);                   \
		}                                                                  \
		if (ok_)                                                           \
			(*(array_))[(*(n_))++] = (item_);                          \
		ok_;                                                               \
	})
