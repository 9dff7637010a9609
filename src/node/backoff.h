/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pauses that grow: 10 s, doubled up to 5 min, forgotten after twice the longest without a failure. U:
 * client-go util/flowcontrol/backoff.go, as kubelet uses it for containers and images.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NODE_BACKOFF_FIRST_NS UINT64_C(10000000000)
#define NODE_BACKOFF_MOST_NS UINT64_C(300000000000)

/* Zero: never failed. */
typedef struct node_backoff {
	uint64_t delay_ns;
	int64_t updated_ns; /* wall clock */
} node_backoff;

/* How long from `now_ns` on the next try has to wait, when the last one ended at `since_ns`; 0: not at all.
 */
uint64_t node_backoff_left(const node_backoff *b, int64_t since_ns, int64_t now_ns);
/* A try is made (or has failed) at `at_ns`: the next pause is longer. */
void node_backoff_next(node_backoff *b, int64_t at_ns, int64_t now_ns);
