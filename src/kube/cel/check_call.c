/* SPDX-License-Identifier: Apache-2.0 */
/* Calls: which overloads fit, and the type of the result. U: cel-go checker/checker.go resolveOverload */
#include "kube/cel/ast.h"

static sp_str undotted(sp_str name)
{
	return name.len > 0 && name.ptr[0] == '.' ? sp_str_sub(name, 1, name.len) : name;
}

static void shown(cel_compiler *c, sp_buf *out, const sp_cel_type *t, const char *after)
{
	(void)sp_buf_str(out, cel_type_shown(c, cel_substitute(c, t, true)));
	(void)sp_buf_str(out, sp_str_c(after));
}

static void no_match(cel_compiler *c, cel_node *e, const sp_cel_type *const *types, size_t n)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	size_t i = 0;
	if (e->target != NULL)
		shown(c, &out, types[i++], ".");
	(void)sp_buf_char(&out, '(');
	for (; i < n; i++)
		shown(c, &out, types[i], i + 1 < n ? ", " : "");
	(void)sp_buf_char(&out, ')');
	e->type = &cel_t_error;
	cel_issue(c, e->at, "found no matching overload for '" SP_FMT "' applied to '" SP_FMT "'",
		  SP_ARG(e->fn->name), SP_ARG(sp_buf_view(&out)));
}

/* && and ||, of any number of arguments. */
static void check_logic(cel_compiler *c, cel_node *e)
{
	bool fine = true;
	e->overloads = (const cel_overload *const *)e->fn->overloads;
	e->n_overloads = 1;
	for (uint32_t i = 0; i < e->n; i++) {
		if (cel_assignable(c, e->args[i]->type, &sp_cel_bool))
			continue;
		fine = false;
		cel_issue(c, e->args[i]->at, "expected type 'bool' but found '" SP_FMT "'",
			  SP_ARG(cel_type_shown(c, e->args[i]->type)));
	}
	e->type = fine ? &sp_cel_bool : &cel_t_error;
}

static bool same_type(const sp_cel_type *a, const sp_cel_type *b)
{
	return sp_cel_type_eq(a, b);
}

static void resolve_overload(cel_compiler *c, cel_node *e)
{
	const sp_cel_type *types[CEL_ARGS_MAX + 1], *wanted[CEL_ARGS_MAX], *result = NULL;
	size_t n = 0, members = e->target != NULL;
	if (e->target != NULL)
		types[n++] = e->target->type;
	if (e->n + members > CEL_ARGS_MAX) { /* no function takes so many */
		const sp_cel_type **all = sp_try_new(c->arena, const sp_cel_type *, e->n + members);
		if (all == NULL) {
			c->no_memory = true;
			return;
		}
		all[0] = types[0];
		for (uint32_t i = 0; i < e->n; i++)
			all[i + members] = e->args[i]->type;
		no_match(c, e, all, e->n + members);
		return;
	}
	for (uint32_t i = 0; i < e->n; i++)
		types[n++] = e->args[i]->type;
	const cel_overload **found = sp_try_new(c->arena, const cel_overload *, e->fn->n);
	if (found == NULL) {
		c->no_memory = true;
		return;
	}
	e->n_overloads = 0;
	for (uint32_t i = 0; i < e->fn->n; i++) {
		const cel_overload *o = e->fn->overloads[i];
		cel_fresh fresh = {{NULL}};
		if (o->member != (e->target != NULL) || cel_overload_n_args(o) != n)
			continue;
		for (size_t k = 0; k < n; k++)
			wanted[k] = cel_freshen(c, &fresh, o->args[k]);
		if (!cel_assignable_list(c, types, wanted, n))
			continue;
		found[e->n_overloads++] = o;
		const sp_cel_type *r = cel_substitute(c, cel_freshen(c, &fresh, o->result), false);
		if (result == NULL)
			result = r;
		else if (!cel_type_is_dyn(result) && !same_type(r, result))
			result = &sp_cel_dyn;
	}
	e->overloads = found;
	if (result == NULL)
		no_match(c, e, types, n);
	else
		e->type = result;
}

/* a.?b: parsed as a call of the operand and the field's name. */
static void check_optional_select(cel_compiler *c, cel_node *e)
{
	cel_check_select_of(c, e, e->args[0], sp_cel_str(e->args[1]->value), true);
	e->args[1]->type = &sp_cel_string;
}

void cel_check_call(cel_compiler *c, cel_node *e)
{
	if (sp_str_eq(e->name, SP_STR("_?._"))) {
		check_optional_select(c, e);
		return;
	}
	for (uint32_t i = 0; i < e->n; i++)
		cel_check_node(c, e->args[i]);
	sp_str name = undotted(e->name);
	if (e->target != NULL) {
		sp_str prefix = cel_qualified_name(c, e->target);
		sp_str full =
			prefix.len == 0 ? prefix : SP_CONCAT(c->arena, undotted(prefix), SP_STR("."), name);
		e->fn = full.len == 0 ? NULL : cel_env_function(c->env, full);
		if (e->fn != NULL) {
			e->target = NULL;
			e->name = name = full;
		} else {
			cel_check_node(c, e->target);
		}
	}
	if (e->fn == NULL)
		e->fn = cel_env_function(c->env, name);
	if (e->fn == NULL) {
		e->type = &cel_t_error;
		cel_issue(c, e->at, "undeclared reference to '" SP_FMT "' (in container '')",
			  SP_ARG(e->name));
		return;
	}
	if (sp_str_eq(name, SP_STR("_&&_")) || sp_str_eq(name, SP_STR("_||_")))
		check_logic(c, e);
	else
		resolve_overload(c, e);
}
