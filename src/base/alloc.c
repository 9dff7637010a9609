/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Atomic int64_t live_blocks;
static _Atomic int64_t fault_countdown = -1;
static _Atomic bool fault_hit;

void sp_alloc_fault_arm(int64_t n)
{
	atomic_store(&fault_hit, false);
	atomic_store(&fault_countdown, n);
}

bool sp_alloc_fault_hit(void)
{
	return atomic_load(&fault_hit);
}

bool sp_alloc_fault_strike(void)
{
	if (SP_LIKELY(atomic_load_explicit(&fault_countdown, memory_order_relaxed) < 0))
		return false;
	if (atomic_fetch_sub(&fault_countdown, 1) != 0)
		return false;
	atomic_store(&fault_hit, true);
	return true;
}

int64_t sp_alloc_live(void)
{
	return atomic_load(&live_blocks);
}

void *sp_alloc(size_t n_bytes)
{
	void *p = calloc(1, n_bytes == 0 ? 1 : n_bytes);
	if (p == NULL) {
		(void)fprintf(stderr, "out of memory: %zu bytes\n", n_bytes); /* dying anyway */
		abort();
	}
	atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
	return p;
}

void *sp_try_alloc(size_t n_bytes)
{
	if (sp_alloc_fault_strike())
		return NULL;
	void *p = calloc(1, n_bytes == 0 ? 1 : n_bytes);
	if (p != NULL)
		atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
	return p;
}

void *sp_try_realloc(void *p, size_t old_bytes, size_t new_bytes)
{
	if (p == NULL)
		return sp_try_alloc(new_bytes);
	if (sp_alloc_fault_strike())
		return NULL;
	char *q = realloc(p, new_bytes == 0 ? 1 : new_bytes);
	if (q != NULL && new_bytes > old_bytes)
		memset(q + old_bytes, 0, new_bytes - old_bytes);
	return q;
}

void sp_free(void *p)
{
	if (p == NULL)
		return;
	atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
	free(p);
}
