/* SPDX-License-Identifier: Apache-2.0 */
/* AppArmor profiles. U: containerd internal/cri/server/container_create.go, generateApparmorSpecOpts. */
#include "runtime/spec.h"

#define LOCALHOST SP_STR("localhost/")

bool rt_apparmor_is_on(sp_str enabled)
{
	return sp_str_starts(enabled, SP_STR("Y"));
}

/* What the deprecated text says. */
static sp_code from_text(sp_str text, sp_cri_security_profile *ret, sp_err *err)
{
	*ret = (sp_cri_security_profile){.profile_type = SP_CRI_PROFILE_RUNTIME_DEFAULT};
	if (text.len == 0 || sp_str_eq(text, SP_STR("runtime/default")))
		return SP_OK;
	if (sp_str_eq(text, SP_STR("unconfined")))
		ret->profile_type = SP_CRI_PROFILE_UNCONFINED;
	else if (!sp_str_starts(text, LOCALHOST))
		return sp_fail(err, SP_EINVAL, "invalid apparmor profile \"" SP_FMT "\"", SP_ARG(text));
	else
		*ret = (sp_cri_security_profile){.profile_type = SP_CRI_PROFILE_LOCALHOST,
						 .localhost_ref = text};
	return SP_OK;
}

sp_code rt_spec_apparmor(const sp_cri_linux_container_security_context *sc, bool is_on, sp_str *ret,
			 sp_err *err)
{
	sp_cri_security_profile p = {.profile_type = SP_CRI_PROFILE_RUNTIME_DEFAULT};
	*ret = SP_STR("");
	if (sc != NULL && sc->apparmor != NULL)
		p = *sc->apparmor;
	else if (sc != NULL)
		SP_TRY(from_text(sc->apparmor_profile, &p, err));
	if (p.profile_type != SP_CRI_PROFILE_LOCALHOST)
		return SP_OK;
	if (!is_on)
		return sp_fail(err, SP_EINVAL, "apparmor is not supported");
	sp_str name = p.localhost_ref;
	(void)sp_str_take(&name, LOCALHOST);
	if (name.len == 0)
		return sp_fail(err, SP_EINVAL, "apparmor profile not found \"\"");
	*ret = name;
	return SP_OK;
}
