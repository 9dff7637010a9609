/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sp_bytes: immutable bytes with a reference count, shared across threads: the body of stored objects,
 * encoded watch events, response bodies. The content is written once, before the first share, and never
 * after.
 */
#pragma once

#include "base/str.h"

typedef struct sp_bytes {
	_Atomic uint32_t n_refs;
	uint32_t reserved;
	size_t len;
	char data[]; /* len bytes and a NUL that is not counted */
} sp_bytes;

#define SP_AUTO_BYTES SP_CLEANUP(sp_bytes_cleanup) sp_bytes *

/* One reference, owned by the caller; content zeroed. NULL: no memory. */
sp_bytes *sp_bytes_try_new(size_t len) SP_MUST_USE;
/* A copy of s. NULL: no memory. */
sp_bytes *sp_bytes_try_dup(sp_str s) SP_MUST_USE;

/* One more reference; returns b. */
sp_bytes *sp_bytes_ref(sp_bytes *b);
/* Gives a reference back; always returns NULL, so `p = sp_bytes_unref(p)`. NULL is allowed. */
sp_bytes *sp_bytes_unref(sp_bytes *b);
void sp_bytes_cleanup(sp_bytes **b);

static inline sp_str sp_bytes_view(const sp_bytes *b)
{
	return (sp_str){b->data, b->len};
}
