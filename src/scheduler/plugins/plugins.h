/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin is a row of functions; any may be NULL. Filters come in two forms that must agree: over all nodes
 * at once, for decisions, and for one node with an overlay, for dry runs and for saying why.
 */
#pragma once

#include "scheduler/cycle.h"
#include "scheduler/kernels.h"

typedef struct sched_plugin {
	const char *name;
	/* SCHED_OK, SCHED_SKIP, a rejection (with reasons), or SCHED_FAILED. */
	sched_verdict (*prefilter)(sched_cycle *c, sched_status *why);
	/* Clears the bits of nodes that do not pass. */
	void (*filter)(sched_cycle *c, uint64_t *nodes);
	/* SCHED_OK, or the rejection with its reasons in *why. */
	sched_verdict (*filter_node)(sched_cycle *c, uint32_t slot, const sched_overlay *o,
				     sched_status *why);
	/* A pod comes to the overlay's node or leaves it: what the plugin counts there. */
	void (*overlay)(sched_cycle *c, sched_overlay *o, const sched_pod *pod, int sign);
	/* False: nothing to score for this pod. */
	bool (*prescore)(sched_cycle *c);
	/*
	 * Scores of each slot, normalised to 0..100 over the feasible nodes: `out`, or a column of its own.
	 * NULL: they do not differ, *uniform is what each node gets. `raw` (may be NULL) gets what they were
	 * made of.
	 */
	const int32_t *(*score)(sched_cycle *c, int32_t *out, int32_t *uniform, int64_t *raw);
} sched_plugin;

/* By sched_plugin_id. */
extern const sched_plugin *const sched_plugins[SCHED_PLUGINS_];

extern const sched_plugin sched_node_unschedulable, sched_node_name, sched_taint_toleration,
	sched_node_affinity, sched_node_ports, sched_node_resources_fit, sched_volume_restrictions,
	sched_node_volume_limits, sched_volume_binding, sched_volume_zone, sched_pod_topology_spread,
	sched_inter_pod_affinity, sched_dynamic_resources, sched_balanced_allocation, sched_image_locality,
	sched_node_declared_features, sched_scheduling_gates, sched_default_preemption;

#define SCHED_SCORE_MAX 100

/* out = 100 * raw / max over the feasible nodes (reversed: 100 - that); all 0 (100) when max is 0. Returns as
 * score does. U: plugins/helper/normalize_score.go. */
const int32_t *sched_normalise(const sched_cycle *c, const int32_t *raw, bool reverse, int32_t *out,
			       int32_t *uniform);

/* The domain of a label key among a node's labels, without a topology. */
static inline const sp_str *sched_node_label(const sched_node *n, sp_str key)
{
	return sched_label(n->labels, n->n_labels, key);
}
