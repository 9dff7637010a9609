/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots for the scheduler's simulator: whatever is accepted gets one decision per pod to decide. */
#include "scheduler/simulate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sp_arena a;
	sp_buf out;
	yyjson_val *root = NULL;
	if (size > 1 << 16)
		return 0;
	sp_arena_init(&a, (size_t)256 << 20);
	sp_buf_init(&out, (size_t)64 << 20);
	if (sched_simulate((sp_str){(const char *)data, size}, &out, NULL) == SP_OK) {
		SP_ASSERT(sp_json_parse(&a, sp_buf_view(&out), &root, NULL) == SP_OK);
		SP_ASSERT(yyjson_is_arr(yyjson_obj_get(root, "decisions")));
	}
	sp_buf_done(&out);
	sp_arena_done(&a);
	return 0;
}
