/* SPDX-License-Identifier: Apache-2.0 */
#include "io/spdy/headers.h"

#include <zlib.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/num.h"

/* 2 KiB: the dictionary fits, and the hash tables of zlib stay small. The peer learns it from the header. */
#define DEFLATE_WINDOW_BITS 11
#define DEFLATE_MEM_LEVEL 2
#define CHUNK_BYTES ((size_t)2 << 10)

struct sp_spdy_deflater {
	z_stream z;
};
struct sp_spdy_inflater {
	z_stream z;
};

static voidpf zlib_alloc(voidpf arg, uInt count, uInt size)
{
	(void)arg;
	size_t n = 0;
	return sp_mul((size_t)count, (size_t)size, &n) ? sp_try_alloc(n) : NULL;
}

static void zlib_free(voidpf arg, voidpf p)
{
	(void)arg;
	sp_free(p);
}

sp_spdy_deflater *sp_spdy_deflater_new(void)
{
	sp_spdy_deflater *d = sp_try_alloc(sizeof *d);
	if (d == NULL)
		return NULL;
	d->z.zalloc = zlib_alloc;
	d->z.zfree = zlib_free;
	if (deflateInit2(&d->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, DEFLATE_WINDOW_BITS, DEFLATE_MEM_LEVEL,
			 Z_DEFAULT_STRATEGY) != Z_OK) {
		sp_free(d);
		return NULL;
	}
	int r = deflateSetDictionary(&d->z, (const Bytef *)sp_spdy_dictionary, SP_SPDY_DICTIONARY_BYTES);
	SP_ASSERT(r == Z_OK);
	return d;
}

void sp_spdy_deflater_free(sp_spdy_deflater *d)
{
	if (d == NULL)
		return;
	(void)deflateEnd(&d->z); /* Z_DATA_ERROR only says that the stream was not finished: it never is */
	sp_free(d);
}

sp_spdy_inflater *sp_spdy_inflater_new(void)
{
	sp_spdy_inflater *z = sp_try_alloc(sizeof *z);
	if (z == NULL)
		return NULL;
	z->z.zalloc = zlib_alloc;
	z->z.zfree = zlib_free;
	if (inflateInit(&z->z) != Z_OK) {
		sp_free(z);
		return NULL;
	}
	return z;
}

void sp_spdy_inflater_free(sp_spdy_inflater *z)
{
	if (z == NULL)
		return;
	(void)inflateEnd(&z->z); /* fails only on a stream that init refused */
	sp_free(z);
}

/* ---- out ---- */

static sp_code deflate_bytes(sp_spdy_deflater *d, const void *bytes, size_t n, int flush, sp_buf *out)
{
	SP_ASSERT(n <= UINT32_MAX);
	d->z.next_in = (z_const Bytef *)(uintptr_t)bytes; /* zlib's old interface; it does not write there */
	d->z.avail_in = (uInt)n;
	for (;;) {
		char *room = sp_buf_reserve(out, CHUNK_BYTES);
		if (room == NULL)
			return sp_buf_code(out);
		d->z.next_out = (Bytef *)room;
		d->z.avail_out = (uInt)CHUNK_BYTES;
		int r = deflate(&d->z, flush);
		SP_ASSERT(r == Z_OK || r == Z_BUF_ERROR);
		sp_buf_added(out, CHUNK_BYTES - d->z.avail_out);
		if (d->z.avail_out != 0)
			return SP_OK;
	}
}

static sp_code deflate_u32(sp_spdy_deflater *d, size_t v, sp_buf *out)
{
	uint8_t be[4];
	sp_be32_put(be, (uint32_t)v);
	return deflate_bytes(d, be, sizeof be, Z_NO_FLUSH, out);
}

static sp_code deflate_name(sp_spdy_deflater *d, sp_str name, sp_buf *out)
{
	char lower[64];
	while (name.len > 0) {
		size_t n = SP_MIN(name.len, sizeof lower);
		for (size_t i = 0; i < n; i++) {
			char c = name.ptr[i];
			lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
		}
		SP_TRY(deflate_bytes(d, lower, n, Z_NO_FLUSH, out));
		name = sp_str_sub(name, n, name.len);
	}
	return SP_OK;
}

static sp_code deflate_all(sp_spdy_deflater *d, const sp_spdy_header *headers, size_t n, sp_buf *out)
{
	SP_TRY(deflate_u32(d, n, out));
	for (size_t i = 0; i < n; i++) {
		SP_TRY(deflate_u32(d, headers[i].name.len, out));
		SP_TRY(deflate_name(d, headers[i].name, out));
		SP_TRY(deflate_u32(d, headers[i].value.len, out));
		SP_TRY(deflate_bytes(d, headers[i].value.ptr, headers[i].value.len, Z_NO_FLUSH, out));
	}
	return deflate_bytes(d, NULL, 0, Z_SYNC_FLUSH, out);
}

sp_code sp_spdy_headers_deflate(sp_spdy_deflater *d, const sp_spdy_header *headers, size_t n, sp_buf *out,
				sp_err *err)
{
	size_t total = 4;
	for (size_t i = 0; i < n; i++)
		total += 8 + headers[i].name.len + headers[i].value.len;
	if (n > SP_LIMIT_HTTP_HEADERS || total > SP_LIMIT_HTTP_HEADER_BYTES)
		return sp_fail(err, SP_ETOOLARGE, "SPDY header block of %zu headers and %zu bytes is too big",
			       n, total);
	sp_code code = deflate_all(d, headers, n, out);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "no room for a SPDY header block");
}

/* ---- in ---- */

static sp_code inflate_more(sp_spdy_inflater *z, sp_buf *block, bool *ret_done, sp_err *err)
{
	size_t room_bytes = SP_MIN(CHUNK_BYTES, block->limit_bytes - block->len);
	/* At the limit one byte tells whether there is more. */
	uint8_t probe;
	char *room = room_bytes == 0 ? (char *)&probe : sp_buf_reserve(block, room_bytes);
	if (room == NULL)
		return sp_fail(err, sp_buf_code(block), "no memory for a SPDY header block");
	z->z.next_out = (Bytef *)room;
	z->z.avail_out = room_bytes == 0 ? 1 : (uInt)room_bytes;
	uInt given = z->z.avail_out;
	int r = inflate(&z->z, Z_SYNC_FLUSH);
	if (r == Z_NEED_DICT) {
		if (inflateSetDictionary(&z->z, (const Bytef *)sp_spdy_dictionary,
					 SP_SPDY_DICTIONARY_BYTES) != Z_OK)
			return sp_fail(err, SP_EPROTO,
				       "SPDY header block is compressed with another dictionary");
		return SP_OK;
	}
	if (r == Z_MEM_ERROR)
		return sp_fail(err, SP_ENOMEM, "no memory for a SPDY header block");
	if (r != Z_OK && r != Z_BUF_ERROR)
		return sp_fail(err, SP_EPROTO, "SPDY header block does not decompress");
	size_t n = given - z->z.avail_out;
	if (room_bytes == 0 && n > 0)
		return sp_fail(err, SP_ETOOLARGE, "SPDY header block is above %zu bytes", block->limit_bytes);
	if (room_bytes > 0)
		sp_buf_added(block, n);
	*ret_done = z->z.avail_in == 0 && z->z.avail_out != 0;
	if (!*ret_done && r == Z_BUF_ERROR && n == 0)
		return sp_fail(err, SP_EPROTO, "SPDY header block does not decompress");
	return SP_OK;
}

sp_code sp_spdy_headers_inflate(sp_spdy_inflater *z, const uint8_t *bytes, size_t n, sp_buf *block,
				sp_err *err)
{
	SP_ASSERT(n <= UINT32_MAX);
	sp_buf_clear(block);
	z->z.next_in = (z_const Bytef *)(uintptr_t)bytes;
	z->z.avail_in = (uInt)n;
	bool done = false;
	while (!done)
		SP_TRY(inflate_more(z, block, &done, err));
	return SP_OK;
}

/* Takes a counted text off the front. */
static bool take_counted(sp_str block, size_t *at, sp_str *ret)
{
	if (block.len - *at < 4)
		return false;
	size_t n = sp_be32_get((const uint8_t *)block.ptr + *at);
	if (n > block.len - *at - 4)
		return false;
	*ret = (sp_str){block.ptr + *at + 4, n};
	*at += 4 + n;
	return true;
}

bool sp_spdy_headers_next(sp_str block, size_t *i, sp_spdy_header *ret)
{
	if (*i == 0)
		*i = 4;
	size_t at = *i;
	if (block.len < 4 || at >= block.len || !take_counted(block, &at, &ret->name) ||
	    !take_counted(block, &at, &ret->value))
		return false;
	*i = at;
	return true;
}

sp_str sp_spdy_headers_get(sp_str block, sp_str name)
{
	sp_spdy_header h;
	for (size_t i = 0; sp_spdy_headers_next(block, &i, &h);) {
		if (sp_str_eq(h.name, name))
			return h.value;
	}
	return (sp_str){NULL, 0};
}

static sp_code check_name(sp_str block, size_t end, sp_str name, sp_err *err)
{
	if (name.len == 0)
		return sp_fail(err, SP_EPROTO, "SPDY header without a name");
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] >= 'A' && name.ptr[i] <= 'Z')
			return sp_fail(err, SP_EPROTO, "SPDY header name '" SP_FMT "' is not lower case",
				       SP_ARG(name));
	}
	sp_str before = sp_str_sub(block, 0, end);
	sp_spdy_header h;
	for (size_t i = 0; sp_spdy_headers_next(before, &i, &h);) {
		if (sp_str_eq(h.name, name))
			return sp_fail(err, SP_EPROTO, "SPDY header '" SP_FMT "' stands twice", SP_ARG(name));
	}
	return SP_OK;
}

sp_code sp_spdy_headers_check(sp_str block, sp_err *err)
{
	if (block.len < 4)
		return sp_fail(err, SP_EPROTO, "SPDY header block is cut");
	uint32_t count = sp_be32_get((const uint8_t *)block.ptr);
	if (count > SP_LIMIT_HTTP_HEADERS)
		return sp_fail(err, SP_EPROTO, "SPDY header block of %u headers, at most %u are allowed",
			       count, SP_LIMIT_HTTP_HEADERS);
	size_t at = 4;
	for (uint32_t i = 0; i < count; i++) {
		size_t start = at;
		sp_str name, value;
		if (!take_counted(block, &at, &name) || !take_counted(block, &at, &value))
			return sp_fail(err, SP_EPROTO, "SPDY header block is cut");
		SP_TRY(check_name(block, start, name, err));
	}
	if (at != block.len)
		return sp_fail(err, SP_EPROTO, "SPDY header block has bytes after its last header");
	return SP_OK;
}
