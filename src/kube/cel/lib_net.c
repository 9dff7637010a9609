/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and prefixes. U: apiserver pkg/cel/library/{ip,cidr}.go, Go net/netip */
#include "base/num.h"
#include "base/quote.h"
#include "kube/cel/opaque.h"

/* netip's complaint about dotted text; NULL when it has none. `at` gets what it points at. */
static const char *bad_v4(sp_str s, sp_str *at)
{
	unsigned value = 0, fields = 0, digits = 0;
	*at = (sp_str){NULL, 0};
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (c >= '0' && c <= '9') {
			if (digits == 1 && value == 0)
				return "IPv4 field has octet with leading zero";
			value = value * 10 + (unsigned)(c - '0');
			digits++;
			if (value > 255)
				return "IPv4 field has value >255";
		} else if (c == '.') {
			if (i == 0 || i == s.len - 1 || s.ptr[i - 1] == '.') {
				*at = sp_str_sub(s, i, s.len);
				return "IPv4 field must have at least one digit";
			}
			if (fields == 3)
				return "IPv4 address too long";
			fields++;
			value = digits = 0;
		} else {
			*at = sp_str_sub(s, i, s.len);
			return "unexpected character";
		}
	}
	return fields < 3 ? "IPv4 address too short" : NULL;
}

/* netip's words for what is wrong; only those about IPv4 are exact. */
static const char *complaint(sp_str s, sp_str *at)
{
	*at = (sp_str){NULL, 0};
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '.')
			return bad_v4(s, at);
		if (s.ptr[i] == ':')
			return "unable to parse IP";
		if (s.ptr[i] == '%')
			return "missing IPv6 address";
	}
	return "unable to parse IP";
}

static sp_str quoted(cel_ctx *c, sp_str s)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, CEL_TEXT_BYTES_MAX);
	if (sp_quote_go(&out, s) != SP_OK)
		return SP_STR("\"\"");
	return sp_arena_try_dup(c->arena, sp_buf_view(&out));
}

/* The text of netip.ParseAddr's error. */
static sp_str parse_error(cel_ctx *c, sp_str s)
{
	sp_str at;
	const char *why = complaint(s, &at);
	if (why == NULL)
		why = "unable to parse IP";
	if (at.len == 0)
		return sp_arena_printf(c->arena, "ParseAddr(" SP_FMT "): %s", SP_ARG(quoted(c, s)), why);
	return sp_arena_printf(c->arena, "ParseAddr(" SP_FMT "): %s (at " SP_FMT ")", SP_ARG(quoted(c, s)),
			       why, SP_ARG(quoted(c, at)));
}

/* False: *ret_error tells why (as upstream's parseIPAddr). */
static bool parse_ip(cel_ctx *c, sp_str s, sp_ip *ret, sp_cel_val *ret_error)
{
	ptrdiff_t zone = sp_str_index(s, '%');
	sp_str bare = zone > 0 ? sp_str_sub(s, 0, (size_t)zone) : s;
	bool fine = sp_ip_parse(bare, ret) && !ret->leading_zeros;
	if (fine && zone > 0 && !ret->v4 && (size_t)zone + 1 < s.len) {
		*ret_error = cel_errorf(c, "IP address " SP_FMT " with zone value is not allowed",
					SP_ARG(quoted(c, s)));
		return false;
	}
	if (!fine || zone >= 0) {
		*ret_error = cel_errorf(
			c, "IP Address " SP_FMT " parse error during conversion from string: " SP_FMT,
			SP_ARG(quoted(c, s)), SP_ARG(parse_error(c, s)));
		return false;
	}
	if (ret->mapped) {
		*ret_error = cel_errorf(c, "IPv4-mapped IPv6 address " SP_FMT " is not allowed",
					SP_ARG(quoted(c, s)));
		return false;
	}
	return true;
}

static sp_cel_val keep(cel_ctx *c, const sp_cel_type *type, const void *value, size_t n)
{
	void *kept = sp_arena_try_alloc(c->arena, n);
	if (kept == NULL)
		return cel_oom(c);
	memcpy(kept, value, n);
	return cel_opaque(type, kept);
}

static const sp_ip *ip_of(sp_cel_val v)
{
	return v.ptr;
}

static sp_cel_val ip(cel_ctx *c, const sp_cel_val *a)
{
	sp_ip made;
	sp_cel_val bad;
	return parse_ip(c, sp_cel_str(a[0]), &made, &bad) ? keep(c, &cel_t_ip, &made, sizeof(made)) : bad;
}

static sp_cel_val is_ip(cel_ctx *c, const sp_cel_val *a)
{
	sp_ip made;
	sp_cel_val bad;
	return sp_cel_of_bool(parse_ip(c, sp_cel_str(a[0]), &made, &bad));
}

static sp_cel_val is_canonical(cel_ctx *c, const sp_cel_val *a)
{
	sp_ip made;
	sp_cel_val bad;
	char text[SP_IP_TEXT_BYTES];
	if (!parse_ip(c, sp_cel_str(a[0]), &made, &bad))
		return bad;
	return sp_cel_of_bool(sp_str_eq((sp_str){text, sp_ip_print(text, &made)}, sp_cel_str(a[0])));
}

static sp_cel_val shown(cel_ctx *c, const sp_cel_val *a)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 256);
	(void)cel_opaque_show(&out, a[0]);
	return cel_buf_text(c, &out);
}

static sp_cel_val family(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_int(ip_of(a[0])->v4 ? 4 : 6);
}

static bool is_multicast(const sp_ip *x)
{
	return x->v4 ? (x->bytes[12] & 0xf0) == 0xe0 : x->bytes[0] == 0xff;
}

static bool is_broadcast(const sp_ip *x)
{
	return x->v4 && sp_be32_get(x->bytes + 12) == 0xffffffff;
}

#define PREDICATE(fn, expr)                                   \
	static sp_cel_val fn(cel_ctx *c, const sp_cel_val *a) \
	{                                                     \
		const sp_ip *x = ip_of(a[0]);                 \
		(void)c;                                      \
		return sp_cel_of_bool(expr);                  \
	}
PREDICATE(unspecified, sp_ip_is_unspecified(x))
PREDICATE(loopback, sp_ip_is_loopback(x))
PREDICATE(link_local_multicast, sp_ip_is_link_local_multicast(x))
PREDICATE(link_local_unicast, sp_ip_is_link_local_unicast(x))
PREDICATE(global_unicast, !is_broadcast(x) && !sp_ip_is_unspecified(x) && !sp_ip_is_loopback(x) &&
				  !is_multicast(x) && !sp_ip_is_link_local_unicast(x))

/* ---- prefixes ---- */

static const sp_cidr *cidr_of(sp_cel_val v)
{
	return v.ptr;
}

static bool parse_cidr(cel_ctx *c, sp_str s, sp_cidr *ret, sp_cel_val *ret_error)
{
	const char *before =
		"network address parse error during conversion from string: network address parse error "
		"during conversion from string: netip.ParsePrefix(";
	ptrdiff_t slash = sp_str_rindex(s, '/');
	if (slash < 0) {
		*ret_error = cel_errorf(c, "%s" SP_FMT "): no '/'", before, SP_ARG(quoted(c, s)));
		return false;
	}
	sp_str addr = sp_str_sub(s, 0, (size_t)slash), bits = sp_str_sub(s, (size_t)slash + 1, s.len);
	uint64_t n = 0;
	if (!sp_ip_parse(addr, &ret->ip) || ret->ip.leading_zeros) {
		*ret_error = cel_errorf(c, "%s" SP_FMT "): " SP_FMT, before, SP_ARG(quoted(c, s)),
					SP_ARG(parse_error(c, addr)));
		return false;
	}
	bool plain = bits.len > 0 && (bits.len == 1 || (bits.ptr[0] >= '1' && bits.ptr[0] <= '9'));
	if (!plain || sp_parse_u64(bits, 0, UINT64_MAX, &n, NULL) != SP_OK) {
		*ret_error = cel_errorf(c, "%s" SP_FMT "): bad bits after slash: " SP_FMT, before,
					SP_ARG(quoted(c, s)), SP_ARG(quoted(c, bits)));
		return false;
	}
	if (n > (ret->ip.v4 && !ret->ip.mapped ? 32u : 128u)) {
		*ret_error = cel_errorf(c, "%s" SP_FMT "): prefix length out of range", before,
					SP_ARG(quoted(c, s)));
		return false;
	}
	if (ret->ip.mapped) {
		*ret_error = cel_errorf(
			c,
			"network address parse error during conversion from string: IPv4-mapped IPv6 "
			"address " SP_FMT " is not allowed",
			SP_ARG(quoted(c, s)));
		return false;
	}
	ret->n_bits = (uint8_t)n;
	ret->leading_zeros = false;
	return true;
}

static sp_cel_val cidr(cel_ctx *c, const sp_cel_val *a)
{
	sp_cidr made;
	sp_cel_val bad;
	return parse_cidr(c, sp_cel_str(a[0]), &made, &bad) ? keep(c, &cel_t_cidr, &made, sizeof(made)) : bad;
}

static sp_cel_val is_cidr(cel_ctx *c, const sp_cel_val *a)
{
	sp_cidr made;
	sp_cel_val bad;
	return sp_cel_of_bool(parse_cidr(c, sp_cel_str(a[0]), &made, &bad));
}

static bool contains(const sp_cidr *net, const sp_ip *x)
{
	return net->ip.v4 == x->v4 && sp_cidr_contains(net, x);
}

static sp_cel_val contains_ip(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_bool(contains(cidr_of(a[0]), ip_of(a[1])));
}

static sp_cel_val contains_ip_text(cel_ctx *c, const sp_cel_val *a)
{
	sp_ip made;
	sp_cel_val bad;
	return parse_ip(c, sp_cel_str(a[1]), &made, &bad) ? sp_cel_of_bool(contains(cidr_of(a[0]), &made))
							  : bad;
}

static bool contains_net(const sp_cidr *net, const sp_cidr *sub)
{
	return net->n_bits <= sub->n_bits && contains(net, &sub->ip);
}

static sp_cel_val contains_cidr(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_bool(contains_net(cidr_of(a[0]), cidr_of(a[1])));
}

static sp_cel_val contains_cidr_text(cel_ctx *c, const sp_cel_val *a)
{
	sp_cidr made;
	sp_cel_val bad;
	return parse_cidr(c, sp_cel_str(a[1]), &made, &bad)
		       ? sp_cel_of_bool(contains_net(cidr_of(a[0]), &made))
		       : bad;
}

static sp_cel_val cidr_ip(cel_ctx *c, const sp_cel_val *a)
{
	return keep(c, &cel_t_ip, &cidr_of(a[0])->ip, sizeof(sp_ip));
}

static sp_cel_val prefix_length(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_int(cidr_of(a[0])->n_bits);
}

static sp_cel_val masked(cel_ctx *c, const sp_cel_val *a)
{
	sp_cidr made = *cidr_of(a[0]);
	made.ip = sp_cidr_network(&made);
	return keep(c, &cel_t_cidr, &made, sizeof(made));
}

#define S &sp_cel_string
#define B &sp_cel_bool
#define IP &cel_t_ip
#define CIDR &cel_t_cidr
#define NOMINAL CEL_COST_NOMINAL

CEL_LIBRARY(cel_lib_ip, SP_CEL_LIB_K8S, CEL_FN_COST("ip", "string_to_ip", CEL_COST_PARSE, ip, IP, S),
	    CEL_MEMBER_COST("family", "ip_family", NOMINAL, family, &sp_cel_int, IP),
	    CEL_FN_COST("ip.isCanonical", "ip_is_canonical", CEL_COST_PARSE_TWICE, is_canonical, B, S),
	    CEL_MEMBER_COST("isUnspecified", "ip_is_unspecified", NOMINAL, unspecified, B, IP),
	    CEL_MEMBER_COST("isLoopback", "ip_is_loopback", NOMINAL, loopback, B, IP),
	    CEL_MEMBER_COST("isLinkLocalMulticast", "ip_is_link_local_multicast", NOMINAL,
			    link_local_multicast, B, IP),
	    CEL_MEMBER_COST("isLinkLocalUnicast", "ip_is_link_local_unicast", NOMINAL, link_local_unicast, B,
			    IP),
	    CEL_MEMBER_COST("isGlobalUnicast", "ip_is_global_unicast", NOMINAL, global_unicast, B, IP),
	    CEL_FN_COST("isIP", "is_ip", CEL_COST_PARSE, is_ip, B, S),
	    CEL_FN("string", "ip_to_string", shown, S, IP));

CEL_LIBRARY(cel_lib_cidr, SP_CEL_LIB_K8S,
	    CEL_FN_COST("cidr", "string_to_cidr", CEL_COST_PARSE, cidr, CIDR, S),
	    CEL_MEMBER_COST("containsIP", "cidr_contains_ip_string", CEL_COST_CONTAINS_IP_TEXT,
			    contains_ip_text, B, CIDR, S),
	    CEL_MEMBER_COST("containsIP", "cidr_contains_ip_ip", CEL_COST_CONTAINS_IP, contains_ip, B, CIDR,
			    IP),
	    CEL_MEMBER_COST("containsCIDR", "cidr_contains_cidr_string", CEL_COST_CONTAINS_CIDR_TEXT,
			    contains_cidr_text, B, CIDR, S),
	    CEL_MEMBER_COST("containsCIDR", "cidr_contains_cidr", CEL_COST_CONTAINS_CIDR, contains_cidr, B,
			    CIDR, CIDR),
	    CEL_MEMBER_COST("ip", "cidr_ip", NOMINAL, cidr_ip, IP, CIDR),
	    CEL_MEMBER_COST("prefixLength", "cidr_prefix_length", NOMINAL, prefix_length, &sp_cel_int, CIDR),
	    CEL_MEMBER_COST("masked", "cidr_masked", NOMINAL, masked, CIDR, CIDR),
	    CEL_FN_COST("isCIDR", "is_cidr", CEL_COST_PARSE, is_cidr, B, S),
	    CEL_FN("string", "cidr_to_string", shown, S, CIDR));
