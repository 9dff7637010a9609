/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the node runs short of something and which pod pays for it: pure functions of what was observed. U:
 * kubernetes pkg/kubelet/eviction/{eviction_manager,helpers}.go, pkg/kubelet/eviction/api/types.go.
 */
#pragma once

#include "base/quantity.h"
#include "node/resources.h"

#define NODE_THRESHOLDS_MAX 32u

typedef enum node_signal {
	NODE_SIGNAL_MEMORY,
	NODE_SIGNAL_NODEFS,
	NODE_SIGNAL_NODEFS_INODES,
	NODE_SIGNAL_IMAGEFS,
	NODE_SIGNAL_IMAGEFS_INODES,
	NODE_SIGNAL_PIDS,
	NODE_SIGNAL_COUNT_
} node_signal;

typedef enum node_pressure {
	NODE_PRESSURE_MEMORY,
	NODE_PRESSURE_DISK,
	NODE_PRESSURE_PID,
	NODE_PRESSURE_COUNT_
} node_pressure;

/* "memory.available" …, "MemoryPressure" …, "ephemeral-storage" … */
sp_str node_signal_name(node_signal s);
sp_str node_pressure_name(node_pressure p);
sp_str node_signal_resource(node_signal s);

/* ---- configuration ---- */

/* A quantity, or a part of the capacity. */
typedef struct node_level {
	bool is_part;
	float part; /* of 1; a float, as upstream has it: the bytes it makes are told */
	sp_qty quantity;
} node_level;

typedef struct node_threshold {
	node_signal signal;
	node_level value, reclaim; /* reclaim: beyond the value, before all is well again */
	bool has_reclaim;
	int64_t grace_ns; /* 0: a hard one */
} node_threshold;

typedef struct node_eviction {
	node_threshold at[NODE_THRESHOLDS_MAX];
	size_t n;
	int64_t max_grace_s;   /* that pods get at a soft threshold */
	int64_t transition_ns; /* that a condition stays after it was seen last */
} node_eviction;

/* Kubelet's settings in the form of its flags: "memory.available<100Mi,nodefs.available<10%",
 * "memory.available=1m30s", "memory.available=0Mi". */
typedef struct node_eviction_texts {
	sp_str hard, soft, soft_grace, reclaim;
} node_eviction_texts;

/* What kubelet does unless it is told otherwise. U: DefaultEvictionHard. */
#define NODE_EVICTION_HARD                                                                                \
	"imagefs.available<15%,imagefs.inodesFree<5%,memory.available<100Mi,nodefs.available<10%,nodefs." \
	"inodesFree<5%"

/* Fills the thresholds only. containerfs.* and allocatableMemory.available are taken and do nothing: the
 * first follow the other file systems, the second needs a cgroup of all pods that is limited. SP_EINVAL with
 * upstream's words, SP_ETOOLARGE. */
sp_code node_eviction_parse(const node_eviction_texts *t, node_eviction *ret, sp_err *err) SP_MUST_USE;

/* The level in whole units; INT64_MAX at most. */
int64_t node_level_value(const node_level *l, int64_t capacity);
/* What the hard thresholds keep of a capacity: nobody may count on it. */
int64_t node_eviction_kept(const node_eviction *e, node_signal s, int64_t capacity);

/* ---- what was observed ---- */

typedef struct node_observation {
	bool is_known;
	int64_t available, capacity;
} node_observation;

typedef struct node_observations {
	node_observation of[NODE_SIGNAL_COUNT_];
	bool dedicated_imagefs; /* images are on another file system than pods' directories */
} node_observations;

/* From step to step. Times are monotonic and not 0; 0: never. */
typedef struct node_pressures {
	uint64_t first_ns[NODE_THRESHOLDS_MAX]; /* since when each is met */
	bool met[NODE_THRESHOLDS_MAX];          /* for longer than its grace, and not resolved since */
	uint64_t seen_ns[NODE_PRESSURE_COUNT_];
	bool is_on[NODE_PRESSURE_COUNT_]; /* the conditions of the node */
} node_pressures;

/* After each look. Sets what is met and the conditions; true: something is to be reclaimed, the threshold is
 * *ret (memory goes first). */
bool node_pressures_step(node_pressures *p, const node_eviction *e, const node_observations *o,
			 uint64_t now_ns, const node_threshold **ret);
/* Whether any threshold is met with what it is to reclaim, whatever its grace. */
bool node_pressures_any_met(const node_eviction *e, const node_observations *o);

/* Static pods, their mirrors and system priorities: never evicted, always let in. U: IsCriticalPod. */
bool node_pod_is_critical(const node_pod *p);

/* Whether a new pod may run under these conditions; if not, the message is appended. U: managerImpl.Admit. */
bool node_pressures_admit(const node_pressures *p, const node_pod *pod, sp_buf *message);

/* ---- pods ---- */

typedef struct node_amount_of {
	bool is_known;
	int64_t bytes, inodes;
} node_amount_of;

typedef struct node_container_use {
	sp_str name;
	int64_t memory; /* working set; -1: unknown */
	node_amount_of rootfs, logs;
} node_container_use;

typedef struct node_volume_use {
	sp_str name;
	node_amount_of use;
} node_volume_use;

/* Larger goes first; `priority` the other way round. */
typedef struct node_weight {
	int64_t exceeds, priority, over;
} node_weight;

typedef struct node_pod_use {
	const node_pod *pod;
	bool is_known;     /* the runtime told something of it */
	int64_t memory;    /* -1: as its containers */
	int64_t processes; /* 0: unknown */
	node_container_use *containers;
	size_t n_containers;
	node_volume_use *volumes; /* of the disk, and local: emptyDir, config maps */
	size_t n_volumes;
	node_weight weight; /* node_rank's */
	void *owner;
} node_pod_use;

/* Whether a limit of local storage is set that somebody has to watch. */
bool node_pod_limits_storage(const node_pod *p);

/* The pod's local storage is over a limit: the message is appended, and the name of the limit, as metrics
 * have it, is returned. {NULL, 0}: it is not. U: localStorageEviction. */
sp_str node_storage_over(const node_pod_use *u, bool dedicated_imagefs, sp_buf *message);

/* Those to be evicted first come first. U: rankMemoryPressure, rankPIDPressure, rankDiskPressureFunc. */
void node_rank(node_pod_use *at, size_t n, node_signal s, bool dedicated_imagefs);

/* Why this pod is evicted, and the annotations of the event that says so, as a JSON object; empty when
 * nothing is known of what it uses. U: evictionMessage. */
void node_evict_message(const node_pod_use *u, const node_eviction *e, const node_pressures *p,
			const node_observations *o, node_signal s, sp_buf *out, sp_buf *ret_annotations);
