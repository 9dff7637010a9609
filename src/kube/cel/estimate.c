/* SPDX-License-Identifier: Apache-2.0 */
/* Costs before anything runs. U: cel-go checker/cost.go; apiextensions-apiserver pkg/apiserver/schema/cel
 * sizeEstimator */
#include "kube/cel/estimate.h"

#include <math.h>

/* ---- arithmetic that stops at the top ---- */

static uint64_t add_sat(uint64_t x, uint64_t y)
{
	return x > UINT64_MAX - y ? UINT64_MAX : x + y;
}

static uint64_t mul_sat(uint64_t x, uint64_t y)
{
	return y != 0 && x > UINT64_MAX / y ? UINT64_MAX : x * y;
}

static uint64_t scale(uint64_t x, double factor)
{
	double d = ceil((double)x * factor);
	return d >= 0x1p64 ? UINT64_MAX : (uint64_t)d;
}

est_range est_add(est_range a, est_range b)
{
	return (est_range){add_sat(a.min, b.min), add_sat(a.max, b.max)};
}

est_range est_mul(est_range a, est_range b)
{
	return (est_range){mul_sat(a.min, b.min), mul_sat(a.max, b.max)};
}

est_range est_scale(est_range a, double factor)
{
	return (est_range){scale(a.min, factor), scale(a.max, factor)};
}

est_range est_union(est_range a, est_range b)
{
	return (est_range){SP_MIN(a.min, b.min), SP_MAX(a.max, b.max)};
}

/* ---- where values come from ---- */

/* Go's append. */
static est_path path_append(estimator *x, est_path p, est_part part)
{
	if (p.len == p.cap) {
		uint32_t cap = p.cap == 0 ? 1 : p.cap * 2;
		est_part *more = sp_try_new(x->scratch, est_part, cap);
		if (more == NULL) {
			x->no_memory = true;
			return (est_path){NULL, 0, 0};
		}
		if (p.len > 0)
			memcpy(more, p.parts, p.len * sizeof(*more));
		p.parts = more;
		p.cap = cap;
	}
	p.parts[p.len++] = part;
	return p;
}

static est_path path_step(estimator *x, est_path p, est_step step, sp_str field)
{
	return path_append(x, p, (est_part){.step = step, .field = field, .var = CEL_NO_SLOT});
}

static bool is_map(const sp_schema *s, bool root)
{
	return s->kind == SP_K_MAP || (s->kind == SP_K_OBJECT && !cel_schema_is_struct(s, root));
}

/* One step into a schema; NULL: upstream knows nothing behind it. */
static const sp_schema *step_into(estimator *x, const sp_schema *s, bool root, const est_part *part)
{
	static const sp_schema key_schema = {.kind = SP_K_BOOL}; /* of no size, as upstream's type of keys */
	sp_str name;
	switch (part->step) {
	case EST_ELEMENT:
		return s->kind == SP_K_LIST || is_map(s, root) ? s->items : NULL;
	case EST_KEY:
		return is_map(s, root) ? &key_schema : NULL;
	case EST_FIELD:
		if (!cel_schema_is_struct(s, root) || !sp_cel_unescape(x->scratch, part->field, &name))
			return NULL;
		return cel_schema_field(s, root, name);
	case EST_INDEX:
		break;
	}
	return NULL;
}

static est_local *local_named(estimator *x, sp_str name)
{
	for (est_local *l = x->locals; l != NULL; l = l->outer) {
		if (sp_str_eq(l->name, name))
			return l;
	}
	return NULL;
}

est_node *est_of(estimator *x, const cel_node *e)
{
	return &x->nodes[e->id];
}

static est_path path_of(estimator *x, const cel_node *e)
{
	if (e->kind == CEL_IDENT) {
		est_local *l = local_named(x, e->name);
		if (l != NULL)
			return l->path;
	}
	return est_of(x, e)->path;
}

/* ---- sizes ---- */

/* The first part is taken for the variable that has a schema, whatever it is. */
static const sp_cel_var *root_of(estimator *x, est_path p)
{
	uint32_t i = p.parts[0].var;
	return &x->program->vars[i < x->program->n_vars ? i : 0];
}

static bool size_of_path(estimator *x, est_path p, est_range *ret)
{
	if (!x->has_schema || p.len == 0)
		return false;
	const sp_cel_var *v = root_of(x, p);
	const sp_schema *s = v->schema;
	bool root = v->type->kind == SP_CEL_STRUCT && (v->type->flags & SP_CEL_T_ROOT_) != 0;
	for (uint32_t i = 1; i < p.len && s != NULL; i++) {
		s = step_into(x, s, root, &p.parts[i]);
		root = s != NULL && (s->flags & SP_S_EMBEDDED_RESOURCE) != 0;
	}
	if (s == NULL)
		return false;
	*ret = (est_range){0, sp_cel_max_elements(s)};
	return true;
}

static bool literal_size(const cel_node *e, est_range *ret)
{
	if (e->kind == CEL_LITERAL)
		ret->min = ret->max = cel_size_of(e->value);
	else if (e->kind == CEL_LIST)
		ret->min = ret->max = e->n;
	else if (e->kind == CEL_MAP)
		ret->min = ret->max = e->n / 2;
	else
		return false;
	return true;
}

static bool is_scalar(const sp_cel_type *t)
{
	switch (t->kind) {
	case SP_CEL_BOOL:
	case SP_CEL_DOUBLE:
	case SP_CEL_DURATION:
	case SP_CEL_INT:
	case SP_CEL_TIMESTAMP:
	case SP_CEL_UINT:
		return true;
	case SP_CEL_OPTIONAL:
		return is_scalar(t->params[0]);
	default:
		return false;
	}
}

bool est_size(estimator *x, const cel_node *e, est_range *ret)
{
	est_node *n = est_of(x, e);
	if (n->has_size) {
		*ret = n->size;
		return true;
	}
	if (literal_size(e, ret))
		return true;
	if (size_of_path(x, path_of(x, e), ret)) {
		n->has_size = true;
		n->size = *ret;
		return true;
	}
	if (is_scalar(e->type)) {
		*ret = (est_range){1, 1};
		return true;
	}
	est_local *l = e->kind == CEL_IDENT ? local_named(x, e->name) : NULL;
	if (l == NULL || !l->has_size)
		return false;
	*ret = l->size;
	return true;
}

est_range est_size_or_unknown(estimator *x, const cel_node *e)
{
	est_range r;
	return est_size(x, e, &r) ? r : EST_UNKNOWN;
}

/* The size of elements of a list-valued node that its path tells. */
bool est_element_size(estimator *x, const cel_node *e, est_range *ret)
{
	est_path p = path_of(x, e);
	/* Upstream copies the path here. */
	est_path own = {NULL, 0, 0};
	for (uint32_t i = 0; i < p.len; i++)
		own = path_append(x, own, p.parts[i]);
	return p.len > 0 && size_of_path(x, path_step(x, own, EST_ELEMENT, (sp_str){NULL, 0}), ret);
}

static void set_size(estimator *x, const cel_node *e, est_range size)
{
	est_node *n = est_of(x, e);
	n->has_size = true;
	n->size = size;
}

bool est_entry(estimator *x, const cel_node *e, est_entry_size *ret)
{
	est_node *n = est_of(x, e);
	est_local *l = e->kind == CEL_IDENT ? local_named(x, e->name) : NULL;
	if (n->has_entry)
		*ret = n->entry;
	else if (l != NULL && l->has_entry)
		*ret = l->entry;
	else
		return false;
	return true;
}

void est_set_entry(estimator *x, const cel_node *e, est_entry_size entry)
{
	est_node *n = est_of(x, e);
	n->has_entry = true;
	n->entry = entry;
}

/* ---- nodes ---- */

static est_range cost(estimator *x, const cel_node *e);

static est_range cost_ident(estimator *x, const cel_node *e)
{
	est_local *l = local_named(x, e->name);
	est_path none = {NULL, 0, 0};
	est_of(x, e)->path =
		l != NULL ? l->path : path_append(x, none, (est_part){.field = e->name, .var = e->slot});
	return (est_range){1, 1};
}

static est_range cost_select(estimator *x, const cel_node *e)
{
	est_range sum = cost(x, e->target);
	if (e->test) {
		bool is_free = (x->program->env->rules & SP_CEL_FREE_HAS) != 0;
		return is_free ? sum : est_add(sum, (est_range){1, 1});
	}
	uint8_t kind = e->target->type->kind;
	if (kind == SP_CEL_MAP || kind == SP_CEL_STRUCT || kind == SP_CEL_PARAM)
		sum = est_add(sum, (est_range){1, 1});
	est_of(x, e)->path = path_step(x, path_of(x, e->target), EST_FIELD, e->name);
	return sum;
}

static void index_paths(estimator *x, const cel_node *e, const cel_overload *o, est_call *call)
{
	bool list = o->cost == CEL_COST_INDEX_LIST, map = o->cost == CEL_COST_INDEX_MAP;
	est_entry_size entry;
	if ((!list && !map) || e->n == 0)
		return;
	call->has_size = est_entry(x, e->args[0], &entry);
	if (call->has_size)
		call->size = entry.value;
	est_of(x, e)->path = path_step(x, path_of(x, e->args[0]), EST_ELEMENT, (sp_str){NULL, 0});
}

static est_range cost_call(estimator *x, const cel_node *e)
{
	est_range args[CEL_ARGS_MAX + 1] = {{0, 0}}, sum = {0, 0}, all = {0, 0}, fn = {UINT64_MAX, 0},
				      size = {0, 0};
	bool has_size = false, logic = e->n > CEL_ARGS_MAX;
	if (sp_str_eq(e->name, SP_STR("dyn")) && e->n == 1) {
		est_range arg = cost(x, e->args[0]), s;
		est_entry_size entry;
		if (est_size(x, e->args[0], &s))
			set_size(x, e, s);
		if (est_entry(x, e->args[0], &entry))
			est_set_entry(x, e, entry);
		return est_add((est_range){1, 1}, arg);
	}
	for (uint32_t i = 0; i < e->n; i++) {
		est_range a = cost(x, e->args[i]);
		if (i < CEL_ARGS_MAX)
			args[i] = a;
		all = est_add(all, a);
	}
	if (logic || sp_str_eq(e->name, SP_STR("_&&_")) || sp_str_eq(e->name, SP_STR("_||_")))
		return (est_range){args[0].min, all.max}; /* the first alone may decide */
	if (e->n_overloads == 0)                          /* a.?b */
		return sp_str_eq(e->name, SP_STR("_?._")) ? est_add(all, (est_range){1, 1})
							  : (est_range){0, 0};
	if (e->target != NULL)
		sum = cost(x, e->target);
	for (uint32_t i = 0; i < e->n_overloads; i++) {
		est_call call = {.cost = {0, 0}};
		est_call_cost(x, e, e->overloads[i], args, all, &call);
		fn = est_union(fn, call.cost);
		if (call.has_size) {
			size = has_size ? est_union(size, call.size) : call.size;
			has_size = true;
		}
		est_call at = {.cost = {0, 0}, .has_size = has_size, .size = size};
		index_paths(x, e, e->overloads[i], &at);
		has_size = at.has_size;
		size = at.size;
		if (!has_size)
			has_size = est_size(x, e, &size);
	}
	if (has_size)
		set_size(x, e, size);
	return est_add(sum, fn);
}

static est_range cost_list(estimator *x, const cel_node *e)
{
	est_range sum = {0, 0}, item = {e->n == 0 ? 0 : UINT64_MAX, 0};
	for (uint32_t i = 0; i < e->n; i++) {
		sum = est_add(sum, cost(x, e->args[i]));
		item = est_union(item, est_size_or_unknown(x, e->args[i]));
	}
	est_set_entry(x, e, (est_entry_size){.list = true, .key = {1, 1}, .value = item});
	return est_add(sum, (est_range){10, 10});
}

static est_range cost_map(estimator *x, const cel_node *e)
{
	est_range sum = {0, 0}, none = {e->n == 0 ? 0 : UINT64_MAX, 0}, sizes[2] = {none, none};
	for (uint32_t i = 0; i < e->n; i++) {
		sum = est_add(sum, cost(x, e->args[i]));
		sizes[i % 2] = est_union(sizes[i % 2], est_size_or_unknown(x, e->args[i]));
	}
	est_set_entry(x, e, (est_entry_size){.key = sizes[0], .value = sizes[1]});
	return est_add(sum, (est_range){30, 30});
}

static est_range cost_struct(estimator *x, const cel_node *e)
{
	est_range sum = {40, 40};
	for (uint32_t i = 0; i < e->n; i++)
		sum = est_add(sum, cost(x, e->args[i]));
	return sum;
}

/* ---- comprehensions ---- */

static est_local local_of(estimator *x, sp_str name, const cel_node *e)
{
	est_local l = {.outer = x->locals, .name = name, .path = path_of(x, e)};
	l.has_size = est_size(x, e, &l.size);
	l.has_entry = est_entry(x, e, &l.entry);
	return l;
}

typedef enum role { ROLE_KEY, ROLE_VALUE, ROLE_ONLY } role;

/* A variable that runs over a range: the element of lists, the key of maps, or both when there are two. */
static est_local iter_of(estimator *x, sp_str name, const cel_node *range, role r)
{
	est_local l = {.outer = x->locals, .name = name};
	est_entry_size entry;
	bool has = est_entry(x, range, &entry);
	bool list = has ? entry.list : range->type->kind == SP_CEL_LIST;
	bool value = r == ROLE_VALUE || (r == ROLE_ONLY && list);
	l.has_size = has;
	if (has)
		l.size = value ? entry.value : entry.key;
	est_step step = value ? EST_ELEMENT : list ? EST_INDEX : EST_KEY;
	l.path = path_step(x, path_of(x, range), step, (sp_str){NULL, 0});
	return l;
}

static est_range cost_bind(estimator *x, const cel_node *e)
{
	const cel_fold *f = e->fold;
	est_range sum = est_add(cost(x, f->range), cost(x, f->init)), size;
	est_local accu = local_of(x, f->accu, f->init);
	est_entry_size entry;
	x->locals = &accu;
	sum = est_add(sum, cost(x, f->result));
	x->locals = accu.outer;
	if (est_size(x, f->result, &size))
		set_size(x, e, size);
	if (est_entry(x, f->result, &entry))
		est_set_entry(x, e, entry);
	return sum;
}

static est_range cost_fold(estimator *x, const cel_node *e)
{
	const cel_fold *f = e->fold;
	est_range sum = est_add(cost(x, f->range), cost(x, f->init)), size;
	est_local accu = local_of(x, f->accu, f->init), first, second;
	bool two = f->iter2.len > 0;
	est_entry_size entry;
	x->locals = &accu;
	first = iter_of(x, f->iter, f->range, two ? ROLE_KEY : ROLE_ONLY);
	x->locals = &first;
	if (two) {
		second = iter_of(x, f->iter2, f->range, ROLE_VALUE);
		x->locals = &second;
	}
	est_range loop = cost(x, f->cond), step = cost(x, f->step);
	x->locals = &accu;
	sum = est_add(sum, cost(x, f->result));
	x->locals = accu.outer;
	est_range count = est_size_or_unknown(x, f->range);
	sum = est_add(sum, est_mul(count, est_add(step, loop)));
	if (f->init->kind == CEL_LITERAL && est_size(x, f->init, &size))
		set_size(x, e, size);
	if (f->init->kind == CEL_LIST || f->init->kind == CEL_MAP) {
		set_size(x, e, count);
		if (est_entry(x, f->step, &entry))
			est_set_entry(x, e, entry);
	}
	return sum;
}

static est_range cost(estimator *x, const cel_node *e)
{
	switch (e->kind) {
	case CEL_IDENT:
		return cost_ident(x, e);
	case CEL_SELECT:
		return cost_select(x, e);
	case CEL_CALL:
		return cost_call(x, e);
	case CEL_LIST:
		return cost_list(x, e);
	case CEL_MAP:
		return cost_map(x, e);
	case CEL_STRUCT:
		return cost_struct(x, e);
	case CEL_FOLD:
		return e->fold->bind ? cost_bind(x, e) : cost_fold(x, e);
	default:
		return (est_range){0, 0};
	}
}

sp_code sp_cel_estimate(sp_arena *scratch, const sp_cel_program *p, sp_cel_cost *ret)
{
	estimator x = {.scratch = scratch, .program = p};
	x.nodes = sp_try_new(scratch, est_node, p->n_nodes + 1);
	if (x.nodes == NULL)
		return SP_ETOOLARGE;
	for (uint32_t i = 0; i < p->n_vars; i++)
		x.has_schema |= p->vars[i].schema != NULL;
	est_range r = cost(&x, p->root);
	*ret = (sp_cel_cost){r.min, r.max};
	return x.no_memory ? SP_ETOOLARGE : SP_OK;
}
