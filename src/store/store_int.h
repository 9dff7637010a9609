/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the implementations of a store share: the table of operations, the hub of watchers, the compaction
 * policy. Only src/store includes this.
 */
#pragma once

#include <stdatomic.h>

#include "base/map.h"
#include "store/record.h"
#include "store/store.h"

/* One chunk of the change log, for watchers that start in the past. */
typedef struct store_log_query {
	sp_str resource;
	uint64_t after, upto; /* events with after < revision <= upto */
	size_t n_scan_max, scan_bytes_max;
	/* Looked at before the event is built. */
	bool (*want)(void *arg, sp_store_key key);
	/* Takes the reference; false ends the chunk behind this event. */
	bool (*each)(void *arg, sp_store_event *e);
	void *arg;
} store_log_query;

/* Behave as the function of the same name in store.h says; keys and queries have been checked. */
typedef struct store_ops {
	sp_code (*get)(sp_store *s, sp_store_key key, uint64_t revision, sp_store_value *ret, sp_err *err);
	sp_code (*range)(sp_store *s, const sp_store_query *q,
			 sp_store_visit (*visit)(void *arg, const sp_store_entry *e), void *arg,
			 sp_store_chunk *ret, sp_err *err);
	sp_code (*count)(sp_store *s, sp_str resource, sp_str prefix, uint64_t *ret, sp_err *err);
	/* All but `dispatched`; sizes of the file only when asked for. */
	sp_code (*info)(sp_store *s, bool with_space, sp_store_info *ret, sp_err *err);
	void (*write)(sp_store *s, sp_store_txn *t);
	/* *ret_upto: every event up to there has been looked at. SP_EGONE when q->after is compacted. */
	sp_code (*log_read)(sp_store *s, const store_log_query *q, uint64_t *ret_upto, sp_err *err);
	void (*compact)(sp_store *s, uint64_t revision);
	sp_code (*broken)(sp_store *s, sp_err *err);
	void (*close)(sp_store *s); /* ends in on_closed */
} store_ops;

/* Watchers, found by what they watch. */
typedef struct store_hub {
	sp_map resources;                /* of hub_resource */
	sp_list ready, replaying, ended; /* of sp_store_watch, by ready_node and node */
	sp_defer ready_defer;
	sp_timer replay_timer;
} store_hub;

enum { POLICY_SAMPLES = 16 };

/* When which revision was the newest: what "older than five minutes" means. */
typedef struct store_policy {
	uint64_t keep_ns, history_bytes_max;
	struct {
		uint64_t at_ns, revision;
	} samples[POLICY_SAMPLES + 1]; /* oldest first */
	size_t n_samples;
	sp_timer timer;
} store_policy;

/* The first member of every implementation. */
struct sp_store {
	const store_ops *ops;
	sp_world *world;
	store_hub hub;
	store_policy policy;
	_Atomic uint64_t revision; /* newest committed; written by the writer */
	uint64_t dispatched;       /* loop only, as the rest */
	bool is_closing;
	void (*on_closed)(void *arg);
	void *closed_arg;
};

void store_init(sp_store *s, const store_ops *ops, sp_world *w, uint64_t revision, uint64_t keep_ns,
		uint64_t history_bytes_max);
/* The implementation has released all but the struct, which it frees behind this call. */
void store_done(sp_store *s);

/* Gives the events of a committed transaction to the watchers, in order, and takes their references. */
void store_dispatch(sp_store *s, sp_store_event *events);
/* Reports a transaction's outcome and releases what it lent. */
void store_report(sp_store_txn *t);

/* A new event with one reference and a copy of the key. NULL: no memory. */
sp_store_event *store_event_new(sp_store_key key);
/* Checks everything of a transaction that needs no look at the data. */
sp_code store_txn_check(const sp_store_txn *t, sp_err *err) SP_MUST_USE;
/* The outcome of comparing an operation with what is there (0 = nothing): SP_OK, SP_EEXISTS, SP_ECONFLICT or
   SP_ENOTFOUND. */
sp_code store_op_compare(const sp_store_op *op, uint64_t current, sp_err *err) SP_MUST_USE;
/* SP_EGONE or SP_EINVAL (future) unless `revision` is readable. */
sp_code store_revision_check(uint64_t revision, uint64_t compacted, uint64_t newest, sp_err *err) SP_MUST_USE;

void hub_init(store_hub *h, sp_store *s);
void hub_done(sp_store *s);
void hub_dispatch(sp_store *s, sp_store_event *e);
/* Ends all watches. */
void hub_close(sp_store *s);

void policy_init(store_policy *p, sp_store *s, uint64_t keep_ns, uint64_t history_bytes_max);
void policy_done(sp_store *s);
/* After a commit: takes samples, asks for compaction. */
void policy_tick(sp_store *s);
