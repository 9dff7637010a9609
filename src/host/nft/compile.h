/* SPDX-License-Identifier: Apache-2.0 */
/* Inside nft/: the line under translation, its words and values. */
#pragma once

#include "host/nft/message.h"

#define NFT_VALUE_BYTES 16u
#define NFT_KEY_WORDS 8u /* of 4 bytes: two addresses of IPv6, say */
#define NFT_KEY_BYTES ((size_t)4 * NFT_KEY_WORDS)

typedef struct nft_line {
	sp_str rest;  /* what was not read yet */
	sp_str whole; /* for messages */
	sp_buf *out;
	sp_err *err;
	uint32_t seq;
	uint32_t *set_ids; /* of anonymous sets, counted over a batch */
	uint8_t family;    /* NFPROTO_IPV4 or _IPV6 */
	sp_str table;
} nft_line;

/* A kind of value: how its text becomes bytes, and what sets call it (numbers of nft's own). */
typedef struct nft_type {
	const char *name; /* as in "type …" */
	uint32_t id;
	uint8_t n; /* bytes */
	bool (*parse)(sp_str text, uint8_t out[NFT_VALUE_BYTES]);
} nft_type;

typedef enum nft_kind {
	NFT_IP4,
	NFT_IP6,
	NFT_PROTO,
	NFT_PORT,
	NFT_NUMBER, /* 32 bits of the host */
	NFT_IFNAME,
	NFT_ADDRTYPE,
	NFT_CT_STATES,
	NFT_CT_STATUSES,
	NFT_KINDS_,
} nft_kind;
extern const nft_type nft_types[NFT_KINDS_];

/* SP_EINVAL with the line and what was wrong in it. */
sp_code nft_refuse(const nft_line *l, const char *what);
/* The next word, or one of the signs { } ; , alone; empty at the end. */
sp_str nft_word(nft_line *l);
sp_str nft_peek(const nft_line *l);
/* Takes the next word if it is this one. */
bool nft_take(nft_line *l, const char *word);
sp_code nft_expect(nft_line *l, const char *word) SP_MUST_USE;
/* A name of a table, chain or set: up to 255 bytes. */
sp_code nft_name(nft_line *l, sp_str *ret) SP_MUST_USE;
sp_code nft_u32(nft_line *l, uint32_t max, uint32_t *ret) SP_MUST_USE;

/* drop, accept, return, jump CHAIN, goto CHAIN. SP_ENOTFOUND: it is none (nothing was read). */
sp_code nft_verdict(nft_line *l, int32_t *ret, sp_str *ret_chain);

/* The messages of `add rule …` from its first match on; anonymous maps go before it. */
sp_code nft_rule(nft_line *l, sp_str chain) SP_MUST_USE;
/* One element of a set or map: key words and a verdict. */
void nft_put_element(sp_buf *b, const void *key, size_t n, const int32_t *verdict, sp_str chain);
