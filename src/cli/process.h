/* SPDX-License-Identifier: Apache-2.0 */
/* What every verb that runs as a process does alike: flags in, world and log up, signals, exit status out. */
#pragma once

#include "base/arena.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "io/world.h"

/*
 * Sets the options of a verb by file, environment and flags (cli/config.h). True: go on. False: *ret_status
 * is the exit status; the message went to standard error, or the help that was asked for to standard output.
 * `usage` NULL: "sampan VERB [FLAGS]".
 */
bool cli_begin(const char *verb, const char *usage, const cli_flag *flags, size_t n, int argc, char **argv,
	       int *ret_status);

/* One of the actions of a verb: "sampan token create". */
typedef struct cli_action {
	const char *name, *usage; /* usage: the whole line */
	bool takes_name, needs_name;
} cli_action;

/*
 * As cli_begin, for "sampan VERB ACTION [NAME] [FLAGS]": *ret_action is the number of the action, *ret_name
 * the name that follows, empty without one.
 */
bool cli_begin_action(const char *verb, const cli_action *actions, size_t n_actions, const cli_flag *flags,
		      size_t n_flags, int argc, char **argv, size_t *ret_action, sp_str *ret_name,
		      int *ret_status);

/* Tells the options of a verb: its one table, without running it. */
typedef void cli_describe_fn(void *arg, const cli_flag *flags, size_t n);
void cli_describe(const cli_verb *v, cli_describe_fn *fn, void *arg);

/* The exit status of a code; an error's message goes to standard error (`err` NULL: it was told already). */
int cli_end(const char *verb, sp_code code, const sp_err *err);

/* Zero-initialised by its owner. */
typedef struct cli_process {
	sp_arena arena; /* of the process, 16 MiB unless it was initialised before */
	sp_world *world;
	sp_log *log; /* to standard error; text on a terminal, else JSON */
	sp_signal_watch *term, *interrupt;
} cli_process;

/* Arena, world, the seed of hash tables, log. SP_EINVAL: no such level. Ends with cli_process_done, also
 * after an error. */
sp_code cli_process_open(cli_process *p, const char *component, sp_str log_level, sp_err *err) SP_MUST_USE;

/* `fn` is called for SIGTERM and SIGINT, on the loop. */
sp_code cli_process_on_stop(cli_process *p, void (*fn)(void *arg, int signal), void *arg,
			    sp_err *err) SP_MUST_USE;

/* After everything that uses them. */
void cli_process_done(cli_process *p);

/* The environment of a role under a supervisor: where programs are, and which file configures us; of a
 * supervisor (`all`) every variable that does. In the arena. */
const char *const *cli_role_environment(sp_arena *a, bool all);

/* The path of this program, in the arena. SP_EINTERNAL: /proc is not there. */
sp_code cli_self(sp_arena *a, sp_str *ret, sp_err *err) SP_MUST_USE;

/* The path of a program that is installed beside this one; only the name when our own is not known. */
sp_str cli_beside(sp_arena *a, const char *name);
