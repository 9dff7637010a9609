/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by claims and volumes. */
#pragma once

#include "kube/kinds/kinds.h"

extern const char *const sp_volume_modes[2];
void sp_access_modes_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *modes);
/* Not below zero, in the words of storage. */
void sp_basic_resource_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *qty);
/* "RWO,ROX" */
yyjson_mut_val *sp_access_modes_cell(sp_kind_ctx *c, yyjson_mut_val *modes);
/* The volume that a VolumeAttachment gives inline. */
void sp_inline_volume_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *spec);
