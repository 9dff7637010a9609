/* SPDX-License-Identifier: Apache-2.0 */
/* Routes to the pods of other nodes, in the main table. U: rtnetlink(7). */
#pragma once

#include "contracts/routes.h"

/* Marks ours among all routes: nothing else is touched. `ip route show proto 83`. */
#define HOST_ROUTES_PROTOCOL 83

/* Makes ours these and no others. Blocks. One that is refused, here (not sane, an address of this machine
 * lies in it: SP_EINVAL) or by the kernel (a gateway that is not on a link of this machine), is taken away if
 * it was there and does not keep the others from being set; the first such error is returned. */
sp_code host_routes_set(const sp_route *at, size_t n, sp_err *err) SP_MUST_USE;
