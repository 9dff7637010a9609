/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/config_check.h"

#include <stdio.h>

#include "apiserver/admission/pod_policy.h"
#include "kube/kinds/pod.h"
#include "kube/meta.h"

sp_code api_config_check_members(yyjson_mut_val *object, const char *where, const char *const *members,
				 size_t n_members, sp_err *err)
{
	SP_KV_EACH_MEMBER (key, value, i, object) {
		(void)value;
		if (!sp_str_in(sp_jmut_str(key), members, n_members))
			return sp_fail(err, SP_EINVAL,
				       "strict decoding error: unknown field \"%s" SP_FMT "\"", where,
				       SP_ARG(sp_jmut_str(key)));
	}
	return SP_OK;
}

/* ---- EventRateLimit ---- */

void api_config_check_event_rate(sp_violations *v, yyjson_mut_val *config)
{
	static const char *const types[] = {"Namespace", "Server", "SourceAndObject", "User"};
	static const char *const counts[] = {"burst", "qps"};
	yyjson_mut_val *limits = sp_kv_list(config, "limits");
	const sp_path *at = SP_PATH("limits");
	if (limits == NULL)
		sp_v_invalid(v, at, limits, "must not be empty");
	SP_KV_EACH (limit, i, limits) {
		const sp_path *one = SP_AT_I(at, i);
		sp_str type = sp_kv_str(limit, "type");
		if (!SP_STR_IN(type, types))
			sp_v_not_supported(v, SP_AT(one, "type"), type, types, SP_LEN(types));
		for (size_t k = 0; k < SP_LEN(counts); k++) {
			int64_t n = sp_kv_i64(limit, counts[k], 0);
			if (n <= 0 || n > INT32_MAX)
				sp_v_invalid(v, SP_AT_STR(one, sp_str_c(counts[k])), n, "must be positive");
		}
		int64_t kept = sp_kv_i64(limit, "cacheSize", 0);
		if ((kept < 0 || kept > INT32_MAX) && !sp_str_eq(type, SP_STR("Server")))
			sp_v_invalid(v, SP_AT(one, "cacheSize"), kept, "must not be negative");
	}
}

/* ---- PodNodeSelector ---- */

/* What the selectors say is looked at when they are used, as upstream does. */
void api_config_check_node_selector(sp_violations *v, yyjson_mut_val *config)
{
	const sp_path *at = SP_PATH("podNodeSelectorPluginConfig");
	SP_KV_EACH_MEMBER (key, value, i, sp_kv_get(config, "podNodeSelectorPluginConfig")) {
		if (!yyjson_mut_is_str(value) && !yyjson_mut_is_null(value))
			sp_v_invalid(v, SP_AT_KEY(at, sp_jmut_str(key)), value, "must be a string");
	}
}

/* ---- PodTolerationRestriction ---- */

void api_config_check_tolerations(sp_violations *v, yyjson_mut_val *config)
{
	const sp_path *at = SP_PATH("podtolerationrestriction");
	sp_pod_tolerations_validate(v, SP_AT(at, "default"), sp_kv_list(config, "default"));
	sp_pod_tolerations_validate(v, SP_AT(at, "whitelist"), sp_kv_list(config, "whitelist"));
}

/* ---- PodSecurity ---- */

static void check_defaults(sp_violations *v, yyjson_mut_val *defaults)
{
	static const char *const modes[] = {"enforce", "warn", "audit"};
	const sp_path *at = SP_PATH("defaults");
	for (size_t i = 0; i < SP_LEN(modes); i++) {
		char key[32];
		api_pod_level level;
		uint32_t minor;
		sp_str text = sp_kv_str(defaults, modes[i]);
		if (text.len > 0 && !api_pod_level_parse(text, &level))
			sp_v_invalid(v, SP_AT_STR(at, sp_str_c(modes[i])), text,
				     "must be one of privileged, baseline, restricted");
		(void)snprintf(key, sizeof key, "%s-version", modes[i]);
		text = sp_kv_str(defaults, key);
		if (text.len > 0 && !api_pod_minor_parse(text, &minor))
			sp_v_invalid(v, SP_AT_STR(at, sp_str_c(key)), text, "must be \"latest\" or \"v1.x\"");
	}
}

static sp_name_faults user_name(sp_str name)
{
	static const sp_name_faults empty = {.n = 1,
					     .items = {{.text = SP_STR_INIT("username must not be empty")}}};
	return name.len == 0 ? empty : (sp_name_faults){0};
}

static void check_exempt(sp_violations *v, yyjson_mut_val *list, const sp_path *at,
			 sp_name_faults (*rule)(sp_str))
{
	SP_KV_EACH (item, i, list) {
		sp_name_faults faults = rule(sp_jmut_str(item));
		size_t k = 0;
		while (k < i && !sp_str_eq(sp_jmut_str(yyjson_mut_arr_get(list, k)), sp_jmut_str(item)))
			k++;
		if (faults.n > 0)
			sp_v_faults(v, SP_AT_I(at, i), sp_jmut_str(item), faults);
		else if (k < i)
			sp_v_duplicate(v, SP_AT_I(at, i), sp_jmut_str(item));
	}
}

void api_config_check_pod_security(sp_violations *v, yyjson_mut_val *config)
{
	yyjson_mut_val *exempt = sp_kv_get(config, "exemptions");
	const sp_path *at = SP_PATH("exemptions");
	check_defaults(v, sp_kv_get(config, "defaults"));
	check_exempt(v, sp_kv_list(exempt, "namespaces"), SP_AT(at, "namespaces"), sp_name_dns1123_label);
	check_exempt(v, sp_kv_list(exempt, "runtimeClasses"), SP_AT(at, "runtimeClasses"),
		     sp_name_dns1123_subdomain);
	check_exempt(v, sp_kv_list(exempt, "usernames"), SP_AT(at, "usernames"), user_name);
}
