/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nodes and containers used up to two instants, so that a rate can be told. One set holds a round of
 * scrapes; the points before are taken from the set before. Pure. U: metrics-server
 * pkg/storage/{node,pod,types}.go.
 */
#pragma once

#include "base/arena.h"
#include "base/map.h"

#define USAGE_SET_BYTES_MAX ((size_t)128 << 20)
#define USAGE_RESOLUTION_NS INT64_C(15000000000) /* between rounds */

typedef struct usage_point {
	int64_t started_ns, at_ns; /* since the epoch */
	uint64_t cpu_ns, memory_bytes;
} usage_point;

typedef struct usage_pair {
	usage_point last, before;
	bool has_before;
} usage_pair;

typedef struct usage_container {
	struct usage_container *next;
	sp_str name;
	usage_pair pair;
} usage_container;

typedef struct usage_pod {
	sp_str key; /* "namespace/name" */
	size_t round;
	bool is_whole;               /* everything that counts was said of each of its containers */
	usage_container *containers; /* in the order they were told of */
	struct usage_pod *next;      /* of its node */
} usage_pod;

typedef struct usage_set {
	sp_arena arena;
	sp_map pods, nodes; /* by key, by name */
	size_t n_added;
} usage_set;

void usage_set_init(usage_set *s);
void usage_set_done(usage_set *s);

/*
 * Adds what a node's kubelet said at `now_ns` (for lines without a time). `before` is the set of the round
 * before, or NULL. SP_EINVAL: it can't be read, SP_ENOMEM, SP_ETOOLARGE: nothing of that node is in the set.
 */
sp_code usage_set_add(usage_set *s, sp_str node, sp_str text, int64_t now_ns, const usage_set *before,
		      sp_err *err) SP_MUST_USE;

/* How a rate is told. False: there is none, or the numbers went backwards. */
typedef struct usage_rate {
	uint64_t nano_cores, memory_bytes;
	int64_t at_ns, window_ns;
} usage_rate;
bool usage_rate_of(const usage_pair *p, usage_rate *ret);

/* NULL: nothing is known of it. */
const usage_pair *usage_set_node(const usage_set *s, sp_str name);
/* NULL also when some container has but one point. */
const usage_pod *usage_set_pod(const usage_set *s, sp_str key);
