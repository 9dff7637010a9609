/* SPDX-License-Identifier: Apache-2.0 */
/* What a pod refers to in its namespace, looked up by name: a seam, so that everything made of it is a pure
 * function. */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef enum node_ref_kind { NODE_REF_CONFIG_MAP, NODE_REF_SECRET, NODE_REF_KINDS_ } node_ref_kind;

typedef struct node_objects {
	/* The object's JSON, good until the loop goes on; {NULL, 0}: there is none. */
	sp_str (*get)(void *arg, node_ref_kind kind, sp_str ns, sp_str name);
	void *arg;
} node_objects;

/* "configmap", "secret" …: in messages. */
sp_str node_ref_word(node_ref_kind kind);
/* A value of a Secret or of binaryData, decoded into the arena. SP_EINVAL: no base64. */
sp_code node_base64_value(sp_str text, sp_arena *a, sp_str *ret, sp_err *err) SP_MUST_USE;
