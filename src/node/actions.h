/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to do next with a pod's sandbox and containers: a pure function of the pod, of what the runtime has
 * and of the probes' verdicts. U: kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go
 * computePodActions, kuberuntime_container.go computeInitContainerActions.
 */
#pragma once

#include "node/pod.h"
#include "node/seen.h"

typedef enum node_verdict {
	NODE_VERDICT_NONE,
	NODE_VERDICT_SUCCESS,
	NODE_VERDICT_FAILURE,
	NODE_VERDICT_UNKNOWN
} node_verdict;
typedef enum node_probe_kind {
	NODE_PROBE_STARTUP,
	NODE_PROBE_LIVENESS,
	NODE_PROBE_READINESS,
	NODE_PROBE_COUNT_
} node_probe_kind;

/* The probes' verdicts about a container of the runtime; NODE_VERDICT_NONE: nothing known. */
typedef struct node_verdicts {
	node_verdict (*of)(void *arg, node_probe_kind kind, sp_str container_id);
	void *arg;
} node_verdicts;

/* Why a container is killed; the words are labels of metrics and pick the grace of a probe. */
typedef enum node_kill_reason {
	NODE_KILL_OTHER,
	NODE_KILL_LIVENESS,
	NODE_KILL_STARTUP,
	NODE_KILL_UNKNOWN,
	NODE_KILL_RESET, /* the whole pod begins anew: without grace */
} node_kill_reason;

typedef struct node_kill {
	const node_seen_container *seen;
	const node_container *container;
	sp_str message; /* of the event Killing */
	node_kill_reason reason;
} node_kill;

typedef struct node_actions {
	bool kill_pod;       /* everything of it, then the sandbox */
	bool create_sandbox; /* after that */
	uint32_t attempt;    /* of the new sandbox */
	sp_str sandbox_id;   /* to use, without create_sandbox */
	/* To start, in this order; ephemeral ones first. */
	const node_container **starts;
	size_t n_starts;
	node_kill *kills;
	size_t n_kills;
	/* Running ones that get what is granted now, without a restart; those that lose come first. */
	const node_seen_container **resizes;
	size_t n_resizes;
} node_actions;

/* Everything in the arena. SP_ENOMEM at its ceiling. `verdicts` may be NULL: nothing known. */
sp_code node_compute_actions(const node_pod *p, const node_seen *seen, const node_verdicts *verdicts,
			     sp_arena *a, node_actions *ret, sp_err *err) SP_MUST_USE;

/* Whether the runtime's newest container of that name, or its absence, calls for a start. U:
 * ShouldContainerBeRestarted. */
bool node_should_start(const node_pod *p, const node_seen *seen, const node_container *c);
/* Whether the pod needs another sandbox than the newest one, and its number. *ret_id: the one to go on with.
 */
bool node_sandbox_changed(const node_pod *p, const node_seen *seen, uint32_t *ret_attempt, sp_str *ret_id);
