/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ip.h"
#include "base/num.h"

static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

/* A run of digits in that base at *at, at most `max`; *ret_n counts them. */
static bool number(sp_str s, size_t *at, unsigned base, unsigned max, unsigned *ret, size_t *ret_n)
{
	unsigned v = 0;
	size_t i = *at;
	for (; i < s.len; i++) {
		char c = s.ptr[i];
		unsigned digit;
		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (base == 16 && c >= 'a' && c <= 'f')
			digit = (unsigned)(c - 'a') + 10;
		else if (base == 16 && c >= 'A' && c <= 'F')
			digit = (unsigned)(c - 'A') + 10;
		else
			break;
		v = v * base + digit;
		if (v > max)
			return false;
	}
	*ret_n = i - *at;
	*at = i;
	*ret = v;
	return *ret_n > 0;
}

static bool parse_v4(sp_str s, uint8_t out[4], bool *leading_zeros)
{
	size_t at = 0;
	for (size_t i = 0; i < 4; i++) {
		unsigned v;
		size_t n;
		if (i > 0 && (at >= s.len || s.ptr[at++] != '.'))
			return false;
		size_t start = at;
		if (!number(s, &at, 10, 255, &v, &n))
			return false;
		*leading_zeros = *leading_zeros || (n > 1 && s.ptr[start] == '0');
		out[i] = (uint8_t)v;
	}
	return at == s.len;
}

/* Puts the groups read so far around the ellipsis. */
static bool expand(uint8_t out[16], size_t n, ptrdiff_t ellipsis)
{
	if (n == 16)
		return ellipsis < 0;
	if (ellipsis < 0)
		return false;
	size_t gap = 16 - n, tail = n - (size_t)ellipsis;
	memmove(out + (size_t)ellipsis + gap, out + ellipsis, tail);
	memset(out + ellipsis, 0, gap);
	return true;
}

static bool parse_v6(sp_str s, uint8_t out[16], bool *leading_zeros)
{
	ptrdiff_t ellipsis = -1;
	size_t at = 0, n = 0;
	if (sp_str_starts(s, SP_STR("::"))) {
		ellipsis = 0;
		at = 2;
		if (at == s.len)
			return expand(out, 0, 0);
	}
	while (n < 16) {
		size_t start = at, n_digits;
		unsigned v;
		if (!number(s, &at, 16, 0xffff, &v, &n_digits))
			return false;
		if (at < s.len && s.ptr[at] == '.') {
			if ((ellipsis < 0 && n != 12) || n > 12 ||
			    !parse_v4(sp_str_sub(s, start, s.len), out + n, leading_zeros))
				return false;
			n += 4;
			at = s.len;
			break;
		}
		*leading_zeros = *leading_zeros || n_digits > 4;
		out[n++] = (uint8_t)(v >> 8);
		out[n++] = (uint8_t)v;
		if (at == s.len)
			break;
		if (s.ptr[at] != ':' || at + 1 == s.len)
			return false;
		at++;
		if (s.ptr[at] == ':') {
			if (ellipsis >= 0)
				return false;
			ellipsis = (ptrdiff_t)n;
			if (++at == s.len)
				break;
		}
	}
	return at == s.len && expand(out, n, ellipsis);
}

bool sp_ip_parse(sp_str text, sp_ip *ret)
{
	sp_ip ip = {.v4 = false};
	ptrdiff_t dot = sp_str_index(text, '.'), colon = sp_str_index(text, ':');
	if (dot >= 0 && (colon < 0 || dot < colon)) {
		memcpy(ip.bytes, v4_prefix, sizeof v4_prefix);
		ip.v4 = true;
		if (!parse_v4(text, ip.bytes + 12, &ip.leading_zeros))
			return false;
	} else {
		if (colon < 0 || !parse_v6(text, ip.bytes, &ip.leading_zeros))
			return false;
		ip.mapped = memcmp(ip.bytes, v4_prefix, sizeof v4_prefix) == 0;
		ip.v4 = ip.mapped;
	}
	*ret = ip;
	return true;
}

bool sp_cidr_parse(sp_str text, sp_cidr *ret)
{
	sp_cidr c = {.n_bits = 0};
	sp_str head, bits = text;
	unsigned n;
	size_t at = 0, n_digits;
	if (!sp_str_cut(&bits, '/', &head) || !sp_ip_parse(head, &c.ip))
		return false;
	if (!number(bits, &at, 10, c.ip.v4 && !c.ip.mapped ? 32 : 128, &n, &n_digits) || at != bits.len)
		return false;
	c.n_bits = (uint8_t)n;
	c.leading_zeros = c.ip.leading_zeros || (n_digits > 1 && bits.ptr[0] == '0');
	*ret = c;
	return true;
}

static size_t put_group(char *out, unsigned v)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;
	for (int shift = 12; shift >= 0; shift -= 4) {
		if (n > 0 || shift == 0 || v >> shift != 0)
			out[n++] = hex[(v >> shift) & 15];
	}
	return n;
}

/* The first longest run of two or more zero groups. */
static void longest_zeros(const uint8_t bytes[16], size_t *ret_from, size_t *ret_n)
{
	*ret_from = 8;
	*ret_n = 1;
	for (size_t i = 0; i < 8; i++) {
		size_t n = 0;
		while (i + n < 8 && bytes[2 * (i + n)] == 0 && bytes[2 * (i + n) + 1] == 0)
			n++;
		if (n > *ret_n) {
			*ret_from = i;
			*ret_n = n;
		}
	}
}

size_t sp_ip_print(char out[SP_IP_TEXT_BYTES], const sp_ip *ip)
{
	size_t n = 0, zeros, n_zeros;
	if (ip->v4) {
		for (size_t i = 12; i < 16; i++) {
			if (i > 12)
				out[n++] = '.';
			n += sp_print_u64(out + n, ip->bytes[i]);
		}
		return n;
	}
	longest_zeros(ip->bytes, &zeros, &n_zeros);
	for (size_t i = 0; i < 8; i++) {
		if (i == zeros) {
			out[n++] = ':';
			out[n++] = ':';
			i += n_zeros - 1;
			continue;
		}
		if (i > 0 && out[n - 1] != ':')
			out[n++] = ':';
		n += put_group(out + n, (unsigned)(ip->bytes[2 * i] << 8 | ip->bytes[2 * i + 1]));
	}
	return n;
}

/* Bits of the prefix counted over all 128. */
static size_t wide_bits(const sp_cidr *c)
{
	return c->n_bits + (c->ip.v4 && !c->ip.mapped ? 96u : 0u);
}

sp_ip sp_cidr_network(const sp_cidr *c)
{
	sp_ip ip = c->ip;
	size_t bits = wide_bits(c);
	for (size_t i = 0; i < 16; i++) {
		size_t left = bits > 8 * i ? SP_MIN(bits - 8 * i, (size_t)8) : 0;
		ip.bytes[i] = (uint8_t)(ip.bytes[i] & (0xff << (8 - left)));
	}
	return ip;
}

size_t sp_cidr_print(char out[SP_IP_TEXT_BYTES], const sp_cidr *c)
{
	sp_ip network = sp_cidr_network(c);
	size_t n = sp_ip_print(out, &network);
	out[n++] = '/';
	return n + sp_print_u64(out + n, c->n_bits);
}

bool sp_cidr_contains(const sp_cidr *c, const sp_ip *ip)
{
	sp_cidr other = {.ip = *ip, .n_bits = c->n_bits};
	if (c->ip.v4 != ip->v4)
		return false;
	other.ip.mapped = c->ip.mapped; /* counted in the same way */
	sp_ip a = sp_cidr_network(c), b = sp_cidr_network(&other);
	return sp_ip_eq(&a, &b);
}

bool sp_ip_is_unspecified(const sp_ip *ip)
{
	static const uint8_t zero[16];
	return memcmp(ip->bytes + (ip->v4 ? 12 : 0), zero, ip->v4 ? 4 : 16) == 0;
}

bool sp_ip_is_loopback(const sp_ip *ip)
{
	static const uint8_t one[16] = {[15] = 1};
	return ip->v4 ? ip->bytes[12] == 127 : memcmp(ip->bytes, one, sizeof one) == 0;
}

bool sp_ip_is_link_local_unicast(const sp_ip *ip)
{
	return ip->v4 ? ip->bytes[12] == 169 && ip->bytes[13] == 254
		      : ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

bool sp_ip_is_link_local_multicast(const sp_ip *ip)
{
	return ip->v4 ? ip->bytes[12] == 224 && ip->bytes[13] == 0 && ip->bytes[14] == 0
		      : ip->bytes[0] == 0xff && (ip->bytes[1] & 0x0f) == 0x02;
}
