/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#define IS_TAIL(byte) (((byte)&0xc0) == 0x80)

/* Table 3-7 of the Unicode standard: only the second byte's range depends on the first. */
size_t sp_utf8_len(sp_str s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	size_t n = s.len;
	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return n >= 2 && IS_TAIL(p[1]) ? 2 : 0;
	if (p[0] >= 0xe0 && p[0] <= 0xef) {
		unsigned char min = p[0] == 0xe0 ? 0xa0 : 0x80;
		unsigned char max = p[0] == 0xed ? 0x9f : 0xbf;
		return n >= 3 && p[1] >= min && p[1] <= max && IS_TAIL(p[2]) ? 3 : 0;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		unsigned char min = p[0] == 0xf0 ? 0x90 : 0x80;
		unsigned char max = p[0] == 0xf4 ? 0x8f : 0xbf;
		return n >= 4 && p[1] >= min && p[1] <= max && IS_TAIL(p[2]) && IS_TAIL(p[3]) ? 4 : 0;
	}
	return 0;
}

size_t sp_utf8_decode(sp_str s, uint32_t *ret_rune)
{
	SP_ASSERT(s.len != 0);
	static const uint8_t lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	size_t n = sp_utf8_len(s);
	if (n == 0) {
		*ret_rune = SP_RUNE_ERROR;
		return 1;
	}
	uint32_t rune = (uint8_t)s.ptr[0] & lead_bits[n];
	for (size_t i = 1; i < n; i++)
		rune = (rune << 6) | ((uint8_t)s.ptr[i] & 0x3f);
	*ret_rune = rune;
	return n;
}

size_t sp_utf8_decode_last(sp_str s, uint32_t *ret_rune)
{
	SP_ASSERT(s.len != 0);
	size_t n = SP_MIN(s.len, (size_t)SP_UTF8_MAX_BYTES);
	for (size_t back = 1; back <= n; back++) {
		if (IS_TAIL((uint8_t)s.ptr[s.len - back]))
			continue;
		if (sp_utf8_decode(sp_str_sub(s, s.len - back, s.len), ret_rune) == back)
			return back;
		break;
	}
	*ret_rune = SP_RUNE_ERROR;
	return 1;
}

size_t sp_utf8_encode(char *out, uint32_t rune)
{
	if (rune > SP_RUNE_MAX || (rune >= 0xd800 && rune <= 0xdfff))
		rune = SP_RUNE_ERROR;
	if (rune < 0x80) {
		out[0] = (char)rune;
		return 1;
	}
	size_t n = rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, rune >>= 6)
		out[i] = (char)(0x80 | (rune & 0x3f));
	out[0] = (char)((0xf00u >> n) | rune);
	return n;
}

size_t sp_utf8_count(sp_str s)
{
	size_t n = 0;
	uint32_t rune;
	for (; s.len != 0; n++)
		s = sp_str_sub(s, sp_utf8_decode(s, &rune), s.len);
	return n;
}
