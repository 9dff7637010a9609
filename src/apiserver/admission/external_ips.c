/* SPDX-License-Identifier: Apache-2.0 */
/* DenyServiceExternalIPs: no service gets external addresses that it has not already. U: kubernetes
 * plugin/pkg/admission/network/denyserviceexternalips/admission.go */
#include "apiserver/admission/admission.h"
#include "kube/meta.h"

static bool had(const api_admit *a, sp_str ip)
{
	SP_KV_EACH (old, i, sp_kv_list(sp_kv_get(a->old, "spec"), "externalIPs")) {
		if (sp_str_eq(sp_jmut_str(old), ip))
			return true;
	}
	return false;
}

bool api_admit_external_ips(const api_admit *a)
{
	if ((a->op != API_OP_CREATE && a->op != API_OP_UPDATE) || !api_admit_is(a, "", "services", ""))
		return true;
	SP_KV_EACH (ip, i, sp_kv_list(sp_kv_get(a->obj, "spec"), "externalIPs")) {
		if (!had(a, sp_jmut_str(ip)))
			return api_admit_forbid(a, "Use of external IPs is denied by admission control");
	}
	return true;
}
