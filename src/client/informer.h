/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Informers: caches of what an API server has, kept up by a reflector each and shared by everybody in the
 * process who follows the same resource with the same selectors. An informer keeps only what its users
 * declare: the union of their views' paths, and all of metadata but managedFields.
 *
 *   sp_informer *pods = sp_informers_get(set, &(sp_informer_opts){.gvr = SP_PODS}, err);
 *   sp_informer_keep(pods, &pod_view_desc);          // or sp_informer_keep_all
 *   by_node = sp_informer_index(pods, pod_node_keys, NULL);
 *   sp_informer_watch(pods, &me->watch);             // on_change(arg, old, now)
 *   sp_informers_start(set);
 *
 * All of this stands before the start; only watches may come later. Objects are immutable and counted
 * (client/object.h): what must stay beyond a callback is referenced. Handlers run on the loop, after the
 * cache changed, in the order of the changes; they enqueue and do no work of their own.
 * U: client-go tools/cache/shared_informer.go, informers/factory.go.
 */
#pragma once

#include "base/list.h"
#include "client/object.h"
#include "client/reflector.h"
#include "io/world.h"
#include "kube/view.h"

typedef struct sp_informers sp_informers; /* one set per process and client */
typedef struct sp_informer sp_informer;

/* ---- the set ---- */

sp_code sp_informers_new(sp_client *client, sp_log *log, sp_informers **ret, sp_err *err) SP_MUST_USE;
/* Starts what is not running yet. */
void sp_informers_start(sp_informers *s);
/* All that were started have their first state, but for those whose resource the server does not serve: they
 * stay empty, and are filled when it does. */
bool sp_informers_are_synced(const sp_informers *s);
/* `fn` comes once from the loop when that is so, after every watch saw its first objects; replaces the last
 * one asked for. NULL: takes it back. */
void sp_informers_on_synced(sp_informers *s, void (*fn)(void *arg), void *arg);
/* Stops and releases all. Objects that are referenced stay. Not from inside a handler. */
void sp_informers_free(sp_informers *s);

/* ---- one of them ---- */

typedef struct sp_informer_opts {
	sp_gvr gvr;
	sp_str ns, label_selector, field_selector;
	bool metadata_only; /* fetched as PartialObjectMetadata; not shared with whole ones */
} sp_informer_opts;

/* The informer of that resource and selection, made when the set has none. Lives as long as the set, unless
 * dropped. */
sp_code sp_informers_get(sp_informers *s, const sp_informer_opts *o, sp_informer **ret,
			 sp_err *err) SP_MUST_USE;
/* Stops and releases one that nobody uses any more (a kind that is gone). */
void sp_informers_drop(sp_informers *s, sp_informer *i);

/* Keeps the fields of a view, of one more path, or everything. Before the start. SP_ENOMEM. */
sp_code sp_informer_keep(sp_informer *i, const sp_view_desc *view) SP_MUST_USE;
sp_code sp_informer_keep_path(sp_informer *i, sp_str path) SP_MUST_USE;
void sp_informer_keep_all(sp_informer *i);
/* Less of metadata (sp_projection_bare): for those who follow everything. Not for shared informers. */
void sp_informer_keep_bare(sp_informer *i);

bool sp_informer_is_synced(const sp_informer *i);
/* Everything up to this revision of the server is in the cache; 0 before the first state or when revisions
 * are no numbers. */
uint64_t sp_informer_revision(const sp_informer *i);
sp_reflector_stats sp_informer_counts(const sp_informer *i);

/* ---- reading ---- */

/* Good until the loop goes on; reference what stays longer. NULL: not there. */
const sp_object *sp_informer_get(const sp_informer *i, sp_str key);
const sp_object *sp_informer_get_in(const sp_informer *i, sp_str ns, sp_str name);
size_t sp_informer_count(const sp_informer *i);
/* All, in no promised order: `for (size_t at = 0; (o = sp_informer_next(i, &at)) != NULL;)`. */
const sp_object *sp_informer_next(const sp_informer *i, size_t *at);

/* ---- indexes ---- */

/* Emits the keys under which an object is found; at most 1,000, empty ones do nothing. */
typedef struct sp_index_keys sp_index_keys;
void sp_index_emit(sp_index_keys *k, sp_str key);
/* The parts as one key; together at most 1,024 bytes of all keys of an object, longer ones do nothing. */
void sp_index_emit_parts(sp_index_keys *k, const sp_str *parts, size_t n);
/* `object` is the whole tree as the server sent it, good during the call. */
typedef void sp_index_fn(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys);

/* An index by a key function; the same function and arg give the same index. At most 16 each. Before the
 * start. */
sp_code sp_informer_index(sp_informer *i, sp_index_fn *fn, void *arg, unsigned *ret, sp_err *err) SP_MUST_USE;
/* Ready-made: by namespace; by the uid of the controller (owner reference with controller=true). */
sp_index_fn sp_index_by_namespace, sp_index_by_controller;

/* Objects of a key: `for (sp_index_at at = sp_informer_find(i, index, key); (o = sp_index_next(&at));)`. The
 * cache does not change in between unless the loop goes on. */
typedef struct sp_index_at {
	const struct sp_index_node *node, *end;
} sp_index_at;
sp_index_at sp_informer_find(const sp_informer *i, unsigned index, sp_str key);
const sp_object *sp_index_next(sp_index_at *at);
size_t sp_informer_find_count(const sp_informer *i, unsigned index, sp_str key);

/* ---- changes ---- */

/* Embedded in its owner, in place until it is removed or the informer is gone. */
typedef struct sp_informer_watch {
	/* old NULL: added; now NULL: deleted (`old` is then its last known state, which may be older than the
	 * deletion); both: updated. One that begins late first gets everything as added. */
	void (*on_change)(void *arg, const sp_object *old, const sp_object *now);
	void *arg;
	/* of informer.c */
	sp_list node;
	sp_informer *informer; /* NULL: in none */
	bool is_live;          /* it has seen what was there before it */
	sp_defer replay;
} sp_informer_watch;

void sp_informer_watch_add(sp_informer *i, sp_informer_watch *w);
/* Harmless when it is in none. Also from inside a handler. */
void sp_informer_watch_remove(sp_informer_watch *w);
