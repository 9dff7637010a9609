/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flags of kube-apiserver that mean something else here than they could say there, or nothing: taken with the
 * value that is true of this server, refused with any other. None is ignored.
 */
#pragma once

#include "cli/flags.h"

#define CLI_FIXED_MAX 48u

typedef struct cli_fixed {
	sp_str texts[CLI_FIXED_MAX];
	bool truths[CLI_FIXED_MAX];
} cli_fixed;

/* Appends them to a table that has room for CLI_FIXED_MAX more; returns how many. `f` stays in place. */
size_t cli_fixed_flags(cli_fixed *f, cli_flag *to);
/* SP_EINVAL: the first that has another value, and why that can't be. */
sp_code cli_fixed_check(const cli_fixed *f, sp_err *err) SP_MUST_USE;
