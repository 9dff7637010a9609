/* SPDX-License-Identifier: Apache-2.0 */
/* Every controller of this process, by its file. */
#pragma once

#include "controllers/controller.h"

extern const controller_type controller_namespace;                           /* namespace.c */
extern const controller_type controller_service_account, controller_root_ca; /* per_namespace.c */
extern const controller_type controller_account_tokens;                      /* account_tokens.c */
extern const controller_type controller_legacy_tokens;                       /* legacy_tokens.c */
extern const controller_type controller_deployment;                          /* deployment.c */
extern const controller_type controller_endpoint_slice,
	controller_endpoints;                    /* endpoint_slice.c, endpoints.c */
extern const controller_type controller_garbage; /* garbage.c */
extern const controller_type controller_replica_set, controller_replication; /* replica_set.c */
extern const controller_type controller_daemon_set;                          /* daemon_set.c */
extern const controller_type controller_stateful_set;                        /* stateful_set.c */
extern const controller_type controller_job;                                 /* job.c */
extern const controller_type controller_cron_job;                            /* cron_job.c */
extern const controller_type controller_ttl_finished;                        /* finished.c */
extern const controller_type controller_pod_gc;                              /* pod_gc.c */
extern const controller_type controller_node_lifecycle,
	controller_taint_eviction;                     /* node_lifecycle.c, taint_eviction.c */
extern const controller_type controller_volume_binder; /* volume_binder.c */
extern const controller_type controller_claim_protection, controller_class_protection,
	controller_volume_protection;                     /* volume_protection.c */
extern const controller_type controller_ephemeral_volume; /* ephemeral_volume.c */
extern const controller_type controller_local_path;       /* local_path.c */
extern const controller_type controller_resource_quota;   /* resource_quota.c */
extern const controller_type controller_disruption;       /* disruption.c */
extern const controller_type controller_endpoint_mirror;  /* endpoint_mirror.c */
extern const controller_type controller_role_aggregation; /* role_aggregation.c */
extern const controller_type controller_policy_status;    /* policy_status.c */
extern const controller_type controller_cert_approve, controller_cert_sign,
	controller_cert_clean;                           /* cert_approve.c, cert_sign.c, cert_clean.c */
extern const controller_type controller_serving_approve; /* serving_approve.c */
extern const controller_type controller_token_cleaner, controller_bootstrap_signer; /* bootstrap_tokens.c */
extern const controller_type controller_node_ttl;                                   /* node_ttl.c */
extern const controller_type controller_node_ipam;                                  /* node_ipam.c */
extern const controller_type controller_hpa;                                        /* hpa.c */
extern const controller_type controller_attach;                                     /* attach.c */
extern const controller_type controller_volume_expand;                              /* volume_expand.c */
extern const controller_type controller_resource_claim;                             /* resource_claim.c */
extern const controller_type controller_service_cidr;                               /* service_cidr.c */
extern const controller_type controller_device_eviction;                            /* device_eviction.c */
