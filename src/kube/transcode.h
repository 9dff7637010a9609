/* SPDX-License-Identifier: Apache-2.0 */
/* Stored objects to what a client asked for. */
#pragma once

#include "base/json.h"
#include "kube/schema.h"

typedef enum sp_encoding { SP_ENC_JSON, SP_ENC_YAML, SP_ENC_PROTOBUF, SP_ENC_COUNT_ } sp_encoding;

/*
 * Appends an object's stored JSON in another form: itself, YAML, or the protobuf body with its envelope. The
 * arena is scratch. `schema` is needed for protobuf only and is a built-in kind's. Errors: those of
 * kube/protobuf.h and base/yaml.h; SP_ETOOLARGE and SP_ENOMEM of the buffer.
 */
sp_code sp_transcode(sp_arena *a, const sp_schema *schema, sp_str json, sp_encoding want, sp_buf *out,
		     sp_err *err) SP_MUST_USE;
