/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command line flags from one table per verb: --name=value, --name value, and --name for booleans (also
 * --name=false). What is not in the table is an error that names the nearest flag.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef enum cli_flag_type { CLI_STR, CLI_BOOL, CLI_I64 } cli_flag_type;

typedef struct cli_flag {
	const char *name; /* without dashes */
	cli_flag_type type;
	void *value;      /* sp_str *, bool * or int64_t *, holding the default */
	const char *help; /* one line */
} cli_flag;

/*
 * Reads argv[1 …]. SP_EINVAL: an unknown flag, a missing or malformed value, an argument that is no flag.
 * *ret_help is set when -h or --help is among them (nothing else is then checked).
 */
sp_code cli_flags_parse(const cli_flag *flags, size_t n, int argc, char **argv, bool *ret_help,
			sp_err *err) SP_MUST_USE;

/* The table for people, on standard output. */
void cli_flags_help(const char *usage, const cli_flag *flags, size_t n);
