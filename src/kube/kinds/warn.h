/* SPDX-License-Identifier: Apache-2.0 */
/* Warnings that several kinds give. */
#pragma once

#include "kube/kinds/kinds.h"

/* What is to be used instead of a node's old label, or NULL. */
const char *sp_node_label_deprecated(sp_str key);
void sp_node_selector_term_warn(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *term);
/* An address that is not in canonical form. */
void sp_ip_warn(sp_kind_ctx *c, const sp_path *path, sp_str text);
/* A claim's spec. */
void sp_pvc_spec_warn(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *spec);
