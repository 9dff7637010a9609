/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and prefixes as text. Parsing is as lenient as Go's old net.ParseIP, which Kubernetes keeps for
 * stored objects (decimal IPv4 parts with leading zeros); what a strict parser refuses is flagged. Zones are
 * refused.
 */
#pragma once

#include "base/str.h"

typedef struct sp_ip {
	uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
	bool v4;           /* an IPv4 address, written as one or mapped into IPv6 */
	bool mapped;       /* v4 written as ::ffff:… */
	bool leading_zeros;
} sp_ip;

typedef struct sp_cidr {
	sp_ip ip;           /* as written: bits behind the prefix may be set */
	uint8_t n_bits;     /* of an IPv4 prefix counted from its own 32 bits, unless mapped */
	bool leading_zeros; /* in the address or the length */
} sp_cidr;

/* False: no address. */
bool sp_ip_parse(sp_str text, sp_ip *ret) SP_MUST_USE;
bool sp_cidr_parse(sp_str text, sp_cidr *ret) SP_MUST_USE;

/* Canonical text (RFC 5952; a mapped address as IPv4), without NUL; returns the length. */
#define SP_IP_TEXT_BYTES 48
size_t sp_ip_print(char out[SP_IP_TEXT_BYTES], const sp_ip *ip);
/* The network of a prefix: "10.1.0.0/16". */
size_t sp_cidr_print(char out[SP_IP_TEXT_BYTES], const sp_cidr *c);

/* The address with all bits behind the prefix cleared. */
sp_ip sp_cidr_network(const sp_cidr *c);
bool sp_cidr_contains(const sp_cidr *c, const sp_ip *ip);

static inline bool sp_ip_eq(const sp_ip *a, const sp_ip *b)
{
	return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* Go's predicates; of mapped addresses as of IPv4. */
bool sp_ip_is_unspecified(const sp_ip *ip);
bool sp_ip_is_loopback(const sp_ip *ip);
bool sp_ip_is_link_local_unicast(const sp_ip *ip);
bool sp_ip_is_link_local_multicast(const sp_ip *ip);
