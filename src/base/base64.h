/* SPDX-License-Identifier: Apache-2.0 */
/* Standard base64 (RFC 4648 section 4, with padding), with the tolerance of Go's encoding/base64. */
#pragma once

#include "base/buf.h"

/* Length of the text that n bytes become; 0 when it does not fit size_t (n > 0). */
static inline size_t sp_base64_text_len(size_t n)
{
	return n / 3 > (SIZE_MAX / 4) - 1 ? 0 : (n + 2) / 3 * 4;
}

/* Writes exactly sp_base64_text_len(n) characters to out, no NUL. */
void sp_base64_encode(char *out, const void *bytes, size_t n);
/* Appends the text of n bytes. Errors are those of the buffer. */
sp_code sp_base64_append(sp_buf *out, const void *bytes, size_t n);

/*
 * Decodes text to out, which has room for text.len / 4 * 3 bytes or more and may be the text itself.
 * CR and LF are skipped anywhere, unused bits of the last character are ignored, padding is required: what
 * Go's StdEncoding accepts. SP_EINVAL with Go's words ("illegal base64 data at input byte 4") otherwise.
 */
sp_code sp_base64_decode(sp_str text, uint8_t *out, size_t *ret_n, sp_err *err) SP_MUST_USE;

/* ---- the URL alphabet without padding (RFC 4648 section 5), as JOSE uses it ---- */

/* Appends the text of n bytes. Errors are those of the buffer. */
sp_code sp_base64url_append(sp_buf *out, const void *bytes, size_t n);

/*
 * Decodes to out, which has room for text.len / 4 * 3 + 2 bytes and may be the text itself. SP_EINVAL: a
 * letter outside the alphabet, padding, blanks, a length that can't be, or unused bits that are set (one byte
 * string has one text).
 */
sp_code sp_base64url_decode(sp_str text, uint8_t *out, size_t *ret_n, sp_err *err) SP_MUST_USE;
