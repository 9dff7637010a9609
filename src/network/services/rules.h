/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services as nftables objects, and the commands that turn one state into another. One table per family;
 * verdict maps from address, protocol and port lead to a chain per service port, which picks the chain of an
 * endpoint. What belongs to one service is rendered and compared on its own, so a change costs the same
 * whatever else there is. Pure text: who runs the commands is not known here.
 * U: kubernetes pkg/proxy/nftables (its README), nft(8).
 */
#pragma once

#include "base/buf.h"
#include "network/services/service.h"

typedef enum net_rule_kind {
	NET_SET,     /* name, body: its definition, which the name tells apart */
	NET_CHAIN,   /* name, body: rules, one a line */
	NET_ELEMENT, /* name: the map; key, body: the verdict; of a set: body is empty */
} net_rule_kind;

typedef struct net_rule {
	net_rule_kind kind;
	sp_str name, key, body;
} net_rule;

typedef struct net_rules {
	net_rule *at;
	size_t n;
} net_rules;

#define NET_TABLE "sampan-services"

/* The commands that make both tables anew, empty of services. */
sp_code net_rules_setup(sp_buf *out);
/* That remove them. */
sp_code net_rules_remove(sp_buf *out);

/* A service's objects, in the arena. */
sp_code net_rules_of(sp_arena *a, const net_service *s, net_family family, net_rules *ret,
		     sp_err *err) SP_MUST_USE;

/* The chain that refuses what no service was found for: `cidrs` are the cluster's prefixes of services'
 * addresses of the family. */
sp_code net_rules_of_cidrs(sp_arena *a, const net_strs *cidrs, net_family family, net_rules *ret,
			   sp_err *err) SP_MUST_USE;

/*
 * Append the commands from `old` to `now`, to be run in one transaction; nothing when they are alike. When
 * several change in one transaction, all of them take before the first puts: an address may go from one to
 * another.
 */
sp_code net_rules_take(const net_rules *old, const net_rules *now, net_family family, sp_buf *out);
sp_code net_rules_put(const net_rules *old, const net_rules *now, net_family family, sp_buf *out);
