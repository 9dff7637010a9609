/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/columns.h"

#include "scheduler/counters_int.h"
#include "scheduler/kernels.h"

static void unlink_column(sched_state *st, sched_column *c)
{
	*(c->older != NULL ? &c->older->newer : &st->columns_oldest) = c->newer;
	*(c->newer != NULL ? &c->newer->older : &st->columns_newest) = c->older;
	c->older = c->newer = NULL;
}

static void link_newest(sched_state *st, sched_column *c)
{
	c->older = st->columns_newest;
	c->newer = NULL;
	*(c->older != NULL ? &c->older->newer : &st->columns_oldest) = c;
	st->columns_newest = c;
}

static void column_free(sched_column *c)
{
	sp_free(c->bits);
	sp_free(c->a);
	sp_free(c->b);
	sp_free(c->best);
	sp_free(sched_str_unconst(c->key));
	sp_free(c);
}

static void column_drop(sched_state *st, sched_column *c)
{
	(void)sp_map_remove(&st->columns, c->key);
	unlink_column(st, c);
	st->n_columns--;
	column_free(c);
}

void sched_columns_done(sched_state *st)
{
	while (st->columns_oldest != NULL)
		column_drop(st, st->columns_oldest);
	sp_map_done(&st->columns);
}

static sched_column *column_new(sched_state *st, sp_str key, const sched_change_log *log)
{
	sched_column *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return NULL;
	c->log = log;
	if (sched_str_dup(key, &c->key) != SP_OK || sp_map_put(&st->columns, c->key, c, NULL) != SP_OK) {
		column_free(c);
		return NULL;
	}
	if (++st->n_columns > SCHED_COLUMNS_MAX)
		column_drop(st, st->columns_oldest);
	link_newest(st, c);
	return c;
}

static bool widen(sched_column *c, uint32_t cap, unsigned parts)
{
	if (c->cap == cap)
		return true;
	c->n = 0; /* all anew */
	if (!sched_grow_array(&c->bits, SCHED_WORDS(c->cap), SCHED_WORDS(cap)) ||
	    ((parts & SCHED_COLUMN_A) != 0 && !sched_grow_array(&c->a, c->cap, cap)) ||
	    ((parts & SCHED_COLUMN_B) != 0 && !sched_grow_array(&c->b, c->cap, cap)) ||
	    ((parts & SCHED_COLUMN_BEST) != 0 &&
	     !sched_grow_array(&c->best, SCHED_WORDS(c->cap), SCHED_WORDS(cap)))) {
		c->cap = 0;
		return false;
	}
	c->cap = cap;
	return true;
}

static void renew_one(const sched_state *st, sched_column *c, uint32_t slot, sched_column_fn *one,
		      const void *arg)
{
	if (!sched_bit(st->t.present, slot))
		return;
	one(st, c, slot, arg);
	if (c->best != NULL)
		c->best[slot / 64].ties = 0;
}

/* A slot may stand in the log many times; it is computed each time, which is rare and harmless. */
static void renew(const sched_state *st, sched_column *c, sched_column_fn *one, const void *arg)
{
	uint64_t behind = c->log->seq - c->seq;
	if (c->n == 0 || behind >= SCHED_LOG_LEN || behind > st->t.n) {
		for (uint32_t slot = 0; slot < st->t.n; slot++)
			renew_one(st, c, slot, one, arg);
	} else {
		for (uint64_t i = c->seq; i < c->log->seq; i++)
			renew_one(st, c, c->log->slots[i % SCHED_LOG_LEN], one, arg);
	}
	c->n = st->t.n;
	c->seq = c->log->seq;
}

sched_column *sched_column_get(sched_state *st, sp_str key, const sched_change_log *log, unsigned parts,
			       sched_column_fn *one, const void *arg)
{
	sched_column *c = sp_map_get(&st->columns, key);
	if (c == NULL)
		c = column_new(st, key, log);
	else if (c != st->columns_newest) {
		unlink_column(st, c);
		link_newest(st, c);
	}
	if (c == NULL)
		return NULL;
	if (!widen(c, st->t.cap, parts)) {
		column_drop(st, c);
		return NULL;
	}
	renew(st, c, one, arg);
	return c;
}
