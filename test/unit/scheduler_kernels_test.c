/* SPDX-License-Identifier: Apache-2.0 */
/* The loops over all slots against the plainest way to say the same, on random numbers. */
#include "lib/t.h"
#include "scheduler/bits.h"
#include "scheduler/kernels.h"

#define WORDS 5u
#define N (WORDS * 64u)

typedef struct numbers {
	int32_t values[N], mask[N];
	uint64_t words[WORDS], of[WORDS];
	sched_best best[WORDS];
} numbers;

static void draw_words(numbers *x)
{
	for (size_t w = 0; w < WORDS; w++) {
		uint64_t kinds[] = {0, UINT64_MAX, t_random(), UINT64_C(1) << t_random_below(64)};
		x->words[w] = kinds[t_random_below(4)];
	}
	x->words[t_random_below(WORDS)] |= 1;
}

static bool mask_is_right(numbers *x)
{
	sched_k_mask(x->mask, x->of, x->words, N);
	for (uint32_t i = 0; i < N; i++) {
		if (x->mask[i] != (sched_bit(x->words, i) ? -1 : 0))
			return false;
	}
	return true;
}

static uint32_t plain_pick(const numbers *x, uint64_t k)
{
	int32_t max = INT32_MIN;
	uint32_t ties[N], n = 0;
	for (uint32_t i = 0; i < N; i++)
		max = sched_bit(x->words, i) && x->values[i] > max ? x->values[i] : max;
	for (uint32_t i = 0; i < N; i++) {
		if (sched_bit(x->words, i) && x->values[i] == max)
			ties[n++] = i;
	}
	return ties[k % n];
}

static uint32_t pick(numbers *x, uint64_t k)
{
	sched_k_best(x->best, x->values, x->mask, x->words, WORDS);
	return sched_k_pick(x->best, x->values, x->words, WORDS, k);
}

SP_TEST(scheduler_kernels, the_best_of_words_that_change)
{
	numbers *x = sp_new(T_ARENA, numbers, 1);
	for (size_t i = 0; i < N; i++)
		x->values[i] = (int32_t)t_random_below(3) - 1;
	for (int round = 0; round < 300; round++) {
		uint64_t k = t_random();
		draw_words(x);
		T_TRUE(mask_is_right(x));
		T_EQ_U64(pick(x, k), plain_pick(x, k));
		/* One slot changes, as a pod's coming changes it. */
		size_t slot = t_random_below(N);
		x->values[slot] = (int32_t)t_random_below(4) - 1;
		x->best[slot / 64].ties = 0;
		T_EQ_U64(pick(x, k), plain_pick(x, k));
	}
}

SP_TEST(scheduler_kernels, least_values_can_be_the_best)
{
	numbers *x = sp_new(T_ARENA, numbers, 1);
	x->words[1] = 6;
	x->values[65] = x->values[66] = INT32_MIN;
	T_TRUE(mask_is_right(x));
	T_EQ_U64(pick(x, 0), 65);
	T_EQ_U64(pick(x, 3), 66);
}

SP_TEST(scheduler_kernels, sums_by_slot_and_by_domain)
{
	static const uint32_t domain[] = {1, UINT32_MAX, 0, 1};
	static const int32_t by_domain[] = {10, 20, -1}, column[] = {1, 2, 3, 4};
	static const uint32_t count[] = {0, 1, 2, 3};
	static const int64_t soft[] = {-5, 0, 5, 7};
	static const int32_t want[] = {42, 2, 26, 48};
	int32_t total[4], sum[4] = {0};
	sched_k_add(total, column, column, 1, 4);
	sched_k_add_gathered(total, total, domain, by_domain, 2, 2, 4);
	for (size_t i = 0; i < 4; i++)
		T_EQ_I64(total[i], want[i]);
	sched_k_add_counts(sum, count, 3, 4);
	sched_k_add_terms(sum, soft, column, 100, 4);
	T_EQ_I64(sum[0], 95);
	T_EQ_I64(sum[1], 203);
	T_EQ_I64(sum[2], 311);
	T_EQ_I64(sum[3], 416);
}

SP_TEST(scheduler_kernels, look_up_reads_nothing_for_others)
{
	static const int32_t mask[] = {-1, 0, -1}, table[] = {7, 8, 9};
	int32_t values[] = {12, 1000000, 10};
	sched_k_look_up(values, values, mask, 10, table, 3);
	T_EQ_I64(values[0], 9);
	T_EQ_I64(values[1], 7);
	T_EQ_I64(values[2], 7);
}
