/* SPDX-License-Identifier: Apache-2.0 */
/* Words of a line, and values as the kernel compares them. */
#include <net/if.h>

#include "base/ip.h"
#include "base/num.h"
#include "host/nft/compile.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/rtnetlink.h>

/* ---- words ---- */

sp_code nft_refuse(const nft_line *l, const char *what)
{
	return sp_fail(l->err, SP_EINVAL, "nftables: %s: " SP_FMT, what,
		       SP_ARG(sp_str_sub(l->whole, 0, 120)));
}

static bool is_sign(char c)
{
	return c == '{' || c == '}' || c == ';' || c == ',';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

sp_str nft_word(nft_line *l)
{
	size_t n = 0;
	while (l->rest.len > 0 && is_blank(l->rest.ptr[0]))
		l->rest = sp_str_sub(l->rest, 1, l->rest.len);
	if (l->rest.len > 0 && is_sign(l->rest.ptr[0]))
		n = 1;
	else
		while (n < l->rest.len && !is_blank(l->rest.ptr[n]) && !is_sign(l->rest.ptr[n]))
			n++;
	sp_str word = sp_str_sub(l->rest, 0, n);
	l->rest = sp_str_sub(l->rest, n, l->rest.len);
	return word;
}

sp_str nft_peek(const nft_line *l)
{
	nft_line ahead = *l;
	return nft_word(&ahead);
}

bool nft_take(nft_line *l, const char *word)
{
	if (!sp_str_eq(nft_peek(l), sp_str_c(word)))
		return false;
	(void)nft_word(l);
	return true;
}

sp_code nft_expect(nft_line *l, const char *word)
{
	return nft_take(l, word) ? SP_OK : nft_refuse(l, "not understood");
}

sp_code nft_name(nft_line *l, sp_str *ret)
{
	*ret = nft_word(l);
	bool good = ret->len > 0 && ret->len < NFT_NAME_MAXLEN && !is_sign(ret->ptr[0]) &&
		    sp_str_index(*ret, '\0') < 0;
	return good ? SP_OK : nft_refuse(l, "no name");
}

sp_code nft_u32(nft_line *l, uint32_t max, uint32_t *ret)
{
	uint64_t v = 0;
	sp_str word = nft_word(l);
	uint64_t hex = 0;
	if (sp_str_take(&word, SP_STR("0x"))) {
		for (size_t i = 0; i < word.len; i++) {
			const char *digits = "0123456789abcdef", *at = strchr(digits, word.ptr[i]);
			if (word.len > 8 || word.ptr[i] == '\0' || at == NULL)
				return nft_refuse(l, "no number");
			hex = hex << 4 | (uint64_t)(at - digits);
		}
		v = hex;
		if (word.len == 0 || v > max)
			return nft_refuse(l, "no number");
	} else if (sp_parse_u64(word, 0, max, &v, NULL) != SP_OK) {
		return nft_refuse(l, "no number");
	}
	*ret = (uint32_t)v;
	return SP_OK;
}

/* ---- values ---- */

typedef struct named {
	const char *name;
	uint32_t value;
} named;

static bool find_named(const named *in, size_t n, sp_str text, uint32_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(text, sp_str_c(in[i].name))) {
			*ret = in[i].value;
			return true;
		}
	}
	return false;
}

/* A name of the list as 32 bits of the host. */
static bool put_named(const named *in, size_t n, sp_str text, uint8_t out[NFT_VALUE_BYTES])
{
	uint32_t v = 0;
	bool found = find_named(in, n, text, &v);
	memcpy(out, &v, sizeof v);
	return found;
}

static bool parse_ip(sp_str text, bool v4, uint8_t out[NFT_VALUE_BYTES])
{
	sp_ip ip;
	if (!sp_ip_parse(text, &ip) || ip.v4 != v4)
		return false;
	memcpy(out, ip.bytes + (v4 ? 12 : 0), v4 ? 4 : 16);
	return true;
}

static bool parse_ip4(sp_str text, uint8_t out[NFT_VALUE_BYTES])
{
	return parse_ip(text, true, out);
}

static bool parse_ip6(sp_str text, uint8_t out[NFT_VALUE_BYTES])
{
	return parse_ip(text, false, out);
}

static bool parse_proto(sp_str text, uint8_t out[NFT_VALUE_BYTES])
{
	static const named protocols[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}};
	uint32_t v = 0;
	bool found = find_named(protocols, SP_LEN(protocols), text, &v);
	out[0] = (uint8_t)v;
	return found;
}

static bool parse_port(sp_str text, uint8_t out[NFT_VALUE_BYTES])
{
	uint64_t v = 0;
	bool good = sp_parse_u64(text, 0, UINT16_MAX, &v, NULL) == SP_OK;
	uint16_t wire = htons((uint16_t)v);
	memcpy(out, &wire, sizeof wire);
	return good;
}

static bool parse_number(sp_str text, uint8_t out[NFT_VALUE_BYTES])
{
	uint64_t v = 0;
	bool good = sp_parse_u64(text, 0, UINT32_MAX, &v, NULL) == SP_OK;
	uint32_t host = (uint32_t)v;
	memcpy(out, &host, sizeof host);
	return good;
}

static bool parse_ifname(sp_str text, uint8_t out[NFT_VALUE_BYTES])
{
	bool quoted = sp_str_take(&text, SP_STR("\"")) && sp_str_ends(text, SP_STR("\""));
	if (!quoted || text.len - 1 == 0 || text.len - 1 >= IFNAMSIZ)
		return false;
	memset(out, 0, NFT_VALUE_BYTES);
	memcpy(out, text.ptr, text.len - 1);
	return true;
}

static bool parse_addrtype(sp_str text, uint8_t out[NFT_VALUE_BYTES])
{
	static const named kinds[] = {{"local", RTN_LOCAL}};
	return put_named(kinds, SP_LEN(kinds), text, out);
}

static bool parse_ct_state(sp_str text, uint8_t out[NFT_VALUE_BYTES])
{
	static const named states[] = {{"new", NF_CT_STATE_BIT(IP_CT_NEW)},
				       {"established", NF_CT_STATE_BIT(IP_CT_ESTABLISHED)},
				       {"related", NF_CT_STATE_BIT(IP_CT_RELATED)},
				       {"invalid", NF_CT_STATE_INVALID_BIT}};
	return put_named(states, SP_LEN(states), text, out);
}

static bool parse_ct_status(sp_str text, uint8_t out[NFT_VALUE_BYTES])
{
	static const named statuses[] = {{"snat", IPS_SRC_NAT}, {"dnat", IPS_DST_NAT}};
	return put_named(statuses, SP_LEN(statuses), text, out);
}

const nft_type nft_types[NFT_KINDS_] = {
	[NFT_IP4] = {"ipv4_addr", 7, 4, parse_ip4},
	[NFT_IP6] = {"ipv6_addr", 8, 16, parse_ip6},
	[NFT_PROTO] = {"inet_proto", 12, 1, parse_proto},
	[NFT_PORT] = {"inet_service", 13, 2, parse_port},
	[NFT_NUMBER] = {"integer", 4, 4, parse_number},
	[NFT_IFNAME] = {"ifname", 41, 16, parse_ifname},
	[NFT_ADDRTYPE] = {"fib_addrtype", 40, 4, parse_addrtype},
	[NFT_CT_STATES] = {"ct_state", 26, 4, parse_ct_state},
	[NFT_CT_STATUSES] = {"ct_status", 28, 4, parse_ct_status},
};
