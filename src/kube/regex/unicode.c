/* SPDX-License-Identifier: Apache-2.0 */
/* Properties and case folding of characters, from the tables that tools/unicode-tables makes. */
#include "kube/regex/regex_int.h"
#include "unicode_tables.h"

static uint32_t fold_step(const unicode_fold *f, uint32_t c)
{
	if (f->step == FOLD_EVEN_ODD)
		return c ^ 1;
	if (f->step == FOLD_ODD_EVEN)
		return ((c + 1) ^ 1) - 1;
	return (uint32_t)((int32_t)c + f->step);
}

/* The first run that ends at c or after it. */
static size_t fold_from(uint32_t c)
{
	size_t lo = 0, hi = SP_LEN(unicode_folds);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (c > unicode_folds[mid].hi)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint32_t re_fold_next(uint32_t c)
{
	size_t i = fold_from(c);
	return i < SP_LEN(unicode_folds) && unicode_folds[i].lo <= c ? fold_step(&unicode_folds[i], c) : c;
}

void re_fold_each(uint32_t lo, uint32_t hi, void (*fn)(void *arg, uint32_t c), void *arg)
{
	for (size_t i = fold_from(lo); i < SP_LEN(unicode_folds) && unicode_folds[i].lo <= hi; i++) {
		uint32_t from = SP_MAX(lo, unicode_folds[i].lo), to = SP_MIN(hi, unicode_folds[i].hi);
		for (uint32_t c = from; c <= to; c++)
			fn(arg, c);
	}
}

/* First letter upper, the rest lower, without '_', '-' and blanks. Names longer than any known are none. */
static bool canonical(sp_str name, char out[32])
{
	size_t n = 0;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];
		if (c == '_' || c == '-' || c == ' ')
			continue;
		if (n == 31)
			return false;
		if (n == 0 && c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		else if (n > 0 && c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		out[n++] = c;
	}
	out[n] = '\0';
	return memchr(out, '\0', n) == NULL;
}

static void add(re_set *s, uint32_t lo, uint32_t hi, bool fold)
{
	if (fold)
		re_set_add_fold(s, lo, hi);
	else
		re_set_add(s, lo, hi);
}

/* The runs (first character << 8 | number) whose number's bit is set in the mask, or is `number`. */
static void add_runs(re_set *s, const uint32_t *runs, size_t n, uint32_t mask, uint32_t number, bool fold)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t k = runs[i] & 0xff, hi = i + 1 < n ? (runs[i + 1] >> 8) - 1 : SP_RUNE_MAX;
		if (mask != 0 ? (mask >> k & 1) != 0 : k == number)
			add(s, runs[i] >> 8, hi, fold);
	}
}

static int category_cmp(const void *key, const void *row)
{
	return strcmp(key, ((const unicode_category *)row)->name);
}
static int script_cmp(const void *key, const void *row)
{
	return strcmp(key, ((const unicode_script *)row)->name);
}

bool re_unicode_add(re_set *s, sp_str name, bool fold)
{
	char key[32];
	if (!canonical(name, key))
		return false;
	bool assigned = strcmp(key, "Assigned") == 0;
	const unicode_category *c =
		bsearch(assigned ? "Cn" : key, unicode_categories, SP_LEN(unicode_categories),
			sizeof(*unicode_categories), category_cmp);
	if (strcmp(key, "Any") == 0) {
		re_set_add(s, 0, SP_RUNE_MAX);
		return true;
	}
	if (strcmp(key, "Ascii") == 0) {
		add(s, 0, 0x7f, fold);
		return true;
	}
	if (c != NULL) {
		add_runs(s, unicode_category_runs, SP_LEN(unicode_category_runs),
			 assigned ? ~c->mask : c->mask, 0, fold && (c->mask & CATEGORY_NO_FOLD) == 0);
		return true;
	}
	const unicode_script *script =
		bsearch(key, unicode_scripts, SP_LEN(unicode_scripts), sizeof(*unicode_scripts), script_cmp);
	if (script == NULL)
		return false;
	add_runs(s, unicode_script_runs, SP_LEN(unicode_script_runs), 0, script->number, fold);
	return true;
}
