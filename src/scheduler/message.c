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

static void look_at(sched_cycle *c, uint32_t slot, sched_diagnosis *d)
{
	sched_status s;
	sched_cycle_status(c, slot, &s);
	d->verdict[slot] = (uint8_t)s.verdict;
	/* Nodes left out by a set of names are NodeAffinity's. */
	d->rejectors |= 1u << (s.plugin == SCHED_NO_PLUGIN ? SCHED_P_NODE_AFFINITY : s.plugin);
	for (size_t i = 0; i < s.n_reasons; i++)
		(void)sched_tally_add(d->tally, s.reasons[i], 1);
}

const sched_diagnosis *sched_cycle_diagnose(sched_cycle *c)
{
	if (c->diagnosis != NULL)
		return c->diagnosis;
	sched_diagnosis *d = sp_try_new(&c->arena, sched_diagnosis, 1);
	if (d == NULL)
		return NULL;
	d->verdict = sp_try_new(&c->arena, uint8_t, c->st->t.n + 1);
	d->tally = sp_try_new(&c->arena, sched_tally, 1);
	if (d->verdict == NULL || d->tally == NULL)
		return NULL;
	SCHED_BITS_EACH (slot, c->st->t.present, c->n_words)
		look_at(c, slot, d);
	c->diagnosis = d;
	return d;
}

sp_str sched_cycle_message(sched_cycle *c)
{
	size_t n_nodes = c->st->t.n_present;
	if (c->prefilter.verdict != SCHED_OK)
		return sp_arena_printf(&c->arena, "0/%zu nodes are available: " SP_FMT ".", n_nodes,
				       SP_ARG(c->prefilter.reasons[0]));
	const sched_diagnosis *d = sched_cycle_diagnose(c);
	return d == NULL ? (sp_str){0} : sched_tally_text(&c->arena, d->tally, n_nodes);
}
