/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes' functions of lists and patterns, and jsonpatch.escapeKey. U: apiserver
 * pkg/cel/library/{lists,regex, jsonpatch}.go */
#include "base/num.h"
#include "kube/cel/lib.h"

static bool comparable(sp_cel_val v)
{
	return v.kind >= SP_CEL_BOOL && v.kind <= SP_CEL_DURATION;
}

static sp_cel_val is_sorted(cel_ctx *c, const sp_cel_val *a)
{
	cel_iter it = cel_iter_of(a[0]);
	sp_cel_val key, v, before = {.kind = SP_CEL_NULL};
	for (bool first = true; cel_iter_next(c, &it, &key, &v); first = false) {
		if (!comparable(v))
			return cel_is_err(v) ? v : CEL_NO_OVERLOAD;
		sp_cel_val o = first ? sp_cel_of_int(0) : cel_compare(c, before, v);
		if (!cel_is_err(o) && o.i > 0)
			return sp_cel_of_bool(false);
		before = v;
	}
	return sp_cel_of_bool(true);
}

static sp_cel_val sum_of(cel_ctx *c, sp_cel_val list, sp_cel_val total)
{
	cel_iter it = cel_iter_of(list);
	sp_cel_val key, v;
	while (cel_iter_next(c, &it, &key, &v)) {
		if (v.kind != total.kind)
			return cel_is_err(v) ? v : CEL_NO_OVERLOAD;
		bool fits = true;
		if (v.kind == SP_CEL_DOUBLE)
			total.d += v.d;
		else if (v.kind == SP_CEL_UINT)
			fits = sp_add(total.u, v.u, &total.u);
		else
			fits = sp_add(total.i, v.i, &total.i);
		if (!fits)
			return v.kind == SP_CEL_UINT ? CEL_ERR("unsigned integer overflow")
						     : CEL_ERR("integer overflow");
	}
	return total;
}

static sp_cel_val sum_int(cel_ctx *c, const sp_cel_val *a)
{
	return sum_of(c, a[0], sp_cel_of_int(0));
}

static sp_cel_val sum_uint(cel_ctx *c, const sp_cel_val *a)
{
	return sum_of(c, a[0], sp_cel_of_uint(0));
}

static sp_cel_val sum_double(cel_ctx *c, const sp_cel_val *a)
{
	return sum_of(c, a[0], sp_cel_of_double(0));
}

static sp_cel_val sum_duration(cel_ctx *c, const sp_cel_val *a)
{
	return sum_of(c, a[0], cel_duration(0));
}

static sp_cel_val extreme(cel_ctx *c, sp_cel_val list, int64_t worse, sp_cel_val none)
{
	cel_iter it = cel_iter_of(list);
	sp_cel_val key, v, best = none;
	for (bool first = true; cel_iter_next(c, &it, &key, &v); first = false) {
		if (!comparable(v))
			return cel_is_err(v) ? v : CEL_NO_OVERLOAD;
		sp_cel_val o = first ? sp_cel_of_int(worse) : cel_compare(c, best, v);
		if (!cel_is_err(o) && o.i == worse)
			best = v;
	}
	return best;
}

static sp_cel_val min(cel_ctx *c, const sp_cel_val *a)
{
	return extreme(c, a[0], 1, CEL_ERR("min called on empty list"));
}

static sp_cel_val max(cel_ctx *c, const sp_cel_val *a)
{
	return extreme(c, a[0], -1, CEL_ERR("max called on empty list"));
}

static sp_cel_val index_in(cel_ctx *c, const sp_cel_val *a, bool last)
{
	cel_iter it = cel_iter_of(a[0]);
	sp_cel_val key, v;
	int64_t found = -1;
	while ((last || found < 0) && cel_iter_next(c, &it, &key, &v)) {
		if (cel_equals(c, v, a[1]))
			found = key.i;
	}
	return sp_cel_of_int(found);
}

static sp_cel_val index_of(cel_ctx *c, const sp_cel_val *a)
{
	return index_in(c, a, false);
}

static sp_cel_val last_index_of(cel_ctx *c, const sp_cel_val *a)
{
	return index_in(c, a, true);
}

#define B &sp_cel_bool
#define COMPARABLE(word, type, list)                                                                    \
	CEL_MEMBER_COST("isSorted", "list_" word "_is_sorted_bool", CEL_COST_SCAN, is_sorted, B, list), \
		CEL_MEMBER_COST("max", "list_" word "_max_" word, CEL_COST_SCAN, max, type, list),      \
		CEL_MEMBER_COST("min", "list_" word "_min_" word, CEL_COST_SCAN, min, type, list)
#define SUM(word, fn, type, list) \
	CEL_MEMBER_COST("sum", "list_" word "_sum_" word, CEL_COST_SCAN, fn, type, list)

CEL_LIBRARY(cel_lib_k8s_lists, SP_CEL_LIB_K8S, COMPARABLE("int", &sp_cel_int, &cel_t_list_int),
	    COMPARABLE("uint", &sp_cel_uint, &cel_t_list_uint),
	    COMPARABLE("double", &sp_cel_double, &cel_t_list_double),
	    COMPARABLE("bool", &sp_cel_bool, &cel_t_list_bool),
	    COMPARABLE("duration", &sp_cel_duration, &cel_t_list_duration),
	    COMPARABLE("timestamp", &sp_cel_timestamp, &cel_t_list_timestamp),
	    COMPARABLE("string", &sp_cel_string, &cel_t_list_string),
	    COMPARABLE("bytes", &sp_cel_bytes, &cel_t_list_bytes),
	    SUM("int", sum_int, &sp_cel_int, &cel_t_list_int),
	    SUM("uint", sum_uint, &sp_cel_uint, &cel_t_list_uint),
	    SUM("double", sum_double, &sp_cel_double, &cel_t_list_double),
	    SUM("duration", sum_duration, &sp_cel_duration, &cel_t_list_duration),
	    CEL_MEMBER_COST("indexOf", "list_a_index_of_int", CEL_COST_SCAN, index_of, &sp_cel_int,
			    &cel_t_list_a, &cel_t_a),
	    CEL_MEMBER_COST("lastIndexOf", "list_a_last_index_of_int", CEL_COST_SCAN, last_index_of,
			    &sp_cel_int, &cel_t_list_a, &cel_t_a));

/* ---- patterns ---- */

static sp_cel_val illegal(cel_ctx *c, sp_cel_val why)
{
	return c->abort != SP_OK ? why
				 : cel_errorf(c, "Illegal regex: " SP_FMT, SP_ARG(sp_cel_error_text(why)));
}

static sp_cel_val find(cel_ctx *c, const sp_cel_val *a)
{
	const sp_regex *re = NULL;
	sp_regex_span span;
	bool found;
	sp_cel_val bad = cel_regex(c, sp_cel_str(a[1]), &re);
	if (cel_is_err(bad))
		return illegal(c, bad);
	sp_str s = sp_cel_str(a[0]);
	if (sp_regex_find(re, s, 0, cel_scratch(c), &span, 1, &found) != SP_OK)
		return cel_oom(c);
	return sp_cel_of_str(found ? sp_str_sub(s, (size_t)span.from, (size_t)span.to) : SP_STR(""));
}

static sp_cel_val find_n(cel_ctx *c, const sp_cel_val *a, int64_t n)
{
	const sp_regex *re = NULL;
	sp_cel_val bad = cel_regex(c, sp_cel_str(a[1]), &re), out = cel_list_new(c, 4);
	if (cel_is_err(bad))
		return illegal(c, bad);
	sp_str s = sp_cel_str(a[0]);
	sp_regex_iter it = sp_regex_iter_of(re, s);
	for (int64_t i = 0; (n < 0 || i < n) && !cel_is_err(out); i++) {
		sp_regex_span span;
		bool found;
		if (sp_regex_next(&it, cel_scratch(c), &span, 1, &found) != SP_OK)
			return cel_oom(c);
		if (!found)
			break;
		if (!cel_list_append(c, &out,
				     sp_cel_of_str(sp_str_sub(s, (size_t)span.from, (size_t)span.to))))
			return cel_oom(c);
	}
	return out;
}

static sp_cel_val find_all(cel_ctx *c, const sp_cel_val *a)
{
	return find_n(c, a, -1);
}

static sp_cel_val find_some(cel_ctx *c, const sp_cel_val *a)
{
	return find_n(c, a, a[2].i);
}

#define S &sp_cel_string
CEL_LIBRARY(cel_lib_regex, SP_CEL_LIB_K8S,
	    CEL_MEMBER_COST("find", "string_find_string", CEL_COST_FIND, find, S, S, S),
	    CEL_MEMBER_COST("findAll", "string_find_all_string", CEL_COST_FIND, find_all, &cel_t_list_string,
			    S, S),
	    CEL_MEMBER_COST("findAll", "string_find_all_string_int", CEL_COST_FIND, find_some,
			    &cel_t_list_string, S, S, &sp_cel_int));

/* ---- jsonpatch ---- */

static sp_cel_val escape_key(cel_ctx *c, const sp_cel_val *a)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, CEL_TEXT_BYTES_MAX);
	for (size_t i = 0; i < a[0].len; i++) {
		char ch = a[0].text[i];
		(void)sp_buf_str(&out, ch == '/'   ? SP_STR("~1")
				       : ch == '~' ? SP_STR("~0")
						   : (sp_str){&ch, 1});
	}
	return cel_buf_text(c, &out);
}

CEL_LIBRARY(cel_lib_jsonpatch, SP_CEL_LIB_JSONPATCH,
	    CEL_FN_COST("jsonpatch.escapeKey", "string_jsonpatch_escapeKey_string", CEL_COST_TRAVERSE,
			escape_key, S, S));
