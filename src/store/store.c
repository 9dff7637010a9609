/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include "base/alloc.h"
#include "store/store_int.h"

static bool has_nul(sp_str s)
{
	return s.len > 0 && memchr(s.ptr, '\0', s.len) != NULL;
}

static sp_code check_resource(sp_str resource, sp_err *err)
{
	if (resource.len == 0 || resource.ptr[resource.len - 1] != '/' || has_nul(resource))
		return sp_fail(err, SP_EINVAL, "storage resource '" SP_FMT "' does not end in '/'",
			       SP_ARG(resource));
	if (resource.len > SP_LIMIT_STORE_RESOURCE_BYTES)
		return sp_fail(err, SP_ETOOLARGE, "storage resource of %zu bytes exceeds the limit of %u",
			       resource.len, SP_LIMIT_STORE_RESOURCE_BYTES);
	return SP_OK;
}

sp_code sp_store_key_check(sp_store_key key, sp_err *err)
{
	SP_TRY(check_resource(key.resource, err));
	if (key.rest.len == 0 || has_nul(key.rest))
		return sp_fail(err, SP_EINVAL, "storage key below '" SP_FMT "' is empty or has a NUL",
			       SP_ARG(key.resource));
	if (key.rest.len > SP_LIMIT_STORE_REST_BYTES)
		return sp_fail(err, SP_ETOOLARGE, "storage key of %zu bytes exceeds the limit of %u",
			       key.rest.len, SP_LIMIT_STORE_REST_BYTES);
	return SP_OK;
}

static sp_code check_prefix(sp_str prefix, sp_err *err)
{
	if (prefix.len > SP_LIMIT_STORE_REST_BYTES || has_nul(prefix))
		return sp_fail(err, SP_EINVAL, "storage prefix is too long or has a NUL");
	return SP_OK;
}

/* ---- events ---- */

sp_store_event *store_event_new(sp_store_key key)
{
	size_t n = sizeof(sp_store_event) + key.resource.len + key.rest.len;
	sp_store_event *e = sp_try_alloc(n);
	if (e == NULL)
		return NULL;
	char *text = (char *)(e + 1);
	memcpy(text, key.resource.ptr, key.resource.len);
	memcpy(text + key.resource.len, key.rest.ptr, key.rest.len);
	e->key.resource = (sp_str){text, key.resource.len};
	e->key.rest = (sp_str){text + key.resource.len, key.rest.len};
	e->n_refs = 1;
	return e;
}

sp_store_event *sp_store_event_ref(sp_store_event *e)
{
	(void)atomic_fetch_add_explicit(&e->n_refs, 1, memory_order_relaxed);
	return e;
}

sp_store_event *sp_store_event_unref(sp_store_event *e)
{
	if (e == NULL || atomic_fetch_sub_explicit(&e->n_refs, 1, memory_order_acq_rel) != 1)
		return NULL;
	if (e->attached != NULL && e->attached_free != NULL)
		e->attached_free(e->attached);
	e->record = sp_bytes_unref(e->record);
	e->prev = sp_bytes_unref(e->prev);
	sp_free(e);
	return NULL;
}

/* ---- reading ---- */

sp_code store_revision_check(uint64_t revision, uint64_t compacted, uint64_t newest, sp_err *err)
{
	if (revision > newest)
		return sp_fail(err, SP_EINVAL, "revision %llu is in the future, the newest is %llu",
			       (unsigned long long)revision, (unsigned long long)newest);
	if (revision < compacted)
		return sp_fail(err, SP_EGONE, "revision %llu is compacted, the oldest is %llu",
			       (unsigned long long)revision, (unsigned long long)compacted);
	return SP_OK;
}

uint64_t sp_store_revision(sp_store *s)
{
	return atomic_load_explicit(&s->revision, memory_order_acquire);
}

sp_code sp_store_info_get(sp_store *s, sp_store_info *ret, sp_err *err)
{
	sp_store_info info = {0};
	SP_TRY(s->ops->info(s, true, &info, err));
	info.dispatched = s->dispatched;
	*ret = info;
	return SP_OK;
}

sp_code sp_store_get(sp_store *s, sp_store_key key, uint64_t revision, sp_store_value *ret, sp_err *err)
{
	SP_TRY(sp_store_key_check(key, err));
	return s->ops->get(s, key, revision, ret, err);
}

sp_code sp_store_range(sp_store *s, const sp_store_query *q,
		       sp_store_visit (*visit)(void *arg, const sp_store_entry *e), void *arg,
		       sp_store_chunk *ret, sp_err *err)
{
	SP_TRY(check_resource(q->resource, err));
	SP_TRY(check_prefix(q->prefix, err));
	/* A NUL may stand at the end of `from`, and only there: "behind this key". */
	sp_str from = q->from;
	if (from.len > 0 && from.ptr[from.len - 1] == '\0')
		from.len--;
	SP_TRY(check_prefix(from, err));
	sp_store_query full = *q;
	if (full.n_max == 0)
		full.n_max = SIZE_MAX;
	if (full.n_scan_max == 0)
		full.n_scan_max = 1000;
	if (full.scan_bytes_max == 0)
		full.scan_bytes_max = (size_t)1 << 20;
	sp_store_chunk chunk; /* q->from may point into *ret */
	SP_TRY(s->ops->range(s, &full, visit, arg, &chunk, err));
	*ret = chunk;
	return SP_OK;
}

sp_code sp_store_count(sp_store *s, sp_str resource, sp_str prefix, uint64_t *ret, sp_err *err)
{
	SP_TRY(check_resource(resource, err));
	SP_TRY(check_prefix(prefix, err));
	return s->ops->count(s, resource, prefix, ret, err);
}

/* ---- writing ---- */

sp_code store_txn_check(const sp_store_txn *t, sp_err *err)
{
	if (t->n_ops == 0 || t->n_ops > SP_LIMIT_STORE_TXN_OPS)
		return sp_fail(err, SP_EINVAL, "a transaction has 1 to %u operations, not %zu",
			       SP_LIMIT_STORE_TXN_OPS, t->n_ops);
	for (size_t i = 0; i < t->n_ops; i++) {
		const sp_store_op *op = &t->ops[i];
		sp_record r;
		SP_TRY(sp_store_key_check(op->key, err));
		if (op->type == SP_STORE_PUT)
			SP_TRY(sp_record_decode(sp_bytes_view(op->record), &r, err));
		for (size_t j = 0; j < i; j++) {
			if (sp_str_eq(t->ops[j].key.rest, op->key.rest) &&
			    sp_str_eq(t->ops[j].key.resource, op->key.resource))
				return sp_fail(err, SP_EINVAL,
					       "two operations of a transaction have the key '" SP_FMT "'",
					       SP_ARG(op->key.rest));
		}
	}
	return SP_OK;
}

sp_code store_op_compare(const sp_store_op *op, uint64_t current, sp_err *err)
{
	if (op->expected == current && (current != 0 || op->type != SP_STORE_DELETE))
		return SP_OK;
	if (op->expected == 0 && current != 0)
		return sp_fail(err, SP_EEXISTS, "'" SP_FMT "' exists", SP_ARG(op->key.rest));
	if (current == 0 && (op->expected != SP_STORE_ANY || op->type == SP_STORE_DELETE))
		return sp_fail(err, SP_ENOTFOUND, "'" SP_FMT "' does not exist", SP_ARG(op->key.rest));
	if (op->expected != SP_STORE_ANY)
		return sp_fail(err, SP_ECONFLICT, "'" SP_FMT "' is at revision %llu, not %llu",
			       SP_ARG(op->key.rest), (unsigned long long)current,
			       (unsigned long long)op->expected);
	return SP_OK;
}

void sp_store_write(sp_store *s, sp_store_txn *t)
{
	t->code = SP_OK;
	t->err = (sp_err){0};
	t->events = NULL;
	t->i_failed = 0;
	t->current = (sp_store_value){0};
	sp_list_init(&t->node);
	s->ops->write(s, t);
}

void store_dispatch(sp_store *s, sp_store_event *events)
{
	while (events != NULL) {
		sp_store_event *e = events;
		events = SP_TAKE(e->next);
		hub_dispatch(s, e);
		SP_ASSERT(e->revision > s->dispatched);
		s->dispatched = e->revision;
		(void)sp_store_event_unref(e);
	}
}

void store_report(sp_store_txn *t)
{
	/* The owner may reuse the transaction inside done. */
	sp_bytes *lent = t->current.record;
	sp_err err = t->err;
	t->done(t, t->code, t->code == SP_OK ? NULL : &err);
	(void)sp_bytes_unref(lent);
}

/* ---- life ---- */

void sp_store_compact(sp_store *s, uint64_t revision)
{
	s->ops->compact(s, revision);
}

sp_code sp_store_broken(sp_store *s, sp_err *err)
{
	return s->ops->broken(s, err);
}

void store_init(sp_store *s, const store_ops *ops, sp_world *w, uint64_t revision, uint64_t keep_ns,
		uint64_t history_bytes_max)
{
	s->ops = ops;
	s->world = w;
	s->revision = revision;
	s->dispatched = revision;
	hub_init(&s->hub, s);
	policy_init(&s->policy, s, keep_ns, history_bytes_max);
}

void sp_store_close(sp_store *s, void (*on_closed)(void *arg), void *arg)
{
	SP_ASSERT(!s->is_closing);
	s->is_closing = true;
	s->on_closed = on_closed;
	s->closed_arg = arg;
	hub_close(s);
	s->ops->close(s);
}

void store_done(sp_store *s)
{
	policy_done(s);
	hub_done(s);
}
