/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history of a DaemonSet or StatefulSet in one sync: its ControllerRevisions are claimed, and the one of
 * the present template is found, numbered as the newest, or made. U: kubernetes pkg/controller/history,
 * daemon/update.go (constructHistory), statefulset/stateful_set_control.go (getStatefulSetRevisions).
 */
#pragma once

#include "controllers/claim.h"
#include "controllers/revision.h"

/* What a controller opens once. */
typedef struct revisions {
	sp_informer *informer;
	unsigned by_owner, orphans;
	sp_informer_watch watch;
	controller *c;
	const char *owner_kind;
} revisions;
/* Follows revisions; changes of one that the kind owns look at its owner again. */
sp_code revisions_follow(revisions *r, controller *c, const char *owner_kind, sp_err *err) SP_MUST_USE;

typedef struct history {
	revisions *revisions;
	sp_arena *arena; /* of the sync */
	const sp_object *owner;
	sp_gvr owner_gvr;
	yyjson_val *template_;
	sp_vmap annotations; /* of the owner: a new revision has them, too */
	sp_selector selector;
	int64_t collisions; /* status.collisionCount; grows by those that were met */
	/* Once after each of start and trim. Not SP_OK: it has failed. */
	void (*done)(struct history *h);
	void *arg;

	ctl_revision *all; /* by number, that of the present template too, even when it was just made */
	size_t n;
	const ctl_revision *now; /* of the present template, one of them */
	sp_code code;
	sp_err err;
	/* of history.c */
	claim claim;
	sp_call call;
	sp_str data, name, hash;
	int64_t number;
	const ctl_revision **doomed;
	fan fan;
} history;

void history_start(history *h);
/* Deletes the oldest `surplus` (below 1: none) of those that are not is_live. */
void history_trim(history *h, int64_t surplus);
