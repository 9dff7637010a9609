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

sp_code sp_json_span(sp_str object, sp_str key, sp_str *ret)
{
	sp_str rest = object, name, value;
	skip_blanks(&rest);
	if (!sp_str_take(&rest, SP_STR("{")))
		return SP_EINVAL;
	skip_blanks(&rest);
	if (sp_str_starts(rest, SP_STR("}")))
		return SP_ENOTFOUND;
	for (;;) {
		skip_blanks(&rest);
		if (!take_string(&rest, &name))
			return SP_EINVAL;
		skip_blanks(&rest);
		if (!sp_str_take(&rest, SP_STR(":")) || !take_value(&rest, &value))
			return SP_EINVAL;
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
