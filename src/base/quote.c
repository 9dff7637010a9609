/* SPDX-License-Identifier: Apache-2.0 */
#include "base/quote.h"
#include "base/utf8.h"

/* Ranges above ASCII that unicode.IsPrint refuses and that turn up in text: blanks, format characters,
 * surrogates, private use. Unassigned characters are taken as printable. */
static const struct {
	uint32_t first, last;
} hidden[] = {
	{0x7f, 0xa0},     {0xad, 0xad},       {0x600, 0x605},      {0x61c, 0x61c},   {0x6dd, 0x6dd},
	{0x70f, 0x70f},   {0x1680, 0x1680},   {0x180e, 0x180e},    {0x2000, 0x200f}, {0x2028, 0x202f},
	{0x205f, 0x206f}, {0x3000, 0x3000},   {0xd800, 0xf8ff},    {0xfeff, 0xfeff}, {0xfff0, 0xfffb},
	{0xfffe, 0xffff}, {0xe0000, 0xe0fff}, {0xf0000, 0x10ffff},
};

bool sp_rune_prints(uint32_t rune)
{
	if (rune < 0x7f)
		return rune >= 0x20;
	for (size_t i = 0; i < SP_LEN(hidden); i++) {
		if (rune >= hidden[i].first && rune <= hidden[i].last)
			return false;
	}
	return true;
}

static void escape(sp_buf *out, uint32_t rune)
{
	static const char named[] = "\a\b\f\n\r\t\v";
	static const char letters[] = "abfnrtv";
	const char *at = rune < 0x20 && rune != 0 ? memchr(named, (int)rune, sizeof named - 1) : NULL;
	if (at != NULL)
		(void)sp_buf_append(out, (char[]){'\\', letters[at - named]}, 2);
	else if (rune < 0x80)
		(void)sp_buf_printf(out, "\\x%02x", (unsigned)rune);
	else
		(void)sp_buf_printf(out, rune < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)rune);
}

sp_code sp_quote_go(sp_buf *out, sp_str s)
{
	(void)sp_buf_char(out, '"');
	for (size_t i = 0; i < s.len;) {
		uint32_t rune;
		size_t n = sp_utf8_decode(sp_str_sub(s, i, s.len), &rune);
		if (rune == SP_RUNE_ERROR && n == 1) {
			(void)sp_buf_printf(out, "\\x%02x", (unsigned)(uint8_t)s.ptr[i]);
		} else if (rune == '"' || rune == '\\') {
			(void)sp_buf_append(out, (char[]){'\\', (char)rune}, 2);
		} else if (sp_rune_prints(rune)) {
			(void)sp_buf_append(out, s.ptr + i, n);
		} else {
			escape(out, rune);
		}
		i += n;
	}
	return sp_buf_char(out, '"');
}
