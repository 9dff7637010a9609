/* SPDX-License-Identifier: Apache-2.0 */
/* Stores in tests: either implementation on a loop of its own, with calls that wait for their completion. */
#pragma once

#include "store/lmdb/lmdb.h"
#include "store/mem/mem.h"

typedef struct t_store {
	sp_world *world;
	sp_store *store;
	char dir[128]; /* LMDB; empty for memory */
	bool closed;
	size_t n_waiting;
} t_store;

typedef enum t_store_kind { T_STORE_LMDB, T_STORE_MEM, T_STORE_KIND_COUNT_ } t_store_kind;

/* A fresh store, closed at the end of the test. False: the test has failed. `opts` may be NULL. */
bool t_store_open(t_store *t, t_store_kind kind, const sp_store_lmdb_opts *opts);
/* Closes and opens the LMDB store again. */
bool t_store_reopen(t_store *t, const sp_store_lmdb_opts *opts);
void t_store_close(t_store *t);

/* A record with the label app=`app` and the indexed field spec.nodeName=`node` (either may be NULL). NULL: no
 * memory. */
sp_bytes *t_record(const char *object, const char *app, const char *node);
/* The object of a record. */
sp_str t_object(const sp_bytes *record);

/* Below "/registry/pods/". Waits. *ret_revision may be NULL; the record is made of `object`. */
sp_code t_put(t_store *t, const char *rest, uint64_t expected, const char *object, uint64_t *ret_revision);
sp_code t_put_node(t_store *t, const char *rest, uint64_t expected, const char *object, const char *node,
		   uint64_t *ret_revision);
sp_code t_delete(t_store *t, const char *rest, uint64_t expected, uint64_t *ret_revision);
/* Writes a transaction of the caller's and waits; its `current` is lost. */
sp_code t_write(t_store *t, sp_store_txn *txn);
/* Queues without waiting, then waits for all. */
void t_queue(t_store *t, sp_store_txn *txn);
void t_wait(t_store *t);

/* Runs the loop until `done` says so. */
void t_run_until(t_store *t, bool (*done)(void *arg), void *arg);
/* One turn and what follows from it. */
void t_turn(t_store *t);

/* Long runs do without allocation faults: they would be repeated thousands of times, to no end that the short
 * tests do not serve. */
void t_no_faults(void);

sp_store_key t_key(const char *rest);
