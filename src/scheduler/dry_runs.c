/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/dry_runs.h"

#include "base/alloc.h"
#include "scheduler/counters_int.h"

/* A node says everything: all other filters leave such a pod alone. */
static bool is_local(const sched_cycle *c)
{
	const sched_spec *s = c->spec;
	return s->n_affinity == 0 && s->n_anti == 0 && s->pc->n_carried == 0 && c->hard.n == 0 &&
	       s->n_disks == 0 && s->n_claims == 0 && s->n_inlined == 0 && !s->resource_claims;
}

static void forget_texts(sched_dry_memo *m)
{
	while (m->n_texts > 0)
		sp_free(sched_str_unconst(m->texts[--m->n_texts]));
}

static void forget_all(sched_dry_memo *m)
{
	forget_texts(m);
	if (++m->generation != 0)
		return;
	memset(m->of, 0, m->cap * sizeof *m->of);
	m->generation = 1;
}

/* Room for the table's slots, and it is about the pod's spec. */
static bool prepare(sched_dry_memo *m, const sched_cycle *c)
{
	uint32_t cap = c->st->t.cap;
	if (m->cap != cap) {
		if (!sched_grow_array(&m->of, m->cap, cap))
			return false;
		m->cap = cap;
	}
	if (sp_str_eq(m->spec, c->spec->key))
		return true;
	sp_str key;
	if (sched_str_dup(c->spec->key, &key) != SP_OK)
		return false;
	sp_free(sched_str_unconst(m->spec));
	m->spec = key;
	forget_all(m);
	return true;
}

/* False: too much has changed. */
static bool forget_changed(sched_dry_memo *m, const sched_change_log *log, uint64_t *seq)
{
	uint64_t since = *seq;
	*seq = log->seq;
	if (log->seq - since >= SCHED_LOG_LEN)
		return false;
	for (; since < log->seq; since++)
		m->of[log->slots[since % SCHED_LOG_LEN]].generation = 0;
	return true;
}

sched_dry_memo *sched_dry_memo_for(sched_cycle *c)
{
	const sched_state *st = c->st;
	if (!is_local(c))
		return NULL;
	if (c->dry_memo == NULL)
		c->dry_memo = sp_try_alloc(sizeof *c->dry_memo);
	sched_dry_memo *m = c->dry_memo;
	if (m == NULL || !prepare(m, c))
		return NULL;
	bool known = forget_changed(m, &st->usage, &m->usage_seq);
	known = forget_changed(m, &st->objects, &m->objects_seq) && known;
	if (!known || m->budgets_revision != st->budgets_revision)
		forget_all(m);
	m->budgets_revision = st->budgets_revision;
	return m;
}

const sched_dry_run *sched_dry_memo_find(const sched_cycle *c, const sched_dry_memo *m, uint32_t slot)
{
	if (m == NULL || m->of[slot].generation != m->generation || sched_bit(c->st->t.has_nominated, slot))
		return NULL;
	return &m->of[slot];
}

/* The number of a text. False: there are too many, or no memory. */
static bool number(sched_dry_memo *m, sp_str text, uint8_t *ret)
{
	size_t i = 0;
	while (i < m->n_texts && !sp_str_eq(m->texts[i], text))
		i++;
	*ret = (uint8_t)i;
	if (i < m->n_texts)
		return true;
	if (i == SP_LEN(m->texts) || sched_str_dup(text, &m->texts[i]) != SP_OK)
		return false;
	m->n_texts++;
	return true;
}

void sched_dry_memo_keep(const sched_cycle *c, sched_dry_memo *m, const sched_candidate *found,
			 const sched_status *why)
{
	if (m == NULL || sched_bit(c->st->t.has_nominated, found->slot) ||
	    why->n_reasons > SCHED_DRY_REASONS_MAX)
		return;
	sched_dry_run *r = &m->of[found->slot];
	for (size_t i = 0; i < why->n_reasons; i++) {
		if (!number(m, why->reasons[i], &r->reasons[i]))
			return;
	}
	r->n_reasons = why->n_reasons;
	r->found = *found;
	r->found.victims = NULL;
	r->generation = m->generation;
}

void sched_dry_memo_free(sched_dry_memo *m)
{
	if (m == NULL)
		return;
	forget_texts(m);
	sp_free(sched_str_unconst(m->spec));
	sp_free(m->of);
	sp_free(m);
}
