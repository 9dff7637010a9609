/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded data that stands beside a checkout (../shared/data, or SAMPAN_TEST_DATA) and is not part of it. */
#pragma once

#include "base/json.h"

/* The text of a file there, in the test's arena; skips the test when there is none. {NULL, 0}: no room. */
sp_str t_data_file(const char *path);
/* The same, parsed. NULL: no room. */
yyjson_val *t_data_json(const char *path);

/* Deep equality with free order of members; `where` gets the path of the first difference. */
bool t_json_equal(yyjson_val *got, yyjson_val *want, char *where, size_t where_bytes);
