/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reflector follows one resource (or a part of it, by selectors): it gives the state at some revision and
 * then every change, in order, for as long as it runs. Whatever happens in between (ended watches, lost
 * connections, restarted servers, forgotten history) it goes on by itself: from the last revision when the
 * server still has it, else by giving the whole state again. So its sink sees
 *
 *   begin, put…, commit        the state; what was not put is not there any more
 *   put, remove, …             changes after it
 *   begin, put…, commit …      now and then
 *
 * The state comes by a watch with sendInitialEvents; servers without it are asked for pages (500 items, fewer
 * when a page is too large). Errors are waited out with 0.8 to 30 s of back-off and jitter. A pause because
 * no server answered becomes one of 0.8 s when the server answers another request of the same client
 * (upstream's pauses go on then). Most users want an informer (client/informer.h), which is a sink that keeps
 * a cache. U: client-go tools/cache/reflector.go.
 */
#pragma once

#include "base/json.h"
#include "client/call.h"

typedef struct sp_log sp_log;
typedef struct sp_reflector sp_reflector;

typedef struct sp_reflector_sink {
	/* The state begins anew. What was put since the last commit without one does not count: a state that
	 * broke off is begun again. */
	void (*begin)(void *arg);
	/* An object as it is now. The tree is good during the call. An error ends what is under way; it is
	 * tried again from the state. */
	sp_code (*put)(void *arg, yyjson_val *object, sp_err *err);
	/* It is gone; the tree is its last state. */
	sp_code (*remove)(void *arg, yyjson_val *object, sp_err *err);
	/* The state is whole, as of that revision. */
	void (*commit)(void *arg, sp_str revision);
	/* Everything up to that revision was told (after each change and bookmark); may be NULL. */
	void (*reached)(void *arg, sp_str revision);
	/* The server has no such resource (404), so there is no state; it is asked for again now and then.
	 * Comes with each such answer; may be NULL. */
	void (*absent)(void *arg);
} sp_reflector_sink;

typedef struct sp_reflector_opts {
	sp_client *client;
	sp_log *log; /* NULL: silent */
	sp_gvr gvr;
	sp_str ns;                             /* empty: all */
	sp_str label_selector, field_selector; /* as text, not encoded */
	bool metadata_only;                    /* PartialObjectMetadata */
	bool no_stream;                        /* always by pages */
	uint32_t page;                         /* items; 0: 500 */
	const sp_reflector_sink *sink;
	void *arg;
} sp_reflector_opts;

/* Everything but client, log and sink is copied. */
sp_code sp_reflector_new(const sp_reflector_opts *o, sp_reflector **ret, sp_err *err) SP_MUST_USE;
void sp_reflector_start(sp_reflector *r);
/* Nothing is told afterwards; at any time but from inside the sink. NULL is a no-op. */
void sp_reflector_free(sp_reflector *r);

/* Since the start, for tests and metrics. */
typedef struct sp_reflector_stats {
	uint64_t n_streams, n_lists, n_watches; /* states by stream and by pages, watches from a revision */
	uint64_t n_events, n_bookmarks, n_expired, n_errors;
} sp_reflector_stats;
sp_reflector_stats sp_reflector_counts(const sp_reflector *r);
