/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink and ctnetlink, as much as pods and services need: one request and its acknowledgement at a time.
 * A socket belongs to the network namespace it was opened in, for good.
 */
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "base/err.h"
#include "base/ip.h"

/* A request being built. Zero-initialise; a request that does not fit is refused by the talk. */
typedef struct host_nl {
	_Alignas(NLMSG_ALIGNTO) uint8_t bytes[1024];
	size_t len;
	bool overflow;
} host_nl;

/* Starts over: header and the fixed part that follows it. */
void host_nl_begin(host_nl *m, uint16_t type, uint16_t flags, const void *fixed, size_t n);
void host_nl_put(host_nl *m, uint16_t type, const void *bytes, size_t n);
void host_nl_put_str(host_nl *m, uint16_t type, sp_str s);
void host_nl_put_u32(host_nl *m, uint16_t type, uint32_t v);
/* A nested attribute; returns its place for the end. */
size_t host_nl_open(host_nl *m, uint16_t type);
void host_nl_close(host_nl *m, size_t at);

/* A socket of the present network namespace: NETLINK_ROUTE, NETLINK_NETFILTER. */
sp_code host_nl_socket(int protocol, int *ret, sp_err *err) SP_MUST_USE;
/* Sends and waits for the answer. The kernel's refusal is an error with sys_errno and `what`. */
sp_code host_nl_talk(int fd, const host_nl *m, const char *what, sp_err *err) SP_MUST_USE;

/* The same for a question with many answers (NLM_F_DUMP): each one's type and what follows its header. */
sp_code host_nl_dump(int fd, const host_nl *m,
		     void (*each)(void *arg, uint16_t type, const uint8_t *bytes, size_t n), void *arg,
		     const char *what, sp_err *err) SP_MUST_USE;

/* The next attribute of an answer: *at starts behind its fixed part. False at the end, and where one does not
 * fit. The value is within `bytes`; the type comes without its flags. */
bool host_nl_next(const uint8_t *bytes, size_t n, size_t *at, uint16_t *ret_type, const uint8_t **ret_value,
		  size_t *ret_n);

/* Text to the bytes of the family; false: no prefix. */
typedef struct host_prefix {
	uint8_t family, n_bits;
	uint8_t bytes[16];
	size_t n;
} host_prefix;
sp_code host_prefix_parse(sp_str cidr, host_prefix *ret, sp_err *err) SP_MUST_USE;
sp_code host_address_parse(sp_str ip, host_prefix *ret, sp_err *err) SP_MUST_USE;
