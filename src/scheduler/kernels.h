/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops over all node slots that every decision runs, written so that the compiler can vectorise them
 * (built with -O3). Slots beyond the feasible ones are computed too: that is cheaper than asking, and nobody
 * reads them.
 */
#pragma once

#include "base/defs.h"

/* mask[i] is -1 for members and 0 for the others. */
void sched_k_mask(int32_t *mask, const uint64_t *words, size_t n);

/* total[i] += column[i] * weight. */
void sched_k_add(int32_t *total, const int32_t *column, int32_t weight, size_t n);

/* Largest and smallest of the masked values; INT32_MIN and INT32_MAX when there is none. */
int32_t sched_k_max(const int32_t *values, const int32_t *mask, size_t n);
int32_t sched_k_min(const int32_t *values, const int32_t *mask, size_t n);
void sched_k_range64(const int64_t *values, const int32_t *mask, size_t n, int64_t *ret_min,
		     int64_t *ret_max);

/* How many masked values equal v. */
size_t sched_k_count(const int32_t *values, const int32_t *mask, int32_t v, size_t n);
/* The k-th of them, counted from 0; n when there are not as many. */
size_t sched_k_find(const int32_t *values, const int32_t *mask, int32_t v, size_t n, size_t k);

/*
 * Clears the bits of slots whose domain is marked. `bad` has n_domains + 1 elements; the last one is for
 * slots without a domain.
 */
void sched_k_clear(uint64_t *words, const uint32_t *domain, const uint8_t *bad, uint32_t n_domains, size_t n);

/* sum[i] += value of the slot's domain; `value` has n_domains + 1 elements, as above. */
void sched_k_gather(int64_t *sum, const uint32_t *domain, const int64_t *value, uint32_t n_domains, size_t n);
void sched_k_gather_f64(double *sum, const uint32_t *domain, const double *value, uint32_t n_domains,
			size_t n);
