/* SPDX-License-Identifier: Apache-2.0 */
/* Tree → program. U: cel-go interpreter/planner.go, interpreter/decorators.go */
#include "kube/cel/plan.h"

typedef struct planner {
	cel_compiler *c;
	cel_ctx *ctx; /* evaluates constant parts into the program's arena */
	sp_cel_val error;
} planner;

static cel_op *plan(planner *p, const cel_node *e);

static cel_op *op_new(planner *p, cel_op_kind kind)
{
	cel_op *op = sp_try_new(p->c->arena, cel_op, 1);
	if (op == NULL)
		p->c->no_memory = true;
	else
		op->kind = (uint8_t)kind;
	return op;
}

static cel_op *constant(planner *p, sp_cel_val v)
{
	cel_op *op = op_new(p, CEL_OP_CONST);
	if (op != NULL)
		op->value = v;
	return op;
}

static bool is_const(const cel_op *op)
{
	return op->kind == CEL_OP_CONST;
}

static bool plan_args(planner *p, cel_op *op, cel_node *target, cel_node *const *args, size_t n)
{
	size_t total = n + (target != NULL);
	op->args = sp_try_new(p->c->arena, cel_op *, total + 1);
	if (op->args == NULL) {
		p->c->no_memory = true;
		return false;
	}
	if (target != NULL && (op->args[op->n++] = plan(p, target)) == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		if ((op->args[op->n++] = plan(p, args[i])) == NULL)
			return false;
	}
	return true;
}

/* ---- attributes ---- */

static bool takes_quals(const cel_op *op)
{
	return (op->kind == CEL_OP_ATTR && !op->test) || op->kind == CEL_OP_COND;
}

static cel_op *qualify(planner *p, cel_op *on, cel_qual q)
{
	if (on == NULL)
		return NULL;
	if (!takes_quals(on)) {
		cel_op *rel = op_new(p, CEL_OP_ATTR);
		if (rel == NULL)
			return NULL;
		rel->base = on;
		on = rel;
	}
	if (on->n_quals == on->cap_quals) {
		uint32_t cap = on->cap_quals == 0 ? 2 : on->cap_quals * 2;
		cel_qual *more =
			sp_arena_try_grow(p->c->arena, on->quals, on->cap_quals * sizeof(q), cap * sizeof(q));
		if (more == NULL) {
			p->c->no_memory = true;
			return NULL;
		}
		on->quals = more;
		on->cap_quals = cap;
	}
	on->quals[on->n_quals++] = q;
	on->test |= q.test;
	return on;
}

static cel_op *plan_ident(planner *p, const cel_node *e)
{
	if (e->slot == CEL_NO_SLOT)
		return constant(p, e->value);
	cel_op *op = op_new(p, CEL_OP_ATTR);
	if (op != NULL)
		op->slot = e->slot;
	return op;
}

static cel_op *plan_index(planner *p, const cel_node *e, bool optional)
{
	cel_op *on = plan(p, e->args[0]), *key = on == NULL ? NULL : plan(p, e->args[1]);
	if (key == NULL)
		return NULL;
	cel_qual q = {.optional = optional};
	bool bad = is_const(key) && !cel_is_key(key->value);
	if (bad &&
	    (p->c->env->libs & SP_CEL_LIB_K8S) != 0) { /* constants are settled when the program is made */
		p->error = cel_bad_key(p->ctx, key->value);
		return NULL;
	}
	if (is_const(key) && !bad)
		q.key = key->value;
	else
		q.op = key;
	return qualify(p, on, q);
}

/* ---- calls ---- */

static bool is_scalar(sp_cel_val v)
{
	return v.kind == SP_CEL_BOOL || v.kind == SP_CEL_INT || v.kind == SP_CEL_UINT ||
	       v.kind == SP_CEL_DOUBLE || v.kind == SP_CEL_STRING;
}

/* x in [constants]. */
static cel_op *in_set(planner *p, cel_op *op)
{
	sp_cel_val list = op->args[1]->value;
	for (uint32_t i = 0; i < list.n; i++) {
		if (!is_scalar(cel_vec_of(list)->items[i]))
			return op;
	}
	if (list.n == 0)
		return constant(p, sp_cel_of_bool(false));
	op->kind = CEL_OP_IN_SET;
	op->value = list;
	return op;
}

static bool is_conversion(sp_str name)
{
	static const char *const names[] = {"bool", "bytes",  "double",    "duration", "dyn",
					    "int",  "string", "timestamp", "type",     "uint"};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		if (sp_str_eq(name, sp_str_c(names[i])))
			return true;
	}
	return false;
}

static cel_op *fold_constant(planner *p, cel_op *op)
{
	sp_cel_val v = cel_eval_op(p->ctx, op);
	if (p->ctx->abort != SP_OK)
		p->c->no_memory = true;
	if (cel_is_err(v)) {
		p->error = v;
		return NULL;
	}
	if (v.kind == SP_CEL_LIST && v.rep == CEL_NATIVE)
		((cel_vec *)(uintptr_t)v.ptr)->frozen = true;
	if (v.kind == SP_CEL_MAP && v.rep == CEL_NATIVE)
		((cel_map *)(uintptr_t)v.ptr)->frozen = true;
	op->kind = CEL_OP_CONST;
	op->value = v;
	return op;
}

static cel_op *constant_pattern(planner *p, cel_op *op)
{
	sp_str why = {NULL, 0};
	if (!is_const(op->args[1]) || op->args[1]->value.kind != SP_CEL_STRING)
		return op;
	sp_code code = sp_regex_compile(p->c->arena, sp_cel_str(op->args[1]->value), &op->regex, &why, NULL);
	if (code == SP_EINVAL)
		p->error = cel_error_str(p->ctx, why);
	else if (code != SP_OK)
		p->c->no_memory = true;
	return code == SP_OK ? op : NULL;
}

static bool is_pattern_call(sp_str name)
{
	return sp_str_eq(name, SP_STR("matches")) || sp_str_eq(name, SP_STR("find")) ||
	       sp_str_eq(name, SP_STR("findAll"));
}

static cel_op_kind call_kind(sp_str name)
{
	static const struct {
		const char *name;
		cel_op_kind kind;
	} kinds[] = {{"_&&_", CEL_OP_AND},
		     {"_||_", CEL_OP_OR},
		     {"_?_:_", CEL_OP_COND},
		     {"_==_", CEL_OP_EQUAL},
		     {"_!=_", CEL_OP_DIFFER}};
	for (size_t i = 0; i < SP_LEN(kinds); i++) {
		if (sp_str_eq(name, sp_str_c(kinds[i].name)))
			return kinds[i].kind;
	}
	return CEL_OP_CALL;
}

static cel_op *plan_call(planner *p, const cel_node *e)
{
	if (sp_str_eq(e->name, SP_STR("_[_]")))
		return plan_index(p, e, false);
	if (sp_str_eq(e->name, SP_STR("_[?_]")) || sp_str_eq(e->name, SP_STR("_?._")))
		return plan_index(p, e, true);
	cel_op *op = op_new(p, call_kind(e->name));
	if (op == NULL || !plan_args(p, op, e->target, e->args, e->n))
		return NULL;
	op->fn = e->fn;
	op->overloads = e->overloads;
	op->n_overloads = e->n_overloads;
	op->member = e->target != NULL;
	if (op->n == 2 && op->member && e->n_overloads == 1 &&
	    (sp_str_eq(e->name, SP_STR("or")) || sp_str_eq(e->name, SP_STR("orValue"))))
		op->kind = CEL_OP_OR_ELSE;
	if (op->kind != CEL_OP_CALL)
		return op;
	bool one = e->n_overloads == 1;
	if (one && e->overloads[0]->cost == CEL_COST_IN_LIST && is_const(op->args[1]) &&
	    op->args[1]->value.kind == SP_CEL_LIST && op->args[1]->value.rep == CEL_NATIVE)
		return in_set(p, op);
	if (op->n == 1 && is_const(op->args[0]) && is_conversion(e->name))
		return fold_constant(p, op);
	if (op->n == 2 && is_pattern_call(e->name))
		return constant_pattern(p, op);
	return op;
}

/* ---- aggregates ---- */

static cel_op *plan_aggregate(planner *p, const cel_node *e, cel_op_kind kind)
{
	cel_op *op = op_new(p, kind);
	if (op == NULL || !plan_args(p, op, NULL, e->args, e->n))
		return NULL;
	op->optional = e->optional;
	op->fields = e->fields;
	op->type = e->type;
	bool all = kind != CEL_OP_STRUCT;
	for (uint32_t i = 0; i < op->n; i++)
		all &= is_const(op->args[i]);
	return all ? fold_constant(p, op) : op;
}

static cel_op *plan_fold(planner *p, const cel_node *e)
{
	const cel_fold *f = e->fold;
	cel_op *op = op_new(p, CEL_OP_FOLD);
	cel_loop *l = sp_try_new(p->c->arena, cel_loop, 1);
	if (op == NULL || l == NULL) {
		p->c->no_memory = true;
		return NULL;
	}
	l->slot_iter = f->slot_iter;
	l->slot_iter2 = f->slot_iter2;
	l->slot_accu = f->slot_accu;
	l->two = f->iter2.len > 0;
	l->bind = f->bind;
	l->range = plan(p, f->range);
	l->init = l->range == NULL ? NULL : plan(p, f->init);
	l->cond = l->init == NULL ? NULL : plan(p, f->cond);
	l->step = l->cond == NULL ? NULL : plan(p, f->step);
	l->result = l->step == NULL ? NULL : plan(p, f->result);
	op->loop = l;
	return l->result == NULL ? NULL : op;
}

static cel_op *plan(planner *p, const cel_node *e)
{
	if (p->c->no_memory || ++p->c->n_visits > CEL_VISITS_MAX) {
		p->c->no_memory = true;
		return NULL;
	}
	switch (e->kind) {
	case CEL_LITERAL:
		return constant(p, e->value);
	case CEL_IDENT:
		return plan_ident(p, e);
	case CEL_SELECT: {
		cel_qual q = {.key = sp_cel_of_str(e->name), .test = e->test};
		return qualify(p, plan(p, e->target), q);
	}
	case CEL_CALL:
		return plan_call(p, e);
	case CEL_LIST:
		return plan_aggregate(p, e, CEL_OP_LIST);
	case CEL_MAP:
		return plan_aggregate(p, e, CEL_OP_MAP);
	case CEL_STRUCT:
		return plan_aggregate(p, e, CEL_OP_STRUCT);
	default:
		return plan_fold(p, e);
	}
}

cel_op *cel_plan(cel_compiler *c, const cel_node *root, cel_ctx *ctx, sp_cel_val *ret_error)
{
	planner p = {.c = c, .ctx = ctx};
	c->n_visits = 0;
	cel_op *op = plan(&p, root);
	*ret_error = p.error;
	return op;
}
