/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status of a pod as the agent reports it: container statuses, phase and conditions, a pure function of
 * the pod, of what the runtime has, of the probes' verdicts and of why starts failed. U: kubernetes
 * pkg/kubelet/kubelet_pods.go generateAPIPodStatus, getPhase, convertToAPIContainerStatuses;
 * pkg/kubelet/status/generate.go.
 */
#pragma once

#include "node/actions.h"

/* Why the last try to start a container failed: what it waits for. Empty reason: it did not fail. */
typedef struct node_wait {
	sp_str reason, message;
} node_wait;

/* How a container ended, or NULL members of its state. */
typedef struct node_ended {
	int32_t exit_code;
	sp_str reason, message, container_id; /* the id with its scheme */
	int64_t started_ns, finished_ns;      /* 0: null */
	int32_t signal;
} node_ended;

typedef struct node_container_status {
	const node_container *container;
	sp_str image, image_id, container_id;
	uint32_t restarts;
	bool ready, started, has_started;
	enum { NODE_IS_WAITING, NODE_IS_RUNNING, NODE_IS_TERMINATED } is;
	node_wait waiting;
	int64_t running_since_ns;
	node_ended ended;
	bool has_last;
	node_ended last;
	const int64_t *groups;
	size_t n_groups;
	bool has_user;
	int64_t uid, gid;
	bool has_resources; /* the runtime has it: with its resources as granted, but for those in force … */
	/* … where they differ; empty: they don't */
	sp_str cpu_request, cpu_limit, memory_request, memory_limit;
} node_container_status;

typedef struct node_condition {
	sp_str type, reason, message;
	bool is_true;
	int64_t generation; /* of the pod that it is about; 0: the present one */
} node_condition;

#define NODE_CONDITIONS_MAX 10u

/* The reason of containers that were removed because the pod begins anew. U: RestartingAllContainers. */
#define NODE_RESETTING SP_STR("RestartingAllContainers")
/* That of containers that ran and are nowhere. U: ContainerReasonStatusUnknown. */
#define NODE_LOST SP_STR("ContainerStatusUnknown")

/* What the messages of all containers of a pod that ended may have together. U:
 * MaxPodTerminationMessageLogLength. */
#define NODE_LAST_WORDS_BYTES ((size_t)12 << 10)

/* A change of resources that waits, or is being carried out. */
typedef struct node_resize_state {
	bool is_set;
	sp_str reason, message;
	int64_t generation;
} node_resize_state;

typedef struct node_status {
	sp_str phase, reason, message;
	/* What is told of it: as long as something of the pod may run it does not end. U: mergePodStatus. */
	sp_str told_phase, told_reason, told_message;
	node_container_status *containers; /* in the pod's order */
	node_condition conditions[NODE_CONDITIONS_MAX];
	size_t n_conditions;
	const sp_str *ips, *host_ips;
	size_t n_ips, n_host_ips;
	sp_str qos;
} node_status;

/* Everything status depends on beside the pod. */
typedef struct node_status_input {
	const node_pod *pod;
	const node_seen *seen;
	const node_verdicts *verdicts; /* NULL: none */
	/* The last failure to start that container; may be NULL. */
	node_wait (*wait_of)(void *arg, const node_container *c);
	/* Which life of that container began because the pod began anew; 0: none. May be NULL. */
	uint32_t (*anew_of)(void *arg, const node_container *c);
	void *arg;
	sp_str runtime; /* "containerd": the scheme of container ids */
	const sp_str *host_ips;
	size_t n_host_ips;
	node_resize_state resize_pending, resize_in_progress;
	bool is_terminal;    /* the pod has been stopped for good */
	sp_str forced_phase; /* "Failed" by rejection, deadline or eviction, with what follows; empty: as
				computed */
	sp_str reason, message;
	bool may_run;      /* something of the pod */
	bool is_resetting; /* all of its containers begin anew: those that are gone were removed for that */
	bool is_rejected;  /* nothing of it ever ran here: little is told */
	sp_str disruption; /* by the node, when it has ended: what a condition says; empty: none */
} node_status_input;

/* Everything in the arena, or in the inputs. SP_ENOMEM. */
sp_code node_status_make(const node_status_input *in, sp_arena *a, node_status *ret, sp_err *err) SP_MUST_USE;

/*
 * Appends the status as JSON. Times of conditions are kept from the pod's status in the API where nothing
 * changed and are `now_ns` (wall) otherwise; conditions of others are kept; startTime is kept or now.
 */
sp_code node_status_json(sp_buf *out, const node_status_input *in, const node_status *s, int64_t now_ns,
			 sp_err *err) SP_MUST_USE;

/* The phase that the containers' statuses give, without looking at older ones. U: getPhase. */
sp_str node_phase_of(const node_pod *p, const node_container_status *all, bool is_terminal);
