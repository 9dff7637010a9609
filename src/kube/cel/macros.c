/* SPDX-License-Identifier: Apache-2.0 */
/* Macros: calls that become other expressions while they are parsed. U: cel-go parser/macro.go,
 * ext/comprehensions.go, ext/bindings.go, ext/math.go, cel/library.go (optionals) */
#include "kube/cel/ast.h"

#define ACCU SP_STR("@result")

typedef struct macro_call {
	cel_compiler *c;
	uint32_t at; /* of the call: its open bracket */
	cel_node *target, **args;
	size_t n;
} macro_call;

typedef cel_node *expander(macro_call *m);

static cel_node *refuse(macro_call *m, uint32_t at, const char *why)
{
	cel_issue(m->c, at, "%s", why);
	return cel_node_new(m->c, CEL_BROKEN, at);
}

static cel_node *accu(macro_call *m)
{
	return cel_ident(m->c, m->at, ACCU);
}

static cel_node *boolean(macro_call *m, bool b)
{
	return cel_literal(m->c, m->at, sp_cel_of_bool(b));
}

static cel_node *integer(macro_call *m, int64_t i)
{
	return cel_literal(m->c, m->at, sp_cel_of_int(i));
}

static cel_node *aggregate(macro_call *m, cel_node_kind kind, size_t n, cel_node *a, cel_node *b)
{
	cel_node *e = cel_node_new(m->c, kind, m->at);
	if (e == NULL)
		return NULL;
	e->args = sp_try_new(m->c->arena, cel_node *, 2);
	if (e->args == NULL) {
		m->c->no_memory = true;
		return NULL;
	}
	e->args[0] = a;
	e->args[1] = b;
	e->n = (uint32_t)n;
	return e;
}

static cel_node *list(macro_call *m, size_t n, cel_node *elem)
{
	return aggregate(m, CEL_LIST, n, elem, NULL);
}

static cel_node *fold(macro_call *m, const cel_fold *f)
{
	cel_node *e = cel_node_new(m->c, CEL_FOLD, m->at);
	cel_fold *kept = sp_try_new(m->c->arena, cel_fold, 1);
	if (e == NULL || kept == NULL || f->range == NULL || f->init == NULL || f->cond == NULL ||
	    f->step == NULL || f->result == NULL) {
		m->c->no_memory = true;
		return NULL;
	}
	*kept = *f;
	e->fold = kept;
	return e;
}

/* A name of one part; false: reported. */
static bool variable(macro_call *m, size_t i, const char *why, sp_str *ret)
{
	cel_node *arg = m->args[i];
	if (arg->kind != CEL_IDENT || (arg->name.len > 0 && arg->name.ptr[0] == '.')) {
		(void)refuse(m, arg->at, why);
		return false;
	}
	if (sp_str_eq(arg->name, SP_STR("__result__")) || sp_str_eq(arg->name, ACCU)) {
		(void)refuse(m, arg->at, "iteration variable overwrites accumulator variable");
		return false;
	}
	*ret = arg->name;
	return true;
}

static cel_node *broken(macro_call *m)
{
	return cel_node_new(m->c, CEL_BROKEN, m->at);
}

static cel_node *has(macro_call *m)
{
	cel_node *arg = m->args[0];
	if (arg->kind != CEL_SELECT)
		return refuse(m, arg->at, "invalid argument to has() macro");
	cel_node *e = cel_node_new(m->c, CEL_SELECT, m->at);
	if (e != NULL) {
		e->target = arg->target;
		e->name = arg->name;
		e->test = true;
	}
	return e;
}

typedef enum quantifier { ALL, EXISTS, EXISTS_ONE } quantifier;

static cel_node *quantify(macro_call *m, quantifier q, sp_str v, sp_str v2, cel_node *predicate)
{
	cel_compiler *c = m->c;
	cel_fold f = {.iter = v, .iter2 = v2, .accu = ACCU, .range = m->target};
	switch (q) {
	case ALL:
		f.init = boolean(m, true);
		f.cond = CEL_CALL_N(c, m->at, "@not_strictly_false", accu(m));
		f.step = CEL_CALL_N(c, m->at, "_&&_", accu(m), predicate);
		f.result = accu(m);
		break;
	case EXISTS:
		f.init = boolean(m, false);
		f.cond = CEL_CALL_N(c, m->at, "@not_strictly_false", CEL_CALL_N(c, m->at, "!_", accu(m)));
		f.step = CEL_CALL_N(c, m->at, "_||_", accu(m), predicate);
		f.result = accu(m);
		break;
	case EXISTS_ONE:
		f.init = integer(m, 0);
		f.cond = boolean(m, true);
		f.step = CEL_CALL_N(c, m->at, "_?_:_", predicate,
				    CEL_CALL_N(c, m->at, "_+_", accu(m), integer(m, 1)), accu(m));
		f.result = CEL_CALL_N(c, m->at, "_==_", accu(m), integer(m, 1));
		break;
	}
	return fold(m, &f);
}

static cel_node *quantify_one(macro_call *m, quantifier q)
{
	sp_str v;
	if (!variable(m, 0, "argument must be a simple name", &v))
		return broken(m);
	return quantify(m, q, v, (sp_str){NULL, 0}, m->args[1]);
}

static bool two_variables(macro_call *m, const char *why, sp_str *v, sp_str *v2)
{
	if (!variable(m, 0, why, v) || !variable(m, 1, why, v2))
		return false;
	if (sp_str_eq(*v, *v2)) {
		cel_issue(m->c, m->args[1]->at, "duplicate variable name: " SP_FMT, SP_ARG(*v));
		return false;
	}
	return true;
}

static cel_node *quantify_two(macro_call *m, quantifier q)
{
	sp_str v, v2;
	if (!two_variables(m, "argument must be a simple name", &v, &v2))
		return broken(m);
	return quantify(m, q, v, v2, m->args[2]);
}

static cel_node *all(macro_call *m)
{
	return quantify_one(m, ALL);
}

static cel_node *exists(macro_call *m)
{
	return quantify_one(m, EXISTS);
}

static cel_node *exists_one(macro_call *m)
{
	return quantify_one(m, EXISTS_ONE);
}

static cel_node *all_two(macro_call *m)
{
	return quantify_two(m, ALL);
}

static cel_node *exists_two(macro_call *m)
{
	return quantify_two(m, EXISTS);
}

static cel_node *exists_one_two(macro_call *m)
{
	return quantify_two(m, EXISTS_ONE);
}

/* accu + [element] where `filter` (may be NULL) holds. */
static cel_node *collect(macro_call *m, sp_str v, sp_str v2, cel_node *filter, cel_node *elem)
{
	cel_compiler *c = m->c;
	cel_node *step = CEL_CALL_N(c, m->at, "_+_", accu(m), list(m, 1, elem));
	if (filter != NULL)
		step = CEL_CALL_N(c, m->at, "_?_:_", filter, step, accu(m));
	cel_fold f = {.iter = v,
		      .iter2 = v2,
		      .accu = ACCU,
		      .range = m->target,
		      .init = list(m, 0, NULL),
		      .cond = boolean(m, true),
		      .step = step,
		      .result = accu(m)};
	return fold(m, &f);
}

static cel_node *map(macro_call *m)
{
	sp_str v;
	if (!variable(m, 0, "argument is not an identifier", &v))
		return broken(m);
	return collect(m, v, (sp_str){NULL, 0}, m->n == 3 ? m->args[1] : NULL, m->args[m->n - 1]);
}

static cel_node *filter(macro_call *m)
{
	sp_str v;
	if (!variable(m, 0, "argument is not an identifier", &v))
		return broken(m);
	return collect(m, v, (sp_str){NULL, 0}, m->args[1], cel_ident(m->c, m->args[0]->at, v));
}

static cel_node *transform_list(macro_call *m)
{
	sp_str v, v2;
	if (!two_variables(m, "argument must be a simple name", &v, &v2))
		return broken(m);
	return collect(m, v, v2, m->n == 4 ? m->args[2] : NULL, m->args[m->n - 1]);
}

/* Entries put into a map: by key and value, or from a map literal of one entry. */
static cel_node *transform(macro_call *m, bool entry)
{
	cel_compiler *c = m->c;
	sp_str v, v2;
	if (!two_variables(m, "argument must be a simple name", &v, &v2))
		return broken(m);
	cel_node *value = m->args[m->n - 1], *step;
	step = entry ? CEL_CALL_N(c, m->at, "cel.@mapInsert", accu(m), value)
		     : CEL_CALL_N(c, m->at, "cel.@mapInsert", accu(m), cel_ident(c, m->args[0]->at, v),
				  value);
	if (m->n == 4)
		step = CEL_CALL_N(c, m->at, "_?_:_", m->args[2], step, accu(m));
	cel_fold f = {.iter = v,
		      .iter2 = v2,
		      .accu = ACCU,
		      .range = m->target,
		      .init = aggregate(m, CEL_MAP, 0, NULL, NULL),
		      .cond = boolean(m, true),
		      .step = step,
		      .result = accu(m)};
	return fold(m, &f);
}

static cel_node *transform_map(macro_call *m)
{
	return transform(m, false);
}

static cel_node *transform_entry(macro_call *m)
{
	return transform(m, true);
}

static cel_node *bound(macro_call *m, sp_str v, cel_node *init, cel_node *result)
{
	cel_fold f = {.iter = SP_STR("#unused"),
		      .accu = v,
		      .range = list(m, 0, NULL),
		      .init = init,
		      .cond = boolean(m, false),
		      .step = cel_ident(m->c, m->at, v),
		      .result = result,
		      .bind = true};
	return fold(m, &f);
}

static cel_node *bind(macro_call *m)
{
	if (m->target->kind != CEL_IDENT || !sp_str_eq(m->target->name, SP_STR("cel")))
		return NULL;
	if (m->args[0]->kind != CEL_IDENT)
		return refuse(m, m->args[0]->at, "cel.bind() variable names must be simple identifiers");
	return bound(m, m->args[0]->name, m->args[1], m->args[2]);
}

static cel_node *member_call(macro_call *m, const char *fn, cel_node *target)
{
	cel_node *e = cel_call(m->c, m->at, fn, 0, NULL);
	if (e != NULL)
		e->target = target;
	return e;
}

/* t.optMap(v, e): t.hasValue() ? optional.of(bind v = t.value() in e) : optional.none() */
static cel_node *opt_map_of(macro_call *m, bool flat)
{
	cel_compiler *c = m->c;
	if (m->args[0]->kind != CEL_IDENT)
		return refuse(m, m->args[0]->at,
			      flat ? "optFlatMap() variable name must be a simple identifier"
				   : "optMap() variable name must be a simple identifier");
	cel_node *body = bound(m, m->args[0]->name, member_call(m, "value", m->target), m->args[1]);
	if (!flat)
		body = CEL_CALL_N(c, m->at, "optional.of", body);
	return CEL_CALL_N(c, m->at, "_?_:_", member_call(m, "hasValue", m->target), body,
			  cel_call(c, m->at, "optional.none", 0, NULL));
}

static cel_node *opt_map(macro_call *m)
{
	return opt_map_of(m, false);
}

static cel_node *opt_flat_map(macro_call *m)
{
	return opt_map_of(m, true);
}

/* math.greatest(…), math.least(…): of any number of arguments. */
static cel_node *extreme(macro_call *m, const char *name, const char *fn)
{
	if (m->target->kind != CEL_IDENT || !sp_str_eq(m->target->name, SP_STR("math")))
		return NULL;
	SP_AUTO_BUF why;
	sp_buf_init(&why, 256);
	if (m->n == 0) {
		(void)sp_buf_printf(&why, "%s requires at least one argument", name);
		cel_issue_str(m->c, m->target->at, sp_buf_view(&why));
		return broken(m);
	}
	for (size_t i = 0; i < m->n; i++) {
		const cel_node *a = m->args[i];
		bool number = a->kind != CEL_LITERAL || a->value.kind == SP_CEL_INT ||
			      a->value.kind == SP_CEL_UINT || a->value.kind == SP_CEL_DOUBLE;
		bool fine = number && (a->kind != CEL_MAP && a->kind != CEL_STRUCT) &&
			    (a->kind != CEL_LIST || m->n == 1);
		if (!fine) {
			cel_issue(m->c, a->at,
				  m->n == 1 ? "%s invalid single argument value"
					    : "%s simple literal arguments must be numeric",
				  name);
			return broken(m);
		}
	}
	if (m->n <= 2)
		return cel_call(m->c, m->at, fn, m->n, m->args);
	cel_node *l = cel_node_new(m->c, CEL_LIST, m->at);
	if (l == NULL)
		return NULL;
	l->args = m->args;
	l->n = (uint32_t)m->n;
	return CEL_CALL_N(m->c, m->at, fn, l);
}

static cel_node *greatest(macro_call *m)
{
	return extreme(m, "math.greatest()", "math.@max");
}

static cel_node *least(macro_call *m)
{
	return extreme(m, "math.least()", "math.@min");
}

/* list.sortBy(e, key): the list and its keys, sorted together. */
static cel_node *sort_by(macro_call *m)
{
	static const uint8_t can_be[] = {CEL_SELECT, CEL_IDENT, CEL_LIST, CEL_CALL, CEL_FOLD};
	bool fine = false;
	for (size_t i = 0; i < SP_LEN(can_be); i++)
		fine |= m->target->kind == can_be[i];
	if (!fine)
		return refuse(m, m->target->at,
			      "sortBy can only be applied to a list, identifier, comprehension, call or "
			      "select expression");
	sp_str v;
	if (!variable(m, 0, "argument is not an identifier", &v))
		return broken(m);
	sp_str input = SP_STR("@__sortBy_input__");
	cel_node *target = m->target;
	m->target = cel_ident(m->c, m->at, input);
	cel_node *keys = collect(m, v, (sp_str){NULL, 0}, NULL, m->args[1]);
	cel_node *e = cel_call(m->c, m->at, "@sortByAssociatedKeys", 1, &keys);
	if (e == NULL)
		return NULL;
	e->target = cel_ident(m->c, m->at, input);
	return bound(m, input, target, e);
}

typedef struct macro {
	const char *name;
	uint8_t n; /* arguments; 255: any number */
	bool member;
	uint32_t libs;
	expander *expand;
} macro;

static const macro macros[] = {
	{"has", 1, false, 0, has},
	{"all", 2, true, 0, all},
	{"exists", 2, true, 0, exists},
	{"exists_one", 2, true, 0, exists_one},
	{"existsOne", 2, true, 0, exists_one},
	{"map", 2, true, 0, map},
	{"map", 3, true, 0, map},
	{"filter", 2, true, 0, filter},
	{"all", 3, true, SP_CEL_LIB_TWO_VARS, all_two},
	{"exists", 3, true, SP_CEL_LIB_TWO_VARS, exists_two},
	{"exists_one", 3, true, SP_CEL_LIB_TWO_VARS, exists_one_two},
	{"existsOne", 3, true, SP_CEL_LIB_TWO_VARS, exists_one_two},
	{"transformList", 3, true, SP_CEL_LIB_TWO_VARS, transform_list},
	{"transformList", 4, true, SP_CEL_LIB_TWO_VARS, transform_list},
	{"transformMap", 3, true, SP_CEL_LIB_TWO_VARS, transform_map},
	{"transformMap", 4, true, SP_CEL_LIB_TWO_VARS, transform_map},
	{"transformMapEntry", 3, true, SP_CEL_LIB_TWO_VARS, transform_entry},
	{"transformMapEntry", 4, true, SP_CEL_LIB_TWO_VARS, transform_entry},
	{"optMap", 2, true, SP_CEL_LIB_OPTIONAL, opt_map},
	{"optFlatMap", 2, true, SP_CEL_LIB_OPTIONAL, opt_flat_map},
	{"sortBy", 2, true, SP_CEL_LIB_LISTS, sort_by},
	{"bind", 3, true, SP_CEL_LIB_BINDINGS, bind},
	{"greatest", UINT8_MAX, true, SP_CEL_LIB_MATH, greatest},
	{"least", UINT8_MAX, true, SP_CEL_LIB_MATH, least},
};

cel_node *cel_macro(cel_compiler *c, uint32_t at, sp_str name, cel_node *target, cel_node **args, size_t n)
{
	for (size_t i = 0; i < SP_LEN(macros); i++) {
		const macro *m = &macros[i];
		if (m->member != (target != NULL) || (m->n != n && m->n != UINT8_MAX) ||
		    (m->libs & ~c->env->libs) != 0 || !sp_str_eq(name, sp_str_c(m->name)))
			continue;
		macro_call call = {c, at, target, args, n};
		return m->expand(&call);
	}
	return NULL;
}
