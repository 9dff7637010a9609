/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_span.h"

static void skip_blanks(sp_str *in)
{
	size_t i = 0;
	while (i < in->len &&
	       (in->ptr[i] == ' ' || in->ptr[i] == '\t' || in->ptr[i] == '\r' || in->ptr[i] == '\n'))
		i++;
	*in = sp_str_sub(*in, i, in->len);
}

/* The inside of a string, its escapes kept. */
static bool take_string(sp_str *in, sp_str *ret)
{
	sp_str rest = *in;
	if (!sp_str_take(&rest, SP_STR("\"")))
		return false;
	for (size_t i = 0; i < rest.len; i++) {
		if (rest.ptr[i] == '\\') {
			i++;
		} else if (rest.ptr[i] == '"') {
			*ret = sp_str_sub(rest, 0, i);
			*in = sp_str_sub(rest, i + 1, rest.len);
			return true;
		}
	}
	return false;
}

/* Any value: up to the comma or bracket that ends it on its own level. */
static bool take_value(sp_str *in, sp_str *ret)
{
	size_t depth = 0, i = 0;
	for (; i < in->len; i++) {
		char c = in->ptr[i];
		if (c == '"') {
			sp_str rest = sp_str_sub(*in, i, in->len), text;
			if (!take_string(&rest, &text))
				return false;
			i = in->len - rest.len - 1;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
			break;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	*ret = sp_str_trim(sp_str_sub(*in, 0, i));
	*in = sp_str_sub(*in, i, in->len);
	return depth == 0 && ret->len > 0;
}

/* Comes in behind '{' or ','; SP_ENOTFOUND: no member follows. */
static sp_code next_member(sp_str *rest, bool first, sp_str *ret_name, sp_str *ret_value)
{
	skip_blanks(rest);
	if (sp_str_starts(*rest, SP_STR("}")))
		return first ? SP_ENOTFOUND : SP_EINVAL;
	if (!take_string(rest, ret_name))
		return SP_EINVAL;
	skip_blanks(rest);
	return sp_str_take(rest, SP_STR(":")) && take_value(rest, ret_value) ? SP_OK : SP_EINVAL;
}

static bool open_object(sp_str *rest)
{
	skip_blanks(rest);
	return sp_str_take(rest, SP_STR("{"));
}

sp_code sp_json_span(sp_str object, sp_str key, sp_str *ret)
{
	sp_str rest = object, name, value;
	if (!open_object(&rest))
		return SP_EINVAL;
	for (bool first = true;; first = false) {
		SP_TRY(next_member(&rest, first, &name, &value));
		if (sp_str_eq(name, key)) {
			*ret = value;
			return SP_OK;
		}
		if (!sp_str_take(&rest, SP_STR(",")))
			return sp_str_starts(rest, SP_STR("}")) ? SP_ENOTFOUND : SP_EINVAL;
	}
}

bool sp_json_span_next(sp_str *in, sp_str *ret)
{
	sp_str rest = *in;
	skip_blanks(&rest);
	if (!sp_str_take(&rest, SP_STR("[")) && !sp_str_take(&rest, SP_STR(",")))
		return false;
	if (!take_value(&rest, ret))
		return false;
	*in = rest;
	return true;
}

sp_code sp_json_span_without(sp_buf *out, sp_str object, sp_str key)
{
	sp_str rest = object, name, value;
	bool any = false;
	if (!open_object(&rest))
		return SP_EINVAL;
	(void)sp_buf_char(out, '{');
	for (bool first = true;; first = false) {
		const char *start = rest.ptr;
		sp_code code = next_member(&rest, first, &name, &value);
		if (code == SP_ENOTFOUND)
			break;
		SP_TRY(code);
		if (!sp_str_eq(name, key)) {
			if (any)
				(void)sp_buf_char(out, ',');
			(void)sp_buf_str(out, (sp_str){start, (size_t)(value.ptr + value.len - start)});
			any = true;
		}
		if (sp_str_take(&rest, SP_STR(",")))
			continue;
		if (!sp_str_starts(rest, SP_STR("}")))
			return SP_EINVAL;
		break;
	}
	return sp_buf_char(out, '}');
}
