/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine is called when nobody says otherwise. */
#pragma once

#include "base/arena.h"

/* The first address of an interface that is up and no loopback, IPv4 before IPv6; else 127.0.0.1. */
sp_str cli_host_address(sp_arena *a);

/* The host name in lower case, as nodes are named; {NULL, 0} when it has none. */
sp_str cli_host_name(sp_arena *a);
