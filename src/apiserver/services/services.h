/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and node ports of services. Each one that is in use is a key of the store, made and removed in
 * the same commit as its service, so that none is lost or given twice: an address is an IPAddress object, as
 * upstream keeps it; a port is a small record of the server's own.
 * U: kubernetes pkg/registry/core/service/storage/{storage,alloc}.go.
 */
#pragma once

#include "apiserver/services/pick.h"
#include "apiserver/write.h"

/* From the server's options. SP_EINVAL: `cidrs` is not one prefix or two of different families ("a,b"). */
sp_code api_service_ranges_parse(sp_str cidrs, sp_str node_ports, api_service_ranges *ret,
				 sp_err *err) SP_MUST_USE;

/*
 * Of a service that is written: families, addresses and ports filled into w->obj, claims and releases added
 * to the commit. `old` is NULL on create. True for every other resource. False: refused, answered.
 */
bool api_service_allocate(api_write *w, yyjson_mut_val *old);
/* Of a service that goes (w->obj): adds the release of all it has. False: answered. */
bool api_service_release(api_write *w);

/* ---- the parts ---- */

/* Adds an address of the family, `wanted` or any when that is empty, to the commit. The text in the arena;
 * {NULL, 0}: refused, answered. */
sp_str api_address_claim(api_write *w, sp_str family, sp_str wanted);
bool api_address_release(api_write *w, sp_str ip);

/* Why a port can't be had. */
typedef enum api_port_verdict {
	API_PORT_OK,
	API_PORT_TAKEN,
	API_PORT_OUTSIDE,
	API_PORT_FULL,
	API_PORT_ANSWERED, /* the write has failed */
} api_port_verdict;
api_port_verdict api_port_claim(api_write *w, int64_t wanted);
api_port_verdict api_port_claim_any(api_write *w, int64_t *ret);
bool api_port_release(api_write *w, int64_t port);

/* Node ports of a service as it is written: `old` as above. False: answered. */
bool api_service_ports(api_write *w, yyjson_mut_val *old);
bool api_service_ports_release(api_write *w, yyjson_mut_val *service);

/* 422 with what w->errors holds / with one error in it. Returns false. */
bool api_service_refuse(api_write *w);
bool api_service_fail(api_write *w, sp_str why);
