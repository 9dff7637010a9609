/* SPDX-License-Identifier: Apache-2.0 */
/* Which admission plugins are on. */
#include "apiserver/admission/admission.h"
#include "apiserver/admission/config.h"

/* Upstream's that are not here. All of them are off by default there. */
static const char *const absent[] = {"ImagePolicyWebhook"};

/* The bits of a list of names. Those of the absent ones may be disabled, but not enabled. */
static sp_code bits_of(sp_str names, const char *flag, bool enables, uint64_t *ret, sp_err *err)
{
	sp_str name;
	*ret = 0;
	while (names.len > 0) {
		size_t i = 0;
		(void)sp_str_next(&names, ',', &name);
		while (i < api_n_admission_plugins &&
		       !sp_str_eq(name, sp_str_c(api_admission_plugins[i].name)))
			i++;
		if (i < api_n_admission_plugins)
			*ret |= UINT64_C(1) << i;
		else if (!SP_STR_IN(name, absent))
			return sp_fail(err, SP_EINVAL, "%s plugin \"" SP_FMT "\" is unknown", flag,
				       SP_ARG(name));
		else if (enables)
			return sp_fail(err, SP_EINVAL, "--%s: " SP_FMT " is not built yet", flag,
				       SP_ARG(name));
	}
	return SP_OK;
}

sp_code api_admission_choose(sp_str enable, sp_str disable, api_admission_choice *ret, sp_err *err)
{
	api_admission_choice c;
	SP_TRY(bits_of(enable, "enable-admission-plugins", true, &c.enabled, err));
	SP_TRY(bits_of(disable, "disable-admission-plugins", false, &c.disabled, err));
	for (size_t i = 0; i < api_n_admission_plugins; i++) {
		if ((c.enabled & c.disabled & (UINT64_C(1) << i)) != 0)
			return sp_fail(err, SP_EINVAL,
				       "[%s] in enable-admission-plugins and disable-admission-plugins "
				       "overlapped",
				       api_admission_plugins[i].name);
	}
	*ret = c;
	return SP_OK;
}

sp_code api_admission_check(const api_server *s, sp_err *err)
{
	for (size_t i = 0; i < api_n_admission_plugins; i++) {
		const char *name = api_admission_plugins[i].name;
		if (api_admission_plugins[i].needs_config && api_admission_is_on(s, i) &&
		    api_admission_config_of(s->admission_config, name) == NULL)
			return sp_fail(err, SP_EINVAL,
				       "couldn't init admission plugin \"%s\": it has no configuration in "
				       "--admission-control-config-file",
				       name);
	}
	return SP_OK;
}

bool api_admission_is_on(const api_server *s, size_t i_plugin)
{
	uint64_t bit = UINT64_C(1) << i_plugin;
	if (api_admission_plugins[i_plugin].is_off)
		return (s->admission.enabled & bit) != 0;
	return (s->admission.disabled & bit) == 0;
}
