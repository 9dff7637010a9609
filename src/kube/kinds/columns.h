/* SPDX-License-Identifier: Apache-2.0 */
/* More cells, for the kinds outside core. U: kubernetes pkg/printers/internalversion/printers.go. */
#pragma once

#include "kube/kinds/cells.h"

/* A text member, `absent` when it is not there. */
yyjson_mut_val *sp_cell_str_or(sp_kind_ctx *c, yyjson_mut_val *object, const char *name, const char *absent);
/* The text with ASCII letters in lower case, in the arena. */
sp_str sp_cell_lower(sp_kind_ctx *c, sp_str text);
/* How many items a list (or members a map) has. */
yyjson_mut_val *sp_cell_len(sp_kind_ctx *c, const yyjson_mut_val *list);
/* A list of texts, joined; `none` when it has none. */
yyjson_mut_val *sp_cell_texts(sp_kind_ctx *c, yyjson_mut_val *list, const char *between, const char *none);
/* The first `shown` of n texts joined by commas, and how many more there are; "<unset>" when n is 0. */
yyjson_mut_val *sp_cell_first_texts(sp_kind_ctx *c, const sp_str *texts, size_t n, size_t shown);

/* The instant of an RFC 3339 member; false when it is none. */
bool sp_kv_time(yyjson_mut_val *object, const char *name, sp_time *ret) SP_MUST_USE;
/* The time between two instants as people read it: "5m", "2d3h". */
yyjson_mut_val *sp_cell_span(sp_kind_ctx *c, sp_time from, sp_time to);
