/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast pods may be driven from nodes that fail: by zone, slower or not at all when so many nodes of a
 * zone fail that the fault may be elsewhere, and never when none of the whole cluster is ready. Without a
 * server or a clock of its own. U: kubernetes pkg/controller/nodelifecycle/node_lifecycle_controller.go
 * handleDisruption.
 */
#pragma once

#include "base/map.h"
#include "controllers/controller.h"

typedef enum node_zone_state { NODE_ZONE_NORMAL, NODE_ZONE_PARTIAL, NODE_ZONE_FULL } node_zone_state;

typedef struct node_zone {
	size_t n_ready, n_unready;
	node_zone_state state;
	uint64_t next_ns; /* of the next turn */
	uint32_t epoch;   /* turns given before the state changed count no more */
	bool is_new_rate;
	size_t key_len;
	char key[];
} node_zone;

typedef struct node_zones {
	sp_map zones; /* they stay */
	const node_zone_limits *limits;
	bool all_are_full; /* no node is ready anywhere, and there is one */
} node_zones;

/* Of a node; zero at first. */
typedef struct node_place {
	node_zone *zone;
	bool counts, is_ready, has_turn;
	uint32_t epoch;
	uint64_t turn_ns;
} node_place;

/* NULL: upstream's. They stay. */
void node_zones_init(node_zones *z, const node_zone_limits *limits);
void node_zones_done(node_zones *z);

/* What is known of a node now; `counts`: it is not left out of the reckoning. *ret_changed: a state did, so
 * that all nodes are to be looked at. SP_ENOMEM changes nothing. */
sp_code node_zones_note(node_zones *z, node_place *p, sp_str key, bool counts, bool is_ready,
			bool *ret_changed) SP_MUST_USE;
/* The node is gone; true: a state changed. */
bool node_zones_forget(node_zones *z, node_place *p);

/* Whether pods may be driven from it now. *ret_wait_ns: when its turn is; 0: not before a state changes. */
bool node_zones_may_evict(const node_zones *z, node_place *p, uint64_t now_ns, uint64_t *ret_wait_ns);
