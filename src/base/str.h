/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sp_str: a view of bytes somebody else owns. Two words, passed by value, never NUL-terminated by contract,
 * may contain NUL bytes. {NULL, 0} is the empty string and equals {p, 0}.
 */
#pragma once

#include <stdarg.h>
#include <string.h>

#include "base/defs.h"

typedef struct sp_str {
	const char *ptr;
	size_t len;
} sp_str;

/* A list of them, owned by somebody else too. */
typedef struct sp_strs {
	const sp_str *items;
	size_t n;
} sp_strs;

/* A view of a string literal; a pointer is refused at compile time. */
#define SP_STR(lit) ((sp_str){"" lit, sizeof(lit) - 1})
/* The same as an initialiser of static tables. */
#define SP_STR_INIT(lit)                \
	{                               \
		"" lit, sizeof(lit) - 1 \
	}
/* printf helpers: printf("'" SP_FMT "'", SP_ARG(s)). Lengths above INT_MAX are cut. */
#define SP_FMT "%.*s"
#define SP_ARG(s) sp_str_arg_len(s), ((s).len != 0 ? (s).ptr : "")

static inline int sp_str_arg_len(sp_str s)
{
	return s.len > INT32_MAX ? INT32_MAX : (int)s.len;
}

/* A view of a C string; NULL gives the empty string. */
static inline sp_str sp_str_c(const char *s)
{
	return s == NULL ? (sp_str){NULL, 0} : (sp_str){s, strlen(s)};
}

static inline bool sp_str_eq(sp_str a, sp_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Bytes [from, to), both clamped to the string. */
sp_str sp_str_sub(sp_str s, size_t from, size_t to);

/* <0, 0, >0 by bytes, shorter first on a common prefix: Go's string order. */
int sp_str_cmp(sp_str a, sp_str b);

/* ASCII case-insensitive equality (HTTP header names, media types). */
bool sp_str_eq_nocase(sp_str a, sp_str b);

/* Every one of `wanted` is in the list. */
bool sp_strs_have(const sp_strs *list, const sp_str *wanted, size_t n);

bool sp_str_starts(sp_str s, sp_str prefix);
bool sp_str_ends(sp_str s, sp_str suffix);

/* Index of the first byte `c` / of the first occurrence of `needle`, or -1. */
ptrdiff_t sp_str_index(sp_str s, char c);
ptrdiff_t sp_str_rindex(sp_str s, char c);
ptrdiff_t sp_str_find(sp_str s, sp_str needle);

/* Without the blanks (space, tab, CR, LF) at both ends. */
sp_str sp_str_trim(sp_str s);

/*
 * Consumers: on success they advance *in past what they took; on failure *in is untouched, so that steps
 * chain with &&.
 */
bool sp_str_take(sp_str *in, sp_str prefix);
/* Cuts *in at the first `sep`: *ret_head gets what is before it and *in what is after. */
bool sp_str_cut(sp_str *in, char sep, sp_str *ret_head);
/* Takes the next item off a list; the last one goes to the end. False when nothing is left: a separator at
 * the end is no empty item. */
bool sp_str_next(sp_str *list, char sep, sp_str *ret);

/* True when the bytes are well-formed UTF-8 (no surrogates, no overlong forms, nothing above U+10FFFF). */
bool sp_str_is_utf8(sp_str s);

/* Equality in time that depends on the lengths only; for tokens and digests. */
bool sp_str_eq_const_time(sp_str a, sp_str b);
