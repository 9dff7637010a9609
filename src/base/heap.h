/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sp_heap: intrusive binary min-heap of nodes. Order is (key, seq): equal keys leave in the order they came,
 * so that timers and queues behave the same in every run. A node knows its place, so removal is O(log n).
 */
#pragma once

#include "base/err.h"

typedef struct sp_heap_node {
	uint64_t key, seq;
	size_t place; /* index + 1; 0 = in no heap */
} sp_heap_node;

typedef struct sp_heap {
	sp_heap_node **nodes;
	size_t n, cap;
	uint64_t next_seq;
} sp_heap;

void sp_heap_init(sp_heap *h);
/* Releases the array; nodes left in it are marked as in no heap. */
void sp_heap_done(sp_heap *h);

/* The node is in no heap. SP_ENOMEM leaves it so. */
sp_code sp_heap_push(sp_heap *h, sp_heap_node *node, uint64_t key) SP_MUST_USE;
/* The smallest, still in the heap, or NULL. */
sp_heap_node *sp_heap_peek(const sp_heap *h);
/* The smallest, taken out, or NULL. */
sp_heap_node *sp_heap_pop(sp_heap *h);
/* Takes the node out; harmless when it is in none. */
void sp_heap_remove(sp_heap *h, sp_heap_node *node);
