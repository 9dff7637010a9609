/* SPDX-License-Identifier: Apache-2.0 */
/* Where a service is reached without a service proxy: at one of its ready endpoints. U: apiserver
 * pkg/util/proxy/proxy.go, ResolveEndpoint. */
#pragma once

#include "base/arena.h"
#include "io/world.h"
#include "store/record.h"
#include "store/store.h"

typedef struct api_service_at {
	sp_world *world;
	sp_store *store;
	sp_arena *arena;
	sp_str ns, name;
	uint16_t port; /* the service's */
} api_service_at;

/* "10.0.0.1:8443" of one endpoint, each with the same chance, in the arena. False: *ret_why. */
bool api_service_endpoint(const api_service_at *at, sp_str *ret_address, sp_str *ret_why);
