/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of variables that containers wrote: "KEY\0TEXT". A value that is found is in the text, but for the
 * ends of its lines.
 */
#include <stdlib.h>

#include "node/env_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_str text = {(const char *)data, size}, key, value = {NULL, 0};
	sp_arena_init(&a, (size_t)4 << 20);
	if (size == 0 || !sp_str_cut(&text, '\0', &key))
		return 0;
	if (node_env_file_value(text, key, &a, &value, NULL) != SP_OK)
		return 0;
	if (value.ptr == NULL || value.len > text.len + 1 || sp_str_index(value, '\'') >= 0)
		abort();
	sp_str line, rest = value;
	while (sp_str_next(&rest, '\n', &line)) {
		if (sp_str_find(text, line) < 0)
			abort();
	}
	return 0;
}
