/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cache that also knows what this process has just written: until the informer has caught up, the answer
 * of a write stands for the object. So a controller that decides over several objects (a volume for a claim)
 * never decides twice from a state that it has changed itself. U: kubernetes pkg/controller/volume/
 * persistentvolume keeps such a cache of its own.
 */
#pragma once

#include "base/map.h"
#include "client/informer.h"

typedef struct newest {
	sp_informer *informer;
	sp_map written; /* by key: objects that are newer than the informer's */
	sp_informer_watch watch;
} newest;

/* Before the controller's own watch, which then already sees what is newest. In place until the informer is
 * gone. */
void newest_init(newest *n, sp_informer *i);
/* After the informer is gone. */
void newest_done(newest *n);
/* Good until the loop goes on. NULL: not there. */
const sp_object *newest_get(const newest *n, sp_str key);
/* What is newest of an object of the cache. */
const sp_object *newest_of(const newest *n, const sp_object *cached);
/* Notes an object that a write was answered with. Nothing happens when the cache is newer, or without
 * memory: then a write that is made from the old state meets a conflict. */
void newest_note(newest *n, const sp_object *o);
