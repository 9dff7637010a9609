/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPDY header blocks. Even first byte: the rest is a decompressed block; what passes the check survives
 * compression and decompression unchanged. Odd: the rest is compressed bytes of a peer, in two blocks.
 */
#include "base/limits.h"
#include "io/spdy/headers.h"

static void decompressed(sp_str block)
{
	if (sp_spdy_headers_check(block, NULL) != SP_OK)
		return;
	sp_spdy_header headers[SP_LIMIT_HTTP_HEADERS];
	size_t n = 0;
	for (size_t i = 0; sp_spdy_headers_next(block, &i, &headers[n]);) {
		SP_ASSERT(n + 1 < SP_LIMIT_HTTP_HEADERS || i >= block.len);
		SP_ASSERT(sp_str_eq(sp_spdy_headers_get(block, headers[n].name), headers[n].value));
		if (++n == SP_LIMIT_HTTP_HEADERS)
			break;
	}
	SP_AUTO_BUF wire;
	SP_AUTO_BUF back;
	sp_buf_init(&wire, 1 << 20);
	sp_buf_init(&back, SP_LIMIT_HTTP_HEADER_BYTES);
	sp_spdy_deflater *d = sp_spdy_deflater_new();
	sp_spdy_inflater *z = sp_spdy_inflater_new();
	SP_ASSERT(d != NULL && z != NULL);
	SP_ASSERT(sp_spdy_headers_deflate(d, headers, n, &wire, NULL) == SP_OK);
	SP_ASSERT(sp_spdy_headers_inflate(z, (const uint8_t *)wire.ptr, wire.len, &back, NULL) == SP_OK);
	SP_ASSERT(sp_str_eq(sp_buf_view(&back), block));
	sp_spdy_deflater_free(d);
	sp_spdy_inflater_free(z);
}

static void compressed(const uint8_t *data, size_t size)
{
	SP_AUTO_BUF block;
	sp_buf_init(&block, SP_LIMIT_HTTP_HEADER_BYTES);
	sp_spdy_inflater *z = sp_spdy_inflater_new();
	SP_ASSERT(z != NULL);
	size_t half = size / 2;
	if (sp_spdy_headers_inflate(z, data, half, &block, NULL) == SP_OK &&
	    sp_spdy_headers_inflate(z, data + half, size - half, &block, NULL) == SP_OK) {
		SP_ASSERT(block.len <= SP_LIMIT_HTTP_HEADER_BYTES);
		decompressed(sp_buf_view(&block));
	}
	sp_spdy_inflater_free(z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 1 << 15)
		return 0;
	if (data[0] % 2 == 0)
		decompressed((sp_str){(const char *)data + 1, size - 1});
	else
		compressed(data + 1, size - 1);
	return 0;
}
