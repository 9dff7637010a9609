/* SPDX-License-Identifier: Apache-2.0 */
/* Routes to the pods of other nodes, in the main table. U: rtnetlink(7). */
#pragma once

#include "base/err.h"
#include "base/ip.h"

/* Marks ours among all routes: nothing else is touched. `ip route show proto 83`. */
#define HOST_ROUTES_PROTOCOL 83

typedef struct host_route {
	sp_cidr to;
	sp_ip via;
} host_route;

/* Makes ours these and no others. Blocks. One that the kernel refuses (a gateway that is not on a link of
 * this machine) does not keep the others from being set; the first such error is returned. */
sp_code host_routes_set(const host_route *at, size_t n, sp_err *err) SP_MUST_USE;
