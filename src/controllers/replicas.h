/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping a number of pods alike: what ReplicaSets and ReplicationControllers do. */
#pragma once

#include "controllers/owned_pods.h"
#include "controllers/pods.h"

/* What differs between the two. */
typedef struct replicas_kind {
	sp_gvr gvr;
	const char *api_version, *kind;
	bool map_selector;
	bool tells_terminating;   /* its status has terminatingReplicas */
	const sp_view_desc *view; /* of a replicas_view */
} replicas_kind;

typedef struct replicas_view {
	sp_str deleted, name;
	int64_t generation, replicas, min_ready_s;
	bool has_replicas;
	yyjson_val *selector, *template_;
	/* status */
	int64_t n, n_labeled, n_ready, n_available, n_terminating, observed;
	bool has_n_terminating;
	sp_vlist conditions;
} replicas_view;

typedef struct replicas_controller {
	controller base;
	const replicas_kind *kind;
	sp_informer *owners, *pods;
	unsigned by_owner, orphans;
	sp_informer_watch owner_watch;
	owned_pods owned;
} replicas_controller;

sp_code replicas_open(replicas_controller *r, const replicas_kind *kind, sp_err *err) SP_MUST_USE;
void replicas_sync(controller *c, sp_job *job);
void replicas_done(controller *c);
