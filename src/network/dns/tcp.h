/* SPDX-License-Identifier: Apache-2.0 */
/* One question to another server by TCP, after it cut its answer by UDP. RFC 7766. */
#pragma once

#include "io/world.h"

typedef struct dns_tcp dns_tcp;

/*
 * `server` is "IP:port", `query` a packet; both are copied. done comes once, from the loop: what was
 * answered, good during the call and not looked at, or nothing ({NULL, 0}: no connection, no answer within
 * timeout_ns, another length than it said). NULL: no memory, no descriptor; done does not come.
 */
dns_tcp *dns_tcp_start(sp_world *w, sp_str server, sp_str query, uint64_t timeout_ns,
		       void (*done)(void *arg, sp_str packet), void *arg) SP_MUST_USE;
/* done does not come any more. What it still has is given back by the loop. NULL is fine. */
void dns_tcp_cancel(dns_tcp *t);
