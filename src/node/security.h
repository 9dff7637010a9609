/* SPDX-License-Identifier: Apache-2.0 */
/* Security contexts: of the pod and of the container in one, in CRI's terms. U: kubernetes
 * pkg/securitycontext/util.go, pkg/kubelet/kuberuntime/security_context.go. */
#pragma once

#include "contracts/cri_container.h"
#include "node/pod.h"

typedef struct node_security_input {
	const node_pod *pod;
	const node_container *c;
	sp_str seccomp_root, target_id;
	bool has_image_uid;
	int64_t image_uid;
	sp_str image_user;
} node_security_input;

/* SP_EINVAL: the container would run as root and may not (words for its status); SP_ETOOLARGE. */
sp_code node_container_security(const node_security_input *in, sp_arena *a,
				sp_cri_linux_container_security_context **ret, sp_err *err) SP_MUST_USE;
sp_code node_sandbox_security(const node_pod *p, sp_arena *a, sp_cri_linux_sandbox_security_context **ret,
			      sp_err *err) SP_MUST_USE;

/* The range of ids that the pod has for itself, for users and groups alike. NULL: no memory. */
sp_cri_id_mapping *node_pod_ids(const node_pod *p, sp_arena *a);
