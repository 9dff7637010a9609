/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluation, as client-go util/jsonpath/jsonpath.go does it on decoded JSON. */
#include "kube/jsonpath_int.h"

typedef struct finder {
	sp_arena *arena;
	yyjson_mut_doc *doc;
	sp_err *err;
	size_t n_total; /* results made so far, on the way too */
} finder;

typedef sp_jsonpath_results list;

static sp_code find_path(finder *f, const sp_jsonpath *p, const list *in, list *ret);

static sp_code push(finder *f, list *l, yyjson_mut_val *v)
{
	if (v == NULL || ++f->n_total > SP_JSONPATH_RESULTS_MAX)
		return sp_fail(f->err, SP_ETOOLARGE, "no room for the results");
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 4 : l->cap * 2;
		yyjson_mut_val **items =
			sp_arena_try_grow(f->arena, l->items, l->cap * sizeof(void *), cap * sizeof(void *));
		if (items == NULL)
			return sp_fail(f->err, SP_ETOOLARGE, "no room for the results");
		l->items = items;
		l->cap = cap;
	}
	l->items[l->n++] = v;
	return SP_OK;
}

static sp_code push_list(finder *f, list *l, const list *from)
{
	for (size_t i = 0; i < from->n; i++)
		SP_TRY(push(f, l, from->items[i]));
	return SP_OK;
}

/* The items of a list or the values of an object. */
static sp_code push_children(finder *f, yyjson_mut_val *v, list *ret)
{
	size_t i, n;
	yyjson_mut_val *key, *item;
	if (yyjson_mut_is_arr(v))
		yyjson_mut_arr_foreach(v, i, n, item) SP_TRY(push(f, ret, item));
	if (yyjson_mut_is_obj(v))
		yyjson_mut_obj_foreach(v, i, n, key, item) SP_TRY(push(f, ret, item));
	return SP_OK;
}

static sp_code find_constant(finder *f, const jp_node *n, const list *in, list *ret)
{
	/* A text stands once, whatever it is applied to; the others once per value. */
	for (size_t i = 0; i < (n->kind == JP_TEXT ? 1 : in->n); i++) {
		yyjson_mut_val *v = n->kind == JP_TEXT   ? yyjson_mut_strn(f->doc, n->text.ptr, n->text.len)
				    : n->kind == JP_INT  ? yyjson_mut_sint(f->doc, n->number)
				    : n->kind == JP_BOOL ? yyjson_mut_bool(f->doc, n->truth)
							 : yyjson_mut_real(f->doc, n->real);
		SP_TRY(push(f, ret, v));
	}
	return SP_OK;
}

static sp_code find_field(finder *f, const jp_node *n, const list *in, list *ret)
{
	for (size_t i = 0; i < in->n; i++) {
		yyjson_mut_val *v = sp_jmut_get(in->items[i], n->text);
		if (v != NULL)
			SP_TRY(push(f, ret, v));
	}
	return SP_OK;
}

/* The bounds of a slice for a list of `len` items, in upstream's order of checks. */
static sp_code resolve_slice(finder *f, const jp_param p[3], int64_t len, int64_t *ret_from, int64_t *ret_to)
{
	int64_t from = p[0].known ? p[0].value : 0, to = p[1].known ? p[1].value : len;
	if (from < 0)
		from += len;
	if (to < 0 || (to == 0 && p[1].derived))
		to += len;
	if (from != to) {
		if (from >= len || from < 0)
			return sp_fail(f->err, SP_EINVAL,
				       "array index out of bounds: index %lld, length %lld", (long long)from,
				       (long long)len);
		if (to > len || to < 0)
			return sp_fail(f->err, SP_EINVAL,
				       "array index out of bounds: index %lld, length %lld",
				       (long long)(to - 1), (long long)len);
		if (from > to)
			return sp_fail(f->err, SP_EINVAL,
				       "starting index %lld is greater than ending index %lld",
				       (long long)from, (long long)to);
	}
	*ret_from = from;
	*ret_to = to;
	return SP_OK;
}

static sp_code find_slice(finder *f, const jp_node *n, const list *in, list *ret)
{
	for (size_t i = 0; i < in->n; i++) {
		yyjson_mut_val *v = in->items[i];
		int64_t from = 0, to = 0, step = n->params[2].known ? n->params[2].value : 1;
		if (yyjson_mut_is_null(v))
			continue;
		if (!yyjson_mut_is_arr(v))
			return sp_fail(f->err, SP_EINVAL, "%s is not array or slice",
				       yyjson_mut_get_type_desc(v));
		SP_TRY(resolve_slice(f, n->params, (int64_t)yyjson_mut_arr_size(v), &from, &to));
		if (from == to)
			return SP_OK; /* upstream gives up on the values after it, too */
		if (step <= 0)
			return sp_fail(f->err, SP_EINVAL, "step must be > 0");
		yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(v);
		for (int64_t k = 0; k < to; k++) {
			yyjson_mut_val *item = yyjson_mut_arr_iter_next(&it);
			if (k >= from && (k - from) % step == 0)
				SP_TRY(push(f, ret, item));
		}
	}
	return SP_OK;
}

/* Every list, object and text below, each before its children. The depth is that of the tree. */
static sp_code find_recursive(finder *f, yyjson_mut_val *v, list *ret)
{
	list children = {.n = 0};
	if (yyjson_mut_is_str(v))
		return sp_jmut_str(v).len > 0 ? push(f, ret, v) : SP_OK;
	SP_TRY(push_children(f, v, &children));
	if (children.n == 0)
		return SP_OK;
	SP_TRY(push(f, ret, v));
	for (size_t i = 0; i < children.n; i++)
		SP_TRY(find_recursive(f, children.items[i], ret));
	return SP_OK;
}

/* -- filters -------------------------------------------------------------------------------------------- */

typedef enum comparable { CMP_NONE, CMP_BOOL, CMP_INT, CMP_FLOAT, CMP_STRING } comparable;

static comparable comparable_of(yyjson_mut_val *v)
{
	return yyjson_mut_is_bool(v)   ? CMP_BOOL
	       : yyjson_mut_is_int(v)  ? CMP_INT
	       : yyjson_mut_is_real(v) ? CMP_FLOAT
	       : yyjson_mut_is_str(v)  ? CMP_STRING
				       : CMP_NONE;
}

/* <0, 0, >0. Integers above int64 do not occur in decoded JSON (they are doubles upstream). */
static int compare_values(comparable kind, yyjson_mut_val *a, yyjson_mut_val *b)
{
	switch (kind) {
	case CMP_STRING:
		return sp_str_cmp(sp_jmut_str(a), sp_jmut_str(b));
	case CMP_FLOAT: {
		double x = yyjson_mut_get_real(a), y = yyjson_mut_get_real(b);
		return (x > y) - (x < y);
	}
	case CMP_INT: {
		int64_t x = yyjson_mut_get_sint(a), y = yyjson_mut_get_sint(b);
		return (x > y) - (x < y);
	}
	case CMP_BOOL:
		return (int)yyjson_mut_get_bool(a) - (int)yyjson_mut_get_bool(b);
	case CMP_NONE:
		break;
	}
	return 0;
}

static sp_code holds(finder *f, const jp_node *n, yyjson_mut_val *a, yyjson_mut_val *b, bool *ret)
{
	comparable kind = comparable_of(a), other = comparable_of(b);
	if (n->op == JP_UNKNOWN_OP)
		return sp_fail(f->err, SP_EINVAL, "unrecognized filter operator " SP_FMT, SP_ARG(n->text));
	bool equality = n->op == JP_EQ || n->op == JP_NE;
	if (kind == CMP_NONE || other == CMP_NONE || (kind == CMP_BOOL && other == kind && !equality))
		return sp_fail(f->err, SP_EINVAL, "invalid type for comparison");
	if (kind != other)
		return sp_fail(f->err, SP_EINVAL, "incompatible types for comparison");
	int c = compare_values(kind, a, b);
	*ret = n->op == JP_EQ   ? c == 0
	       : n->op == JP_NE ? c != 0
	       : n->op == JP_LT ? c < 0
	       : n->op == JP_LE ? c <= 0
	       : n->op == JP_GT ? c > 0
				: c >= 0;
	return SP_OK;
}

static sp_code one_side(finder *f, const sp_jsonpath *p, yyjson_mut_val *item, list *ret)
{
	list in = {.n = 0}; /* an empty path hands it on */
	SP_TRY(push(f, &in, item));
	SP_TRY(find_path(f, p, &in, ret));
	if (ret->n > 1)
		return sp_fail(f->err, SP_EINVAL, "can only compare one element at a time");
	return SP_OK;
}

/* Whether an item passes. */
static sp_code passes(finder *f, const jp_node *n, yyjson_mut_val *item, bool *ret)
{
	list left = {.n = 0}, right = {.n = 0}, in = {.n = 0};
	*ret = false;
	if (n->op == JP_EXISTS) {
		SP_TRY(push(f, &in, item));
		sp_code code = find_path(f, n->left, &in, &left);
		if (code == SP_ETOOLARGE)
			return code;
		/* A side that fails leaves behind what it found on the way; so it exists unless nothing was.
		 */
		*ret = left.n > 0 || code != SP_OK;
		return SP_OK;
	}
	SP_TRY(one_side(f, n->left, item, &left));
	if (left.n == 0)
		return SP_OK;
	SP_TRY(one_side(f, n->right, item, &right));
	return right.n == 0 ? SP_OK : holds(f, n, left.items[0], right.items[0], ret);
}

static sp_code find_filter(finder *f, const jp_node *n, const list *in, list *ret)
{
	for (size_t i = 0; i < in->n; i++) {
		size_t k, len;
		yyjson_mut_val *item;
		bool pass = false;
		if (!yyjson_mut_is_arr(in->items[i]))
			return sp_fail(f->err, SP_EINVAL, "%s is not array or slice and cannot be filtered",
				       yyjson_mut_get_type_desc(in->items[i]));
		yyjson_mut_arr_foreach(in->items[i], k, len, item)
		{
			SP_TRY(passes(f, n, item, &pass));
			if (pass)
				SP_TRY(push(f, ret, item));
		}
	}
	return SP_OK;
}

/* -- the walk ------------------------------------------------------------------------------------------- */

static sp_code find_node(finder *f, const jp_node *n, const list *in, list *ret)
{
	switch (n->kind) {
	case JP_TEXT:
	case JP_INT:
	case JP_FLOAT:
	case JP_BOOL:
		return find_constant(f, n, in, ret);
	case JP_WORD:
		return sp_fail(f->err, SP_EINVAL, "unrecognized identifier " SP_FMT, SP_ARG(n->text));
	case JP_FIELD:
		return find_field(f, n, in, ret);
	case JP_WILDCARD:
		for (size_t i = 0; i < in->n; i++)
			SP_TRY(push_children(f, in->items[i], ret));
		return SP_OK;
	case JP_RECURSIVE:
		for (size_t i = 0; i < in->n; i++)
			SP_TRY(find_recursive(f, in->items[i], ret));
		return SP_OK;
	case JP_ARRAY:
		return find_slice(f, n, in, ret);
	case JP_UNION:
		for (size_t i = 0; i < n->n_any; i++) {
			list part = {.n = 0};
			SP_TRY(find_path(f, n->any[i], in, &part));
			SP_TRY(push_list(f, ret, &part));
		}
		return SP_OK;
	case JP_FILTER:
		return find_filter(f, n, in, ret);
	}
	SP_UNREACHABLE();
}

static sp_code find_path(finder *f, const sp_jsonpath *p, const list *in, list *ret)
{
	list cur = *in;
	for (const jp_node *n = p->first; n != NULL; n = n->next) {
		list next = {.n = 0};
		SP_TRY(find_node(f, n, &cur, &next));
		cur = next;
	}
	*ret = cur;
	return SP_OK;
}

sp_code sp_jsonpath_find(const sp_jsonpath *p, sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *root,
			 sp_jsonpath_results *ret, sp_err *err)
{
	finder f = {.arena = a, .doc = doc, .err = err};
	list in = {.items = sp_try_new(a, yyjson_mut_val *, 1), .n = 1, .cap = 1};
	if (in.items == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for the results");
	in.items[0] = root;
	return find_path(&f, p, &in, ret);
}
