/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with the configurations of plugins (config.h). Texts are upstream's. */
#pragma once

#include "kube/kinds/values.h"
#include "kube/violations.h"

/* U: kubernetes plugin/pkg/admission/{eventratelimit,podtolerationrestriction}/apis/…/validation,
 * podnodeselector/admission.go, pod-security-admission admission/api/validation */
void api_config_check_event_rate(sp_violations *v, yyjson_mut_val *config);
void api_config_check_node_selector(sp_violations *v, yyjson_mut_val *config);
void api_config_check_pod_security(sp_violations *v, yyjson_mut_val *config);
void api_config_check_tolerations(sp_violations *v, yyjson_mut_val *config);

/* SP_EINVAL: an object has a member that is not among those. `where` is how its path begins. */
sp_code api_config_check_members(yyjson_mut_val *object, const char *where, const char *const *members,
				 size_t n_members, sp_err *err) SP_MUST_USE;
