/* SPDX-License-Identifier: Apache-2.0 */
/* The fieldPath of a rule: simple JSON paths below a schema. */
#include "kube/crd/crd_int.h"

/* The next part: a bracket or a point alone, a text in single quotes, or what stands before one of those.
 * False: none. */
static bool next_part(sp_str *rest, sp_str *ret)
{
	sp_str s = *rest;
	bool quoted = s.len > 0 && s.ptr[0] == '\'';
	size_t i = 0;
	for (; i < s.len; i++) {
		char c = s.ptr[i];
		if (quoted && i > 0 && c == '\'' && s.ptr[i - 1] != '\\') {
			i++;
			break;
		}
		if (!quoted && (c == '.' || c == '[' || c == ']')) {
			i += i == 0 ? 1 : 0;
			break;
		}
	}
	*ret = sp_str_sub(s, 0, i);
	*rest = sp_str_sub(s, i, s.len);
	return i > 0;
}

/* The content of a text in single quotes. False: an escape that is none, or no room. */
static bool unquote(sp_arena *a, sp_str s, sp_str *ret)
{
	static const char from[] = "abfnrtv'\\", to[] = "\a\b\f\n\r\t\v'\\";
	char *out = sp_arena_try_alloc(a, s.len + 1);
	size_t n = 0;
	if (out == NULL)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		const char *at = NULL;
		if (s.ptr[i] == '\\' && i + 1 < s.len) {
			at = s.ptr[i + 1] == '\0' ? NULL : strchr(from, s.ptr[i + 1]);
			i++;
			if (at == NULL)
				return false;
		}
		out[n++] = at == NULL ? s.ptr[i] : to[at - from];
	}
	*ret = (sp_str){out, n};
	return true;
}

typedef struct place {
	yyjson_mut_val *schema;
	sp_buf text;
} place;

/* A member of an object, or a key of a map. */
static bool step(place *p, sp_str name)
{
	yyjson_mut_val *properties = sp_jmut_get(p->schema, SP_STR("properties")),
		       *more = sp_jmut_get(p->schema, SP_STR("additionalProperties"));
	if (yyjson_mut_is_obj(properties)) {
		if (p->text.len > 0)
			(void)sp_buf_char(&p->text, '.');
		(void)sp_buf_str(&p->text, name);
		p->schema = sp_jmut_get(properties, name);
	} else {
		(void)sp_buf_printf(&p->text, "[" SP_FMT "]", SP_ARG(name));
		p->schema = yyjson_mut_is_obj(more) ? more : NULL;
	}
	return p->schema != NULL;
}

/* What follows a point, or what stands in brackets. */
static bool take_step(sp_arena *a, place *p, sp_str *rest)
{
	sp_str part, name;
	if (!next_part(rest, &part))
		return false;
	if (sp_str_eq(part, SP_STR(".")))
		return next_part(rest, &name) && step(p, name);
	return sp_str_eq(part, SP_STR("[")) && next_part(rest, &part) && part.len >= 2 &&
	       part.ptr[0] == '\'' && part.ptr[part.len - 1] == '\'' &&
	       unquote(a, sp_str_sub(part, 1, part.len - 1), &name) && step(p, name) &&
	       next_part(rest, &part) && sp_str_eq(part, SP_STR("]"));
}

bool sp_crd_place(sp_arena *a, yyjson_mut_val *openapi, sp_str text, sp_str *ret)
{
	place p = {.schema = openapi};
	sp_buf_init(&p.text, text.len * 2 + 64);
	bool ok = true;
	while (ok && text.len > 0)
		ok = take_step(a, &p, &text);
	ok = ok && sp_buf_code(&p.text) == SP_OK;
	if (ok)
		*ret = sp_arena_try_dup(a, sp_buf_view(&p.text));
	sp_buf_done(&p.text);
	return ok;
}
