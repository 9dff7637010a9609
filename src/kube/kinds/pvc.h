/* SPDX-License-Identifier: Apache-2.0 */
/* Persistent volume claims, as kinds of their own and as templates. */
#pragma once

#include "kube/kinds/kinds.h"

/* The spec of a claim. */
void sp_pvc_spec_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *spec);
/* A claim template in a volume: labels, annotations and spec; no other metadata. */
void sp_pvc_template_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *claim_template);
/* Defaults of a claim's spec. */
void sp_pvc_spec_defaults(sp_kind_ctx *c, yyjson_mut_val *spec);
