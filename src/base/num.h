/* SPDX-License-Identifier: Apache-2.0 */
/* Checked arithmetic, integer text, byte order. No strtol family, no floating point, no casts of pointers. */
#pragma once

#include "base/err.h"

/* True when the sum / difference / product fits; *ret is then set. Any integer types. */
#define sp_add(a, b, ret) (!__builtin_add_overflow((a), (b), (ret)))
#define sp_sub(a, b, ret) (!__builtin_sub_overflow((a), (b), (ret)))
#define sp_mul(a, b, ret) (!__builtin_mul_overflow((a), (b), (ret)))

/*
 * Decimal integer text; all bytes must be consumed. No blanks, no '+', no empty text; leading zeros are
 * allowed. Outside [min, max] or malformed: SP_EINVAL with the text quoted.
 */
sp_code sp_parse_u64(sp_str s, uint64_t min, uint64_t max, uint64_t *ret, sp_err *err) SP_MUST_USE;
sp_code sp_parse_i64(sp_str s, int64_t min, int64_t max, int64_t *ret, sp_err *err) SP_MUST_USE;

/* Writes decimal text (no NUL) to out, which has SP_NUM_TEXT_BYTES, and returns its length. */
#define SP_NUM_TEXT_BYTES 20
size_t sp_print_u64(char *out, uint64_t v);
size_t sp_print_i64(char *out, int64_t v);

/* As Go's int64 (and two's complement) wraps around, for sums that must come out as upstream's of absurd
 * amounts. */
static inline int64_t sp_i64_wrap_add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}
static inline int64_t sp_i64_wrap_sub(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}
static inline int64_t sp_i64_wrap_mul(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a * (uint64_t)b);
}

static inline uint16_t sp_be16_get(const uint8_t *p)
{
	return (uint16_t)((p[0] << 8) | p[1]);
}
static inline uint32_t sp_be32_get(const uint8_t *p)
{
	return ((uint32_t)p[0] << 24) | ((uint32_t)p[1] << 16) | ((uint32_t)p[2] << 8) | p[3];
}
static inline uint64_t sp_be64_get(const uint8_t *p)
{
	return ((uint64_t)sp_be32_get(p) << 32) | sp_be32_get(p + 4);
}
static inline void sp_be16_put(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static inline void sp_be32_put(uint8_t *p, uint32_t v)
{
	sp_be16_put(p, (uint16_t)(v >> 16));
	sp_be16_put(p + 2, (uint16_t)v);
}
static inline void sp_be64_put(uint8_t *p, uint64_t v)
{
	sp_be32_put(p, (uint32_t)(v >> 32));
	sp_be32_put(p + 4, (uint32_t)v);
}
