/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubernetes' protobuf form of built-in kinds: bytes "k8s\0" and a message runtime.Unknown around the
 * object's own message. Written byte for byte as upstream's generated code does: fields by number, every
 * scalar and struct that is no pointer even when zero, maps sorted. U: apimachinery
 * pkg/runtime/serializer/protobuf and the generated code of each group.
 */
#pragma once

#include "base/json.h"
#include "kube/schema.h"

/* False for what has no protobuf form: Table, custom resources. */
bool sp_protobuf_has(const sp_schema *schema);

/* The envelope; all views into the body. */
typedef struct sp_protobuf_envelope {
	sp_str api_version, kind, raw, content_encoding, content_type;
} sp_protobuf_envelope;

/* SP_EINVAL in upstream's words. */
sp_code sp_protobuf_open(sp_str body, sp_protobuf_envelope *ret, sp_err *err) SP_MUST_USE;

/*
 * Decodes the object's message (`raw` of the envelope) into canonical form, as sp_decode_json does; kind and
 * apiVersion are put into it when not empty. Unknown fields are dropped. SP_EINVAL with the text of Go's
 * generated code; SP_ETOOLARGE: nesting, room.
 */
sp_code sp_protobuf_decode(sp_arena *a, const sp_schema *schema, sp_str raw, sp_str api_version, sp_str kind,
			   yyjson_mut_doc *doc, yyjson_mut_val **ret, sp_err *err) SP_MUST_USE;

/*
 * Appends the whole body for an object's stored JSON (canonical, so kube/encode.h made it); kind and
 * apiVersion are taken from it. The arena holds the parsed text. SP_EINVAL: no JSON, or values that are not
 * of their fields' types.
 */
sp_code sp_protobuf_encode(sp_arena *a, sp_buf *out, const sp_schema *schema, sp_str json,
			   sp_err *err) SP_MUST_USE;

/* Only the object's message, for lists that are put together from their items' bytes. */
sp_code sp_protobuf_encode_raw(sp_arena *a, sp_buf *out, const sp_schema *schema, sp_str json,
			       sp_err *err) SP_MUST_USE;

/* The envelope around a message of raw_len bytes: sp_protobuf_begin, the message itself, sp_protobuf_end. */
void sp_protobuf_begin(sp_buf *out, sp_str api_version, sp_str kind, size_t raw_len);
void sp_protobuf_end(sp_buf *out);
