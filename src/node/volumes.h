/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The volumes of a pod: what is to be made where (a pure plan of the pod and of the objects it names), and
 * the making of it (blocking, from a worker job). U: kubernetes
 * pkg/volume/{emptydir,hostpath,configmap,secret,downwardapi,projected}.
 */
#pragma once

#include "node/atomic.h"
#include "node/claim.h"
#include "node/fields.h"
#include "node/objects.h"

typedef enum node_volume_kind {
	NODE_VOLUME_EMPTY,
	NODE_VOLUME_MEMORY,    /* an emptyDir in memory */
	NODE_VOLUME_HOST_PATH, /* `dir` is the host's own */
	NODE_VOLUME_LOCAL,     /* a directory of the host that has to be there */
	NODE_VOLUME_DIRECTORY, /* one that is made where it is missing, for everybody */
	NODE_VOLUME_FILES,     /* config maps, secrets, fields, tokens */
	NODE_VOLUME_IMAGE,     /* the runtime mounts it */
	NODE_VOLUME_NONE,      /* nothing to make: a claim that no container uses */
} node_volume_kind;

typedef struct node_volume {
	sp_str name, dir;
	sp_str spec_name; /* of the PersistentVolume, or `name`: in messages */
	node_volume_kind kind;
	sp_host_path_type type;
	uint64_t size_bytes; /* MEMORY: 0: the node's */
	uint64_t page_bytes; /* MEMORY: of huge pages; 0: of none */
	node_file *files;
	size_t n_files;
	sp_str image, pull_policy; /* IMAGE */
	sp_str image_ref;          /* IMAGE: as the runtime knows it; whoever has pulled it fills that in */
	bool in_memory;            /* FILES: on a tmpfs, for secrets never touch the disk */
	bool plain_read_only;      /* claims and host paths that say so */
	/* LOCAL: made once the volume is the pod's group's; a pod that comes back does not begin again */
	sp_str owned_mark;
	bool on_root_mismatch; /* LOCAL: fsGroupChangePolicy */
	bool is_shared;        /* LOCAL: another pod has it already; whoever knows that fills it in */
} node_volume;

/* Tokens of service accounts for projected volumes. */
typedef struct node_tokens {
	/* {NULL, 0}: not there yet; the owner asks for it and comes again. */
	sp_str (*get)(void *arg, sp_str audience, int64_t expiration_s);
	void *arg;
} node_tokens;

typedef struct node_volumes {
	node_volume *at;
	size_t n;
	const node_volume *failed; /* the one that can't be made, after an error */
	int64_t fs_group;          /* -1: none */
} node_volumes;

typedef struct node_volume_input {
	const node_field_source *fields;
	const node_objects *objects;
	const node_tokens *tokens;
	sp_str root; /* "/var/lib/…": pods/<uid>/ below it */
	/* What the claim of that volume of the pod stands for; NULL: nothing that is known. May be NULL. */
	const node_claim_found *(*claim)(void *arg, sp_str volume);
	void *arg;
} node_volume_input;

/* Has every token of the pod's volumes asked for, so that none waits for another or for objects. */
void node_volumes_want_tokens(const node_pod *p, const node_tokens *t);

/*
 * SP_ENOTFOUND: an object is not there; SP_EUNAVAILABLE: a token is not there yet; SP_EUNSUPPORTED: a kind of
 * volume the agent does not know. err is what follows `MountVolume.SetUp failed for volume "x" : `.
 * ret->failed is set then too.
 */
sp_code node_volumes_plan(const node_volume_input *in, sp_arena *a, node_volumes *ret,
			  sp_err *err) SP_MUST_USE;
const node_volume *node_volumes_find(const node_volumes *v, sp_str name);

/* Makes one of them, for that group (-1: none). What pods write to gets its mode and group once: what they
 * made of it stays. `version`: as for node_atomic_write. Blocks. */
sp_code node_volume_make(sp_world *w, sp_pod_files *f, const node_volume *v, int64_t fs_group, sp_str version,
			 sp_err *err) SP_MUST_USE;

/* ROOT/pods/UID, the place of all of it. {NULL, 0} without room. */
sp_str node_pod_dir(sp_arena *a, sp_str root, sp_str uid);
