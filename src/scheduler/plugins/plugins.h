/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin is a row of functions; any may be NULL. Filters come in two forms that must agree: over all nodes
 * at once, for decisions, and for one node with an overlay, for dry runs and for saying why.
 */
#pragma once

#include "scheduler/cycle.h"
#include "scheduler/kernels.h"

/* Scores of one plugin, 0 to 100 over the feasible nodes: of each slot, of each domain of a topology (the
 * last element is for nodes without one), or the same for all. */
typedef struct sched_scores {
	const int32_t *slots;
	const sched_topology *topology;
	const int32_t *domains;
	int32_t uniform;
} sched_scores;

typedef struct sched_plugin {
	const char *name;
	/* SCHED_OK, SCHED_SKIP, a rejection (with reasons), or SCHED_FAILED. */
	sched_verdict (*prefilter)(sched_cycle *c, sched_status *why);
	/* Clears the bits of nodes that do not pass. */
	void (*filter)(sched_cycle *c, uint64_t *nodes);
	/* SCHED_OK, or the rejection with its reasons in *why. */
	sched_verdict (*filter_node)(sched_cycle *c, uint32_t slot, const sched_overlay *o,
				     sched_status *why);
	/* Optional: of each slot a number; nodes that the filter turns down and that have the same number get
	 * the same verdict for the same reasons. NULL: not known. */
	const int32_t *(*causes)(sched_cycle *c);
	/* A pod comes to the overlay's node or leaves it: what the plugin counts there. */
	void (*overlay)(sched_cycle *c, sched_overlay *o, const sched_pod *pod, int sign);
	/* False: nothing to score for this pod. */
	bool (*prescore)(sched_cycle *c);
	/*
	 * Normalised scores. `out` is of zeroes at first; c->one is room for scores of each slot, which may
	 * as well stand in a column. `raw` (may be NULL) gets what they were made of.
	 */
	void (*score)(sched_cycle *c, sched_scores *out, int64_t *raw);
	/* The scores are part of what totals begin with (fit.h): `score` tells them for detail only. */
	bool in_base;
} sched_plugin;

/* By sched_plugin_id. */
extern const sched_plugin *const sched_plugins[SCHED_PLUGINS_];

extern const sched_plugin sched_node_unschedulable, sched_node_name, sched_taint_toleration,
	sched_node_affinity, sched_node_ports, sched_node_resources_fit, sched_volume_restrictions,
	sched_node_volume_limits, sched_volume_binding, sched_volume_zone, sched_pod_topology_spread,
	sched_inter_pod_affinity, sched_dynamic_resources, sched_balanced_allocation, sched_image_locality,
	sched_node_declared_features, sched_scheduling_gates, sched_default_preemption;

#define SCHED_SCORE_MAX 100

/* 100 * raw / max over the feasible nodes (reversed: 100 - that), in place; all 0 (100) when max is 0. U:
 * plugins/helper/normalize_score.go. */
void sched_normalise(const sched_cycle *c, int32_t *raw, bool reverse, sched_scores *out);

/* The domain of a label key among a node's labels, without a topology. */
static inline const sp_str *sched_node_label(const sched_node *n, sp_str key)
{
	return sched_label(n->labels, n->n_labels, key);
}
