/* SPDX-License-Identifier: Apache-2.0 */
/* What keywords of one schema node may say. U: apiextensions pkg/apis/apiextensions/validation/validation.go,
 * ValidateCustomResourceDefinitionOpenAPISchema and specStandardValidatorV3. */
#include "kube/crd/crd_int.h"

typedef struct place {
	sp_arena *arena;
	sp_violations *errors;
	yyjson_mut_val *node;
	sp_str path;
} place;

static sp_str below(const place *p, const char *keyword)
{
	return sp_crd_path(p->arena, p->path, sp_str_c(keyword));
}

/* Nothing to say when it is absent or one of them, which are shown in the order given. */
static void one_of(const place *p, const char *keyword, const char *const *allowed, size_t n)
{
	yyjson_mut_val *v = sp_jmut_get(p->node, sp_str_c(keyword));
	sp_str list = SP_STR("");
	if (!yyjson_mut_is_str(v))
		return;
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(sp_jmut_str(v), sp_str_c(allowed[i])))
			return;
		list = sp_arena_printf(p->arena, SP_FMT "%s\"%s\"", SP_ARG(list), i == 0 ? "" : ", ",
				       allowed[i]);
	}
	sp_v_text(p->errors, SP_V_NOT_SUPPORTED, below(p, keyword),
		  "Unsupported value: \"" SP_FMT "\": supported values: " SP_FMT, SP_ARG(sp_jmut_str(v)),
		  SP_ARG(list));
}

/* `keyword` has to have a text; why says so. */
static void has_to_be(const place *p, const char *keyword, const char *text, const char *why)
{
	sp_str is = sp_jmut_str(sp_jmut_get(p->node, sp_str_c(keyword)));
	if (sp_str_eq(is, sp_str_c(text)))
		return;
	if (is.len == 0)
		sp_v_text(p->errors, SP_V_REQUIRED, below(p, keyword), "Required value: %s", why);
	else
		sp_v_text(p->errors, SP_V_INVALID, below(p, keyword), "Invalid value: \"" SP_FMT "\": %s",
			  SP_ARG(is), why);
}

static void lists(const place *p)
{
	static const char *const kinds[] = {"atomic", "set", "map"};
	yyjson_mut_val *kind = sp_jmut_get(p->node, SP_STR("x-kubernetes-list-type"));
	yyjson_mut_val *keys = sp_jmut_get(p->node, SP_STR("x-kubernetes-list-map-keys"));
	bool has_keys = yyjson_mut_is_arr(keys) && yyjson_mut_arr_size(keys) > 0;
	if (yyjson_mut_is_str(kind))
		has_to_be(p, "type", "array", "must be array if x-kubernetes-list-type is specified");
	one_of(p, "x-kubernetes-list-type", kinds, SP_LEN(kinds));
	if (has_keys)
		has_to_be(p, "x-kubernetes-list-type", "map",
			  "must be map if x-kubernetes-list-map-keys is non-empty");
	else if (sp_str_eq(sp_jmut_str(kind), SP_STR("map")))
		sp_v_text(p->errors, SP_V_REQUIRED, below(p, "x-kubernetes-list-map-keys"),
			  "Required value: must not be empty if x-kubernetes-list-type is map");
}

void sp_crd_keywords(sp_arena *a, yyjson_mut_val *node, sp_str path, sp_violations *errors)
{
	static const char *const types[] = {"array", "boolean", "integer", "number", "object", "string"},
				 *const kinds[] = {"atomic", "granular"};
	const place p = {a, errors, node, path};
	if (sp_jmut_str(sp_jmut_get(node, SP_STR("type"))).len > 0)
		one_of(&p, "type", types, SP_LEN(types));
	if (yyjson_mut_is_false(sp_jmut_get(node, SP_STR("x-kubernetes-preserve-unknown-fields"))))
		sp_v_text(errors, SP_V_INVALID, below(&p, "x-kubernetes-preserve-unknown-fields"),
			  "Invalid value: false: must be true or undefined");
	if (yyjson_mut_is_str(sp_jmut_get(node, SP_STR("x-kubernetes-map-type"))))
		has_to_be(&p, "type", "object", "must be object if x-kubernetes-map-type is specified");
	one_of(&p, "x-kubernetes-map-type", kinds, SP_LEN(kinds));
	lists(&p);
}
