/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by kube/selector.c and kube/selector_fields.c. */
#pragma once

#include "kube/selector.h"

/* A message that is longer than an sp_err may be. */
#define SP_SEL_WHY_BYTES_MAX ((size_t)64 << 10)

/* Requirements under construction. */
typedef struct sp_sel_list {
	sp_arena *arena;
	sp_requirement *items;
	size_t n, cap;
} sp_sel_list;

/* Adds one; false: no room. */
bool sp_sel_add(sp_sel_list *l, const sp_requirement *r) SP_MUST_USE;

/* Copies the text into *why (unless NULL) and returns SP_EINVAL. */
sp_code sp_sel_why(sp_arena *a, sp_str *why, const char *fmt, ...) SP_PRINTF(3, 4);
