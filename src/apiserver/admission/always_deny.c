/* SPDX-License-Identifier: Apache-2.0 */
/* No write at all. U: kubernetes plugin/pkg/admission/deny */
#include "apiserver/admission/admission.h"

bool api_admit_deny(const api_admit *a)
{
	return api_admit_forbid(a, "admission control is denying all modifications");
}
