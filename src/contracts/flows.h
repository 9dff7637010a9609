/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam between who knows which UDP flows must not stay (network/services/flows) and who takes them out of
 * the kernel's connection tracking (host/conntrack).
 */
#pragma once

#include "base/err.h"
#include "base/ip.h"

/* A UDP flow that the kernel keeps: where its packets were sent, and who answers. */
typedef struct sp_flow {
	sp_ip to, from;
	uint16_t to_port, from_port;
} sp_flow;

typedef struct sp_sweeper sp_sweeper;
struct sp_sweeper {
	/*
	 * Takes those UDP flows of the family away that `is_stale` tells; done comes once, from the loop,
	 * with how many these were; with an error, some may have stayed. `is_stale` is called from another
	 * thread, `arg` is not changed until done. One call at a time.
	 */
	void (*sweep)(sp_sweeper *s, bool v4, bool (*is_stale)(const void *arg, const sp_flow *f),
		      const void *arg, void (*done)(void *arg, size_t n, const sp_err *err), void *done_arg);
};
