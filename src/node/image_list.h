/* SPDX-License-Identifier: Apache-2.0 */
/* The images of the node, as its status has them. Pure. U: kubernetes pkg/kubelet/nodestatus/setters.go
 * (Images). */
#pragma once

#include "base/json_out.h"
#include "contracts/cri.h"

#define NODE_IMAGES_TOLD_MAX 50u /* U: nodeStatusMaxImages */

/* A list of the largest ones, largest first, each with at most five names. In the arena meanwhile. SP_ENOMEM.
 */
sp_code node_image_list_write(const sp_cri_list_images_response *l, sp_arena *a, sp_jout *j,
			      sp_err *err) SP_MUST_USE;
