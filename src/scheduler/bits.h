/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of node slots as words of 64 bits. */
#pragma once

#include "base/defs.h"

#define SCHED_WORDS(n) (((size_t)(n) + 63) / 64)

static inline bool sched_bit(const uint64_t *words, uint32_t i)
{
	return (words[i / 64] >> (i % 64) & 1) != 0;
}
static inline void sched_bit_set(uint64_t *words, uint32_t i)
{
	words[i / 64] |= UINT64_C(1) << (i % 64);
}
static inline void sched_bit_clear(uint64_t *words, uint32_t i)
{
	words[i / 64] &= ~(UINT64_C(1) << (i % 64));
}
static inline void sched_bit_put(uint64_t *words, uint32_t i, bool on)
{
	if (on)
		sched_bit_set(words, i);
	else
		sched_bit_clear(words, i);
}
static inline size_t sched_bits_count(const uint64_t *words, size_t n_words)
{
	size_t n = 0;
	for (size_t w = 0; w < n_words; w++)
		n += (size_t)__builtin_popcountll(words[w]);
	return n;
}

/* Each slot of the set in ascending order; the set may lose the current one in the body. */
#define SCHED_BITS_EACH(slot_, words_, n_words_)                                        \
	for (size_t slot_##_w_ = 0; slot_##_w_ < (n_words_); slot_##_w_++)              \
		for (uint64_t slot_##_left_ = (words_)[slot_##_w_]; slot_##_left_ != 0; \
		     slot_##_left_ &= slot_##_left_ - 1)                                \
			for (uint32_t slot_ = (uint32_t)(slot_##_w_ * 64) +             \
					      (uint32_t)__builtin_ctzll(slot_##_left_), \
				      slot_##_once_ = 1;                                \
			     slot_##_once_ != 0; slot_##_once_ = 0)
