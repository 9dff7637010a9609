/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions that are for other servers: sent on to the node's own resolvers, one after the other, each from a
 * port and with an id of chance (RFC 5452), again by TCP when the answer was cut, and remembered for as long
 * as the answer says.
 */
#pragma once

#include "base/arena.h"
#include "io/world.h"
#include "network/dns/message.h"

#define DNS_SERVERS_MAX 3u
#define DNS_PENDING_MAX 512u /* more are refused */
#define DNS_CACHE_MAX 4096u  /* answers; the oldest one makes room */
#define DNS_TRY_NS UINT64_C(2000000000)

typedef struct dns_forwarder dns_forwarder;

/* `servers`: "IP:port", at most DNS_SERVERS_MAX count; none: every question ends with SP_EUNAVAILABLE. */
sp_code dns_forwarder_new(sp_world *w, const sp_str *servers, size_t n_servers, dns_forwarder **ret,
			  sp_err *err) SP_MUST_USE;
/* Ends what is under way without `done`. */
void dns_forwarder_free(dns_forwarder *f);

typedef struct dns_ask {
	/* Once, from the loop or from inside dns_ask_start: the packet, good during the call, with some id;
	 * an empty one: nobody answered. */
	void (*done)(struct dns_ask *k, sp_str packet);
	void *arg;
	void *run; /* of forward.c; NULL: not under way */
} dns_ask;

/* `wire` is a question's name, type and class; copied. */
void dns_ask_start(dns_forwarder *f, dns_ask *k, sp_str wire);
void dns_ask_cancel(dns_ask *k);

typedef struct dns_forward_stats {
	uint64_t n_asked, n_from_cache, n_failed;
	size_t n_cached, n_pending;
} dns_forward_stats;
dns_forward_stats dns_forward_counts(const dns_forwarder *f);

/* The first servers of a resolv.conf, as "IP:53" in the arena. */
size_t dns_resolv_conf(sp_arena *a, sp_str text, sp_str ret[DNS_SERVERS_MAX]);
