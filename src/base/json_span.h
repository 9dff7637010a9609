/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a JSON object found in its text, without making a tree of it. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

/*
 * The text of a member's value, blanks around it taken off; the first one of that name. Names are compared
 * as they are written, so `key` is one that needs no escapes. SP_ENOTFOUND: no such member. SP_EINVAL: not an
 * object, or its text ends early. Only brackets and quotes are looked at: the text is one that a parser has
 * accepted before. O(bytes up to the member).
 */
sp_code sp_json_span(sp_str object, sp_str key, sp_str *ret) SP_MUST_USE;

/* Appends the characters of a string value ("…", as sp_json_span gives it), its escapes resolved. SP_EINVAL:
 * not a string, or a bad escape; else the errors of the buffer. */
sp_code sp_json_span_text(sp_str value, sp_buf *out) SP_MUST_USE;

/* Walks an array's elements: *in starts as the array's text and is advanced. False: the end, or not an array.
 */
bool sp_json_span_next(sp_str *in, sp_str *ret);
/* Appends the object without its members of that name. Errors as above (but not SP_ENOTFOUND), and the
 * buffer's. */
sp_code sp_json_span_without(sp_buf *out, sp_str object, sp_str key) SP_MUST_USE;
