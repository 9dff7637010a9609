/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the provisioner of local volumes: local_path.c makes them, local_path_remove.c removes them.
 */
#pragma once

#include "contracts/local_path.h"
#include "controllers/volumes.h"

#define LOCAL_FINALIZER "external-provisioner.volume.kubernetes.io/finalizer"
#define LOCAL_NODE_NOTE SP_STR(SP_LOCAL_PATH_NOTE "node") /* on volumes: whose directory it is */

typedef struct local_node {
	sp_vmap labels, annotations;
} local_node;

typedef struct local {
	controller base;
	sp_informer *claims, *volumes, *classes, *nodes;
	unsigned volumes_by_node;
	sp_informer_watch claim_watch, volume_watch, node_watch;
} local;

typedef struct local_run {
	local *l;
	sp_job *job;
	vol_claim claim;
	vol_volume volume;
	const sp_object *node_object;
	local_node node;
	sp_str volume_name; /* of the one that is made */
	sp_call call;
} local_run;

/* Keys of the queue: "c/NS/NAME" of claims, "v/NAME", "n/NODE". */
void local_look_at(local *l, char kind, sp_str key);
/* Reads a node of the cache into the run; node_object NULL: it is not there. */
sp_code local_read_node(local_run *x, sp_str name) SP_MUST_USE;
void local_end(local_run *x, sp_code code, const sp_err *err);
/* Ends the run with the answer. */
void local_on_written(sp_call *c, const sp_answer *a);

void local_sync_volume(local_run *x);
void local_sync_node(local_run *x, sp_str name);
