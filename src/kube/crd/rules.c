/* SPDX-License-Identifier: Apache-2.0 */
/* x-kubernetes-validations: read, made into programs. */
#include "kube/crd/crd_int.h"

static bool keep(sp_arena *a, yyjson_mut_val *v, const char *name, sp_str *ret)
{
	sp_str s = sp_jmut_str(sp_jmut_get(v, sp_str_c(name)));
	*ret = sp_arena_try_dup(a, s);
	return s.len == 0 || ret->ptr != NULL;
}

static bool read_rule(sp_arena *a, yyjson_mut_val *openapi, yyjson_mut_val *v, sp_crd_rule *r)
{
	yyjson_mut_val *optional = sp_jmut_get(v, SP_STR("optionalOldSelf"));
	*r = (sp_crd_rule){.has_optional_old = yyjson_mut_is_bool(optional),
			   .optional_old = yyjson_mut_is_true(optional)};
	if (!keep(a, v, "rule", &r->rule) || !keep(a, v, "message", &r->message) ||
	    !keep(a, v, "messageExpression", &r->message_expression) || !keep(a, v, "reason", &r->reason) ||
	    !keep(a, v, "fieldPath", &r->field_path))
		return false;
	if (r->field_path.len > 0)
		(void)sp_crd_place(a, openapi, r->field_path, &r->place);
	return true;
}

sp_code sp_crd_rules_read(sp_arena *a, yyjson_mut_val *openapi, const sp_cel_rules **ret)
{
	yyjson_mut_val *list = sp_jmut_get(openapi, SP_STR("x-kubernetes-validations")), *v;
	size_t n = yyjson_mut_is_arr(list) ? yyjson_mut_arr_size(list) : 0, i, max;
	if (n == 0)
		return SP_OK;
	sp_cel_rules *rules = sp_try_new(a, sp_cel_rules, 1);
	sp_crd_rule *items = sp_try_new(a, sp_crd_rule, n);
	if (rules == NULL || items == NULL)
		return SP_ETOOLARGE;
	yyjson_mut_arr_foreach(list, i, max, v)
	{
		if (!read_rule(a, openapi, v, &items[i]))
			return SP_ETOOLARGE;
	}
	*rules = (sp_cel_rules){.rules = items, .n = n};
	*ret = rules;
	return SP_OK;
}

/* ---- programs ---- */

typedef struct maker {
	sp_arena *arena;
	const sp_cel_env *env;
} maker;

/* What a rule's two expressions have to be. */
typedef struct wanted {
	sp_cel_kind kind;
	const char *not_compiled, *not_made, *not_that;
} wanted;

static const wanted of_rule = {SP_CEL_BOOL, "compilation failed: ", "program instantiation failed: ",
			       "cel expression must evaluate to a bool"};
static const wanted of_message = {
	SP_CEL_STRING, "messageExpression compilation failed: ", "messageExpression instantiation failed: ",
	"messageExpression must evaluate to a string"};

/* The program, or why there is none; SP_OK also with a fault. */
static sp_code compile(maker *m, const sp_cel_var *vars, sp_str source, const wanted *w,
		       const sp_cel_program **ret, sp_str *ret_fault)
{
	sp_cel_issues issues;
	const sp_cel_program *p = NULL;
	sp_code code = sp_cel_compile(m->arena, m->env, vars, 2, source, &p, &issues, NULL);
	if (code == SP_EINVAL)
		*ret_fault = sp_arena_printf(m->arena, "%s" SP_FMT,
					     issues.instantiation ? w->not_made : w->not_compiled,
					     SP_ARG(issues.text));
	else if (code == SP_OK && sp_cel_result_type(p)->kind != w->kind)
		*ret_fault = sp_str_c(w->not_that);
	else if (code == SP_OK)
		*ret = p;
	else
		return code;
	return *ret != NULL || ret_fault->ptr != NULL ? SP_OK : SP_ETOOLARGE;
}

static sp_code make_rule(maker *m, sp_cel_rules *rules, sp_crd_rule *r)
{
	const sp_cel_var *vars = rules->vars[r->optional_old ? 1 : 0];
	if (sp_str_trim(r->rule).len == 0)
		return SP_OK;
	SP_TRY(compile(m, vars, r->rule, &of_rule, &r->program, &r->fault));
	if (r->program == NULL)
		return SP_OK;
	r->uses_old = sp_cel_uses(r->program, 1);
	if (r->message_expression.len == 0)
		return SP_OK;
	return compile(m, vars, r->message_expression, &of_message, &r->message_program, &r->message_fault);
}

static sp_code make_rules(maker *m, const sp_schema *s, bool root, sp_cel_rules *rules)
{
	const sp_cel_type *type = NULL, *optional;
	SP_TRY(sp_cel_type_of_schema(m->arena, s, SP_STR("selfType"), root, &type));
	rules->untyped = type == NULL;
	if (type == NULL)
		return SP_OK;
	optional = sp_cel_optional_of(m->arena, type);
	if (optional == NULL)
		return SP_ETOOLARGE;
	const sp_cel_var self = {SP_STR("self"), type, s};
	rules->vars[0][0] = rules->vars[1][0] = self;
	rules->vars[0][1] = (sp_cel_var){SP_STR("oldSelf"), type, s};
	rules->vars[1][1] = (sp_cel_var){SP_STR("oldSelf"), optional, s};
	for (size_t i = 0; i < rules->n; i++)
		SP_TRY(make_rule(m, rules, &rules->rules[i]));
	return SP_OK;
}

static sp_code make_all(maker *m, const sp_schema *s, bool root)
{
	if ((s->flags & SP_S_HAS_CEL) == 0)
		return SP_OK;
	root = root || (s->flags & SP_S_EMBEDDED_RESOURCE) != 0;
	/* The schema was just made and is not shared yet. */
	if (s->rules != NULL && s->rules->cel != NULL)
		SP_TRY(make_rules(m, s, root, (sp_cel_rules *)(uintptr_t)s->rules->cel));
	for (uint16_t i = 0; i < s->n_fields; i++)
		SP_TRY(make_all(m, s->fields[i].schema, false));
	return s->items == NULL ? SP_OK : make_all(m, s->items, false);
}

sp_code sp_crd_rules_compile(sp_arena *a, const sp_schema *schema)
{
	maker m = {.arena = a};
	if ((schema->flags & SP_S_HAS_CEL) == 0)
		return SP_OK;
	SP_TRY(sp_cel_env_new(a, SP_CEL_KUBERNETES, SP_CEL_KUBERNETES_RULES, &m.env));
	return make_all(&m, schema, true);
}
