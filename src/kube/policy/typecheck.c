/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/policy/typecheck.h"

#include "kube/crd/crd.h"
#include "kube/policy/policy.h"
#include "kube/policy/typecheck_int.h"

void sp_policy_check_init(sp_policy_check *c, sp_arena *a, yyjson_val *spec)
{
	*c = (sp_policy_check){.arena = a, .spec = spec};
}

/* ---- the environment of one kind ---- */

/* Names of types end in a number, as upstream's do: the same kind as object and as params makes two types. */
static sp_code type_of(sp_arena *a, const sp_policy_kind *k, unsigned number, const sp_cel_type **ret)
{
	*ret = NULL;
	if (k == NULL)
		return SP_OK;
	sp_str name = sp_arena_printf(a, SP_FMT "%u", SP_ARG(k->kind), number);
	return name.ptr == NULL ? SP_ENOMEM : sp_cel_type_of_schema(a, k->schema, name, true, ret);
}

typedef struct context {
	const sp_policy_check *check;
	const sp_policy_kind *params; /* NULL: none, or none that is known */
	unsigned has;
	sp_arena arena; /* of one kind */
	sp_policy_env env;
} context;

/* Expressions see the variables that stand before them. */
static sp_code begin_kind(context *x, const sp_policy_kind *k)
{
	const sp_cel_type *object, *params;
	yyjson_val *variables = sp_json_last(x->check->spec, SP_STR("variables")), *v;
	size_t i, max;
	sp_arena_reset(&x->arena);
	SP_TRY(sp_policy_env_init(&x->env, &x->arena, yyjson_arr_size(variables)));
	SP_TRY(type_of(&x->arena, k, 0, &object));
	SP_TRY(type_of(&x->arena, x->params, 1, &params));
	x->env.object = object != NULL ? object : &sp_cel_dyn;
	x->env.params = params != NULL ? params : &sp_cel_dyn;
	x->env.checks_types = true;
	yyjson_arr_foreach(variables, i, max, v)
	{
		sp_policy_program p;
		SP_TRY(sp_policy_variable(&x->env, x->has, sp_json_str(sp_json_last(v, SP_STR("name"))),
					  sp_json_str(sp_json_last(v, SP_STR("expression"))), &p));
	}
	return SP_OK;
}

/* "apps/v1, Kind=Deployment: ERROR: …\n" after what others said. */
static sp_code complain(const context *x, const sp_policy_kind *k, sp_str fault, sp_str *text)
{
	sp_str all = sp_arena_printf(x->check->arena,
				     SP_FMT "%s" SP_FMT "/" SP_FMT ", Kind=" SP_FMT ": " SP_FMT "\n",
				     SP_ARG(*text), text->len == 0 ? "" : "\n", SP_ARG(k->group),
				     SP_ARG(k->version), SP_ARG(k->kind), SP_ARG(fault));
	if (all.ptr == NULL)
		return SP_ETOOLARGE;
	*text = all;
	return SP_OK;
}

static sp_code check_expression(context *x, const sp_policy_kind *k, yyjson_val *source, sp_policy_warning *w)
{
	static const sp_str prefix = SP_STR_INIT("compilation failed: ");
	sp_policy_program p;
	sp_str expression = sp_json_str(source), fault;
	if (expression.len == 0)
		return SP_OK;
	SP_TRY(sp_policy_compile(&x->env, x->has | SP_POLICY_HAS_VARIABLES, expression, SP_POLICY_ANY, &p));
	fault = p.fault;
	return sp_str_take(&fault, prefix) ? complain(x, k, fault, &w->text) : SP_OK;
}

/* ---- the expressions ---- */

static const char *const members[] = {"expression", "messageExpression"};

static sp_code check_kind(context *x, const sp_policy_kind *k, sp_policy_warning *slots)
{
	yyjson_val *v;
	size_t i, max;
	SP_TRY(begin_kind(x, k));
	yyjson_arr_foreach(sp_json_last(x->check->spec, SP_STR("validations")), i, max, v)
	{
		for (size_t m = 0; m < SP_LEN(members); m++)
			SP_TRY(check_expression(x, k, sp_json_last(v, sp_str_c(members[m])),
						&slots[i * SP_LEN(members) + m]));
	}
	return SP_OK;
}

static sp_code check_all(context *x, sp_policy_warning *slots)
{
	sp_policy_kinds kinds;
	SP_TRY(policy_kinds_of(x->check, &kinds));
	for (size_t i = 0; i < kinds.n; i++) {
		sp_code code = check_kind(x, &kinds.items[i], slots);
		if (code != SP_OK)
			return code;
	}
	return SP_OK;
}

sp_code sp_policy_check_run(const sp_policy_check *c, sp_policy_warning **ret, size_t *ret_n)
{
	sp_policy_kind params;
	size_t n = yyjson_arr_size(sp_json_last(c->spec, SP_STR("validations"))) * SP_LEN(members),
	       n_found = 0;
	context x = {.check = c, .has = SP_POLICY_HAS_AUTHORIZER};
	sp_policy_warning *slots = sp_try_new(c->arena, sp_policy_warning, n + 1);
	if (slots == NULL)
		return SP_ETOOLARGE;
	if (sp_json_last(c->spec, SP_STR("paramKind")) != NULL)
		x.has |= SP_POLICY_HAS_PARAMS;
	if (policy_kind_of_params(c, &params))
		x.params = &params;
	sp_arena_init(&x.arena, SP_POLICY_CHECK_BYTES);
	sp_code code = check_all(&x, slots);
	sp_arena_done(&x.arena);
	if (code != SP_OK)
		return code;
	for (size_t i = 0; i < n; i++) {
		if (slots[i].text.len == 0)
			continue;
		sp_str field = sp_arena_printf(c->arena, "spec.validations[%zu].%s", i / SP_LEN(members),
					       members[i % SP_LEN(members)]);
		if (field.ptr == NULL)
			return SP_ETOOLARGE;
		slots[n_found++] = (sp_policy_warning){field, slots[i].text};
	}
	*ret = slots;
	*ret_n = n_found;
	return SP_OK;
}
