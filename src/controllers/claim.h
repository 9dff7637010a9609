/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which objects belong to an owner: those whose controller it is, and those that nobody controls and its
 * selector matches, which it adopts. What it controls and no longer matches is released. Before the first
 * adoption the owner is asked for at the server: a cache may be behind a deletion.
 * U: kubernetes pkg/controller/controller_ref_manager.go.
 */
#pragma once

#include "controllers/common.h"
#include "controllers/fan.h"

typedef struct claim {
	controller *c;
	sp_arena *arena; /* of the sync */
	sp_informer *children;
	sp_gvr children_gvr;
	unsigned by_owner, orphans; /* indexes sp_index_by_controller and ctl_index_orphans */
	const sp_object *owner;
	sp_gvr owner_gvr;
	const char *owner_api_version, *owner_kind;
	bool owner_is_going;
	sp_selector selector;
	const char *finalizer; /* comes with the owner and goes with it; NULL: none */
	/* Whether an object can be the owner's at all, beyond its labels; NULL: yes. One that cannot is
	 * released. */
	bool (*is_member)(struct claim *k, const sp_object *o);
	/* Whether an orphan may be taken; NULL: yes (a pod that is over is not). `labels` have matched. */
	bool (*may_adopt)(struct claim *k, const sp_object *o, yyjson_val *object);
	/* Once: `owned` holds what belongs to the owner, referenced until the arena is reset. Not SP_OK: some
	 * could not be adopted or released, `owned` is not whole. May come from inside claim_start. */
	void (*done)(struct claim *k);
	void *arg;

	const sp_object **owned;
	size_t n_owned, cap;
	sp_code code;
	sp_err err;
	/* of claim.c */
	const sp_object **writes; /* to release, then to adopt */
	size_t n_release, n_adopt;
	sp_str release_body, adopt_body;
	sp_call live;
	fan fan;
} claim;

void claim_start(claim *k);
