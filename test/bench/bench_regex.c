/* SPDX-License-Identifier: Apache-2.0 */
/* Matching and compiling; the ratio to Go's package is printed by test/interop/regex. */
#include <stdio.h>
#include <time.h>

#include "base/buf.h"
#include "kube/regex.h"

static double now_ns(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static const sp_regex *compiled(sp_arena *a, sp_str pattern)
{
	const sp_regex *re = NULL;
	sp_code code = sp_regex_compile(a, pattern, &re, NULL, NULL);
	SP_ASSERT(code == SP_OK);
	return re;
}

static void match(const char *name, sp_str pattern, sp_str text, int rounds)
{
	sp_arena a, scratch;
	double best = 1e18;
	bool yes;
	sp_arena_init(&a, (size_t)16 << 20);
	sp_arena_init(&scratch, SP_REGEX_SCRATCH_BYTES);
	const sp_regex *re = compiled(&a, pattern);
	for (int run = 0; run < 5; run++) {
		double from = now_ns();
		for (int i = 0; i < rounds; i++) {
			sp_code code = sp_regex_match(re, text, &scratch, &yes);
			SP_ASSERT(code == SP_OK);
		}
		best = SP_MIN(best, (now_ns() - from) / rounds);
	}
	printf("bench regex_%s %.1f ns peer=none\n", name, best);
	sp_arena_done(&scratch);
	sp_arena_done(&a);
}

static void compile(const char *name, sp_str pattern)
{
	double best = 1e18;
	for (int run = 0; run < 5; run++) {
		double from = now_ns();
		for (int i = 0; i < 200; i++) {
			sp_arena a;
			sp_arena_init(&a, (size_t)16 << 20);
			(void)compiled(&a, pattern);
			sp_arena_done(&a);
		}
		best = SP_MIN(best, (now_ns() - from) / 200);
	}
	printf("bench regex_compile_%s %.2f us peer=none\n", name, best / 1e3);
}

int main(void)
{
	sp_str dns = SP_STR("^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$");
	sp_buf words, text;
	sp_buf_init(&words, 1 << 20);
	sp_buf_init(&text, 1 << 20);
	for (int i = 0; i < 1000; i++)
		(void)sp_buf_printf(&words, "%sword%dx%d", i == 0 ? "" : "|", i * 7919 % 1000, i);
	for (int i = 0; i < 50; i++)
		(void)sp_buf_str(&text, SP_STR("some text without it "));
	match("dns1123_subdomain", dns, SP_STR("api.internal.example-01.com"), 100000);
	match("alternation_1000", sp_buf_view(&words), sp_buf_view(&text), 200);
	match("unanchored_1k", SP_STR("[0-9]+-[a-z]+$"), sp_buf_view(&text), 20000);
	compile("dns1123_subdomain", dns);
	compile("unicode", SP_STR("^[\\p{L}\\p{N}_-]{1,63}$"));
	sp_buf_done(&words);
	sp_buf_done(&text);
	return 0;
}
