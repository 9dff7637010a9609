/* SPDX-License-Identifier: Apache-2.0 */
#include "base/quote.h"
#include "kube/kinds/job.h"

static sp_str quoted(sp_arena *a, sp_str s)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, a->limit_bytes);
	(void)sp_quote_go(&text, s);
	return sp_arena_try_dup(a, sp_buf_view(&text));
}

/* Go's Atoi. */
static bool integer(sp_str s, int64_t *ret)
{
	bool negative = sp_str_take(&s, SP_STR("-"));
	int64_t n = 0;
	if (!negative)
		(void)sp_str_take(&s, SP_STR("+"));
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9' || n > (INT64_MAX - 9) / 10)
			return false;
		n = n * 10 + (s.ptr[i] - '0');
	}
	*ret = negative ? -n : n;
	return true;
}

/* What is wrong with an interval; the texts are made only when `a` is given. */
static bool limit_of(sp_arena *a, sp_str text, int64_t completions, int64_t *ret, sp_str *ret_why)
{
	if (integer(text, ret) && *ret < completions)
		return true;
	if (a != NULL) {
		sp_str shown = quoted(a, text);
		*ret_why = sp_arena_printf(a, "%s: " SP_FMT,
					   integer(text, ret) ? "too large index"
							      : "cannot convert string to integer for index",
					   SP_ARG(shown));
	}
	return false;
}

static bool interval(sp_arena *a, sp_str text, int64_t completions, int64_t *ret_from, int64_t *ret_to,
		     sp_str *ret_why)
{
	sp_str to = text, from;
	bool two = sp_str_cut(&to, '-', &from);
	if (two && sp_str_index(to, '-') >= 0) {
		if (a != NULL) {
			sp_str shown = quoted(a, text);
			*ret_why = sp_arena_printf(a,
						   "the fragment " SP_FMT
						   " violates the requirement that an index interval can "
						   "have at most two parts separated by '-'",
						   SP_ARG(shown));
		}
		return false;
	}
	if (!limit_of(a, two ? from : text, completions, ret_from, ret_why))
		return false;
	*ret_to = *ret_from;
	if (!two)
		return true;
	if (!limit_of(a, to, completions, ret_to, ret_why))
		return false;
	if (*ret_from < *ret_to)
		return true;
	if (a != NULL)
		*ret_why = sp_arena_printf(a, "non-increasing order, previous: %lld, current: %lld",
					   (long long)*ret_from, (long long)*ret_to);
	return false;
}

/* The next part before a comma; false at the end. */
static bool next_part(sp_str *rest, bool *more, sp_str *ret)
{
	if (!*more)
		return false;
	*more = sp_str_cut(rest, ',', ret);
	if (!*more)
		*ret = *rest;
	return true;
}

bool sp_job_indexes(sp_arena *a, sp_str text, int64_t completions, int64_t *ret_total, sp_str *ret_why)
{
	int64_t from, to, last = INT64_MIN;
	bool more = text.len > 0;
	sp_str part;
	*ret_total = 0;
	while (next_part(&text, &more, &part)) {
		if (!interval(a, part, completions, &from, &to, ret_why)) {
			*ret_total = 0;
			return false;
		}
		if (last >= from) {
			*ret_total = 0;
			*ret_why = sp_arena_printf(a, "non-increasing order, previous: %lld, current: %lld",
						   (long long)last, (long long)from);
			return false;
		}
		*ret_total += to - from + 1;
		last = to;
	}
	return true;
}

/* The next well-formed interval. */
static bool next_interval(sp_str *rest, bool *more, int64_t completions, int64_t *from, int64_t *to)
{
	sp_str part;
	while (next_part(rest, more, &part)) {
		if (interval(NULL, part, completions, from, to, NULL))
			return true;
	}
	return false;
}

int64_t sp_job_indexes_overlap(sp_str completed, sp_str failed, int64_t completions)
{
	int64_t c_from, c_to, f_from, f_to;
	bool c_more = completed.len > 0 && failed.len > 0, f_more = c_more;
	bool c_ok = next_interval(&completed, &c_more, completions, &c_from, &c_to);
	bool f_ok = next_interval(&failed, &f_more, completions, &f_from, &f_to);
	while (c_ok && f_ok) {
		if (c_from <= f_to && f_from <= c_to)
			return SP_MAX(c_from, f_from);
		if (c_from <= f_from)
			c_ok = next_interval(&completed, &c_more, completions, &c_from, &c_to);
		else
			f_ok = next_interval(&failed, &f_more, completions, &f_from, &f_to);
	}
	return -1;
}
