/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 check: appending a valid string to a valid string stays valid; a cut inside a sequence does not. */
#include "base/num.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sp_str s = {(const char *)data, size};
	bool whole = sp_str_is_utf8(s);
	for (size_t cut = 0; cut <= size && size <= 64; cut++) {
		bool head = sp_str_is_utf8(sp_str_sub(s, 0, cut));
		bool tail = sp_str_is_utf8(sp_str_sub(s, cut, size));
		SP_ASSERT(!(head && tail) || whole);
	}
	int64_t v = 0;
	if (sp_parse_i64(s, INT64_MIN, INT64_MAX, &v, NULL) == SP_OK && size > 0 && data[0] != '0' &&
	    !(size > 1 && data[0] == '-' && data[1] == '0')) {
		char text[SP_NUM_TEXT_BYTES];
		SP_ASSERT(sp_str_eq((sp_str){text, sp_print_i64(text, v)}, s));
	}
	return 0;
}
