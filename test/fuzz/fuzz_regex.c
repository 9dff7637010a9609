/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern and a text, parted by a line feed: the machines agree, and a match lies in the text. */
#include "kube/regex/regex_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 4096)
		return 0;
	sp_str text = {(const char *)data, size}, pattern;
	if (!sp_str_cut(&text, '\n', &pattern))
		return 0;
	sp_arena a, scratch;
	sp_arena_init(&a, (size_t)16 << 20);
	sp_arena_init(&scratch, (size_t)16 << 20);
	const sp_regex *re = NULL;
	sp_regex_span spans[4];
	bool yes = false, pike = false, lazy = false, done = false, found = false;
	if (sp_regex_compile(&a, pattern, &re, NULL, NULL) == SP_OK && re->n_insts * text.len < 20000000 &&
	    sp_regex_match(re, text, &scratch, &yes) == SP_OK) {
		sp_arena_reset(&scratch);
		SP_ASSERT(re_pike(re, text, 0, &scratch, NULL, 0, &pike) != SP_OK || pike == yes);
		sp_arena_reset(&scratch);
		re_dfa_lazy(re, text, &scratch, &done, &lazy);
		SP_ASSERT(!done || lazy == yes);
		sp_regex_iter it = sp_regex_iter_of(re, text);
		ptrdiff_t last = 0;
		for (int i = 0; i < 20; i++) {
			if (sp_regex_next(&it, &scratch, spans, SP_LEN(spans), &found) != SP_OK)
				break;
			SP_ASSERT(i > 0 || found == yes);
			if (!found)
				break;
			SP_ASSERT(spans[0].from >= last && spans[0].from <= spans[0].to);
			SP_ASSERT(spans[0].to <= (ptrdiff_t)text.len);
			last = spans[0].to;
		}
	}
	sp_arena_done(&scratch);
	sp_arena_done(&a);
	return 0;
}
