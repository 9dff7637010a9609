/* SPDX-License-Identifier: Apache-2.0 */
/* Making cells of tables. U: kubernetes pkg/printers/internalversion/printers.go. NULL results: no room. */
#pragma once

#include "kube/kinds/kinds.h"

yyjson_mut_val *sp_cell_str(sp_kind_ctx *c, sp_str text);
/* The text, or "<none>" when it is empty. */
yyjson_mut_val *sp_cell_or_none(sp_kind_ctx *c, sp_str text);
yyjson_mut_val *sp_cell_i64(sp_kind_ctx *c, int64_t n);
yyjson_mut_val *sp_cell_printf(sp_kind_ctx *c, const char *fmt, ...) SP_PRINTF(2, 3);
/* The content of a buffer, which may have failed. */
yyjson_mut_val *sp_cell_buf(sp_kind_ctx *c, const sp_buf *buf);

/* Seconds as upstream's short form: "5m12s", "3d". */
#define SP_AGE_BYTES 32
size_t sp_age_print(char out[SP_AGE_BYTES], int64_t seconds);
/* How long ago a time (RFC 3339) was, in the arena; "<unknown>" when it is empty. */
sp_str sp_age_since(sp_kind_ctx *c, sp_str when);
yyjson_mut_val *sp_cell_age(sp_kind_ctx *c, sp_str when);

/* "a=b,c=d" sorted by key, "<none>" when empty: a map of labels. */
yyjson_mut_val *sp_cell_labels(sp_kind_ctx *c, yyjson_mut_val *labels);
/* A metav1.LabelSelector as text: "a=b,c in (d,e),!f"; "<none>" when empty. */
yyjson_mut_val *sp_cell_selector(sp_kind_ctx *c, yyjson_mut_val *selector);
/* Names / images of containers, joined by commas; NULL list is an empty text. */
yyjson_mut_val *sp_cell_joined(sp_kind_ctx *c, yyjson_mut_val *list, const char *member);
