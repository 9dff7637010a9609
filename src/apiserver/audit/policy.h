/* SPDX-License-Identifier: Apache-2.0 */
/* An audit policy: which requests are told of, and how much. U: apiserver pkg/audit/policy,
 * pkg/apis/audit/validation. */
#pragma once

#include "apiserver/reqinfo.h"
#include "apiserver/rules.h"
#include "apiserver/user.h"

typedef enum api_audit_level {
	API_AUDIT_NONE,
	API_AUDIT_METADATA,
	API_AUDIT_REQUEST,
	API_AUDIT_REQUEST_RESPONSE,
	API_AUDIT_LEVEL_COUNT_
} api_audit_level;

typedef enum api_audit_stage {
	API_AUDIT_RECEIVED,
	API_AUDIT_STARTED,
	API_AUDIT_COMPLETE,
	API_AUDIT_PANIC,
	API_AUDIT_STAGE_COUNT_
} api_audit_stage;

extern const sp_str api_audit_levels[API_AUDIT_LEVEL_COUNT_];
extern const sp_str api_audit_stages[API_AUDIT_STAGE_COUNT_];

#define API_AUDIT_POLICY_BYTES_MAX ((size_t)1 << 20)

typedef struct api_audit_policy api_audit_policy;

/* What is told of one request. */
typedef struct api_audit_config {
	uint8_t level;       /* api_audit_level */
	uint8_t omit_stages; /* bits: 1 << api_audit_stage */
	bool omit_managed_fields;
} api_audit_config;

/* From YAML or JSON of kind Policy in audit.k8s.io/v1. Fields that are not known are passed over, as upstream
 * does. SP_EINVAL says all that is wrong; SP_ETOOLARGE. */
sp_code api_audit_policy_parse(sp_str text, api_audit_policy **ret, sp_err *err) SP_MUST_USE;
/* NULL is a no-op. */
void api_audit_policy_free(api_audit_policy *p);

/* By the first rule that matches; None without one. */
api_audit_config api_audit_policy_find(const api_audit_policy *p, const api_user *u, const api_reqinfo *i);
