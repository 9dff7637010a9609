/* SPDX-License-Identifier: Apache-2.0 */
/* Which admission plugins are on. */
#include "apiserver/admission/admission.h"

/* Upstream's that are not here. The last three are on by default there. */
static const char *const absent[] = {"AlwaysAdmit",
				     "AlwaysDeny",
				     "AlwaysPullImages",
				     "DenyServiceExternalIPs",
				     "EventRateLimit",
				     "ExtendedResourceToleration",
				     "ImagePolicyWebhook",
				     "LimitPodHardAntiAffinityTopology",
				     "NamespaceAutoProvision",
				     "NamespaceExists",
				     "OwnerReferencesPermissionEnforcement",
				     "PodNodeSelector",
				     "PodTolerationRestriction",
				     "ClusterTrustBundleAttest",
				     "NodeDeclaredFeatureValidator",
				     "PodTopologyLabels"};

/* The bits of a list of names. Those of the absent ones may be disabled, but not enabled. */
static sp_code bits_of(sp_str names, const char *flag, bool enables, uint32_t *ret, sp_err *err)
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
			*ret |= UINT32_C(1) << i;
		else if (!SP_STR_IN(name, absent))
			return sp_fail(err, SP_EINVAL, "%s plugin \"" SP_FMT "\" is unknown", flag,
				       SP_ARG(name));
		else if (enables)
			return sp_fail(err, SP_EINVAL, "--%s: " SP_FMT " is not built yet", flag,
				       SP_ARG(name));
	}
	return SP_OK;
}

sp_code api_admission_plugins_off(sp_str enable, sp_str disable, uint32_t *ret, sp_err *err)
{
	uint32_t on, off;
	SP_TRY(bits_of(enable, "enable-admission-plugins", true, &on, err));
	SP_TRY(bits_of(disable, "disable-admission-plugins", false, &off, err));
	for (size_t i = 0; i < api_n_admission_plugins; i++) {
		if ((on & off & (UINT32_C(1) << i)) != 0)
			return sp_fail(err, SP_EINVAL,
				       "[%s] in enable-admission-plugins and disable-admission-plugins "
				       "overlapped",
				       api_admission_plugins[i].name);
	}
	*ret = off;
	return SP_OK;
}

bool api_admission_is_on(const api_server *s, size_t i_plugin)
{
	return (s->admission_off & (UINT32_C(1) << i_plugin)) == 0;
}
