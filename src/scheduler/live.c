/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "base/log.h"
#include "scheduler/live_int.h"
#include "scheduler/message.h"
#include "scheduler/plugins/volumes.h"

#define SCRATCH_BYTES ((size_t)16 << 20)

/* ---- outcome of a decision ---- */

static uint64_t chance(scheduler *s)
{
	uint64_t x = s->seed += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static void placed(scheduler *s, const sched_queued *q, sched_pod *pod, sched_cycle *c, uint32_t slot)
{
	sp_str node = c->st->t.nodes[slot]->name;
	pod->history = (struct sched_history){.began_ns = s->began_ns,
					      .first_ns = q->tried_ns,
					      .attempts = q->attempts,
					      .after_flush = q->flushed};
	sched_queue_remove(&s->queue, pod->key);
	if (sched_assume(s->st, pod, node) != SP_OK) {
		live_broken(s);
		return;
	}
	sched_change change = {.kind = SCHED_CHANGE_POD_PLACED, .pod = pod};
	sched_queue_event(&s->queue, &change, sp_now_ns(s->world));
	if (sched_volumes_plan(c, slot) > 0)
		live_prebind(s, pod, c);
	else
		live_bind(s, pod);
}

/* The plugins that turned down the pod, for the queue. */
static uint32_t rejectors(sched_cycle *c)
{
	if (c->prefilter.verdict != SCHED_OK)
		return 1u << c->prefilter.plugin;
	const sched_diagnosis *d = sched_cycle_diagnose(c);
	return d == NULL ? 0 : d->rejectors;
}

/* A refusal before DynamicResources has seen the pod: upstream's does not find its own notes afterwards,
 * which ends what comes after the filters. U: plugins/dynamicresources (PostFilter), runtime
 * (RunPostFilterPlugins).
 */
static bool ends_early(const sched_cycle *c)
{
	return c->profile->filters[SCHED_P_DYNAMIC_RESOURCES] && c->prefilter.verdict == SCHED_UNRESOLVABLE &&
	       c->prefilter.plugin < SCHED_P_DYNAMIC_RESOURCES;
}

/* Victims go, pods of lower priority lose their claim to the node. Returns the node that the pod is nominated
 * to from now on: the one it was when nobody looked for another (its victims are not gone yet, say), "" when
 * none would do. */
static sp_str preempt(scheduler *s, sched_cycle *c, sched_pod *pod, sp_str *ret_message)
{
	sched_preemption p;
	if (!c->profile->preempts || c->st->t.n_present == 0 || ends_early(c) ||
	    sched_preempt(c, false, chance(s), &p) != SP_OK)
		return pod->nominated;
	*ret_message = p.message;
	bool found = p.eligible && p.best < p.n_candidates;
	live_measure_preemption(s, found ? p.candidates[p.best].n_victims : 0);
	if (!p.eligible)
		return pod->nominated;
	if (!found)
		return (sp_str){0};
	const sched_candidate *k = &p.candidates[p.best];
	sched_node *node = c->st->t.nodes[k->slot];
	sp_str where = node->name;
	for (size_t i = 0; i < k->n_victims; i++)
		live_evict(s, k->victims[i], pod);
	for (uint32_t i = node->n_nominated; i > 0; i--) {
		sched_pod *other = node->nominated[i - 1];
		if (other == pod || other->spec->priority >= pod->spec->priority)
			continue;
		if (sched_nominate(s->st, other, SP_STR("")) != SP_OK)
			live_broken(s);
		live_tell(s, other, (sp_str){0}, (sp_str){0}, SP_STR(""));
	}
	return where;
}

static sp_str failure_text(sched_cycle *c, sp_str preemption)
{
	if (c->st->t.n_present == 0)
		return SP_STR("no nodes available to schedule pods");
	sp_str text = sched_cycle_message(c);
	if (text.ptr != NULL && ends_early(c))
		return SP_CONCAT(&c->arena, text, SP_STR(" not found"));
	/* Upstream's DynamicResources speaks first. */
	sp_str claims = c->profile->filters[SCHED_P_DYNAMIC_RESOURCES] && preemption.len > 0
				? SP_STR(" no new claims to deallocate,")
				: SP_STR("");
	if (text.ptr == NULL || preemption.len == 0)
		return text;
	return SP_CONCAT(&c->arena, text, claims, SP_STR(" "), preemption);
}

static void turned_down(scheduler *s, sched_queued *q, sched_pod *pod, sched_cycle *c)
{
	sp_str preemption = {0};
	uint32_t who = c->st->t.n_present == 0 ? 0 : rejectors(c);
	sp_str node = preempt(s, c, pod, &preemption);
	sp_str text = failure_text(c, preemption);
	live_measure_attempt(s, pod->spec->scheduler_name, who == 0 ? LIVE_ERROR : LIVE_UNSCHEDULABLE,
			     s->began_ns);
	if (text.ptr == NULL)
		text = SP_STR("0 nodes are available");
	live_event(s, pod, true, "FailedScheduling", "Scheduling", text);
	live_tell(s, pod, who == 0 ? SP_STR("SchedulerError") : SP_STR("Unschedulable"), text, node);
	if (!sp_str_eq(node, pod->nominated) && sched_nominate(s->st, pod, node) != SP_OK)
		live_broken(s);
	sched_queue_failed(&s->queue, q, who, sp_now_ns(s->world));
}

/* ---- a turn ---- */

static void decide(scheduler *s, sched_queued *q)
{
	sched_pod *pod = sched_find_pod(s->st, q->key);
	live_profile *p = pod == NULL ? NULL : live_profile_of(s, pod);
	if (p == NULL || pod->node_name.len > 0) {
		sched_queue_remove(&s->queue, q->key);
		return;
	}
	if (pod->terminating) {
		sp_arena_rewind(&s->scratch);
		sp_str text = SP_CONCAT(&s->scratch, SP_STR("skip schedule deleting pod: "), pod->key);
		live_event(s, pod, true, "FailedScheduling", "Scheduling", text);
		sched_queue_remove(&s->queue, q->key);
		return;
	}
	sched_cycle *c = &p->cycle;
	s->began_ns = sp_clock_ns(s->world);
	sp_code code = sched_cycle_run(c, pod, false);
	live_measure_decision(s, s->began_ns);
	if (code != SP_OK) {
		live_measure_attempt(s, pod->spec->scheduler_name, LIVE_ERROR, s->began_ns);
		sp_log(s->log, SP_LOG_ERROR, "a pod cannot be decided", SP_KS("pod", pod->key),
		       SP_KS("why", sp_str_c(sp_code_lookup(code)->name)));
		if (s->st->broken)
			live_broken(s);
		sched_queue_failed(&s->queue, q, 0, sp_now_ns(s->world));
		return;
	}
	uint32_t slot = sched_cycle_pick(c, chance(s));
	if (slot != SCHED_NO_DOMAIN)
		placed(s, q, pod, c, slot);
	else
		turned_down(s, q, pod, c);
}

static void on_flush(sp_timer *t)
{
	live_wake(t->arg);
}

static void on_turn(sp_defer *d)
{
	scheduler *s = d->arg;
	uint64_t now = sp_now_ns(s->world);
	if (!s->ready || s->closing)
		return;
	for (int i = 0; i < LIVE_PODS_A_TURN && s->n_binding < s->in_flight; i++) {
		sched_queued *q = sched_queue_pop(&s->queue, now);
		if (q == NULL) {
			uint64_t next = sched_queue_flush(&s->queue, now);
			if (next != UINT64_MAX)
				sp_timer_start(s->world, &s->flush, next > now ? next - now : 1, on_flush);
			return;
		}
		decide(s, q);
	}
	if (s->n_binding < s->in_flight)
		sp_timer_start(s->world, &s->flush, 0, on_flush); /* others on the loop first */
}

void live_wake(scheduler *s)
{
	if (s->ready && !s->closing)
		sp_defer_call(s->world, &s->turn);
}

void live_broken(scheduler *s)
{
	sp_log(s->log, SP_LOG_ERROR, "out of memory: nothing is decided until a restart");
	s->ready = false;
}

static void on_synced(void *arg)
{
	scheduler *s = arg;
	s->ready = !s->st->broken;
	sp_log(s->log, SP_LOG_INFO, "the cluster is known", SP_KI("nodes", s->st->t.n_present),
	       SP_KI("pods", (int64_t)sp_map_count(&s->st->pod_by_key)));
	live_wake(s);
}

/* ---- life ---- */

static sp_code open_profiles(scheduler *s, sp_err *err)
{
	for (size_t i = 0; i < s->config->n_profiles; i++) {
		const sched_profile *p = &s->config->profiles[i];
		sched_cycle_init(&s->profiles[i].cycle, s->st, p);
		const sp_events_opts o = {
			.client = s->client, .log = s->log, .component = p->scheduler_name, .series = true};
		SP_TRY(sp_events_new(&o, &s->profiles[i].events, err));
	}
	return SP_OK;
}

sp_code scheduler_new(const scheduler_opts *o, scheduler **ret, sp_err *err)
{
	scheduler *s = sp_try_alloc(sizeof *s);
	if (s == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the scheduler");
	s->client = o->client;
	s->world = sp_client_world(o->client);
	s->log = o->log;
	s->config = o->config;
	s->seed = o->seed;
	s->in_flight = o->in_flight == 0 ? LIVE_BINDINGS : o->in_flight;
	s->flush.arg = s;
	sp_arena_init(&s->scratch, SCRATCH_BYTES);
	sp_map_init(&s->evictions);
	sp_list_init(&s->writes);
	sp_list_init(&s->prebinding);
	sp_defer_init(&s->prebind_check, live_prebind_check, s);
	sp_defer_init(&s->turn, on_turn, s);
	s->st = sched_state_new();
	sched_queue_init(&s->queue, s->st);
	s->queue.initial_backoff_ns = o->config->initial_backoff_ns;
	s->queue.max_backoff_ns = o->config->max_backoff_ns;
	s->metrics = s->queue.metrics = o->metrics;
	sp_code code = s->st == NULL ? sp_fail(err, SP_ENOMEM, "no memory for the scheduler")
				     : open_profiles(s, err);
	if (code == SP_OK)
		code = live_follow(s, err);
	if (code != SP_OK) {
		scheduler_free(s);
		return code;
	}
	sp_informers_on_synced(s->informers, on_synced, s);
	sp_informers_start(s->informers);
	*ret = s;
	return SP_OK;
}

static void on_closed(sp_defer *d)
{
	scheduler *s = d->arg;
	s->on_closed(s->closed_arg);
}

void scheduler_close(scheduler *s, void (*done)(void *arg), void *arg)
{
	s->closing = true;
	s->on_closed = done;
	s->closed_arg = arg;
	sp_timer_stop(s->world, &s->flush);
	sp_defer_cancel(&s->turn);
	sp_defer_cancel(&s->prebind_check);
	live_prebind_drop(s, (sp_str){0});
	live_cancel_writes(s);
	sp_defer_init(&s->closed, on_closed, s);
	sp_defer_call(s->world, &s->closed);
}

void scheduler_free(scheduler *s)
{
	if (s == NULL)
		return;
	live_prebind_drop(s, (sp_str){0});
	live_cancel_writes(s);
	sp_informers_free(s->informers);
	sched_queue_done(&s->queue);
	sp_map_done_values(&s->evictions);
	for (size_t i = 0; i < s->config->n_profiles; i++) {
		sched_cycle_done(&s->profiles[i].cycle);
		sp_events_free(s->profiles[i].events);
	}
	sched_state_free(s->st);
	sp_arena_done(&s->scratch);
	sp_free(s);
}
