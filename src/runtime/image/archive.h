/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading files with images, on a worker: every file goes into the content store under its digest, except the
 * few documents that say what is what; these are then looked at.
 */
#pragma once

#include "runtime/image/content.h"
#include "runtime/image/manifest.h"
#include "runtime/image/transfer.h"

/* One image that was found. All views are of the reader's arena. */
typedef struct image_found {
	sp_str name;   /* normal form */
	sp_str target; /* digest the name stands for */
	sp_str manifest_digest, manifest, config;
} image_found;

typedef struct image_archive {
	/* given: */
	sp_world *world;
	const image_content *content; /* its paths only: nothing of it that changes */
	sp_str path, shown, base_name;
	image_platform platform;
	uint64_t serial;   /* of this import: names temporary files */
	_Atomic bool stop; /* set by another thread: SP_ECANCELED */

	/* found: */
	sp_arena arena;
	image_found *images;
	size_t n_images;
	const image_blob **blobs; /* whole files in the content store, to be adopted; of the arena */
	size_t n_blobs;

	/* while reading: */
	sp_map files; /* path in the archive -> image_blob */
	sp_str oci_layout, index, docker;
	size_t cap_blobs, cap_images, n_links;
	sp_map links; /* path -> sp_str: links between layers of docker archives */
} image_archive;

/* Blocks: for a worker. On success `images` and `blobs` are filled; on error `blobs` may be. */
sp_code image_archive_read(image_archive *r, sp_err *err) SP_MUST_USE;
