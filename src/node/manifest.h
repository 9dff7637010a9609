/* SPDX-License-Identifier: Apache-2.0 */
/* A file that describes a static pod, as the pod that is run for it. U: kubernetes
 * pkg/kubelet/config/common.go, at the gate PreventStaticPodAPIReferences. */
#pragma once

#include "base/json.h"
#include "base/time.h"

#define NODE_MANIFEST_BYTES_MAX ((size_t)10 << 20)
#define NODE_MANIFEST_ARENA_BYTES ((size_t)64 << 20)

#define NODE_NOTE_CONFIG_HASH "kubernetes.io/config.hash"
#define NODE_NOTE_CONFIG_MIRROR "kubernetes.io/config.mirror"

typedef struct node_manifest_source {
	sp_str node_name, path;
	sp_time now;
	/* Fills bytes, of any quality: nothing of the pod is made of them. */
	void (*random)(void *arg, void *bytes, size_t n);
	void *random_arg;
} node_manifest_source;

/*
 * YAML or JSON of one Pod to its JSON in the arena: with defaults, checked as a create is, named NAME-NODE,
 * on the node, tolerating every NoExecute taint. Its uid and the annotation config.hash are a hash of what
 * the file says, its path and the node; config.seen is `now`. SP_EINVAL with upstream's words; SP_ETOOLARGE,
 * SP_ENOMEM.
 */
sp_code node_manifest_read(sp_arena *a, sp_str text, const node_manifest_source *from, sp_str *ret,
			   sp_err *err) SP_MUST_USE;

/* The pod as its mirror in the API: with config.mirror, and owned by the node. Errors as above. */
sp_code node_manifest_mirror(sp_arena *a, sp_str pod, sp_str node_name, sp_str node_uid, sp_str *ret,
			     sp_err *err) SP_MUST_USE;

/* The pod with the status and the revision of its mirror. Errors as above. */
sp_code node_manifest_with_status(sp_arena *a, sp_str pod, sp_str mirror, sp_str *ret,
				  sp_err *err) SP_MUST_USE;
