/* SPDX-License-Identifier: Apache-2.0 */
/* What calls cost when they run. U: cel-go interpreter/runtimecost.go, ext/{sets,lists}.go; apiserver
 * pkg/cel/library/cost.go CallCost */
#include <math.h>

#include "kube/cel/opaque.h"
#include "kube/cel/plan.h"

#define TRAVERSAL 0.1     /* per character or byte */
#define REGEX_LENGTH 0.25 /* per character of a pattern */
#define LIST_BASE 10u

static uint64_t up(double d)
{
	return (uint64_t)ceil(d);
}

static uint64_t traverse(sp_cel_val v, double factor)
{
	return up((double)cel_size_of(v) * factor * TRAVERSAL);
}

/* The cost of going through a value as a tree. */
static uint64_t tree(cel_ctx *c, sp_cel_val v)
{
	sp_cel_val key, e;
	uint64_t sum = 0;
	if (v.kind == SP_CEL_STRING || v.kind == SP_CEL_BYTES)
		return (uint64_t)((double)v.len * TRAVERSAL);
	if (v.kind != SP_CEL_LIST && v.kind != SP_CEL_MAP)
		return 1;
	cel_iter it = cel_iter_of(v);
	while (cel_iter_next(c, &it, &key, &e))
		sum += (v.kind == SP_CEL_MAP ? tree(c, key) : 0) + tree(c, e);
	return sum;
}

static uint64_t pattern(sp_cel_val text, sp_cel_val regex)
{
	return up((1.0 + (double)cel_size_of(text)) * TRAVERSAL) *
	       up((double)cel_size_of(regex) * REGEX_LENGTH);
}

static uint64_t allocating(double factor, uint64_t size)
{
	return (uint64_t)((double)size * factor) + 1 + LIST_BASE;
}

static uint64_t self_compare(cel_ctx *c, sp_cel_val list)
{
	uint64_t n = cel_size_of(list);
	double factor = 2.0;
	sp_cel_val key, first;
	cel_iter it = cel_iter_of(list);
	if (list.kind == SP_CEL_LIST && cel_iter_next(c, &it, &key, &first) &&
	    (first.kind == SP_CEL_STRING || first.kind == SP_CEL_BYTES))
		factor += TRAVERSAL;
	return allocating(factor, n * n);
}

static uint64_t ext_list(cel_ctx *c, const cel_overload *o, const sp_cel_val *args, size_t n,
			 sp_cel_val result)
{
	sp_str name = sp_str_c(o->name);
	if (sp_str_eq(name, SP_STR("flatten")))
		return allocating(n == 2 ? (double)args[1].i : 1.0, cel_size_of(args[0]));
	if (sp_str_eq(name, SP_STR("distinct")) || sp_str_eq(name, SP_STR("sort")))
		return self_compare(c, args[0]);
	if (sp_str_eq(name, SP_STR("@sortByAssociatedKeys")))
		return self_compare(c, args[1]);
	return allocating(1, cel_size_of(result));
}

/* Parsing a selector: its text, and a list and a struct for every two characters of it. */
static uint64_t selector(sp_cel_val text)
{
	double n = (double)cel_size_of(text);
	return LIST_BASE + up(n * TRAVERSAL) + up(ceil(n * 0.5) * 50.0);
}

static uint64_t sets(const cel_overload *o, const sp_cel_val *args)
{
	double factor = sp_str_eq(sp_str_c(o->name), SP_STR("sets.equivalent")) ? 2.0 : 1.0;
	return 1 + (uint64_t)((double)(cel_size_of(args[0]) * cel_size_of(args[1])) * factor);
}

static uint64_t validate(const sp_cel_val *args)
{
	if (!cel_is_opaque(args[0], &cel_t_format))
		return 1;
	return up((1.0 + (double)cel_size_of(args[1])) * TRAVERSAL) *
	       up((double)cel_format_regex_size(args[0].ptr) * REGEX_LENGTH);
}

static uint64_t addresses(uint8_t class, const sp_cel_val *args)
{
	double n = (double)cel_size_of(args[0]);
	uint64_t cost = up((n + n) * TRAVERSAL);
	if (class == CEL_COST_CONTAINS_CIDR || class == CEL_COST_CONTAINS_CIDR_TEXT)
		cost += up(n * TRAVERSAL) + 1;
	if (class == CEL_COST_CONTAINS_IP_TEXT || class == CEL_COST_CONTAINS_CIDR_TEXT)
		cost += traverse(args[1], 1);
	return cost;
}

static uint64_t shorter(const sp_cel_val *args)
{
	uint64_t a = cel_size_of(args[0]), b = cel_size_of(args[1]);
	return up((double)SP_MIN(a, b) * TRAVERSAL);
}

uint64_t cel_call_cost(cel_ctx *c, const cel_op *op, const sp_cel_val *args, size_t n, sp_cel_val result)
{
	const cel_overload *o = op->overloads[0];
	uint8_t class = o->cost;
	if (op->n_overloads != 1 && class < CEL_COST_BY_NAME_)
		return 1;
	if (op->n_overloads != 1 &&
	    (class == CEL_COST_CONTAINS_IP_TEXT || class == CEL_COST_CONTAINS_CIDR_TEXT))
		class = (uint8_t)(class - 1);
	switch (class) {
	case CEL_COST_PREFIX:
	case CEL_COST_TO_BYTES:
	case CEL_COST_TO_STRING:
	case CEL_COST_FORMAT:
	case CEL_COST_QUOTE:
	case CEL_COST_TRAVERSE:
	case CEL_COST_TRAVERSE_TARGET:
	case CEL_COST_PARSE:
		return traverse(args[0], 1);
	case CEL_COST_IN_LIST:
		return cel_size_of(args[1]);
	case CEL_COST_COMPARE:
		return op->kind == CEL_OP_EQUAL && args[0].kind == SP_CEL_OPAQUE ? 1 : shorter(args);
	case CEL_COST_CONCAT:
		return up((double)(cel_size_of(args[0]) + cel_size_of(args[1])) * TRAVERSAL);
	case CEL_COST_MATCHES:
	case CEL_COST_FIND:
		return pattern(args[0], args[1]);
	case CEL_COST_CONTAINS:
		return traverse(args[0], 1) * traverse(args[1], 1);
	case CEL_COST_SETS:
		return sets(o, args);
	case CEL_COST_EXT_LIST:
		return ext_list(c, o, args, n, result);
	case CEL_COST_CHECK:
		return 350000;
	case CEL_COST_SELECTOR:
		return selector(args[1]);
	case CEL_COST_SCAN:
		return tree(c, args[0]);
	case CEL_COST_REPLACE:
	case CEL_COST_SPLIT:
	case CEL_COST_PARSE_TWICE:
		return traverse(args[0], 2);
	case CEL_COST_JOIN:
		return traverse(result, 2);
	case CEL_COST_CONTAINS_IP:
	case CEL_COST_CONTAINS_IP_TEXT:
	case CEL_COST_CONTAINS_CIDR:
	case CEL_COST_CONTAINS_CIDR_TEXT:
		return addresses(class, args);
	case CEL_COST_VALIDATE:
		return validate(args);
	default:
		return 1;
	}
}
