/* SPDX-License-Identifier: Apache-2.0 */
#include "io/ws/utf8.h"

/* Lead byte: how many follow, and the range of the first of them (Unicode, table 3-7). */
static bool lead(sp_utf8_stream *u, uint8_t b)
{
	u->lo = 0x80;
	u->hi = 0xbf;
	if (b >= 0xc2 && b <= 0xdf) {
		u->need = 1;
	} else if (b >= 0xe0 && b <= 0xef) {
		u->need = 2;
		u->lo = b == 0xe0 ? 0xa0 : 0x80;
		u->hi = b == 0xed ? 0x9f : 0xbf;
	} else if (b >= 0xf0 && b <= 0xf4) {
		u->need = 3;
		u->lo = b == 0xf0 ? 0x90 : 0x80;
		u->hi = b == 0xf4 ? 0x8f : 0xbf;
	} else {
		return false;
	}
	return true;
}

bool sp_utf8_stream_feed(sp_utf8_stream *u, const uint8_t *bytes, size_t n)
{
	size_t i = 0;
	while (i < n) {
		if (u->need == 0) {
			uint64_t word;
			while (n - i >= sizeof word) {
				memcpy(&word, bytes + i, sizeof word);
				if ((word & UINT64_C(0x8080808080808080)) != 0)
					break;
				i += sizeof word;
			}
			while (i < n && bytes[i] < 0x80)
				i++;
			if (i < n && !lead(u, bytes[i++]))
				return false;
			continue;
		}
		if (bytes[i] < u->lo || bytes[i] > u->hi)
			return false;
		u->lo = 0x80;
		u->hi = 0xbf;
		u->need--;
		i++;
	}
	return true;
}
