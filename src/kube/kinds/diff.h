/* SPDX-License-Identifier: Apache-2.0 */
/* What refusals of a change show of it: the two objects as indented JSON, line by line. */
#pragma once

#include "kube/kinds/kinds.h"

/*
 * "@@ -3,7 +3,7 @@" hunks with three lines around each change, as difflib's unified diff without its heading;
 * empty for equal objects. Of longer texts the first SP_DIFF_LINES_MAX lines are compared. In c's arena;
 * empty without room. U: apimachinery pkg/util/diff
 */
#define SP_DIFF_LINES_MAX 1000u
sp_str sp_kind_diff(sp_kind_ctx *c, yyjson_mut_val *old, yyjson_mut_val *now);
