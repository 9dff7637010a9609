/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/num.h"

void sp_buf_init(sp_buf *b, size_t limit_bytes)
{
	*b = (sp_buf){.limit_bytes = limit_bytes};
}

void sp_buf_done(sp_buf *b)
{
	sp_free(b->ptr);
	sp_buf_init(b, b->limit_bytes);
}

void sp_buf_clear(sp_buf *b)
{
	b->len = 0;
	b->code = SP_OK;
}

static char *fail(sp_buf *b, sp_code code)
{
	b->len = 0;
	b->code = code;
	return NULL;
}

char *sp_buf_reserve(sp_buf *b, size_t n)
{
	if (b->code != SP_OK)
		return NULL;
	size_t need;
	if (!sp_add(b->len, n, &need) || need > b->limit_bytes)
		return fail(b, SP_ETOOLARGE);
	if (need < b->cap) /* one byte is kept for the NUL */
		return b->ptr + b->len;
	size_t cap = b->cap < 64 ? 64 : b->cap;
	while (cap <= need) {
		if (!sp_mul(cap, (size_t)2, &cap))
			return fail(b, SP_ETOOLARGE);
	}
	char *p = sp_try_realloc(b->ptr, b->cap, cap);
	if (p == NULL)
		return fail(b, SP_ENOMEM);
	b->ptr = p;
	b->cap = cap;
	return b->ptr + b->len;
}

void sp_buf_added(sp_buf *b, size_t n)
{
	SP_ASSERT(b->len + n < b->cap);
	b->len += n;
	b->ptr[b->len] = '\0';
}

sp_code sp_buf_append(sp_buf *b, const void *bytes, size_t n)
{
	char *p = sp_buf_reserve(b, n);
	if (p == NULL)
		return b->code;
	if (n != 0)
		memcpy(p, bytes, n);
	sp_buf_added(b, n);
	return SP_OK;
}

sp_code sp_buf_str(sp_buf *b, sp_str s)
{
	return sp_buf_append(b, s.ptr, s.len);
}

sp_code sp_buf_char(sp_buf *b, char c)
{
	return sp_buf_append(b, &c, 1);
}

sp_code sp_buf_u64(sp_buf *b, uint64_t v)
{
	char text[SP_NUM_TEXT_BYTES];
	return sp_buf_append(b, text, sp_print_u64(text, v));
}

sp_code sp_buf_i64(sp_buf *b, int64_t v)
{
	char text[SP_NUM_TEXT_BYTES];
	return sp_buf_append(b, text, sp_print_i64(text, v));
}

sp_code sp_buf_printf(sp_buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	SP_ASSERT(n >= 0);
	char *p = sp_buf_reserve(b, (size_t)n + 1);
	if (p == NULL)
		return b->code;
	va_start(ap, fmt);
	(void)vsnprintf(p, (size_t)n + 1, fmt, ap); /* the length is known */
	va_end(ap);
	sp_buf_added(b, (size_t)n);
	return SP_OK;
}

void sp_buf_consume(sp_buf *b, size_t n)
{
	SP_ASSERT(n <= b->len);
	if (n == 0)
		return;
	b->len -= n;
	memmove(b->ptr, b->ptr + n, b->len);
	b->ptr[b->len] = '\0';
}
