/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A claim that a pod uses and the PersistentVolume behind it: pure functions of the objects. U: kubernetes
 * pkg/kubelet/volumemanager/populator/desired_state_of_world_populator.go createVolumeSpec, getPVCExtractPV,
 * getPVSpec.
 */
#pragma once

#include "contracts/pod_files.h"
#include "node/pod.h"

typedef enum node_claim_kind {
	NODE_CLAIM_HOST_PATH,
	NODE_CLAIM_LOCAL,     /* a directory that is there */
	NODE_CLAIM_DIRECTORY, /* of the class local-path: made here, for everybody (0777) */
	NODE_CLAIM_CSI,
	NODE_CLAIM_OTHER, /* no plugin for it */
} node_claim_kind;

/* What a PersistentVolume is. */
typedef struct node_claim_found {
	sp_str volume; /* the PersistentVolume's name */
	node_claim_kind kind;
	sp_str path;   /* HOST_PATH, LOCAL, DIRECTORY */
	sp_str type;   /* HOST_PATH: as a pod's hostPath has it */
	sp_str driver; /* CSI */
	bool read_only;
} node_claim_found;

/* How the pod uses one of its volumes. */
typedef struct node_claim_use {
	sp_str volume; /* of the pod */
	sp_str claim;  /* its name */
	bool is_ephemeral, read_only, mounted, as_device;
} node_claim_use;

/* True when that volume of the pod stands for a claim that some container uses. The claim's name may be made
 * in the arena; without room it is {NULL, 0}. */
bool node_claim_use_of(const node_pod *p, yyjson_val *volume, sp_arena *a, node_claim_use *ret);

/* The claim as the API has it: *ret_volume and *ret_uid are its volume's name and its own uid (in the tree).
 * SP_EUNAVAILABLE with upstream's words: it is not ready to be used. */
sp_code node_claim_check(const node_pod *p, const node_claim_use *use, yyjson_val *claim, sp_str *ret_volume,
			 sp_str *ret_uid, sp_err *err) SP_MUST_USE;
/* Its volume. Texts are in the tree. SP_EUNAVAILABLE as before. */
sp_code node_claim_volume(const node_claim_use *use, sp_str claim_uid, yyjson_val *volume,
			  node_claim_found *ret, sp_err *err) SP_MUST_USE;
