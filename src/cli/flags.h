/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command line flags from one table per verb: --name=value, --name value, and --name for booleans (also
 * --name=false). What is not in the table is an error that names the nearest flag.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef enum cli_flag_type { CLI_STR, CLI_BOOL, CLI_I64, CLI_SECRET } cli_flag_type;

/* A text that is copied, and wiped from the command line, where every user of the machine can read it. */
typedef struct cli_secret {
	char text[256];
	size_t len;
} cli_secret;
static inline sp_str cli_secret_view(const cli_secret *s)
{
	return (sp_str){s->text, s->len};
}

typedef struct cli_flag {
	const char *name; /* without dashes */
	cli_flag_type type;
	void *value;      /* sp_str *, bool *, int64_t * or cli_secret *, holding the default */
	const char *help; /* one line */
} cli_flag;

/*
 * Reads argv[1 …]. SP_EINVAL: an unknown flag, a missing or malformed value, an argument that is no flag.
 * *ret_help is set when -h or --help is among them (nothing else is then checked).
 */
sp_code cli_flags_parse(const cli_flag *flags, size_t n, int argc, char **argv, bool *ret_help,
			sp_err *err) SP_MUST_USE;

/* The flag of that name, or NULL. */
const cli_flag *cli_flags_find(const cli_flag *flags, size_t n, sp_str name);
/* Sets one from text. SP_EINVAL. */
sp_code cli_flags_set(const cli_flag *f, sp_str text, sp_err *err) SP_MUST_USE;
/* SP_EINVAL with the nearest name: "unknown option x; did you mean y?"; `what` stands before both names:
 * "flag --", "option ". */
sp_code cli_flags_unknown(const cli_flag *flags, size_t n, const char *what, sp_str name, sp_err *err);

/* The table for people, on standard output. */
void cli_flags_help(const char *usage, const cli_flag *flags, size_t n);
