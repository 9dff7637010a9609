/* SPDX-License-Identifier: Apache-2.0 */
#include "client/queue.h"

#include <string.h>

#include "base/alloc.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/num.h"
#include "io/world.h"

#define NS_PER_S UINT64_C(1000000000)
#define BASE_NS (5 * UINT64_C(1000000))
#define MOST_NS (1000 * NS_PER_S)
#define WORKERS 5u
#define METRIC_SERIES_MAX 2000u
#define JOB_BYTES_MAX ((size_t)256 << 20)

/* A key as long as it waits, runs or has failures. */
typedef struct entry {
	sp_list node;        /* waiting */
	sp_heap_node delay;  /* of a later add */
	bool running, again; /* again: added while it ran */
	uint32_t n_failures;
	uint64_t since_ns; /* it waits, by sp_clock_ns */
	size_t key_len;
	char key[];
} entry;

typedef struct slot {
	sp_job job;
	sp_arena arena;
	entry *entry; /* NULL: free */
	uint64_t began_ns;
} slot;

struct sp_queue {
	sp_world *world;
	sp_queue_opts o;
	sp_map entries;
	sp_list waiting;
	size_t n_waiting, n_running;
	sp_heap delayed;
	sp_timer timer;
	sp_defer dispatch;
	int64_t retry_at_ns; /* the bucket of all keys' retries: when the next one is due */
	bool closing, paused;
	void (*on_closed)(void *arg);
	void *closed_arg;
	sp_queue_stats stats;
	slot slots[]; /* n_workers */
};

/* ---- metrics ---- */

enum { DEPTH, ADDS, WAIT_SECONDS, WORK_SECONDS, UNFINISHED, LONGEST, RETRIES, DROPPED, FAMILIES };

static const sp_metric_bounds seconds = {{1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1, 10}, 10};

static const sp_metric_family families[FAMILIES] = {
	[DEPTH] = {.name = "workqueue_depth",
		   .help = "[BETA] Current depth of workqueue",
		   .type = SP_METRIC_GAUGE,
		   .labels = {"name"}},
	[ADDS] = {.name = "workqueue_adds_total",
		  .help = "[BETA] Total number of adds handled by workqueue",
		  .type = SP_METRIC_COUNTER,
		  .labels = {"name"}},
	[WAIT_SECONDS] =
		{.name = "workqueue_queue_duration_seconds",
		 .help = "[BETA] How long in seconds an item stays in workqueue before being requested.",
		 .type = SP_METRIC_HISTOGRAM,
		 .labels = {"name"},
		 .bounds = &seconds},
	[WORK_SECONDS] = {.name = "workqueue_work_duration_seconds",
			  .help = "[BETA] How long in seconds processing an item from workqueue takes.",
			  .type = SP_METRIC_HISTOGRAM,
			  .labels = {"name"},
			  .bounds = &seconds},
	[UNFINISHED] = {.name = "workqueue_unfinished_work_seconds",
			.help = "[BETA] How many seconds of work is in progress and hasn't been observed by "
				"work_duration.",
			.type = SP_METRIC_GAUGE,
			.labels = {"name"}},
	[LONGEST] = {.name = "workqueue_longest_running_processor_seconds",
		     .help = "[BETA] How many seconds has the longest running processor for workqueue been "
			     "running.",
		     .type = SP_METRIC_GAUGE,
		     .labels = {"name"}},
	[RETRIES] = {.name = "workqueue_retries_total",
		     .help = "[BETA] Total number of retries handled by workqueue",
		     .type = SP_METRIC_COUNTER,
		     .labels = {"name"}},
	[DROPPED] = {.name = "sampan_workqueue_metrics_dropped_total",
		     .help = "Values that were not counted because there are too many series.",
		     .type = SP_METRIC_COUNTER},
};

sp_metrics *sp_queue_metrics_new(void)
{
	return sp_metrics_new(families, SP_LEN(families), METRIC_SERIES_MAX, DROPPED);
}

static double seconds_since(const sp_queue *q, uint64_t ns)
{
	return (double)(sp_clock_ns(q->world) - ns) / 1e9;
}

static void count(const sp_queue *q, size_t id)
{
	const sp_str name = sp_str_c(q->o.name);
	if (q->o.metrics != NULL)
		sp_metric_add(q->o.metrics, id, &name, 1);
}

static void observe(const sp_queue *q, size_t id, uint64_t since_ns)
{
	const sp_str name = sp_str_c(q->o.name);
	if (q->o.metrics != NULL)
		sp_metric_observe(q->o.metrics, id, &name, seconds_since(q, since_ns));
}

void sp_queue_measure(const sp_queue *q)
{
	const sp_str name = sp_str_c(q->o.name);
	double all = 0, longest = 0;
	if (q->o.metrics == NULL)
		return;
	for (uint32_t i = 0; i < q->o.n_workers; i++) {
		double one = q->slots[i].entry == NULL ? 0 : seconds_since(q, q->slots[i].began_ns);
		all += one;
		longest = SP_MAX(longest, one);
	}
	sp_metric_set(q->o.metrics, DEPTH, &name, (double)q->n_waiting);
	sp_metric_set(q->o.metrics, UNFINISHED, &name, all);
	sp_metric_set(q->o.metrics, LONGEST, &name, longest);
}

static sp_str key_of(const entry *e)
{
	return (sp_str){e->key, e->key_len};
}

/* ---- entries ---- */

/* As sp_alloc: when there is no memory at all, the process ends. */
static void need_memory(size_t n_bytes)
{
	sp_free(sp_alloc(n_bytes));
}

static entry *entry_make(sp_queue *q, sp_str key)
{
	entry *e = sp_map_get(&q->entries, key);
	if (e != NULL)
		return e;
	e = sp_alloc(sizeof *e + key.len);
	e->key_len = key.len;
	memcpy(e->key, key.ptr, key.len);
	sp_list_init(&e->node);
	while (sp_map_put(&q->entries, key_of(e), e, NULL) != SP_OK)
		need_memory(2 * sizeof(sp_map_entry) * (sp_map_count(&q->entries) + 1));
	return e;
}

static bool is_waiting(const entry *e)
{
	return !sp_list_is_empty(&e->node);
}

static void entry_drop_idle(sp_queue *q, entry *e)
{
	if (e->running || is_waiting(e) || e->delay.place != 0 || e->n_failures > 0)
		return;
	(void)sp_map_remove(&q->entries, key_of(e));
	sp_free(e);
}

/* ---- work ---- */

static slot *free_slot(sp_queue *q)
{
	for (uint32_t i = 0; i < q->o.n_workers; i++) {
		if (q->slots[i].entry == NULL)
			return &q->slots[i];
	}
	SP_UNREACHABLE();
}

static void begin(sp_queue *q, entry *e)
{
	slot *s = free_slot(q);
	e->running = true;
	e->again = false;
	q->n_running++;
	s->entry = e;
	s->began_ns = sp_clock_ns(q->world);
	observe(q, WAIT_SECONDS, e->since_ns);
	s->job = (sp_job){
		.queue = q, .key = key_of(e), .n_failures = e->n_failures, .arena = &s->arena, .state = NULL};
	q->o.work(q->o.arg, &s->job);
}

static void on_dispatch(sp_defer *d)
{
	sp_queue *q = d->arg;
	if (q->closing) {
		if (q->n_running == 0 && q->on_closed != NULL)
			SP_TAKE(q->on_closed)(q->closed_arg);
		return;
	}
	if (q->paused)
		return;
	/* Those that are added meanwhile wait for the next turn of the loop. */
	for (size_t n = q->n_waiting; n > 0 && q->n_running < q->o.n_workers && q->n_waiting > 0; n--) {
		entry *e = SP_CONTAINER_OF(sp_list_pop_front(&q->waiting), entry, node);
		q->n_waiting--;
		begin(q, e);
	}
	if (q->n_waiting > 0 && q->n_running < q->o.n_workers)
		sp_defer_call(q->world, &q->dispatch);
}

static void add_entry(sp_queue *q, entry *e)
{
	if (e->running) {
		e->again = true;
		return;
	}
	if (is_waiting(e))
		return;
	q->stats.n_added++;
	e->since_ns = sp_clock_ns(q->world);
	count(q, ADDS);
	sp_list_push_back(&q->waiting, &e->node);
	q->n_waiting++;
	sp_defer_call(q->world, &q->dispatch);
}

void sp_queue_add(sp_queue *q, sp_str key)
{
	if (!q->closing)
		add_entry(q, entry_make(q, key));
}

/* ---- later ---- */

static void on_timer(sp_timer *t);

static void timer_set(sp_queue *q)
{
	const sp_heap_node *first = sp_heap_peek(&q->delayed);
	uint64_t now = sp_now_ns(q->world);
	if (first == NULL)
		sp_timer_stop(q->world, &q->timer);
	else
		sp_timer_start(q->world, &q->timer, first->key > now ? first->key - now : 0, on_timer);
}

static void on_timer(sp_timer *t)
{
	sp_queue *q = t->arg;
	sp_heap_node *first;
	while ((first = sp_heap_peek(&q->delayed)) != NULL && first->key <= sp_now_ns(q->world)) {
		(void)sp_heap_pop(&q->delayed);
		add_entry(q, SP_CONTAINER_OF(first, entry, delay));
	}
	timer_set(q);
}

static void delay_entry(sp_queue *q, entry *e, uint64_t delay_ns)
{
	uint64_t at;
	if (!sp_add(sp_now_ns(q->world), delay_ns, &at))
		at = UINT64_MAX;
	if (e->delay.place != 0 && e->delay.key <= at)
		return;
	sp_heap_remove(&q->delayed, &e->delay);
	while (sp_heap_push(&q->delayed, &e->delay, at) != SP_OK)
		need_memory(2 * sizeof(sp_heap_node *) * (q->delayed.n + 1));
	timer_set(q);
}

void sp_queue_add_after(sp_queue *q, sp_str key, uint64_t delay_ns)
{
	if (delay_ns == 0)
		sp_queue_add(q, key);
	else if (!q->closing)
		delay_entry(q, entry_make(q, key), delay_ns);
}

/* ---- failures ---- */

static uint64_t back_off(sp_queue *q, uint32_t n_failures)
{
	uint64_t ns = q->o.base_ns;
	for (uint32_t i = 0; i < n_failures && ns < q->o.most_ns; i++)
		ns *= 2;
	return SP_MIN(ns, q->o.most_ns);
}

/* What the bucket of all keys makes this retry wait. */
static uint64_t take_token(sp_queue *q)
{
	int64_t each = (int64_t)(NS_PER_S / q->o.retries_per_s), now = (int64_t)sp_now_ns(q->world);
	q->retry_at_ns = SP_MAX(q->retry_at_ns, now - q->o.burst * each) + each;
	return q->retry_at_ns > now ? (uint64_t)(q->retry_at_ns - now) : 0;
}

static void add_failed(sp_queue *q, entry *e)
{
	uint64_t own = back_off(q, e->n_failures), all = take_token(q);
	e->n_failures++;
	q->stats.n_retries++;
	count(q, RETRIES);
	delay_entry(q, e, SP_MAX(own, all));
}

void sp_queue_add_failed(sp_queue *q, sp_str key)
{
	if (!q->closing)
		add_failed(q, entry_make(q, key));
}

/* ---- ends of jobs ---- */

static entry *end(sp_job *job)
{
	slot *s = SP_CONTAINER_OF(job, slot, job);
	sp_queue *q = job->queue;
	entry *e = s->entry;
	SP_ASSERT(e != NULL);
	SP_ASSERT(e->running);
	s->entry = NULL;
	sp_arena_rewind(&s->arena);
	e->running = false;
	q->n_running--;
	q->stats.n_done++;
	observe(q, WORK_SECONDS, s->began_ns);
	sp_defer_call(q->world, &q->dispatch);
	return e;
}

static void settle(sp_queue *q, entry *e)
{
	if (e->again && !q->closing)
		add_entry(q, e);
	e->again = false;
	entry_drop_idle(q, e);
}

void sp_job_done(sp_job *job, sp_code code)
{
	sp_queue *q = job->queue;
	entry *e = end(job);
	if (code == SP_OK)
		e->n_failures = 0;
	else if (!q->closing)
		add_failed(q, e);
	settle(q, e);
}

void sp_job_again(sp_job *job, uint64_t after_ns)
{
	sp_queue *q = job->queue;
	entry *e = end(job);
	e->n_failures = 0;
	if (after_ns == 0)
		e->again = true;
	else if (!q->closing)
		delay_entry(q, e, after_ns);
	settle(q, e);
}

/* ---- life ---- */

sp_queue *sp_queue_new(sp_world *w, const sp_queue_opts *o)
{
	uint32_t n = o->n_workers == 0 ? WORKERS : o->n_workers;
	sp_queue *q = sp_alloc(sizeof *q + n * sizeof(slot));
	q->world = w;
	q->o = *o;
	q->o.n_workers = n;
	q->o.base_ns = o->base_ns == 0 ? BASE_NS : o->base_ns;
	q->o.most_ns = o->most_ns == 0 ? MOST_NS : o->most_ns;
	q->o.retries_per_s = o->retries_per_s == 0 ? 10 : o->retries_per_s;
	q->o.burst = o->burst == 0 ? 100 : o->burst;
	sp_map_init(&q->entries);
	sp_list_init(&q->waiting);
	sp_heap_init(&q->delayed);
	q->timer.arg = q;
	q->retry_at_ns = INT64_MIN; /* the bucket is full */
	sp_defer_init(&q->dispatch, on_dispatch, q);
	for (uint32_t i = 0; i < n; i++)
		sp_arena_init(&q->slots[i].arena, JOB_BYTES_MAX);
	return q;
}

void sp_queue_pause(sp_queue *q, bool on)
{
	q->paused = on;
	sp_defer_call(q->world, &q->dispatch);
}

void sp_queue_close(sp_queue *q, void (*done)(void *arg), void *arg)
{
	q->closing = true;
	q->on_closed = done;
	q->closed_arg = arg;
	sp_timer_stop(q->world, &q->timer);
	sp_defer_call(q->world, &q->dispatch);
}

void sp_queue_free(sp_queue *q)
{
	const sp_map_entry *m;
	if (q == NULL)
		return;
	SP_ASSERT(q->n_running == 0);
	sp_timer_stop(q->world, &q->timer);
	sp_defer_cancel(&q->dispatch);
	sp_heap_done(&q->delayed);
	for (size_t at = 0; (m = sp_map_next(&q->entries, &at)) != NULL;)
		sp_free(m->value);
	sp_map_done(&q->entries);
	for (uint32_t i = 0; i < q->o.n_workers; i++)
		sp_arena_done(&q->slots[i].arena);
	sp_free(q);
}

sp_queue_stats sp_queue_counts(const sp_queue *q)
{
	sp_queue_stats s = q->stats;
	s.n_waiting = q->n_waiting;
	s.n_running = q->n_running;
	s.n_delayed = q->delayed.n;
	return s;
}
