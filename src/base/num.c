/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"

/* Digits only; false on overflow, other bytes or no byte at all. */
static bool digits(sp_str s, uint64_t *ret)
{
	uint64_t v = 0;
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		if (!sp_mul(v, UINT64_C(10), &v) || !sp_add(v, (uint64_t)(s.ptr[i] - '0'), &v))
			return false;
	}
	*ret = v;
	return true;
}

sp_code sp_parse_u64(sp_str s, uint64_t min, uint64_t max, uint64_t *ret, sp_err *err)
{
	uint64_t v;
	if (!digits(s, &v))
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is not a number", SP_ARG(s));
	if (v < min || v > max)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is not between %llu and %llu", SP_ARG(s),
			       (unsigned long long)min, (unsigned long long)max);
	*ret = v;
	return SP_OK;
}

sp_code sp_parse_i64(sp_str s, int64_t min, int64_t max, int64_t *ret, sp_err *err)
{
	sp_str rest = s;
	bool negative = sp_str_take(&rest, SP_STR("-"));
	uint64_t magnitude;
	uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
	if (!digits(rest, &magnitude) || magnitude > limit)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is not a number", SP_ARG(s));
	/* -(2^63) has no positive twin: negate in unsigned arithmetic, where it is defined. */
	int64_t v = negative ? (int64_t)(UINT64_C(0) - magnitude) : (int64_t)magnitude;
	if (v < min || v > max)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is not between %lld and %lld", SP_ARG(s),
			       (long long)min, (long long)max);
	*ret = v;
	return SP_OK;
}

size_t sp_print_u64(char *out, uint64_t v)
{
	char rev[SP_NUM_TEXT_BYTES];
	size_t n = 0;
	do {
		rev[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	for (size_t i = 0; i < n; i++)
		out[i] = rev[n - 1 - i];
	return n;
}

size_t sp_print_i64(char *out, int64_t v)
{
	if (v >= 0)
		return sp_print_u64(out, (uint64_t)v);
	out[0] = '-';
	return 1 + sp_print_u64(out + 1, UINT64_C(0) - (uint64_t)v);
}
