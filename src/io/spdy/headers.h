/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPDY/3 header blocks: a list of names and values, compressed with zlib and the protocol's dictionary. One
 * compressor and one decompressor live as long as the connection, so every block must pass through, also
 * those of streams that nobody wants.
 *
 * A block in memory is its decompressed wire form: u32 count, then u32 length, name, u32 length, value.
 */
#pragma once

#include "base/buf.h"

typedef struct sp_spdy_header {
	sp_str name;  /* lower case */
	sp_str value; /* several values are separated by NUL */
} sp_spdy_header;

/* The dictionary of SPDY/3 (1423 bytes, Adler-32 e3c6a7c2). */
extern const char sp_spdy_dictionary[];
#define SP_SPDY_DICTIONARY_BYTES 1423u

typedef struct sp_spdy_deflater sp_spdy_deflater;
typedef struct sp_spdy_inflater sp_spdy_inflater;

/* About 12 KiB each (the window is 2 KiB). NULL: no memory. */
sp_spdy_deflater *sp_spdy_deflater_new(void) SP_MUST_USE;
void sp_spdy_deflater_free(sp_spdy_deflater *d);
/* About 7 KiB, and up to 32 KiB more for the peer's window. NULL: no memory. */
sp_spdy_inflater *sp_spdy_inflater_new(void) SP_MUST_USE;
void sp_spdy_inflater_free(sp_spdy_inflater *z);

/*
 * Appends the compressed block of n headers to out. Names are lowered. After an error the compressor's state
 * no longer matches the peer's: the connection must end.
 */
sp_code sp_spdy_headers_deflate(sp_spdy_deflater *d, const sp_spdy_header *headers, size_t n, sp_buf *out,
				sp_err *err) SP_MUST_USE;

/*
 * Decompresses one block to `block` (cleared first; its limit is the header limit). An error (SP_EPROTO: not
 * a zlib stream with our dictionary; SP_ETOOLARGE: a header bomb; SP_ENOMEM) ends the connection.
 */
sp_code sp_spdy_headers_inflate(sp_spdy_inflater *z, const uint8_t *bytes, size_t n, sp_buf *block,
				sp_err *err) SP_MUST_USE;

/*
 * Checks a decompressed block: lengths add up, at most SP_LIMIT_HTTP_HEADERS names, no empty, upper-case or
 * repeated name. SP_EPROTO is an error of the stream, not of the connection.
 */
sp_code sp_spdy_headers_check(sp_str block, sp_err *err) SP_MUST_USE;

/* Walks a checked block: *i starts at 0; false at the end. */
bool sp_spdy_headers_next(sp_str block, size_t *i, sp_spdy_header *ret);
/* The value of a lower-case name; empty when absent. */
sp_str sp_spdy_headers_get(sp_str block, sp_str name);
