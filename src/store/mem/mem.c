/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change log is an array of events; a resource is an array of keys in order, a key an array of the events
 * that wrote it. What compaction removes leaves the arrays; the log keeps a gap (NULL) for it.
 */
#include "store/mem/mem.h"

#include "base/alloc.h"
#include "store/store_int.h"

typedef struct mem_key {
	sp_store_event **versions; /* oldest first; a delete is one */
	size_t n, cap;
	size_t rest_len;
	char rest[];
} mem_key;

typedef struct mem_resource {
	mem_key **keys; /* in order of rest */
	size_t n, cap;
	size_t name_len;
	char name[];
} mem_resource;

typedef struct store_mem {
	sp_store base;
	uint64_t commit_ns;
	sp_timer timer;
	sp_list queued;
	sp_map resources;
	sp_store_event **log; /* log[i] has revision i + 2 */
	size_t n_log, cap_log;
	uint64_t compacted, n_objects, history_bytes;
} store_mem;

enum { FIRST_REVISION = 2 };

static store_mem *mem_of(sp_store *s)
{
	return SP_CONTAINER_OF(s, store_mem, base);
}

/* Room for one more element. */
static bool grow(void **array, size_t n, size_t *cap)
{
	if (n < *cap)
		return true;
	size_t more = *cap == 0 ? 4 : *cap * 2;
	void *p = sp_try_realloc(*array, *cap * sizeof(void *), more * sizeof(void *));
	if (p == NULL)
		return false;
	*array = p;
	*cap = more;
	return true;
}
#define GROW(array, n, cap) grow((void **)&(array), (n), &(cap))

/* The place of the first key not below `rest`; with a NUL at its end, of the first one behind it. */
static size_t key_place(const mem_resource *r, sp_str rest)
{
	size_t lo = 0, hi = r->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (sp_str_cmp((sp_str){r->keys[mid]->rest, r->keys[mid]->rest_len}, rest) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static sp_str key_rest(const mem_key *k)
{
	return (sp_str){k->rest, k->rest_len};
}

static mem_key *key_find(const store_mem *m, sp_store_key key)
{
	const mem_resource *r = sp_map_get(&m->resources, key.resource);
	size_t i = r == NULL ? 0 : key_place(r, key.rest);
	return r != NULL && i < r->n && sp_str_eq(key_rest(r->keys[i]), key.rest) ? r->keys[i] : NULL;
}

/* The put that a reader at `revision` sees, or NULL. */
static sp_store_event *version_at(const mem_key *k, uint64_t revision)
{
	for (size_t i = k == NULL ? 0 : k->n; i > 0; i--) {
		if (k->versions[i - 1]->revision <= revision)
			return k->versions[i - 1]->is_delete ? NULL : k->versions[i - 1];
	}
	return NULL;
}

/* ---- reading ---- */

static sp_code mem_get(sp_store *s, sp_store_key key, uint64_t revision, sp_store_value *ret, sp_err *err)
{
	const store_mem *m = mem_of(s);
	if (revision != 0)
		SP_TRY(store_revision_check(revision, m->compacted, s->revision, err));
	sp_store_event *e = version_at(key_find(m, key), revision == 0 ? UINT64_MAX : revision);
	if (e == NULL)
		return sp_fail(err, SP_ENOTFOUND, "'" SP_FMT "' does not exist", SP_ARG(key.rest));
	*ret = (sp_store_value){sp_bytes_ref(e->record), e->revision, e->create_revision};
	return SP_OK;
}

static bool has_indexed(const sp_store_event *e, const sp_str *wanted)
{
	sp_record r;
	return wanted == NULL || (sp_record_decode(sp_bytes_view(e->record), &r, NULL) == SP_OK &&
				  r.is_indexed && sp_str_eq(r.indexed, *wanted));
}

static sp_code mem_range(sp_store *s, const sp_store_query *q,
			 sp_store_visit (*visit)(void *arg, const sp_store_entry *e), void *arg,
			 sp_store_chunk *ret, sp_err *err)
{
	const store_mem *m = mem_of(s);
	if (q->revision != 0)
		SP_TRY(store_revision_check(q->revision, m->compacted, s->revision, err));
	*ret = (sp_store_chunk){.revision = q->revision != 0 ? q->revision : s->revision};
	const mem_resource *r = sp_map_get(&m->resources, q->resource);
	if (r == NULL)
		return SP_OK;
	size_t n_scanned = 0, bytes = 0;
	for (size_t i = key_place(r, sp_str_cmp(q->from, q->prefix) > 0 ? q->from : q->prefix); i < r->n;
	     i++) {
		sp_str rest = key_rest(r->keys[i]);
		if (!sp_str_starts(rest, q->prefix))
			break;
		const sp_store_event *e = version_at(r->keys[i], ret->revision);
		if (e == NULL)
			continue;
		if (ret->more) {
			ret->n_remaining++;
			continue;
		}
		bool is_full = ret->n_taken >= q->n_max || n_scanned >= q->n_scan_max ||
			       (n_scanned > 0 && bytes >= q->scan_bytes_max);
		sp_store_visit said = SP_STORE_SKIP;
		if (!is_full && has_indexed(e, q->indexed))
			said = visit(arg, &(sp_store_entry){rest, sp_bytes_view(e->record), e->revision,
							    e->create_revision});
		if (is_full || said == SP_STORE_STOP) {
			ret->more = true;
			memcpy(ret->next, rest.ptr, rest.len);
			ret->next_len = rest.len;
			if (!q->want_remaining)
				break;
			ret->n_remaining = 1;
			continue;
		}
		ret->n_taken += said == SP_STORE_TAKE;
		n_scanned++;
		bytes += e->record->len;
	}
	return SP_OK;
}

static sp_code mem_count(sp_store *s, sp_str resource, sp_str prefix, uint64_t *ret, sp_err *err)
{
	(void)err;
	const mem_resource *r = sp_map_get(&mem_of(s)->resources, resource);
	*ret = 0;
	for (size_t i = r == NULL ? 0 : key_place(r, prefix);
	     r != NULL && i < r->n && sp_str_starts(key_rest(r->keys[i]), prefix); i++)
		*ret += version_at(r->keys[i], UINT64_MAX) != NULL;
	return SP_OK;
}

static sp_code mem_info(sp_store *s, bool with_space, sp_store_info *ret, sp_err *err)
{
	(void)with_space;
	(void)err;
	const store_mem *m = mem_of(s);
	*ret = (sp_store_info){.revision = s->revision,
			       .compacted = m->compacted,
			       .n_objects = m->n_objects,
			       .history_bytes = m->history_bytes};
	return SP_OK;
}

static sp_code mem_log_read(sp_store *s, const store_log_query *q, uint64_t *ret_upto, sp_err *err)
{
	const store_mem *m = mem_of(s);
	if (q->after < m->compacted)
		return store_revision_check(q->after, m->compacted, s->revision, err);
	size_t n = 0, bytes = 0;
	for (uint64_t at = q->after + 1; at <= SP_MIN(q->upto, (uint64_t)s->revision); at++, n++) {
		if (n == q->n_scan_max || (n > 0 && bytes >= q->scan_bytes_max)) {
			*ret_upto = at - 1;
			return SP_OK;
		}
		sp_store_event *e = m->log[at - FIRST_REVISION];
		if (!sp_str_eq(e->key.resource, q->resource) || !q->want(q->arg, e->key))
			continue;
		bytes += e->record == NULL ? 0 : e->record->len;
		if (!q->each(q->arg, sp_store_event_ref(e))) {
			*ret_upto = at;
			return SP_OK;
		}
	}
	*ret_upto = SP_MIN(q->upto, (uint64_t)s->revision);
	return SP_OK;
}

/* ---- writing ---- */

static mem_resource *resource_make(store_mem *m, sp_str name)
{
	mem_resource *r = sp_map_get(&m->resources, name);
	if (r != NULL)
		return r;
	r = sp_try_alloc(sizeof *r + name.len);
	if (r == NULL)
		return NULL;
	memcpy(r->name, name.ptr, name.len);
	r->name_len = name.len;
	if (sp_map_put(&m->resources, (sp_str){r->name, r->name_len}, r, NULL) != SP_OK) {
		sp_free(r);
		return NULL;
	}
	return r;
}

/* The key with room for a version more; an empty one stays when the write then fails, which nobody can see.
 */
static mem_key *key_make(store_mem *m, sp_store_key key)
{
	mem_resource *r = resource_make(m, key.resource);
	if (r == NULL)
		return NULL;
	size_t i = key_place(r, key.rest);
	if (i == r->n || !sp_str_eq(key_rest(r->keys[i]), key.rest)) {
		mem_key *k = GROW(r->keys, r->n, r->cap) ? sp_try_alloc(sizeof *k + key.rest.len) : NULL;
		if (k == NULL)
			return NULL;
		memcpy(k->rest, key.rest.ptr, key.rest.len);
		k->rest_len = key.rest.len;
		memmove(&r->keys[i + 1], &r->keys[i], (r->n - i) * sizeof(mem_key *));
		r->keys[i] = k;
		r->n++;
	}
	return GROW(r->keys[i]->versions, r->keys[i]->n, r->keys[i]->cap) ? r->keys[i] : NULL;
}

static size_t version_bytes(const sp_store_event *e)
{
	return sizeof *e + e->key.resource.len + e->key.rest.len + (e->record == NULL ? 0 : e->record->len);
}

/* Allocates what the operation needs; nothing has changed until commit_op. */
static sp_code prepare_op(store_mem *m, const sp_store_op *op, sp_store_event **ret, sp_err *err)
{
	mem_key *k = key_make(m, op->key);
	sp_store_event *e = k == NULL ? NULL : store_event_new(op->key);
	if (e == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a write");
	const sp_store_event *old = version_at(k, UINT64_MAX);
	e->is_delete = op->type == SP_STORE_DELETE;
	e->is_create = old == NULL;
	e->record = e->is_delete ? NULL : sp_bytes_ref(op->record);
	if (old != NULL) {
		e->create_revision = old->create_revision;
		e->prev_revision = old->revision;
		e->prev = sp_bytes_ref(old->record);
	}
	*ret = e;
	return SP_OK;
}

static void commit_op(store_mem *m, sp_store_op *op, sp_store_event *e)
{
	mem_key *k = key_find(m, op->key);
	e->revision = m->base.revision + 1;
	if (e->is_create)
		e->create_revision = e->revision;
	m->n_objects = m->n_objects + e->is_create - e->is_delete;
	const sp_store_event *old = version_at(k, UINT64_MAX);
	if (old != NULL)
		m->history_bytes += version_bytes(old);
	if (e->is_delete)
		m->history_bytes += version_bytes(e);
	k->versions[k->n++] = sp_store_event_ref(e);
	m->log[m->n_log++] = sp_store_event_ref(e);
	m->base.revision = e->revision;
	op->revision = e->revision;
	op->create_revision = e->create_revision;
}

static bool compare_txn(const store_mem *m, sp_store_txn *t)
{
	for (size_t i = 0; i < t->n_ops; i++) {
		sp_store_event *e = version_at(key_find(m, t->ops[i].key), UINT64_MAX);
		t->code = store_op_compare(&t->ops[i], e == NULL ? 0 : e->revision, &t->err);
		if (t->code == SP_OK) {
			t->ops[i].revision = e == NULL ? 0 : e->revision;
			t->ops[i].create_revision = e == NULL ? 0 : e->create_revision;
			continue;
		}
		t->i_failed = i;
		if (e != NULL)
			t->current =
				(sp_store_value){sp_bytes_ref(e->record), e->revision, e->create_revision};
		return false;
	}
	return true;
}

static void apply_txn(store_mem *m, sp_store_txn *t)
{
	sp_store_event *events[SP_LIMIT_STORE_TXN_OPS] = {NULL};
	t->code = store_txn_check(t, &t->err);
	if (t->code != SP_OK || !compare_txn(m, t))
		return;
	for (size_t i = 0; i < t->n_ops && t->code == SP_OK; i++) {
		if (t->ops[i].type != SP_STORE_CHECK)
			t->code = prepare_op(m, &t->ops[i], &events[i], &t->err);
	}
	while (t->code == SP_OK && m->cap_log - m->n_log < t->n_ops) {
		if (!GROW(m->log, m->cap_log, m->cap_log))
			t->code = sp_fail(&t->err, SP_ENOMEM, "no memory for the change log");
	}
	sp_store_event **tail = &t->events;
	for (size_t i = 0; i < t->n_ops; i++) {
		if (events[i] == NULL)
			continue;
		if (t->code != SP_OK) {
			events[i] = sp_store_event_unref(events[i]);
			continue;
		}
		commit_op(m, &t->ops[i], events[i]);
		*tail = events[i];
		tail = &events[i]->next;
	}
}

static void release_all(store_mem *m)
{
	const sp_map_entry *entry;
	for (size_t i = 0; (entry = sp_map_next(&m->resources, &i)) != NULL;) {
		mem_resource *r = entry->value;
		for (size_t j = 0; j < r->n; j++) {
			for (size_t v = 0; v < r->keys[j]->n; v++)
				r->keys[j]->versions[v] = sp_store_event_unref(r->keys[j]->versions[v]);
			sp_free(r->keys[j]->versions);
			sp_free(r->keys[j]);
		}
		sp_free(r->keys);
		sp_free(r);
	}
	sp_map_done(&m->resources);
	for (size_t i = 0; i < m->n_log; i++)
		m->log[i] = sp_store_event_unref(m->log[i]);
	sp_free(m->log);
}

static void mem_end(store_mem *m)
{
	void (*on_closed)(void *) = m->base.on_closed;
	void *arg = m->base.closed_arg;
	sp_timer_stop(m->base.world, &m->timer);
	store_done(&m->base);
	release_all(m);
	sp_free(m);
	on_closed(arg);
}

static void on_commit(sp_timer *timer)
{
	store_mem *m = timer->arg;
	sp_list done;
	sp_list_init(&done);
	for (sp_list *node; (node = sp_list_pop_front(&m->queued)) != NULL;) {
		sp_store_txn *t = SP_CONTAINER_OF(node, sp_store_txn, node);
		if (t->code == SP_OK)
			apply_txn(m, t);
		store_dispatch(&m->base, SP_TAKE(t->events));
		sp_list_push_back(&done, node);
	}
	bool closing = m->base.is_closing;
	policy_tick(&m->base);
	for (sp_list *node; (node = sp_list_pop_front(&done)) != NULL;)
		store_report(SP_CONTAINER_OF(node, sp_store_txn, node));
	if (closing && sp_list_is_empty(&m->queued))
		mem_end(m);
}

static void mem_write(sp_store *s, sp_store_txn *t)
{
	store_mem *m = mem_of(s);
	if (s->is_closing)
		t->code = sp_fail(&t->err, SP_EUNAVAILABLE, "the store is closing");
	sp_list_push_back(&m->queued, &t->node);
	if (!sp_timer_is_running(&m->timer))
		sp_timer_start(s->world, &m->timer, m->commit_ns, on_commit);
}

/* ---- compaction ---- */

/* Removes the version that the event at this revision replaced, and the event itself when it is a delete. */
static void trim_event(store_mem *m, sp_store_event *e)
{
	mem_key *k = key_find(m, e->key);
	size_t n = 0;
	for (size_t i = 0; i < k->n; i++) {
		sp_store_event *v = k->versions[i];
		bool goes = v->revision < e->revision || (v == e && e->is_delete);
		if (goes) {
			m->history_bytes -= SP_MIN(m->history_bytes, version_bytes(v));
			(void)sp_store_event_unref(v);
		} else {
			k->versions[n++] = v;
		}
	}
	k->n = n;
	if (n > 0)
		return;
	mem_resource *r = sp_map_get(&m->resources, e->key.resource);
	size_t i = key_place(r, e->key.rest);
	sp_free(k->versions);
	sp_free(k);
	memmove(&r->keys[i], &r->keys[i + 1], (r->n - i - 1) * sizeof(mem_key *));
	r->n--;
}

static void mem_compact(sp_store *s, uint64_t revision)
{
	store_mem *m = mem_of(s);
	for (uint64_t target = SP_MIN(revision, s->dispatched); m->compacted < target; m->compacted++) {
		sp_store_event **e = &m->log[m->compacted + 1 - FIRST_REVISION];
		trim_event(m, *e);
		*e = sp_store_event_unref(*e);
	}
}

static sp_code mem_broken(sp_store *s, sp_err *err)
{
	(void)s;
	(void)err;
	return SP_OK;
}

static void mem_close(sp_store *s)
{
	store_mem *m = mem_of(s);
	sp_timer_start(s->world, &m->timer, 0, on_commit);
}

static const store_ops mem_ops = {mem_get,      mem_range,   mem_count,  mem_info, mem_write,
				  mem_log_read, mem_compact, mem_broken, mem_close};

sp_code sp_store_mem_open(sp_world *w, const sp_store_mem_opts *opts, sp_store **ret, sp_err *err)
{
	store_mem *m = sp_try_alloc(sizeof *m);
	if (m == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a store");
	m->commit_ns = opts->commit_ns;
	m->compacted = 1;
	m->timer.arg = m;
	sp_list_init(&m->queued);
	sp_map_init(&m->resources);
	store_init(&m->base, &mem_ops, w, 1, opts->keep_ns == 0 ? UINT64_C(300000000000) : opts->keep_ns,
		   opts->history_bytes_max == 0 ? UINT64_C(512) << 20 : opts->history_bytes_max);
	*ret = &m->base;
	return SP_OK;
}
