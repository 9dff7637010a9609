/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"

/* U: RFC 9562, 5.4 */
void sp_uuid_print(char ret[SP_UUID_TEXT_BYTES], const uint8_t random[SP_UUID_BYTES])
{
	static const char hex[] = "0123456789abcdef";
	for (unsigned i = 0; i < SP_UUID_BYTES; i++) {
		unsigned byte = i == 6   ? (random[i] & 0x0fu) | 0x40u
				: i == 8 ? (random[i] & 0x3fu) | 0x80u
					 : random[i];
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*ret++ = '-';
		*ret++ = hex[byte >> 4];
		*ret++ = hex[byte & 15];
	}
}
