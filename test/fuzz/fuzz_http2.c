/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	fuzz_http(data, n, true);
	return 0;
}
