/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/device.h"

#include "kube/cel/cel.h"
#include "kube/kinds/volume_sources.h"
#include "kube/meta.h"

#define POOL_NAME_BYTES_MAX 253
#define ID_BYTES_MAX 32
#define SELECTORS_MAX 32
#define EXPRESSION_BYTES_MAX 10240
#define PARAMETERS_BYTES_MAX 10240
#define BINDING_CONDITIONS_MAX 4

void sp_device_pool_name(sp_violations *v, const sp_path *path, sp_str name)
{
	sp_str part;
	if (name.len == 0) {
		sp_v_required(v, path, "%s", "");
		return;
	}
	if (name.len > POOL_NAME_BYTES_MAX)
		sp_v_too_long(v, path, POOL_NAME_BYTES_MAX);
	for (bool more = true; more;) {
		more = sp_str_cut(&name, '/', &part);
		sp_v_dns1123_subdomain(v, path, more ? part : name);
	}
}

static bool is_c_identifier(sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char ch = s.ptr[i];
		bool letter = ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'z') || ch == '_';
		if (!letter && (i == 0 || ch < '0' || ch > '9'))
			return false;
	}
	return s.len > 0;
}

static void c_identifier(sp_violations *v, const sp_path *path, sp_str id)
{
	if (id.len > ID_BYTES_MAX)
		sp_v_too_long(v, path, ID_BYTES_MAX);
	if (!is_c_identifier(id))
		sp_v_invalid(
			v, path, id,
			"a valid C identifier must start with alphabetic character or '_', followed by a "
			"string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or "
			"'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')");
}

void sp_device_qualified_name(sp_violations *v, const sp_path *path, sp_str name)
{
	sp_str id = name, domain;
	if (!sp_str_cut(&id, '/', &domain)) {
		c_identifier(v, path, name);
		return;
	}
	if (sp_str_index(id, '/') >= 0)
		return; /* upstream looks at one slash only */
	if (domain.len == 0)
		sp_v_invalid(v, path, "", "the domain must not be empty");
	else
		sp_csi_driver_name_validate(v, path, domain);
	if (id.len == 0)
		sp_v_invalid(v, path, "", "the name must not be empty");
	else
		c_identifier(v, path, id);
}

bool sp_device_list_fits(sp_violations *v, const sp_path *path, yyjson_mut_val *list, size_t max)
{
	if (sp_kv_len(list) <= max)
		return true;
	sp_v_too_many(v, path, (int64_t)sp_kv_len(list), (int64_t)max);
	return false;
}

void sp_device_taint(sp_violations *v, yyjson_mut_val *taint, const sp_path *path)
{
	static const char *const effects[] = {"NoExecute", "NoSchedule", "None"};
	sp_str value = sp_kv_str(taint, "value"), effect = sp_kv_str(taint, "effect");
	sp_label_key_validate(v, SP_AT(path, "key"), sp_kv_str(taint, "key"));
	if (value.len > 0)
		sp_v_faults(v, SP_AT(path, "value"), value, sp_name_label_value(value));
	SP_V_ENUM(v, SP_AT(path, "effect"), effect, effects);
}

void sp_device_binding_conditions(sp_violations *v, yyjson_mut_val *device, const sp_path *path)
{
	static const char *const names[] = {"bindingConditions", "bindingFailureConditions"};
	SP_AUTO_STRSET seen = {0};
	yyjson_mut_val *lists[2];
	for (size_t k = 0; k < SP_LEN(names); k++) {
		const sp_path *at = SP_AT_STR(path, sp_str_c(names[k]));
		lists[k] = sp_kv_list(device, names[k]);
		if (!sp_device_list_fits(v, at, lists[k], BINDING_CONDITIONS_MAX))
			continue;
		SP_KV_EACH (item, i, lists[k]) {
			sp_label_key_validate(v, SP_AT_I(at, i), sp_jmut_str(item));
			if (!sp_strset_add(&seen, sp_jmut_str(item), v))
				sp_v_duplicate(v, SP_AT_I(at, i), sp_jmut_str(item));
		}
	}
	if (lists[0] == NULL && lists[1] != NULL)
		sp_v_invalid(v, SP_AT(path, "bindingConditions"), lists[0],
			     "bindingConditions are required to use bindingFailureConditions");
	if (lists[0] != NULL && lists[1] == NULL)
		sp_v_invalid(v, SP_AT(path, "bindingFailureConditions"), lists[1],
			     "bindingFailureConditions are required to use bindingConditions");
}

/* What expressions see of a device. U: dynamic-resource-allocation/cel/compile.go. */
static const sp_cel_type *device_type(sp_arena *a)
{
	const sp_cel_type *attributes = sp_cel_map_of(a, &sp_cel_string, &sp_cel_dyn),
			  *amounts = sp_cel_map_of(a, &sp_cel_string, sp_cel_quantity_type);
	sp_cel_field *f = sp_try_new(a, sp_cel_field, 4);
	if (attributes == NULL || amounts == NULL || f == NULL)
		return NULL;
	f[0] = (sp_cel_field){SP_STR("driver"), &sp_cel_string};
	f[1] = (sp_cel_field){SP_STR("attributes"), sp_cel_map_of(a, &sp_cel_string, attributes)};
	f[2] = (sp_cel_field){SP_STR("capacity"), sp_cel_map_of(a, &sp_cel_string, amounts)};
	f[3] = (sp_cel_field){SP_STR("allowMultipleAllocations"), &sp_cel_bool};
	if (f[1].type == NULL || f[2].type == NULL)
		return NULL;
	return sp_cel_struct_of(a, SP_STR("kubernetes.DRADevice"), f, 4);
}

/* The value is a truth, or not known before a device is there. */
static sp_code expression_compile(sp_violations *v, sp_str text, const sp_path *path)
{
	const sp_cel_env *env = NULL;
	const sp_cel_program *p = NULL;
	sp_cel_issues issues;
	const sp_cel_var var = {.name = SP_STR("device"), .type = device_type(v->arena)};
	if (var.type == NULL)
		return SP_ETOOLARGE;
	SP_TRY(sp_cel_env_new(v->arena, SP_CEL_KUBERNETES | SP_CEL_LIB_BINDINGS, SP_CEL_KUBERNETES_RULES,
			      &env));
	sp_code code = sp_cel_compile(v->arena, env, &var, 1, text, &p, &issues, NULL);
	if (code == SP_EINVAL) {
		sp_v_invalid(v, path, text, "%s" SP_FMT,
			     issues.instantiation ? "program instantiation failed: " : "compilation failed: ",
			     SP_ARG(issues.text));
		return SP_OK;
	}
	SP_TRY(code);
	const sp_cel_type *result = sp_cel_result_type(p);
	if (result->kind != SP_CEL_BOOL && result->kind != SP_CEL_DYN)
		sp_v_invalid(v, path, text, "must evaluate to bool or the unknown type, not " SP_FMT,
			     SP_ARG(sp_cel_type_text(v->arena, result)));
	return SP_OK;
}

static void expression_validate(sp_violations *v, sp_str text, const sp_path *path)
{
	sp_code code = expression_compile(v, text, path);
	if (code != SP_OK && v->code == SP_OK)
		v->code = code;
}

void sp_device_selectors(sp_violations *v, yyjson_mut_val *selectors, const sp_path *path)
{
	if (!sp_device_list_fits(v, path, selectors, SELECTORS_MAX))
		return;
	SP_KV_EACH (selector, i, selectors) {
		const sp_path *at = SP_AT(SP_AT_I(path, i), "cel");
		yyjson_mut_val *cel = sp_kv_get(selector, "cel");
		if (cel == NULL)
			sp_v_required(v, at, "%s", "");
		else if (sp_kv_str(cel, "expression").len > EXPRESSION_BYTES_MAX)
			sp_v_too_long(v, SP_AT(at, "expression"), EXPRESSION_BYTES_MAX);
		else
			expression_validate(v, sp_kv_str(cel, "expression"), SP_AT(at, "expression"));
	}
}

void sp_device_raw(sp_kind_ctx *c, yyjson_mut_val *raw, const sp_path *path, size_t bytes_max)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, c->arena->limit_bytes);
	if (raw != NULL)
		SP_KIND_NEED(c, sp_json_write_mut(&text, raw) == SP_OK);
	if (raw == NULL)
		sp_v_required(c->errors, path, "%s", "");
	else if (text.len > bytes_max)
		sp_v_too_long(c->errors, path, (int64_t)bytes_max);
	else if (!yyjson_mut_is_obj(raw))
		sp_v_invalid(c->errors, path, "<value omitted>", "must be a valid JSON object");
}

void sp_device_config(sp_kind_ctx *c, yyjson_mut_val *config, const sp_path *path)
{
	yyjson_mut_val *opaque = sp_kv_get(config, "opaque");
	const sp_path *at = SP_AT(path, "opaque");
	if (opaque == NULL) {
		sp_v_required(c->errors, at, "%s", "");
		return;
	}
	sp_csi_driver_name_validate(c->errors, SP_AT(at, "driver"), sp_kv_str(opaque, "driver"));
	sp_device_raw(c, sp_kv_get(opaque, "parameters"), SP_AT(at, "parameters"), PARAMETERS_BYTES_MAX);
}
