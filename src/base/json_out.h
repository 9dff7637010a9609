/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON written piece by piece, without a tree: it only keeps track of the commas. The caller sees to it that
 * brackets match and that keys stand in objects. Errors are those of the buffer and sticky: check once at the
 * end with sp_buf_code. Text is escaped as sp_json_write_str does.
 */
#pragma once

#include "base/json.h"

typedef struct sp_jout {
	sp_buf *out;
	bool comma; /* a value or a closed bracket stands before */
} sp_jout;

static inline sp_jout sp_jout_to(sp_buf *out)
{
	return (sp_jout){.out = out};
}

/* '{' or '[', and their ends. */
void sp_jout_open(sp_jout *j, char bracket);
void sp_jout_close(sp_jout *j, char bracket);
/* A member's name; its value follows. */
void sp_jout_key(sp_jout *j, sp_str key);

void sp_jout_str(sp_jout *j, sp_str s);
void sp_jout_i64(sp_jout *j, int64_t v);
void sp_jout_bool(sp_jout *j, bool v);
void sp_jout_null(sp_jout *j);
/* A value that is JSON text already. */
void sp_jout_raw(sp_jout *j, sp_str json);

/* Whole members. */
void sp_jout_member_str(sp_jout *j, sp_str key, sp_str value);
void sp_jout_member_i64(sp_jout *j, sp_str key, int64_t value);
void sp_jout_member_bool(sp_jout *j, sp_str key, bool value);
void sp_jout_member_raw(sp_jout *j, sp_str key, sp_str json);
/* "key":[ or "key":{ */
void sp_jout_member_open(sp_jout *j, sp_str key, char bracket);
/* A list of texts. */
void sp_jout_member_strs(sp_jout *j, sp_str key, const sp_str *values, size_t n);

/* Appends compact JSON text with a line per value, indented by `width` blanks a level, as Go's json.Indent.
 */
sp_code sp_json_indent(sp_buf *out, sp_str json, unsigned width);
