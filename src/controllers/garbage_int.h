/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The garbage collector: objects whose owners are gone go too. Every kind that can be deleted, listed and
 * watched is followed (metadata only, a bare part of it); the graph is not built but asked for: owners by
 * their kind and name, dependents by an index on the owners' uids. What a cache does not have is asked of the
 * server before anything is deleted. U: kubernetes pkg/controller/garbagecollector.
 */
#pragma once

#include "client/discover.h"
#include "controllers/common.h"
#include "controllers/fan.h"

#define GC_FOREGROUND "foregroundDeletion"
#define GC_ORPHAN "orphan"

/* A kind that is followed. */
typedef struct gc_kind {
	struct gc *gc;
	sp_gvr gvr; /* texts in this allocation's arena */
	sp_str kind;
	bool namespaced, seen; /* seen: of the last discovery */
	sp_arena arena;
	sp_informer *informer;
	unsigned by_owner;
	sp_informer_watch watch;
} gc_kind;

typedef struct gc {
	controller base;
	sp_informers *set; /* its own: bare metadata is nobody else's */
	gc_kind **kinds;
	size_t n_kinds, cap;
	sp_discover discover;
	sp_timer timer;        /* of the next discovery */
	bool started, working; /* working: the caches were filled once */
} gc;

/* An owner reference. */
typedef struct gc_ref {
	sp_str api_version, kind, name, uid;
	bool blocks;
} gc_ref;

/* What matters of an object. */
typedef struct gc_view {
	sp_str deleted;
	sp_vlist owners, finalizers;
} gc_view;

bool gc_read(sp_arena *a, const sp_object *o, gc_view *ret);
gc_ref gc_ref_of(yyjson_val *v);
bool gc_has_finalizer(const gc_view *v, const char *name);
/* Waits until what it owns is gone. */
static inline bool gc_is_foreground(const gc_view *v)
{
	return v->deleted.len > 0 && gc_has_finalizer(v, GC_FOREGROUND);
}

/* NULL: not followed. */
gc_kind *gc_find_kind(const gc *g, sp_str api_version, sp_str kind);
/* Keys of the queue: the kind's place, a blank and the object's key. */
void gc_enqueue(gc_kind *k, const sp_object *o);
/* False: none that is followed any more. */
bool gc_parse_key(gc *g, sp_str key, gc_kind **ret_kind, sp_str *ret_key);

/* Calls fn for each object that names `uid` as an owner, until it says false. */
void gc_dependents(gc *g, sp_str uid, bool (*fn)(void *arg, gc_kind *k, const sp_object *o), void *arg);

void gc_sync(controller *c, sp_job *job);
