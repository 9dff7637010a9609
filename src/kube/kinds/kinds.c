/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/kinds.h"

#include <stdarg.h>
#include <stdio.h>

#include "kube/defaults.h"
#include "kube/meta.h"

static const sp_kind_hooks no_hooks = {.flags = 0};

static const sp_kind_hooks *hooks_of(const sp_kind_ctx *c)
{
	return c->kind->hooks != NULL ? c->kind->hooks : &no_hooks;
}

const sp_sub_hooks *sp_kind_sub(const sp_kind_hooks *hooks, sp_str name)
{
	for (size_t i = 0; hooks != NULL && i < hooks->n_subs; i++) {
		if (sp_str_eq(hooks->subs[i].name, name))
			return &hooks->subs[i];
	}
	return NULL;
}

sp_code sp_kind_defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	const sp_kind_hooks *h = hooks_of(c);
	if (h->defaults != NULL)
		h->defaults(c, obj);
	return c->code;
}

/* What failed: making the result, or collecting the errors. */
static sp_code outcome(const sp_kind_ctx *c)
{
	return c->code != SP_OK ? c->code : c->errors->code;
}

/* Upstream's stored objects get their defaults again when they are read; here they are stored with them. */
static void finish(sp_kind_ctx *c, const sp_kind_hooks *h, yyjson_mut_val *obj)
{
	if (c->errors->n > 0 || outcome(c) != SP_OK)
		return;
	SP_KIND_NEED(c, sp_default(c->doc, c->kind->schema, obj, NULL) == SP_OK);
	if (h->defaults != NULL)
		h->defaults(c, obj);
}

sp_code sp_kind_before_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	const sp_kind_hooks *h = hooks_of(c);
	if ((h->flags & SP_KIND_HAS_STATUS) != 0 && (h->flags & SP_KIND_STATUS_ON_CREATE) == 0)
		sp_kv_drop(obj, "status");
	if ((h->flags & SP_KIND_GENERATION) != 0)
		SP_KIND_NEED(c, sp_kv_set_i64(c->doc, sp_meta(obj), "generation", 1));
	if (h->prepare_create != NULL)
		h->prepare_create(c, obj);
	if (h->validate != NULL)
		h->validate(c, obj);
	if (c->errors->n == 0)
		sp_meta_validate_generic(c, obj);
	if (c->errors->n == 0 && outcome(c) == SP_OK && h->warn_create != NULL)
		h->warn_create(c, obj);
	finish(c, h, obj);
	return outcome(c);
}

bool sp_kind_same(const sp_kind_ctx *c, const char *member, yyjson_mut_val *a, yyjson_mut_val *b)
{
	const sp_field *f = sp_schema_field(c->kind->schema, sp_str_c(member), NULL);
	return f != NULL ? sp_kv_equal_as(f->schema, a, b) : sp_kv_equal(a, b);
}

/* The metadata that a status write may not touch goes back, by the kind's flags. */
static void restore_metadata(sp_kind_ctx *c, uint32_t flags, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *meta = sp_meta(obj);
	if ((flags & SP_KIND_STATUS_KEEPS_LABELS) != 0)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, meta, sp_meta(old), "labels"));
	if ((flags & SP_KIND_STATUS_ONLY_STATUS) == 0)
		return;
	yyjson_mut_val *managed = sp_kv_get(meta, "managedFields");
	yyjson_mut_val *version = sp_kv_get(meta, "resourceVersion");
	SP_KIND_NEED(c, sp_kv_copy(c->doc, obj, old, "metadata"));
	SP_KIND_NEED(c, sp_kv_set(c->doc, sp_meta(obj), "managedFields", managed));
	SP_KIND_NEED(c, sp_kv_set(c->doc, sp_meta(obj), "resourceVersion", version));
}

static void prepare_update(sp_kind_ctx *c, const sp_kind_hooks *h, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if ((h->flags & SP_KIND_HAS_STATUS) != 0)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, obj, old, "status"));
	if (h->prepare_update != NULL)
		h->prepare_update(c, obj, old);
	yyjson_mut_val *now = sp_kv_get(obj, "spec"), *was = sp_kv_get(old, "spec");
	bool deep = (h->flags & SP_KIND_GENERATION_DEEP) != 0;
	if ((h->flags & SP_KIND_GENERATION) != 0 &&
	    !(deep ? sp_kv_equal_deep(now, was) : sp_kind_same(c, "spec", now, was)))
		sp_meta_bump_generation(c, obj, old);
}

static void prepare_sub(sp_kind_ctx *c, const sp_kind_hooks *h, const sp_sub_hooks *sub, yyjson_mut_val *obj,
			yyjson_mut_val *old)
{
	if (sp_str_eq(c->subresource, SP_STR("status"))) {
		SP_KIND_NEED(c, sp_kv_copy(c->doc, obj, old, "spec"));
		restore_metadata(c, h->flags, obj, old);
	}
	if (sub != NULL && sub->prepare_update != NULL)
		sub->prepare_update(c, obj, old);
}

sp_code sp_kind_before_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	const sp_kind_hooks *h = hooks_of(c);
	bool whole = c->subresource.len == 0;
	const sp_sub_hooks *sub = whole ? NULL : sp_kind_sub(h, c->subresource);
	yyjson_mut_val *meta = sp_kv_need_obj(c->doc, obj, "metadata");
	SP_KIND_NEED(c, meta != NULL);
	SP_KIND_NEED(c, sp_kv_copy(c->doc, meta, sp_meta(old), "generation"));
	if (whole)
		prepare_update(c, h, obj, old);
	else
		prepare_sub(c, h, sub, obj, old);
	sp_meta_take_over(c, obj, old);
	sp_meta_validate_generic(c, obj);
	sp_meta_validate_update_generic(c, obj, old);
	sp_kind_validate_update_fn *validate = whole         ? h->validate_update
					       : sub != NULL ? sub->validate_update
							     : NULL;
	sp_kind_validate_update_fn *warn = whole ? h->warn_update : sub != NULL ? sub->warn_update : NULL;
	if (validate != NULL)
		validate(c, obj, old);
	if (c->errors->n == 0 && outcome(c) == SP_OK && warn != NULL)
		warn(c, obj, old);
	finish(c, h, obj);
	return outcome(c);
}

void sp_default_str(sp_kind_ctx *c, yyjson_mut_val *object, const char *name, const char *text)
{
	yyjson_mut_val *v = sp_kv_get(object, name);
	if (v == NULL || (yyjson_mut_is_str(v) && sp_jmut_str(v).len == 0))
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, object, name, sp_str_c(text)));
}

void sp_default_i64(sp_kind_ctx *c, yyjson_mut_val *object, const char *name, int64_t v)
{
	if (!sp_kv_has(object, name))
		SP_KIND_NEED(c, sp_kv_set_i64(c->doc, object, name, v));
}

void sp_default_nonzero(sp_kind_ctx *c, yyjson_mut_val *object, const char *name, int64_t v)
{
	if (sp_kv_i64(object, name, 0) == 0)
		SP_KIND_NEED(c, sp_kv_set_i64(c->doc, object, name, v));
}

void sp_default_bool(sp_kind_ctx *c, yyjson_mut_val *object, const char *name, bool v)
{
	if (!sp_kv_has(object, name))
		SP_KIND_NEED(c, sp_kv_set_bool(c->doc, object, name, v));
}

static void add_warning(sp_kind_ctx *c, sp_str text)
{
	sp_warnings *w = &c->warnings;
	if (w->n >= SP_WARNINGS_MAX)
		return;
	if (w->n == w->cap) {
		size_t cap = w->cap == 0 ? 4 : w->cap * 2;
		sp_str *items =
			sp_arena_try_grow(c->arena, w->items, w->cap * sizeof(*items), cap * sizeof(*items));
		SP_KIND_NEED(c, items != NULL);
		if (items == NULL)
			return;
		w->items = items;
		w->cap = cap;
	}
	sp_str copy = sp_arena_try_dup(c->arena, text);
	SP_KIND_NEED(c, copy.ptr != NULL || text.len == 0);
	w->items[w->n++] = copy;
}

/* Longer texts are cut: the header has little room. */
#define WARNING_BYTES_MAX 2048

static SP_PRINTF(3, 0) void vwarn(sp_kind_ctx *c, sp_buf *text, const char *fmt, va_list ap)
{
	char tail[WARNING_BYTES_MAX];
	int n = vsnprintf(tail, sizeof tail, fmt, ap);
	if (n > 0)
		(void)sp_buf_append(text, tail, SP_MIN((size_t)n, sizeof tail - 1));
	SP_KIND_NEED(c, sp_buf_code(text) == SP_OK);
	add_warning(c, sp_buf_view(text));
}

void sp_warn(sp_kind_ctx *c, const char *fmt, ...)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, (size_t)WARNING_BYTES_MAX * 2);
	va_list ap;
	va_start(ap, fmt);
	vwarn(c, &text, fmt, ap);
	va_end(ap);
}

void sp_warn_at(sp_kind_ctx *c, const sp_path *path, const char *fmt, ...)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, c->arena->limit_bytes);
	(void)sp_path_write(&text, path);
	(void)sp_buf_str(&text, SP_STR(": "));
	va_list ap;
	va_start(ap, fmt);
	vwarn(c, &text, fmt, ap);
	va_end(ap);
}

/* The scalar at a dotted path as text. */
static sp_str scalar_at(sp_arena *a, yyjson_mut_val *v, sp_str path)
{
	sp_str step;
	bool more = true;
	while (more && v != NULL) {
		more = sp_str_cut(&path, '.', &step);
		v = sp_jmut_get(v, more ? step : path);
	}
	if (yyjson_mut_is_bool(v))
		return yyjson_mut_get_bool(v) ? SP_STR("true") : SP_STR("false");
	if (yyjson_mut_is_num(v))
		return sp_arena_printf(a, "%lld", (long long)sp_kv_num(v, 0));
	return sp_jmut_str(v);
}

bool sp_kind_field(const sp_kind_hooks *hooks, sp_arena *a, yyjson_mut_val *obj, sp_str name, sp_str *ret)
{
	static const sp_selectable common[] = {{SP_STR_INIT("metadata.name"), NULL},
					       {SP_STR_INIT("metadata.namespace"), NULL}};
	size_t n_own = hooks != NULL ? hooks->n_selectable : 0;
	for (size_t i = 0; i < SP_LEN(common) + n_own; i++) {
		const sp_selectable *s =
			i < SP_LEN(common) ? &common[i] : &hooks->selectable[i - SP_LEN(common)];
		if (!sp_str_eq(s->name, name))
			continue;
		*ret = s->get != NULL ? s->get(a, obj) : scalar_at(a, obj, name);
		return true;
	}
	return false;
}

yyjson_mut_val *sp_kind_cell(sp_kind_ctx *c, yyjson_mut_val *obj, sp_str column)
{
	const sp_kind_hooks *h = hooks_of(c);
	for (size_t i = 0; i < h->n_cells; i++) {
		if (sp_str_eq(h->cells[i].column, column))
			return h->cells[i].make(c, obj);
	}
	return NULL;
}
