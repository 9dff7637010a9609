/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/match_conditions.h"

bool api_conditions_read(sp_arena *a, yyjson_val *list, sp_policy_env *env, unsigned has,
			 api_match_conditions *ret)
{
	size_t i, max, n = yyjson_arr_size(list);
	yyjson_val *v;
	*ret = (api_match_conditions){.n = 0};
	if (n == 0)
		return true;
	if (env == NULL) {
		env = sp_try_new(a, sp_policy_env, 1);
		has = SP_POLICY_HAS_AUTHORIZER;
		if (env == NULL || sp_policy_env_init(env, a, 0) != SP_OK)
			return false;
	}
	sp_policy_program *items = sp_try_new(a, sp_policy_program, n);
	if (items == NULL)
		return false;
	yyjson_arr_foreach(list, i, max, v)
	{
		sp_str text = sp_json_str(yyjson_obj_get(v, "expression"));
		if (sp_policy_compile(env, has, text, SP_POLICY_BOOL, &items[i]) != SP_OK)
			return false;
	}
	*ret = (api_match_conditions){items, n};
	return true;
}

/* Go's text of several errors: one alone, else [a, b] without repetitions. */
static sp_str joined(sp_arena *a, const sp_str *errors, size_t n)
{
	SP_AUTO_BUF out;
	size_t shown = 0;
	sp_buf_init(&out, a->limit_bytes);
	for (size_t i = 0; i < n; i++) {
		size_t k = 0;
		while (k < i && !sp_str_eq(errors[k], errors[i]))
			k++;
		if (k < i)
			continue;
		(void)sp_buf_str(&out, shown++ > 0 ? SP_STR(", ") : SP_STR(""));
		(void)sp_buf_str(&out, errors[i]);
	}
	return shown == 1 ? errors[0] : sp_arena_printf(a, "[" SP_FMT "]", SP_ARG(sp_buf_view(&out)));
}

api_condition_verdict api_conditions_match(api_eval *x, const api_match_conditions *c,
					   const api_eval_variables *vars, bool ignores_failure,
					   sp_str *ret_why)
{
	api_condition_verdict verdict = API_CONDITIONS_HOLD;
	sp_str *errors = sp_try_new(x->arena, sp_str, c->n + 1);
	size_t n = 0;
	if (c->n == 0)
		return API_CONDITIONS_HOLD;
	api_eval_begin(x, vars, SP_CEL_MATCH_CONDITIONS_BUDGET);
	/* What the namespace is like is no part of conditions. */
	sp_cel_binding ns = x->all[SP_POLICY_NAMESPACE];
	x->all[SP_POLICY_NAMESPACE] = (sp_cel_binding){.value = sp_cel_of_null()};
	for (size_t i = 0; i < c->n && errors != NULL && verdict == API_CONDITIONS_HOLD; i++) {
		sp_cel_val val;
		api_eval_code code = api_eval_run(x, &c->items[i], &val, &errors[n]);
		n += code == API_EVAL_OK ? 0 : 1;
		if (code == API_EVAL_STOP)
			verdict = API_CONDITIONS_FAIL; /* only this error counts */
		else if (code == API_EVAL_OK && !sp_cel_is_true(val))
			verdict = API_CONDITIONS_SKIP;
	}
	x->all[SP_POLICY_NAMESPACE] = ns;
	api_eval_end(x);
	if (verdict == API_CONDITIONS_FAIL)
		*ret_why = errors[n - 1];
	else if (verdict == API_CONDITIONS_HOLD && n > 0) {
		verdict = API_CONDITIONS_FAIL;
		*ret_why = joined(x->arena, errors, n);
	}
	if (errors == NULL) {
		verdict = API_CONDITIONS_FAIL;
		*ret_why = SP_STR("no room for match conditions");
	}
	return verdict == API_CONDITIONS_FAIL && ignores_failure ? API_CONDITIONS_SKIP : verdict;
}
