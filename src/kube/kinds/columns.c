/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/columns.h"

yyjson_mut_val *sp_cell_str_or(sp_kind_ctx *c, yyjson_mut_val *object, const char *name, const char *absent)
{
	return sp_cell_str(c, sp_kv_has(object, name) ? sp_kv_str(object, name) : sp_str_c(absent));
}

sp_str sp_cell_lower(sp_kind_ctx *c, sp_str text)
{
	char *copy = sp_arena_try_alloc(c->arena, text.len + 1);
	SP_KIND_NEED(c, copy != NULL);
	for (size_t i = 0; copy != NULL && i < text.len; i++)
		copy[i] = text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? (char)(text.ptr[i] | 0x20) : text.ptr[i];
	return (sp_str){copy, copy != NULL ? text.len : 0};
}

yyjson_mut_val *sp_cell_len(sp_kind_ctx *c, const yyjson_mut_val *list)
{
	return sp_cell_i64(c, (int64_t)sp_kv_len(list));
}

yyjson_mut_val *sp_cell_texts(sp_kind_ctx *c, yyjson_mut_val *list, const char *between, const char *none)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, c->arena->limit_bytes);
	SP_KV_EACH (item, i, list) {
		(void)sp_buf_str(&text, i > 0 ? sp_str_c(between) : SP_STR(""));
		(void)sp_buf_str(&text, sp_jmut_str(item));
	}
	return text.len == 0 ? sp_cell_str(c, sp_str_c(none)) : sp_cell_buf(c, &text);
}

bool sp_kv_time(yyjson_mut_val *object, const char *name, sp_time *ret)
{
	sp_str text = sp_kv_str(object, name);
	return text.len > 0 && sp_time_parse(text, ret, NULL) == SP_OK;
}

yyjson_mut_val *sp_cell_span(sp_kind_ctx *c, sp_time from, sp_time to)
{
	char text[SP_AGE_BYTES];
	int64_t seconds = to.seconds - from.seconds;
	if (seconds > 0 && to.nanos < from.nanos)
		seconds--;
	return sp_cell_str(c, (sp_str){text, sp_age_print(text, seconds)});
}

yyjson_mut_val *sp_cell_first_texts(sp_kind_ctx *c, const sp_str *texts, size_t n, size_t shown)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, c->arena->limit_bytes);
	for (size_t i = 0; i < n && i < shown; i++) {
		(void)sp_buf_str(&text, i > 0 ? SP_STR(",") : SP_STR(""));
		(void)sp_buf_str(&text, texts[i]);
	}
	if (n > shown)
		(void)sp_buf_printf(&text, " + %zu more...", n - shown);
	return n == 0 ? sp_cell_str(c, SP_STR("<unset>")) : sp_cell_buf(c, &text);
}
