/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of bytes that come in pieces. One object belongs to one thread at a time; no world is needed. */
#pragma once

#include "base/str.h"

#define SP_SHA256_TEXT_BYTES 64u

typedef struct sp_sha256_sum sp_sha256_sum;

/* NULL: no memory. */
sp_sha256_sum *sp_sha256_new(void) SP_MUST_USE;
/* NULL is a no-op. */
void sp_sha256_free(sp_sha256_sum *s);
void sp_sha256_update(sp_sha256_sum *s, const void *bytes, size_t n);
/* The sum of everything so far as lower-case hex and a NUL; then begins anew. */
void sp_sha256_text(sp_sha256_sum *s, char out[SP_SHA256_TEXT_BYTES + 1]);
