/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 one character at a time. Bytes that are not well formed count as one U+FFFD each, as in Go. */
#pragma once

#include "base/str.h"

#define SP_RUNE_ERROR 0xfffdu
#define SP_RUNE_MAX 0x10ffffu
#define SP_UTF8_MAX_BYTES 4

/* Length (1 to 4) of the well-formed sequence at the front of s, 0 when there is none (malformed, cut,
 * empty). */
size_t sp_utf8_len(sp_str s);

/*
 * The character at the front of s, which is not empty. Returns the number of bytes taken: for malformed input
 * 1, with *ret_rune = SP_RUNE_ERROR (a well-formed U+FFFD takes 3).
 */
size_t sp_utf8_decode(sp_str s, uint32_t *ret_rune);

/* The character that ends s (not empty) in the same way, looking backwards. */
size_t sp_utf8_decode_last(sp_str s, uint32_t *ret_rune);

/* Writes the character to out, which has SP_UTF8_MAX_BYTES; returns the length. What is no character (a
 * surrogate, above SP_RUNE_MAX) is written as U+FFFD. */
size_t sp_utf8_encode(char *out, uint32_t rune);

/* Characters in s; each malformed byte counts as one. */
size_t sp_utf8_count(sp_str s);
