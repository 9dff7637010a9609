/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Continue tokens: where the next page of a list begins. Base64url of {"v":"meta.k8s.io/v1","rv":R,"start":
 * "ns/name\u0000"}, start being relative to what the request lists. U: apiserver pkg/storage/continue.go.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

/* The revision of a token that continues at whatever is newest (after its own revision was compacted). */
#define API_CONTINUE_LATEST UINT64_MAX

/* `from` is the rest of the first key wanted, which begins with `prefix`. {NULL, 0}: no room. */
sp_str api_continue_make(sp_arena *a, uint64_t revision, sp_str from, sp_str prefix);

/* *ret_revision is 0 for API_CONTINUE_LATEST. SP_EINVAL with upstream's text. */
sp_code api_continue_read(sp_arena *a, sp_str token, sp_str prefix, uint64_t *ret_revision, sp_str *ret_from,
			  sp_err *err) SP_MUST_USE;
