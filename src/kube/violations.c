/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/violations.h"

#include <stdio.h>

#include "base/limits.h"
#include "base/quote.h"

static const struct {
	sp_str reason, text;
	bool shows_value;
} types[SP_V_COUNT_] = {
	[SP_V_NOT_FOUND] = {SP_STR_INIT("FieldValueNotFound"), SP_STR_INIT("Not found"), true},
	[SP_V_REQUIRED] = {SP_STR_INIT("FieldValueRequired"), SP_STR_INIT("Required value"), false},
	[SP_V_DUPLICATE] = {SP_STR_INIT("FieldValueDuplicate"), SP_STR_INIT("Duplicate value"), true},
	[SP_V_INVALID] = {SP_STR_INIT("FieldValueInvalid"), SP_STR_INIT("Invalid value"), true},
	[SP_V_NOT_SUPPORTED] = {SP_STR_INIT("FieldValueNotSupported"), SP_STR_INIT("Unsupported value"),
				true},
	[SP_V_FORBIDDEN] = {SP_STR_INIT("FieldValueForbidden"), SP_STR_INIT("Forbidden"), false},
	[SP_V_TOO_LONG] = {SP_STR_INIT("FieldValueTooLong"), SP_STR_INIT("Too long"), false},
	[SP_V_TOO_SHORT] = {SP_STR_INIT("FieldValueTooShort"), SP_STR_INIT("Too short"), false},
	[SP_V_TOO_MANY] = {SP_STR_INIT("FieldValueTooMany"), SP_STR_INIT("Too many"), true},
	[SP_V_TOO_FEW] = {SP_STR_INIT("FieldValueTooFew"), SP_STR_INIT("Too few"), true},
	[SP_V_INTERNAL] = {SP_STR_INIT("InternalError"), SP_STR_INIT("Internal error"), false},
	[SP_V_TYPE_INVALID] = {SP_STR_INIT("FieldValueTypeInvalid"), SP_STR_INIT("Invalid value"), true},
};

/* One error shows one value of the request, quoted at worst; a body of that size never reaches it. */
#define MESSAGE_BYTES_MAX (SP_LIMIT_REQUEST_BODY_BYTES * 4)

sp_str sp_v_reason(sp_v_type type)
{
	SP_ASSERT(type < SP_V_COUNT_);
	return types[type].reason;
}

void sp_violations_init(sp_violations *v, sp_arena *a)
{
	*v = (sp_violations){.arena = a};
}

/* Steps of a path deeper than this are left out; no schema of a built-in kind is near it. */
#define PATH_STEPS_MAX 64u

sp_code sp_path_write(sp_buf *out, const sp_path *path)
{
	const sp_path *steps[PATH_STEPS_MAX];
	size_t n = 0;
	if (path == NULL)
		return sp_buf_str(out, SP_STR("<nil>"));
	for (const sp_path *p = path; p != NULL && n < SP_LEN(steps); p = p->parent)
		steps[n++] = p;
	for (size_t i = n; i-- > 0;) {
		const sp_path *p = steps[i];
		if (p->step == SP_PATH_NAME && p->name.len > 0) {
			if (p->parent != NULL)
				(void)sp_buf_char(out, '.');
			(void)sp_buf_str(out, p->name);
			continue;
		}
		(void)sp_buf_char(out, '[');
		if (p->step == SP_PATH_INDEX)
			(void)sp_buf_u64(out, p->index);
		else
			(void)sp_buf_str(out, p->name);
		(void)sp_buf_char(out, ']');
	}
	return sp_buf_code(out);
}

/* The next free item; NULL when the list is full or there is no room. */
static sp_violation *next_item(sp_violations *v)
{
	if (v->code != SP_OK)
		return NULL;
	if (v->n >= SP_VIOLATIONS_MAX) {
		v->dropped++;
		return NULL;
	}
	if (v->n == v->cap) {
		size_t cap = v->cap == 0 ? 8 : v->cap * 2;
		sp_violation *items =
			sp_arena_try_grow(v->arena, v->items, v->cap * sizeof(*items), cap * sizeof(*items));
		if (items == NULL) {
			v->code = SP_ETOOLARGE;
			return NULL;
		}
		v->items = items;
		v->cap = cap;
	}
	return &v->items[v->n];
}

/* Takes the texts into the list. */
static void finish(sp_violations *v, sp_violation *item, sp_v_type type, const sp_buf *field,
		   const sp_buf *message)
{
	*item = (sp_violation){.type = type};
	item->field = sp_arena_try_dup(v->arena, sp_buf_view(field));
	item->message = sp_arena_try_dup(v->arena, sp_buf_view(message));
	bool full = (field->len > 0 && item->field.ptr == NULL) || item->message.ptr == NULL;
	if (full || sp_buf_code(field) != SP_OK || sp_buf_code(message) != SP_OK)
		v->code = SP_ETOOLARGE;
	else
		v->n++;
}

static void write_member(sp_buf *out, const yyjson_mut_val *key, bool first)
{
	if (!first)
		(void)sp_buf_char(out, ',');
	(void)sp_json_write_str(out, (sp_str){key->uni.str, (size_t)(key->tag >> YYJSON_TAG_BIT)});
	(void)sp_buf_char(out, ':');
}

/* Go's omitempty, of what has JSON names in upstream's internal types: those of meta/v1. {} is an empty map
 * by its name, and elsewhere a struct, which shows. */
bool sp_bad_member_omitted(const yyjson_mut_val *key)
{
	static const sp_str maps[] = {SP_STR_INIT("annotations"), SP_STR_INIT("labels"),
				      SP_STR_INIT("matchLabels")};
	sp_str name = {key->uni.str, (size_t)(key->tag >> YYJSON_TAG_BIT)};
	yyjson_mut_val *v = key->next;
	if (!yyjson_mut_is_ctn(v) || unsafe_yyjson_get_len(v) > 0)
		return false;
	bool omitted = yyjson_mut_is_arr(v);
	for (size_t i = 0; i < SP_LEN(maps); i++)
		omitted = omitted || sp_str_eq(maps[i], name);
	return omitted;
}

void sp_bad_write_json(sp_buf *out, const yyjson_mut_val *v)
{
	yyjson_mut_val *val = (yyjson_mut_val *)(uintptr_t)v, *key, *item;
	bool object = yyjson_mut_is_obj(val), first = true;
	size_t i, max;
	if (!yyjson_mut_is_ctn(val)) {
		(void)(val == NULL ? sp_buf_str(out, SP_STR("null")) : sp_json_write_mut(out, val));
		return;
	}
	(void)sp_buf_char(out, object ? '{' : '[');
	yyjson_mut_obj_foreach(val, i, max, key, item)
	{
		if (sp_bad_member_omitted(key))
			continue;
		write_member(out, key, first);
		sp_bad_write_json(out, item);
		first = false;
	}
	yyjson_mut_arr_foreach(val, i, max, item)
	{
		if (i > 0)
			(void)sp_buf_char(out, ',');
		sp_bad_write_json(out, item);
	}
	(void)sp_buf_char(out, object ? '}' : ']');
}

static void write_bad(sp_buf *out, sp_bad bad)
{
	switch (bad.kind) {
	case SP_BAD_STR:
		(void)sp_quote_go(out, bad.str);
		break;
	case SP_BAD_NAMED:
		(void)sp_json_write_str(out, bad.str);
		break;
	case SP_BAD_I64:
		(void)sp_buf_i64(out, bad.i64);
		break;
	case SP_BAD_F64:
		(void)sp_json_write_f64(out, bad.f64);
		break;
	case SP_BAD_BOOL:
		(void)sp_buf_str(out, bad.truth ? SP_STR("true") : SP_STR("false"));
		break;
	case SP_BAD_JSON:
		sp_bad_write_json(out, bad.json);
		break;
	case SP_BAD_TEXT:
		(void)sp_buf_str(out, bad.str);
		break;
	case SP_BAD_OMIT:
		break;
	}
}

static SP_PRINTF(2, 0) void write_detail(sp_buf *out, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	char *p = n > 0 ? sp_buf_reserve(out, (size_t)n + 3) : NULL;
	if (p != NULL) {
		p[0] = ':';
		p[1] = ' ';
		(void)vsnprintf(p + 2, (size_t)n + 1, fmt, again);
		sp_buf_added(out, (size_t)n + 2);
	}
	va_end(again);
}

static SP_PRINTF(5, 0) void vadd(sp_violations *v, sp_v_type type, const sp_path *path, sp_bad bad,
				 const char *fmt, va_list ap)
{
	sp_violation *item = next_item(v);
	if (item == NULL)
		return;
	SP_AUTO_BUF field, message;
	sp_buf_init(&field, MESSAGE_BYTES_MAX);
	sp_buf_init(&message, MESSAGE_BYTES_MAX);
	(void)sp_path_write(&field, path);
	(void)sp_buf_str(&message, types[type].text);
	if (types[type].shows_value && bad.kind != SP_BAD_OMIT) {
		(void)sp_buf_str(&message, SP_STR(": "));
		write_bad(&message, bad);
	}
	write_detail(&message, fmt, ap);
	finish(v, item, type, &field, &message);
}

void sp_v_add_(sp_violations *v, sp_v_type type, const sp_path *path, sp_bad bad, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vadd(v, type, path, bad, fmt, ap);
	va_end(ap);
}

void sp_v_required(sp_violations *v, const sp_path *path, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vadd(v, SP_V_REQUIRED, path, sp_bad_omit(), fmt, ap);
	va_end(ap);
}

void sp_v_forbidden(sp_violations *v, const sp_path *path, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vadd(v, SP_V_FORBIDDEN, path, sp_bad_omit(), fmt, ap);
	va_end(ap);
}

void sp_v_internal(sp_violations *v, const sp_path *path, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vadd(v, SP_V_INTERNAL, path, sp_bad_omit(), fmt, ap);
	va_end(ap);
}

void sp_v_not_supported_(sp_violations *v, const sp_path *path, sp_bad bad, const char *const *supported,
			 size_t n)
{
	SP_AUTO_BUF list;
	sp_buf_init(&list, MESSAGE_BYTES_MAX);
	for (size_t i = 0; i < n; i++) {
		(void)sp_buf_str(&list, i == 0 ? SP_STR("supported values: ") : SP_STR(", "));
		(void)sp_quote_go(&list, sp_str_c(supported[i]));
	}
	if (sp_buf_code(&list) != SP_OK)
		v->code = SP_ENOMEM;
	sp_str text = sp_buf_view(&list);
	sp_v_add_(v, SP_V_NOT_SUPPORTED, path, bad, SP_FMT, SP_ARG(text));
}

void sp_v_too_long(sp_violations *v, const sp_path *path, int64_t max_bytes)
{
	if (max_bytes < 0)
		sp_v_add_(v, SP_V_TOO_LONG, path, sp_bad_omit(), "value is too long");
	else
		sp_v_add_(v, SP_V_TOO_LONG, path, sp_bad_omit(), "may not be more than %lld byte%s",
			  (long long)max_bytes, max_bytes == 1 ? "" : "s");
}

void sp_v_too_many(sp_violations *v, const sp_path *path, int64_t n, int64_t max)
{
	sp_bad bad = n < 0 ? sp_bad_omit() : sp_bad_i64(n);
	if (max < 0)
		sp_v_add_(v, SP_V_TOO_MANY, path, bad, "has too many items");
	else
		sp_v_add_(v, SP_V_TOO_MANY, path, bad, "must have at most %lld item%s", (long long)max,
			  max == 1 ? "" : "s");
}

void sp_v_too_few(sp_violations *v, const sp_path *path, int64_t n, int64_t min)
{
	sp_v_add_(v, SP_V_TOO_FEW, path, sp_bad_i64(n), "must have at least %lld item%s", (long long)min,
		  min == 1 ? "" : "s");
}

void sp_v_text(sp_violations *v, sp_v_type type, sp_str field, const char *fmt, ...)
{
	sp_violation *item = next_item(v);
	if (item == NULL)
		return;
	SP_AUTO_BUF at, message;
	sp_buf_init(&at, MESSAGE_BYTES_MAX);
	sp_buf_init(&message, MESSAGE_BYTES_MAX);
	(void)sp_buf_str(&at, field);
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	char *p = n > 0 ? sp_buf_reserve(&message, (size_t)n + 1) : NULL;
	if (p != NULL) {
		(void)vsnprintf(p, (size_t)n + 1, fmt, again);
		sp_buf_added(&message, (size_t)n);
	}
	va_end(again);
	va_end(ap);
	finish(v, item, type, &at, &message);
}

/* True when an earlier violation has the same text. */
static bool seen(const sp_violations *v, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (sp_str_eq(v->items[k].field, v->items[i].field) &&
		    sp_str_eq(v->items[k].message, v->items[i].message))
			return true;
	}
	return false;
}

sp_str sp_violations_text(sp_arena *a, const sp_violations *v)
{
	SP_AUTO_BUF text;
	size_t n_shown = 0;
	sp_buf_init(&text, a->limit_bytes);
	for (size_t i = 0; i < v->n; i++) {
		if (seen(v, i))
			continue;
		if (n_shown++ > 0)
			(void)sp_buf_str(&text, SP_STR(", "));
		(void)sp_buf_str(&text, v->items[i].field);
		(void)sp_buf_str(&text, SP_STR(": "));
		(void)sp_buf_str(&text, v->items[i].message);
	}
	if (sp_buf_code(&text) != SP_OK)
		return (sp_str){NULL, 0};
	sp_str view = sp_buf_view(&text);
	return n_shown > 1 ? sp_arena_printf(a, "[" SP_FMT "]", SP_ARG(view)) : sp_arena_try_dup(a, view);
}
