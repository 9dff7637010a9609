/* SPDX-License-Identifier: Apache-2.0 */
/* ValidatingAdmissionPolicy, MutatingAdmissionPolicy and their bindings. */
#include "kube/formats.h"
#include "kube/kinds/admission_rules.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

#define ANNOTATIONS_MAX 20
#define VALUE_EXPRESSION_BYTES_MAX 5120

static bool blank(sp_str s)
{
	return sp_str_trim(s).len == 0;
}

/* All faults of a name as one text, after a prefix. */
static void joined(sp_violations *v, const sp_path *path, sp_str value, const char *prefix, sp_name_faults f)
{
	SP_AUTO_BUF text = {.len = 0};
	if (f.n == 0)
		return;
	sp_buf_init(&text, 4096);
	for (size_t i = 0; i < f.n; i++) {
		(void)sp_buf_str(&text, i > 0 ? SP_STR(",") : SP_STR(""));
		(void)sp_buf_str(&text, f.items[i].prefix);
		(void)sp_buf_str(&text, f.items[i].text);
	}
	sp_str all = sp_buf_view(&text);
	sp_v_invalid(v, path, value, "%s" SP_FMT, prefix, SP_ARG(all));
}

static void param_version(sp_violations *v, sp_str text, const sp_path *path)
{
	sp_str version = text, group = {NULL, 0};
	if (text.len == 0) {
		sp_v_required(v, path, "%s", "");
		return;
	}
	if (!sp_str_cut(&version, '/', &group))
		group = (sp_str){NULL, 0};
	if (sp_str_index(version, '/') >= 0) {
		sp_v_invalid(v, path, text, "unexpected GroupVersion string: " SP_FMT, SP_ARG(text));
		return;
	}
	if (group.len > 0)
		joined(v, path, group, "", sp_name_dns1123_subdomain(group));
	if (version.len == 0)
		sp_v_invalid(v, path, text, "version must be specified");
	else
		joined(v, path, version, "", sp_name_dns1035_label(version));
}

static void param_kind(sp_kind_ctx *c, yyjson_mut_val *kind, const sp_path *path)
{
	sp_str name = sp_kv_str(kind, "kind");
	if (kind == NULL)
		return;
	param_version(c->errors, sp_kv_str(kind, "apiVersion"), SP_AT(path, "apiVersion"));
	if (name.len == 0)
		sp_v_required(c->errors, SP_AT(path, "kind"), "%s", "");
	else
		joined(c->errors, SP_AT(path, "kind"), name,
		       "may have mixed case, but should otherwise match: ",
		       sp_name_dns1035_label(sp_cell_lower(c, name)));
}

static bool is_identifier(sp_str s)
{
	static const char *const reserved[] = {"true",   "false",    "null", "in",      "as",        "break",
					       "const",  "continue", "else", "for",     "function",  "if",
					       "import", "let",      "loop", "package", "namespace", "return",
					       "var",    "void",     "while"};
	for (size_t i = 0; i < s.len; i++) {
		char ch = s.ptr[i];
		bool letter = ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z') || ch == '_';
		if (!letter && (i == 0 || ch < '0' || ch > '9'))
			return false;
	}
	return s.len > 0 && !SP_STR_IN(s, reserved);
}

/* The expressions of one policy. */
typedef struct expressions {
	sp_policy_env env;
	unsigned has; /* what those see that see the authorizer */
} expressions;

static bool expressions_init(sp_kind_ctx *c, expressions *x, yyjson_mut_val *spec, bool always_variables)
{
	size_t n = sp_kv_len(sp_kv_list(spec, "variables"));
	x->has = SP_POLICY_HAS_AUTHORIZER | (sp_kv_has(spec, "paramKind") ? SP_POLICY_HAS_PARAMS : 0) |
		 (n > 0 || always_variables ? SP_POLICY_HAS_VARIABLES : 0);
	sp_code code = sp_policy_env_init(&x->env, c->arena, n);
	SP_KIND_NEED(c, code == SP_OK);
	return code == SP_OK;
}

static void variable_compile(sp_violations *v, expressions *x, yyjson_mut_val *variable, const sp_path *path)
{
	sp_policy_program p;
	sp_str text = sp_kv_str(variable, "expression");
	sp_code code = sp_policy_variable(&x->env, x->has, sp_kv_str(variable, "name"), text, &p);
	if (code != SP_OK && v->code == SP_OK)
		v->code = code;
	else if (code == SP_OK && p.program == NULL)
		sp_admission_fault(v, &p, text, SP_AT(path, "expression"));
}

static void variables(sp_violations *v, expressions *x, yyjson_mut_val *list, const sp_path *path)
{
	SP_KV_EACH (variable, i, list) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str name = sp_kv_str(variable, "name");
		if (blank(name))
			sp_v_required(v, SP_AT(at, "name"), "name is not specified");
		else if (!is_identifier(name))
			sp_v_invalid(v, SP_AT(at, "name"), name, "must be a valid CEL identifier");
		if (blank(sp_kv_str(variable, "expression")))
			sp_v_required(v, SP_AT(at, "expression"), "expression is not specified");
		else
			variable_compile(v, x, variable, at);
	}
}

static bool has_newline(sp_str s)
{
	return sp_str_index(s, '\n') >= 0 || sp_str_index(s, '\r') >= 0;
}

static void validations(sp_violations *v, expressions *x, yyjson_mut_val *list, const sp_path *path)
{
	static const char *const reasons[] = {"Forbidden", "Invalid", "RequestEntityTooLarge"};
	SP_KV_EACH (rule, i, list) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str message = sp_kv_str(rule, "message"), made = sp_kv_str(rule, "messageExpression");
		sp_str expression = sp_kv_str(rule, "expression");
		if (blank(expression))
			sp_v_required(v, SP_AT(at, "expression"), "expression is not specified");
		else
			sp_admission_expression_validate(v, &x->env, x->has, expression, SP_POLICY_BOOL,
							 expression, SP_AT(at, "expression"));
		if (made.len > 0 && blank(made))
			sp_v_invalid(v, SP_AT(at, "messageExpression"), made,
				     "must be non-empty if specified");
		else if (made.len > 0)
			sp_admission_expression_validate(
				v, &x->env, x->has & ~(unsigned)SP_POLICY_HAS_AUTHORIZER, made,
				SP_POLICY_STRING, made, SP_AT(at, "messageExpression"));
		if (message.len > 0 && blank(message))
			sp_v_invalid(v, SP_AT(at, "message"), message, "must be non-empty if specified");
		else if (has_newline(sp_str_trim(message)))
			sp_v_invalid(v, SP_AT(at, "message"), message, "must not contain line breaks");
		SP_ADMISSION_CHOICE(v, rule, "reason", at, reasons);
	}
}

static void audit_annotations(sp_kind_ctx *c, expressions *x, yyjson_mut_val *list, sp_str policy,
			      const sp_path *path)
{
	SP_AUTO_STRSET keys = {0};
	sp_violations *v = c->errors;
	if (sp_kv_len(list) > ANNOTATIONS_MAX)
		sp_v_invalid(v, path, list, "must not have more than %d auditAnnotations", ANNOTATIONS_MAX);
	SP_KV_EACH (annotation, i, list) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str key = sp_kv_str(annotation, "key");
		sp_str value = sp_str_trim(sp_kv_str(annotation, "valueExpression"));
		if (policy.len == 0)
			sp_v_invalid(v, SP_AT(at, "key"), key, "requires metadata.name be non-empty");
		else
			sp_v_qualified_name(
				v, SP_AT(at, "key"),
				sp_arena_printf(c->arena, SP_FMT "/" SP_FMT, SP_ARG(policy), SP_ARG(key)));
		if (value.len == 0)
			sp_v_required(v, SP_AT(at, "valueExpression"), "valueExpression is not specified");
		else if (value.len > VALUE_EXPRESSION_BYTES_MAX)
			sp_v_required(v, SP_AT(at, "valueExpression"), "must not exceed %d bytes in length",
				      VALUE_EXPRESSION_BYTES_MAX);
		else
			sp_admission_expression_validate(v, &x->env, x->has, value, SP_POLICY_STRING_OR_NULL,
							 sp_kv_str(annotation, "valueExpression"),
							 SP_AT(at, "valueExpression"));
		if (!sp_strset_add(&keys, key, v))
			sp_v_duplicate(v, SP_AT(at, "key"), key);
	}
}

/* What both sorts of policies have. */
static void policy_spec(sp_kind_ctx *c, expressions *x, yyjson_mut_val *spec, yyjson_mut_val *old,
			const sp_path *path)
{
	sp_violations *v = c->errors;
	yyjson_mut_val *match = sp_kv_get(spec, "matchConstraints");
	if (!sp_kv_has(spec, "failurePolicy"))
		sp_v_required(v, SP_AT(path, "failurePolicy"), "%s", "");
	SP_ADMISSION_CHOICE(v, spec, "failurePolicy", path, sp_failure_policies);
	param_kind(c, sp_kv_get(spec, "paramKind"), SP_AT(path, "paramKind"));
	if (match == NULL)
		sp_v_required(v, SP_AT(path, "matchConstraints"), "%s", "");
	sp_admission_match_validate(v, match, SP_AT(path, "matchConstraints"));
	if (match != NULL && sp_kv_list(match, "resourceRules") == NULL)
		sp_v_required(v, SP_AT(path, "matchConstraints.resourceRules"), "%s", "");
	if (old == NULL || !sp_kv_equal(sp_kv_get(spec, "paramKind"), sp_kv_get(old, "paramKind")) ||
	    !sp_kv_equal(sp_kv_get(spec, "matchConditions"), sp_kv_get(old, "matchConditions")))
		sp_admission_conditions_validate(v, sp_kv_list(spec, "matchConditions"),
						 x->has & SP_POLICY_HAS_PARAMS,
						 SP_AT(path, "matchConditions"));
	variables(v, x, sp_kv_list(spec, "variables"), SP_AT(path, "variables"));
}

/* -- ValidatingAdmissionPolicy -------------------------------------------------------------------------- */

static void validating(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char something[] = "validations or auditAnnotations must contain at least one item";
	sp_violations *v = c->errors;
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	yyjson_mut_val *checks = sp_kv_list(spec, "validations"),
		       *notes = sp_kv_list(spec, "auditAnnotations");
	const sp_path *path = SP_PATH("spec");
	expressions x;
	sp_meta_validate(c, obj);
	if (!expressions_init(c, &x, spec, false))
		return;
	policy_spec(c, &x, spec, sp_kv_get(old, "spec"), path);
	if (checks == NULL && notes == NULL) {
		sp_v_required(v, SP_AT(path, "validations"), "%s", something);
		sp_v_required(v, SP_AT(path, "auditAnnotations"), "%s", something);
		return;
	}
	validations(v, &x, checks, SP_AT(path, "validations"));
	audit_annotations(c, &x, notes, sp_meta_name(obj), SP_AT(path, "auditAnnotations"));
}

static void validating_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	validating(c, obj, NULL);
}

static void validating_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *status = sp_kv_get(obj, "status");
	const sp_path *path = SP_PATH("status.typeChecking.expressionWarnings");
	(void)old;
	SP_KV_EACH (warning, i, sp_kv_list(sp_kv_get(status, "typeChecking"), "expressionWarnings")) {
		const sp_path *at = SP_AT_I(path, i);
		if (sp_kv_str(warning, "warning").len == 0)
			sp_v_required(c->errors, SP_AT(at, "warning"), "%s", "");
		if (blank(sp_kv_str(warning, "fieldRef")))
			sp_v_required(c->errors, SP_AT(at, "fieldRef"), "%s", "");
	}
	sp_conditions_validate(c->errors, SP_PATH("status.conditions"), sp_kv_list(status, "conditions"));
}

static yyjson_mut_val *param_kind_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *kind = sp_kv_path(obj, "spec", "paramKind", NULL);
	sp_str version = sp_kv_str(kind, "apiVersion"), name = sp_kv_str(kind, "kind");
	if (kind == NULL)
		return sp_cell_str(c, SP_STR("<unset>"));
	return sp_cell_printf(c, SP_FMT "/" SP_FMT, SP_ARG(version), SP_ARG(name));
}

static yyjson_mut_val *validations_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_len(c, sp_kv_path(obj, "spec", "validations", NULL));
}

static const char *const metadata_and_spec[] = {"metadata", "spec", NULL};
static const sp_sub_hooks validating_subs[] = {{.name = SP_STR_INIT("status"),
						.validate_update = validating_status,
						.reset_fields = metadata_and_spec}};
static const sp_cell validating_cells[] = {{SP_STR_INIT("Validations"), validations_cell},
					   {SP_STR_INIT("ParamKind"), param_kind_cell}};

const sp_kind_hooks sp_hooks_validating_policy = {
	.flags = SP_KIND_GENERATION | SP_KIND_HAS_STATUS | SP_KIND_STATUS_ONLY_STATUS,
	.validate = validating_create,
	.validate_update = validating,
	.reset_fields = sp_reset_status,
	.subs = validating_subs,
	.n_subs = SP_LEN(validating_subs),
	.cells = validating_cells,
	.n_cells = SP_LEN(validating_cells),
};

/* -- MutatingAdmissionPolicy ---------------------------------------------------------------------------- */

static void mutation(sp_violations *v, expressions *x, yyjson_mut_val *m, const sp_path *path)
{
	static const char *const types[] = {"ApplyConfiguration", "JSONPatch"};
	static const struct {
		const char *type, *own, *other;
		sp_policy_result result;
	} shapes[] = {{"JSONPatch", "jsonPatch", "applyConfiguration", SP_POLICY_JSON_PATCH},
		      {"ApplyConfiguration", "applyConfiguration", "jsonPatch", SP_POLICY_OBJECT_PATCH}};
	sp_str type = sp_kv_str(m, "patchType");
	if (type.len == 0)
		sp_v_required(v, SP_AT(path, "patchType"), "%s", "");
	else if (!SP_STR_IN(type, types))
		sp_v_not_supported(v, SP_AT(path, "patchType"), sp_bad_named(type), types, SP_LEN(types));
	for (size_t i = 0; i < SP_LEN(shapes); i++) {
		const sp_path *at = SP_AT_STR(path, sp_str_c(shapes[i].own));
		yyjson_mut_val *own = sp_kv_get(m, shapes[i].own);
		sp_str expression = sp_str_trim(sp_kv_str(own, "expression"));
		if (!sp_str_eq(type, sp_str_c(shapes[i].type)))
			continue;
		if (own == NULL)
			sp_v_required(v, at, "must be specified when patchType is %s", shapes[i].type);
		else if (expression.len == 0)
			sp_v_required(v, SP_AT(at, "expression"), "%s", "");
		else
			sp_admission_expression_validate(v, &x->env, x->has | SP_POLICY_HAS_PATCHES,
							 expression, shapes[i].result, expression,
							 SP_AT(at, "expression"));
		if (sp_kv_has(m, shapes[i].other))
			sp_v_invalid(v, SP_AT_STR(path, sp_str_c(shapes[i].other)),
				     sp_arena_printf(v->arena, "{%s}", shapes[i].other),
				     "must not be specified when patchType is %s", shapes[i].type);
	}
}

static void mutating(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const operations[] = {"*", "CONNECT", "CREATE", "UPDATE"};
	sp_violations *v = c->errors;
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	const sp_path *path = SP_PATH("spec");
	expressions x;
	sp_meta_validate(c, obj);
	if (!expressions_init(c, &x, spec, true))
		return;
	policy_spec(c, &x, spec, sp_kv_get(old, "spec"), path);
	SP_KV_EACH (rule, i, sp_kv_list(sp_kv_get(spec, "matchConstraints"), "resourceRules")) {
		SP_KV_EACH (operation, k, sp_kv_list(rule, "operations")) {
			if (!SP_STR_IN(sp_jmut_str(operation), operations))
				sp_v_not_supported(
					v, SP_AT(path, "matchConstraints.resourceRules.operations"),
					sp_bad_named(sp_jmut_str(operation)), operations, SP_LEN(operations));
		}
	}
	if (sp_kv_list(spec, "mutations") == NULL)
		sp_v_required(v, SP_AT(path, "mutations"), "mutations must contain at least one item");
	SP_KV_EACH (m, i, sp_kv_list(spec, "mutations")) {
		mutation(v, &x, m, SP_AT_I(SP_AT(path, "mutations"), i));
	}
	if (sp_kv_str(spec, "reinvocationPolicy").len == 0)
		sp_v_required(v, SP_AT(path, "reinvocationPolicy"), "%s", "");
	else
		SP_ADMISSION_CHOICE(v, spec, "reinvocationPolicy", path, sp_reinvocations);
}

static void mutating_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	mutating(c, obj, NULL);
}

static yyjson_mut_val *mutations_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_len(c, sp_kv_path(obj, "spec", "mutations", NULL));
}

static const sp_cell mutating_cells[] = {{SP_STR_INIT("Mutations"), mutations_cell},
					 {SP_STR_INIT("ParamKind"), param_kind_cell}};

const sp_kind_hooks sp_hooks_mutating_policy = {
	.flags = SP_KIND_GENERATION,
	.validate = mutating_create,
	.validate_update = mutating,
	.cells = mutating_cells,
	.n_cells = SP_LEN(mutating_cells),
};

/* -- bindings ------------------------------------------------------------------------------------------- */

static void param_ref(sp_violations *v, yyjson_mut_val *ref, const sp_path *path)
{
	static const char *const actions[] = {"Deny", "Allow"};
	static const char both[] = "name and selector are mutually exclusive";
	sp_str name = sp_kv_str(ref, "name"), action = sp_kv_str(ref, "parameterNotFoundAction");
	bool selects = sp_kv_has(ref, "selector");
	if (ref == NULL)
		return;
	if (name.len > 0)
		sp_v_faults(v, SP_AT(path, "name"), name, sp_name_path_segment(name));
	if (name.len > 0 && selects)
		sp_v_forbidden(v, SP_AT(path, "name"), "%s", both);
	sp_label_selector_validate(v, SP_AT(path, "selector"), sp_kv_get(ref, "selector"), 0);
	if (name.len > 0 && selects)
		sp_v_forbidden(v, SP_AT(path, "selector"), "%s", both);
	if (name.len == 0 && !selects)
		sp_v_required(v, path, "one of name or selector must be specified");
	if (action.len == 0)
		sp_v_required(v, SP_AT(path, "parameterNotFoundAction"), "%s", "");
	else
		SP_ADMISSION_CHOICE(v, ref, "parameterNotFoundAction", path, actions);
}

static void actions_validate(sp_violations *v, yyjson_mut_val *list, const sp_path *path)
{
	static const char *const actions[] = {"Audit", "Deny", "Warn"};
	SP_AUTO_STRSET seen = {0};
	SP_KV_EACH (item, i, list) {
		sp_str action = sp_jmut_str(item);
		if (!SP_STR_IN(action, actions))
			sp_v_not_supported(v, SP_AT_I(path, i), sp_bad_named(action), actions,
					   SP_LEN(actions));
		if (!sp_strset_add(&seen, action, v))
			sp_v_duplicate(v, SP_AT_I(path, i), sp_bad_named(action));
	}
	if (sp_strset_has(&seen, SP_STR("Deny")) && sp_strset_has(&seen, SP_STR("Warn")))
		sp_v_invalid(v, path, list,
			     "must not contain both Deny and Warn (repeating the same validation failure "
			     "information in the API response and headers serves no purpose)");
	if (list == NULL)
		sp_v_required(v, path, "at least one validation action is required");
}

static void binding(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_violations *v = c->errors;
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	const sp_path *path = SP_PATH("spec");
	sp_str policy = sp_kv_str(spec, "policyName");
	sp_meta_validate(c, obj);
	if (policy.len == 0)
		sp_v_required(v, SP_AT(path, "policyName"), "%s", "");
	else
		sp_v_dns1123_subdomain(v, SP_AT(path, "policyName"), policy);
	param_ref(v, sp_kv_get(spec, "paramRef"), SP_AT(path, "paramRef"));
	sp_admission_match_validate(v, sp_kv_get(spec, "matchResources"), SP_AT(path, "matchResources"));
}

static void validating_binding(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	binding(c, obj);
	actions_validate(c->errors, sp_kv_list(sp_kv_get(obj, "spec"), "validationActions"),
			 SP_PATH("spec.validationActions"));
}

static void validating_binding_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	validating_binding(c, obj);
}

static void mutating_binding_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	binding(c, obj);
}

static yyjson_mut_val *param_ref_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *ref = sp_kv_path(obj, "spec", "paramRef", NULL);
	sp_str name = sp_kv_str(ref, "name"), ns = sp_kv_str(ref, "namespace");
	if (name.len > 0)
		return sp_cell_printf(c, SP_FMT "/" SP_FMT, SP_ARG(ns.len > 0 ? ns : SP_STR("*")),
				      SP_ARG(name));
	if (sp_kv_has(ref, "selector"))
		return sp_cell_selector(c, sp_kv_get(ref, "selector"));
	return sp_cell_str(c, SP_STR("<unset>"));
}

static const sp_cell binding_cells[] = {{SP_STR_INIT("ParamRef"), param_ref_cell}};

const sp_kind_hooks sp_hooks_validating_policy_binding = {
	.flags = SP_KIND_GENERATION,
	.validate = validating_binding,
	.validate_update = validating_binding_update,
	.cells = binding_cells,
	.n_cells = SP_LEN(binding_cells),
};
const sp_kind_hooks sp_hooks_mutating_policy_binding = {
	.flags = SP_KIND_GENERATION,
	.validate = binding,
	.validate_update = mutating_binding_update,
	.cells = binding_cells,
	.n_cells = SP_LEN(binding_cells),
};
