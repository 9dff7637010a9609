/* SPDX-License-Identifier: Apache-2.0 */
/* Estimates of calls. U: cel-go checker/cost.go functionCost, ext/{sets,lists}.go; apiserver
 * pkg/cel/library/cost.go EstimateCallCost */
#include <math.h>

#include "kube/cel/estimate.h"

#define TRAVERSAL 0.1
#define REGEX_LENGTH 0.25
#define MAX_NAME_FORMAT_REGEX 128.0
#define ONE ((est_range){1, 1})

typedef struct call {
	estimator *x;
	const cel_node *e;
	const cel_overload *o;
	const est_range *args;
	est_range all;
	est_call *ret;
} call;

static est_range size(call *c, const cel_node *e)
{
	return est_size_or_unknown(c->x, e);
}

static est_range traverse(call *c, const cel_node *e, double factor)
{
	return est_scale(size(c, e), factor * TRAVERSAL);
}

static void result_size(call *c, est_range r)
{
	c->ret->has_size = true;
	c->ret->size = r;
}

static est_range conditional(call *c)
{
	const cel_node *yes = c->e->args[1], *no = c->e->args[2];
	est_entry_size a, b;
	result_size(c, est_union(size(c, yes), size(c, no)));
	if (est_entry(c->x, yes, &a) && est_entry(c->x, no, &b))
		est_set_entry(c->x, c->e,
			      (est_entry_size){a.list, est_union(a.key, b.key), est_union(a.value, b.value)});
	est_range cost = est_add(c->args[0], est_union(c->args[1], c->args[2]));
	c->all = (est_range){0, 0}; /* the arguments are in it */
	return cost;
}

static est_range concat(call *c, bool list)
{
	const cel_node *l = c->e->args[0], *r = c->e->args[1];
	est_range sum = est_add(size(c, l), size(c, r));
	est_entry_size a, b;
	if (est_entry(c->x, l, &a) && est_entry(c->x, r, &b))
		est_set_entry(c->x, c->e,
			      (est_entry_size){a.list, est_union(a.key, b.key), est_union(a.value, b.value)});
	result_size(c, sum);
	return list ? ONE : est_scale(sum, TRAVERSAL);
}

/* True when both sides have the type and a constant cost: values of libraries. */
static bool equal_of_library(call *c, est_range *ret)
{
	const cel_node *l = c->e->args[0], *r = c->e->args[1];
	if (!sp_str_eq(c->e->name, SP_STR("_==_")) || !sp_cel_type_eq(l->type, r->type))
		return false;
	static const sp_cel_type *const cheap[] = {
		&cel_t_ip,         &cel_t_cidr,        &cel_t_quantity, &sp_cel_authorizer_type,
		&cel_t_path_check, &cel_t_group_check, &cel_t_decision, &sp_cel_resource_check_type,
		&cel_t_semver,
	};
	for (size_t i = 0; i < SP_LEN(cheap); i++) {
		if (l->type == cheap[i]) {
			*ret = ONE;
			return true;
		}
	}
	if (l->type == &cel_t_format) {
		*ret = est_scale((est_range){1, 64}, TRAVERSAL);
		return true;
	}
	if (l->type != &cel_t_url)
		return false;
	est_range s;
	*ret = est_scale((est_range){1, est_size(c->x, r, &s) ? s.max : 1}, TRAVERSAL);
	return true;
}

static est_range compare(call *c)
{
	est_range cost;
	if (equal_of_library(c, &cost))
		return cost;
	uint64_t a = size(c, c->e->args[0]).max, b = size(c, c->e->args[1]).max, least = SP_MIN(a, b);
	return est_scale((est_range){least > 0, least}, TRAVERSAL);
}

static est_range pattern(call *c, const cel_node *text, const cel_node *regex)
{
	est_range t = est_scale(est_add(size(c, text), ONE), TRAVERSAL);
	return est_mul(t, est_scale(size(c, regex), REGEX_LENGTH));
}

static est_range scan(call *c)
{
	const cel_node *target = c->e->target;
	if (target->type->n_params == 0)
		return traverse(c, target, 1);
	est_range each = ONE, elem;
	uint8_t kind = target->type->params[0]->kind;
	if (kind == SP_CEL_STRING || kind == SP_CEL_BYTES) {
		if (!est_element_size(c->x, target, &elem))
			elem = EST_UNKNOWN;
		each = est_add(each, est_scale(elem, TRAVERSAL));
	}
	return est_mul(size(c, target), each);
}

/* Go's conversion of a double that is too large gives this on amd64, and upstream's bounds hang on it. */
#define TOO_LARGE (UINT64_C(1) << 63)

static uint64_t times(uint64_t a, uint64_t b)
{
	double d = ceil((double)a / (double)b);
	return d >= 0x1p64 ? TOO_LARGE : (uint64_t)d;
}

static est_range replace(call *c)
{
	est_range sz = size(c, c->e->target), old = size(c, c->e->args[0]), new = size(c, c->e->args[1]);
	est_range count = {0, 0}, kept = {0, 0};
	if (old.min == 0) { /* an empty text stands around every character */
		count.max = sz.max < UINT64_MAX ? sz.max + 1 : sz.max;
		kept.max = sz.max;
	} else if (new.max <= old.min) {
		kept.max = sz.max;
	} else {
		count.max = times(sz.max, old.min);
	}
	if (old.max == 0) {
		count.min = sz.min < UINT64_MAX ? sz.min + 1 : sz.min;
		kept.min = sz.min;
	} else if (old.max <= new.min) {
		kept.min = sz.min;
	} else {
		count.min = times(sz.min, old.max);
	}
	result_size(c, est_add(est_mul(count, new), kept));
	return est_scale(sz, 2 * TRAVERSAL);
}

static est_range split(call *c)
{
	est_range sz = size(c, c->e->target);
	uint64_t max = sz.max;
	if (c->e->n > 1 && c->e->args[1]->kind == CEL_LITERAL && c->e->args[1]->value.kind == SP_CEL_INT)
		max = (uint64_t)c->e->args[1]->value.i;
	result_size(c, (est_range){0, max});
	return est_scale(sz, 2 * TRAVERSAL);
}

static est_range join(call *c)
{
	est_range list = size(c, c->e->target), sz = {0, 0}, elem;
	if (!est_element_size(c->x, c->e->target, &elem))
		elem = EST_UNKNOWN;
	if (c->e->target->type->n_params > 0)
		sz = est_mul(list, elem);
	if (c->e->n > 0) {
		est_range between = {list.min > 0 ? list.min - 1 : 0, list.max > 0 ? list.max - 1 : 0};
		sz = est_add(sz, est_mul(size(c, c->e->args[0]), between));
	}
	result_size(c, sz);
	return est_scale(sz, TRAVERSAL);
}

static est_range addresses(call *c, uint8_t class)
{
	est_range bytes = {4, 16}, cost = est_scale(est_add(bytes, bytes), TRAVERSAL);
	if (class == CEL_COST_CONTAINS_CIDR || class == CEL_COST_CONTAINS_CIDR_TEXT)
		cost = est_add(est_add(cost, est_scale(bytes, TRAVERSAL)), ONE);
	if (class == CEL_COST_CONTAINS_IP_TEXT || class == CEL_COST_CONTAINS_CIDR_TEXT)
		cost = est_add(cost, traverse(c, c->e->args[0], 1));
	return cost;
}

static est_range selector(call *c)
{
	est_range sz = size(c, c->e->args[0]);
	est_range cost = est_add((est_range){10, 10}, est_scale(sz, TRAVERSAL));
	return est_add(cost, est_scale(est_scale(sz, 0.5), 50.0));
}

/* A literal int argument, 0 when negative; `other` when it is none. */
static uint64_t literal_or(const cel_node *e, uint64_t other)
{
	if (e->kind != CEL_LITERAL || e->value.kind != SP_CEL_INT)
		return other;
	return e->value.i < 0 ? 0 : (uint64_t)e->value.i;
}

static est_range allocating(call *c, double factor, est_range n)
{
	result_size(c, n);
	return est_add(est_scale(n, factor), (est_range){11, 11});
}

static est_range sorting(call *c, const cel_node *keys, double factor)
{
	est_range n = size(c, keys);
	return allocating(c, factor, est_mul(n, n));
}

static est_range ext_list(call *c)
{
	const cel_node *e = c->e;
	sp_str name = sp_str_c(c->o->name);
	if (sp_str_eq(name, SP_STR("slice"))) {
		uint64_t n = literal_or(e->args[1], size(c, e->target).max) - literal_or(e->args[0], 0);
		return allocating(c, 1, (est_range){n, n});
	}
	if (sp_str_eq(name, SP_STR("lists.range"))) {
		uint64_t n = literal_or(e->args[0], UINT64_MAX);
		return allocating(c, 1, (est_range){n, n});
	}
	if (sp_str_eq(name, SP_STR("flatten"))) {
		double depth = e->n == 1 ? (double)literal_or(e->args[0], UINT64_MAX) : 1.0;
		return allocating(c, depth, size(c, e->target));
	}
	if (sp_str_eq(name, SP_STR("reverse")))
		return allocating(c, 1, size(c, e->target));
	if (sp_str_eq(name, SP_STR("distinct")))
		return sorting(c, e->target, 2.0);
	bool by = sp_str_eq(name, SP_STR("@sortByAssociatedKeys"));
	uint8_t elem = c->o->args[by ? 1 : 0]->params[0]->kind;
	double factor = 2.0 + (elem == SP_CEL_STRING || elem == SP_CEL_BYTES ? TRAVERSAL : 0);
	return sorting(c, by ? e->args[0] : e->target, factor);
}

static est_range sets(call *c)
{
	double factor = sp_str_eq(sp_str_c(c->o->name), SP_STR("sets.equivalent")) ? 2.0 : 1.0;
	return est_add(est_scale(est_mul(size(c, c->e->args[0]), size(c, c->e->args[1])), factor), ONE);
}

static est_range text_bytes(call *c, bool to_bytes)
{
	est_range sz = size(c, c->e->args[0]);
	result_size(c, to_bytes ? (est_range){sz.min, sz.max * 4} : (est_range){sz.min / 4, sz.max});
	return est_scale(sz, TRAVERSAL);
}

static est_range cost_of(call *c)
{
	const cel_node *e = c->e;
	est_range sz;
	switch (c->o->cost) {
	case CEL_COST_PREFIX:
		return traverse(c, e->args[0], 1);
	case CEL_COST_TO_BYTES:
	case CEL_COST_TO_STRING:
		return text_bytes(c, c->o->cost == CEL_COST_TO_BYTES);
	case CEL_COST_FORMAT:
		return traverse(c, e->target, 1);
	case CEL_COST_QUOTE:
		sz = size(c, e->args[0]);
		result_size(c, (est_range){sz.min + 2, sz.max * 2 + 2});
		return est_scale(sz, TRAVERSAL);
	case CEL_COST_IN_LIST:
		return size(c, e->args[1]);
	case CEL_COST_COMPARE:
		return compare(c);
	case CEL_COST_CONCAT:
	case CEL_COST_CONCAT_LIST:
		return concat(c, c->o->cost == CEL_COST_CONCAT_LIST);
	case CEL_COST_MATCHES:
		return pattern(c, e->target, e->args[0]);
	case CEL_COST_FIND:
		result_size(c, (est_range){0, size(c, e->target).max});
		return pattern(c, e->target, e->args[0]);
	case CEL_COST_CONTAINS:
		return est_mul(traverse(c, e->target, 1), traverse(c, e->args[0], 1));
	case CEL_COST_CONDITIONAL:
		return conditional(c);
	case CEL_COST_SETS:
		return sets(c);
	case CEL_COST_EXT_LIST:
		return ext_list(c);
	case CEL_COST_CHECK:
		return (est_range){350000, 350000};
	case CEL_COST_SELECTOR:
		return selector(c);
	case CEL_COST_SCAN:
		return scan(c);
	case CEL_COST_TRAVERSE:
	case CEL_COST_TRAVERSE_TARGET:
		sz = size(c, c->o->cost == CEL_COST_TRAVERSE ? e->args[0] : e->target);
		result_size(c, sz);
		return est_scale(sz, TRAVERSAL);
	case CEL_COST_REPLACE:
		return replace(c);
	case CEL_COST_SPLIT:
		return split(c);
	case CEL_COST_JOIN:
		return join(c);
	case CEL_COST_PARSE:
		return traverse(c, e->args[0], 1);
	case CEL_COST_PARSE_TWICE:
		return traverse(c, e->args[0], 2);
	case CEL_COST_CONTAINS_IP:
	case CEL_COST_CONTAINS_IP_TEXT:
	case CEL_COST_CONTAINS_CIDR:
	case CEL_COST_CONTAINS_CIDR_TEXT:
		return addresses(c, c->o->cost);
	case CEL_COST_VALIDATE:
		return est_scale(traverse(c, e->args[0], 1), MAX_NAME_FORMAT_REGEX * REGEX_LENGTH);
	default:
		return ONE;
	}
}

void est_call_cost(estimator *x, const cel_node *e, const cel_overload *o, const est_range *args,
		   est_range all, est_call *ret)
{
	call c = {x, e, o, args, all, ret};
	est_range cost = cost_of(&c);
	ret->cost = est_add(cost, c.all);
}
