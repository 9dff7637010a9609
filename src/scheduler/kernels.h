/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops over all node slots that every decision runs, written so that the compiler can vectorise them
 * (built with -O3). Slots beyond the feasible ones are computed too: that is cheaper than asking, and nobody
 * reads them.
 */
#pragma once

#include "base/defs.h"

/*
 * mask[i] is -1 for members and 0 for the others. `of` holds the words that the mask was made of last: only
 * what differs is done again. Both begin as zeroes; whole words are written, n is rounded up to 64.
 */
void sched_k_mask(int32_t *mask, uint64_t *of, const uint64_t *words, size_t n);

/* total[i] = base[i] + column[i] * weight; total may be base. */
void sched_k_add(int32_t *total, const int32_t *base, const int32_t *column, int32_t weight, size_t n);
/* The same of what a slot's domain has. `value` has n_domains + 1 elements; the last one is for slots without
 * a domain. */
void sched_k_add_gathered(int32_t *total, const int32_t *base, const uint32_t *domain, const int32_t *value,
			  uint32_t n_domains, int32_t weight, size_t n);

/* Largest and smallest of the masked values; INT32_MIN and INT32_MAX when there is none. */
int32_t sched_k_max(const int32_t *values, const int32_t *mask, size_t n);
int32_t sched_k_min(const int32_t *values, const int32_t *mask, size_t n);
void sched_k_range64(const int64_t *values, const int32_t *mask, size_t n, int64_t *ret_min,
		     int64_t *ret_max);

/* The best of the members among the 64 slots of one word, and how many have it. */
typedef struct sched_best {
	uint64_t of; /* the members it was found among */
	int32_t value;
	uint32_t ties; /* 0: it has to be found again */
} sched_best;
/* For every word that has members and whose best is not known. */
void sched_k_best(sched_best *best, const int32_t *values, const int32_t *mask, const uint64_t *words,
		  size_t n_words);
/* Of the members that have the best value of all the k-th, modulo how many they are. There is a member. */
uint32_t sched_k_pick(const sched_best *best, const int32_t *values, const uint64_t *words, size_t n_words,
		      uint64_t k);

/* out[i] += count[i] * weight; out[i] += soft[i] + hard[i] * weight. Sums have to fit. */
void sched_k_add_counts(int32_t *out, const uint32_t *count, int32_t weight, size_t n);
void sched_k_add_terms(int32_t *out, const int64_t *soft, const int32_t *hard, int32_t weight, size_t n);
/* out[i] = table[values[i] - min] where masked, table[0] elsewhere; out may be values. */
void sched_k_look_up(int32_t *out, const int32_t *values, const int32_t *mask, int32_t min,
		     const int32_t *table, size_t n);

/* sum[i] += value of the slot's domain; `value` has n_domains + 1 elements, as above. */
void sched_k_gather(int64_t *sum, const uint32_t *domain, const int64_t *value, uint32_t n_domains, size_t n);
void sched_k_gather_f64(double *sum, const uint32_t *domain, const double *value, uint32_t n_domains,
			size_t n);
