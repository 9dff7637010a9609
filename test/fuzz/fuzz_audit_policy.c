/* SPDX-License-Identifier: Apache-2.0 */
/* An audit policy, and what it says of a request. */
#include "apiserver/audit/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const sp_str groups[] = {SP_STR_INIT("system:authenticated")};
	static const api_user user = {.name = SP_STR_INIT("u"), .groups = groups, .n_groups = 1};
	static const api_reqinfo requests[] = {{.path = SP_STR_INIT("/healthz"), .verb = SP_STR_INIT("get")},
					       {.is_resource = true,
						.path = SP_STR_INIT("/api/v1/namespaces/n/pods/x/log"),
						.verb = SP_STR_INIT("get"),
						.version = SP_STR_INIT("v1"),
						.ns = SP_STR_INIT("n"),
						.resource = SP_STR_INIT("pods"),
						.subresource = SP_STR_INIT("log"),
						.name = SP_STR_INIT("x")}};
	api_audit_policy *p = NULL;
	if (api_audit_policy_parse((sp_str){(const char *)data, size}, &p, NULL) != SP_OK)
		return 0;
	for (size_t i = 0; i < SP_LEN(requests); i++) {
		api_audit_config c = api_audit_policy_find(p, &user, &requests[i]);
		SP_ASSERT(c.level < API_AUDIT_LEVEL_COUNT_ && c.omit_stages < 1u << API_AUDIT_STAGE_COUNT_);
	}
	api_audit_policy_free(p);
	return 0;
}
