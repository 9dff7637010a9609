/* SPDX-License-Identifier: Apache-2.0 */
/* The DNS server of a cluster: UDP and TCP, the zone, and everything else by way of the node's resolvers. */
#pragma once

#include "base/log.h"
#include "network/dns/forward.h"
#include "network/dns/zone.h"

#define DNS_CLIENTS_MAX 256u /* TCP connections */

typedef struct dns_server_opts {
	sp_str address; /* "IP:port", of UDP and of TCP; port 0: one that is free in both */
	dns_zone *zone;
	dns_forwarder *forwarder;
	sp_log *log;
} dns_server_opts;

typedef struct dns_server dns_server;

sp_code dns_server_new(sp_world *w, const dns_server_opts *o, dns_server **ret, sp_err *err) SP_MUST_USE;
sp_str dns_server_address(const dns_server *s);
/* No answers any more; done comes once, perhaps from inside, when no connection is left. */
void dns_server_close(dns_server *s, void (*done)(void *arg), void *arg);
void dns_server_free(dns_server *s);
