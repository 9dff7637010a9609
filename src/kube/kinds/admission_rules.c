/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/admission_rules.h"

#include "kube/formats.h"
#include "kube/meta.h"

#define CONDITIONS_MAX 64

const char *const sp_failure_policies[] = {"Fail", "Ignore"};
const char *const sp_match_policies[] = {"Equivalent", "Exact"};
const char *const sp_reinvocations[] = {"IfNeeded", "Never"};

void sp_admission_choice(sp_violations *v, yyjson_mut_val *object, const char *name, const sp_path *path,
			 const char *const *texts, size_t n)
{
	sp_str s = sp_kv_str(object, name);
	if (sp_kv_has(object, name) && !sp_str_in(s, texts, n))
		sp_v_not_supported(v, SP_AT_STR(path, sp_str_c(name)), sp_bad_named(s), texts, n);
}

static bool has_star(yyjson_mut_val *list)
{
	SP_KV_EACH (item, i, list) {
		if (sp_str_eq(sp_jmut_str(item), SP_STR("*")))
			return true;
	}
	return false;
}

static void star_or_items(sp_violations *v, yyjson_mut_val *list, const sp_path *path, const char *others)
{
	if (list == NULL)
		sp_v_required(v, path, "%s", "");
	if (sp_kv_len(list) > 1 && has_star(list))
		sp_v_invalid(v, path, list, "if '*' is present, must not specify other %s", others);
}

static void resources_validate(sp_violations *v, yyjson_mut_val *list, const sp_path *path)
{
	SP_AUTO_STRSET whole = {0}, subs = {0}; /* of "name/ *" and "* /name" */
	bool all = false, star = false, plain = false;
	if (list == NULL)
		sp_v_required(v, path, "%s", "");
	SP_KV_EACH (item, i, list) {
		sp_str text = sp_jmut_str(item), sub = text, res;
		if (text.len == 0) {
			sp_v_required(v, SP_AT_I(path, i), "%s", "");
			continue;
		}
		all = all || sp_str_eq(text, SP_STR("*/*"));
		star = star || sp_str_eq(text, SP_STR("*"));
		if (!sp_str_cut(&sub, '/', &res)) {
			plain = !sp_str_eq(text, SP_STR("*")); /* the last one counts, as upstream */
			continue;
		}
		if (sp_strset_has(&whole, res))
			sp_v_invalid(v, SP_AT_I(path, i), text,
				     "if '" SP_FMT "/*' is present, must not specify " SP_FMT, SP_ARG(res),
				     SP_ARG(text));
		if (sp_strset_has(&subs, sub))
			sp_v_invalid(v, SP_AT_I(path, i), text,
				     "if '*/" SP_FMT "' is present, must not specify " SP_FMT, SP_ARG(sub),
				     SP_ARG(text));
		if (sp_str_eq(sub, SP_STR("*")))
			(void)sp_strset_add(&whole, res, v);
		if (sp_str_eq(res, SP_STR("*")))
			(void)sp_strset_add(&subs, sub, v);
	}
	if (sp_kv_len(list) > 1 && all)
		sp_v_invalid(v, path, list, "if '*/*' is present, must not specify other resources");
	if (star && plain)
		sp_v_invalid(v, path, list,
			     "if '*' is present, must not specify other resources without subresources");
}

void sp_admission_rule_validate(sp_violations *v, yyjson_mut_val *rule, const sp_path *path)
{
	static const char *const operations[] = {"*", "CONNECT", "CREATE", "DELETE", "UPDATE"};
	static const char *const scopes[] = {"*", "Cluster", "Namespaced"};
	const sp_path *at = SP_AT(path, "operations");
	star_or_items(v, sp_kv_list(rule, "operations"), at, "operations");
	SP_KV_EACH (operation, i, sp_kv_list(rule, "operations")) {
		sp_str s = sp_jmut_str(operation);
		if (!SP_STR_IN(s, operations))
			sp_v_not_supported(v, SP_AT_I(at, i), sp_bad_named(s), operations,
					   SP_LEN(operations));
	}
	star_or_items(v, sp_kv_list(rule, "apiGroups"), SP_AT(path, "apiGroups"), "API groups");
	star_or_items(v, sp_kv_list(rule, "apiVersions"), SP_AT(path, "apiVersions"), "API versions");
	SP_KV_EACH (version, i, sp_kv_list(rule, "apiVersions")) {
		if (sp_jmut_str(version).len == 0)
			sp_v_required(v, SP_AT_I(SP_AT(path, "apiVersions"), i), "%s", "");
	}
	resources_validate(v, sp_kv_list(rule, "resources"), SP_AT(path, "resources"));
	SP_ADMISSION_CHOICE(v, rule, "scope", path, scopes);
}

void sp_admission_fault(sp_violations *v, const sp_policy_program *p, sp_str shown, const sp_path *path)
{
	if (p->is_internal)
		sp_v_internal(v, path, SP_FMT, SP_ARG(p->fault));
	else
		sp_v_invalid(v, path, shown, SP_FMT, SP_ARG(p->fault));
}

void sp_admission_expression_validate(sp_violations *v, sp_policy_env *env, unsigned has, sp_str expression,
				      sp_policy_result want, sp_str shown, const sp_path *path)
{
	sp_policy_program p;
	sp_code code = sp_policy_compile(env, has, expression, want, &p);
	if (code != SP_OK && v->code == SP_OK)
		v->code = code;
	else if (code == SP_OK && p.program == NULL)
		sp_admission_fault(v, &p, shown, path);
}

/* Conditions see no variables. */
static void conditions_compile(sp_violations *v, yyjson_mut_val *conditions, unsigned has,
			       const sp_path *path)
{
	sp_policy_env env;
	sp_code code = conditions == NULL ? SP_OK : sp_policy_env_init(&env, v->arena, 0);
	if (code != SP_OK && v->code == SP_OK)
		v->code = code;
	SP_KV_EACH (cond, i, conditions) {
		sp_str text = sp_str_trim(sp_kv_str(cond, "expression"));
		if (text.len > 0 && v->code == SP_OK)
			sp_admission_expression_validate(v, &env, has | SP_POLICY_HAS_AUTHORIZER, text,
							 SP_POLICY_BOOL, text,
							 SP_AT(SP_AT_I(path, i), "expression"));
	}
}

void sp_admission_conditions_validate(sp_violations *v, yyjson_mut_val *conditions, unsigned has,
				      const sp_path *path)
{
	SP_AUTO_STRSET names = {0};
	conditions_compile(v, conditions, has, path);
	if (sp_kv_len(conditions) > CONDITIONS_MAX)
		sp_v_too_many(v, path, (int64_t)sp_kv_len(conditions), CONDITIONS_MAX);
	SP_KV_EACH (cond, i, conditions) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str name = sp_kv_str(cond, "name");
		if (sp_str_trim(sp_kv_str(cond, "expression")).len == 0)
			sp_v_required(v, SP_AT(at, "expression"), "%s", "");
		if (name.len == 0) {
			sp_v_required(v, SP_AT(at, "name"), "%s", "");
			continue;
		}
		sp_v_qualified_name(v, SP_AT(at, "name"), name);
		if (!sp_strset_add(&names, name, v))
			sp_v_duplicate(v, SP_AT(at, "name"), name);
	}
}

static void named_rule(sp_violations *v, yyjson_mut_val *rule, const sp_path *path)
{
	SP_AUTO_STRSET names = {0};
	SP_KV_EACH (item, i, sp_kv_list(rule, "resourceNames")) {
		const sp_path *at = SP_AT_I(SP_AT(path, "resourceNames"), i);
		sp_str name = sp_jmut_str(item);
		sp_v_faults(v, at, name, sp_name_path_segment(name));
		if (!sp_strset_add(&names, name, v))
			sp_v_duplicate(v, at, name);
	}
	sp_admission_rule_validate(v, rule, path);
}

void sp_admission_match_validate(sp_violations *v, yyjson_mut_val *match, const sp_path *path)
{
	static const char *const selectors[] = {"namespaceSelector", "objectSelector"};
	static const char *const rules[] = {"resourceRules", "excludeResourceRules"};
	if (match == NULL)
		return;
	if (!sp_kv_has(match, "matchPolicy"))
		sp_v_required(v, SP_AT(path, "matchPolicy"), "%s", "");
	SP_ADMISSION_CHOICE(v, match, "matchPolicy", path, sp_match_policies);
	for (size_t i = 0; i < SP_LEN(selectors); i++) {
		const sp_path *at = SP_AT_STR(path, sp_str_c(selectors[i]));
		if (!sp_kv_has(match, selectors[i]))
			sp_v_required(v, at, "%s", "");
		sp_label_selector_validate(v, at, sp_kv_get(match, selectors[i]), 0);
	}
	for (size_t k = 0; k < SP_LEN(rules); k++) {
		SP_KV_EACH (rule, i, sp_kv_list(match, rules[k])) {
			named_rule(v, rule, SP_AT_I(SP_AT_STR(path, sp_str_c(rules[k])), i));
		}
	}
}
