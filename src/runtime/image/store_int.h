/* SPDX-License-Identifier: Apache-2.0 */
/* The insides of the store, for its own files. */
#pragma once

#include "base/buf.h"
#include "base/num.h"
#include "io/file.h"
#include "runtime/image/content.h"
#include "runtime/image/manifest.h"
#include "runtime/image/store.h"

#define IMAGE_META_BYTES ((size_t)64 << 20) /* of images.json */
#define IMAGE_KEY_BYTES 128u

/* One name of an image. */
typedef struct image_name {
	sp_list node;
	sp_str name;   /* normal form: host/path:tag or host/path@digest */
	sp_str target; /* digest that the name stands for: of an index or a manifest */
	char text[];   /* both */
} image_name;

/* What the image needs of the content store. */
typedef struct image_part {
	sp_str digest;
	uint64_t size_bytes;
} image_part;

typedef struct image_entry {
	image pub;
	sp_list node;      /* of the store, in the order they came */
	sp_list names;     /* of image_name; none: only containers still use it */
	sp_arena arena;    /* everything that does not change */
	sp_str media_type; /* of the manifest */
	image_part config;
	const image_part *layers; /* lowest first, as config.diff_ids */
	sp_strs chain_ids;
	uint32_t n_containers; /* root filesystems */
	uint32_t n_held;       /* operations that work with it */
} image_entry;

typedef enum layer_state { LAYER_UNPACKING, LAYER_READY } layer_state;

typedef struct image_layer {
	char chain[72];
	sp_str chain_id; /* of chain */
	layer_state state;
	uint64_t number, bytes, inodes;
} image_layer;

typedef struct image_container {
	sp_str key;
	uint64_t number;
	image_entry *entry; /* NULL when its image is damaged */
	sp_str image_id;
	const uint64_t *lower; /* numbers, top first */
	size_t n_lower;
	bool ready; /* false: being made */
	sp_arena arena;
} image_container;

/* Somebody who waits for images.json to be written as it is now. */
typedef struct image_commit {
	sp_list node;
	void (*done)(void *arg, sp_code code, const sp_err *err);
	void *arg;
} image_commit;

struct image_store {
	sp_world *world;
	image_store_opts opts;
	sp_arena arena; /* paths */
	sp_str dir, snapshots, meta_path;
	sp_file *lock;
	image_content content;
	sp_list entries;
	sp_map layers;     /* of image_layer, by chain id */
	sp_map containers; /* of image_container, by key */
	uint64_t next_number;
	uint64_t layer_bytes, layer_inodes;
	sp_list broken; /* of image_name */
	sp_strs broken_names;

	/* the list as its readers see it, made again after changes */
	const image **list;
	size_t n_list;
	sp_arena list_arena;
	bool list_stale;

	/* commit.c */
	sp_list waiting, writing; /* of image_commit */
	sp_defer commit_later;
	sp_work commit_work;
	sp_buf commit_text;
	bool committing;
	sp_code commit_code;
	sp_err commit_err;

	/* life */
	uint32_t n_ops;    /* operations whose callback has not come */
	sp_list ops;       /* of image_op */
	sp_list runs;      /* of layer_run: those that may wait for one another */
	sp_list leases;    /* of image_lease */
	sp_list turns;     /* of image_turn, those that wait */
	uint32_t n_shared; /* turns under way */
	bool alone;        /* … or one that wants no other beside it */
	bool closing;
	sp_defer close_later;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* Every operation has one: closing asks each to end with SP_ECANCELED. */
typedef struct image_op {
	sp_list node;
	void (*cancel)(struct image_op *op); /* NULL: it ends soon by itself */
} image_op;
void image_op_begin(image_store *s, image_op *op, void (*cancel)(image_op *op));
void image_op_end(image_store *s, image_op *op);

/* Contents that an operation needs and no image has yet. */
typedef struct image_lease {
	sp_list node;
	/* Adds their digests, and the chain ids of layers; false: no memory. */
	bool (*mark)(struct image_lease *l, sp_map *digests, sp_map *chains);
} image_lease;

/*
 * Whoever puts files of the store in place by a worker, and whoever takes them away, does so in turns: any
 * number of the first, or one of the second. First come, first served.
 */
typedef struct image_turn {
	sp_list node;
	bool alone;
	sp_defer go; /* from the loop, when it is its turn: fn and arg are its owner's */
} image_turn;
void image_turn_wait(image_store *s, image_turn *t);
void image_turn_end(image_store *s, image_turn *t);

/* Calls `done` from the loop, later, with an error (or SP_OK). */
void image_answer_later(image_store *s, image_done *done, void *arg, sp_code code, const sp_err *err);

/* ---- meta.c: images.json ---- */

/* Appends the state of names, layers and containers. */
sp_code image_meta_print(const image_store *s, sp_buf *out);
/* Fills an empty store; images whose contents are damaged go to `broken`. Blocks. */
sp_code image_meta_load(image_store *s, sp_err *err) SP_MUST_USE;

/* ---- commit.c ---- */

/* done comes when the present state is on disk. */
void image_commit_start(image_store *s, image_commit *c);

/* ---- entries.c ---- */

/* The entry of the image with that configuration, made when there is none; `manifest` is the manifest's text
 * with this digest. All its contents are in the store. SP_EPROTO: manifest and configuration do not belong
 * together. */
sp_code image_entry_put(image_store *s, sp_str manifest_digest, sp_str manifest, sp_str config,
			image_entry **ret, sp_err *err) SP_MUST_USE;
/* Takes the entry away when neither names nor containers nor operations need it. */
void image_entry_drop_unused(image_store *s, image_entry *e);
/* One more name; takes it from the image that had it. */
sp_code image_entry_name(image_store *s, image_entry *e, sp_str name, sp_str target, sp_err *err) SP_MUST_USE;
image_name *image_name_find(image_store *s, sp_str name, image_entry **ret_entry);
void image_name_free(image_name *n);
image_entry *image_entry_of_id(image_store *s, sp_str id);
image_entry *image_entry_find(image_store *s, sp_str reference);
static inline void image_entry_hold(image_entry *e)
{
	e->n_held++;
}
void image_entry_release(image_store *s, image_entry *e);
void image_entry_free(image_entry *e);
void image_changed(image_store *s);

/* ---- layers.c: unpacking ---- */

typedef struct layer_run layer_run;
typedef struct layer_run_events {
	/* The layer i is being unpacked, or is there. */
	void (*progress)(void *arg, size_t i, bool ready);
	/* Once: all layers are there, and those that are new are in memory; the caller commits. The run is
	 * gone. */
	void (*done)(void *arg, sp_code code, const sp_err *err);
} layer_run_events;
/* Lowest layer first; a layer whose content is not in the store is waited for. What it names has to outlive
 * it. */
layer_run *image_layers_start(image_store *s, const sp_strs *chain_ids, const sp_strs *diff_ids,
			      const image_part *layers, const layer_run_events *events, void *arg);
/* A content has come. */
void image_layers_poke(layer_run *r);
/* No event afterwards. NULL is a no-op. */
void image_layers_cancel(layer_run *r);
bool image_layers_use(const image_store *s, sp_str chain_id);
/* Everything that runs may go on: somebody else's layer is ready, or failed. */
void image_layers_wake(image_store *s);

/* ---- paths ---- */

/* DIR/snapshots/<n> and, with a name, /<name>. */
sp_str image_snapshot_path(const image_store *s, uint64_t number, const char *name, sp_arena *a);
/* Removes DIR/snapshots/<n> in the background; errors are left to collection. */
void image_snapshot_drop(image_store *s, uint64_t number);
