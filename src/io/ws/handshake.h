/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the WebSocket handshake and the choice of a subprotocol; the HTTP side calls these. */
#pragma once

#include "base/err.h"

#define SP_WS_NONCE_BYTES 16  /* of a client, random */
#define SP_WS_KEY_BYTES 24    /* of Sec-WebSocket-Key, as text */
#define SP_WS_ACCEPT_BYTES 28 /* of Sec-WebSocket-Accept, as text */

/* The answer to a key: base64(SHA-1(key + the GUID of RFC 6455 section 1.3)). No NUL. The key
 * is a valid one (asserted by its length). */
void sp_ws_accept_of(sp_str key, char ret_accept[SP_WS_ACCEPT_BYTES]);
/* True when the key is base64 of exactly 16 bytes, as a server must demand. */
bool sp_ws_key_is_valid(sp_str key);
/* The key a client sends for 16 fresh random bytes. No NUL. */
void sp_ws_key_make(const uint8_t nonce[SP_WS_NONCE_BYTES], char ret_key[SP_WS_KEY_BYTES]);

/*
 * The first protocol of the client's comma-separated list that is in `supported`, as kube-apiserver chooses:
 * the client's order decides. True with *ret (a view of `supported`); false when none matches. An empty list
 * matches the supported protocol "" only.
 */
bool sp_ws_protocol_choose(sp_str client_list, const sp_str *supported, size_t n_supported, sp_str *ret);
