/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/expiry.h"

#include "base/alloc.h"
#include "base/heap.h"
#include "base/json.h"
#include "base/time.h"
#include "store/record.h"

#define NS_PER_S INT64_C(1000000000)
#define SCRATCH_BYTES ((size_t)16 << 20)
/* Removals that are under way at a time. */
#define REMOVALS_MAX 64u
/* The timer is not set finer than this: many leave together. */
#define GRAIN_NS UINT64_C(1000000000)
#define CHUNK_ENTRIES 500u

typedef struct entry {
	sp_heap_node node; /* key: when it leaves, on the wall clock */
	api_expiry *x;
	sp_store_op op;
	sp_store_txn txn;
	uint64_t revision;
	char rest[]; /* the key, its length in op */
} entry;

struct api_expiry {
	sp_world *world;
	sp_store *store;
	sp_str prefix;
	uint64_t ttl_ns;
	sp_heap heap;
	sp_timer timer;
	sp_defer read;
	sp_store_watch *watch;
	sp_arena scratch;
	size_t n_removing;
	bool stopped;
	uint64_t revision; /* at which is read */
	size_t from_len;
	char from[SP_LIMIT_STORE_REST_BYTES + 1];
};

static void arm(api_expiry *x);

/* ---- what is known ---- */

static void add(api_expiry *x, sp_str rest, uint64_t revision, uint64_t leaves)
{
	entry *e = sp_try_alloc(sizeof *e + rest.len);
	if (e == NULL)
		return; /* it stays until it is written again */
	*e = (entry){.x = x, .revision = revision};
	memcpy(e->rest, rest.ptr, rest.len);
	e->op = (sp_store_op){
		.type = SP_STORE_DELETE, .key = {x->prefix, {e->rest, rest.len}}, .expected = revision};
	if (sp_heap_push(&x->heap, &e->node, leaves) != SP_OK)
		sp_free(e);
}

static void later(yyjson_val *text, int64_t *latest)
{
	sp_time t;
	if (sp_time_parse(sp_json_str(text), &t, NULL) == SP_OK && t.seconds > *latest)
		*latest = t.seconds;
}

/* When the object was written last, by what it says of itself. */
static uint64_t written(api_expiry *x, sp_str record)
{
	static const char *const members[] = {"lastTimestamp", "firstTimestamp", "eventTime"};
	sp_record rec;
	yyjson_val *root = NULL;
	int64_t latest = 0;
	if (sp_record_decode(record, &rec, NULL) != SP_OK ||
	    sp_json_parse(&x->scratch, rec.object, &root, NULL) != SP_OK)
		return 0;
	later(sp_json_last(sp_json_last(root, SP_STR("metadata")), SP_STR("creationTimestamp")), &latest);
	later(sp_json_last(sp_json_last(root, SP_STR("series")), SP_STR("lastObservedTime")), &latest);
	for (size_t i = 0; i < SP_LEN(members); i++)
		later(sp_json_last(root, sp_str_c(members[i])), &latest);
	sp_arena_rewind(&x->scratch);
	return (uint64_t)(latest * NS_PER_S);
}

/* ---- removal ---- */

static void on_removed(sp_store_txn *t, sp_code code, const sp_err *err)
{
	entry *e = t->arg;
	api_expiry *x = e->x;
	(void)code; /* written again since, or gone: both have their own entry or none */
	(void)err;
	x->n_removing--;
	sp_free(e);
	arm(x);
}

static void remove_one(api_expiry *x, entry *e)
{
	x->n_removing++;
	e->txn = (sp_store_txn){.ops = &e->op, .n_ops = 1, .done = on_removed, .arg = e};
	sp_store_write(x->store, &e->txn);
}

static void on_timer(sp_timer *t)
{
	api_expiry *x = t->arg;
	uint64_t now = (uint64_t)sp_wall_ns(x->world);
	sp_heap_node *next = sp_heap_peek(&x->heap);
	while (next != NULL && x->n_removing < REMOVALS_MAX &&
	       (next->key <= now || x->heap.n > API_EXPIRY_MAX)) {
		(void)sp_heap_pop(&x->heap);
		remove_one(x, SP_CONTAINER_OF(next, entry, node));
		next = sp_heap_peek(&x->heap);
	}
	arm(x);
}

static void arm(api_expiry *x)
{
	sp_heap_node *next = sp_heap_peek(&x->heap);
	/* Whoever is removed arms again. */
	if (x->stopped || next == NULL || x->n_removing > 0)
		return;
	uint64_t now = (uint64_t)sp_wall_ns(x->world);
	bool due = next->key <= now || x->heap.n > API_EXPIRY_MAX;
	sp_timer_start(x->world, &x->timer, due ? 0 : SP_MAX(next->key - now, GRAIN_NS), on_timer);
}

/* ---- changes ---- */

static void restart(api_expiry *x)
{
	sp_store_watch_close(x->watch);
	x->watch = NULL;
	x->from_len = 0;
	x->revision = 0;
	sp_defer_call(x->world, &x->read);
}

static void on_ready(void *arg)
{
	api_expiry *x = arg;
	sp_err err;
	sp_store_event *e;
	uint64_t leaves = (uint64_t)sp_wall_ns(x->world) + x->ttl_ns;
	while ((e = sp_store_watch_next(x->watch)) != NULL) {
		if (!e->is_delete)
			add(x, e->key.rest, e->revision, leaves);
		sp_store_event_unref(e);
	}
	arm(x);
	sp_code code = sp_store_watch_state(x->watch, &err);
	if (code == SP_ETOOMANY || code == SP_EGONE)
		restart(x); /* what was missed is read; what is known twice fails to leave twice */
}

static void follow(api_expiry *x)
{
	sp_err err;
	const sp_store_watch_opts opts = {
		.resource = x->prefix, .after = x->revision, .on_ready = on_ready, .arg = x};
	if (sp_store_watch_open(x->store, &opts, &x->watch, &err) == SP_OK)
		on_ready(x);
	else
		x->watch = NULL;
}

/* ---- the beginning ---- */

static sp_store_visit visit(void *arg, const sp_store_entry *e)
{
	api_expiry *x = arg;
	add(x, e->rest, e->revision, written(x, e->record) + x->ttl_ns);
	return SP_STORE_TAKE;
}

static void on_read(sp_defer *d)
{
	api_expiry *x = d->arg;
	sp_store_chunk chunk;
	const sp_store_query q = {.resource = x->prefix,
				  .from = {x->from, x->from_len},
				  .revision = x->revision,
				  .n_scan_max = CHUNK_ENTRIES};
	if (x->stopped || sp_store_range(x->store, &q, visit, x, &chunk, NULL) != SP_OK)
		return;
	x->revision = chunk.revision;
	if (!chunk.more) {
		follow(x);
		return;
	}
	memcpy(x->from, chunk.next, chunk.next_len);
	x->from_len = chunk.next_len;
	sp_defer_call(x->world, &x->read);
}

api_expiry *api_expiry_new(sp_world *w, sp_store *store, sp_str prefix, uint64_t ttl_ns)
{
	api_expiry *x = SP_NEW(api_expiry);
	x->world = w;
	x->store = store;
	x->prefix = prefix;
	x->ttl_ns = ttl_ns;
	x->timer.arg = x;
	sp_heap_init(&x->heap);
	sp_arena_init(&x->scratch, SCRATCH_BYTES);
	sp_defer_init(&x->read, on_read, x);
	sp_defer_call(w, &x->read);
	return x;
}

void api_expiry_stop(api_expiry *x)
{
	if (x == NULL)
		return;
	x->stopped = true;
	sp_timer_stop(x->world, &x->timer);
	sp_defer_cancel(&x->read);
	sp_store_watch_close(x->watch);
	x->watch = NULL;
}

void api_expiry_free(api_expiry *x)
{
	if (x == NULL)
		return;
	SP_ASSERT(x->n_removing == 0);
	api_expiry_stop(x);
	sp_heap_node *node;
	while ((node = sp_heap_pop(&x->heap)) != NULL)
		sp_free(SP_CONTAINER_OF(node, entry, node));
	sp_heap_done(&x->heap);
	sp_arena_done(&x->scratch);
	sp_free(x);
}
