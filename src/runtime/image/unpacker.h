/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam to whoever has the rights to write layers: `sampan-unpack` started by this process, started by the
 * host process, or a test's own. A job runs outside of this process, chrooted into the directory it works on.
 */
#pragma once

#include "io/world.h"

typedef enum image_job_kind {
	IMAGE_JOB_UNPACK, /* a layer into `dir`, which is there and empty */
	IMAGE_JOB_REMOVE, /* `dir` and everything below, also when it is not there */
	IMAGE_JOB_USAGE,  /* bytes and inodes of everything below `dir` */
} image_job_kind;

/* Embedded in the owner; in place until done came. All paths are absolute. */
typedef struct image_job {
	image_job_kind kind;
	sp_str dir;
	/* of UNPACK: */
	sp_str blob;           /* file with the layer: tar, plain or compressed with gzip or zstd */
	const sp_str *parents; /* directories of the layers below, top first */
	size_t n_parents;
	uint64_t bytes_max, inodes_max, reserve_bytes;
	bool allow_devices;

	/* The outcome: */
	char diff_id[72]; /* of UNPACK: "sha256:…" of the uncompressed stream, and a NUL */
	uint64_t bytes, inodes;

	/* Once, from the loop. SP_EINVAL: the layer is malformed or tries to escape; SP_ETOOLARGE: a limit.
	 * Everything is on disk after SP_OK. */
	void (*done)(struct image_job *j, sp_code code, const sp_err *err);
	void *arg;
	void *impl[8]; /* of the unpacker */
} image_job;

typedef struct image_unpacker {
	sp_code (*start)(void *arg, image_job *j, sp_err *err);
	/* done comes soon, with SP_ECANCELED or what it came to; what was written stays. */
	void (*cancel)(void *arg, image_job *j);
	void *arg;
	bool user_xattr; /* opaque directories are marked for mounts with "userxattr" */
} image_unpacker;

/* What the helper said and how it ended, as the outcome of the job. */
sp_code image_job_judge(image_job *j, sp_str output, sp_exit exit, sp_err *err) SP_MUST_USE;

/* The program `sampan-unpack` at this absolute path, which has to live as long as the unpacker. */
typedef struct image_helper {
	sp_world *world;
	const char *path;
	image_unpacker unpacker;
} image_helper;
void image_helper_init(image_helper *h, sp_world *w, const char *path);
