/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/policy/policy.h"

#include "kube/policy/types.h"

sp_code sp_policy_env_init(sp_policy_env *e, sp_arena *a, size_t n_variables)
{
	*e = (sp_policy_env){.arena = a, .cap = n_variables};
	e->fields = sp_try_new(a, sp_cel_field, n_variables + 1);
	e->request = sp_policy_request_type(a);
	e->ns = sp_policy_namespace_type(a);
	e->object = e->params = &sp_cel_dyn;
	e->variables = (sp_cel_type){
		.kind = SP_CEL_STRUCT, .name = SP_STR("kubernetes.variables"), .fields = e->fields};
	return e->fields == NULL || e->request == NULL || e->ns == NULL ? SP_ENOMEM : SP_OK;
}

static void add(sp_policy_vars *v, sp_policy_var id, const char *name, const sp_cel_type *type)
{
	v->vars[v->n] = (sp_cel_var){.name = sp_str_c(name), .type = type};
	v->ids[v->n++] = (uint8_t)id;
}

/* Variables are named by the programs that use them, so each set is made once. NULL: no room. */
static const sp_policy_vars *vars_of(sp_policy_env *e, unsigned has)
{
	if (e->sets[has] != NULL)
		return e->sets[has];
	sp_policy_vars *v = sp_try_new(e->arena, sp_policy_vars, 1);
	if (v == NULL)
		return NULL;
	*v = (sp_policy_vars){.n = 0};
	add(v, SP_POLICY_OBJECT, "object", e->object);
	add(v, SP_POLICY_OLD_OBJECT, "oldObject", e->object);
	add(v, SP_POLICY_NAMESPACE, "namespaceObject", e->ns);
	add(v, SP_POLICY_REQUEST, "request", e->request);
	if ((has & SP_POLICY_HAS_PARAMS) != 0)
		add(v, SP_POLICY_PARAMS, "params", e->params);
	if ((has & SP_POLICY_HAS_AUTHORIZER) != 0) {
		add(v, SP_POLICY_AUTHORIZER, "authorizer", &sp_cel_authorizer_type);
		if (!e->checks_types)
			add(v, SP_POLICY_REQUEST_RESOURCE, "authorizer.requestResource",
			    &sp_cel_resource_check_type);
	}
	if ((has & SP_POLICY_HAS_VARIABLES) != 0)
		add(v, SP_POLICY_VARIABLES, "variables", &e->variables);
	e->sets[has] = v;
	return v;
}

static sp_code env_of(sp_policy_env *e, unsigned has, const sp_cel_env **ret)
{
	bool patches = (has & SP_POLICY_HAS_PATCHES) != 0;
	const sp_cel_env **slot = patches ? &e->patch_env : &e->env;
	if (*slot == NULL)
		SP_TRY(sp_cel_env_new(e->arena, patches ? SP_CEL_KUBERNETES_MUTATION : SP_CEL_KUBERNETES,
				      SP_CEL_KUBERNETES_RULES, slot));
	*ret = *slot;
	return SP_OK;
}

/* What upstream's types are called; NULL: anything will do. */
static const char *const wanted[SP_POLICY_RESULT_COUNT_][2] = {
	[SP_POLICY_BOOL] = {"bool", NULL},
	[SP_POLICY_STRING] = {"string", NULL},
	[SP_POLICY_STRING_OR_NULL] = {"string", "null_type"},
	[SP_POLICY_ANY] = {NULL, NULL},
	[SP_POLICY_OBJECT_PATCH] = {"Object", NULL},
	[SP_POLICY_JSON_PATCH] = {"list(JSONPatch)", NULL}};

static sp_code check_result(sp_policy_env *e, const sp_cel_program *p, sp_policy_result want,
			    sp_policy_program *ret)
{
	const char *const *names = wanted[want];
	sp_str got = sp_cel_type_text(e->arena, sp_cel_result_type(p));
	if (got.ptr == NULL)
		return SP_ETOOLARGE;
	if (names[0] == NULL || sp_str_eq(got, sp_str_c(names[0])) ||
	    (names[1] != NULL && sp_str_eq(got, sp_str_c(names[1])))) {
		ret->program = p;
		return SP_OK;
	}
	if (names[1] == NULL)
		ret->fault = sp_arena_printf(e->arena, "must evaluate to %s but got " SP_FMT, names[0],
					     SP_ARG(got));
	else
		ret->fault = sp_arena_printf(e->arena, "must evaluate to one of [%s %s] but got " SP_FMT,
					     names[0], names[1], SP_ARG(got));
	return ret->fault.ptr == NULL ? SP_ETOOLARGE : SP_OK;
}

sp_code sp_policy_compile(sp_policy_env *e, unsigned has, sp_str expression, sp_policy_result want,
			  sp_policy_program *ret)
{
	const sp_cel_env *env = NULL;
	const sp_cel_program *p = NULL;
	sp_cel_issues issues;
	*ret = (sp_policy_program){.source = sp_arena_try_dup(e->arena, expression), .vars = vars_of(e, has)};
	SP_TRY(env_of(e, has, &env));
	if (ret->vars == NULL || (expression.len > 0 && ret->source.ptr == NULL))
		return SP_ETOOLARGE;
	sp_code code =
		sp_cel_compile(e->arena, env, ret->vars->vars, ret->vars->n, expression, &p, &issues, NULL);
	if (code == SP_OK)
		return check_result(e, p, want, ret);
	if (code != SP_EINVAL)
		return code;
	ret->is_internal = issues.instantiation;
	ret->fault = sp_arena_printf(e->arena, "%s" SP_FMT,
				     issues.instantiation ? "program instantiation failed: "
							  : "compilation failed: ",
				     SP_ARG(issues.text));
	return ret->fault.ptr == NULL ? SP_ETOOLARGE : SP_OK;
}

/* The type by which a variable is seen: scalars, lists and maps keep theirs. NULL: no room.
 * U: composition.go convertCelTypeToDeclType. */
static const sp_cel_type *shown_type(sp_arena *a, const sp_cel_type *t)
{
	const sp_cel_type *first, *second;
	switch (t->kind) {
	case SP_CEL_NULL:
	case SP_CEL_BOOL:
	case SP_CEL_INT:
	case SP_CEL_UINT:
	case SP_CEL_DOUBLE:
	case SP_CEL_STRING:
	case SP_CEL_BYTES:
	case SP_CEL_TIMESTAMP:
	case SP_CEL_DURATION:
		return (t->flags & SP_CEL_T_NULLABLE) != 0 ? &sp_cel_dyn : t;
	case SP_CEL_LIST:
		first = shown_type(a, t->params[0]);
		return first == NULL ? NULL : sp_cel_list_of(a, first);
	case SP_CEL_MAP:
		first = shown_type(a, t->params[0]);
		second = shown_type(a, t->params[1]);
		return first == NULL || second == NULL ? NULL : sp_cel_map_of(a, first, second);
	default:
		return &sp_cel_dyn;
	}
}

sp_code sp_policy_variable(sp_policy_env *e, unsigned has, sp_str name, sp_str expression,
			   sp_policy_program *ret)
{
	SP_ASSERT(e->variables.n_fields < e->cap);
	SP_TRY(sp_policy_compile(e, has | SP_POLICY_HAS_VARIABLES, expression, SP_POLICY_ANY, ret));
	sp_cel_field *f = &e->fields[e->variables.n_fields];
	f->name = sp_arena_try_dup(e->arena, name);
	f->type = ret->program == NULL ? &sp_cel_dyn : shown_type(e->arena, sp_cel_result_type(ret->program));
	if (f->name.ptr == NULL || f->type == NULL)
		return SP_ETOOLARGE;
	e->variables.n_fields++;
	return SP_OK;
}

void sp_policy_bind(const sp_policy_program *p, const sp_cel_binding all[SP_POLICY_VAR_COUNT_],
		    sp_cel_binding ret[SP_POLICY_VAR_COUNT_])
{
	for (size_t i = 0; i < p->vars->n; i++)
		ret[i] = all[p->vars->ids[i]];
}
