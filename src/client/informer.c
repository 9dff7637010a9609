/* SPDX-License-Identifier: Apache-2.0 */
#include "client/informer.h"

#include "base/alloc.h"
#include "base/num.h"
#include "client/informer_int.h"

#define STALE_AT_ONCE 256u

/* ---- telling ---- */

static void tell(sp_informer *i, const sp_object *old, const sp_object *now)
{
	i->cursor = i->watches.next;
	while (i->cursor != &i->watches) {
		sp_informer_watch *w = SP_CONTAINER_OF(i->cursor, sp_informer_watch, node);
		i->cursor = i->cursor->next;
		if (w->is_live)
			w->on_change(w->arg, old, now);
	}
}

static void on_replay(sp_defer *d)
{
	sp_informer_watch *w = d->arg;
	const sp_object *o;
	w->is_live = true;
	for (size_t at = 0; w->informer != NULL && (o = sp_informer_next(w->informer, &at)) != NULL;)
		w->on_change(w->arg, NULL, o);
}

void sp_informer_watch_add(sp_informer *i, sp_informer_watch *w)
{
	SP_ASSERT(w->informer == NULL);
	w->informer = i;
	sp_list_init(&w->node);
	sp_list_push_back(&i->watches, &w->node);
	sp_defer_init(&w->replay, on_replay, w);
	w->is_live = sp_map_count(&i->items) == 0;
	if (!w->is_live)
		sp_defer_call(sp_client_world(i->set->client), &w->replay);
}

void sp_informer_watch_remove(sp_informer_watch *w)
{
	if (w->informer == NULL)
		return;
	if (w->informer->cursor == &w->node)
		w->informer->cursor = w->node.next;
	sp_list_remove(&w->node);
	sp_defer_cancel(&w->replay);
	w->informer = NULL;
	w->is_live = false;
}

/* ---- the cache ---- */

/* The object goes, nobody is told; the caller gets the cache's reference. */
static const sp_object *item_drop(sp_informer *i, informer_item *item)
{
	const sp_object *o = item->object;
	(void)sp_map_remove(&i->items, o->key);
	informer_index_drop(item->nodes);
	sp_free(item);
	return o;
}

static void item_remove(sp_informer *i, informer_item *item)
{
	const sp_object *o = item_drop(i, item);
	tell(i, o, NULL);
	sp_object_unref(o);
}

static sp_code add(sp_informer *i, const sp_object *o, yyjson_val *tree, sp_err *err)
{
	informer_item *item = sp_try_alloc(sizeof *item);
	if (item == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for an object");
	item->object = o;
	item->state = i->state;
	sp_code code = informer_index_make(i, item, o, tree, &item->nodes, err);
	if (code == SP_OK) {
		code = sp_map_put(&i->items, o->key, item, NULL);
		if (code == SP_OK) {
			informer_index_link(item->nodes);
			(void)sp_object_ref(o);
			tell(i, NULL, o);
			return SP_OK;
		}
		informer_index_drop(item->nodes);
		(void)sp_fail(err, code, "no memory for an object");
	}
	sp_free(item);
	return code;
}

static sp_code update(sp_informer *i, informer_item *item, const sp_object *o, yyjson_val *tree, sp_err *err)
{
	sp_index_node *nodes;
	const sp_object *old = item->object;
	SP_TRY(informer_index_make(i, item, o, tree, &nodes, err));
	/* The key stands in the object. Replacing does not fail. */
	if (sp_map_put(&i->items, o->key, item, NULL) != SP_OK)
		SP_UNREACHABLE();
	informer_index_drop(item->nodes);
	informer_index_link(nodes);
	item->nodes = nodes;
	item->object = sp_object_ref(o);
	tell(i, old, o);
	sp_object_unref(old);
	return SP_OK;
}

static sp_code put_object(sp_informer *i, const sp_object *o, yyjson_val *tree, sp_err *err)
{
	informer_item *item = sp_map_get(&i->items, o->key);
	if (item == NULL)
		return add(i, o, tree, err);
	item->state = i->state;
	if (!sp_str_eq(item->object->uid, o->uid)) { /* another one of that name: we missed the end */
		item_remove(i, item);
		return add(i, o, tree, err);
	}
	if (o->revision != 0 && o->revision == item->object->revision)
		return SP_OK; /* told again by a new state */
	return update(i, item, o, tree, err);
}

static void reach(sp_informer *i, sp_str revision)
{
	uint64_t n;
	if (sp_parse_u64(revision, 0, UINT64_MAX, &n, NULL) == SP_OK)
		i->revision = n;
}

/* ---- the reflector's sink ---- */

static void on_begin(void *arg)
{
	sp_informer *i = arg;
	i->state++;
}

static sp_code on_put(void *arg, yyjson_val *tree, sp_err *err)
{
	sp_informer *i = arg;
	const sp_object *o;
	SP_TRY(sp_object_new(tree, i->keep_all ? NULL : i->projection, &o, err));
	sp_code code = put_object(i, o, tree, err);
	sp_object_unref(o);
	return code;
}

static sp_code on_remove(void *arg, yyjson_val *tree, sp_err *err)
{
	sp_informer *i = arg;
	yyjson_val *meta = sp_json_last(tree, SP_STR("metadata"));
	sp_str ns = sp_json_str(sp_json_last(meta, SP_STR("namespace")));
	sp_str name = sp_json_str(sp_json_last(meta, SP_STR("name")));
	char key[SP_OBJECT_KEY_BYTES];
	(void)err;
	size_t n = sp_object_key(key, ns, name);
	informer_item *item = n == 0 ? NULL : sp_map_get(&i->items, (sp_str){key, n});
	if (item != NULL)
		item_remove(i, item);
	return SP_OK;
}

/* Some of what the state did not have. What is told may not see a cache that is being walked, so they are
 * gathered first. */
static bool remove_stale(sp_informer *i)
{
	informer_item *stale[STALE_AT_ONCE];
	const sp_map_entry *e;
	size_t n = 0;
	for (size_t at = 0; n < STALE_AT_ONCE && (e = sp_map_next(&i->items, &at)) != NULL;) {
		informer_item *item = e->value;
		if (item->state != i->state)
			stale[n++] = item;
	}
	for (size_t k = 0; k < n; k++)
		item_remove(i, stale[k]);
	return n == STALE_AT_ONCE;
}

static void on_commit(void *arg, sp_str revision)
{
	sp_informer *i = arg;
	while (remove_stale(i)) {
	}
	reach(i, revision);
	i->synced = true;
	i->absent = false;
	informers_check_synced(i->set);
}

static void on_reached(void *arg, sp_str revision)
{
	reach(arg, revision);
}

static void on_absent(void *arg)
{
	sp_informer *i = arg;
	i->absent = true;
	informers_check_synced(i->set);
}

const sp_reflector_sink informer_sink = {on_begin, on_put, on_remove, on_commit, on_reached, on_absent};

void informer_clear(sp_informer *i)
{
	const sp_map_entry *e;
	for (size_t at = 0; (e = sp_map_next(&i->items, &at)) != NULL;) {
		informer_item *item = e->value;
		informer_index_drop(item->nodes);
		sp_object_unref(item->object);
		sp_free(item);
	}
	sp_map_done(&i->items);
	for (unsigned k = 0; k < i->n_indexes; k++)
		sp_map_done(&i->indexes[k].buckets);
}

/* ---- reading ---- */

bool sp_informer_is_synced(const sp_informer *i)
{
	return i->synced;
}

uint64_t sp_informer_revision(const sp_informer *i)
{
	return i->revision;
}

sp_reflector_stats sp_informer_counts(const sp_informer *i)
{
	return sp_reflector_counts(i->reflector);
}

const sp_object *sp_informer_get(const sp_informer *i, sp_str key)
{
	const informer_item *item = sp_map_get(&i->items, key);
	return item == NULL ? NULL : item->object;
}

const sp_object *sp_informer_get_in(const sp_informer *i, sp_str ns, sp_str name)
{
	char key[SP_OBJECT_KEY_BYTES];
	size_t n = sp_object_key(key, ns, name);
	return n == 0 ? NULL : sp_informer_get(i, (sp_str){key, n});
}

size_t sp_informer_count(const sp_informer *i)
{
	return sp_map_count(&i->items);
}

const sp_object *sp_informer_next(const sp_informer *i, size_t *at)
{
	const sp_map_entry *e = sp_map_next(&i->items, at);
	return e == NULL ? NULL : ((const informer_item *)e->value)->object;
}
