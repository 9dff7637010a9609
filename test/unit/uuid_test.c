/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uuid.h"

#include "base/str.h"
#include "lib/t.h"

SP_TEST(uuid, text)
{
	static const struct {
		uint8_t fill;
		const char *text;
	} rows[] = {{0x00, "00000000-0000-4000-8000-000000000000"},
		    {0xff, "ffffffff-ffff-4fff-bfff-ffffffffffff"},
		    {0x5a, "5a5a5a5a-5a5a-4a5a-9a5a-5a5a5a5a5a5a"}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		uint8_t raw[SP_UUID_BYTES];
		char text[SP_UUID_TEXT_BYTES];
		t_row("%zu", i);
		memset(raw, rows[i].fill, sizeof raw);
		sp_uuid_print(text, raw);
		T_TRUE(sp_str_eq((sp_str){text, sizeof text}, sp_str_c(rows[i].text)));
	}
}
