/* SPDX-License-Identifier: Apache-2.0 */
/* Several calls of a runtime at once, and one end when all have answered. */
#pragma once

#include "base/arena.h"
#include "contracts/cri.h"

typedef struct node_batch node_batch;

typedef struct node_batch_item {
	sp_cri_call call;
	node_batch *batch;
	sp_cri_method method;
	int32_t status;
	sp_str message;       /* in the arena */
	const void *response; /* in the arena; NULL: failed */
} node_batch_item;

/* In place until done or cancel; the arena, too. */
struct node_batch {
	sp_cri *cri;
	sp_arena *arena; /* answers are copied there */
	node_batch_item *items;
	size_t n, cap, n_left;
	void (*done)(node_batch *b); /* from the loop, once; the batch may be used again */
	void *arg;
};

/* Room for that many calls. SP_ENOMEM. */
sp_code node_batch_init(node_batch *b, sp_cri *cri, sp_arena *a, size_t cap, void (*done)(node_batch *b),
			void *arg, sp_err *err) SP_MUST_USE;
/* Begins one; timeout_ns 0: none. */
void node_batch_add(node_batch *b, sp_cri_method method, const void *request, uint64_t timeout_ns);
/* No done any more. Harmless on an empty one. */
void node_batch_cancel(node_batch *b);
/* The first one that failed, NULL when all went well. */
const node_batch_item *node_batch_failed(const node_batch *b);

/* A copy of a message in the arena, NULL without room. */
const void *node_message_copy(sp_arena *a, const sp_pb_message *m, const void *from);
