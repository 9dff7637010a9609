/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/queue.h"

#include "base/alloc.h"

#define SECOND_NS UINT64_C(1000000000)
#define AGE_SHIFT 24u /* ages are compared in units of 17 ms; ties by who came first */

void sched_queue_init(sched_queue *q, const sched_state *st)
{
	*q = (sched_queue){.st = st, .initial_backoff_ns = SECOND_NS, .max_backoff_ns = 10 * SECOND_NS};
	sp_map_init(&q->by_key);
	sp_heap_init(&q->active);
	sp_heap_init(&q->backoff);
	sp_list_init(&q->waiting);
	sp_list_init(&q->gated);
	sp_map_init(&q->waiters_by_id);
	sp_list_init(&q->waiters);
}

/* ---- groups of waiting pods ---- */

static sp_str key_of(const struct sched_waiters_id *id)
{
	return (sp_str){(const char *)id, sizeof *id};
}

static void part(sched_queue *q, sched_queued *p)
{
	sched_waiters *w = p->with;
	if (w == NULL)
		return;
	p->with = NULL;
	sp_list_remove(&p->beside);
	if (!sp_list_is_empty(&w->pods))
		return;
	(void)sp_map_remove(&q->waiters_by_id, key_of(&w->id));
	sp_list_remove(&w->list);
	sp_free(w);
}

static sched_waiters *waiters_new(sched_queue *q, const struct sched_waiters_id *id)
{
	sched_waiters *w = sp_try_alloc(sizeof *w);
	if (w == NULL)
		return NULL;
	w->id = *id;
	if (sp_map_put(&q->waiters_by_id, key_of(&w->id), w, NULL) != SP_OK) {
		sp_free(w);
		return NULL;
	}
	sp_list_init(&w->pods);
	sp_list_push_back(&q->waiters, &w->list);
	return w;
}

/* Without memory no event wakes it, only the flush of long waits: late, but not lost. */
static void join(sched_queue *q, sched_queued *p)
{
	const struct sched_waiters_id id = {p->pod->spec, p->rejectors};
	sched_waiters *w = sp_map_get(&q->waiters_by_id, key_of(&id));
	if (w == NULL)
		w = waiters_new(q, &id);
	p->with = w;
	if (w != NULL)
		sp_list_push_back(&w->pods, &p->beside);
}

/* ---- places ---- */

/* Takes it out of whichever place it is in. */
static void leave(sched_queue *q, sched_queued *p)
{
	sp_heap_remove(p->place == SCHED_BACKOFF ? &q->backoff : &q->active, &p->heap);
	q->n_waiting -= p->place == SCHED_WAITING;
	q->n_gated -= p->place == SCHED_GATED;
	sp_list_remove(&p->list);
	part(q, p);
	p->place = SCHED_NOWHERE;
}

static void drop(sched_queue *q, sched_queued *p)
{
	leave(q, p);
	(void)sp_map_remove(&q->by_key, p->key);
	sp_free(p);
}

void sched_queue_done(sched_queue *q)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&q->by_key, &i)) != NULL;) {
		leave(q, e->value);
		sp_free(e->value);
	}
	sp_map_done(&q->by_key);
	sp_heap_done(&q->active);
	sp_heap_done(&q->backoff);
	sp_map_done(&q->waiters_by_id);
}

/* Higher priority first, then older. */
static uint64_t active_key(const sched_queued *p)
{
	uint64_t order = (uint64_t)((int64_t)INT32_MAX - p->pod->spec->priority);
	return order << 32 | ((p->since_ns >> AGE_SHIFT) & UINT32_MAX);
}

static void count(const sched_queue *q, sched_place place, sp_str event)
{
	static const sp_str queues[] = {[SCHED_ACTIVE] = SP_STR_INIT("active"),
					[SCHED_BACKOFF] = SP_STR_INIT("backoff"),
					[SCHED_WAITING] = SP_STR_INIT("unschedulable"),
					[SCHED_GATED] = SP_STR_INIT("unschedulable")};
	if (q->metrics != NULL)
		sp_metric_add(q->metrics, SCHED_M_INCOMING, (sp_str[]){event, queues[place]}, 1);
}

static void wait(sched_queue *q, sched_queued *p, sched_place place, sp_str event)
{
	count(q, place, event);
	p->place = (uint8_t)place;
	sp_list_push_back(place == SCHED_GATED ? &q->gated : &q->waiting, &p->list);
	q->n_gated += place == SCHED_GATED;
	q->n_waiting += place == SCHED_WAITING;
}

/* Without memory for a heap it waits for the flush of long waits: late, but not lost. */
static void push(sched_queue *q, sched_queued *p, sched_place place, sp_str event)
{
	bool active = place == SCHED_ACTIVE;
	p->place = (uint8_t)place;
	if (sp_heap_push(active ? &q->active : &q->backoff, &p->heap, active ? active_key(p) : p->until_ns) !=
	    SP_OK)
		wait(q, p, SCHED_WAITING, event);
	else
		count(q, place, event);
}

/* Back-off ends on whole seconds, so that pods that failed together go on together. */
static uint64_t backoff_end(const sched_queue *q, const sched_queued *p)
{
	uint32_t n = p->n_errors > 0 ? p->n_errors : p->n_rejected;
	uint64_t ns = q->initial_backoff_ns;
	for (uint32_t i = 1; i < n && ns < q->max_backoff_ns; i++)
		ns *= 2;
	ns = SP_MIN(ns, q->max_backoff_ns);
	return (p->since_ns + ns) / SECOND_NS * SECOND_NS + (ns == 0 ? 0 : SECOND_NS);
}

static bool backing_off(const sched_queued *p, uint64_t now_ns)
{
	return p->until_ns > now_ns;
}

/* On its way to be decided. */
static void advance(sched_queue *q, sched_queued *p, sp_str event, uint64_t now_ns)
{
	leave(q, p);
	if (p->pod->spec->n_gates > 0)
		wait(q, p, SCHED_GATED, event);
	else
		push(q, p, backing_off(p, now_ns) ? SCHED_BACKOFF : SCHED_ACTIVE, event);
}

sched_queued *sched_queue_find(const sched_queue *q, sp_str key)
{
	return sp_map_get(&q->by_key, key);
}

static sched_queued *entry_new(sched_queue *q, sp_str key, uint64_t now_ns)
{
	sched_queued *p = sp_try_alloc(sizeof *p + key.len);
	if (p == NULL)
		return NULL;
	char *text = (char *)(p + 1);
	memcpy(text, key.ptr, key.len);
	p->key = (sp_str){text, key.len};
	sp_list_init(&p->list);
	sp_list_init(&p->beside);
	p->added_ns = p->since_ns = now_ns;
	if (sp_map_put(&q->by_key, p->key, p, NULL) == SP_OK)
		return p;
	sp_free(p);
	return NULL;
}

sp_code sched_queue_put(sched_queue *q, const sched_pod *pod, sched_own_change change, uint64_t now_ns)
{
	sched_queued *p = sched_queue_find(q, pod->key);
	sp_str event = p == NULL ? SP_STR("UnscheduledPodAdd") : SP_STR("UnscheduledPodUpdate");
	if (p == NULL) {
		p = entry_new(q, pod->key, now_ns);
		if (p == NULL)
			return SP_ENOMEM;
		change = SCHED_OWN_SPEC;
	}
	p->pod = pod;
	if (p->with != NULL && p->with->id.spec != pod->spec) {
		part(q, p);
		join(q, p);
	}
	bool moves = p->place == SCHED_NOWHERE || p->place == SCHED_ACTIVE || change == SCHED_OWN_SPEC;
	if (p->place != SCHED_BEING_DECIDED && moves)
		advance(q, p, event, now_ns);
	return SP_OK;
}

void sched_queue_remove(sched_queue *q, sp_str key)
{
	sched_queued *p = sched_queue_find(q, key);
	if (p != NULL)
		drop(q, p);
}

sched_queued *sched_queue_pop(sched_queue *q, uint64_t now_ns)
{
	(void)sched_queue_flush(q, now_ns);
	sp_heap_node *node = sp_heap_pop(&q->active);
	if (node == NULL) {
		/* Errors are not worth an early try. */
		node = sp_heap_peek(&q->backoff);
		if (node == NULL || SP_CONTAINER_OF(node, sched_queued, heap)->n_errors > 0)
			return NULL;
		sp_heap_remove(&q->backoff, node);
		count(q, SCHED_ACTIVE, SP_STR("PopFromBackoffQ"));
	}
	sched_queued *p = SP_CONTAINER_OF(node, sched_queued, heap);
	if (p->attempts == 0)
		p->tried_ns = now_ns;
	p->place = SCHED_BEING_DECIDED;
	p->attempts++;
	p->until_ns = 0;
	return p;
}

void sched_queue_failed(sched_queue *q, sched_queued *p, uint32_t rejectors, uint64_t now_ns)
{
	leave(q, p);
	p->since_ns = now_ns;
	p->rejectors = rejectors;
	p->flushed = false;
	if (rejectors != 0) {
		p->n_rejected++;
		p->n_errors = 0;
	} else {
		p->n_errors++;
	}
	p->until_ns = backoff_end(q, p);
	if (rejectors != 0) {
		wait(q, p, SCHED_WAITING, SP_STR("ScheduleAttemptFailure"));
		if (p->n_evictions == 0)
			join(q, p);
	} else {
		push(q, p, SCHED_BACKOFF, SP_STR("ScheduleAttemptFailure"));
	}
}

void sched_queue_hold(sched_queue *q, sp_str key)
{
	sched_queued *p = sched_queue_find(q, key);
	if (p != NULL)
		p->n_evictions++;
}

void sched_queue_release(sched_queue *q, sp_str key, bool helps, uint64_t now_ns)
{
	sched_queued *p = sched_queue_find(q, key);
	if (p == NULL || p->n_evictions == 0 || --p->n_evictions > 0 || p->place != SCHED_WAITING)
		return;
	if (helps)
		advance(q, p, SP_STR("AssignedPodDelete"), now_ns);
	else
		join(q, p);
}

static bool helps(const sched_queue *q, const sched_waiters *w, const sched_change *change)
{
	for (uint64_t left = w->id.rejectors; left != 0; left &= left - 1) {
		if (sched_hint(q->st, w->id.spec, (sched_plugin_id)__builtin_ctzll(left), change))
			return true;
	}
	return false;
}

/* The group goes with the last of its pods. */
static void advance_all(sched_queue *q, sched_waiters *w, sp_str event, uint64_t now_ns)
{
	for (bool last = false; !last;) {
		sp_list *first = w->pods.next;
		last = first->next == &w->pods;
		advance(q, SP_CONTAINER_OF(first, sched_queued, beside), event, now_ns);
	}
}

void sched_queue_event(sched_queue *q, const sched_change *change, uint64_t now_ns)
{
	SP_LIST_FOREACH (node, &q->waiters) {
		sched_waiters *w = SP_CONTAINER_OF(node, sched_waiters, list);
		if (helps(q, w, change))
			advance_all(q, w, sched_change_name(change), now_ns);
	}
}

uint64_t sched_queue_flush(sched_queue *q, uint64_t now_ns)
{
	for (sp_heap_node *node; (node = sp_heap_peek(&q->backoff)) != NULL && node->key <= now_ns;)
		advance(q, SP_CONTAINER_OF(node, sched_queued, heap), SP_STR("BackoffComplete"), now_ns);
	/* The list is in the order of failing. */
	SP_LIST_FOREACH (node, &q->waiting) {
		sched_queued *p = SP_CONTAINER_OF(node, sched_queued, list);
		if (p->since_ns + SCHED_UNSCHEDULABLE_MAX_NS > now_ns)
			break;
		p->flushed = true;
		advance(q, p, SP_STR("UnschedulableTimeout"), now_ns);
	}
	sp_heap_node *first = sp_heap_peek(&q->backoff);
	uint64_t next = first == NULL ? UINT64_MAX : first->key;
	if (!sp_list_is_empty(&q->waiting)) {
		const sched_queued *p = SP_CONTAINER_OF(q->waiting.next, sched_queued, list);
		next = SP_MIN(next, p->since_ns + SCHED_UNSCHEDULABLE_MAX_NS);
	}
	return next;
}
