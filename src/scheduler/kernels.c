/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/kernels.h"

#include <string.h>

void sched_k_mask(int32_t *mask, uint64_t *of, const uint64_t *words, size_t n)
{
	for (size_t w = 0; w * 64 < n; w++) {
		uint64_t bits = words[w];
		if (bits == of[w])
			continue;
		of[w] = bits;
		for (size_t i = 0; i < 64; i++)
			mask[w * 64 + i] = -(int32_t)(bits >> i & 1);
	}
}

void sched_k_add(int32_t *total, const int32_t *base, const int32_t *column, int32_t weight, size_t n)
{
	SP_IVDEP
	for (size_t i = 0; i < n; i++)
		total[i] = base[i] + column[i] * weight;
}

void sched_k_add_gathered(int32_t *total, const int32_t *base, const uint32_t *domain, const int32_t *value,
			  uint32_t n_domains, int32_t weight, size_t n)
{
	SP_IVDEP
	for (size_t i = 0; i < n; i++) {
		uint32_t d = domain[i] < n_domains ? domain[i] : n_domains;
		total[i] = base[i] + value[d] * weight;
	}
}

int32_t sched_k_max(const int32_t *values, const int32_t *mask, size_t n)
{
	int32_t max = INT32_MIN;
	for (size_t i = 0; i < n; i++) {
		int32_t v = (values[i] & mask[i]) | (~mask[i] & INT32_MIN);
		max = v > max ? v : max;
	}
	return max;
}

int32_t sched_k_min(const int32_t *values, const int32_t *mask, size_t n)
{
	int32_t min = INT32_MAX;
	for (size_t i = 0; i < n; i++) {
		int32_t v = (values[i] & mask[i]) | (~mask[i] & INT32_MAX);
		min = v < min ? v : min;
	}
	return min;
}

void sched_k_range64(const int64_t *values, const int32_t *mask, size_t n, int64_t *ret_min, int64_t *ret_max)
{
	int64_t min = INT64_MAX, max = INT64_MIN;
	for (size_t i = 0; i < n; i++) {
		if (mask[i] == 0)
			continue;
		min = values[i] < min ? values[i] : min;
		max = values[i] > max ? values[i] : max;
	}
	*ret_min = min;
	*ret_max = max;
}

static void best_of(sched_best *b, const int32_t *values, const int32_t *mask)
{
	int32_t max = INT32_MIN;
	uint32_t ties = 0;
	for (size_t i = 0; i < 64; i++) {
		int32_t v = (values[i] & mask[i]) | (~mask[i] & INT32_MIN);
		max = v > max ? v : max;
	}
	for (size_t i = 0; i < 64; i++)
		ties += (uint32_t)(values[i] == max) & (uint32_t)mask[i];
	b->value = max;
	b->ties = ties;
}

void sched_k_best(sched_best *best, const int32_t *values, const int32_t *mask, const uint64_t *words,
		  size_t n_words)
{
	for (size_t w = 0; w < n_words; w++) {
		if (words[w] == 0 || (best[w].of == words[w] && best[w].ties > 0))
			continue;
		best_of(&best[w], &values[w * 64], &mask[w * 64]);
		best[w].of = words[w];
	}
}

/* The k-th member of the word with the value. */
static uint32_t pick_in_word(const int32_t *values, uint64_t members, int32_t value, uint64_t k)
{
	for (;; members &= members - 1) {
		uint32_t i = (uint32_t)__builtin_ctzll(members);
		if (values[i] == value && k-- == 0)
			return i;
	}
}

uint32_t sched_k_pick(const sched_best *best, const int32_t *values, const uint64_t *words, size_t n_words,
		      uint64_t k)
{
	int32_t max = INT32_MIN;
	uint64_t ties = 0;
	for (size_t w = 0; w < n_words; w++)
		max = words[w] != 0 && best[w].value > max ? best[w].value : max;
	for (size_t w = 0; w < n_words; w++)
		ties += words[w] != 0 && best[w].value == max ? best[w].ties : 0;
	SP_ASSERT(ties > 0);
	k %= ties;
	for (size_t w = 0;; w++) {
		if (words[w] == 0 || best[w].value != max)
			continue;
		if (k < best[w].ties)
			return (uint32_t)(w * 64) + pick_in_word(&values[w * 64], words[w], max, k);
		k -= best[w].ties;
	}
}

void sched_k_add_counts(int32_t *restrict out, const uint32_t *restrict count, int32_t weight, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] += (int32_t)count[i] * weight;
}

void sched_k_add_terms(int32_t *restrict out, const int64_t *restrict soft, const int32_t *restrict hard,
		       int32_t weight, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] += (int32_t)soft[i] + hard[i] * weight;
}

void sched_k_look_up(int32_t *out, const int32_t *values, const int32_t *mask, int32_t min,
		     const int32_t *table, size_t n)
{
	SP_IVDEP
	for (size_t i = 0; i < n; i++)
		out[i] = table[(values[i] - min) & mask[i]];
}

void sched_k_gather(int64_t *restrict sum, const uint32_t *restrict domain, const int64_t *restrict value,
		    uint32_t n_domains, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t d = domain[i] < n_domains ? domain[i] : n_domains;
		sum[i] += value[d];
	}
}

void sched_k_gather_f64(double *restrict sum, const uint32_t *restrict domain, const double *restrict value,
			uint32_t n_domains, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t d = domain[i] < n_domains ? domain[i] : n_domains;
		sum[i] += value[d];
	}
}
