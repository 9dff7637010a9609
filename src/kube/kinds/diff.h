/* SPDX-License-Identifier: Apache-2.0 */
/* What refusals of a change show of it: the two objects as indented JSON, line by line. */
#pragma once

#include "kube/kinds/go_json.h"
#include "kube/kinds/kinds.h"

/*
 * "@@ -3,7 +3,7 @@" hunks with three lines around each change, as difflib's unified diff without its heading,
 * matched as difflib matches (in 200 lines and more, one that comes often starts no match); empty for equal
 * objects. Of longer texts the first SP_DIFF_LINES_MAX lines are compared. In c's arena; empty without room.
 * U: apimachinery pkg/util/diff
 */
#define SP_DIFF_LINES_MAX 4000u
sp_str sp_kind_diff(sp_kind_ctx *c, yyjson_mut_val *old, yyjson_mut_val *now);
/* Of two JSON texts. */
sp_str sp_kind_diff_texts(sp_kind_ctx *c, sp_str old, sp_str now);
/* Of two values as Go prints them. */
sp_str sp_kind_diff_go(sp_kind_ctx *c, const sp_go_type *type, yyjson_mut_val *old, yyjson_mut_val *now);
