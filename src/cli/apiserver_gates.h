/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kube-apiserver's --feature-gates and --runtime-config. Every gate of 1.36 and every version it registers is
 * known by name and may be given the value that it has here, its default; another one is refused with the
 * reason, what nobody knows in upstream's words. U: component-base featuregate/feature_gate.go, apiserver
 * pkg/server/resourceconfig/helpers.go
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

/* "A=true,kube:B=false". SP_EINVAL: the first that is wrong. */
sp_code cli_gates_check(sp_str text, sp_err *err) SP_MUST_USE;
/* "apps/v1=true,api/alpha=false,batch/v1/jobs=true"; without a value it is true. SP_EINVAL. */
sp_code cli_runtime_config_check(sp_str text, sp_err *err) SP_MUST_USE;
