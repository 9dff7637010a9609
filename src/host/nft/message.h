/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of nf_tables, appended to a buffer whose errors are sticky. Numbers go out in network order. */
#pragma once

#include <netinet/in.h> /* before the kernel's, which give way */

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include "base/buf.h"

/* A message of any subsystem; returns its place for the end. */
size_t nft_begin(sp_buf *b, uint16_t type, uint16_t flags, uint8_t family, uint16_t resource, uint32_t seq);
void nft_end(sp_buf *b, size_t at);

void nft_put(sp_buf *b, uint16_t type, const void *bytes, size_t n);
void nft_put_str(sp_buf *b, uint16_t type, sp_str s); /* with a NUL */
void nft_put_u32(sp_buf *b, uint16_t type, uint32_t v);
void nft_put_u64(sp_buf *b, uint16_t type, uint64_t v);
/* A nested attribute; one that is longer than its length can say makes the buffer SP_ETOOLARGE. */
size_t nft_open(sp_buf *b, uint16_t type);
void nft_close(sp_buf *b, size_t at);

/* NFTA_DATA_VALUE, and a verdict (chain only of a jump or goto), within an attribute of `type`. */
void nft_put_value(sp_buf *b, uint16_t type, const void *bytes, size_t n);
void nft_put_verdict(sp_buf *b, uint16_t type, int32_t verdict, sp_str chain);
