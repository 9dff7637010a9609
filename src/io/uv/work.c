/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker threads and calls from other threads. The threads are our own rather than libuv's: its queue has no
 * limit, takes a request too large to stand in sp_work, and is shared by all loops of the process. Threads
 * start when there is work and stay. A job that takes long (a file system that does not answer) does not
 * count against their number: others take its place, up to a limit that leaves room for many such.
 */
#include <sched.h>
#include <signal.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "io/uv/uv_int.h"

#define STACK_BYTES ((size_t)1 << 20)
#define WATCH_NS (UINT64_C(250) * 1000000)
#define STUCK_NS (UINT64_C(1000) * 1000000)

/* The queues link jobs through their impl room. */
_Static_assert(sizeof(sp_list) <= sizeof((sp_work *)NULL)->impl, "sp_work.impl holds a list node");

static sp_list *node_of(sp_work *job)
{
	return (sp_list *)(void *)job->impl;
}

static sp_work *job_of(sp_list *node)
{
	return SP_CONTAINER_OF(node, sp_work, impl);
}

static unsigned count_cpus(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) != 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

void uvw_pool_init(uvw_world *w)
{
	uvw_pool *p = &w->pool;
	SP_ASSERT(pthread_mutex_init(&p->lock, NULL) == 0);
	SP_ASSERT(pthread_cond_init(&p->more, NULL) == 0);
	sp_list_init(&p->waiting);
	sp_list_init(&p->finished);
	unsigned n = count_cpus();
	p->n_threads_max = SP_MIN(n, UVW_WORKERS_MAX);
}

static void *worker(void *arg)
{
	uvw_thread *self = arg;
	uvw_world *w = self->world;
	uvw_pool *p = &w->pool;
	(void)pthread_mutex_lock(&p->lock); /* of a sound mutex: cannot fail */
	for (;;) {
		sp_list *node = sp_list_pop_front(&p->waiting);
		if (node == NULL && p->stopping)
			break;
		if (node == NULL) {
			p->n_idle++;
			(void)pthread_cond_wait(&p->more, &p->lock); /* cannot fail */
			p->n_idle--;
			continue;
		}
		p->n_waiting--;
		self->began_ns = sp_clock_ns(&w->base);
		(void)pthread_mutex_unlock(&p->lock);
		sp_work *job = job_of(node);
		job->fn(job);
		(void)pthread_mutex_lock(&p->lock);
		self->began_ns = 0;
		sp_list_push_back(&p->finished, node);
		atomic_store(&w->job_finished, true);
		(void)uv_async_send(&w->async); /* the handle lives as long as the pool */
	}
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Signals belong to the loop's thread. */
static int start_thread(uvw_world *w)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int errnum = pthread_attr_init(&attr);
	if (errnum != 0)
		return errnum;
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES); /* a good size */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	uvw_thread *t = &w->pool.threads[w->pool.n_threads];
	*t = (uvw_thread){.world = w};
	errnum = pthread_create(&t->id, &attr, worker, t);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr);
	if (errnum == 0)
		w->pool.n_threads++;
	return errnum;
}

/* ---- threads that are stuck ---- */

/* How many there may be now. */
static size_t threads_max(const uvw_pool *p, uint64_t now_ns)
{
	size_t n = p->n_threads_max;
	for (size_t i = 0; i < p->n_threads; i++)
		n += p->threads[i].began_ns != 0 && now_ns - p->threads[i].began_ns >= STUCK_NS;
	return SP_MIN(n, UVW_THREADS_MAX);
}

static void on_watch(sp_timer *t)
{
	uvw_world *w = SP_CONTAINER_OF(t, uvw_world, pool.watch);
	uvw_pool *p = &w->pool;
	(void)pthread_mutex_lock(&p->lock);
	size_t n_max = threads_max(p, sp_clock_ns(&w->base));
	while (p->n_waiting > p->n_idle && p->n_threads < n_max && start_thread(w) == 0)
		;
	bool waits = p->n_waiting > p->n_idle;
	(void)pthread_mutex_unlock(&p->lock);
	if (waits)
		sp_timer_start(&w->base, t, WATCH_NS, on_watch);
}

sp_code uvw_work_start(sp_world *base, sp_work *job, sp_err *err)
{
	uvw_world *w = uvw_of(base);
	uvw_pool *p = &w->pool;
	int errnum = 0;
	(void)pthread_mutex_lock(&p->lock);
	bool full = p->n_waiting >= SP_LIMIT_WORK_QUEUE;
	if (!full && p->n_waiting >= p->n_idle && p->n_threads < p->n_threads_max)
		errnum = start_thread(w);
	bool taken = !full && p->n_threads > 0; /* fewer threads than wished for are enough */
	if (taken) {
		sp_list_push_back(&p->waiting, node_of(job));
		p->n_waiting++;
		(void)pthread_cond_signal(&p->more);
	}
	bool waits = taken && p->n_waiting > p->n_idle;
	(void)pthread_mutex_unlock(&p->lock);
	if (waits && !sp_timer_is_running(&p->watch))
		sp_timer_start(base, &p->watch, WATCH_NS, on_watch);
	if (full)
		return sp_fail(err, SP_EUNAVAILABLE, "%u jobs wait for a worker already",
			       SP_LIMIT_WORK_QUEUE);
	if (!taken)
		return sp_fail_sys(err, errnum, "start a worker thread");
	return SP_OK;
}

bool uvw_work_finish(uvw_world *w)
{
	uvw_pool *p = &w->pool;
	bool any = false;
	if (!atomic_exchange(&w->job_finished, false))
		return false;
	for (;;) {
		(void)pthread_mutex_lock(&p->lock);
		sp_list *node = w->stopping ? NULL : sp_list_pop_front(&p->finished);
		if (!sp_list_is_empty(&p->finished))
			atomic_store(&w->job_finished, true); /* for after a stop */
		(void)pthread_mutex_unlock(&p->lock);
		if (node == NULL)
			return any;
		any = true;
		job_of(node)->done(job_of(node));
	}
}

void uvw_pool_done(uvw_world *w)
{
	uvw_pool *p = &w->pool;
	(void)pthread_mutex_lock(&p->lock);
	p->stopping = true;
	(void)pthread_cond_broadcast(&p->more);
	(void)pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < p->n_threads; i++)
		SP_ASSERT(pthread_join(p->threads[i].id, NULL) == 0);
	p->n_threads = 0;
	p->n_threads_max = 0; /* jobs of the last `done` calls are refused */
	while (uvw_work_finish(w))
		;
	(void)pthread_cond_destroy(&p->more);
}

/* ---- wake-ups ---- */

typedef struct uvw_wakeup {
	sp_wakeup base;
	sp_list node;
	void (*fn)(void *arg);
	void *arg;
	atomic_bool called;
} uvw_wakeup;

sp_code uvw_wakeup_new(sp_world *base, void (*fn)(void *arg), void *arg, sp_wakeup **ret, sp_err *err)
{
	uvw_wakeup *u = sp_try_alloc(sizeof *u);
	if (u == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a wake-up");
	u->base.world = base;
	u->fn = fn;
	u->arg = arg;
	sp_list_push_back(&uvw_of(base)->wakeups, &u->node);
	*ret = &u->base;
	return SP_OK;
}

void uvw_wakeup_call(sp_wakeup *base)
{
	uvw_wakeup *u = SP_CONTAINER_OF(base, uvw_wakeup, base);
	uvw_world *w = uvw_of(base->world);
	if (atomic_exchange(&u->called, true))
		return; /* the loop has not come to it yet */
	atomic_store(&w->wakeup_called, true);
	(void)uv_async_send(&w->async); /* the handle lives as long as the world */
}

void uvw_wakeup_free(sp_wakeup *base)
{
	uvw_wakeup *u = SP_CONTAINER_OF(base, uvw_wakeup, base);
	sp_list_remove(&u->node);
	sp_free(u);
}

static uvw_wakeup *next_called(uvw_world *w)
{
	SP_LIST_FOREACH (n, &w->wakeups) {
		uvw_wakeup *u = SP_CONTAINER_OF(n, uvw_wakeup, node);
		if (atomic_exchange(&u->called, false))
			return u;
	}
	return NULL;
}

bool uvw_wakeup_run(uvw_world *w)
{
	if (!atomic_exchange(&w->wakeup_called, false))
		return false;
	/* Each may release itself or others: look again from the start. One that is called over and over is
	 * for the next turn. */
	uvw_wakeup *u = next_called(w);
	if (u == NULL)
		return false;
	atomic_store(&w->wakeup_called, true);
	u->fn(u->arg);
	return true;
}

void uvw_wakeups_free_all(uvw_world *w)
{
	SP_LIST_FOREACH (n, &w->wakeups)
		uvw_wakeup_free(&SP_CONTAINER_OF(n, uvw_wakeup, node)->base);
}
