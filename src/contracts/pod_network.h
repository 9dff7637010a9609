/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam between the runtime and whoever connects pods: the built-in bridge, CNI plugins. The runtime keeps
 * what an attachment said in its own records and gives it back.
 */
#pragma once

#include "contracts/cri_sandbox.h"

typedef struct sp_pod_network sp_pod_network;

typedef struct sp_pod_attachment {
	SP_PB_LIST(sp_str) ips; /* the first is the pod's */
	sp_str host_if;         /* on the host */
} sp_pod_attachment;

/* One request. Embedded in its owner, zero-initialised but for `done`; in place until done or cancel. */
typedef struct sp_pod_network_call {
	/* Once, perhaps from inside the request: what was attached (of attach, good during the call), or err.
	 */
	void (*done)(struct sp_pod_network_call *c, const sp_pod_attachment *a, const sp_err *err);
	void *arg;  /* the owner's */
	void *impl; /* the network's; NULL: not under way */
} sp_pod_network_call;

struct sp_pod_network {
	/* Connects a sandbox whose network namespace the host has made. `config` is good until done or
	 * cancel. */
	void (*attach)(sp_pod_network *n, sp_str sandbox_id, const sp_cri_pod_sandbox_config *config,
		       sp_pod_network_call *c);
	/* Takes it off again and frees its addresses; SP_OK when it was not attached. The namespace may be
	 * gone. */
	void (*detach)(sp_pod_network *n, sp_str sandbox_id, const sp_pod_attachment *a,
		       sp_pod_network_call *c);
	/* No done after this. Harmless on an idle call. */
	void (*cancel)(sp_pod_network *n, sp_pod_network_call *c);
	/* At start-up: a sandbox that is attached. SP_ECONFLICT: its addresses are somebody else's. */
	sp_code (*adopt)(sp_pod_network *n, sp_str sandbox_id, const sp_cri_pod_sandbox_config *config,
			 const sp_pod_attachment *a, sp_err *err);
	/* At start-up, after all are adopted: the ids of all sandboxes that are attached, good until done.
	 * What others left behind is taken back. May be NULL. */
	void (*settle)(sp_pod_network *n, const sp_str *ids, size_t n_ids, sp_pod_network_call *c);
	/* Looks whether pods can be attached; done comes without an error. May be NULL. */
	void (*refresh)(sp_pod_network *n, sp_pod_network_call *c);
	/* What was seen last: SP_OK when pods can be attached; else why not. */
	sp_code (*ready)(sp_pod_network *n, sp_err *err);
	/* Pods get their addresses out of this prefix from now on. SP_EUNSUPPORTED: the network was made with
	 * one of its own; SP_EINVAL: no prefix for pods. Either way the one before stays. May be NULL. */
	sp_code (*set_range)(sp_pod_network *n, sp_str prefix, sp_err *err);
	/* An attachment has addresses that are not of the range any more. May be NULL. */
	bool (*is_stale)(sp_pod_network *n, const sp_pod_attachment *a);
};
