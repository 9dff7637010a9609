/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods and what a runtime has of them as short text, for tables of tests.
 *
 * A pod: "restart=Never; init a; sidecar b startup; main c readiness; main d; debug e", with words after a
 * name: startup, liveness, readiness (it has that probe), cpu=200m (its limit), cpu-restarts (a change of it
 * starts the container anew), policy=Never (its own restart policy), rule=42 (with a policy: it restarts on
 * that code). "deleted", "host" (hostNetwork), "phase=X" stand alone.
 *
 * The runtime: "box; a run; b exit=1; c unknown; d created; a exit=0 old", later in the text is newer; "box",
 * "box=2" (attempt), "deadbox", "bareless" (ready without an address); after a name "changed" (other hash),
 * "restarts=2", "has=100" (the CPU limit that was carried out, thousandths), and verdicts "startup=ok",
 * "liveness=bad", "readiness=ok".
 */
#pragma once

#include "node/status.h"

typedef struct node_text {
	node_pod *pod;
	node_seen seen;
	node_verdicts verdicts;
	struct {
		sp_str id;
		node_verdict of[NODE_PROBE_COUNT_];
	} known[16];
	size_t n_known;
} node_text;

/* In the test's arena; the pod is freed when the test ends. */
sp_code node_text_pod(const char *text, node_pod **ret, sp_err *err) SP_MUST_USE;
sp_code node_text_make(const char *pod, const char *seen, node_text *ret, sp_err *err) SP_MUST_USE;
