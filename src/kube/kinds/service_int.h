/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files about services and endpoints. */
#pragma once

#include "kube/kinds/kinds.h"

bool sp_service_is(yyjson_mut_val *obj, const char *type);
/* One cluster address, "None". */
bool sp_service_is_headless(yyjson_mut_val *obj);
/* Reachable from outside: a traffic policy makes sense. */
bool sp_service_external(yyjson_mut_val *obj);
/* A load balancer with local traffic only: it asks a health check port. */
bool sp_service_health_check(yyjson_mut_val *obj);

/* Upstream's validateService; `old` is NULL on create. */
void sp_service_rules(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);
/* The rules between clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy. */
void sp_service_cluster_ips(sp_violations *v, yyjson_mut_val *obj, yyjson_mut_val *old);
/* An address that endpoints and external IPs may have. */
void sp_endpoint_ip_validate(sp_violations *v, const sp_path *path, sp_str s);

void sp_service_drop_policy(yyjson_mut_val *obj);
void sp_service_prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);
void sp_service_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);
void sp_service_validate_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);
void sp_service_warn_create(sp_kind_ctx *c, yyjson_mut_val *obj);
void sp_service_warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);
void sp_service_warn_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);

extern const sp_cell sp_service_cells[4];
