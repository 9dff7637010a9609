/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One decision: which nodes a pod may go to, how good each is, and when there is none, what preemption would
 * do. Nothing is changed but caches. U: pkg/scheduler/schedule_one.go.
 */
#pragma once

#include "scheduler/profile.h"
#include "scheduler/state.h"

typedef enum sched_verdict {
	SCHED_OK,
	SCHED_UNSCHEDULABLE, /* removing pods may help */
	SCHED_UNRESOLVABLE,  /* it does not */
	SCHED_SKIP,          /* prefilter and prescore: nothing to do for this pod */
	SCHED_FAILED,        /* no memory: see the cycle's code */
} sched_verdict;

#define SCHED_REASONS_MAX 24u

/* Why a pod or a node was turned down. */
typedef struct sched_status {
	sched_verdict verdict;
	uint8_t plugin; /* sched_plugin_id, or SCHED_NO_PLUGIN */
	uint8_t n_reasons;
	sp_str reasons[SCHED_REASONS_MAX]; /* constant, or in the cycle's arena */
} sched_status;

/* What one node would hold after pods left it or came to it: dry runs and nominated pods. */
typedef struct sched_overlay {
	uint32_t slot;
	bool any;
	int64_t cpu, memory, ephemeral, pods;
	int64_t *scalars; /* of each resource */
	struct sched_port_change {
		const sched_port *port;
		int by;
	} * ports;
	size_t n_ports, cap_ports;
	struct sched_disk_change {
		const sched_pod *pod;
		int by;
	} * disk_pods;
	size_t n_disk_pods, cap_disk_pods;
	/* Inter-pod affinity: pods in the conjunction; each incoming anti term; each carried term of the
	 * class. */
	int64_t affinity, *anti, *carried;
	int64_t *spread; /* each hard constraint */
	int64_t claims;  /* uses of claims that only one pod may use */
} sched_overlay;

/* What a plugin worked out for this pod. */
typedef struct sched_fit_state {
	struct sched_column *column;
} sched_fit_state;

typedef struct sched_spread_one {
	const sched_spread *c;
	const sched_group *group; /* NULL: the selector selects everything, which counts nothing */
	const sched_topology *topology;
	bool self;           /* the pod counts itself */
	int32_t *count;      /* of each domain; -1: no eligible node in it */
	uint32_t n_existing; /* domains that have one */
	int32_t min, second; /* smallest count, and the smallest of the other domains */
	uint32_t min_domain;
} sched_spread_one;

typedef struct sched_spread_state {
	sched_spread_one *items;
	size_t n;
	uint64_t *has_keys; /* nodes with every topology key */
	bool require_all;
} sched_spread_state;

typedef struct sched_affinity_state {
	const sched_topo_count **affinity, **anti, **soft; /* of each term */
	bool self;                                         /* the pod matches all of its own affinity terms */
} sched_affinity_state;

typedef struct sched_cycle {
	sched_state *st;
	const sched_profile *profile;
	const sched_pod *pod;
	sched_spec *spec;
	sp_arena arena; /* of this decision */
	sp_code code;   /* SP_OK, or why it could not be made */
	bool detail;    /* keep raw scores */

	bool skip_filter[SCHED_PLUGINS_], skip_score[SCHED_PLUGINS_];
	uint8_t filters[SCHED_PLUGINS_]; /* that look at nodes, in order */
	size_t n_filters;
	sched_status preenqueue, prefilter; /* verdict SCHED_OK: passed */
	bool has_name_set;
	uint64_t *name_set;
	size_t n_words, n_feasible;
	bool *looked_at_nominated; /* NULL, or slots whose filters ran with nominated pods */
	uint32_t nominated_slot;   /* the pod's own nominated node, when it fits; else SCHED_NO_DOMAIN */
	uint32_t tried_slot;       /* the same when it does not: it was looked at before any node set */

	sched_fit_state fit;
	sched_spread_state hard, weak;
	sched_affinity_state affinity;
	struct sched_column *need;
	uint8_t *taint_blocked; /* of each taint class */
	int32_t *taint_soft;
	struct sched_volume_state *volumes;
	const struct sched_diagnosis *diagnosis; /* of sched_cycle_diagnose */

	/* Of each slot; kept from decision to decision and grown with the table. */
	uint32_t cap;
	uint64_t *feasible, *scratch_bits;
	uint64_t *masked;        /* the words that mask was made of */
	const int32_t *total;    /* the sum, without `uniform` */
	struct sched_best *best; /* of each word of it */
	int32_t *own_total, *one, *mask;
	struct sched_best *own_best;
	int64_t *sums;
	double *reals;
	struct sched_dry_memo *dry_memo; /* of preemption (dry_runs.h); NULL until one was wanted */
	int64_t uniform;                 /* what every feasible node got beside `total` */
	int32_t *score[SCHED_PLUGINS_];  /* detail: weighted, in the arena */
	int64_t *raw[SCHED_PLUGINS_];    /* detail, in the arena */
} sched_cycle;

/* The cycle's memory may be used again and again: init once, then begin and run per pod. */
void sched_cycle_init(sched_cycle *c, sched_state *st, const sched_profile *profile);
void sched_cycle_done(sched_cycle *c);

/*
 * Decides one pod up to the scores. SP_OK also when it fits nowhere: n_feasible is 0, and preenqueue,
 * prefilter or sched_cycle_status say why. With `score_always` scores are computed even for a single feasible
 * node and for one chosen by nomination. SP_ENOMEM; SP_EINVAL for a pod whose rules cannot be counted.
 */
sp_code sched_cycle_run(sched_cycle *c, const sched_pod *pod, bool score_always) SP_MUST_USE;

/* Why a node that is not feasible was turned down; *ret is valid until the next run. */
void sched_cycle_status(sched_cycle *c, uint32_t slot, sched_status *ret);

/* A node with the best total; `chance` chooses among equals. SCHED_NO_DOMAIN: none is feasible. */
uint32_t sched_cycle_pick(const sched_cycle *c, uint64_t chance);

/* Why each node was turned down, found out once for a decision that found none. */
typedef struct sched_diagnosis {
	uint8_t *verdict;          /* of each slot: sched_verdict */
	uint32_t rejectors;        /* bits of sched_plugin_id */
	struct sched_tally *tally; /* how many nodes say what (message.h) */
} sched_diagnosis;
/* Lives in the cycle's arena. NULL: no room. */
const sched_diagnosis *sched_cycle_diagnose(sched_cycle *c);

/* "0/4 nodes are available: …" without what comes after it from preemption. {NULL, 0}: no room. */
sp_str sched_cycle_message(sched_cycle *c);

/* All filters on one node as it would be with an overlay (may be NULL), nominated pods considered or not. */
void sched_cycle_filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *ret);
void sched_cycle_filter_nominated(sched_cycle *c, uint32_t slot, sched_overlay *o, sched_status *ret);

/* An overlay in the cycle's arena; NULL: no room. */
sched_overlay *sched_overlay_new(sched_cycle *c, uint32_t slot) SP_MUST_USE;
/* A pod comes to it (+1) or leaves it (-1). False: no room. */
bool sched_overlay_pod(sched_cycle *c, sched_overlay *o, const sched_pod *pod, int sign) SP_MUST_USE;

/* A list of the cycle's arena with room for one more element, which may have moved. NULL: no room. */
void *sched_room(sp_arena *a, void *list, size_t n, size_t *cap, size_t size) SP_MUST_USE;

/* Adds a reason; the text is constant or in the cycle's arena. */
static inline void sched_reason(sched_status *s, sched_verdict v, sched_plugin_id plugin, sp_str reason)
{
	s->verdict = v;
	s->plugin = (uint8_t)plugin;
	if (s->n_reasons < SCHED_REASONS_MAX)
		s->reasons[s->n_reasons++] = reason;
}
