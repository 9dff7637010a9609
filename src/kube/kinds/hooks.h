/* SPDX-License-Identifier: Apache-2.0 */
/* All hooks, as schema/ names them by hooks=NAME. */
#pragma once

#include "kube/kinds/kinds.h"

/* core/v1 */
extern const sp_kind_hooks sp_hooks_binding, sp_hooks_config_map, sp_hooks_endpoints, sp_hooks_event,
	sp_hooks_limit_range, sp_hooks_namespace, sp_hooks_node, sp_hooks_persistent_volume,
	sp_hooks_persistent_volume_claim, sp_hooks_pod, sp_hooks_pod_template,
	sp_hooks_replication_controller, sp_hooks_resource_quota, sp_hooks_secret, sp_hooks_service,
	sp_hooks_service_account;
