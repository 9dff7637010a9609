/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the agent works, in the words of kubelet's settings (KubeletConfiguration of
 * kubelet.config.k8s.io/v1beta1): what /configz tells. Of members that kubelet has, those are there that are
 * true of the agent; limits that it does not have are left out. U: k8s.io/component-base configz,
 * k8s.io/kubelet config/v1beta1/types.go.
 */
#pragma once

#include "node/agent.h"

/* Appends {"kubeletconfig":{…}}. SP_ENOMEM. */
sp_code node_settings_write(const node_agent_opts *o, sp_buf *out) SP_MUST_USE;
