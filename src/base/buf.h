/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sp_buf: growable bytes with a mandatory maximum. Reaching it, or running out of memory, is an ordinary
 * error.
 *
 * Appends are sticky: after a failed one the buffer is empty, later appends do nothing and return the same
 * code, so that a writer may append many pieces and check once with sp_buf_code. clear makes it usable again.
 * The bytes are always followed by a NUL that is not counted (once anything was appended).
 */
#pragma once

#include "base/err.h"

typedef struct sp_buf {
	char *ptr;
	size_t len, cap, limit_bytes;
	sp_code code;
} sp_buf;

#define SP_AUTO_BUF SP_CLEANUP(sp_buf_done) sp_buf

void sp_buf_init(sp_buf *b, size_t limit_bytes);
void sp_buf_done(sp_buf *b);
/* Empty, usable, keeps its memory. */
void sp_buf_clear(sp_buf *b);

sp_code sp_buf_append(sp_buf *b, const void *bytes, size_t n);
sp_code sp_buf_str(sp_buf *b, sp_str s);
sp_code sp_buf_char(sp_buf *b, char c);
sp_code sp_buf_u64(sp_buf *b, uint64_t v);
sp_code sp_buf_i64(sp_buf *b, int64_t v);
sp_code sp_buf_printf(sp_buf *b, const char *fmt, ...) SP_PRINTF(2, 3);

/* Room for n more bytes at the end, to be written by the caller and then added with sp_buf_added. NULL:
 * failed. */
char *sp_buf_reserve(sp_buf *b, size_t n);
void sp_buf_added(sp_buf *b, size_t n);

/* Drops n bytes from the front (n <= len). Linear in what stays: for parsers that consume nearly all of it.
 */
void sp_buf_consume(sp_buf *b, size_t n);

/* SP_OK, or why an earlier append failed: SP_ETOOLARGE or SP_ENOMEM. */
static inline sp_code sp_buf_code(const sp_buf *b)
{
	return b->code;
}
/* A view of the content, good until the next change. */
static inline sp_str sp_buf_view(const sp_buf *b)
{
	return (sp_str){b->ptr, b->len};
}
