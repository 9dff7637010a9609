/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents by digest: files below DIR/blobs/sha256. What stands there is whole, verified and on disk; what
 * comes in stands in DIR/ingest under the digest it should get, and is taken up again where it ended.
 *
 * Which contents there are is known in memory; files are touched by worker jobs only. One writer of a digest
 * works at a time, and none while contents are being removed: the others wait.
 */
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "io/world.h"

typedef struct image_blob {
	sp_str digest; /* "sha256:…" */
	uint64_t size_bytes;
	char text[72];
} image_blob;

typedef struct image_content {
	sp_world *world;
	sp_str dir;
	sp_map blobs; /* of image_blob, by digest */
	uint64_t bytes;
	sp_list writers;
	bool removing;
	image_blob **leaving; /* while removing: those that were forgotten, in the arena of who removes */
	size_t n_leaving;
	sp_defer *idle; /* called when the last writer is gone; NULL: nobody waits */
} image_content;

/* Blocks (start-up): makes the directories, lists what is there. `dir` has to outlive it. */
sp_code image_content_open(image_content *c, sp_world *w, sp_str dir, sp_err *err) SP_MUST_USE;
/* Without writers. */
void image_content_done(image_content *c);

const image_blob *image_content_find(const image_content *c, sp_str digest);
/* DIR/blobs/sha256/<hex>. {NULL, 0}: no room. */
sp_str image_content_path(const image_content *c, sp_str digest, sp_arena *a);
/* DIR/ingest/<hex> */
sp_str image_content_ingest_path(const image_content *c, sp_str digest, sp_arena *a);
/* A file of that digest is there, on disk. SP_ENOMEM. */
sp_code image_content_adopt(image_content *c, sp_str digest, uint64_t size_bytes, sp_err *err) SP_MUST_USE;

/*
 * Forgets the blobs for which `keep` says false and gives their digests in the arena; their files are to be
 * removed by a job, during which no writer works. After it, while the arena is there: image_content_removed.
 */
sp_code image_content_remove_begin(image_content *c, bool (*keep)(void *arg, sp_str digest), void *arg,
				   sp_arena *a, sp_strs *ret, uint64_t *ret_bytes, sp_err *err) SP_MUST_USE;
/* `began`: the job has run, also when not every file could be removed; else the blobs are there as before. */
void image_content_removed(image_content *c, bool began);
/* Adds the digests whose file in DIR/ingest is being written to a set, with keys in the arena. */
sp_code image_content_written(const image_content *c, sp_arena *a, sp_map *set, sp_err *err) SP_MUST_USE;

/* ---- writers ---- */

typedef struct image_writer image_writer;

typedef struct image_writer_events {
	/* Bytes may be written, from `offset` on: what is before it is there already. */
	void (*ready)(void *arg, uint64_t offset);
	/* It is not full any more. */
	void (*room)(void *arg);
	/* Once, last: the content is in the store, or why not. Also instead of ready, when another writer was
	 * faster. The writer is still to be freed. */
	void (*done)(void *arg, sp_code code, const sp_err *err);
} image_writer_events;

/* NULL: no memory. */
image_writer *image_writer_new(image_content *c, sp_str digest, uint64_t size_bytes,
			       const image_writer_events *events, void *arg) SP_MUST_USE;
/* Copies. More than the size is found out at once: done comes with SP_EPROTO. */
void image_writer_write(image_writer *w, const void *bytes, size_t n);
/* Hold back until `room`. */
bool image_writer_is_full(const image_writer *w);
/* All was written: verifies and puts it in its place. */
void image_writer_end(image_writer *w);
/* From the beginning: ready comes with 0. */
void image_writer_restart(image_writer *w);
/* At any time; no event afterwards. What was written stays in DIR/ingest. NULL is a no-op. */
void image_writer_free(image_writer *w);
/* Nothing is being removed any more: those who waited take their next step. */
void image_writers_go_on(image_content *c);
