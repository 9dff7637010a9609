/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several calls of one sync, in batches: the first of `first` calls, each following batch twice as large as
 * the one before, as long as all of a batch went well. So a thousand creations that a quota refuses cost one
 * call. Calls of a batch are under way together, at most 100. U: kubernetes pkg/controller slowStartBatch.
 */
#pragma once

#include "base/arena.h"
#include "client/call.h"
#include "io/world.h"

#define FAN_AT_ONCE 100u

typedef struct fan {
	sp_client *client;
	sp_arena *arena; /* of the sync */
	size_t n;        /* calls wanted */
	size_t first;    /* of the first batch; 0: all at once */
	/* Fills *q for the i-th call; what it points at stays until the fan is done. SP_OK, or it does not
	 * count as made and the fan ends with that code. */
	sp_code (*ask)(struct fan *f, size_t i, sp_ask *q, sp_err *err);
	/* Each answer; may be NULL. SP_OK counts it as well made even so (something that is gone already);
	 * NULL: the answer's code. */
	sp_code (*each)(struct fan *f, size_t i, const sp_answer *a);
	/* Once, from the loop, when nothing is under way any more; n_made and n_skipped tell how far it came,
	 * `code` and `err` the first failure. */
	void (*done)(struct fan *f);
	void *arg;

	size_t n_made, n_skipped; /* skipped: never asked for */
	sp_code code;
	sp_err err;
	/* of fan.c */
	struct fan_call *calls;
	size_t next, batch, n_running;
	sp_defer ended;
} fan;

/* n may be 0: done still comes. */
void fan_start(fan *f);
