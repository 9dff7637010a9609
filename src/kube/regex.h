/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular expressions with the syntax, the meaning and the error texts of Go's regexp (RE2 syntax, leftmost
 * match, the first alternative wins), in time linear in the text. U: Go 1.26 regexp, regexp/syntax.
 *
 * A compiled expression is constant: any number of threads may use it at once. What a match needs beyond it
 * comes from a scratch arena, whose ceiling bounds the memory of the match. Patterns and texts are UTF-8; a
 * malformed byte of a pattern is an error, one of a text counts as one U+FFFD.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef struct sp_regex sp_regex;

/* Bytes [from, to) of the text, or {-1, -1}: the group took no part in the match. */
typedef struct sp_regex_span {
	ptrdiff_t from, to;
} sp_regex_span;

/* What one compilation may use beyond what it leaves in the arena; beyond it a pattern is too large. */
#define SP_REGEX_COMPILE_BYTES ((size_t)32 << 20)
/* A scratch ceiling that is enough for every pattern of reasonable size: about 40 bytes per instruction. */
#define SP_REGEX_SCRATCH_BYTES ((size_t)16 << 20)
/* Texts are shorter than this. */
#define SP_REGEX_TEXT_BYTES_MAX ((size_t)UINT32_MAX)

/*
 * Compiles `pattern` into the arena (the pattern itself is not kept). SP_EINVAL: the pattern is refused;
 * *error_text (which may be NULL) then gets Go's whole text, "error parsing regexp: missing closing ]: `[a`",
 * in the arena, and err the same, cut to its size. Go's own limits (repeat counts of 1000, 1000 levels,
 * "expression too large") are among these. SP_ETOOLARGE: beyond a limit of ours (the arena's ceiling,
 * SP_REGEX_COMPILE_BYTES) or no memory.
 */
sp_code sp_regex_compile(sp_arena *a, sp_str pattern, const sp_regex **ret, sp_str *error_text,
			 sp_err *err) SP_MUST_USE;

/* Groups of the pattern, the whole match not counted. */
size_t sp_regex_n_groups(const sp_regex *re);
/* The name of group i (1 to n_groups), empty when it has none. Names may repeat. */
sp_str sp_regex_group_name(const sp_regex *re, size_t i);

/*
 * Whether the text contains a match (MatchString). Every call empties the scratch arena first. SP_ETOOLARGE:
 * the scratch ceiling, or no memory.
 */
sp_code sp_regex_match(const sp_regex *re, sp_str text, sp_arena *scratch, bool *ret) SP_MUST_USE;

/*
 * The leftmost match that begins at or after byte `from` (assertions see the text before it). Fills n_spans
 * spans: the whole match, then the groups; those beyond n_groups become {-1, -1}. *ret_found tells whether
 * there is one; without it the spans are untouched. Scratch and errors as for match.
 */
sp_code sp_regex_find(const sp_regex *re, sp_str text, size_t from, sp_arena *scratch, sp_regex_span *spans,
		      size_t n_spans, bool *ret_found) SP_MUST_USE;

/*
 * All matches that do not overlap, as FindAll: an empty match right after the one before it is left out.
 * `sp_regex_iter it = sp_regex_iter_of(re, text)`, then sp_regex_next until it finds nothing.
 */
typedef struct sp_regex_iter {
	const sp_regex *re;
	sp_str text;
	size_t at;         /* where the search goes on; beyond the text at the end */
	ptrdiff_t last_to; /* end of the match before, -1 at first */
} sp_regex_iter;

static inline sp_regex_iter sp_regex_iter_of(const sp_regex *re, sp_str text)
{
	return (sp_regex_iter){re, text, 0, -1};
}
/* The next match as by find; n_spans is at least 1. Without one the spans are undefined. */
sp_code sp_regex_next(sp_regex_iter *it, sp_arena *scratch, sp_regex_span *spans, size_t n_spans,
		      bool *ret_found) SP_MUST_USE;
