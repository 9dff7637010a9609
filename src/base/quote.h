/* SPDX-License-Identifier: Apache-2.0 */
/* Text in quotes as Go's %q (strconv.Quote) prints it: upstream's messages show values that way. */
#pragma once

#include "base/buf.h"

/*
 * Appends s in double quotes: named escapes (\n, \t …), \xNN for bytes that are not UTF-8, \u and \U for
 * characters that do not print. Errors: those of the buffer.
 */
sp_code sp_quote_go(sp_buf *out, sp_str s);

/* unicode.IsPrint: letters, marks, numbers, punctuation, symbols and the ASCII blank. */
bool sp_rune_prints(uint32_t rune);
