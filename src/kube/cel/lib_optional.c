/* SPDX-License-Identifier: Apache-2.0 */
/* Optional values. or() and orValue() are instructions of programs: they evaluate their argument only when it
 * is needed, and cost nothing. U: cel-go cel/library.go */
#include "kube/cel/lib.h"

static sp_cel_val of(cel_ctx *c, const sp_cel_val *a)
{
	return cel_some(c, a[0]);
}

static bool is_zero(sp_cel_val v)
{
	switch (v.kind) {
	case SP_CEL_NULL:
		return true;
	case SP_CEL_BOOL:
		return !v.b;
	case SP_CEL_INT:
	case SP_CEL_UINT:
	case SP_CEL_DURATION:
		return v.i == 0;
	case SP_CEL_DOUBLE:
		return v.d == 0;
	case SP_CEL_STRING:
	case SP_CEL_BYTES:
		return v.len == 0;
	case SP_CEL_TIMESTAMP:
		return v.i == SP_TIME_ZERO_SECONDS && v.n == 0;
	case SP_CEL_OPTIONAL:
		return v.ptr == NULL;
	case SP_CEL_LIST:
	case SP_CEL_MAP:
	case SP_CEL_STRUCT:
		return sp_cel_size(v) == 0;
	default:
		return false;
	}
}

static sp_cel_val of_non_zero(cel_ctx *c, const sp_cel_val *a)
{
	return is_zero(a[0]) ? cel_none() : cel_some(c, a[0]);
}

static sp_cel_val none(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	(void)a;
	return cel_none();
}

static sp_cel_val value(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return a[0].ptr == NULL ? CEL_ERR("optional.none() dereference") : *cel_optional_ptr(a[0]);
}

static sp_cel_val has_value(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_bool(a[0].ptr != NULL);
}

static sp_cel_val or_(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return a[0].ptr != NULL ? a[0] : a[1];
}

static sp_cel_val or_value(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return a[0].ptr != NULL ? *cel_optional_ptr(a[0]) : a[1];
}

static sp_cel_val end_of(cel_ctx *c, sp_cel_val list, bool last)
{
	size_t n = sp_cel_size(list);
	return n == 0 ? cel_none() : cel_some(c, cel_list_at(c, list, last ? n - 1 : 0));
}

static sp_cel_val first(cel_ctx *c, const sp_cel_val *a)
{
	return end_of(c, a[0], false);
}

static sp_cel_val last(cel_ctx *c, const sp_cel_val *a)
{
	return end_of(c, a[0], true);
}

static sp_cel_val unwrap(cel_ctx *c, const sp_cel_val *a)
{
	sp_cel_val out = cel_list_new(c, sp_cel_size(a[0])), key, v;
	cel_iter it = cel_iter_of(a[0]);
	while (!cel_is_err(out) && cel_iter_next(c, &it, &key, &v)) {
		if (v.kind != SP_CEL_OPTIONAL) {
			SP_AUTO_BUF shown;
			sp_buf_init(&shown, CEL_TEXT_BYTES_MAX);
			cel_show(c, &shown, v);
			return cel_errorf(c, "value " SP_FMT " is not optional", SP_ARG(sp_buf_view(&shown)));
		}
		if (v.ptr != NULL && !cel_list_append(c, &out, *cel_optional_ptr(v)))
			return cel_oom(c);
	}
	return out;
}

/* Selections and indexes are instructions too; these rows are for the checker. */
static sp_cel_val never(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	(void)a;
	return CEL_NO_OVERLOAD;
}

static const sp_cel_type list_optional_a = {.kind = SP_CEL_LIST,
					    .name = SP_STR_INIT("list"),
					    .n_params = 1,
					    .params = (const sp_cel_type *const[]){&cel_t_optional_a}};

CEL_LIBRARY(cel_lib_optional, SP_CEL_LIB_OPTIONAL,
	    CEL_FN("optional.of", "optional_of", of, &cel_t_optional_a, &cel_t_a),
	    CEL_FN("optional.ofNonZeroValue", "optional_ofNonZeroValue", of_non_zero, &cel_t_optional_a,
		   &cel_t_a),
	    CEL_FN("optional.none", "optional_none", none, &cel_t_optional_a, NULL),
	    CEL_MEMBER("value", "optional_value", value, &cel_t_a, &cel_t_optional_a),
	    CEL_MEMBER("hasValue", "optional_hasValue", has_value, &sp_cel_bool, &cel_t_optional_a),
	    CEL_MEMBER("or", "optional_or_optional", or_, &cel_t_optional_a, &cel_t_optional_a,
		       &cel_t_optional_a),
	    CEL_MEMBER("orValue", "optional_orValue_value", or_value, &cel_t_a, &cel_t_optional_a, &cel_t_a),
	    CEL_FN("_[?_]", "list_optindex_optional_int", never, &cel_t_optional_a, &cel_t_list_a,
		   &sp_cel_int),
	    CEL_FN("_[?_]", "optional_list_optindex_optional_int", never, &cel_t_optional_a,
		   &cel_t_optional_list_a, &sp_cel_int),
	    CEL_FN("_[?_]", "map_optindex_optional_value", never, &cel_t_optional_b, &cel_t_map_ab, &cel_t_a),
	    CEL_FN("_[?_]", "optional_map_optindex_optional_value", never, &cel_t_optional_b,
		   &cel_t_optional_map_ab, &cel_t_a),
	    CEL_FN("_[_]", "optional_list_index_int", never, &cel_t_optional_a, &cel_t_optional_list_a,
		   &sp_cel_int),
	    CEL_FN("_[_]", "optional_map_index_value", never, &cel_t_optional_b, &cel_t_optional_map_ab,
		   &cel_t_a),
	    CEL_MEMBER("last", "list_last", last, &cel_t_optional_a, &cel_t_list_a),
	    CEL_MEMBER("first", "list_first", first, &cel_t_optional_a, &cel_t_list_a),
	    CEL_FN("optional.unwrap", "optional_unwrap", unwrap, &cel_t_list_a, &list_optional_a),
	    CEL_MEMBER("unwrapOpt", "optional_unwrapOpt", unwrap, &cel_t_list_a, &list_optional_a));
