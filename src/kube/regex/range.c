/* SPDX-License-Identifier: Apache-2.0 */
/* Sets of characters as ranges. */
#include "kube/regex/regex_int.h"

static int by_lo(const void *x, const void *y)
{
	const re_range *a = x, *b = y;
	return a->lo < b->lo ? -1 : a->lo > b->lo;
}

static bool is_sorted(const re_set *s)
{
	for (uint32_t i = 1; i < s->n; i++) {
		if (s->items[i].lo < s->items[i - 1].lo)
			return false;
	}
	return true;
}

void re_set_clean(re_set *s)
{
	if (s->n < 2)
		return;
	if (!is_sorted(s))
		qsort(s->items, s->n, sizeof(*s->items), by_lo);
	uint32_t n = 1;
	for (uint32_t i = 1; i < s->n; i++) {
		re_range *last = &s->items[n - 1], r = s->items[i];
		if (r.lo > last->hi + 1)
			s->items[n++] = r;
		else if (r.hi > last->hi)
			last->hi = r.hi;
	}
	s->n = n;
}

void re_set_add(re_set *s, uint32_t lo, uint32_t hi)
{
	if (s->failed)
		return;
	if (s->n > 0 && lo <= s->items[s->n - 1].hi + 1 && lo >= s->items[s->n - 1].lo) {
		s->items[s->n - 1].hi = SP_MAX(hi, s->items[s->n - 1].hi);
		return;
	}
	if (s->n == s->cap) {
		re_set_clean(s); /* the same class many times over needs no more room */
		if (s->n > s->cap / 2) {
			uint32_t cap = s->cap * 2;
			re_range *items = sp_arena_try_grow(s->arena, s->items, s->cap * sizeof(*items),
							    cap * sizeof(*items));
			if (items == NULL) {
				s->failed = true;
				return;
			}
			s->items = items;
			s->cap = cap;
		} else if (s->cap == 0) {
			s->items = sp_try_new(s->arena, re_range, 16);
			s->failed = s->items == NULL;
			if (s->failed)
				return;
			s->cap = 16;
		}
	}
	s->items[s->n++] = (re_range){lo, hi};
}

static void add_orbit(void *arg, uint32_t c)
{
	for (uint32_t f = re_fold_next(c); f != c; f = re_fold_next(f))
		re_set_add(arg, f, f);
}

void re_set_add_fold(re_set *s, uint32_t lo, uint32_t hi)
{
	re_set_add(s, lo, hi);
	re_fold_each(lo, hi, add_orbit, s);
}

void re_set_add_set(re_set *s, const re_set *other, bool negated)
{
	uint32_t next = 0;
	s->failed |= other->failed;
	for (uint32_t i = 0; i < other->n; i++) {
		re_range r = other->items[i];
		if (!negated)
			re_set_add(s, r.lo, r.hi);
		else if (r.lo > next)
			re_set_add(s, next, r.lo - 1);
		next = r.hi + 1;
	}
	if (negated && next <= SP_RUNE_MAX)
		re_set_add(s, next, SP_RUNE_MAX);
}

void re_set_negate(re_set *s)
{
	uint32_t next = 0, n = 0;
	bool last = s->n == 0 || s->items[s->n - 1].hi < SP_RUNE_MAX;
	/* Each range is read before the gap in front of it takes its place or an earlier one. */
	for (uint32_t i = 0; i < s->n; i++) {
		re_range r = s->items[i];
		if (r.lo > next)
			s->items[n++] = (re_range){next, r.lo - 1};
		next = r.hi + 1;
	}
	s->n = n;
	if (last) {
		/* Not joined to the gap before it: what stood between them is not in the set. */
		re_set_add(s, next, SP_RUNE_MAX);
	}
}

bool re_ranges_have(const re_range *r, uint32_t n, uint32_t c)
{
	uint32_t lo = 0, hi = n;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (c > r[mid].hi)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < n && r[lo].lo <= c;
}
