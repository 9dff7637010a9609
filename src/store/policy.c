/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long history is kept. By age: the newest revision is noted a few times per period; a revision whose
 * note is older than the period is compacted. By size: while the history is above its bound, its oldest part
 * goes. No clock is stored: after a restart everything counts as new, so history is kept longer, never
 * shorter.
 */
#include "store/store_int.h"

static void on_timer(sp_timer *t)
{
	policy_tick(t->arg);
}

void policy_init(store_policy *p, sp_store *s, uint64_t keep_ns, uint64_t history_bytes_max)
{
	p->keep_ns = keep_ns;
	p->history_bytes_max = history_bytes_max;
	p->timer.arg = s;
}

void policy_done(sp_store *s)
{
	sp_timer_stop(s->world, &s->policy.timer);
}

static void drop_oldest(store_policy *p)
{
	p->n_samples--;
	memmove(&p->samples[0], &p->samples[1], p->n_samples * sizeof p->samples[0]);
}

static void take_sample(store_policy *p, uint64_t now_ns, uint64_t revision)
{
	const size_t n = p->n_samples;
	if (n > 0 && (p->samples[n - 1].revision == revision ||
		      now_ns - p->samples[n - 1].at_ns < p->keep_ns / POLICY_SAMPLES))
		return;
	if (n == SP_LEN(p->samples))
		drop_oldest(p);
	p->samples[p->n_samples].at_ns = now_ns;
	p->samples[p->n_samples++].revision = revision;
}

/* Half of the notes' distance further, or an eighth of what there is when all of it came between two notes.
 */
static uint64_t size_target(const store_policy *p, const sp_store_info *info)
{
	for (size_t i = 0; i < p->n_samples; i++) {
		if (p->samples[i].revision > info->compacted)
			return p->samples[i].revision;
	}
	return info->compacted + (info->revision - info->compacted + 7) / 8;
}

void policy_tick(sp_store *s)
{
	store_policy *p = &s->policy;
	sp_store_info info;
	if (s->is_closing || s->ops->info(s, false, &info, NULL) != SP_OK)
		return; /* the next commit comes here again */
	uint64_t now_ns = sp_now_ns(s->world), target = info.compacted;
	take_sample(p, now_ns, info.revision);
	while (p->n_samples > 0 && now_ns - p->samples[0].at_ns >= p->keep_ns) {
		target = p->samples[0].revision;
		drop_oldest(p);
	}
	if (info.is_full)
		target = s->dispatched; /* history goes before writes are refused for long */
	else if (info.history_bytes > p->history_bytes_max)
		target = SP_MAX(target, size_target(p, &info));
	if (target > info.compacted)
		sp_store_compact(s, target);
	if (SP_MAX(target, info.compacted) < info.revision && !sp_timer_is_running(&p->timer))
		sp_timer_start(s->world, &p->timer, p->keep_ns / POLICY_SAMPLES + 1, on_timer);
}
