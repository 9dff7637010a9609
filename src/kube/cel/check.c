/* SPDX-License-Identifier: Apache-2.0 */
/* Types of all nodes and what their names refer to. U: cel-go checker/checker.go */
#include "kube/cel/ast.h"

typedef struct cel_scope {
	struct cel_scope *outer;
	sp_str name;
	const sp_cel_type *type;
	uint32_t slot;
} scope;

static void no_memory(cel_compiler *c)
{
	c->no_memory = true;
}

static sp_str undotted(sp_str name)
{
	return name.len > 0 && name.ptr[0] == '.' ? sp_str_sub(name, 1, name.len) : name;
}

static const sp_cel_type *type_of_type(cel_compiler *c, const sp_cel_type *t)
{
	sp_cel_type *made = sp_try_new(c->arena, sp_cel_type, 1);
	const sp_cel_type **params = sp_try_new(c->arena, const sp_cel_type *, 1);
	if (made == NULL || params == NULL) {
		no_memory(c);
		return &cel_t_type;
	}
	params[0] = t;
	*made = (sp_cel_type){.kind = SP_CEL_TYPE, .n_params = 1, .name = SP_STR("type"), .params = params};
	return made;
}

/* A local, a variable or a type. False: not declared. */
static bool resolve(cel_compiler *c, cel_node *e, sp_str name)
{
	bool global = name.len > 0 && name.ptr[0] == '.';
	name = undotted(name);
	for (scope *s = global ? NULL : c->scope; s != NULL; s = s->outer) {
		if (sp_str_eq(s->name, name)) {
			e->slot = s->slot;
			e->type = s->type;
			return true;
		}
	}
	for (size_t i = 0; i < c->n_vars; i++) {
		if (sp_str_eq(c->vars[i].name, name)) {
			e->slot = (uint32_t)i;
			e->type = c->vars[i].type;
			c->used[i] = true;
			return true;
		}
	}
	const sp_cel_type *t = cel_env_type(c->env, name);
	if (t == NULL && (c->env->libs & SP_CEL_LIB_JSONPATCH) != 0 &&
	    sp_str_starts(name, SP_STR("Object")) && (name.len == 6 || name.ptr[6] == '.')) {
		sp_cel_type *made = sp_try_new(c->arena, sp_cel_type, 1);
		if (made == NULL) {
			no_memory(c);
			return true;
		}
		*made = (sp_cel_type){.kind = SP_CEL_STRUCT, .flags = SP_CEL_T_ANY_FIELD, .name = name};
		t = made;
	}
	if (t == NULL)
		return false;
	e->slot = CEL_NO_SLOT;
	e->value = cel_type_val(t);
	e->type = type_of_type(c, t);
	return true;
}

static void undeclared(cel_compiler *c, cel_node *e, sp_str name)
{
	e->type = &cel_t_error;
	cel_issue(c, e->at, "undeclared reference to '" SP_FMT "' (in container '')", SP_ARG(name));
}

static void check_ident(cel_compiler *c, cel_node *e)
{
	if (!resolve(c, e, e->name))
		undeclared(c, e, e->name);
}

const sp_cel_type *cel_field_type(cel_compiler *c, const sp_cel_type *t, sp_str field)
{
	for (uint32_t i = 0; i < t->n_fields; i++) {
		if (sp_str_eq(t->fields[i].name, field))
			return t->fields[i].type;
	}
	if ((t->flags & SP_CEL_T_ANY_FIELD) != 0)
		return &sp_cel_dyn;
	sp_str name;
	if (t->schema == NULL || !sp_cel_unescape(c->arena, field, &name))
		return NULL;
	const sp_schema *s = cel_schema_field(t->schema, (t->flags & SP_CEL_T_ROOT_) != 0, name);
	sp_str back;
	if (s == NULL || !sp_cel_escape(c->arena, name, &back) ||
	    (!sp_str_eq(back, field) && !cel_is_keyword(field)))
		return NULL;
	s = cel_schema_within(s, t->schema);
	sp_str path = SP_CONCAT(c->arena, t->name, SP_STR("."), field);
	const sp_cel_type *made = NULL;
	if (path.len == 0 || sp_cel_type_of_schema(c->arena, s, path,
						   (s->flags & SP_S_EMBEDDED_RESOURCE) != 0, &made) != SP_OK)
		no_memory(c);
	return made;
}

static const sp_cel_type *field_of(cel_compiler *c, uint32_t at, const sp_cel_type *t, sp_str field)
{
	const sp_cel_type *found = cel_field_type(c, t, field);
	bool opaque = t->fields == NULL && t->schema == NULL; /* a struct by name only: authorizers */
	if (found == NULL && opaque)
		cel_issue(c, at, "unexpected failed resolution of '" SP_FMT "'", SP_ARG(t->name));
	else if (found == NULL)
		cel_issue(c, at, "undefined field '" SP_FMT "'", SP_ARG(field));
	return found;
}

void cel_check_select_of(cel_compiler *c, cel_node *e, cel_node *operand, sp_str field, bool optional)
{
	cel_check_node(c, operand);
	const sp_cel_type *t = cel_substitute(c, operand->type, false);
	bool was_optional = t->kind == SP_CEL_OPTIONAL;
	if (was_optional)
		t = t->params[0];
	const sp_cel_type *result = &cel_t_error;
	if (t->kind == SP_CEL_MAP) {
		result = t->params[1];
	} else if (t->kind == SP_CEL_STRUCT) {
		const sp_cel_type *f = field_of(c, e->at, t, field);
		result = f == NULL ? &cel_t_error : f;
	} else {
		if (t->kind == SP_CEL_PARAM)
			(void)cel_assignable(c, &sp_cel_dyn, t);
		else if (t->kind != SP_CEL_DYN && t->kind != SP_CEL_ERROR)
			cel_issue(c, e->at, "type '" SP_FMT "' does not support field selection",
				  SP_ARG(cel_type_shown(c, t)));
		result = &sp_cel_dyn;
	}
	if (was_optional || optional) {
		result = sp_cel_optional_of(c->arena, result);
		if (result == NULL) {
			no_memory(c);
			result = &sp_cel_dyn;
		}
	}
	e->type = cel_substitute(c, result, false);
}

static void check_select(cel_compiler *c, cel_node *e)
{
	sp_str name = cel_qualified_name(c, e);
	cel_node *target = e->target;
	if (name.len > 0 && resolve(c, e, name)) {
		e->kind = CEL_IDENT;
		e->name = undotted(name);
		e->target = NULL;
		return;
	}
	cel_check_select_of(c, e, target, e->name, false);
	if (e->test)
		e->type = &sp_cel_bool;
}

static void mismatch(cel_compiler *c, const cel_node *e, const sp_cel_type *want, const sp_cel_type *got)
{
	cel_issue(c, e->at, "expected type '" SP_FMT "' but found '" SP_FMT "'",
		  SP_ARG(cel_type_shown(c, want)), SP_ARG(cel_type_shown(c, got)));
}

/* The type of an element or value that is written ?x. */
static const sp_cel_type *unwrapped(cel_compiler *c, const cel_node *e, const sp_cel_type *t)
{
	if (t->kind == SP_CEL_OPTIONAL)
		return t->params[0];
	if (t->kind != SP_CEL_DYN) {
		const sp_cel_type *want = sp_cel_optional_of(c->arena, t);
		if (want == NULL)
			no_memory(c);
		else
			mismatch(c, e, want, t);
	}
	return t;
}

static const sp_cel_type *join(cel_compiler *c, const sp_cel_type *before, const sp_cel_type *now)
{
	if (before == NULL)
		return now;
	if (cel_assignable(c, before, now))
		return cel_most_general(before, now);
	return &sp_cel_dyn;
}

static void made(cel_compiler *c, cel_node *e, const sp_cel_type *t)
{
	if (t == NULL)
		no_memory(c);
	e->type = t == NULL ? &sp_cel_dyn : t;
}

static void check_list(cel_compiler *c, cel_node *e)
{
	const sp_cel_type *elem = NULL;
	for (uint32_t i = 0; i < e->n; i++) {
		cel_check_node(c, e->args[i]);
		const sp_cel_type *t = e->args[i]->type;
		if (e->optional != NULL && e->optional[i])
			t = unwrapped(c, e->args[i], t);
		elem = join(c, elem, t);
	}
	made(c, e, sp_cel_list_of(c->arena, elem == NULL ? cel_type_var(c) : elem));
}

static void check_map(cel_compiler *c, cel_node *e)
{
	const sp_cel_type *key = NULL, *value = NULL;
	for (uint32_t i = 0; i < e->n; i += 2) {
		cel_node *k = e->args[i], *v = e->args[i + 1];
		cel_check_node(c, k);
		key = join(c, key, k->type);
		cel_check_node(c, v);
		const sp_cel_type *t = v->type;
		if (e->optional != NULL && e->optional[i / 2])
			t = unwrapped(c, v, t);
		value = join(c, value, t);
	}
	made(c, e,
	     sp_cel_map_of(c->arena, key == NULL ? cel_type_var(c) : key,
			   value == NULL ? cel_type_var(c) : value));
}

static void check_field(cel_compiler *c, cel_node *e, uint32_t i, const sp_cel_type *type)
{
	cel_node *v = e->args[i];
	cel_check_node(c, v);
	const sp_cel_type *field = &cel_t_error, *t = v->type;
	if (type != NULL) {
		field = field_of(c, e->field_at[i], type, e->fields[i]);
		if (field == NULL)
			field = &cel_t_error;
	}
	if (e->optional != NULL && e->optional[i])
		t = unwrapped(c, v, t);
	if (!cel_assignable(c, field, t))
		cel_issue(c, e->field_at[i],
			  "expected type of field '" SP_FMT "' is '" SP_FMT "' but provided type is '" SP_FMT
			  "'",
			  SP_ARG(e->fields[i]), SP_ARG(cel_type_shown(c, field)),
			  SP_ARG(cel_type_shown(c, t)));
}

static void check_struct(cel_compiler *c, cel_node *e)
{
	if (!resolve(c, e, e->name)) {
		undeclared(c, e, e->name);
		return;
	}
	const sp_cel_type *type =
		e->type->kind == SP_CEL_TYPE && e->slot == CEL_NO_SLOT ? e->value.type : NULL;
	if (type == NULL) {
		cel_issue(c, e->at, "'" SP_FMT "' is not a type", SP_ARG(e->type->name));
	} else if (type->kind != SP_CEL_STRUCT ||
		   (type->n_fields == 0 && (type->flags & SP_CEL_T_ANY_FIELD) == 0)) {
		cel_issue(c, e->at, "'" SP_FMT "' is not a message type", SP_ARG(type->name));
		type = NULL;
	}
	e->type = type == NULL ? &cel_t_error : type;
	for (uint32_t i = 0; i < e->n; i++)
		check_field(c, e, i, type);
}

static scope enter(cel_compiler *c, sp_str name, const sp_cel_type *type)
{
	scope s = {.outer = c->scope, .name = name, .type = type, .slot = c->n_slots++};
	c->n_slots_max = SP_MAX(c->n_slots_max, c->n_slots);
	return s;
}

/* The types of a comprehension's variables. */
static void range_types(cel_compiler *c, const cel_fold *f, const sp_cel_type *range, const sp_cel_type **v,
			const sp_cel_type **v2)
{
	bool two = f->iter2.len > 0;
	*v = *v2 = &sp_cel_dyn;
	if (range->kind == SP_CEL_LIST) {
		*v = two ? &sp_cel_int : range->params[0];
		*v2 = range->params[0];
	} else if (range->kind == SP_CEL_MAP) {
		*v = range->params[0];
		*v2 = range->params[1];
	} else if (range->kind == SP_CEL_DYN || range->kind == SP_CEL_ERROR || range->kind == SP_CEL_PARAM) {
		(void)cel_assignable(c, &sp_cel_dyn, range);
	} else {
		cel_issue(c, f->range->at,
			  "expression of type '" SP_FMT
			  "' cannot be range of a comprehension (must be list, map, or dynamic)",
			  SP_ARG(cel_type_shown(c, range)));
		*v = *v2 = &cel_t_error;
	}
}

static void want(cel_compiler *c, const cel_node *e, const sp_cel_type *t)
{
	if (!cel_assignable(c, t, e->type))
		mismatch(c, e, t, e->type);
}

static void check_fold(cel_compiler *c, cel_node *e)
{
	cel_fold *f = e->fold;
	const sp_cel_type *v, *v2;
	scope *outer = c->scope;
	uint32_t slots = c->n_slots;
	cel_check_node(c, f->range);
	cel_check_node(c, f->init);
	const sp_cel_type *range = cel_substitute(c, f->range->type, false);
	scope accu = enter(c, f->accu, f->init->type);
	f->slot_accu = accu.slot;
	range_types(c, f, range, &v, &v2);
	c->scope = &accu;
	scope first = enter(c, f->iter, v);
	c->scope = &first;
	f->slot_iter = first.slot;
	scope second = enter(c, f->iter2, v2);
	f->slot_iter2 = second.slot;
	if (f->iter2.len > 0)
		c->scope = &second;
	cel_check_node(c, f->cond);
	want(c, f->cond, &sp_cel_bool);
	cel_check_node(c, f->step);
	want(c, f->step, f->init->type);
	c->scope = &accu;
	cel_check_node(c, f->result);
	c->scope = outer;
	c->n_slots = slots;
	e->type = cel_substitute(c, f->result->type, false);
}

static const sp_cel_type *literal_type(sp_cel_val v)
{
	return cel_type_of(v);
}

void cel_check_node(cel_compiler *c, cel_node *e)
{
	e->type = &cel_t_error; /* until it is known: not every way out without memory says so */
	if (c->no_memory || ++c->n_visits > CEL_VISITS_MAX) {
		c->no_memory = true;
		return;
	}
	switch (e->kind) {
	case CEL_LITERAL:
		e->type = literal_type(e->value);
		break;
	case CEL_IDENT:
		check_ident(c, e);
		break;
	case CEL_SELECT:
		check_select(c, e);
		break;
	case CEL_CALL:
		cel_check_call(c, e);
		break;
	case CEL_LIST:
		check_list(c, e);
		break;
	case CEL_MAP:
		check_map(c, e);
		break;
	case CEL_STRUCT:
		check_struct(c, e);
		break;
	case CEL_FOLD:
		check_fold(c, e);
		break;
	default:
		break;
	}
}

/* Replaces variables in the types of all nodes. Shared nodes are met twice, which changes nothing. */
static void finish(cel_compiler *c, cel_node *e)
{
	if (e == NULL || e->type == NULL || c->no_memory || ++c->n_visits > 2 * CEL_VISITS_MAX)
		return;
	e->type = cel_substitute(c, e->type, true);
	finish(c, e->target);
	for (uint32_t i = 0; i < e->n; i++)
		finish(c, e->args[i]);
	if (e->fold != NULL) {
		finish(c, e->fold->range);
		finish(c, e->fold->init);
		finish(c, e->fold->cond);
		finish(c, e->fold->step);
		finish(c, e->fold->result);
	}
}

void cel_check(cel_compiler *c, cel_node *root)
{
	c->n_slots = c->n_slots_max = (uint32_t)c->n_vars;
	cel_check_node(c, root);
	finish(c, root);
}
