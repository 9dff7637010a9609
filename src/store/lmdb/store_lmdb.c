/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The LMDB store on a loop: one writer thread that commits whatever has been queued while it was busy with
 * the group before, as one group. The threads share the queues below under a mutex and nothing else; LMDB
 * itself lets the loop read while the writer writes.
 */
#include <pthread.h>

#include "base/alloc.h"
#include "store/lmdb/core.h"

enum {
	GROUP_TXNS = 512,
	GROUP_BYTES = 8 << 20, /* of records: bounds a commit's time and LMDB's memory */
	TRIM_ALONE = 512,      /* events of compaction in a group of its own */
	TRIM_EXTRA = 32,       /* and in each group beyond two per operation: compaction outruns writing */
};

typedef struct store_lmdb {
	sp_store base;
	core *core;
	pthread_t thread;
	sp_wakeup *wakeup;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	/* under the mutex: */
	sp_list queued, finished; /* of sp_store_txn */
	uint64_t compact;         /* wanted */
	bool is_stuck; /* compaction failed: tried again with the next write or request, not in a loop */
	bool stop, stopped;
} store_lmdb;

static store_lmdb *lmdb_of(sp_store *s)
{
	return SP_CONTAINER_OF(s, store_lmdb, base);
}

core *store_lmdb_core(sp_store *s)
{
	return lmdb_of(s)->core;
}

/* ---- the writer's thread ---- */

static size_t txn_bytes(const sp_store_txn *t)
{
	size_t n = 0;
	for (size_t i = 0; i < t->n_ops; i++)
		n += t->ops[i].type == SP_STORE_PUT ? t->ops[i].record->len : 0;
	return n;
}

/* Under the mutex. At least one, when there is one. */
static void take_group(store_lmdb *l, sp_list *group, size_t *ret_n_ops)
{
	size_t bytes = 0;
	*ret_n_ops = 0;
	for (size_t n = 0; n < GROUP_TXNS && bytes < GROUP_BYTES; n++) {
		sp_list *node = sp_list_pop_front(&l->queued);
		if (node == NULL)
			break;
		const sp_store_txn *t = SP_CONTAINER_OF(node, sp_store_txn, node);
		bytes += txn_bytes(t);
		*ret_n_ops += t->n_ops;
		sp_list_push_back(group, node);
	}
}

static bool has_trim_work(const store_lmdb *l)
{
	const core_state *s = &l->core->state;
	return !l->core->is_broken && (s->trimmed < s->compacted || l->compact > s->compacted);
}

static void *writer_main(void *arg)
{
	store_lmdb *l = arg;
	(void)pthread_mutex_lock(&l->mutex);
	for (;;) {
		while (sp_list_is_empty(&l->queued) && !l->stop && (l->is_stuck || !has_trim_work(l)))
			(void)pthread_cond_wait(&l->cond, &l->mutex);
		sp_list group;
		size_t n_ops;
		sp_list_init(&group);
		take_group(l, &group, &n_ops);
		bool is_alone = sp_list_is_empty(&group);
		if (is_alone && l->stop)
			break;
		uint64_t compact = l->compact;
		(void)pthread_mutex_unlock(&l->mutex);
		core_state before = l->core->state;
		core_apply(l->core, &group, compact, is_alone ? TRIM_ALONE : 2 * n_ops + TRIM_EXTRA);
		atomic_store_explicit(&l->base.revision, l->core->state.revision, memory_order_release);
		(void)pthread_mutex_lock(&l->mutex);
		l->is_stuck =
			has_trim_work(l) && before.trimmed == l->core->state.trimmed && compact == l->compact;
		for (sp_list *node; (node = sp_list_pop_front(&group)) != NULL;)
			sp_list_push_back(&l->finished, node);
		sp_wakeup_call(l->wakeup);
	}
	l->stopped = true;
	sp_wakeup_call(l->wakeup);
	(void)pthread_mutex_unlock(&l->mutex);
	return NULL;
}

/* ---- the loop's side ---- */

static void lmdb_end(store_lmdb *l)
{
	(void)pthread_join(l->thread, NULL);
	sp_wakeup_free(l->wakeup);
	(void)pthread_mutex_destroy(&l->mutex);
	(void)pthread_cond_destroy(&l->cond);
	core_close(l->core);
	void (*on_closed)(void *) = l->base.on_closed;
	void *arg = l->base.closed_arg;
	store_done(&l->base);
	sp_free(l);
	on_closed(arg);
}

static void on_wakeup(void *arg)
{
	store_lmdb *l = arg;
	sp_list done;
	sp_list_init(&done);
	(void)pthread_mutex_lock(&l->mutex);
	for (sp_list *node; (node = sp_list_pop_front(&l->finished)) != NULL;)
		sp_list_push_back(&done, node);
	bool stopped = l->stopped;
	(void)pthread_mutex_unlock(&l->mutex);
	SP_LIST_FOREACH (node, &done)
		store_dispatch(&l->base, SP_TAKE(SP_CONTAINER_OF(node, sp_store_txn, node)->events));
	policy_tick(&l->base);
	for (sp_list *node; (node = sp_list_pop_front(&done)) != NULL;) {
		store_report(SP_CONTAINER_OF(node, sp_store_txn, node));
	}
	if (stopped)
		lmdb_end(l);
}

static void lmdb_write(sp_store *s, sp_store_txn *t)
{
	store_lmdb *l = lmdb_of(s);
	(void)pthread_mutex_lock(&l->mutex);
	if (s->is_closing) {
		t->code = sp_fail(&t->err, SP_EUNAVAILABLE, "the store is closing");
		sp_list_push_back(&l->finished, &t->node);
		sp_wakeup_call(l->wakeup);
	} else {
		sp_list_push_back(&l->queued, &t->node);
		(void)pthread_cond_signal(&l->cond);
	}
	(void)pthread_mutex_unlock(&l->mutex);
}

static void lmdb_compact(sp_store *s, uint64_t revision)
{
	store_lmdb *l = lmdb_of(s);
	/* Above what the watchers have been offered, those that replay would have to relist. */
	(void)pthread_mutex_lock(&l->mutex);
	uint64_t target = SP_MIN(revision, s->dispatched);
	l->compact = SP_MAX(l->compact, target);
	l->is_stuck = false;
	(void)pthread_cond_signal(&l->cond);
	(void)pthread_mutex_unlock(&l->mutex);
}

static void lmdb_close(sp_store *s)
{
	store_lmdb *l = lmdb_of(s);
	(void)pthread_mutex_lock(&l->mutex);
	l->stop = true;
	(void)pthread_cond_signal(&l->cond);
	(void)pthread_mutex_unlock(&l->mutex);
}

static sp_code lmdb_get(sp_store *s, sp_store_key key, uint64_t revision, sp_store_value *ret, sp_err *err)
{
	return core_get(lmdb_of(s)->core, key, revision, ret, err);
}

static sp_code lmdb_range(sp_store *s, const sp_store_query *q,
			  sp_store_visit (*visit)(void *arg, const sp_store_entry *e), void *arg,
			  sp_store_chunk *ret, sp_err *err)
{
	return core_range(lmdb_of(s)->core, q, visit, arg, ret, err);
}

static sp_code lmdb_count(sp_store *s, sp_str resource, sp_str prefix, uint64_t *ret, sp_err *err)
{
	return core_count(lmdb_of(s)->core, resource, prefix, ret, err);
}

static sp_code lmdb_info(sp_store *s, bool with_space, sp_store_info *ret, sp_err *err)
{
	return core_info(lmdb_of(s)->core, with_space, ret, err);
}

static sp_code lmdb_log_read(sp_store *s, const store_log_query *q, uint64_t *ret_upto, sp_err *err)
{
	return core_log_read(lmdb_of(s)->core, q, ret_upto, err);
}

static sp_code lmdb_broken(sp_store *s, sp_err *err)
{
	if (!lmdb_of(s)->core->is_broken)
		return SP_OK;
	return sp_fail(err, SP_EIO, "the disk failed: the store takes no writes until it is opened again");
}

static const store_ops lmdb_ops = {lmdb_get,      lmdb_range,   lmdb_count,  lmdb_info, lmdb_write,
				   lmdb_log_read, lmdb_compact, lmdb_broken, lmdb_close};

static sp_code start_thread(store_lmdb *l, sp_err *err)
{
	SP_TRY(sp_wakeup_new(l->base.world, on_wakeup, l, &l->wakeup, err));
	(void)pthread_mutex_init(&l->mutex, NULL);
	(void)pthread_cond_init(&l->cond, NULL);
	int rc = pthread_create(&l->thread, NULL, writer_main, l);
	if (rc != 0) {
		sp_wakeup_free(l->wakeup);
		return sp_fail_sys(err, rc, "cannot start the store's writer");
	}
	return SP_OK;
}

sp_code sp_store_lmdb_open(sp_world *w, const sp_store_lmdb_opts *opts, sp_store **ret, sp_err *err)
{
	store_lmdb *l = sp_try_alloc(sizeof *l);
	if (l == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a store");
	sp_code code = core_open(opts, &l->core, err);
	if (code != SP_OK) {
		sp_free(l);
		return code;
	}
	sp_list_init(&l->queued);
	sp_list_init(&l->finished);
	store_init(&l->base, &lmdb_ops, w, l->core->state.revision,
		   opts->keep_ns == 0 ? UINT64_C(300000000000) : opts->keep_ns,
		   opts->history_bytes_max == 0 ? UINT64_C(512) << 20 : opts->history_bytes_max);
	code = start_thread(l, err);
	if (code != SP_OK) {
		store_done(&l->base);
		core_close(l->core);
		sp_free(l);
		return code;
	}
	*ret = &l->base;
	return SP_OK;
}
