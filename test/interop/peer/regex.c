/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our engine for test/interop/regex. Requests and answers are "LENGTH\n" and that many bytes.
 *   p PATTERN   the pattern for what follows: "ok GROUPS NAME,NAME,…" or the error text
 *   t TEXT      "MATCH;" and for each match its spans, "0 3 -1 -1;": match by the automata, all matches by
 * find f FRAMES    texts framed like requests; a line each: the spans of the first match, "0-3 -", or "-" r
 * PATTERN   the ranges of a pattern that is one class: "30-39,41-5a" b TEXT      nanoseconds of one match v
 * the edition of Unicode
 */
#include <stdio.h>
#include <time.h>

#include "base/buf.h"
#include "base/num.h"
#include "kube/regex/regex_int.h"
#include "unicode_tables.h"

static sp_arena arena, scratch;
static const sp_regex *re;
static sp_buf out;

static void on_pattern(sp_str pattern)
{
	sp_str text = {0};
	sp_arena_reset(&arena);
	re = NULL;
	sp_code code = sp_regex_compile(&arena, pattern, &re, &text, NULL);
	if (code == SP_EINVAL) {
		(void)sp_buf_str(&out, text);
		return;
	}
	(void)sp_buf_printf(&out, code == SP_OK ? "ok %zu " : "too large",
			    code == SP_OK ? sp_regex_n_groups(re) : 0);
	for (size_t i = 1; code == SP_OK && i <= sp_regex_n_groups(re); i++) {
		(void)sp_buf_str(&out, sp_regex_group_name(re, i));
		(void)sp_buf_char(&out, ',');
	}
}

/* The same answer from every machine, or an abort. */
static bool match(sp_str text)
{
	bool yes, pike, lazy, done;
	SP_ASSERT(sp_regex_match(re, text, &scratch, &yes) == SP_OK);
	sp_arena_reset(&scratch);
	SP_ASSERT(re_pike(re, text, 0, &scratch, NULL, 0, &pike) == SP_OK);
	sp_arena_reset(&scratch);
	re_dfa_lazy(re, text, &scratch, &done, &lazy);
	SP_ASSERT(pike == yes);
	SP_ASSERT(!done || lazy == yes);
	return yes;
}

static void on_text(sp_str text)
{
	sp_regex_span spans[64];
	size_t n = sp_regex_n_groups(re) + 1;
	bool found;
	SP_ASSERT(n <= SP_LEN(spans));
	sp_regex_iter it = sp_regex_iter_of(re, text);
	(void)sp_buf_printf(&out, "%d;", match(text));
	for (;;) {
		SP_ASSERT(sp_regex_next(&it, &scratch, spans, n, &found) == SP_OK);
		if (!found)
			break;
		for (size_t i = 0; i < n; i++)
			(void)sp_buf_printf(&out, i == 0 ? "%td %td" : " %td %td", spans[i].from,
					    spans[i].to);
		(void)sp_buf_char(&out, ';');
	}
}

static void on_frames(sp_str frames)
{
	sp_regex_span spans[64];
	sp_str head;
	size_t n = sp_regex_n_groups(re) + 1;
	SP_ASSERT(n <= SP_LEN(spans));
	while (sp_str_cut(&frames, '\n', &head)) {
		uint64_t len;
		bool found;
		SP_ASSERT(sp_parse_u64(head, 0, frames.len, &len, NULL) == SP_OK);
		sp_str text = sp_str_sub(frames, 0, len);
		frames = sp_str_sub(frames, len, frames.len);
		SP_ASSERT(sp_regex_find(re, text, 0, &scratch, spans, n, &found) == SP_OK);
		SP_ASSERT(match(text) == found);
		for (size_t i = 0; i < (found ? n : 1); i++) {
			(void)sp_buf_str(&out, i == 0 ? SP_STR("") : SP_STR(" "));
			if (found && spans[i].from >= 0)
				(void)sp_buf_printf(&out, "%td-%td", spans[i].from, spans[i].to);
			else
				(void)sp_buf_char(&out, '-');
		}
		(void)sp_buf_char(&out, '\n');
	}
}

static void on_ranges(sp_str pattern)
{
	on_pattern(pattern);
	if (re == NULL)
		return;
	sp_buf_clear(&out);
	const re_inst *in = &re->insts[re->start];
	SP_ASSERT(in->op == RE_I_CLASS || in->op == RE_I_RUNE);
	if (in->op == RE_I_RUNE)
		(void)sp_buf_printf(&out, "%x-%x,", in->arg, in->arg);
	for (uint32_t i = 0; in->op == RE_I_CLASS && i < re->classes[in->arg].n; i++)
		(void)sp_buf_printf(&out, "%x-%x,", re->classes[in->arg].ranges[i].lo,
				    re->classes[in->arg].ranges[i].hi);
}

static double now_ns(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void on_bench(sp_str text)
{
	double best = 1e18;
	bool yes;
	for (int run = 0; run < 5; run++) {
		size_t rounds = 1 + 2000000 / (text.len + 20);
		double from = now_ns();
		for (size_t i = 0; i < rounds; i++)
			SP_ASSERT(sp_regex_match(re, text, &scratch, &yes) == SP_OK);
		best = SP_MIN(best, (now_ns() - from) / (double)rounds);
	}
	(void)sp_buf_printf(&out, "%.1f", best);
}

int main(void)
{
	static char input[1 << 22];
	size_t n;
	sp_arena_init(&arena, (size_t)64 << 20);
	sp_arena_init(&scratch, (size_t)256 << 20);
	sp_buf_init(&out, (size_t)64 << 20);
	while (scanf("%zu", &n) == 1 && getchar() == '\n' && n >= 2 && n <= sizeof(input) &&
	       fread(input, 1, n, stdin) == n) {
		sp_str rest = {input + 2, n - 2};
		sp_buf_clear(&out);
		if (input[0] == 'p')
			on_pattern(rest);
		else if (input[0] == 't')
			on_text(rest);
		else if (input[0] == 'r')
			on_ranges(rest);
		else if (input[0] == 'f')
			on_frames(rest);
		else if (input[0] == 'v')
			(void)sp_buf_str(&out, SP_STR(UNICODE_VERSION));
		else
			on_bench(rest);
		printf("%zu\n", out.len);
		(void)fwrite(out.len > 0 ? out.ptr : "", 1, out.len, stdout);
		(void)fflush(stdout);
	}
	sp_arena_done(&arena);
	sp_arena_done(&scratch);
	sp_buf_done(&out);
	return 0;
}
