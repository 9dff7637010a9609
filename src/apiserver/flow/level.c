/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/flow/level.h"

#include "base/alloc.h"

/* What a request is taken to last until it is known. */
#define ESTIMATE_NS UINT64_C(3000000)

typedef struct api_level_queue {
	sp_list waiting; /* tickets, oldest first */
	size_t n_waiting, n_running;
	uint64_t virtual_ns; /* what it had so far, on the level's scale */
} queue;

struct api_level {
	sp_world *world;
	api_level_spec spec;
	queue *queues; /* spec.queues of them, or NULL */
	sp_list running;
	size_t n_running, n_waiting;
	uint64_t virtual_ns; /* of the queue that was served last */
	sp_defer work;
	bool retired, held; /* held: it is needed a little longer */
	sp_str name;
	char text[];
};

sp_str api_level_name(const api_level *l)
{
	return l->name;
}

size_t api_level_seats(const api_level *l)
{
	return l->spec.seats;
}

size_t api_level_running(const api_level *l)
{
	return l->n_running;
}

size_t api_level_waiting(const api_level *l)
{
	return l->n_waiting;
}

/* ---- hands ---- */

/* Fisher-Yates on a pack that is not there: each card is one of those that are left, moved past the cards
 * that were dealt before it. */
size_t api_level_deal(uint64_t hash, uint32_t queues, uint32_t hand_size, uint32_t ret[API_LEVEL_HAND_MAX])
{
	uint32_t most = SP_MIN(queues, API_LEVEL_HAND_MAX), n = SP_MIN(hand_size, most);
	uint32_t sorted[API_LEVEL_HAND_MAX];
	for (uint32_t i = 0; i < n; i++) {
		uint32_t left = queues - i, card = (uint32_t)(hash % left), at = 0;
		hash /= left;
		while (at < i && card >= sorted[at]) {
			card++;
			at++;
		}
		for (uint32_t k = i; k > at; k--)
			sorted[k] = sorted[k - 1];
		sorted[at] = ret[i] = card;
	}
	return n;
}

/* The shortest queue of the flow's hand. */
static queue *queue_of(queue *queues, const api_level_spec *spec, uint64_t hash)
{
	uint32_t hand[API_LEVEL_HAND_MAX];
	queue *best = NULL;
	for (size_t i = 0, n = api_level_deal(hash, spec->queues, spec->hand_size, hand); i < n; i++) {
		queue *q = &queues[hand[i]];
		if (best == NULL || q->n_waiting + q->n_running < best->n_waiting + best->n_running)
			best = q;
	}
	return best;
}

/* ---- seats ---- */

static bool has_seat(const api_level *l)
{
	return l->spec.exempt || l->n_running < l->spec.seats;
}

/* A queue that had nothing to do does not save up for later. */
static void touch(api_level *l, queue *q)
{
	if (q->n_waiting + q->n_running == 0 && q->virtual_ns < l->virtual_ns)
		q->virtual_ns = l->virtual_ns;
}

static void run(api_level *l, api_ticket *t, queue *q)
{
	t->place = API_PLACE_RUNS;
	t->queue = q;
	t->since_ns = sp_now_ns(l->world);
	sp_list_push_back(&l->running, &t->node);
	l->n_running++;
	if (q == NULL)
		return;
	l->virtual_ns = SP_MAX(l->virtual_ns, q->virtual_ns);
	q->n_running++;
	q->virtual_ns += ESTIMATE_NS;
}

static queue *next_queue(api_level *l)
{
	queue *best = NULL;
	for (uint32_t i = 0; i < l->spec.queues; i++) {
		queue *q = &l->queues[i];
		if (q->n_waiting > 0 && (best == NULL || q->virtual_ns < best->virtual_ns))
			best = q;
	}
	return best;
}

static void free_if_over(api_level *l)
{
	if (!l->retired || l->held || l->n_running + l->n_waiting > 0)
		return;
	sp_defer_cancel(&l->work);
	sp_free(l->queues);
	sp_free(l);
}

static api_ticket *take_waiting(api_level *l, queue *q)
{
	sp_list *node = sp_list_pop_front(&q->waiting);
	SP_ASSERT(node != NULL);
	api_ticket *t = SP_CONTAINER_OF(node, api_ticket, node);
	q->n_waiting--;
	l->n_waiting--;
	sp_timer_stop(l->world, &t->timer);
	return t;
}

/* Seats that are free go to those that wait. */
static void on_work(sp_defer *d)
{
	api_level *l = d->arg;
	l->held = true;
	while (l->n_waiting > 0 && has_seat(l)) {
		queue *q = next_queue(l);
		SP_ASSERT(q != NULL); /* somebody waits */
		api_ticket *t = take_waiting(l, q);
		run(l, t, q);
		t->on_seat(t);
	}
	l->held = false;
	free_if_over(l);
}

static void on_wait_over(sp_timer *timer)
{
	api_ticket *t = timer->arg;
	api_ticket_leave(t);
	t->on_timeout(t);
}

api_entry api_level_enter(api_level *l, api_ticket *t, uint64_t hash)
{
	queue *q = NULL;
	sp_list_init(&t->node);
	t->level = l;
	t->hash = hash;
	if (!l->spec.exempt && l->spec.queuing) {
		q = queue_of(l->queues, &l->spec, hash);
		touch(l, q);
	}
	if (has_seat(l) && l->n_waiting == 0) {
		run(l, t, q);
		return API_ENTRY_RUNS;
	}
	if (q == NULL || q->n_waiting >= l->spec.queue_length) {
		t->level = NULL;
		return q == NULL ? API_ENTRY_NO_SEAT : API_ENTRY_QUEUE_FULL;
	}
	t->place = API_PLACE_WAITS;
	t->queue = q;
	t->since_ns = sp_now_ns(l->world);
	sp_list_push_back(&q->waiting, &t->node);
	q->n_waiting++;
	l->n_waiting++;
	t->timer.arg = t;
	sp_timer_start(l->world, &t->timer, API_LEVEL_WAIT_NS, on_wait_over);
	return API_ENTRY_WAITS;
}

void api_ticket_leave(api_ticket *t)
{
	api_level *l = t->level;
	queue *q = t->queue;
	if (t->place == API_PLACE_NONE)
		return;
	sp_list_remove(&t->node);
	if (t->place == API_PLACE_WAITS) {
		sp_timer_stop(l->world, &t->timer);
		q->n_waiting--;
		l->n_waiting--;
	} else {
		l->n_running--;
		if (q != NULL) { /* the estimate becomes the truth */
			q->n_running--;
			q->virtual_ns += sp_now_ns(l->world) - t->since_ns;
			q->virtual_ns -= ESTIMATE_NS;
		}
		if (l->n_waiting > 0)
			sp_defer_call(l->world, &l->work);
	}
	t->place = API_PLACE_NONE;
	t->level = NULL;
	t->queue = NULL;
	free_if_over(l);
}

/* ---- life ---- */

api_level *api_level_new(sp_world *w, sp_str name)
{
	api_level *l = sp_try_alloc(sizeof *l + name.len + 1);
	if (l == NULL)
		return NULL;
	l->world = w;
	l->spec.exempt = true;
	if (name.len > 0)
		memcpy(l->text, name.ptr, name.len);
	l->name = (sp_str){l->text, name.len};
	sp_list_init(&l->running);
	sp_defer_init(&l->work, on_work, l);
	return l;
}

void api_level_retire(api_level *l)
{
	l->retired = true;
	free_if_over(l);
}

/* What runs belongs to no queue any more; what waits is dealt again, in the order of the old queues. */
static void move_to(api_level *l, queue *queues, const api_level_spec *spec)
{
	SP_LIST_FOREACH (node, &l->running)
		SP_CONTAINER_OF(node, api_ticket, node)->queue = NULL;
	for (uint32_t i = 0; l->queues != NULL && i < l->spec.queues; i++) {
		SP_LIST_FOREACH (node, &l->queues[i].waiting) {
			api_ticket *t = SP_CONTAINER_OF(node, api_ticket, node);
			queue *q = queue_of(queues, spec, t->hash);
			sp_list_remove(node);
			sp_list_push_back(&q->waiting, node);
			q->n_waiting++;
			t->queue = q;
		}
	}
	sp_free(l->queues);
	l->queues = queues;
	l->virtual_ns = 0;
}

sp_code api_level_configure(api_level *l, const api_level_spec *spec, sp_err *err)
{
	api_level_spec next = *spec;
	next.queues = SP_MAX(next.queues, 1u);
	next.queues = SP_MIN(next.queues, API_LEVEL_QUEUES_MAX);
	next.hand_size = SP_MAX(next.hand_size, 1u);
	/* A level without queues keeps one for what still waits. */
	if (next.exempt || !next.queuing)
		next.queues = next.hand_size = 1;
	if (l->queues == NULL || next.queues != l->spec.queues) {
		queue *queues = sp_try_alloc(next.queues * sizeof *queues);
		if (queues == NULL)
			return sp_fail(err, SP_ENOMEM, "no room for the queues of a priority level");
		for (uint32_t i = 0; i < next.queues; i++)
			sp_list_init(&queues[i].waiting);
		move_to(l, queues, &next);
	}
	l->spec = next;
	if (l->n_waiting > 0)
		sp_defer_call(l->world, &l->work);
	return SP_OK;
}
