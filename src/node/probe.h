/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the results of a probe become a verdict: thresholds of equal results in a row. A pure machine. U:
 * kubernetes pkg/kubelet/prober/worker.go doProbe.
 */
#pragma once

#include "node/actions.h"

typedef struct node_probe_spec {
	uint64_t initial_delay_ns, period_ns, timeout_ns;
	uint32_t successes, failures; /* thresholds */
} node_probe_spec;

/* From a probe of the API, with upstream's defaults where it lacks them. */
node_probe_spec node_probe_spec_of(yyjson_val *probe);

typedef struct node_probe_state {
	node_verdict verdict; /* what holds */
	node_verdict last;    /* the last result */
	uint32_t run;         /* equal results in a row */
} node_probe_state;

/* Before the first result: alive, not ready, starting. */
void node_probe_begin(node_probe_state *s, node_probe_kind kind);
/* A result (SUCCESS or FAILURE; errors of the prober are not results). True: the verdict changed. */
bool node_probe_result(node_probe_state *s, const node_probe_spec *spec, node_verdict result);
