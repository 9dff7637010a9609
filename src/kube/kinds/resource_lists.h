/* SPDX-License-Identifier: Apache-2.0 */
/* Filling resource lists (maps from names to quantities). */
#pragma once

#include "kube/kinds/kinds.h"

/* Quantities finer than a thousandth are rounded up to it: SetDefaults_ResourceList. */
void sp_res_list_round(sp_kind_ctx *c, yyjson_mut_val *list);

/* Copies from `from` to holder.member what is not there yet and is wanted (NULL: everything); the list is
 * made only when something comes in. */
void sp_res_list_fill(sp_kind_ctx *c, yyjson_mut_val *holder, const char *member, yyjson_mut_val *from,
		      bool (*wanted)(sp_str name));
