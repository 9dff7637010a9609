/* SPDX-License-Identifier: Apache-2.0 */
#include "host/nft/message.h"

#include <arpa/inet.h>
#include <endian.h>

#define HEAD_BYTES sizeof(struct nlattr)

static void pad(sp_buf *b, size_t n)
{
	static const char zeros[NLA_ALIGNTO];
	(void)sp_buf_append(b, zeros, (NLA_ALIGNTO - n % NLA_ALIGNTO) % NLA_ALIGNTO); /* sticky */
}

size_t nft_begin(sp_buf *b, uint16_t type, uint16_t flags, uint8_t family, uint16_t resource, uint32_t seq)
{
	size_t at = b->len;
	const struct nlmsghdr head = {
		.nlmsg_type = type, .nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST), .nlmsg_seq = seq};
	const struct nfgenmsg gen = {
		.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(resource)};
	(void)sp_buf_append(b, &head, sizeof head);
	(void)sp_buf_append(b, &gen, sizeof gen);
	return at;
}

void nft_end(sp_buf *b, size_t at)
{
	uint32_t n = (uint32_t)(b->len - at);
	if (sp_buf_code(b) == SP_OK)
		memcpy(b->ptr + at + offsetof(struct nlmsghdr, nlmsg_len), &n, sizeof n);
}

static void put_head(sp_buf *b, uint16_t type, size_t n)
{
	if (n > UINT16_MAX - HEAD_BYTES)
		b->code = SP_ETOOLARGE;
	const struct nlattr head = {.nla_len = (uint16_t)(HEAD_BYTES + n), .nla_type = type};
	(void)sp_buf_append(b, &head, sizeof head);
}

void nft_put(sp_buf *b, uint16_t type, const void *bytes, size_t n)
{
	put_head(b, type, n);
	(void)sp_buf_append(b, bytes, n);
	pad(b, n);
}

void nft_put_str(sp_buf *b, uint16_t type, sp_str s)
{
	put_head(b, type, s.len + 1);
	(void)sp_buf_str(b, s);
	(void)sp_buf_char(b, '\0');
	pad(b, s.len + 1);
}

void nft_put_u32(sp_buf *b, uint16_t type, uint32_t v)
{
	uint32_t wire = htonl(v);
	nft_put(b, type, &wire, sizeof wire);
}

void nft_put_u64(sp_buf *b, uint16_t type, uint64_t v)
{
	uint64_t wire = htobe64(v);
	nft_put(b, type, &wire, sizeof wire);
}

size_t nft_open(sp_buf *b, uint16_t type)
{
	size_t at = b->len;
	put_head(b, type | NLA_F_NESTED, 0);
	return at;
}

void nft_close(sp_buf *b, size_t at)
{
	size_t n = b->len - at;
	uint16_t wire = (uint16_t)n;
	if (sp_buf_code(b) != SP_OK)
		return;
	if (n > UINT16_MAX)
		b->code = SP_ETOOLARGE;
	else
		memcpy(b->ptr + at + offsetof(struct nlattr, nla_len), &wire, sizeof wire);
}

void nft_put_value(sp_buf *b, uint16_t type, const void *bytes, size_t n)
{
	size_t at = nft_open(b, type);
	nft_put(b, NFTA_DATA_VALUE, bytes, n);
	nft_close(b, at);
}

void nft_put_verdict(sp_buf *b, uint16_t type, int32_t verdict, sp_str chain)
{
	size_t at = nft_open(b, type), inner = nft_open(b, NFTA_DATA_VERDICT);
	nft_put_u32(b, NFTA_VERDICT_CODE, (uint32_t)verdict);
	if (chain.len > 0)
		nft_put_str(b, NFTA_VERDICT_CHAIN, chain);
	nft_close(b, inner);
	nft_close(b, at);
}
