/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watchers. A live watcher stands in one bucket: all of a resource, one namespace, one key, or one value of
 * the indexed field. An event looks up the at most five buckets it belongs to, so watchers of other things
 * cost nothing. A watcher that starts in the past replays the log on the loop, chunk by chunk, and enters its
 * bucket when it has reached the newest dispatched event: dispatching is on the loop too, so there is no gap
 * between.
 */
#include "base/alloc.h"
#include "store/store_int.h"

typedef enum bucket_kind { BY_ALL, BY_PREFIX, BY_REST, BY_INDEXED, BUCKET_KIND_COUNT_ } bucket_kind;

typedef struct bucket {
	sp_list watches;
	struct hub_resource *resource;
	bucket_kind kind;
	size_t key_len;
	char key[];
} bucket;

typedef struct hub_resource {
	sp_map buckets[BUCKET_KIND_COUNT_];
	size_t name_len;
	char name[];
} hub_resource;

struct sp_store_watch {
	sp_store *store;
	bucket *bucket; /* while live */
	sp_list node;   /* in the bucket, in hub.replaying or in hub.ended */
	sp_list ready_node;
	sp_store_event **ring;
	size_t n_ring, head, n_queued, queued_bytes;
	uint64_t after; /* everything up to here was queued or did not match */
	bool is_told, is_replaying, has_indexed;
	sp_code code;
	sp_err err;
	void (*on_ready)(void *arg);
	void *arg;
	sp_str resource, prefix, rest, indexed;
	char text[];
};

enum { REPLAY_QUEUE_LOW = SP_LIMIT_WATCH_QUEUE_EVENTS / 4 };

static void on_replay(sp_timer *t);

/* A chunk per turn of the loop: a timer, not a deferred call of this turn. */
static void kick_replay(sp_store *s)
{
	if (!sp_timer_is_running(&s->hub.replay_timer))
		sp_timer_start(s->world, &s->hub.replay_timer, 0, on_replay);
}

/* ---- buckets ---- */

static void resource_free_if_empty(store_hub *h, hub_resource *r)
{
	for (size_t k = 0; k < BUCKET_KIND_COUNT_; k++) {
		if (sp_map_count(&r->buckets[k]) > 0)
			return;
	}
	(void)sp_map_remove(&h->resources, (sp_str){r->name, r->name_len});
	for (size_t k = 0; k < BUCKET_KIND_COUNT_; k++)
		sp_map_done(&r->buckets[k]);
	sp_free(r);
}

static hub_resource *resource_get(store_hub *h, sp_str name)
{
	hub_resource *r = sp_map_get(&h->resources, name);
	if (r != NULL)
		return r;
	r = sp_try_alloc(sizeof *r + name.len);
	if (r == NULL)
		return NULL;
	r->name_len = name.len;
	memcpy(r->name, name.ptr, name.len);
	for (size_t k = 0; k < BUCKET_KIND_COUNT_; k++)
		sp_map_init(&r->buckets[k]);
	if (sp_map_put(&h->resources, (sp_str){r->name, r->name_len}, r, NULL) != SP_OK) {
		sp_free(r);
		return NULL;
	}
	return r;
}

static bucket *bucket_get(hub_resource *r, bucket_kind kind, sp_str key)
{
	bucket *b = sp_map_get(&r->buckets[kind], key);
	if (b != NULL)
		return b;
	b = sp_try_alloc(sizeof *b + key.len);
	if (b == NULL)
		return NULL;
	sp_list_init(&b->watches);
	b->resource = r;
	b->kind = kind;
	b->key_len = key.len;
	if (key.len > 0)
		memcpy(b->key, key.ptr, key.len);
	if (sp_map_put(&r->buckets[kind], (sp_str){b->key, b->key_len}, b, NULL) != SP_OK) {
		sp_free(b);
		return NULL;
	}
	return b;
}

/* The narrowest bucket that holds all the watch wants. */
static bucket_kind kind_of(const sp_store_watch *w, sp_str *ret_key)
{
	*ret_key = w->rest;
	if (w->rest.len > 0)
		return BY_REST;
	*ret_key = w->indexed;
	if (w->has_indexed)
		return BY_INDEXED;
	*ret_key = w->prefix;
	return w->prefix.len > 0 ? BY_PREFIX : BY_ALL;
}

static bool enter_bucket(sp_store_watch *w)
{
	store_hub *h = &w->store->hub;
	hub_resource *r = resource_get(h, w->resource);
	if (r == NULL)
		return false;
	sp_str key;
	bucket_kind kind = kind_of(w, &key);
	w->bucket = bucket_get(r, kind, key);
	if (w->bucket == NULL) {
		resource_free_if_empty(h, r);
		return false;
	}
	sp_list_remove(&w->node);
	sp_list_push_back(&w->bucket->watches, &w->node);
	w->is_replaying = false;
	return true;
}

static void leave(sp_store_watch *w)
{
	sp_list_remove(&w->node);
	w->is_replaying = false;
	bucket *b = SP_TAKE(w->bucket);
	if (b == NULL || !sp_list_is_empty(&b->watches))
		return;
	hub_resource *r = b->resource;
	(void)sp_map_remove(&r->buckets[b->kind], (sp_str){b->key, b->key_len});
	sp_free(b);
	resource_free_if_empty(&w->store->hub, r);
}

/* ---- queue ---- */

static void make_ready(sp_store_watch *w)
{
	store_hub *h = &w->store->hub;
	if (w->is_told || !sp_list_is_empty(&w->ready_node))
		return;
	sp_list_push_back(&h->ready, &w->ready_node);
	sp_defer_call(w->store->world, &h->ready_defer);
}

static void end_watch(sp_store_watch *w, sp_code code)
{
	w->code = code;
	leave(w);
	sp_list_push_back(&w->store->hub.ended, &w->node);
	make_ready(w);
}

static size_t event_bytes(const sp_store_event *e)
{
	return (e->record == NULL ? 0 : e->record->len) + (e->prev == NULL ? 0 : e->prev->len);
}

static bool ring_grow(sp_store_watch *w)
{
	size_t n = w->n_ring == 0 ? 8 : w->n_ring * 2;
	sp_store_event **ring = sp_try_alloc(n * sizeof(sp_store_event *));
	if (ring == NULL)
		return false;
	for (size_t i = 0; i < w->n_queued; i++)
		ring[i] = w->ring[(w->head + i) % w->n_ring];
	sp_free(w->ring);
	w->ring = ring;
	w->n_ring = n;
	w->head = 0;
	return true;
}

static void enqueue(sp_store_watch *w, sp_store_event *e)
{
	size_t bytes = event_bytes(e);
	if (w->n_queued >= SP_LIMIT_WATCH_QUEUE_EVENTS ||
	    (w->n_queued > 0 && w->queued_bytes + bytes > SP_LIMIT_WATCH_QUEUE_BYTES)) {
		(void)sp_fail(&w->err, SP_ETOOMANY, "watch is too slow: %zu events, %zu bytes are waiting",
			      w->n_queued, w->queued_bytes);
		end_watch(w, SP_ETOOMANY);
		return;
	}
	if (w->n_queued == w->n_ring && !ring_grow(w)) {
		end_watch(w, sp_fail(&w->err, SP_ENOMEM, "no memory for the queue of a watch"));
		return;
	}
	w->ring[(w->head + w->n_queued++) % w->n_ring] = sp_store_event_ref(e);
	w->queued_bytes += bytes;
	w->after = e->revision;
	make_ready(w);
}

sp_store_event *sp_store_watch_next(sp_store_watch *w)
{
	if (w->n_queued == 0) {
		w->is_told = false;
		return NULL;
	}
	sp_store_event *e = w->ring[w->head];
	w->head = (w->head + 1) % w->n_ring;
	w->n_queued--;
	w->queued_bytes -= event_bytes(e);
	if (w->is_replaying && w->n_queued < REPLAY_QUEUE_LOW)
		kick_replay(w->store);
	return e;
}

/* ---- matching ---- */

static bool match_key(const sp_store_watch *w, sp_store_key key)
{
	if (w->rest.len > 0)
		return sp_str_eq(key.rest, w->rest) && sp_str_eq(key.resource, w->resource);
	return sp_str_starts(key.rest, w->prefix) && sp_str_eq(key.resource, w->resource);
}

/* Stored records were checked when they were written. */
static bool indexed_value(const sp_bytes *record, sp_str *ret)
{
	sp_record r;
	if (record == NULL || sp_record_decode(sp_bytes_view(record), &r, NULL) != SP_OK || !r.is_indexed)
		return false;
	*ret = r.indexed;
	return true;
}

static bool match_indexed(const sp_store_watch *w, const sp_store_event *e)
{
	sp_str v;
	return !w->has_indexed || (indexed_value(e->record, &v) && sp_str_eq(v, w->indexed)) ||
	       (indexed_value(e->prev, &v) && sp_str_eq(v, w->indexed));
}

static void dispatch_bucket(const hub_resource *r, bucket_kind kind, sp_str key, sp_store_event *e)
{
	bucket *b = sp_map_count(&r->buckets[kind]) == 0 ? NULL : sp_map_get(&r->buckets[kind], key);
	if (b == NULL)
		return;
	/* The bucket may go with its last watch: the next one is known before this one is touched. */
	SP_LIST_FOREACH (node, &b->watches) {
		sp_store_watch *w = SP_CONTAINER_OF(node, sp_store_watch, node);
		bool is_last = node_next_ == &b->watches;
		if (e->revision > w->after && (kind != BY_INDEXED || match_key(w, e->key)) &&
		    (kind != BY_REST || match_indexed(w, e)))
			enqueue(w, e);
		if (is_last)
			break;
	}
}

void hub_dispatch(sp_store *s, sp_store_event *e)
{
	/* Looked up anew each time: a watch that ends may take its resource with it. */
	static const bucket_kind plain[] = {BY_ALL, BY_REST, BY_PREFIX};
	ptrdiff_t slash = sp_str_index(e->key.rest, '/');
	sp_str prefix = {e->key.rest.ptr, slash < 0 ? 0 : (size_t)slash + 1};
	const sp_str keys[] = {{NULL, 0}, e->key.rest, prefix};
	for (size_t i = 0; i < SP_LEN(plain); i++) {
		const hub_resource *r = sp_map_get(&s->hub.resources, e->key.resource);
		if (r == NULL)
			return;
		dispatch_bucket(r, plain[i], keys[i], e);
	}
	const hub_resource *r = sp_map_get(&s->hub.resources, e->key.resource);
	if (r == NULL || sp_map_count(&r->buckets[BY_INDEXED]) == 0)
		return;
	sp_str now, before;
	bool has_now = indexed_value(e->record, &now), has_before = indexed_value(e->prev, &before);
	if (has_now)
		dispatch_bucket(r, BY_INDEXED, now, e);
	if (has_before && !(has_now && sp_str_eq(now, before))) {
		r = sp_map_get(&s->hub.resources, e->key.resource);
		if (r != NULL)
			dispatch_bucket(r, BY_INDEXED, before, e);
	}
}

/* ---- replay ---- */

static bool replay_want(void *arg, sp_store_key key)
{
	return match_key(arg, key);
}

static bool replay_each(void *arg, sp_store_event *e)
{
	sp_store_watch *w = arg;
	if (match_indexed(w, e))
		enqueue(w, e);
	(void)sp_store_event_unref(e);
	return w->code == SP_OK && w->n_queued < (size_t)2 * REPLAY_QUEUE_LOW &&
	       w->queued_bytes < SP_LIMIT_WATCH_QUEUE_BYTES / 4;
}

/* One chunk of one watch. */
static void replay_step(sp_store_watch *w)
{
	sp_store *s = w->store;
	store_log_query q = {.resource = w->resource,
			     .after = w->after,
			     .upto = s->dispatched,
			     .n_scan_max = 1000,
			     .scan_bytes_max = (size_t)1 << 20,
			     .want = replay_want,
			     .each = replay_each,
			     .arg = w};
	uint64_t upto = w->after;
	sp_code code = w->after < s->dispatched ? s->ops->log_read(s, &q, &upto, &w->err) : SP_OK;
	if (w->code != SP_OK)
		return; /* ended while queueing */
	if (code != SP_OK) {
		end_watch(w, code);
		return;
	}
	w->after = SP_MAX(w->after, upto);
	if (w->after >= s->dispatched && !enter_bucket(w))
		end_watch(w, sp_fail(&w->err, SP_ENOMEM, "no memory for a watch"));
}

static void on_replay(sp_timer *t)
{
	sp_store *s = t->arg;
	bool again = false;
	SP_LIST_FOREACH (node, &s->hub.replaying) {
		sp_store_watch *w = SP_CONTAINER_OF(node, sp_store_watch, node);
		if (w->n_queued >= REPLAY_QUEUE_LOW || w->queued_bytes >= SP_LIMIT_WATCH_QUEUE_BYTES / 4)
			continue; /* next asks again */
		replay_step(w);
		again = again || w->is_replaying;
	}
	if (again)
		kick_replay(s);
}

static void on_ready_defer(sp_defer *d)
{
	sp_store *s = d->arg;
	sp_list *node;
	while ((node = sp_list_pop_front(&s->hub.ready)) != NULL) {
		sp_store_watch *w = SP_CONTAINER_OF(node, sp_store_watch, ready_node);
		w->is_told = true;
		w->on_ready(w->arg);
	}
}

/* ---- open and close ---- */

static sp_str copy_to(char **at, sp_str s)
{
	char *p = *at;
	if (s.len > 0)
		memcpy(p, s.ptr, s.len);
	*at = p + s.len;
	return (sp_str){p, s.len};
}

sp_code sp_store_watch_open(sp_store *s, const sp_store_watch_opts *o, sp_store_watch **ret, sp_err *err)
{
	sp_str indexed = o->indexed == NULL ? (sp_str){NULL, 0} : *o->indexed;
	sp_str probe = o->rest.len > 0 ? o->rest : o->prefix.len > 0 ? o->prefix : SP_STR("x");
	SP_TRY(sp_store_key_check((sp_store_key){o->resource, probe}, err));
	sp_store_info info;
	SP_TRY(s->ops->info(s, false, &info, err));
	if (s->is_closing)
		return sp_fail(err, SP_EUNAVAILABLE, "the store is closing");
	uint64_t after = o->after == 0 ? s->dispatched : o->after;
	if (after < info.compacted)
		return store_revision_check(after, info.compacted, info.revision, err);
	sp_store_watch *w =
		sp_try_alloc(sizeof *w + o->resource.len + o->prefix.len + o->rest.len + indexed.len);
	if (w == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a watch");
	char *at = w->text;
	w->store = s;
	w->resource = copy_to(&at, o->resource);
	w->prefix = copy_to(&at, o->prefix);
	w->rest = copy_to(&at, o->rest);
	w->indexed = copy_to(&at, indexed);
	w->has_indexed = o->indexed != NULL;
	w->on_ready = o->on_ready;
	w->arg = o->arg;
	w->after = after;
	sp_list_init(&w->node);
	sp_list_init(&w->ready_node);
	if (after < s->dispatched) {
		w->is_replaying = true;
		sp_list_push_back(&s->hub.replaying, &w->node);
		kick_replay(s);
	} else if (!enter_bucket(w)) {
		sp_free(w);
		return sp_fail(err, SP_ENOMEM, "no memory for a watch");
	}
	*ret = w;
	return SP_OK;
}

sp_code sp_store_watch_state(const sp_store_watch *w, sp_err *err)
{
	if (w->code != SP_OK && err != NULL)
		*err = w->err;
	return w->code;
}

uint64_t sp_store_watch_progress(const sp_store_watch *w)
{
	if (w->n_queued > 0)
		return w->ring[w->head]->revision - 1;
	return w->bucket != NULL ? SP_MAX(w->after, w->store->dispatched) : w->after;
}

void sp_store_watch_close(sp_store_watch *w)
{
	if (w == NULL)
		return;
	leave(w);
	sp_list_remove(&w->ready_node);
	for (; w->n_queued > 0; w->n_queued--) {
		w->ring[w->head] = sp_store_event_unref(w->ring[w->head]);
		w->head = (w->head + 1) % w->n_ring;
	}
	sp_free(w->ring);
	sp_free(w);
}

void hub_init(store_hub *h, sp_store *s)
{
	sp_map_init(&h->resources);
	sp_list_init(&h->ready);
	sp_list_init(&h->replaying);
	sp_list_init(&h->ended);
	sp_defer_init(&h->ready_defer, on_ready_defer, s);
	h->replay_timer.arg = s;
}

static void end_list(sp_list *watches)
{
	while (!sp_list_is_empty(watches)) {
		sp_store_watch *w = SP_CONTAINER_OF(watches->next, sp_store_watch, node);
		bool is_last = watches->next->next == watches;
		end_watch(w, sp_fail(&w->err, SP_EUNAVAILABLE, "the store is closing"));
		if (is_last)
			return; /* a bucket goes with its last watch */
	}
}

void hub_close(sp_store *s)
{
	store_hub *h = &s->hub;
	end_list(&h->replaying);
	const sp_map_entry *er, *eb;
	size_t i = 0;
	while ((er = sp_map_next(&h->resources, &i)) != NULL) {
		hub_resource *r = er->value;
		i = 0; /* each round ends one bucket, which may take the resource with it */
		for (size_t k = 0, j = 0; k < BUCKET_KIND_COUNT_; k++, j = 0) {
			eb = sp_map_next(&r->buckets[k], &j);
			if (eb != NULL) {
				bucket *b = eb->value;
				end_list(&b->watches);
				break;
			}
		}
	}
}

void hub_done(sp_store *s)
{
	store_hub *h = &s->hub;
	SP_ASSERT(sp_map_count(&h->resources) == 0 && sp_list_is_empty(&h->replaying));
	/* Owners may close their ended watches after the store is gone. */
	while (sp_list_pop_front(&h->ended) != NULL || sp_list_pop_front(&h->ready) != NULL)
		continue;
	sp_defer_cancel(&h->ready_defer);
	sp_timer_stop(s->world, &h->replay_timer);
	sp_map_done(&h->resources);
}
