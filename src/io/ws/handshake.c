/* SPDX-License-Identifier: Apache-2.0 */
#include "io/ws/handshake.h"

#include <openssl/sha.h>

#include "base/base64.h"

void sp_ws_accept_of(sp_str key, char ret_accept[SP_WS_ACCEPT_BYTES])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t text[SP_WS_KEY_BYTES + sizeof guid - 1];
	uint8_t digest[SHA_DIGEST_LENGTH];
	SP_ASSERT(key.len == SP_WS_KEY_BYTES);
	memcpy(text, key.ptr, key.len);
	memcpy(text + key.len, guid, sizeof guid - 1);
	SP_ASSERT(SHA1(text, sizeof text, digest) != NULL);
	sp_base64_encode(ret_accept, digest, sizeof digest);
}

bool sp_ws_key_is_valid(sp_str key)
{
	uint8_t raw[SP_WS_KEY_BYTES];
	size_t n = 0;
	return key.len == SP_WS_KEY_BYTES && sp_base64_decode(key, raw, &n, NULL) == SP_OK &&
	       n == SP_WS_NONCE_BYTES;
}

void sp_ws_key_make(const uint8_t nonce[SP_WS_NONCE_BYTES], char ret_key[SP_WS_KEY_BYTES])
{
	sp_base64_encode(ret_key, nonce, SP_WS_NONCE_BYTES);
}

bool sp_ws_protocol_choose(sp_str client_list, const sp_str *supported, size_t n_supported, sp_str *ret)
{
	bool more = true;
	while (more) {
		sp_str one;
		more = sp_str_cut(&client_list, ',', &one);
		if (!more)
			one = client_list;
		one = sp_str_trim(one);
		for (size_t i = 0; i < n_supported; i++) {
			if (sp_str_eq(one, supported[i])) {
				*ret = supported[i];
				return true;
			}
		}
	}
	return false;
}
