/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses as text: "127.0.0.1:6443", "[::1]:80", "unix:/run/x.sock", "unix:@abstract", "fd:3" and, where a
 * name may be resolved, "host:port". One parser for both worlds.
 */
#pragma once

#include "base/err.h"

typedef enum sp_address_kind {
	SP_ADDRESS_IP4,
	SP_ADDRESS_IP6,
	SP_ADDRESS_UNIX,     /* name: the path */
	SP_ADDRESS_ABSTRACT, /* name: without the '@' */
	SP_ADDRESS_FD,
	SP_ADDRESS_NAME, /* name: a host name */
} sp_address_kind;

typedef struct sp_address {
	sp_address_kind kind;
	uint8_t ip[16]; /* network order; the first 4 bytes for IP4 */
	uint16_t port;
	int fd;
	sp_str name; /* a view of the text */
} sp_address;

#define SP_ADDRESS_UNIX_BYTES 107u /* of a path or abstract name: sun_path less a NUL */
/* "[" 45 "]:" 5 and a NUL; "unix:@" and a name */
#define SP_ADDRESS_TEXT_BYTES 128u

/* SP_EINVAL with the text quoted. IPv6 zones are not taken. */
sp_code sp_address_parse(sp_str text, sp_address *ret, sp_err *err) SP_MUST_USE;
/* Writes the text and a NUL; returns the length. Host names are cut at the end of the room. */
size_t sp_address_print(const sp_address *a, char *out, size_t out_bytes);
