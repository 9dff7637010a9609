/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A quantity's canonical text reads back as the same amount and is its own canonical text. The one exception
 * is upstream's: an amount of binary format without a factor of 1024 is written without a suffix, which reads
 * as decimal (62.5Ki, 64000, 64k).
 */
#include "base/quantity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sp_qty q;
	sp_qty again;
	if (size > 200 || sp_qty_parse((sp_str){(const char *)data, size}, &q, NULL) != SP_OK)
		return 0;
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, 4096);
	sp_str text = sp_qty_print(&a, q);
	SP_ASSERT(sp_qty_parse(text, &again, NULL) == SP_OK);
	SP_ASSERT(sp_qty_cmp(&q, &again) == 0);
	if (again.format != q.format && q.format == SP_QTY_BINARY_SI) {
		q.format = SP_QTY_DECIMAL_SI;
		SP_ASSERT(again.format == SP_QTY_DECIMAL_SI);
		text = sp_qty_print(&a, q);
	}
	SP_ASSERT(sp_str_eq(text, sp_qty_print(&a, again)));
	return 0;
}
