/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/kernels.h"

#include <string.h>

void sched_k_mask(int32_t *mask, const uint64_t *words, size_t n)
{
	for (size_t w = 0; w * 64 < n; w++) {
		size_t end = SP_MIN((size_t)64, n - w * 64);
		uint64_t bits = words[w];
		if (bits == 0 || bits == UINT64_MAX) {
			memset(&mask[w * 64], bits == 0 ? 0 : 0xff, end * sizeof *mask);
			continue;
		}
		for (size_t i = 0; i < end; i++)
			mask[w * 64 + i] = -(int32_t)(bits >> i & 1);
	}
}

void sched_k_add(int32_t *restrict total, const int32_t *restrict column, int32_t weight, size_t n)
{
	for (size_t i = 0; i < n; i++)
		total[i] += column[i] * weight;
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

size_t sched_k_count(const int32_t *values, const int32_t *mask, int32_t v, size_t n)
{
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		count += (size_t)((values[i] == v) & (mask[i] != 0));
	return count;
}

size_t sched_k_find(const int32_t *values, const int32_t *mask, int32_t v, size_t n, size_t k)
{
	for (size_t from = 0; from < n; from += 256) {
		size_t block = SP_MIN((size_t)256, n - from),
		       count = sched_k_count(values + from, mask + from, v, block);
		if (count <= k) {
			k -= count;
			continue;
		}
		for (size_t i = from;; i++) {
			if (values[i] == v && mask[i] != 0 && k-- == 0)
				return i;
		}
	}
	return n;
}

void sched_k_clear(uint64_t *words, const uint32_t *domain, const uint8_t *bad, uint32_t n_domains, size_t n)
{
	for (size_t w = 0; w * 64 < n; w++) {
		size_t end = SP_MIN((size_t)64, n - w * 64);
		uint64_t marked = 0;
		if (words[w] == 0)
			continue;
		for (size_t i = 0; i < end; i++) {
			uint32_t d = domain[w * 64 + i];
			d = d < n_domains ? d : n_domains;
			marked |= (uint64_t)(bad[d] & 1) << i;
		}
		words[w] &= ~marked;
	}
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
