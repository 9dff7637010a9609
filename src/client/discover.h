/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server serves: every resource of every group, by aggregated discovery or, where that is not served,
 * group by group. U: client-go discovery.
 */
#pragma once

#include "base/arena.h"
#include "client/call.h"

typedef struct sp_api_resource {
	sp_gvr gvr;
	sp_str kind;
	bool namespaced;
	bool preferred; /* its version is the group's preferred one */
	uint32_t verbs; /* SP_VERB_… of kube/schema.h */
} sp_api_resource;

typedef struct sp_discovery {
	const sp_api_resource *items; /* without subresources; in the server's order */
	size_t n;
	bool partial;  /* some group could not be asked */
	sp_str failed; /* its "group/version", the first one */
} sp_discovery;

/* Embedded in its owner, in place until done. */
typedef struct sp_discover {
	/* Once, from the loop; the result is good during the call and stands in the arena. */
	void (*done)(struct sp_discover *d, const sp_discovery *found, const sp_err *err);
	void *arg;
	/* of discover.c */
	sp_call call;
	struct sp_discover_run *run;
} sp_discover;

void sp_discover_start(sp_client *c, sp_discover *d);
/* No done any more. Harmless when nothing is under way. */
void sp_discover_cancel(sp_discover *d);
