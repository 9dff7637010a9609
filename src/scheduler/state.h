/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the scheduler knows of a cluster: nodes as columns, pods on them, counters of the rules between pods.
 * It is changed object by object, as a watch delivers them; the simulator fills it from a snapshot. Decisions
 * (cycle.h) read it.
 *
 * Objects are v1 JSON whose fields have the schema's types. Text is copied. An object that cannot be read
 * leaves the state as it was (SP_EINVAL). Running out of memory half-way marks the state as broken: every
 * later change and decision fails with SP_ENOMEM, and the owner builds a new one.
 */
#pragma once

#include "base/time.h"
#include "scheduler/bits.h"
#include "scheduler/counters.h"

struct sched_pod {
	sp_str key; /* "namespace/name" */
	sp_str ns, name, uid;
	sched_spec *spec;
	sched_requests held;
	int64_t nonzero_cpu_milli, nonzero_memory;
	sched_amount *own_scalars; /* of held, when they are not the spec's */
	sp_str node_name;          /* it is bound or assumed there; empty: pending */
	sched_node *node;
	uint32_t place; /* in node->pods */
	sp_str nominated;
	uint32_t nominated_place; /* in the node's list, when `on_nominated` */
	bool on_nominated;
	sp_time start;
	bool has_start, terminating, preempted /* by a scheduler: condition DisruptionTarget */;
	char *node_name_text, *nominated_text; /* of an assumed pod, of a nomination made here */
	struct sched_history {
		uint64_t began_ns, first_ns; /* the attempt that placed it, its first one */
		uint32_t attempts;
		bool after_flush; /* nothing woke it for that attempt */
	} history;                /* of an assumed pod, for whoever measures */
};

typedef struct sched_used_port {
	const sched_port *port;
	uint32_t n;
} sched_used_port;

typedef struct sched_image {
	sp_str name;
	int64_t size_bytes;
	uint32_t *slots; /* of the nodes that have it */
	uint32_t n, cap;
} sched_image;

typedef struct sched_taint_class {
	sp_str key;
	sp_arena arena;
	uint32_t id, refs;
	const sched_taint *taints;
	size_t n_taints;
} sched_taint_class;

/* The parts of a node that are not columns. */
struct sched_node {
	sp_str name;
	bool exists;    /* the object is there; else only pods that name it are */
	uint32_t slot;  /* while it exists */
	sp_arena arena; /* of what the object says; name is its own */
	const sp_label *labels;
	size_t n_labels;
	sched_taint_class *taints;
	const sp_str *features; /* status.declaredFeatures, sorted */
	size_t n_features;
	sched_image **images;
	size_t n_images;
	sched_pod **pods;
	uint32_t n_pods, cap_pods;
	sched_pod **nominated; /* pending pods that hold a nomination here */
	uint32_t n_nominated, cap_nominated;
	sched_used_port *ports;
	uint32_t n_ports, cap_ports;
};

/* One value per node slot; free slots hold zeroes and are not in `present`. */
typedef struct sched_table {
	uint32_t n, cap; /* slots in use are below n */
	uint32_t n_present;
	uint64_t *present, *unschedulable, *has_nominated;
	int64_t *alloc_cpu, *alloc_memory, *alloc_ephemeral, *alloc_pods;
	int64_t *used_cpu, *used_memory, *used_ephemeral;
	int64_t *nonzero_cpu, *nonzero_memory;
	uint32_t *n_pods, *taint_class;
	sched_node **nodes;
	int64_t **alloc_scalar, **used_scalar; /* [resource][slot] */
} sched_table;

#define SCHED_LOG_LEN 8192u
/* The slots that changed lately: what was derived from them is renewed slot by slot. */
typedef struct sched_change_log {
	uint64_t seq; /* changes so far; change i stands at i % SCHED_LOG_LEN */
	uint32_t slots[SCHED_LOG_LEN];
} sched_change_log;

typedef struct sched_budget {
	sp_str key, ns;
	sp_arena arena;
	sp_selector selector;
	int64_t allowed;
	const sp_str *disrupted; /* names of pods, sorted */
	size_t n_disrupted;
} sched_budget;

/* A Service, ReplicaSet, StatefulSet or ReplicationController: where default spreading finds its selector. */
typedef struct sched_source {
	sp_str key, ns, name;
	sp_arena arena;
	bool has_selector;
	sp_selector selector;
} sched_source;

typedef enum sched_source_kind {
	SCHED_SERVICE,
	SCHED_REPLICA_SET,
	SCHED_STATEFUL_SET,
	SCHED_REPLICATION_CONTROLLER,
	SCHED_SOURCE_KINDS_
} sched_source_kind;

struct sched_state {
	bool broken;
	sched_table t;
	uint32_t *free_slots;
	uint32_t n_free;
	sched_change_log usage, objects; /* pods on a node / the node object */
	sp_map node_by_name, pod_by_key;
	sp_map namespaces, pod_classes, groups, carried, topologies, specs;
	sp_map resources, images, taint_classes;
	sp_str *resource_names;
	uint32_t n_resources, cap_resources;
	sched_taint_class **taint_class_by_id;
	uint32_t n_taint_classes, cap_taint_classes; /* numbers below n; freed ones are NULL */
	uint64_t n_soft_taints;                      /* nodes with a PreferNoSchedule taint */
	uint32_t n_with_taints;
	uint32_t n_nominated_nodes;
	sp_map budgets;
	uint64_t budgets_revision; /* goes up with every change of them */
	sp_map sources[SCHED_SOURCE_KINDS_];
	uint64_t sources_revision;
	sp_map columns; /* columns.h */
	struct sched_column *columns_oldest, *columns_newest;
	uint32_t n_columns;
	struct sched_volumes *volumes; /* plugins/volumes.h */
	sp_buf key;                    /* scratch: what a spec is looked up by */
};

sched_state *sched_state_new(void) SP_MUST_USE; /* NULL: no memory */
void sched_state_free(sched_state *st);

/* Adds or replaces. */
sp_code sched_put_node(sched_state *st, yyjson_val *object, sp_err *err) SP_MUST_USE;
void sched_remove_node(sched_state *st, sp_str name);
sp_code sched_put_namespace(sched_state *st, yyjson_val *object, sp_err *err) SP_MUST_USE;
sp_code sched_remove_namespace(sched_state *st, sp_str name) SP_MUST_USE;
sp_code sched_put_budget(sched_state *st, yyjson_val *object, sp_err *err) SP_MUST_USE;
void sched_remove_budget(sched_state *st, sp_str ns, sp_str name);
sp_code sched_put_source(sched_state *st, sched_source_kind kind, yyjson_val *object,
			 sp_err *err) SP_MUST_USE;
void sched_remove_source(sched_state *st, sched_source_kind kind, sp_str ns, sp_str name);

/*
 * Pods. make reads one, which then belongs to the caller until put; put gives it to the state, which replaces
 * the pod of the same key: a bound one takes its place on its node, a pending one with a nomination holds
 * room there.
 */
sp_code sched_pod_make(sched_state *st, yyjson_val *object, sched_pod **ret, sp_err *err) SP_MUST_USE;
void sched_pod_free(sched_state *st, sched_pod *pod);
sp_code sched_put_pod(sched_state *st, sched_pod *pod) SP_MUST_USE;
void sched_remove_pod(sched_state *st, sp_str key);
/* NULL: unknown. */
sched_pod *sched_find_pod(const sched_state *st, sp_str key);
/* A pending pod of the state is taken to be on a node, until a put of the same key says where it is, or
 * forget. */
sp_code sched_assume(sched_state *st, sched_pod *pod, sp_str node) SP_MUST_USE;
void sched_forget(sched_state *st, sched_pod *pod);
/* It is on its node by our word only. */
static inline bool sched_is_assumed(const sched_pod *pod)
{
	return pod->node_name_text != NULL;
}
/* The node a pending pod of the state holds room on; "" for none. */
sp_code sched_nominate(sched_state *st, sched_pod *pod, sp_str node) SP_MUST_USE;

sched_node *sched_find_node(const sched_state *st, sp_str name);

/* The number of a resource's name. SP_ETOOLARGE: over 4096 names. */
sp_code sched_state_resource(sched_state *st, sp_str name, uint32_t *ret, sp_err *err) SP_MUST_USE;

static inline size_t sched_words(const sched_state *st)
{
	return SCHED_WORDS(st->t.n);
}
