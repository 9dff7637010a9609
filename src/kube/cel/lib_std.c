/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes, and the functions of texts that every environment has. U: cel-go common/stdlib */
#include "kube/cel/lib.h"

static sp_cel_val size(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	if (a[0].kind != SP_CEL_STRING && a[0].kind != SP_CEL_BYTES && a[0].kind != SP_CEL_LIST &&
	    a[0].kind != SP_CEL_MAP)
		return CEL_ERR("no such overload: size");
	return sp_cel_of_int((int64_t)cel_size_of(a[0]));
}

/* These look at their arguments themselves: upstream has no guard before them. */
static bool both_texts(const sp_cel_val *a)
{
	return a[0].kind == SP_CEL_STRING && a[1].kind == SP_CEL_STRING;
}

static sp_cel_val contains(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	if (!both_texts(a))
		return CEL_NO_OVERLOAD;
	return sp_cel_of_bool(sp_str_find(sp_cel_str(a[0]), sp_cel_str(a[1])) >= 0);
}

static sp_cel_val ends_with(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	if (!both_texts(a))
		return CEL_NO_OVERLOAD;
	return sp_cel_of_bool(sp_str_ends(sp_cel_str(a[0]), sp_cel_str(a[1])));
}

static sp_cel_val starts_with(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	if (!both_texts(a))
		return CEL_NO_OVERLOAD;
	return sp_cel_of_bool(sp_str_starts(sp_cel_str(a[0]), sp_cel_str(a[1])));
}

sp_cel_val cel_regex(cel_ctx *c, sp_str pattern, const sp_regex **ret)
{
	sp_str why;
	if (c->regex != NULL) {
		*ret = c->regex;
		return sp_cel_of_null();
	}
	sp_code code = sp_regex_compile(c->arena, pattern, ret, &why, NULL);
	if (code == SP_EINVAL)
		return (sp_cel_val){.kind = SP_CEL_ERROR, .text = why.ptr, .len = why.len};
	return code == SP_OK ? sp_cel_of_null() : cel_oom(c);
}

static sp_cel_val matches(cel_ctx *c, const sp_cel_val *a)
{
	const sp_regex *re = NULL;
	bool yes;
	if (a[0].kind != SP_CEL_STRING && a[0].kind != SP_CEL_DURATION && a[0].kind != SP_CEL_TIMESTAMP)
		return CEL_ERR("no such overload: matches");
	if (!both_texts(a))
		return CEL_NO_OVERLOAD;
	sp_cel_val bad = cel_regex(c, sp_cel_str(a[1]), &re);
	if (cel_is_err(bad))
		return bad;
	if (sp_regex_match(re, sp_cel_str(a[0]), cel_scratch(c), &yes) != SP_OK)
		return cel_oom(c);
	return sp_cel_of_bool(yes);
}

#define T(t) &sp_cel_##t
#define SIZE(id_, member_, arg)                                                                \
	{                                                                                      \
		.name = "size", .id = id_, .impl = size, .operator_ = true, .member = member_, \
		.result = T(int), .args = {                                                    \
			arg                                                                    \
		}                                                                              \
	}

#define TEXT(name_, id_, cost_, member_, impl_)                                                \
	{                                                                                      \
		.name = name_, .id = id_, .impl = impl_, .operator_ = true, .member = member_, \
		.cost = cost_, .result = T(bool), .args = {                                    \
			T(string),                                                             \
			T(string)                                                              \
		}                                                                              \
	}

CEL_LIBRARY(cel_lib_std, 0, SIZE("size_bytes", false, T(bytes)), SIZE("bytes_size", true, T(bytes)),
	    SIZE("size_list", false, &cel_t_list_a), SIZE("list_size", true, &cel_t_list_a),
	    SIZE("size_map", false, &cel_t_map_ab), SIZE("map_size", true, &cel_t_map_ab),
	    SIZE("size_string", false, T(string)), SIZE("string_size", true, T(string)),
	    TEXT("contains", "contains_string", CEL_COST_CONTAINS, true, contains),
	    TEXT("endsWith", "ends_with_string", CEL_COST_PREFIX, true, ends_with),
	    TEXT("startsWith", "starts_with_string", CEL_COST_PREFIX, true, starts_with),
	    TEXT("matches", "matches", CEL_COST_ONE, false, matches),
	    TEXT("matches", "matches_string", CEL_COST_MATCHES, true, matches));
