/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/crd/crd_int.h"

void sp_crd_errors_init(sp_crd_errors *e, sp_arena *a)
{
	*e = (sp_crd_errors){.arena = a};
}

void sp_crd_error_add(sp_crd_errors *e, sp_str reason, sp_str field, const char *fmt, ...)
{
	if (e->n >= SP_CRD_ERRORS_MAX) {
		e->dropped++;
		return;
	}
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (e->n == e->cap) {
		size_t cap = e->cap == 0 ? 8 : e->cap * 2;
		sp_crd_error *items =
			sp_arena_try_grow(e->arena, e->items, e->cap * sizeof(*items), cap * sizeof(*items));
		if (items == NULL) {
			e->code = SP_ENOMEM;
			return;
		}
		e->items = items;
		e->cap = cap;
	}
	size_t len = n < 0 ? 0 : SP_MIN((size_t)n, sizeof(text) - 1); /* long values are cut */
	e->items[e->n++] = (sp_crd_error){reason, field, sp_arena_try_dup(e->arena, (sp_str){text, len})};
}

sp_str sp_crd_errors_text(sp_arena *a, const sp_crd_errors *e)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, (size_t)1 << 20);
	for (size_t i = 0; i < e->n; i++) {
		(void)sp_buf_str(&text, i == 0 ? (e->n > 1 ? SP_STR("[") : SP_STR("")) : SP_STR(", "));
		(void)sp_buf_str(&text, e->items[i].field);
		(void)sp_buf_str(&text, SP_STR(": "));
		(void)sp_buf_str(&text, e->items[i].detail);
	}
	if (e->n > 1)
		(void)sp_buf_char(&text, ']');
	return sp_arena_try_dup(a, sp_buf_view(&text));
}

sp_str sp_crd_path(sp_arena *a, sp_str parent, sp_str name)
{
	return sp_arena_printf(a, SP_FMT "%s" SP_FMT, SP_ARG(parent), parent.len == 0 ? "" : ".",
			       SP_ARG(name));
}

sp_str sp_crd_path_key(sp_arena *a, sp_str parent, sp_str key)
{
	return sp_arena_printf(a, SP_FMT "[" SP_FMT "]", SP_ARG(parent), SP_ARG(key));
}
