/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/table.h"

/* In the order they are opened: who makes more for the others stands first. */
/* clang-format off */
const controller_type *const controller_types[] = {
	&controller_namespace,
	&controller_service_account,
	&controller_root_ca,
	&controller_deployment,
	&controller_replica_set,
	&controller_replication,
	&controller_stateful_set,
	&controller_daemon_set,
	&controller_node_ipam,
	&controller_node_lifecycle,
	&controller_node_ttl,
	&controller_taint_eviction,
	&controller_job,
	&controller_cron_job,
	&controller_ttl_finished,
	&controller_pod_gc,
	&controller_endpoint_slice,
	&controller_endpoints,
	&controller_endpoint_mirror,
	&controller_role_aggregation,
	&controller_ephemeral_volume,
	&controller_volume_binder,
	&controller_local_path,
	&controller_claim_protection,
	&controller_volume_protection,
	&controller_class_protection,
	&controller_volume_expand,
	&controller_attach,
	&controller_token_cleaner,
	&controller_bootstrap_signer,
	&controller_cert_approve,
	&controller_serving_approve,
	&controller_cert_sign,
	&controller_cert_clean,
	&controller_resource_quota,
	&controller_disruption,
	&controller_hpa,
	&controller_policy_status,
	&controller_garbage,
};
/* clang-format on */
const size_t n_controller_types = SP_LEN(controller_types);
