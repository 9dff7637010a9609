/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of images on one node: contents by digest, unpacked layers, names, and the root filesystems of
 * containers.
 *
 *   DIR/lock                  held while the store is open
 *   DIR/images.json           names, unpacked layers, root filesystems; replaced in one step
 *   DIR/blobs/sha256/<hex>    contents, verified while written
 *   DIR/ingest/<hex>          downloads that are not whole; taken up again
 *   DIR/snapshots/<n>/fs      an unpacked layer, shared by all images that have it; or a container's upper
 * directory DIR/snapshots/<n>/work    of a container
 *
 * One process has the store open. All functions are called on the loop. Those that touch the disk take a
 * callback, which comes exactly once, from the loop, later; SP_ECANCELED when the store is closed before.
 * What was answered with SP_OK is on disk.
 */
#pragma once

#include "io/world.h"
#include "runtime/image/image.h"
#include "runtime/image/unpacker.h"

typedef struct image_store image_store;

/* `err` is NULL when code is SP_OK. */
typedef void image_done(void *arg, sp_code code, const sp_err *err);

typedef struct image_store_opts {
	sp_str dir;                     /* absolute; made when it is not there */
	const image_unpacker *unpacker; /* has to outlive the store */
	uint64_t layer_bytes_max;       /* of one unpacked layer; 0 = 64 GiB */
	uint64_t layer_inodes_max;      /* 0 = 4,000,000 */
	uint64_t
		reserve_bytes; /* unpacking and pulling stop when the filesystem has less left; 0 = 256 MiB */
	bool allow_devices;    /* block and character devices in layers; else such a layer is refused */
} image_store_opts;

/* Blocks (start-up). SP_EUNAVAILABLE: another process has it open. What a crash left half done is cleaned up
 * later, by image_collect. `opts` is not needed afterwards. */
sp_code image_store_open(sp_world *w, const image_store_opts *opts, image_store **ret,
			 sp_err *err) SP_MUST_USE;
/* Cancels everything that runs; done comes when all callbacks came and the memory is gone. */
void image_store_close(image_store *s, void (*done)(void *arg), void *arg);

/* ---- looking ---- */

/* All images, in the order they came. The array is good as long as the images. */
const image *const *image_list(image_store *s, size_t *ret_n);
/*
 * By name ("busybox", "busybox:1.36", "docker.io/library/busybox@sha256:…"), by id, by 64 digits, or by the
 * first 4 or more digits of an id when only one image has them. NULL: there is none (also when the text is no
 * name).
 */
const image *image_find(image_store *s, sp_str reference);
/* Names that were in images.json but whose contents are missing or damaged; they are gone from the list. */
sp_strs image_broken(const image_store *s);

typedef struct image_usage {
	uint64_t bytes, inodes;
} image_usage;

/* Of contents and unpacked layers, without those of containers. Kept in memory: cheap. */
image_usage image_fs_usage(const image_store *s);

/* ---- changing ---- */

/* One more name for an image. */
void image_tag(image_store *s, sp_str reference, sp_str name, image_done *done, void *arg);
/* Takes one name away; the image goes with its last name when no container uses it. SP_ENOTFOUND. */
void image_untag(image_store *s, sp_str name, image_done *done, void *arg);
/* Takes all names of the image away (CRI RemoveImage). SP_OK when there is none. A pinned image too: somebody
 * asked for it. Contents and layers that nothing needs any more are removed. */
void image_remove(image_store *s, sp_str reference, image_done *done, void *arg);
/* Pinned images are left alone by image_prune. */
void image_pin(image_store *s, sp_str reference, bool on, image_done *done, void *arg);

/* Removes contents, layers and leftovers that no name, container or running operation refers to. *ret_freed
 * counts what went. */
typedef void image_collected(void *arg, sp_code code, image_usage freed, const sp_err *err);
void image_collect(image_store *s, image_collected *done, void *arg);
/* The same but for downloads that are not whole: what a crash left, at the next start. */
void image_collect_leftovers(image_store *s, image_collected *done, void *arg);
/* Removes every image that is not pinned and that no container uses, then collects. */
void image_prune(image_store *s, image_collected *done, void *arg);

/* ---- root filesystems of containers ---- */

/*
 * What overlayfs is mounted from. Directories are absolute paths; `lower` has the top layer first. Mount data
 * gets short when the caller changes to `snapshots_dir` and uses the numbers ("12/fs").
 */
typedef struct image_rootfs {
	sp_str key;
	sp_str image_id;
	sp_str snapshots_dir; /* absolute */
	sp_strs lower;        /* relative to snapshots_dir: "12/fs" */
	sp_str upper, work;   /* relative too */
	bool user_xattr;      /* mount with "userxattr" */
} image_rootfs;

/* `r` is good during the call; NULL on error. */
typedef void image_rootfs_done(void *arg, sp_code code, const image_rootfs *r, const sp_err *err);

/*
 * Makes (or finds, when the key has one already) the root filesystem of a container on an image: unpacks
 * layers that are not unpacked yet, makes upper and work. The image's contents stay as long as the root
 * filesystem does. key: 1 to 128 characters of [A-Za-z0-9_.-], not beginning with '.'.
 */
void image_rootfs_prepare(image_store *s, sp_str reference, sp_str key, image_rootfs_done *done, void *arg);
/* Directories and all. It must not be mounted any more. SP_OK when there is none. */
void image_rootfs_remove(image_store *s, sp_str key, image_done *done, void *arg);
/* Walks the upper directory (in a helper): for statistics. SP_ENOTFOUND. */
typedef void image_usage_done(void *arg, sp_code code, image_usage usage, const sp_err *err);
void image_rootfs_usage(image_store *s, sp_str key, image_usage_done *done, void *arg);
/* Keys of all root filesystems, so that whoever starts again removes those it does not know. Good as
 * image_list. */
sp_strs image_rootfs_keys(image_store *s);
/* What a key has, without any work on disk; false when it has none. Allocated in the arena. */
bool image_rootfs_find(image_store *s, sp_str key, sp_arena *a, image_rootfs *ret);
