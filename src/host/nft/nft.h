/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nftables without its library: commands in the part of nft(8)'s language that this project writes become one
 * batch of messages to the kernel. libnftables asks the kernel for every chain and set of the machine before
 * each transaction, to check names; here the kernel checks them, so that a change costs the same however many
 * rules there are.
 *
 * One command a line; FAMILY is ip or ip6, words stand apart:
 *
 *   add|delete table FAMILY TABLE
 *   add chain FAMILY TABLE CHAIN [{ type nat|filter hook HOOK priority N ; }]
 *   delete|flush chain FAMILY TABLE CHAIN
 *   add map FAMILY TABLE NAME { type TYPE [. TYPE]… : verdict ; }
 *   add set FAMILY TABLE NAME { type TYPE [. TYPE]… ; [flags dynamic,timeout ; timeout Ns ;] }
 *   delete set|map FAMILY TABLE NAME
 *   add|delete element FAMILY TABLE NAME { VALUE [. VALUE]… [: VERDICT] }
 *   add rule FAMILY TABLE CHAIN [MATCH]… [STATEMENT]…
 *
 * What a rule may say stands in the tables of rule.c. U: nft(8); linux/netfilter/nf_tables.h.
 */
#pragma once

#include "base/buf.h"

/*
 * Runs commands in one transaction: all of them or none. Blocks. SP_EINVAL: a command that is not understood
 * (nothing was sent); with sys_errno: what the kernel refused, with the first such line.
 */
sp_code host_nft_run(sp_str commands, sp_err *err) SP_MUST_USE;

/* Whether this kernel has nftables. SP_EFORBIDDEN: without CAP_NET_ADMIN it does not say. */
sp_code host_nft_ask(sp_err *err) SP_MUST_USE;

/*
 * The messages alone: a batch from begin to end, whose messages have the number of their line (from 1) as
 * sequence number and whose last one asks to be acknowledged.
 */
sp_code nft_compile(sp_str commands, sp_buf *out, sp_err *err) SP_MUST_USE;
