/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 checked as it arrives, so that a text message is refused at its first bad byte, not at its end. */
#pragma once

#include "base/str.h"

/* Zero-initialised: at a character boundary. */
typedef struct sp_utf8_stream {
	uint8_t need;   /* continuation bytes to come */
	uint8_t lo, hi; /* range of the next one */
} sp_utf8_stream;

/* False at the first byte that cannot continue well-formed UTF-8. */
bool sp_utf8_stream_feed(sp_utf8_stream *u, const uint8_t *bytes, size_t n) SP_MUST_USE;

static inline bool sp_utf8_stream_at_boundary(const sp_utf8_stream *u)
{
	return u->need == 0;
}
