/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/message.h"

#include <stdlib.h>

bool sched_tally_add(sched_tally *t, sp_str text, size_t n)
{
	for (size_t i = 0; i < t->n; i++) {
		if (sp_str_eq(t->items[i].text, text)) {
			t->items[i].n += n;
			return true;
		}
	}
	if (t->n == SP_LEN(t->items))
		return false;
	t->items[t->n].text = text;
	t->items[t->n++].n = n;
	return true;
}

static int by_text(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

sp_str sched_tally_text(sp_arena *a, const sched_tally *t, size_t n_nodes)
{
	sp_str lines[SCHED_TALLY_MAX];
	sp_str text = sp_arena_printf(a, "0/%zu nodes are available:", n_nodes);
	for (size_t i = 0; i < t->n; i++) {
		lines[i] = sp_arena_printf(a, "%zu " SP_FMT, t->items[i].n, SP_ARG(t->items[i].text));
		if (lines[i].ptr == NULL)
			return lines[i];
	}
	if (t->n > 1)
		qsort(lines, t->n, sizeof *lines, by_text);
	for (size_t i = 0; i < t->n && text.ptr != NULL; i++)
		text = SP_CONCAT(a, text, i == 0 ? SP_STR(" ") : SP_STR(", "), lines[i]);
	return t->n == 0 || text.ptr == NULL ? text : SP_CONCAT(a, text, SP_STR("."));
}

sp_str sched_cycle_message(sched_cycle *c)
{
	size_t n_nodes = c->st->t.n_present;
	if (c->prefilter.verdict != SCHED_OK)
		return sp_arena_printf(&c->arena, "0/%zu nodes are available: " SP_FMT ".", n_nodes,
				       SP_ARG(c->prefilter.reasons[0]));
	sched_tally *t = sp_try_new(&c->arena, sched_tally, 1);
	if (t == NULL)
		return (sp_str){0};
	SCHED_BITS_EACH (slot, c->st->t.present, c->n_words) {
		sched_status s;
		sched_cycle_status(c, slot, &s);
		for (size_t i = 0; i < s.n_reasons; i++)
			(void)sched_tally_add(t, s.reasons[i], 1);
	}
	return sched_tally_text(&c->arena, t, n_nodes);
}
