/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTML whose links are led through a proxy: whole and cut into pieces it becomes the same, and what is no tag
 * stays. The first byte is the size of the pieces.
 */
#include "apiserver/proxy/rewrite.h"
#include "base/alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const api_rewrite_place place = {SP_STR_INIT("/p/q"), SP_STR_INIT("10.0.0.1:80"), SP_STR_INIT("host")};

static void rewrite(sp_str text, size_t piece, sp_buf *out)
{
	api_rewrite *w = api_rewrite_new(&place);
	sp_str got;
	if (w == NULL)
		return;
	while (text.len > 0) {
		size_t n = SP_MIN(piece, text.len);
		SP_ASSERT(api_rewrite_feed(w, sp_str_sub(text, 0, n), false, &got) == SP_OK);
		(void)sp_buf_str(out, got);
		text = sp_str_sub(text, n, text.len);
	}
	SP_ASSERT(api_rewrite_feed(w, text, true, &got) == SP_OK);
	(void)sp_buf_str(out, got);
	api_rewrite_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SP_AUTO_BUF whole, pieces;
	sp_buf_init(&whole, (size_t)64 << 20);
	sp_buf_init(&pieces, (size_t)64 << 20);
	if (size < 2)
		return 0;
	sp_str text = {(const char *)data + 1, size - 1};
	rewrite(text, text.len, &whole);
	rewrite(text, (size_t)data[0] + 1, &pieces);
	SP_ASSERT(sp_str_eq(sp_buf_view(&whole), sp_buf_view(&pieces)));
	if (sp_str_index(text, '/') < 0) /* no path: nothing to change */
		SP_ASSERT(sp_str_eq(sp_buf_view(&whole), text));
	return 0;
}
