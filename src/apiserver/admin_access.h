/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims that reach devices past those who use them ("adminAccess") are for namespaces with the label
 * resource.kubernetes.io/admin-access: "true". U: kubernetes pkg/registry/resource/utils.go
 */
#pragma once

#include "apiserver/admission/admission.h"

/* Adds what is forbidden to w->errors: of a new ResourceClaim or ResourceClaimTemplate, and of a claim's
 * status whose allocation grants such access and did not before. A namespace that can't be read has no
 * label. */
void api_admin_access_check(const api_admit *a);
