/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_out.h"

/* Every value begins with this. */
static void separate(sp_jout *j)
{
	if (j->comma)
		(void)sp_buf_char(j->out, ',');
	j->comma = true;
}

void sp_jout_open(sp_jout *j, char bracket)
{
	separate(j);
	(void)sp_buf_char(j->out, bracket);
	j->comma = false;
}

void sp_jout_close(sp_jout *j, char bracket)
{
	(void)sp_buf_char(j->out, bracket);
	j->comma = true;
}

void sp_jout_key(sp_jout *j, sp_str key)
{
	sp_jout_str(j, key);
	(void)sp_buf_char(j->out, ':');
	j->comma = false;
}

void sp_jout_str(sp_jout *j, sp_str s)
{
	separate(j);
	(void)sp_json_write_str(j->out, s);
}

void sp_jout_i64(sp_jout *j, int64_t v)
{
	separate(j);
	(void)sp_buf_i64(j->out, v);
}

void sp_jout_bool(sp_jout *j, bool v)
{
	sp_jout_raw(j, v ? SP_STR("true") : SP_STR("false"));
}

void sp_jout_null(sp_jout *j)
{
	sp_jout_raw(j, SP_STR("null"));
}

void sp_jout_raw(sp_jout *j, sp_str json)
{
	separate(j);
	(void)sp_buf_str(j->out, json);
}

void sp_jout_member_str(sp_jout *j, sp_str key, sp_str value)
{
	sp_jout_key(j, key);
	sp_jout_str(j, value);
}

void sp_jout_member_i64(sp_jout *j, sp_str key, int64_t value)
{
	sp_jout_key(j, key);
	sp_jout_i64(j, value);
}

void sp_jout_member_bool(sp_jout *j, sp_str key, bool value)
{
	sp_jout_key(j, key);
	sp_jout_bool(j, value);
}

void sp_jout_member_raw(sp_jout *j, sp_str key, sp_str json)
{
	sp_jout_key(j, key);
	sp_jout_raw(j, json);
}

void sp_jout_member_open(sp_jout *j, sp_str key, char bracket)
{
	sp_jout_key(j, key);
	sp_jout_open(j, bracket);
}

void sp_jout_member_strs(sp_jout *j, sp_str key, const sp_str *values, size_t n)
{
	sp_jout_member_open(j, key, '[');
	for (size_t i = 0; i < n; i++)
		sp_jout_str(j, values[i]);
	sp_jout_close(j, ']');
}

/* ---- indenting ---- */

static sp_code newline(sp_buf *out, size_t n_blanks)
{
	(void)sp_buf_char(out, '\n');
	for (size_t i = 0; i < n_blanks; i++)
		(void)sp_buf_char(out, ' ');
	return sp_buf_code(out);
}

/* The end of the string that begins at i. */
static size_t skip_string(sp_str s, size_t i)
{
	for (i++; i < s.len && s.ptr[i] != '"'; i++)
		i += s.ptr[i] == '\\';
	return SP_MIN(i + 1, s.len);
}

sp_code sp_json_indent(sp_buf *out, sp_str json, unsigned width)
{
	size_t depth = 0;
	for (size_t i = 0; i < json.len;) {
		char c = json.ptr[i];
		bool empty = i + 1 < json.len && (json.ptr[i + 1] == '}' || json.ptr[i + 1] == ']');
		size_t end = c == '"' ? skip_string(json, i) : i + 1;
		if ((c == '}' || c == ']') && json.ptr[i - 1] != '{' && json.ptr[i - 1] != '[')
			(void)newline(out, --depth * width);
		else if (c == '}' || c == ']')
			depth--;
		(void)sp_buf_str(out, sp_str_sub(json, i, end));
		if (c == '{' || c == '[') {
			depth++;
			if (!empty)
				(void)newline(out, depth * width);
		} else if (c == ',') {
			(void)newline(out, depth * width);
		} else if (c == ':') {
			(void)sp_buf_char(out, ' ');
		}
		i = end;
	}
	return sp_buf_code(out);
}
