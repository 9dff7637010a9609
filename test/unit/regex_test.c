/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions: matches with groups, errors in Go's words, limits, and that the machines agree. */
#include "base/buf.h"
#include "kube/regex/regex_int.h"
#include "lib/t.h"

/* Room in a match's memory for tests; small, so that a wasteful match shows. */
#define SCRATCH_BYTES ((size_t)4 << 20)

static const sp_regex *compiled(sp_str pattern)
{
	const sp_regex *re = NULL;
	if (sp_regex_compile(T_ARENA, pattern, &re, NULL, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "compile: %s", T_ERR->msg);
	return re;
}

/* All matches: "0-3(0-1,-) 5-6(…)", or "" for none, or "!" when there was no room. */
static sp_str all_matches(const sp_regex *re, sp_str text)
{
	SP_AUTO_BUF out;
	sp_arena scratch;
	sp_regex_span spans[8];
	bool found = true;
	size_t n = sp_regex_n_groups(re) + 1;
	sp_buf_init(&out, 1 << 16);
	sp_arena_init(&scratch, SCRATCH_BYTES);
	sp_regex_iter it = sp_regex_iter_of(re, text);
	while (found && sp_regex_next(&it, &scratch, spans, n, &found) == SP_OK && found) {
		(void)sp_buf_printf(&out, "%s%td-%td", out.len > 0 ? " " : "", spans[0].from, spans[0].to);
		for (size_t i = 1; i < n; i++) {
			(void)sp_buf_char(&out, i == 1 ? '(' : ',');
			if (spans[i].from < 0)
				(void)sp_buf_char(&out, '-');
			else
				(void)sp_buf_printf(&out, "%td-%td", spans[i].from, spans[i].to);
		}
		(void)sp_buf_str(&out, n > 1 ? SP_STR(")") : SP_STR(""));
	}
	sp_arena_done(&scratch);
	return found ? SP_STR("!") : sp_arena_try_dup(T_ARENA, sp_buf_view(&out));
}

/* What each machine says about a match; they have to agree. */
static bool agreed(const sp_regex *re, sp_str text, bool *ret)
{
	sp_arena scratch;
	bool pike = false, lazy = false, done = false, any = false;
	sp_arena_init(&scratch, SCRATCH_BYTES);
	sp_code code = re_pike(re, text, 0, &scratch, NULL, 0, &pike);
	sp_arena_reset(&scratch);
	re_dfa_lazy(re, text, &scratch, &done, &lazy);
	if (code == SP_OK)
		code = sp_regex_match(re, text, &scratch, &any);
	sp_arena_done(&scratch);
	*ret = any;
	return code == SP_OK && any == pike && (!done || lazy == pike) &&
	       (re->dfa == NULL || re_dfa_match(re, text) == pike);
}

SP_TEST(regex, matches)
{
	static const struct {
		const char *pattern, *text, *want;
	} rows[] = {
		{"", "", "0-0"},
		{"", "ab", "0-0 1-1 2-2"},
		{"a*", "baaac", "0-0 1-4 5-5"},
		{"a", "banana", "1-2 3-4 5-6"},
		{"^a", "banana", ""},
		{"a|ab", "ab", "0-1"},
		{"(?:a|ab)(?:c|bcd)", "abcd", "0-4"},
		{"(a|ab)(c|bcd)(d*)", "abcd", "0-4(0-1,1-4,4-4)"},
		{"(a)|(b)", "ba", "0-1(-,0-1) 1-2(1-2,-)"},
		{"(a*)*", "b", "0-0(0-0) 1-1(1-1)"},
		{"(a*)+", "aab", "0-2(0-2) 3-3(3-3)"},
		{"(|a)*", "aa", "0-0(0-0) 1-1(1-1) 2-2(2-2)"},
		{"(|a)+", "aa", "0-0(0-0) 1-1(1-1) 2-2(2-2)"},
		{"(a+?)(a*)", "aaa", "0-3(0-1,1-3)"},
		{"(?U)(a+)(a*?)", "aaa", "0-3(0-1,1-3)"},
		{"a{2,3}", "aaaaaaa", "0-3 3-6"},
		{"a{2,3}?", "aaaaa", "0-2 2-4"},
		{"a{0}b", "ab", "1-2"},
		{"(a){0}b", "ab", "1-2(-)"},
		{"a{,2}", "a{,2}", "0-5"},
		{"(x{2}){2}", "xxxxx", "0-4(2-4)"},
		{"\\bfoo\\b", "foo afoo foo", "0-3 9-12"},
		{"\\Boo", "foo", "1-3"},
		{"(?m)^a$", "a\nb\na", "0-1 4-5"},
		{"^a$", "a\nb\na", ""},
		{"a.c", "a\nc abc", "4-7"},
		{"(?s)a.c", "a\nc", "0-3"},
		{"(?i)straße", "STRASSE STRAẞE", "8-16"},
		{"(?i)k", "K\xe2\x84\xaa", "0-1 1-4"},
		{"(?i)[^k]", "K\xe2\x84\xaax", "4-5"},
		{"(?i:a)b", "Ab aB", "0-2"},
		{"[^a]", "\xff\xe6\x97", "0-1 1-2 2-3"},
		{"\\x{fffd}", "\xff", "0-1"},
		{"日+", "x日日", "1-7"},
		{".", "日\xffz", "0-3 3-4 4-5"},
		{"\\Qa.b\\E+", "a.bb axb", "0-4"},
		{"a\\Q", "ba", "1-2"},
		{"\\Qa", "ba", "1-2"},
		{"[[:alpha:]]+", "ab1c", "0-2 3-4"},
		{"[\\d\\-x]+", "1-x a", "0-3"},
		{"[]a]+", "]a[", "0-2"},
		{"[^]a]", "]ab", "2-3"},
		{"\\pL+", "aé1日", "0-3 4-7"},
		{"\\p{Greek}", "aαb", "1-3"},
		{"\\P{^Greek}", "aαb", "1-3"},
		{"\\p{greek}", "aαb", "1-3"},
		{"\\p{Lowercase_Letter}+", "ABc", "2-3"},
		{"\\x41\\101\\a", "AA\a", "0-3"},
		{"(?P<year>\\d{4})-(?<month>\\d\\d)", "on 2024-05-06", "3-10(3-7,8-10)"},
		{"(a)(?i)(b)|c", "aB C", "0-2(0-1,1-2) 3-4(-,-)"},
		{"\\A\\z", "", "0-0"},
		{"$^", "a", ""},
		{"(?:(?:^)*)*a", "ba", "1-2"},
		{"[^\\x00-\\x{10FFFF}]", "a", ""},
		{"foo|foobar|bar", "foobar", "0-3 3-6"},
		{"(?:word1|word2|wor)x", "word1 word2x worx", "6-12 13-17"},
		{"(?:(é)|è)+", "eèé\xc3", "1-5(3-5)"},
		{"(?:ab)*ab|ac", "xacabab", "1-3 3-7"},
		{"(foo|foobar)(bar)?$", "foobar", "0-6(0-3,3-6)"},
		{"\xef\xbf\xbd", "\xff\xef\xbf\xbd", "0-1 1-4"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s on %s", rows[i].pattern, rows[i].text);
		sp_str text = sp_str_c(rows[i].text);
		const sp_regex *re = compiled(sp_str_c(rows[i].pattern));
		bool yes = false;
		T_TRUE(re != NULL);
		T_EQ_C(all_matches(re, text), rows[i].want);
		T_TRUE(agreed(re, text, &yes));
		T_TRUE(yes == (rows[i].want[0] != '\0'));
	}
}

SP_TEST(regex, errors)
{
	static const struct {
		const char *pattern, *want;
	} rows[] = {
		{"(", "missing closing ): `(`"},
		{")", "unexpected ): `)`"},
		{"a|b)c", "unexpected ): `a|b)c`"},
		{"[a-z", "missing closing ]: `[a-z`"},
		{"x[a", "missing closing ]: `[a`"},
		{"[", "missing closing ]: `[`"},
		{"[z-a]", "invalid character class range: `z-a`"},
		{"[[:nope:]]", "invalid character class range: `[:nope:]`"},
		{"[[:^a_very_long_name:]]", "invalid character class range: `[:^a_very_long_name:]`"},
		{"\\p{Nope}", "invalid character class range: `\\p{Nope}`"},
		{"\\p{Old_Italic}", "invalid character class range: `\\p{Old_Italic}`"},
		{"\\p{L", "invalid character class range: `\\p{L`"},
		{"\\p", "invalid character class range: `\\p`"},
		{"\\8", "invalid escape sequence: `\\8`"},
		{"\\1", "invalid escape sequence: `\\1`"},
		{"\\C", "invalid escape sequence: `\\C`"},
		{"a\\q b", "invalid escape sequence: `\\q`"},
		{"\\x{110000}", "invalid escape sequence: `\\x{110000`"},
		{"\\x{}", "invalid escape sequence: `\\x{}`"},
		{"\\xg1", "invalid escape sequence: `\\xg1`"},
		{"\\é", "invalid escape sequence: `\\é`"},
		{"a\\", "trailing backslash at end of expression: ``"},
		{"*", "missing argument to repetition operator: `*`"},
		{"a|+?b", "missing argument to repetition operator: `+?`"},
		{"(?i)*", "missing argument to repetition operator: `*`"},
		{"a**", "invalid nested repetition operator: `**`"},
		{"a*?+?b", "invalid nested repetition operator: `*?+?`"},
		{"a{2}{3}", "invalid nested repetition operator: `{2}{3}`"},
		{"a{1001}", "invalid repeat count: `{1001}`"},
		{"a{99999999999}", "invalid repeat count: `{99999999999}`"},
		{"a{2,1}", "invalid repeat count: `{2,1}`"},
		{"((x{100}){11})", "invalid repeat count: `{11}`"},
		{"(?P<n", "invalid named capture: `(?P<n`"},
		{"(?P<>a)", "invalid named capture: `(?P<>`"},
		{"(?<x y>a)", "invalid named capture: `(?<x y>`"},
		{"(?=a)", "invalid or unsupported Perl syntax: `(?=`"},
		{"(?i--s)", "invalid or unsupported Perl syntax: `(?i--`"},
		{"(?i-)", "invalid or unsupported Perl syntax: `(?i-)`"},
		{"(?P=n)", "invalid or unsupported Perl syntax: `(?P`"},
		{"a\xff", "invalid UTF-8: `\xff`"},
		{"[\xff]", "invalid UTF-8: `\xff]`"},
		{"(?P<a\xff>x)", "invalid UTF-8: `\xff`"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		const sp_regex *re = NULL;
		sp_str text = {0};
		t_row("%s", rows[i].pattern);
		T_CODE(sp_regex_compile(T_ARENA, sp_str_c(rows[i].pattern), &re, &text, T_ERR), SP_EINVAL);
		T_TRUE(re == NULL);
		sp_str want = sp_arena_printf(T_ARENA, "error parsing regexp: %s", rows[i].want);
		T_EQ_STR(text, want);
		T_EQ_C(sp_str_c(T_ERR->msg).len < SP_ERR_MSG_BYTES ? want : SP_STR(""), T_ERR->msg);
	}
}

/* `left` n times, `middle`, `right` n times. */
static sp_str nested(const char *left, const char *middle, const char *right, int n)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 20);
	for (int i = 0; i < n; i++)
		(void)sp_buf_str(&out, sp_str_c(left));
	(void)sp_buf_str(&out, sp_str_c(middle));
	for (int i = 0; i < n; i++)
		(void)sp_buf_str(&out, sp_str_c(right));
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&out));
}

SP_TEST(regex, limits_of_go)
{
	const struct {
		sp_str pattern;
		const char *want; /* NULL: fine */
	} rows[] = {
		{nested("(", "", ")", 1000), "expression nests too deeply"},
		{SP_STR("(?:a{1000}b{1000}c{1000}d{1000}){1000}"), "expression too large"},
		{SP_STR("(x{1000})"), NULL},
		{SP_STR("((((((((((x{2}){2}){2}){2}){2}){2}){2}){2}){2}){2})"), "invalid repeat count"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		const sp_regex *re = NULL;
		sp_str text = {0};
		t_row("%zu", i);
		T_TRUE(rows[i].pattern.ptr != NULL);
		T_CODE(sp_regex_compile(T_ARENA, rows[i].pattern, &re, &text, T_ERR),
		       rows[i].want == NULL ? SP_OK : SP_EINVAL);
		T_TRUE(rows[i].want == NULL || sp_str_find(text, sp_str_c(rows[i].want)) >= 0);
	}
}

SP_TEST(regex, names_of_groups)
{
	const sp_regex *re = compiled(SP_STR("(?P<a>x)(y)(?<b_1>z)|(?P<a>w)"));
	T_TRUE(re != NULL);
	T_EQ_U64(sp_regex_n_groups(re), 4);
	T_EQ_C(sp_regex_group_name(re, 1), "a");
	T_EQ_C(sp_regex_group_name(re, 2), "");
	T_EQ_C(sp_regex_group_name(re, 3), "b_1");
	T_EQ_C(sp_regex_group_name(re, 4), "a");
}

SP_TEST(regex, find_from_a_place)
{
	sp_arena scratch;
	sp_regex_span spans[3] = {{7, 7}, {7, 7}, {7, 7}};
	bool found = true;
	const sp_regex *re = compiled(SP_STR("\\bb(c)?"));
	T_TRUE(re != NULL);
	sp_arena_init(&scratch, SCRATCH_BYTES);
	sp_code past = sp_regex_find(re, SP_STR("ab"), 3, &scratch, spans, 3, &found);
	bool past_found = found;
	sp_code inside = sp_regex_find(re, SP_STR("ab bc"), 1, &scratch, spans, 3, &found);
	sp_arena_done(&scratch);
	T_OK(past);
	T_TRUE(!past_found);
	T_OK(inside);
	T_TRUE(found);
	T_EQ_I64(spans[0].from, 3); /* the character before `from` counts: there is no boundary at 1 */
	T_EQ_I64(spans[1].to, 5);
	T_EQ_I64(spans[2].from, -1); /* no such group */
}

/* Patterns that make others take exponential time, on texts long enough for the automaton on the way. */
SP_TEST(regex, long_texts)
{
	static const char *const patterns[] = {
		"(a*)*b", "(?:a?){30}a{30}b", "(a|b)*a(a|b){14}c", "[^b]*\\bz", "(?m)^b", "a\\b.\\Bb",
	};
	char text[700];
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = 'a';
	for (size_t i = 0; i < SP_LEN(patterns); i++) {
		bool yes = false;
		t_row("%s", patterns[i]);
		const sp_regex *re = compiled(sp_str_c(patterns[i]));
		T_TRUE(re != NULL);
		T_TRUE(agreed(re, (sp_str){text, sizeof(text)}, &yes));
		for (size_t k = 0; k < sizeof(text); k++)
			text[k] = t_random_below(3) == 0 ? 'b' : 'a';
		T_TRUE(agreed(re, (sp_str){text, sizeof(text)}, &yes));
	}
}

SP_TEST(regex, cache_overflows)
{
	/* 2^15 states: far beyond the cache, on a text that visits them. */
	static char text[14000];
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = t_random_below(2) == 0 ? 'b' : 'a';
	sp_arena scratch;
	bool done = true, yes = true;
	const sp_regex *re = compiled(SP_STR("a[ab]{13}c"));
	T_TRUE(re != NULL);
	T_TRUE(re->dfa == NULL);
	sp_arena_init(&scratch, SCRATCH_BYTES);
	re_dfa_lazy(re, (sp_str){text, sizeof(text)}, &scratch, &done, &yes);
	sp_code code = sp_regex_match(re, (sp_str){text, sizeof(text)}, &scratch, &yes);
	sp_arena_done(&scratch);
	T_TRUE(!done);
	T_OK(code);
	T_TRUE(!yes);
}

SP_TEST(regex, ceilings)
{
	sp_arena small;
	const sp_regex *re = NULL;
	sp_str pattern = nested("(ab?c[d-f])", "", "", 40);
	bool yes = false;
	sp_arena_init(&small, 2048);
	sp_code compile = sp_regex_compile(&small, pattern, &re, NULL, T_ERR);
	sp_arena_reset(&small);
	sp_code refused = sp_regex_compile(&small, nested("", "[", "a", 3000), &re, NULL, T_ERR);
	sp_arena_reset(&small);
	const sp_regex *big = compiled(nested("a[ab]{15}c?", "", "", 50));
	sp_code match = big == NULL ? SP_ETOOLARGE : sp_regex_match(big, SP_STR("abab"), &small, &yes);
	sp_arena_done(&small);
	T_CODE(compile, SP_ETOOLARGE);
	T_CODE(refused, SP_ETOOLARGE);
	T_TRUE(big != NULL);
	T_CODE(match, SP_ETOOLARGE);
	T_TRUE(re == NULL);
}

SP_TEST(regex, folding_closes)
{
	/* Every orbit leads back, in rising order but for its end. */
	uint32_t n = 0;
	for (uint32_t c = 0; c <= SP_RUNE_MAX; c++) {
		uint32_t f = re_fold_next(c), length = 1;
		for (; f != c && length < 8; length++)
			f = re_fold_next(f);
		T_TRUE(length < 5);
		n += length > 1;
	}
	T_TRUE(n > 2700);
	T_EQ_U64(re_fold_next('k'), 0x212a);
	T_EQ_U64(re_fold_next(0x212a), 'K');
	T_EQ_U64(re_fold_next(0x130), 0x130);
}
