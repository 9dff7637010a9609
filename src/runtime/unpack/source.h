/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a layer: a descriptor, plain or compressed with gzip (also of several members) or zstd (also
 * of several frames), as slices of the uncompressed stream, whose digest is taken on the way.
 */
#pragma once

#include "base/err.h"
#include "io/tls/sha256.h"

typedef struct unpack_source unpack_source;

/* Reads `fd`, which stays the caller's, from where it stands. NULL: no memory. */
unpack_source *unpack_source_new(int fd);
void unpack_source_free(unpack_source *s);

/* The next slice, good until the next call; n = 0 at the end. For sp_tar. SP_EINVAL: damaged. */
sp_code unpack_source_fill(void *source, const uint8_t **ret, size_t *ret_n, sp_err *err);
/* After the end: of everything that was handed out. */
void unpack_source_digest(unpack_source *s, char out[SP_SHA256_TEXT_BYTES + 1]);
