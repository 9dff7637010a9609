/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lists and watches have converted at once: the records of a chunk, the events of a queue. For kinds
 * whose versions a webhook converts; others need none of this.
 */
#pragma once

#include "apiserver/custom/convert.h"
#include "store/store.h"

#define API_CONVERT_EVENTS_MAX 64u

typedef struct api_convert_chunk api_convert_chunk;

/* NULL: no webhook converts the resource, or there is no memory (then *ret_code is SP_ENOMEM). `done` comes
 * from the loop when what was started is converted. */
api_convert_chunk *api_convert_chunk_new(struct api_server *s, const api_resource *res,
					 void (*done)(void *arg), void *arg, sp_code *ret_code);
/* Cuts what is under way. NULL is a no-op. */
void api_convert_chunk_free(api_convert_chunk *c);

/* Copies an entry. Errors: SP_ETOOLARGE. */
sp_code api_convert_chunk_add(api_convert_chunk *c, const sp_store_entry *e) SP_MUST_USE;
/* Takes events off the queue; the first error of it or SP_ETOOLARGE. `both`: what was before is converted,
 * too. */
sp_code api_convert_chunk_take(api_convert_chunk *c, sp_store_watch *w, bool both) SP_MUST_USE;

/* Converts what was added. True: at once. */
bool api_convert_chunk_start(api_convert_chunk *c) SP_MUST_USE;
bool api_convert_chunk_is_busy(const api_convert_chunk *c);
/* True when all that was taken has been given out. */
bool api_convert_chunk_is_idle(const api_convert_chunk *c);
/* What became of it: SP_OK, or SP_EINTERNAL with a status in the arena. */
sp_code api_convert_chunk_result(const api_convert_chunk *c, sp_arena *a, sp_status *ret) SP_MUST_USE;

/* One converted record, good until the next one or clear; false: there are no more. */
typedef struct api_converted {
	sp_str rest;
	uint64_t revision;
	sp_bytes *record, *prev; /* either may be NULL for an event */
	sp_store_event *event;   /* NULL: an entry */
} api_converted;
bool api_convert_chunk_next(api_convert_chunk *c, api_converted *ret);
/* True when nothing is in it. */
bool api_convert_chunk_is_empty(const api_convert_chunk *c);
/* Empty again. */
void api_convert_chunk_clear(api_convert_chunk *c);
