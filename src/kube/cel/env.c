/* SPDX-License-Identifier: Apache-2.0 */
/* Environments: the tables of the libraries that are switched on, by name of function. */
#include "base/hash.h"
#include "kube/cel/lib.h"

static const cel_library *const libraries[] = {
	&cel_lib_operators, &cel_lib_convert,     &cel_lib_std,       &cel_lib_time,   &cel_lib_optional,
	&cel_lib_strings,   &cel_lib_strings_new, &cel_lib_lists,     &cel_lib_sets,   &cel_lib_two_vars,
	&cel_lib_math,      &cel_lib_encoders,    &cel_lib_k8s_lists, &cel_lib_regex,  &cel_lib_url,
	&cel_lib_ip,        &cel_lib_cidr,        &cel_lib_quantity,  &cel_lib_semver, &cel_lib_format,
	&cel_lib_authz,     &cel_lib_jsonpatch,
};

static bool enabled(const cel_library *l, uint32_t libs)
{
	return l->libs == 0 || (l->libs & libs) != 0;
}

static uint32_t *slot_of(const sp_cel_env *env, sp_str name)
{
	uint32_t at = (uint32_t)sp_fnv1a64(name) & (env->n_index - 1);
	while (env->index[at] != 0 && !sp_str_eq(env->functions[env->index[at] - 1].name, name))
		at = (at + 1) & (env->n_index - 1);
	return &env->index[at];
}

const cel_function *cel_env_function(const sp_cel_env *env, sp_str name)
{
	uint32_t i = *slot_of(env, name);
	return i == 0 ? NULL : &env->functions[i - 1];
}

static sp_code add(sp_arena *a, sp_cel_env *env, const cel_overload *o)
{
	uint32_t *slot = slot_of(env, sp_str_c(o->name));
	if (*slot == 0) {
		env->functions[env->n_functions].name = sp_str_c(o->name);
		*slot = ++env->n_functions;
	}
	cel_function *f = &env->functions[*slot - 1];
	if ((f->n & (f->n - 1)) == 0) { /* full: 0, 1, 2, 4 … */
		uint32_t cap = f->n == 0 ? 1 : f->n * 2;
		const cel_overload **more = sp_try_new(a, const cel_overload *, cap);
		if (more == NULL)
			return SP_ENOMEM;
		if (f->n > 0)
			memcpy(more, f->overloads, f->n * sizeof(*more));
		f->overloads = more;
	}
	f->overloads[f->n++] = o;
	return SP_OK;
}

sp_code sp_cel_env_new(sp_arena *a, uint32_t libs, uint32_t rules, const sp_cel_env **ret)
{
	size_t n = 0;
	for (size_t i = 0; i < SP_LEN(libraries); i++)
		n += enabled(libraries[i], libs) ? libraries[i]->n : 0;
	sp_cel_env *env = sp_try_new(a, sp_cel_env, 1);
	if (env == NULL)
		return SP_ENOMEM;
	env->libs = libs;
	env->rules = rules;
	env->n_index = 64;
	while (env->n_index < 2 * n)
		env->n_index *= 2;
	env->functions = sp_try_new(a, cel_function, n);
	env->index = sp_try_new(a, uint32_t, env->n_index);
	if (env->functions == NULL || env->index == NULL)
		return SP_ENOMEM;
	for (size_t i = 0; i < SP_LEN(libraries); i++) {
		for (size_t k = 0; enabled(libraries[i], libs) && k < libraries[i]->n; k++)
			SP_TRY(add(a, env, &libraries[i]->rows[k]));
	}
	*ret = env;
	return SP_OK;
}

static const struct {
	const sp_cel_type *type;
	uint32_t libs;
} named_types[] = {
	{&sp_cel_bool, 0},
	{&sp_cel_bytes, 0},
	{&sp_cel_double, 0},
	{&sp_cel_duration, 0},
	{&sp_cel_int, 0},
	{&sp_cel_list_dyn, 0},
	{&sp_cel_map_dyn, 0},
	{&sp_cel_null, 0},
	{&sp_cel_string, 0},
	{&sp_cel_timestamp, 0},
	{&cel_t_type, 0},
	{&sp_cel_uint, 0},
	{&cel_t_optional, SP_CEL_LIB_OPTIONAL},
	{&sp_cel_json_patch_type, SP_CEL_LIB_JSONPATCH},
	{&cel_t_ip, SP_CEL_LIB_K8S},
	{&cel_t_cidr, SP_CEL_LIB_K8S},
};

const sp_cel_type *cel_env_type(const sp_cel_env *env, sp_str name)
{
	for (size_t i = 0; i < SP_LEN(named_types); i++) {
		if (sp_str_eq(named_types[i].type->name, name) &&
		    (named_types[i].libs == 0 || (named_types[i].libs & env->libs) != 0))
			return named_types[i].type;
	}
	return NULL;
}
