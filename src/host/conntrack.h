/* SPDX-License-Identifier: Apache-2.0 */
/* UDP flows in the kernel's connection tracking, by ctnetlink. U: linux/netfilter/nfnetlink_conntrack.h,
 * kubernetes pkg/proxy/conntrack/conntrack.go. */
#pragma once

#include "contracts/flows.h"

/* What deletes a flow: its original tuple as the kernel gave it, its zone and its id. */
#define HOST_FLOW_TUPLE_BYTES 96
typedef struct host_flow {
	sp_flow flow;
	uint8_t tuple[HOST_FLOW_TUPLE_BYTES];
	uint8_t n_tuple;
	bool has_zone, has_id;
	uint8_t zone[2], id[4]; /* as they came */
} host_flow;

/* An entry of the dump, behind its netlink header. False: no UDP flow of that family, or not understood. */
bool host_flow_parse(const uint8_t *bytes, size_t n, bool v4, host_flow *ret);

/*
 * Deletes the UDP flows of the present network namespace that `is_stale` tells; one that is gone by itself
 * meanwhile counts as deleted by nobody. Blocks. *ret_n is set also on errors: the first of these, after
 * which others were still tried. Needs CAP_NET_ADMIN.
 */
sp_code host_conntrack_sweep(bool v4, bool (*is_stale)(const void *arg, const sp_flow *f), const void *arg,
			     size_t *ret_n, sp_err *err) SP_MUST_USE;
