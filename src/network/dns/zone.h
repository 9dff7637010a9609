/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cluster's zone, answered from Services, EndpointSlices and Namespaces as they stand in caches: a pod is
 * in DNS in the same turn of the loop in which its endpoint was seen to be ready.
 * U: the Kubernetes DNS specification, schema 1.1.0; CoreDNS's kubernetes plugin where that leaves a choice.
 */
#pragma once

#include "client/informer.h"
#include "network/dns/message.h"

#define DNS_TTL_S 5u

typedef struct dns_zone dns_zone;

/* `informers` is not started yet and outlives the zone; `domain` ("cluster.local") is copied. */
sp_code dns_zone_new(sp_informers *informers, sp_str domain, dns_zone **ret, sp_err *err) SP_MUST_USE;
void dns_zone_free(dns_zone *z);

typedef enum dns_verdict {
	DNS_DONE,    /* *ret_rcode and the records are the answer */
	DNS_FORWARD, /* the name is somebody else's */
	DNS_CHASE,   /* a CNAME was written; its target (*ret_target) is somebody else's */
} dns_verdict;

/* Appends the records. `a`'s question is of class IN. Texts live in the arena. */
dns_verdict dns_zone_answer(dns_zone *z, sp_arena *arena, dns_answer *a, unsigned *ret_rcode,
			    sp_str *ret_target);
