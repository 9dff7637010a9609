/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/num.h"
#include "controllers/garbage_int.h"
#include "controllers/table.h"
#include "kube/schema.h"

#define NS_PER_S UINT64_C(1000000000)
#define SETTLE_NS NS_PER_S        /* from a change of what is served to asking for it */
#define AGAIN_NS (600 * NS_PER_S) /* what is served by others may change unseen */
#define RETRY_NS (5 * NS_PER_S)

/* ---- reading ---- */

SP_VIEW(gc_view_desc, gc_view, "v1/Pod", SP_V(gc_view, deleted, "metadata.deletionTimestamp"),
	SP_V(gc_view, owners, "metadata.ownerReferences"), SP_V(gc_view, finalizers, "metadata.finalizers"));

bool gc_read(sp_arena *a, const sp_object *o, gc_view *ret)
{
	return sp_view(a, o->json, &gc_view_desc, ret, NULL) == SP_OK;
}

gc_ref gc_ref_of(yyjson_val *v)
{
	return (gc_ref){sp_json_str(sp_json_last(v, SP_STR("apiVersion"))),
			sp_json_str(sp_json_last(v, SP_STR("kind"))),
			sp_json_str(sp_json_last(v, SP_STR("name"))),
			sp_json_str(sp_json_last(v, SP_STR("uid"))),
			yyjson_is_true(sp_json_last(v, SP_STR("blockOwnerDeletion")))};
}

bool gc_has_finalizer(const gc_view *v, const char *name)
{
	SP_VLIST_FOREACH(f, v->finalizers)
	{
		if (sp_str_eq(sp_json_str(f), sp_str_c(name)))
			return true;
	}
	return false;
}

static void keys_of_owners(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	yyjson_val *meta = sp_json_last(object, SP_STR("metadata")), *v;
	size_t i, n;
	(void)arg;
	(void)o;
	yyjson_arr_foreach(sp_json_last(meta, SP_STR("ownerReferences")), i, n, v)
		sp_index_emit(keys, sp_json_str(sp_json_last(v, SP_STR("uid"))));
}

/* ---- kinds ---- */

static sp_str group_of(sp_str api_version)
{
	sp_str group;
	return sp_str_cut(&api_version, '/', &group) ? group : SP_STR("");
}

gc_kind *gc_find_kind(const gc *g, sp_str api_version, sp_str kind)
{
	sp_str group = group_of(api_version);
	for (size_t i = 0; i < g->n_kinds; i++) {
		const gc_kind *k = g->kinds[i];
		if (k->informer != NULL && sp_str_eq(k->kind, kind) && sp_str_eq(k->gvr.group, group))
			return g->kinds[i];
	}
	return NULL;
}

void gc_dependents(gc *g, sp_str uid, bool (*fn)(void *arg, gc_kind *k, const sp_object *o), void *arg)
{
	const sp_object *o;
	for (size_t i = 0; i < g->n_kinds; i++) {
		gc_kind *k = g->kinds[i];
		if (k->informer == NULL)
			continue;
		sp_index_at at = sp_informer_find(k->informer, k->by_owner, uid);
		while ((o = sp_index_next(&at)) != NULL) {
			if (!fn(arg, k, o))
				return;
		}
	}
}

/* ---- the queue ---- */

#define KEY_BYTES_MAX 1100u
static size_t put(char *out, size_t at, sp_str s)
{
	size_t n = SP_MIN(s.len, KEY_BYTES_MAX - 1 - at);
	if (n > 0)
		memcpy(out + at, s.ptr, n);
	out[at + n] = ' ';
	return at + n + 1;
}

void gc_enqueue(gc_kind *k, const sp_object *o)
{
	char key[KEY_BYTES_MAX];
	size_t n = put(key, 0, k->gvr.group);
	n = put(key, n, k->gvr.resource);
	n = put(key, n, o->key);
	sp_queue_add(k->gc->base.queue, (sp_str){key, n - 1});
}

bool gc_parse_key(gc *g, sp_str key, gc_kind **ret_kind, sp_str *ret_key)
{
	sp_str group, resource;
	if (!sp_str_cut(&key, ' ', &group) || !sp_str_cut(&key, ' ', &resource))
		return false;
	for (size_t i = 0; i < g->n_kinds; i++) {
		const gc_kind *k = g->kinds[i];
		if (k->informer != NULL && sp_str_eq(k->gvr.resource, resource) &&
		    sp_str_eq(k->gvr.group, group)) {
			*ret_kind = g->kinds[i];
			*ret_key = key;
			return true;
		}
	}
	return false;
}

/* ---- events ---- */

static const sp_object *find_owner(gc *g, const sp_object *o, const gc_ref *ref, gc_kind **ret_kind)
{
	gc_kind *k = gc_find_kind(g, ref->api_version, ref->kind);
	if (k == NULL)
		return NULL;
	*ret_kind = k;
	const sp_object *owner =
		sp_informer_get_in(k->informer, k->namespaced ? o->ns : SP_STR(""), ref->name);
	return owner != NULL && sp_str_eq(owner->uid, ref->uid) ? owner : NULL;
}

/* An owner that waits for what it owns looks whether that is gone. */
static void wake_waiting_owners(gc *g, sp_arena *a, const sp_object *o)
{
	gc_view v, owner_view;
	if (!gc_read(a, o, &v))
		return;
	SP_VLIST_FOREACH(item, v.owners)
	{
		gc_ref ref = gc_ref_of(item);
		gc_kind *k;
		const sp_object *owner = find_owner(g, o, &ref, &k);
		if (owner != NULL && gc_read(a, owner, &owner_view) && gc_is_foreground(&owner_view))
			gc_enqueue(k, owner);
	}
}

static bool has_missing_owner(gc *g, const sp_object *o, const gc_view *v)
{
	SP_VLIST_FOREACH(item, v->owners)
	{
		gc_ref ref = gc_ref_of(item);
		gc_kind *k;
		if (find_owner(g, o, &ref, &k) == NULL)
			return true;
	}
	return false;
}

static bool enqueue_dependent(void *arg, gc_kind *k, const sp_object *o)
{
	(void)arg;
	gc_enqueue(k, o);
	return true;
}

static bool changes_discovery(const gc_kind *k)
{
	return sp_str_eq(k->gvr.resource, SP_STR("customresourcedefinitions")) ||
	       sp_str_eq(k->gvr.resource, SP_STR("apiservices"));
}

static void on_time(sp_timer *t);

static void on_change(void *arg, const sp_object *old, const sp_object *now)
{
	gc_kind *k = arg;
	gc *g = k->gc;
	gc_view v;
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	if (old != NULL)
		wake_waiting_owners(g, &a, old);
	if (now == NULL) {
		SP_ASSERT(old != NULL);
		gc_dependents(g, old->uid, enqueue_dependent, NULL);
	} else if (gc_read(&a, now, &v)) {
		bool waits = v.deleted.len > 0 &&
			     (gc_has_finalizer(&v, GC_FOREGROUND) || gc_has_finalizer(&v, GC_ORPHAN));
		if (waits || (v.owners.n > 0 && has_missing_owner(g, now, &v)))
			gc_enqueue(k, now);
	}
	if (changes_discovery(k) && g->started)
		sp_timer_start(g->base.world, &g->timer, SETTLE_NS, on_time);
	sp_arena_done(&a);
}

/* ---- what there is ---- */

static void kind_free(gc_kind *k)
{
	if (k->informer != NULL)
		sp_informers_drop(k->gc->set, k->informer);
	sp_arena_done(&k->arena);
	sp_free(k);
}

static bool is_wanted(const sp_api_resource *r)
{
	uint32_t verbs = SP_VERB_DELETE | SP_VERB_LIST | SP_VERB_WATCH;
	bool is_events = sp_str_eq(r->gvr.resource, SP_STR("events"));
	return r->preferred && !is_events && (r->verbs & verbs) == verbs;
}

static bool copy(gc_kind *k, sp_str from, sp_str *to)
{
	*to = sp_arena_try_dup(&k->arena, from);
	return to->ptr != NULL || from.len == 0;
}

static sp_code follow(gc_kind *k, sp_err *err)
{
	SP_TRY(sp_informers_get(k->gc->set, &(sp_informer_opts){.gvr = k->gvr, .metadata_only = true},
				&k->informer, err));
	sp_informer_keep_bare(k->informer);
	SP_TRY(sp_informer_index(k->informer, keys_of_owners, NULL, &k->by_owner, err));
	controller_watch(k->informer, &k->watch, on_change, k);
	return SP_OK;
}

static sp_code add_kind(gc *g, const sp_api_resource *r, sp_err *err)
{
	if (g->n_kinds == g->cap) {
		size_t cap = g->cap == 0 ? 64 : 2 * g->cap;
		gc_kind **more = sp_try_realloc(g->kinds, g->cap * sizeof(void *), cap * sizeof(void *));
		if (more == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for a kind");
		g->kinds = more;
		g->cap = cap;
	}
	gc_kind *k = SP_NEW(gc_kind);
	k->gc = g;
	k->namespaced = r->namespaced;
	k->seen = true;
	sp_arena_init(&k->arena, 8192);
	bool ok = copy(k, r->gvr.group, &k->gvr.group) && copy(k, r->gvr.version, &k->gvr.version) &&
		  copy(k, r->gvr.resource, &k->gvr.resource) && copy(k, r->kind, &k->kind);
	sp_code code = ok ? follow(k, err) : sp_fail(err, SP_ENOMEM, "no memory for a kind");
	if (code != SP_OK) {
		kind_free(k);
		return code;
	}
	g->kinds[g->n_kinds++] = k;
	return SP_OK;
}

static gc_kind *find_gvr(const gc *g, const sp_gvr *r)
{
	for (size_t i = 0; i < g->n_kinds; i++) {
		const sp_gvr *v = &g->kinds[i]->gvr;
		if (sp_str_eq(v->resource, r->resource) && sp_str_eq(v->group, r->group) &&
		    sp_str_eq(v->version, r->version))
			return g->kinds[i];
	}
	return NULL;
}

/* Those that are not served any more are followed no longer. They stay in the table: syncs under way may
 * name them, and most come back. */
static void drop_unseen(gc *g)
{
	for (size_t i = 0; i < g->n_kinds; i++) {
		gc_kind *k = g->kinds[i];
		if (!k->seen && k->informer != NULL) {
			sp_informers_drop(g->set, k->informer);
			k->informer = NULL;
		}
	}
}

static void on_synced(void *arg)
{
	gc *g = arg;
	g->working = true;
	sp_log(g->base.log, SP_LOG_INFO, "garbage collector at work", SP_KU("kinds", g->n_kinds));
	sp_queue_pause(g->base.queue, false);
}

static void on_discovered(sp_discover *d, const sp_discovery *found, const sp_err *err)
{
	gc *g = d->arg;
	sp_err own = {0};
	sp_code code = err == NULL ? SP_OK : err->code;
	for (size_t i = 0; i < g->n_kinds; i++)
		g->kinds[i]->seen = false;
	for (size_t i = 0; code == SP_OK && i < found->n; i++) {
		gc_kind *k = find_gvr(g, &found->items[i].gvr);
		if (k != NULL)
			k->seen = true;
		if (k != NULL && k->informer == NULL)
			code = follow(k, &own);
		else if (k == NULL && is_wanted(&found->items[i]))
			code = add_kind(g, &found->items[i], &own);
	}
	if (code == SP_OK && !found->partial)
		drop_unseen(g);
	sp_informers_start(g->set);
	if (!g->working && g->n_kinds > 0)
		sp_informers_on_synced(g->set, on_synced, g);
	if (code != SP_OK)
		sp_log(g->base.log, SP_LOG_WARN, "garbage collector: what is served is not known",
		       SP_KE(err != NULL ? err : &own));
	sp_timer_start(g->base.world, &g->timer, code == SP_OK ? AGAIN_NS : RETRY_NS, on_time);
}

static void on_time(sp_timer *t)
{
	gc *g = t->arg;
	if (g->discover.run == NULL)
		sp_discover_start(g->base.client, &g->discover);
}

/* ---- life ---- */

static void start(controller *c)
{
	gc *g = SP_CONTAINER_OF(c, gc, base);
	g->started = true;
	sp_queue_pause(c->queue, true); /* until the caches are filled */
	on_time(&g->timer);
}

static sp_code open_garbage(controller *c, sp_err *err)
{
	gc *g = SP_CONTAINER_OF(c, gc, base);
	g->timer.arg = g;
	g->discover = (sp_discover){.done = on_discovered, .arg = g};
	return sp_informers_new(c->client, c->log, &g->set, err);
}

static void done(controller *c)
{
	gc *g = SP_CONTAINER_OF(c, gc, base);
	sp_timer_stop(c->world, &g->timer);
	sp_discover_cancel(&g->discover);
	for (size_t i = 0; i < g->n_kinds; i++)
		kind_free(g->kinds[i]);
	sp_free(g->kinds);
	sp_informers_free(g->set);
}

const controller_type controller_garbage = {.name = "garbage-collector-controller",
					    .account = "generic-garbage-collector",
					    .component = "garbage-collector-controller",
					    .size_bytes = sizeof(gc),
					    .n_workers = 20,
					    .open = open_garbage,
					    .start = start,
					    .sync = gc_sync,
					    .done = done};
