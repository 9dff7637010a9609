/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the runtime has of one pod: the other half of every decision. Made from CRI answers (node_seen_add_…),
 * sorted, and then read only. Texts are the caller's.
 */
#pragma once

#include "contracts/cri_container.h"
#include "node/resources.h"

typedef enum node_state { NODE_CREATED, NODE_RUNNING, NODE_EXITED, NODE_UNKNOWN } node_state;

typedef struct node_seen_container {
	sp_str id, sandbox_id, name, image, image_ref, image_id, reason, message, log_path;
	node_state state;
	int64_t created_ns, started_ns, finished_ns; /* wall clock; 0: unset */
	int32_t exit_code;
	uint32_t attempt, restarts; /* restarts: by our annotation */
	uint64_t hash;              /* by our annotation; 0: not ours */
	bool has_hash;
	int64_t user_uid, user_gid;
	const int64_t *groups; /* supplementary ones */
	size_t n_groups;
	bool has_user;
	/* As the runtime reports them now; 0: it does not. It knows nothing of requests for memory. */
	node_amounts reported;
	/* What was last made so, by what the agent remembers. */
	node_amounts actuated;
	bool has_actuated;
	sp_str message_file; /* on the host: where it leaves its last words; empty: nowhere */
	bool falls_back_to_logs;
} node_seen_container;

typedef struct node_seen_sandbox {
	sp_str id;
	bool ready, host_network;
	uint32_t attempt;
	int64_t created_ns;
	const sp_str *ips; /* the primary one first */
	size_t n_ips;
} node_seen_sandbox;

typedef struct node_seen {
	node_seen_container *containers; /* newest first */
	size_t n_containers, cap_containers;
	node_seen_sandbox *sandboxes; /* newest first */
	size_t n_sandboxes, cap_sandboxes;
} node_seen;

/* Annotations and labels that the agent puts on what it makes, as kubelet does. */
#define NODE_LABEL_POD_NAME "io.kubernetes.pod.name"
#define NODE_LABEL_POD_NAMESPACE "io.kubernetes.pod.namespace"
#define NODE_LABEL_POD_UID "io.kubernetes.pod.uid"
#define NODE_LABEL_CONTAINER "io.kubernetes.container.name"
#define NODE_NOTE_HASH "io.kubernetes.container.hash"
#define NODE_NOTE_RESTARTS "io.kubernetes.container.restartCount"
#define NODE_NOTE_MESSAGE_PATH "io.kubernetes.container.terminationMessagePath"
#define NODE_NOTE_MESSAGE_POLICY "io.kubernetes.container.terminationMessagePolicy"
#define NODE_NOTE_GRACE "io.kubernetes.pod.terminationGracePeriod"
#define NODE_NOTE_DELETION_GRACE "io.kubernetes.pod.deletionGracePeriod"
#define NODE_NOTE_PORTS "io.kubernetes.container.ports"
#define NODE_NOTE_PRE_STOP "io.kubernetes.container.preStopHandler"

/* The value of a label or annotation, {NULL, 0} when absent. */
sp_str node_pair_get(const sp_pb_pair *at, size_t n, const char *key);

/* Add a status; memory from the arena, texts are not copied. SP_ENOMEM at its ceiling. */
sp_code node_seen_add_container(node_seen *s, sp_arena *a, const sp_cri_container_status *c,
				sp_str sandbox_id, sp_err *err) SP_MUST_USE;
sp_code node_seen_add_sandbox(node_seen *s, sp_arena *a, const sp_cri_pod_sandbox_status *b,
			      sp_err *err) SP_MUST_USE;
/* After the last one was added. */
void node_seen_sort(node_seen *s);

/* The newest container of that name, NULL when there is none. */
const node_seen_container *node_seen_newest(const node_seen *s, sp_str name);
/* The newest sandbox, NULL when there is none. */
static inline const node_seen_sandbox *node_seen_sandbox_now(const node_seen *s)
{
	return s->n_sandboxes == 0 ? NULL : &s->sandboxes[0];
}
bool node_seen_any_running(const node_seen *s);
