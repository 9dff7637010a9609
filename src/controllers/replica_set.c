/* SPDX-License-Identifier: Apache-2.0 */
/* ReplicaSets and ReplicationControllers. U: kubernetes pkg/controller/replicaset, replication. */
#include "controllers/replicas.h"
#include "controllers/table.h"

#define FIELDS                                                                                              \
	SP_V(replicas_view, deleted, "metadata.deletionTimestamp"),                                         \
		SP_V(replicas_view, name, "metadata.name"),                                                 \
		SP_V(replicas_view, generation, "metadata.generation"),                                     \
		SP_VH(replicas_view, replicas, "spec.replicas"),                                            \
		SP_V(replicas_view, min_ready_s, "spec.minReadySeconds"),                                   \
		SP_V(replicas_view, selector, "spec.selector"),                                             \
		SP_V(replicas_view, template_, "spec.template"), SP_V(replicas_view, n, "status.replicas"), \
		SP_V(replicas_view, n_labeled, "status.fullyLabeledReplicas"),                              \
		SP_V(replicas_view, n_ready, "status.readyReplicas"),                                       \
		SP_V(replicas_view, n_available, "status.availableReplicas"),                               \
		SP_V(replicas_view, observed, "status.observedGeneration"),                                 \
		SP_V(replicas_view, conditions, "status.conditions")

SP_VIEW(rs_view_desc, replicas_view, "apps/v1/ReplicaSet",
	SP_VH(replicas_view, n_terminating, "status.terminatingReplicas"), FIELDS);
SP_VIEW(rc_view_desc, replicas_view, "v1/ReplicationController", FIELDS);

static const replicas_kind replica_set = {
	.gvr = {SP_STR_INIT("apps"), SP_STR_INIT("v1"), SP_STR_INIT("replicasets")},
	.api_version = "apps/v1",
	.kind = "ReplicaSet",
	.tells_terminating = true,
	.view = &rs_view_desc};
static const replicas_kind replication_controller = {
	.gvr = {SP_STR_INIT(""), SP_STR_INIT("v1"), SP_STR_INIT("replicationcontrollers")},
	.api_version = "v1",
	.kind = "ReplicationController",
	.map_selector = true,
	.view = &rc_view_desc};

static sp_code open_set(controller *c, sp_err *err)
{
	return replicas_open(SP_CONTAINER_OF(c, replicas_controller, base), &replica_set, err);
}

static sp_code open_controller(controller *c, sp_err *err)
{
	return replicas_open(SP_CONTAINER_OF(c, replicas_controller, base), &replication_controller, err);
}

const controller_type controller_replica_set = {.name = "replicaset-controller",
						.size_bytes = sizeof(replicas_controller),
						.open = open_set,
						.sync = replicas_sync,
						.done = replicas_done};
const controller_type controller_replication = {.name = "replicationcontroller-controller",
						.account = "replication-controller",
						.component = "replication-controller",
						.size_bytes = sizeof(replicas_controller),
						.open = open_controller,
						.sync = replicas_sync,
						.done = replicas_done};
