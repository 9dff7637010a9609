/* SPDX-License-Identifier: Apache-2.0 */
/* /stats/summary: what the node, its pods and their containers use, as JSON. Pure functions. U: kubernetes
 * pkg/kubelet/server/stats/summary.go, pkg/kubelet/stats/cri_stats_provider.go. */
#pragma once

#include "contracts/cri.h"
#include "node/images.h"
#include "node/metrics.h"

/* One line of /proc/net/dev. */
typedef struct node_interface {
	sp_str name; /* of the text that was read */
	uint64_t rx_bytes, rx_errors, tx_bytes, tx_errors;
} node_interface;

/* The interfaces in the text of /proc/net/dev but the loopback and the ends of pods' pairs; at most `max`.
 * Lines that can't be read are left out. */
size_t node_interfaces_read(sp_str text, node_interface *ret, size_t max);

/* The rate between two looks at a counter that only grows. */
typedef struct node_rate {
	int64_t at_ns;
	uint64_t cpu_ns, nano_cores;
	bool has_rate;
} node_rate;

/* A look that comes less than a second after the one before changes nothing. */
void node_rate_add(node_rate *r, int64_t at_ns, uint64_t cpu_ns);

/* Lists that are NULL were not to be had; without statistics of sandboxes a pod uses what its containers use.
 */
typedef struct node_summary_input {
	sp_str node_name;
	const node_use *node;
	const node_rate *rate;
	const node_interface *interfaces;
	size_t n_interfaces;
	const node_disk *root, *images; /* NULL: unknown */
	const uint64_t *image_bytes;    /* NULL: unknown */
	const sp_cri_list_container_stats_response *stats;
	const sp_cri_list_containers_response *containers;
	const sp_cri_list_pod_sandbox_stats_response *pods;
	const sp_cri_list_pod_sandbox_response *boxes;
	bool only_cpu_and_memory;
} node_summary_input;

/* Pods are those with a ready sandbox. Errors: those of the buffer. */
void node_summary_write(sp_buf *out, const node_summary_input *in);
