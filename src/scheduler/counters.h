/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many placed pods match a selector, on each node and in each topology domain, kept up to date with every
 * pod that comes, goes or changes: what inter-pod affinity and topology spread are decided from. Nothing is
 * counted that no pod asks for, so that clusters without such rules pay nothing.
 *
 *  - A pod class is a namespace and a set of labels. Selectors are matched against classes, not pods.
 *  - A group is a conjunction of matchers: its counters tell where the pods are that match all of them.
 * Incoming pods ask groups.
 *  - A carried term belongs to placed pods: its counters tell in which domains pods carry it, by role. Its
 * matcher is held against the incoming pod's class.
 *  - A topology is a label key of nodes; its domains are numbered. The number of an absent label is
 * SCHED_NO_DOMAIN.
 *
 * Upstream rebuilds these maps for every pod: interpodaffinity/filtering.go, podtopologyspread/filtering.go.
 */
#pragma once

#include "base/map.h"
#include "scheduler/spec.h"

#define SCHED_NO_DOMAIN UINT32_MAX
#define SCHED_DOMAIN_SETS 32u

typedef struct sched_namespace {
	sp_str name;
	bool exists; /* an object of that name was seen */
	sp_arena arena;
	const sp_label *labels;
	size_t n_labels;
	uint32_t n_classes;
} sched_namespace;

typedef struct sched_topology {
	sp_str key;
	bool hostname;
	uint32_t refs;
	uint32_t *domain;   /* of each node slot */
	uint64_t *placed;   /* the slots that have one */
	uint32_t n_domains; /* numbers in use are below this */
	uint32_t cap;
	uint32_t n_live; /* domains that have nodes */
	/* Of each domain the slots it has, while there are few domains. */
	uint64_t *sets[SCHED_DOMAIN_SETS];
	uint32_t n_displaced; /* slots whose domain has another number than they; see sched_is_straight */
	uint32_t *n_nodes;    /* of each domain; 0: the number is free */
	sp_str *values;       /* of each domain */
	sp_map by_value;      /* number + 1 */
	uint32_t *free;       /* numbers to use again */
	uint32_t n_free;
} sched_topology;

typedef struct sched_topo_count {
	sched_topology *topology;
	uint32_t *count; /* of each domain */
	uint64_t *any;   /* the domains whose count is not 0 */
	uint64_t total;
} sched_topo_count;

struct sched_group {
	sp_arena arena;
	sp_str key;
	uint32_t refs;
	const sched_matcher *matchers;
	size_t n_matchers;
	bool skip_terminating;
	uint32_t *node_count; /* of each node slot */
	sched_topo_count *topos;
	size_t n_topos;
};

struct sched_carried {
	sp_arena arena;
	sp_str key;
	uint32_t refs;
	sched_matcher matcher;
	sched_topology *topology;
	/* Of each domain: pods with it as required anti-affinity, as required affinity; sum of preferred
	 * weights. */
	int32_t *anti, *affinity;
	int64_t *soft;
	uint64_t *any_anti;                  /* the domains with such a pod */
	int64_t soft_weight;                 /* of all pods' preferred terms counted, without sign */
	uint32_t n_anti, n_affinity, n_soft; /* pods' terms counted, in all domains */
};

struct sched_pod_class {
	sp_str key;
	sp_arena arena;
	uint32_t refs;
	sched_namespace *ns;
	const sp_label *labels;
	size_t n_labels;
	sched_group **groups;    /* that its pods belong to */
	sched_carried **carried; /* that mean its pods */
	uint32_t n_groups, cap_groups, n_carried, cap_carried;
	bool mark; /* scratch of group making */
};

typedef struct sched_pod sched_pod;

/* The class of a namespace and labels; one reference is the caller's. */
sp_code sched_class_get(sched_state *st, sp_str ns, yyjson_val *labels, sched_pod_class **ret,
			sp_err *err) SP_MUST_USE;
void sched_class_unref(sched_state *st, sched_pod_class *pc);

/* A term as the incoming pod's against a class: upstream unrolls the namespace selector over the namespaces
 * that exist, and also holds it against no labels at all. */
bool sched_matches_placed(const sched_matcher *m, const sched_pod_class *pc);
/* A placed pod's term against the incoming pod's class: a namespace without an object has no labels. */
bool sched_matches_incoming(const sched_matcher *m, const sched_pod_class *pc);

/*
 * The group of a conjunction, from the table or counted once over all placed pods; one reference is the
 * caller's. SP_ENOMEM.
 */
sp_code sched_group_get(sched_state *st, const sched_matcher *const *matchers, size_t n,
			bool skip_terminating, sched_group **ret) SP_MUST_USE;
void sched_group_unref(sched_state *st, sched_group *g);
/* A topology held beside groups. */
sp_code sched_topology_get(sched_state *st, sp_str key, sched_topology **ret) SP_MUST_USE;
void sched_topology_unref(sched_state *st, sched_topology *t);

/* Its counters over a topology, which it holds on to from then on. */
sp_code sched_group_topology(sched_state *st, sched_group *g, sp_str key, sched_topology **ret) SP_MUST_USE;
/* Every domain is one node and has its slot's number, as host names have: what is counted by domain can be
 * read by slot. A slot without a domain reads what no pod counts for. */
static inline bool sched_is_straight(const sched_topology *t)
{
	return t->n_displaced == 0;
}
/* The slots of each domain stand in t->sets. */
static inline bool sched_has_sets(const sched_topology *t)
{
	return t->n_domains <= SCHED_DOMAIN_SETS;
}

/*
 * Leaves of `nodes` those whose domain is among `domains` (bits by number), or with `out` those whose is not.
 * Nodes without the label stay with `out` only.
 */
void sched_topology_filter(const sched_topology *t, uint64_t *nodes, size_t n_words, const uint64_t *domains,
			   bool out);

/* Of a topology that has sets: the domains of these nodes, as bits; bit n_domains stands for nodes without
 * one.
 */
uint64_t sched_domains_seen(const sched_topology *t, const uint64_t *nodes, size_t n_words);

/* NULL: not asked for before. */
const sched_topo_count *sched_group_count(const sched_group *g, const sched_topology *t);

sp_code sched_carried_get(sched_state *st, const sched_matcher *m, sp_str topology_key,
			  sched_carried **ret) SP_MUST_USE;
void sched_carried_unref(sched_state *st, sched_carried *c);

/* A pod appears on (+1) or leaves (-1) a node slot. */
void sched_count_pod(const sched_pod *pod, uint32_t slot, int sign);

/* The labels of a namespace have changed (or it came or went): classes and counters follow. */
sp_code sched_namespace_changed(sched_state *st, sched_namespace *ns) SP_MUST_USE;
/* Makes the entry when there is none. */
sp_code sched_namespace_get(sched_state *st, sp_str name, sched_namespace **ret) SP_MUST_USE;

/* The domain of a slot in every topology after the node's labels were set; in none of them any more. */
sp_code sched_topologies_place(sched_state *st, uint32_t slot, const sp_label *labels,
			       size_t n_labels) SP_MUST_USE;
void sched_topologies_leave(sched_state *st, uint32_t slot);
/* More node slots. */
sp_code sched_counters_grow(sched_state *st, uint32_t old_cap, uint32_t new_cap) SP_MUST_USE;
