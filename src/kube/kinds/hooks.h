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

/* The other groups. */
extern const sp_kind_hooks sp_hooks_api_service, sp_hooks_autoscaler, sp_hooks_autoscaler_v1,
	sp_hooks_certificate_signing_request, sp_hooks_cluster_role, sp_hooks_controller_revision,
	sp_hooks_cron_job, sp_hooks_csi_driver, sp_hooks_csi_node, sp_hooks_csi_storage_capacity,
	sp_hooks_daemon_set, sp_hooks_deployment, sp_hooks_disruption_budget, sp_hooks_endpoint_slice,
	sp_hooks_event_v1, sp_hooks_flow_schema, sp_hooks_ingress, sp_hooks_ingress_class,
	sp_hooks_ip_address, sp_hooks_job, sp_hooks_lease, sp_hooks_mutating_policy,
	sp_hooks_mutating_policy_binding, sp_hooks_network_policy, sp_hooks_priority_class,
	sp_hooks_priority_level, sp_hooks_replica_set, sp_hooks_role, sp_hooks_role_binding,
	sp_hooks_runtime_class, sp_hooks_service_cidr, sp_hooks_stateful_set, sp_hooks_storage_class,
	sp_hooks_validating_policy, sp_hooks_validating_policy_binding, sp_hooks_volume_attachment,
	sp_hooks_volume_attributes_class, sp_hooks_webhook_configuration, sp_hooks_resource_claim,
	sp_hooks_resource_claim_template, sp_hooks_device_class, sp_hooks_resource_slice,
	sp_hooks_custom_resource_definition, sp_hooks_node_metrics, sp_hooks_pod_metrics;
