/* SPDX-License-Identifier: Apache-2.0 */
/* The node agent "n1" with an API server in the simulator, on a runtime in memory. */
#pragma once

#include "lib/client_host.h"
#include "lib/fake_cri.h"
#include "node/agent.h"

#define SECOND UINT64_C(1000000000)

typedef struct node_rig {
	t_api api;
	t_user user, machine;
	fake_cri cri;
	node_agent *agent;
	struct sp_log *log;
	bool closed;
	size_t n_running; /* for tests */
} node_rig;

/* What images and pods' directories are on; half full, one disk. */
extern node_disk nr_disk, nr_root_disk;
/* How often they were looked at. */
extern unsigned nr_n_looks;
/* Of agents that are opened from now on; nr_open clears it. */
extern node_eviction nr_eviction;
/* The address of the cluster's DNS; empty: there is none. */
extern sp_str nr_dns;

/* With everything open; look at t_failed. */
node_rig *nr_open(const sp_sim_opts *opts);
bool nr_agent_open(node_rig *r);
void nr_agent_close(node_rig *r);
void nr_run(node_rig *r, uint64_t ns);

/* Parts of a pod's specification. */
#define C(name, command) "{\"name\":\"" name "\",\"image\":\"i\",\"command\":[" command "]}"
#define RUN "\"run\""
#define ENDS(code, ms) "\"exit\",\"" code "\",\"" ms "\""
#define PHASE "status.phase"
#define STATUS(i) "status.containerStatuses[" #i "]."

void nr_make(node_rig *r, const char *name, const char *spec);
void nr_delete(node_rig *r, const char *name);
/* A value of the pod as the API has it; "-" when there is none. */
sp_str nr_of(node_rig *r, const char *name, const char *path);
/* Waits until it is so; fails after `seconds`. */
bool nr_becomes(node_rig *r, const char *name, const char *path, const char *want, unsigned seconds);
bool nr_has_event(node_rig *r, const char *reason, const char *message);
