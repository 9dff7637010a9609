/* SPDX-License-Identifier: Apache-2.0 */
/* What server and client share: texts of the protocol, metadata, and the messages that arrive. */
#pragma once

#include "base/buf.h"
#include "base/limits.h"
#include "io/grpc.h"

#define GRPC_HEAD_BYTES 5u
#define GRPC_TIMEOUT_TEXT_BYTES 9u
#define GRPC_ARENA_BYTES ((size_t)64 << 20)

/* ---- texts (text.c) ---- */

/* "100m" and the like; saturates at UINT64_MAX. SP_EINVAL with grpc-go's words. */
sp_code grpc_timeout_parse(sp_str text, uint64_t *ret_ns, sp_err *err) SP_MUST_USE;
/* In the finest unit that needs no more than 8 digits, rounded up. Returns the length. */
size_t grpc_timeout_print(char out[GRPC_TIMEOUT_TEXT_BYTES], uint64_t ns);
/* The percent-encoding of grpc-message; what is not UTF-8 becomes U+FFFD. {NULL, 0}: no memory (or empty). */
sp_str grpc_message_encode(sp_arena *a, sp_str message);
/* Never fails but for memory: what is no escape stays. */
sp_str grpc_message_decode(sp_arena *a, sp_str text);
/* application/grpc, alone or followed by '+' or ';'. */
bool grpc_is_content_type(sp_str value);
/* Go's %q, in the arena; empty without memory. */
sp_str grpc_quote(sp_arena *a, sp_str s);
/* By the protocol's tables: of a response without grpc-status, of RST_STREAM. */
int32_t grpc_status_of_http(uint16_t status);
int32_t grpc_status_of_reset(uint32_t h2_code);
/* "CANCEL"; NULL for codes without a name. */
const char *grpc_reset_name(uint32_t h2_code);

/* ---- metadata (metadata.c) ---- */

/* The custom fields, binary ones decoded (several to a field when commas separate them). Everything stands in
 * the arena when `copy`, else texts stay where the fields are. SP_EINVAL: bad base64; *ret_bad is the field
 * then. */
sp_code grpc_metadata_take(sp_arena *a, const sp_http_fields *f, bool copy, sp_grpc_metadata **ret,
			   size_t *ret_n, const sp_http_header **ret_bad, sp_err *err) SP_MUST_USE;
/* Writes n fields to out. SP_EINVAL: a key or value that may not travel. */
sp_code grpc_metadata_put(sp_arena *a, const sp_grpc_metadata *md, size_t n, sp_http_header *out,
			  sp_err *err) SP_MUST_USE;

/* ---- messages that arrive (incoming.c) ---- */

typedef struct grpc_in grpc_in;

/* Each may release the grpc_in. */
typedef struct grpc_in_ops {
	void (*message)(grpc_in *in, sp_str payload);
	/* All came. `payload` is the message of a `single` one, of which there was one if `any`. */
	void (*end)(grpc_in *in, bool any, sp_str payload);
	/* What came is no good; nothing follows. */
	void (*fail)(grpc_in *in, int32_t code, const char *text);
} grpc_in_ops;

/* The length-prefixed messages in the body of an exchange. */
struct grpc_in {
	const grpc_in_ops *ops;
	sp_world *world;
	sp_http_exchange *ex; /* NULL: it is over */
	size_t message_bytes;
	sp_str encoding; /* the peer's grpc-encoding */
	bool is_client;
	bool single; /* one message is expected: it is kept until the end */

	uint8_t head[GRPC_HEAD_BYTES];
	uint8_t n_head;
	bool any, paused, ended, over;
	uint32_t left;
	sp_buf payload, one, held;
	sp_defer turn;
	bool *gone; /* of the running loop */
};

/* The members up to `single` are set. */
void grpc_in_init(grpc_in *in);
void grpc_in_done(grpc_in *in);
void grpc_in_body(grpc_in *in, const uint8_t *bytes, size_t n);
void grpc_in_end(grpc_in *in);
void grpc_in_read(grpc_in *in, bool on);

/* ---- messages that leave (outgoing.c) ---- */

/* The limit that holds for an option. */
size_t grpc_message_limit(size_t option);
/* As sp_grpc_frame_new, with a limit. */
sp_code grpc_frame_new(sp_str payload, size_t limit_bytes, sp_bytes **ret, sp_err *err) SP_MUST_USE;
/* Frames and sends. */
sp_code grpc_send(sp_http_exchange *ex, sp_str payload, size_t limit_bytes, sp_err *err);
