/* SPDX-License-Identifier: Apache-2.0 */
/* kube-apiserver's --tls-min-version and --tls-cipher-suites. U: component-base cli/flag/ciphersuites_flag.go
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "io/tls.h"

/*
 * Sets what the two flags say in *ret; suites as OpenSSL names them, in the arena. SP_EINVAL: nobody knows
 * the name (upstream's words), or what it names is weaker than anything that is served here.
 */
sp_code cli_tls_choose(sp_arena *a, sp_str min_version, sp_str names, sp_tls_opts *ret,
		       sp_err *err) SP_MUST_USE;
