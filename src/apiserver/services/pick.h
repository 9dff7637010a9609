/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers that services are given: addresses of a prefix, ports of a range. The front of each range is
 * kept for those who ask for a number by name, and is only handed out when the rest is full.
 * U: kubernetes pkg/registry/core/service/{ipallocator,portallocator}.
 */
#pragma once

#include "base/err.h"
#include "base/ip.h"

/* Numbers 0 … n-1, of which the first n_kept are handed out last. */
typedef struct api_range {
	uint64_t n, n_kept;
} api_range;

/*
 * A free number: some steps from a random one on (`random` is any number), around the end. `taken` tells of
 * one. At most API_PICK_STEPS_MAX are looked at in each part. False: none was found.
 */
#define API_PICK_STEPS_MAX 65536u
bool api_pick(const api_range *r, uint64_t random, bool (*taken)(void *arg, uint64_t i), void *arg,
	      uint64_t *ret);

/* The addresses of a prefix that hosts may have: not the network's own, and of IPv4 not the last. */
typedef struct api_ip_range {
	sp_cidr cidr;
	sp_ip first;
	api_range numbers;
} api_ip_range;

/* SP_EINVAL: no prefix, or an IPv6 one shorter than 64 bits. */
sp_code api_ip_range_parse(sp_str text, api_ip_range *ret, sp_err *err) SP_MUST_USE;
sp_ip api_ip_range_at(const api_ip_range *r, uint64_t i);
/* True when hosts of the range may have it. */
bool api_ip_range_has(const api_ip_range *r, const sp_ip *ip);

/* "30000-32767", or "30000+100". SP_EINVAL: something else, or beyond 1 … 65535. */
typedef struct api_port_range {
	uint16_t first, last;
} api_port_range;
sp_code api_port_range_parse(sp_str text, api_port_range *ret, sp_err *err) SP_MUST_USE;
api_range api_port_range_numbers(const api_port_range *r);
