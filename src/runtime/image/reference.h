/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of images, as docker reads them: [host[:port]/]path[:tag][@digest]. Without a host it is docker.io,
 * where a path of one component stands below library/. U: distribution/reference.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

#define IMAGE_NAME_BYTES 255u /* host and path */
#define IMAGE_TAG_BYTES 128u
#define IMAGE_DIGEST_BYTES 71u /* "sha256:" and 64 digits */

typedef struct image_reference {
	sp_str host;   /* "docker.io", "[::1]:5000" */
	sp_str path;   /* "library/busybox" */
	sp_str tag;    /* empty only when a digest is there and no tag was given */
	sp_str digest; /* "sha256:…" or empty */
	sp_str name;   /* host/path */
} image_reference;

/* The normal form in the arena; the tag "latest" when neither tag nor digest is given. SP_EINVAL says what is
 * wrong. */
sp_code image_reference_parse(sp_arena *a, sp_str text, image_reference *ret, sp_err *err) SP_MUST_USE;
/* "host/path:tag" or, when it has a digest, "host/path@digest". {NULL, 0}: no room. */
sp_str image_reference_print(sp_arena *a, const image_reference *r);
/* "sha256:" and 64 lower-case hex digits. */
bool image_is_digest(sp_str s);
