/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded data that stands beside a checkout (../shared/data, or SAMPAN_TEST_DATA) and is not part of it. */
#pragma once

#include "base/json.h"
#include "lib/t.h"

/* The text of a file there; *ret_there says whether there is one. {NULL, 0}: none, or no room. */
sp_str t_data_read(sp_arena *a, const char *path, bool *ret_there);

/* A JSON file there, in the test's arena; skips the test when there is none. NULL: no room. */
static inline yyjson_val *t_data_json(const char *path)
{
	bool there = false;
	yyjson_val *v = NULL;
	sp_str text = t_data_read(T_ARENA, path, &there);
	if (!there)
		t_skip("no recorded data beside the checkout: %s", path);
	return text.ptr != NULL && sp_json_parse(T_ARENA, text, &v, T_ERR) == SP_OK ? v : NULL;
}

/* Deep equality with free order of members; `where` gets the path of the first difference. */
bool t_json_equal(yyjson_val *got, yyjson_val *want, char *where, size_t where_bytes);
