/* SPDX-License-Identifier: Apache-2.0 */
/* The expressions of a rule. Values are loaded into 32-bit registers, one after the other for a
 * concatenation. */
#include "base/ip.h"
#include "host/nft/compile.h"

#include <linux/netfilter/nf_nat.h>

#define EXPRESSIONS_MAX ((size_t)60 << 10) /* a rule is one attribute */
#define ELEMENTS_PER_MESSAGE 200u          /* with the longest names still below 64 KiB */

typedef struct rule {
	nft_line *l;
	sp_buf out; /* the list of expressions */
} rule;

static size_t open_expr(rule *r, const char *name, size_t *ret_inner)
{
	size_t at = nft_open(&r->out, NFTA_LIST_ELEM);
	nft_put_str(&r->out, NFTA_EXPR_NAME, sp_str_c(name));
	*ret_inner = nft_open(&r->out, NFTA_EXPR_DATA);
	return at;
}

static void close_expr(rule *r, size_t at, size_t inner)
{
	nft_close(&r->out, inner);
	nft_close(&r->out, at);
}

/* An expression that is numbers alone. */
typedef struct number {
	uint16_t type;
	uint32_t value;
} number;
#define NUMBERS(...) (const number[]){__VA_ARGS__}, SP_LEN(((const number[]){__VA_ARGS__}))

static void put_numbers(rule *r, const char *name, const number *in, size_t n)
{
	size_t inner, at = open_expr(r, name, &inner);
	for (size_t i = 0; i < n; i++)
		nft_put_u32(&r->out, in[i].type, in[i].value);
	close_expr(r, at, inner);
}

static void put_compare(rule *r, uint32_t reg, bool equal, const void *bytes, size_t n)
{
	size_t inner, at = open_expr(r, "cmp", &inner);
	nft_put_u32(&r->out, NFTA_CMP_SREG, reg);
	nft_put_u32(&r->out, NFTA_CMP_OP, equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
	nft_put_value(&r->out, NFTA_CMP_DATA, bytes, n);
	close_expr(r, at, inner);
}

static void put_bitwise(rule *r, uint32_t reg, const void *mask, const void * xor, size_t n)
{
	size_t inner, at = open_expr(r, "bitwise", &inner);
	nft_put_u32(&r->out, NFTA_BITWISE_SREG, reg);
	nft_put_u32(&r->out, NFTA_BITWISE_DREG, reg);
	nft_put_u32(&r->out, NFTA_BITWISE_LEN, (uint32_t)n);
	nft_put_value(&r->out, NFTA_BITWISE_MASK, mask, n);
	nft_put_value(&r->out, NFTA_BITWISE_XOR, xor, n);
	close_expr(r, at, inner);
}

static void put_load(rule *r, uint32_t reg, const void *bytes, size_t n)
{
	size_t inner, at = open_expr(r, "immediate", &inner);
	nft_put_u32(&r->out, NFTA_IMMEDIATE_DREG, reg);
	nft_put_value(&r->out, NFTA_IMMEDIATE_DATA, bytes, n);
	close_expr(r, at, inner);
}

/* `id` of an anonymous set of this batch, or 0; a map gives a verdict. */
static void put_lookup(rule *r, uint32_t reg, sp_str set, uint32_t id, bool is_map, bool inverted)
{
	size_t inner, at = open_expr(r, "lookup", &inner);
	nft_put_str(&r->out, NFTA_LOOKUP_SET, set);
	if (id != 0)
		nft_put_u32(&r->out, NFTA_LOOKUP_SET_ID, id);
	nft_put_u32(&r->out, NFTA_LOOKUP_SREG, reg);
	if (is_map)
		nft_put_u32(&r->out, NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
	if (inverted)
		nft_put_u32(&r->out, NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	close_expr(r, at, inner);
}

/* ---- what can be looked at ---- */

typedef enum source { PAYLOAD, META, CT, FIB, PORT_OF } source;

typedef struct selector {
	const char *words[3];
	uint8_t kind;  /* nft_kind */
	uint8_t from;  /* source */
	uint32_t a, b; /* PAYLOAD: base and offset; META, CT: key; FIB: flags; PORT_OF: protocol */
} selector;

static const selector selectors[] = {
	{{"ip", "saddr"}, NFT_IP4, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 12},
	{{"ip", "daddr"}, NFT_IP4, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 16},
	{{"ip6", "saddr"}, NFT_IP6, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 8},
	{{"ip6", "daddr"}, NFT_IP6, PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, 24},
	{{"th", "dport"}, NFT_PORT, PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, 2},
	{{"tcp", "dport"}, NFT_PORT, PORT_OF, IPPROTO_TCP, 0},
	{{"udp", "dport"}, NFT_PORT, PORT_OF, IPPROTO_UDP, 0},
	{{"sctp", "dport"}, NFT_PORT, PORT_OF, IPPROTO_SCTP, 0},
	{{"meta", "l4proto"}, NFT_PROTO, META, NFT_META_L4PROTO, 0},
	{{"iifname"}, NFT_IFNAME, META, NFT_META_IIFNAME, 0},
	{{"fib", "saddr", "type"}, NFT_ADDRTYPE, FIB, NFTA_FIB_F_SADDR, 0},
	{{"fib", "daddr", "type"}, NFT_ADDRTYPE, FIB, NFTA_FIB_F_DADDR, 0},
	{{"ct", "state"}, NFT_CT_STATES, CT, NFT_CT_STATE, 0},
	{{"ct", "status"}, NFT_CT_STATUSES, CT, NFT_CT_STATUS, 0},
};

static bool take_words(nft_line *l, const char *const words[3])
{
	nft_line ahead = *l;
	for (size_t i = 0; i < 3 && words[i] != NULL; i++) {
		if (!nft_take(&ahead, words[i]))
			return false;
	}
	l->rest = ahead.rest;
	return true;
}

static const selector *take_selector(nft_line *l)
{
	for (size_t i = 0; i < SP_LEN(selectors); i++) {
		if (take_words(l, selectors[i].words))
			return &selectors[i];
	}
	return NULL;
}

static void put_payload(rule *r, uint32_t reg, uint32_t base, uint32_t offset, uint32_t n)
{
	put_numbers(r, "payload",
		    NUMBERS({NFTA_PAYLOAD_DREG, reg}, {NFTA_PAYLOAD_BASE, base},
			    {NFTA_PAYLOAD_OFFSET, offset}, {NFTA_PAYLOAD_LEN, n}));
}

static void put_meta(rule *r, uint32_t reg, uint32_t key)
{
	put_numbers(r, "meta", NUMBERS({NFTA_META_KEY, key}, {NFTA_META_DREG, reg}));
}

/* Only packets of this protocol have such a port. */
static void put_port_of(rule *r, uint32_t reg, uint8_t protocol)
{
	put_meta(r, reg, NFT_META_L4PROTO);
	put_compare(r, reg, true, &protocol, sizeof protocol);
	put_payload(r, reg, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
}

static void put_selector(rule *r, const selector *s, uint32_t reg)
{
	switch ((source)s->from) {
	case PAYLOAD:
		put_payload(r, reg, s->a, s->b, nft_types[s->kind].n);
		break;
	case META:
		put_meta(r, reg, s->a);
		break;
	case CT:
		put_numbers(r, "ct", NUMBERS({NFTA_CT_KEY, s->a}, {NFTA_CT_DREG, reg}));
		break;
	case FIB:
		put_numbers(r, "fib",
			    NUMBERS({NFTA_FIB_FLAGS, s->a}, {NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE},
				    {NFTA_FIB_DREG, reg}));
		break;
	case PORT_OF:
		put_port_of(r, reg, (uint8_t)s->a);
		break;
	}
}

/* ---- what it is compared with ---- */

/* An address or a range of them. */
static bool put_prefix(rule *r, uint8_t kind, uint32_t reg, bool equal, sp_str text)
{
	sp_cidr c;
	uint8_t mask[16] = {0};
	static const uint8_t zeros[16];
	if ((kind != NFT_IP4 && kind != NFT_IP6) || !sp_cidr_parse(text, &c) ||
	    c.ip.v4 != (kind == NFT_IP4) || c.ip.mapped)
		return false;
	sp_ip network = sp_cidr_network(&c);
	size_t n = nft_types[kind].n;
	for (size_t i = 0; i < c.n_bits; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	put_bitwise(r, reg, mask, zeros, n);
	put_compare(r, reg, equal, network.bytes + sizeof network.bytes - n, n);
	return true;
}

static bool is_flags(uint8_t kind)
{
	return kind == NFT_CT_STATES || kind == NFT_CT_STATUSES;
}

static sp_code put_against(rule *r, const selector *s, uint32_t reg)
{
	static const uint8_t zeros[4];
	uint8_t value[NFT_VALUE_BYTES];
	bool equal = !nft_take(r->l, "!=");
	sp_str word = nft_word(r->l), set = word;
	if (sp_str_take(&set, SP_STR("@"))) {
		put_lookup(r, reg, set, 0, false, !equal);
		return SP_OK;
	}
	if (sp_str_index(word, '/') >= 0 && put_prefix(r, s->kind, reg, equal, word))
		return SP_OK;
	if (!nft_types[s->kind].parse(word, value))
		return nft_refuse(r->l, "no value");
	if (is_flags(s->kind)) { /* any of these bits */
		put_bitwise(r, reg, value, zeros, sizeof zeros);
		put_compare(r, reg, !equal, zeros, sizeof zeros);
	} else {
		put_compare(r, reg, equal, value, nft_types[s->kind].n);
	}
	return SP_OK;
}

/* SELECTOR [. SELECTOR]… vmap @MAP; SELECTOR [!=] VALUE|@SET. */
static sp_code put_match(rule *r, const selector *first)
{
	uint32_t reg = NFT_REG32_00, n = 0;
	for (const selector *s = first;; s = take_selector(r->l)) {
		if (s == NULL)
			return nft_refuse(r->l, "not understood");
		uint32_t words = (nft_types[s->kind].n + 3u) / 4;
		if (n + words > NFT_KEY_WORDS)
			return nft_refuse(r->l, "too many selectors");
		put_selector(r, s, reg + n);
		n += words;
		if (!nft_take(r->l, "."))
			break;
	}
	if (!nft_take(r->l, "vmap"))
		return put_against(r, first, reg);
	sp_str map = nft_word(r->l);
	if (!sp_str_take(&map, SP_STR("@")))
		return nft_refuse(r->l, "no map");
	put_lookup(r, reg, map, 0, true, false);
	return SP_OK;
}

/* ---- a choice: numgen random mod N vmap { 0 : VERDICT, … } ---- */

static void put_anonymous_map(nft_line *l, uint32_t id, uint32_t n)
{
	/* How nft(8) is to show the keys: U: libnftnl udata, NFTNL_UDATA_SET_KEYBYTEORDER of the host. */
	static const uint8_t shown[] = {0, 4, 1, 0, 0, 0};
	size_t at = nft_begin(l->out, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSET, NLM_F_CREATE, l->family, 0,
			      l->seq);
	nft_put_str(l->out, NFTA_SET_TABLE, l->table);
	nft_put_str(l->out, NFTA_SET_NAME, SP_STR("__map%d"));
	nft_put_u32(l->out, NFTA_SET_FLAGS, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT | NFT_SET_MAP);
	nft_put_u32(l->out, NFTA_SET_KEY_TYPE, nft_types[NFT_NUMBER].id);
	nft_put_u32(l->out, NFTA_SET_KEY_LEN, sizeof(uint32_t));
	nft_put_u32(l->out, NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT);
	nft_put_u32(l->out, NFTA_SET_ID, id);
	size_t desc = nft_open(l->out, NFTA_SET_DESC);
	nft_put_u32(l->out, NFTA_SET_DESC_SIZE, n);
	nft_close(l->out, desc);
	nft_put(l->out, NFTA_SET_USERDATA, shown, sizeof shown);
	nft_end(l->out, at);
}

/* Up to ELEMENTS_PER_MESSAGE of "KEY : VERDICT ,"; *ret_more: the list goes on. */
static sp_code put_some_elements(nft_line *l, uint32_t id, uint32_t modulus, bool *ret_more)
{
	size_t at = nft_begin(l->out, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM, NLM_F_CREATE, l->family,
			      0, l->seq);
	nft_put_str(l->out, NFTA_SET_ELEM_LIST_TABLE, l->table);
	nft_put_str(l->out, NFTA_SET_ELEM_LIST_SET, SP_STR("__map%d"));
	nft_put_u32(l->out, NFTA_SET_ELEM_LIST_SET_ID, id);
	size_t list = nft_open(l->out, NFTA_SET_ELEM_LIST_ELEMENTS);
	*ret_more = true;
	for (uint32_t i = 0; i < ELEMENTS_PER_MESSAGE && *ret_more; i++) {
		uint32_t key;
		int32_t verdict;
		sp_str chain;
		SP_TRY(nft_u32(l, modulus - 1, &key));
		SP_TRY(nft_expect(l, ":"));
		if (nft_verdict(l, &verdict, &chain) != SP_OK)
			return nft_refuse(l, "no verdict");
		nft_put_element(l->out, &key, sizeof key, &verdict, chain);
		*ret_more = nft_take(l, ",");
	}
	nft_close(l->out, list);
	nft_end(l->out, at);
	return SP_OK;
}

static sp_code put_choice(rule *r)
{
	nft_line *l = r->l;
	uint32_t modulus, id = ++*l->set_ids;
	bool more = true;
	SP_TRY(nft_expect(l, "random"));
	SP_TRY(nft_expect(l, "mod"));
	SP_TRY(nft_u32(l, UINT16_MAX, &modulus));
	SP_TRY(nft_expect(l, "vmap"));
	SP_TRY(nft_expect(l, "{"));
	if (modulus == 0)
		return nft_refuse(l, "nothing to choose from");
	put_anonymous_map(l, id, modulus);
	while (more)
		SP_TRY(put_some_elements(l, id, modulus, &more));
	put_numbers(r, "numgen",
		    NUMBERS({NFTA_NG_DREG, NFT_REG32_00}, {NFTA_NG_MODULUS, modulus},
			    {NFTA_NG_TYPE, NFT_NG_RANDOM}, {NFTA_NG_OFFSET, 0}));
	put_lookup(r, NFT_REG32_00, SP_STR("__map%d"), id, true, false);
	return nft_expect(l, "}");
}

/* ---- statements ---- */

/* mark set meta mark |^ N, mark & N == M */
static sp_code put_mark(rule *r)
{
	uint32_t n, zero = 0, all = UINT32_MAX, against;
	put_meta(r, NFT_REG32_00, NFT_META_MARK);
	if (nft_take(r->l, "&")) {
		SP_TRY(nft_u32(r->l, UINT32_MAX, &n));
		SP_TRY(nft_expect(r->l, "=="));
		SP_TRY(nft_u32(r->l, UINT32_MAX, &against));
		put_bitwise(r, NFT_REG32_00, &n, &zero, sizeof n);
		put_compare(r, NFT_REG32_00, true, &against, sizeof against);
		return SP_OK;
	}
	SP_TRY(nft_expect(r->l, "set"));
	SP_TRY(nft_expect(r->l, "meta"));
	SP_TRY(nft_expect(r->l, "mark"));
	bool sets = nft_take(r->l, "|");
	if (!sets)
		SP_TRY(nft_expect(r->l, "^"));
	SP_TRY(nft_u32(r->l, UINT32_MAX, &n));
	all = sets ? ~n : all;
	put_bitwise(r, NFT_REG32_00, &all, &n, sizeof n);
	put_numbers(r, "meta", NUMBERS({NFTA_META_KEY, NFT_META_MARK}, {NFTA_META_SREG, NFT_REG32_00}));
	return SP_OK;
}

static sp_code put_reject(rule *r)
{
	uint32_t unreachable = r->l->family == NFPROTO_IPV4 ? 3 : 4; /* the port, in ICMP and in ICMPv6 */
	bool reset = nft_take(r->l, "with");
	if (reset) {
		SP_TRY(nft_expect(r->l, "tcp"));
		SP_TRY(nft_expect(r->l, "reset"));
		put_numbers(r, "reject", NUMBERS({NFTA_REJECT_TYPE, NFT_REJECT_TCP_RST}));
		return SP_OK;
	}
	size_t inner, at = open_expr(r, "reject", &inner);
	uint8_t code = (uint8_t)unreachable;
	nft_put_u32(&r->out, NFTA_REJECT_TYPE, NFT_REJECT_ICMP_UNREACH);
	nft_put(&r->out, NFTA_REJECT_ICMP_CODE, &code, sizeof code);
	close_expr(r, at, inner);
	return SP_OK;
}

static sp_code put_masquerade(rule *r)
{
	bool random = nft_take(r->l, "fully-random");
	put_numbers(r, "masq", (const number[]){{NFTA_MASQ_FLAGS, NF_NAT_RANGE_PROTO_RANDOM_FULLY}},
		    random ? 1 : 0);
	return SP_OK;
}

/* to ADDRESS:PORT, an address of IPv6 in brackets */
static sp_code put_dnat(rule *r)
{
	uint8_t address[NFT_VALUE_BYTES], port[NFT_VALUE_BYTES];
	uint8_t kind = r->l->family == NFPROTO_IPV4 ? NFT_IP4 : NFT_IP6;
	uint32_t words = (nft_types[kind].n + 3u) / 4;
	SP_TRY(nft_expect(r->l, "to"));
	sp_str to = nft_word(r->l);
	ptrdiff_t colon = sp_str_rindex(to, ':');
	sp_str host = sp_str_sub(to, 0, colon < 0 ? 0 : (size_t)colon);
	if (kind == NFT_IP6 && (!sp_str_take(&host, SP_STR("[")) || !sp_str_ends(host, SP_STR("]"))))
		return nft_refuse(r->l, "no address");
	if (kind == NFT_IP6)
		host.len--;
	if (colon < 0 || !nft_types[kind].parse(host, address) ||
	    !nft_types[NFT_PORT].parse(sp_str_sub(to, (size_t)colon + 1, to.len), port))
		return nft_refuse(r->l, "no address");
	put_load(r, NFT_REG32_00, address, nft_types[kind].n);
	put_load(r, NFT_REG32_00 + words, port, nft_types[NFT_PORT].n);
	put_numbers(r, "nat",
		    NUMBERS({NFTA_NAT_TYPE, NFT_NAT_DNAT}, {NFTA_NAT_FAMILY, r->l->family},
			    {NFTA_NAT_REG_ADDR_MIN, NFT_REG32_00},
			    {NFTA_NAT_REG_PROTO_MIN, NFT_REG32_00 + words}));
	return SP_OK;
}

/* @SET { SELECTOR } */
static sp_code put_update(rule *r)
{
	sp_str set = nft_word(r->l);
	if (!sp_str_take(&set, SP_STR("@")))
		return nft_refuse(r->l, "no set");
	SP_TRY(nft_expect(r->l, "{"));
	const selector *s = take_selector(r->l);
	if (s == NULL)
		return nft_refuse(r->l, "not understood");
	put_selector(r, s, NFT_REG32_00);
	size_t inner, at = open_expr(r, "dynset", &inner);
	nft_put_u32(&r->out, NFTA_DYNSET_SREG_KEY, NFT_REG32_00);
	nft_put_u32(&r->out, NFTA_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	nft_put_str(&r->out, NFTA_DYNSET_SET_NAME, set);
	close_expr(r, at, inner);
	return nft_expect(r->l, "}");
}

static const struct {
	const char *words[3];
	sp_code (*put)(rule *r);
} statements[] = {
	{{"numgen"}, put_choice},         {{"meta", "mark"}, put_mark}, {{"reject"}, put_reject},
	{{"masquerade"}, put_masquerade}, {{"dnat"}, put_dnat},         {{"update"}, put_update},
};

static sp_code put_verdict(rule *r)
{
	int32_t verdict;
	sp_str chain;
	sp_code code = nft_verdict(r->l, &verdict, &chain);
	if (code != SP_OK)
		return code == SP_ENOTFOUND ? nft_refuse(r->l, "not understood") : code;
	size_t inner, at = open_expr(r, "immediate", &inner);
	nft_put_u32(&r->out, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
	nft_put_verdict(&r->out, NFTA_IMMEDIATE_DATA, verdict, chain);
	close_expr(r, at, inner);
	return SP_OK;
}

static sp_code put_next(rule *r)
{
	for (size_t i = 0; i < SP_LEN(statements); i++) {
		if (take_words(r->l, statements[i].words))
			return statements[i].put(r);
	}
	const selector *s = take_selector(r->l);
	return s != NULL ? put_match(r, s) : put_verdict(r);
}

sp_code nft_rule(nft_line *l, sp_str chain)
{
	rule r = {.l = l};
	sp_code code = SP_OK;
	sp_buf_init(&r.out, EXPRESSIONS_MAX);
	while (code == SP_OK && nft_peek(l).len > 0)
		code = put_next(&r);
	if (code == SP_OK)
		code = sp_buf_code(&r.out);
	if (code == SP_OK) {
		size_t at = nft_begin(l->out, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE,
				      NLM_F_CREATE | NLM_F_APPEND, l->family, 0, l->seq);
		nft_put_str(l->out, NFTA_RULE_TABLE, l->table);
		nft_put_str(l->out, NFTA_RULE_CHAIN, chain);
		size_t list = nft_open(l->out, NFTA_RULE_EXPRESSIONS);
		(void)sp_buf_str(l->out, sp_buf_view(&r.out));
		nft_close(l->out, list);
		nft_end(l->out, at);
	}
	sp_buf_done(&r.out);
	return code;
}
