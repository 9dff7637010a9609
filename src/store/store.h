/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The revisioned key-value store: one global revision, one log of changes, every revision of the recent past
 * readable. Two implementations: LMDB (store/lmdb/lmdb.h, durable) and memory (store/mem/mem.h, for the
 * simulator).
 *
 *  - A key is a resource prefix ("/registry/pods/", ends in '/') and the rest below it ("default/web-0", or
 *    "node-1" where there is no namespace), together upstream's key (U: kubernetes/apiserver
 *    pkg/storage/etcd3/store.go). Order is bytewise by rest within a resource. No NUL in either.
 *  - A value is a record (store/record.h): a header that lists and watches filter by, and the object's bytes.
 *    The object's own resourceVersion is not stored; it is the revision of the write.
 *  - Every write operation takes one revision, in the order they are applied. A fresh store stands at
 * revision 1.
 *  - Reads see every write whose completion was reported, and may see ones not reported yet.
 *
 * All functions are called on the loop's thread. No callback runs inside the function that asked for it,
 * except the visitor of a range. Values of a store go through its transformer on their way to and from the
 * disk.
 */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/str.h"
#include "io/world.h"

typedef struct sp_store sp_store;

typedef struct sp_store_key {
	sp_str resource; /* 1 to SP_LIMIT_STORE_RESOURCE_BYTES bytes, ends in '/' */
	sp_str rest;     /* 1 to SP_LIMIT_STORE_REST_BYTES bytes */
} sp_store_key;

/* SP_EINVAL or SP_ETOOLARGE with a sentence unless the key keeps the rules above. */
sp_code sp_store_key_check(sp_store_key key, sp_err *err) SP_MUST_USE;

/*
 * Encryption at rest and the like. Only the object's bytes of a record pass; the header stays readable. `key`
 * is the full storage key in one piece. Called on the writer's and on the loop's thread, so both functions
 * are thread-safe and never block. A read that fails makes that read (or the listing, the watch) fail.
 */
typedef struct sp_store_transformer {
	/* Appends the stored form of `plain`. */
	sp_code (*to_storage)(void *arg, sp_str key, sp_str plain, sp_buf *out, sp_err *err);
	/* Appends the plain form of `stored`. */
	sp_code (*from_storage)(void *arg, sp_str key, sp_str stored, sp_buf *out, sp_err *err);
	void *arg;
} sp_store_transformer;

/* ---- state ---- */

typedef struct sp_store_info {
	uint64_t revision;      /* of the newest committed write */
	uint64_t dispatched;    /* every event up to here was offered to the watchers */
	uint64_t compacted;     /* the oldest readable revision */
	uint64_t n_objects;     /* keys that exist */
	uint64_t history_bytes; /* of records that only older revisions need, about */
	uint64_t used_bytes;    /* of the file, without its free pages; 0 in memory */
	uint64_t file_bytes;
	bool is_full; /* puts are refused for want of space */
} sp_store_info;

sp_code sp_store_info_get(sp_store *s, sp_store_info *ret, sp_err *err) SP_MUST_USE;

/* The newest committed revision. Cheap. */
uint64_t sp_store_revision(sp_store *s);

/* ---- reading ---- */

typedef struct sp_store_value {
	sp_bytes *record; /* one reference, the receiver's */
	uint64_t revision, create_revision;
} sp_store_value;

/*
 * The value at `revision` (0 = newest). SP_ENOTFOUND when the key does not exist there, SP_EGONE when the
 * revision is compacted, SP_EINVAL when it lies in the future.
 */
sp_code sp_store_get(sp_store *s, sp_store_key key, uint64_t revision, sp_store_value *ret,
		     sp_err *err) SP_MUST_USE;

/* One entry of a range; everything is borrowed until the visitor returns. */
typedef struct sp_store_entry {
	sp_str rest;
	sp_str record;
	uint64_t revision, create_revision;
} sp_store_entry;

typedef enum sp_store_visit {
	SP_STORE_TAKE, /* counts against n_max */
	SP_STORE_SKIP, /* filtered: does not count */
	SP_STORE_STOP, /* not taken; the chunk ends and the next one begins with this entry */
} sp_store_visit;

typedef struct sp_store_query {
	sp_str resource;
	sp_str prefix; /* of the rest: "" or "namespace/" */
	sp_str from;   /* the first rest wanted; "name\0" (a NUL counted in len) begins behind "name" */
	const sp_str
		*indexed;  /* only records whose indexed field (store/record.h) has this value; NULL = all */
	uint64_t revision; /* 0 = newest */
	size_t n_max;      /* entries taken; 0 = no limit of the caller's */
	size_t n_scan_max; /* entries looked at in this chunk; 0 = 1,000 */
	size_t scan_bytes_max; /* of their records; 0 = 1 MiB. One entry is always given. */
	bool want_remaining;
} sp_store_query;

typedef struct sp_store_chunk {
	uint64_t revision; /* at which was read: name it to continue consistently */
	size_t n_taken;
	uint64_t n_remaining; /* behind this chunk, when asked for; by key, not by any selector */
	bool more;            /* false: the range is at its end */
	size_t next_len;      /* `from` of the next chunk, when more */
	char next[SP_LIMIT_STORE_REST_BYTES + 1];
} sp_store_chunk;

/*
 * One chunk of a range, in one short read transaction: visit is called per entry in key order, must not call
 * the store, and should return soon. SP_EGONE, SP_EINVAL (future revision) as for get.
 */
sp_code sp_store_range(sp_store *s, const sp_store_query *q,
		       sp_store_visit (*visit)(void *arg, const sp_store_entry *e), void *arg,
		       sp_store_chunk *ret, sp_err *err) SP_MUST_USE;

/* How many keys with this resource and prefix exist in the newest revision. Linear, some 50 ns each. */
sp_code sp_store_count(sp_store *s, sp_str resource, sp_str prefix, uint64_t *ret, sp_err *err) SP_MUST_USE;

/* ---- writing ---- */

typedef enum sp_store_op_type {
	SP_STORE_PUT,
	SP_STORE_DELETE,
	SP_STORE_CHECK, /* only compares; takes no revision */
} sp_store_op_type;

#define SP_STORE_ANY UINT64_MAX /* no comparison (a delete still needs the key to exist) */

typedef struct sp_store_op {
	sp_store_op_type type;
	sp_store_key key;  /* borrowed until done */
	uint64_t expected; /* mod revision the key must have; 0 = must not exist; SP_STORE_ANY */
	sp_bytes *record;  /* PUT: borrowed until done; a well-formed record */
	uint64_t revision; /* out, when the transaction succeeded: of this write (CHECK: of the key, or 0) */
	uint64_t create_revision; /* out: of the key; of a delete: of what was deleted */
} sp_store_op;

typedef struct sp_store_event sp_store_event;

/*
 * A transaction: all operations or none. Embedded in its owner, stays in place with its ops until done was
 * called. No two operations name the same key.
 */
typedef struct sp_store_txn {
	sp_store_op *ops;
	size_t n_ops; /* 1 to SP_LIMIT_STORE_TXN_OPS */
	/*
	 * Called once, on the loop, when the transaction is on the disk or has failed:
	 *  - SP_OK: durable; the watchers' queues hold its events;
	 *  - SP_EEXISTS (expected 0), SP_ECONFLICT (another revision), SP_ENOTFOUND (expected a revision, or
	 * a delete, and there is none): `i_failed` and `current` tell which and what is there; nothing was
	 * written;
	 *  - SP_EUNAVAILABLE: the disk or the map is full (deletes still work), or the store is closing;
	 *  - SP_EIO: the disk failed; whether it was written is unknown until the store is opened again,
	 * which it has to be when sp_store_broken says so; SP_ENOMEM, SP_EINVAL: nothing was written.
	 */
	void (*done)(struct sp_store_txn *t, sp_code code, const sp_err *err);
	void *arg;       /* the owner's */
	size_t i_failed; /* out */
	sp_store_value
		current; /* out, at a conflict; the reference is taken back after done, keep it by ref */
	/* the store's */
	sp_list node;
	sp_code code;
	sp_err err;
	sp_store_event *events;
} sp_store_txn;

/* Queues a transaction. Order of transactions = order of calls. Cannot fail: every outcome comes by done. */
void sp_store_write(sp_store *s, sp_store_txn *t);

/* ---- changes ---- */

/* One change, immutable, shared by all watchers. */
struct sp_store_event {
	_Atomic uint32_t n_refs;
	bool is_delete;
	bool is_create; /* a put of a key that did not exist */
	sp_store_key key;
	uint64_t revision;
	uint64_t create_revision;
	uint64_t prev_revision; /* 0 when created */
	sp_bytes *record;       /* NULL when deleted */
	sp_bytes *prev;         /* the record before; NULL when created */
	/* Encoded forms, made once and shared: loop's thread only. `attached_free` is called with the event's
	 * end. */
	void *attached;
	void (*attached_free)(void *attached);
	sp_store_event *next; /* the store's */
};

sp_store_event *sp_store_event_ref(sp_store_event *e);
/* Always NULL; NULL is allowed. */
sp_store_event *sp_store_event_unref(sp_store_event *e);

typedef struct sp_store_watch sp_store_watch;

typedef struct sp_store_watch_opts {
	sp_str resource;
	sp_str prefix; /* "" or "namespace/" */
	sp_str rest;   /* this key only, when not empty; prefix is then ignored */
	const sp_str *
		indexed; /* only changes whose record, before or after, has this value in its indexed field */
	uint64_t after;  /* events of revisions above this one; 0 = above the newest dispatched one */
	/* Something can be taken, or the watch has ended. Called on the loop, never inside next, once until
	   next gave NULL. */
	void (*on_ready)(void *arg);
	void *arg;
} sp_store_watch_opts;

/*
 * Every matching event above `after`, in order of revision, none missing, none twice: first from the log,
 * chunk by chunk, then live. SP_EGONE when `after` is below the compacted revision. The strings are copied.
 */
sp_code sp_store_watch_open(sp_store *s, const sp_store_watch_opts *opts, sp_store_watch **ret,
			    sp_err *err) SP_MUST_USE;

/* The next event, one reference for the caller, or NULL when there is none now. */
sp_store_event *sp_store_watch_next(sp_store_watch *w);

/*
 * SP_OK while it lives. Otherwise why it ended (events queued before the end can still be taken): SP_ETOOMANY
 * (the reader is too slow: SP_LIMIT_WATCH_QUEUE_EVENTS or _BYTES), SP_EGONE (compacted before it was
 * replayed), SP_EUNAVAILABLE (the store closes), SP_ENOMEM, SP_EIO.
 */
sp_code sp_store_watch_state(const sp_store_watch *w, sp_err *err);

/* Every matching event up to this revision has been given by next: what a bookmark may carry. */
uint64_t sp_store_watch_progress(const sp_store_watch *w);

/* No on_ready afterwards. NULL is a no-op. */
void sp_store_watch_close(sp_store_watch *w);

/* ---- life ---- */

/*
 * Makes every revision below `revision` unreadable at once and removes what only they needed, in small steps.
 * A value above the newest revision counts as it; below the compacted one it does nothing. The store does
 * this by itself, by age and size (its options); this is for tests, restores and tools.
 */
void sp_store_compact(sp_store *s, uint64_t revision);

/* SP_OK, or why the store takes no writes any more (SP_EIO): a failed disk. Reads still work. */
sp_code sp_store_broken(sp_store *s, sp_err *err);

/*
 * Watches end with SP_EUNAVAILABLE (their owners close them, now or later); writes queued so far are finished
 * and reported, later ones refused with SP_EUNAVAILABLE. `on_closed` is called on the loop when everything is
 * released.
 */
void sp_store_close(sp_store *s, void (*on_closed)(void *arg), void *arg);
