/* SPDX-License-Identifier: Apache-2.0 */
/* Flags of kube-controller-manager: those that say how much one controller does at once, and those that mean
 * nothing here and are refused, each with its reason. */
#pragma once

#include "cli/flags.h"
#include "controllers/controller.h"

#define CLI_SYNC_FLAGS_MAX 32u

/* Fills rows (CLI_I64 into `values`, 0: the controller's own) and whom they are of. */
size_t cli_sync_flags(cli_flag rows[CLI_SYNC_FLAGS_MAX], controllers_workers of[CLI_SYNC_FLAGS_MAX],
		      int64_t values[CLI_SYNC_FLAGS_MAX]);

/* SP_EINVAL: one of upstream's that is not taken is among the arguments; the reason is one sentence. Flags of
 * the table `taken` are none of them. */
sp_code cli_refuse_flags(int argc, char **argv, const cli_flag *taken, size_t n, sp_err *err) SP_MUST_USE;
