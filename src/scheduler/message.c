/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/message.h"

#include <stdlib.h>

#include "scheduler/plugins/plugins.h"

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

/* -- diagnosis ------------------------------------------------------------------------------------------ */

typedef struct diagnosing {
	sched_cycle *c;
	sched_diagnosis *d;
	uint64_t *left, *lost; /* nodes to look at; those of one plugin */
	sched_status s;        /* large: one for all nodes */
} diagnosing;

/* n nodes say what `s` says. */
static void count(diagnosing *x, size_t n)
{
	/* Nodes left out by a set of names are NodeAffinity's. */
	x->d->rejectors |= 1u << (x->s.plugin == SCHED_NO_PLUGIN ? SCHED_P_NODE_AFFINITY : x->s.plugin);
	for (size_t i = 0; i < x->s.n_reasons; i++)
		(void)sched_tally_add(x->d->tally, x->s.reasons[i], n);
}

/* Nodes that are not among the names, or hold room for others: all filters are asked about each. */
static void look_at_odd_ones(diagnosing *x)
{
	sched_cycle *c = x->c;
	for (size_t w = 0; w < c->n_words; w++) {
		x->lost[w] =
			x->left[w] & (c->st->t.has_nominated[w] | (c->has_name_set ? ~c->name_set[w] : 0));
		x->left[w] &= ~x->lost[w];
	}
	SCHED_BITS_EACH (slot, x->lost, c->n_words) {
		sched_cycle_status(c, slot, &x->s);
		x->d->verdict[slot] = (uint8_t)x->s.verdict;
		count(x, 1);
	}
}

/* Takes the nodes of a cause out; how many they are. */
static size_t take_alike(diagnosing *x, const int32_t *causes, int32_t cause)
{
	size_t n = 0;
	SCHED_BITS_EACH (slot, x->lost, x->c->n_words) {
		if (causes[slot] != cause)
			continue;
		x->d->verdict[slot] = (uint8_t)x->s.verdict;
		sched_bit_clear(x->lost, slot);
		n++;
	}
	return n;
}

#define CAUSES_MAX 32u /* further nodes are asked one by one */

/* The nodes in `lost`, which one plugin turned down; of those with one cause it is asked about the first. */
static void ask(diagnosing *x, const sched_plugin *plugin)
{
	const int32_t *causes = plugin->causes == NULL ? NULL : plugin->causes(x->c);
	size_t n_causes = 0;
	SCHED_BITS_EACH (slot, x->lost, x->c->n_words) {
		if (!sched_bit(x->lost, slot))
			continue; /* it was like another one */
		x->s.verdict = SCHED_OK;
		x->s.n_reasons = 0;
		(void)plugin->filter_node(x->c, slot, NULL, &x->s);
		x->d->verdict[slot] = (uint8_t)x->s.verdict;
		bool alike = causes != NULL && n_causes++ < CAUSES_MAX;
		count(x, alike ? take_alike(x, causes, causes[slot]) : 1);
	}
}

/* The filters once more, one after the other: the first that turns down a node says why. */
static void look_at_all(diagnosing *x)
{
	sched_cycle *c = x->c;
	memcpy(x->left, c->st->t.present, c->n_words * sizeof *x->left);
	look_at_odd_ones(x);
	for (size_t i = 0; i < c->n_filters && c->code == SP_OK; i++) {
		const sched_plugin *plugin = sched_plugins[c->filters[i]];
		memcpy(x->lost, x->left, c->n_words * sizeof *x->lost);
		plugin->filter(c, x->left);
		for (size_t w = 0; w < c->n_words; w++)
			x->lost[w] &= ~x->left[w];
		ask(x, plugin);
	}
}

const sched_diagnosis *sched_cycle_diagnose(sched_cycle *c)
{
	if (c->diagnosis != NULL)
		return c->diagnosis;
	diagnosing x = {.c = c,
			.d = sp_try_new(&c->arena, sched_diagnosis, 1),
			.left = sp_try_new(&c->arena, uint64_t, c->n_words + 1),
			.lost = sp_try_new(&c->arena, uint64_t, c->n_words + 1)};
	if (x.d == NULL || x.left == NULL || x.lost == NULL)
		return NULL;
	x.d->verdict = sp_try_new(&c->arena, uint8_t, c->st->t.n + 1);
	x.d->tally = sp_try_new(&c->arena, sched_tally, 1);
	if (x.d->verdict == NULL || x.d->tally == NULL)
		return NULL;
	if (c->prefilter.verdict == SCHED_OK) {
		look_at_all(&x);
	} else {
		x.s = c->prefilter;
		memset(x.d->verdict, (int)x.s.verdict, c->st->t.n);
		count(&x, c->st->t.n_present);
	}
	c->diagnosis = x.d;
	return x.d;
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
