/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of the connection tracking: whatever is read of them lies within, and is of the family. */
#include "host/conntrack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (unsigned v4 = 0; v4 < 2; v4++) {
		host_flow f;
		if (!host_flow_parse(data, size, v4 == 1, &f))
			continue;
		SP_ASSERT(f.n_tuple > 0 && f.n_tuple <= sizeof f.tuple);
		SP_ASSERT(f.flow.to.v4 == (v4 == 1) && f.flow.from.v4 == (v4 == 1));
	}
	return 0;
}
