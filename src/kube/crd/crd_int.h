/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of kube/crd. */
#pragma once

#include "kube/crd/crd.h"

/* A path step: "a.b" (joined by a dot unless the parent is empty), "a[key]" / "a[3]". Empty without room. */
sp_str sp_crd_path(sp_arena *a, sp_str parent, sp_str name);
sp_str sp_crd_path_key(sp_arena *a, sp_str parent, sp_str key);
