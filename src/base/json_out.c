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
