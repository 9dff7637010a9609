/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object as caches keep it: immutable text with its identity, reference-counted, shared. One allocation.
 * The text is what the informer was told to keep of it (client/informer.h); read it with a view:
 *
 *   pod_view pod;
 *   SP_TRY(sp_view(arena, o->json, &pod_view_desc, &pod, err));
 */
#pragma once

#include "base/err.h"
#include "base/json.h"

typedef struct sp_object {
	_Atomic uint32_t n_refs;
	uint32_t n_bytes;  /* of this allocation */
	uint64_t revision; /* resourceVersion; 0 when it is no decimal number */
	sp_str key;        /* "namespace/name", or "name" of cluster-wide kinds */
	sp_str ns, name, uid;
	sp_str json; /* compact; without kind and apiVersion */
} sp_object;

const sp_object *sp_object_ref(const sp_object *o);
/* NULL is allowed; returns NULL. */
const sp_object *sp_object_unref(const sp_object *o);

/* What of an object is kept: a tree of member names, made from paths ("spec.nodeName"). */
typedef struct sp_projection sp_projection;
/* Keeps everything until a path is added. NULL: no memory. */
sp_projection *sp_projection_new(void) SP_MUST_USE;
void sp_projection_free(sp_projection *p);
/* Of metadata only name, namespace, uid, resourceVersion, ownerReferences, finalizers and deletionTimestamp
 * stay. */
void sp_projection_bare(sp_projection *p);
/* False: no memory. Members of list elements cannot be named: a list is kept whole. */
bool sp_projection_add(sp_projection *p, sp_str path) SP_MUST_USE;

/*
 * Makes an object of a parsed tree. Of metadata everything stays but managedFields and the annotation
 * kubectl.kubernetes.io/last-applied-configuration; of the rest what `p` keeps (NULL: everything).
 * SP_EINVAL: no metadata.name. SP_ENOMEM, SP_ETOOLARGE.
 */
sp_code sp_object_new(yyjson_val *tree, const sp_projection *p, const sp_object **ret,
		      sp_err *err) SP_MUST_USE;
/* The same from text (an answer to a write). */
sp_code sp_object_parse(sp_arena *a, sp_str json, const sp_projection *p, const sp_object **ret,
			sp_err *err) SP_MUST_USE;

/* "ns/name", or "name" without a namespace, cut into its parts; views of `key`. */
void sp_object_key_split(sp_str key, sp_str *ret_ns, sp_str *ret_name);
/* Writes the key of an object (no NUL) and returns its length; 0: longer than names may be. */
#define SP_OBJECT_KEY_BYTES 512u
size_t sp_object_key(char out[SP_OBJECT_KEY_BYTES], sp_str ns, sp_str name);
/* The same in an arena; {NULL, 0} when there is no room. */
sp_str sp_object_key_join(sp_arena *a, sp_str ns, sp_str name);
