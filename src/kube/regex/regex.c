/* SPDX-License-Identifier: Apache-2.0 */
/* The questions that a compiled expression answers. */
#include "kube/regex/regex_int.h"

/* Below this an automaton built on the way does not pay. */
#define LAZY_TEXT_BYTES_MIN 512u

size_t sp_regex_n_groups(const sp_regex *re)
{
	return re->n_groups;
}

sp_str sp_regex_group_name(const sp_regex *re, size_t i)
{
	SP_ASSERT(i >= 1 && i <= re->n_groups);
	return re->names[i];
}

sp_code sp_regex_match(const sp_regex *re, sp_str text, sp_arena *scratch, bool *ret)
{
	if (text.len >= SP_REGEX_TEXT_BYTES_MAX)
		return SP_ETOOLARGE;
	if (re->dfa != NULL) {
		*ret = re_dfa_match(re, text);
		return SP_OK;
	}
	if (re->prefix.len > 0 && sp_str_find(text, re->prefix) < 0) {
		*ret = false;
		return SP_OK;
	}
	if (text.len >= LAZY_TEXT_BYTES_MIN) {
		bool done, found;
		sp_arena_reset(scratch);
		re_dfa_lazy(re, text, scratch, &done, &found);
		if (done) {
			*ret = found;
			return SP_OK;
		}
	}
	sp_arena_reset(scratch);
	return re_pike(re, text, 0, scratch, NULL, 0, ret);
}

sp_code sp_regex_find(const sp_regex *re, sp_str text, size_t from, sp_arena *scratch, sp_regex_span *spans,
		      size_t n_spans, bool *ret_found)
{
	if (text.len >= SP_REGEX_TEXT_BYTES_MAX)
		return SP_ETOOLARGE;
	/* The automaton is so much faster that asking it first costs a match little. */
	if (from > text.len || (from == 0 && re->dfa != NULL && !re_dfa_match(re, text))) {
		*ret_found = false;
		return SP_OK;
	}
	size_t n = SP_MIN(n_spans, (size_t)re->n_groups + 1);
	sp_arena_reset(scratch);
	uint32_t *slots = sp_try_new(scratch, uint32_t, 2 * n);
	if (slots == NULL)
		return SP_ETOOLARGE;
	SP_TRY(re_pike(re, text, from, scratch, slots, (uint32_t)(2 * n), ret_found));
	for (size_t i = 0; i < n_spans && *ret_found; i++) {
		bool set = i < n && slots[2 * i] != UINT32_MAX && slots[2 * i + 1] != UINT32_MAX;
		spans[i] = set ? (sp_regex_span){slots[2 * i], slots[2 * i + 1]} : (sp_regex_span){-1, -1};
	}
	return SP_OK;
}

sp_code sp_regex_next(sp_regex_iter *it, sp_arena *scratch, sp_regex_span *spans, size_t n_spans,
		      bool *ret_found)
{
	SP_ASSERT(n_spans >= 1);
	for (;;) {
		bool found = false, accepted = true;
		SP_TRY(sp_regex_find(it->re, it->text, it->at, scratch, spans, n_spans, &found));
		if (!found) {
			it->at = it->text.len + 1;
			*ret_found = false;
			return SP_OK;
		}
		ptrdiff_t to = spans[0].to;
		if ((size_t)to == it->at) {
			/* Nothing was taken: on by one character, or the search would stand still. */
			uint32_t c;
			sp_str left = sp_str_sub(it->text, it->at, it->text.len);
			accepted = spans[0].from != it->last_to;
			it->at += left.len > 0 ? sp_utf8_decode(left, &c) : 1;
		} else {
			it->at = (size_t)to;
		}
		it->last_to = to;
		if (accepted) {
			*ret_found = true;
			return SP_OK;
		}
	}
}
