/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: one verb per file, one table. Data goes to stdout, messages to stderr. */
#pragma once

#include "base/err.h"

/* Exit status of a command line that could not be understood. */
#define CLI_EXIT_USAGE 2

typedef struct cli_verb {
	const char *name;
	const char *summary;               /* one line, for the list of verbs */
	int (*run)(int argc, char **argv); /* argv[0] is the verb; returns the exit status */
	const char *words;                 /* what may follow it, separated by blanks; NULL: flags only */
	bool needs_word;                   /* the first of them must be there */
	bool has_no_flags;
} cli_verb;

/* Finds the verb and runs it; prints help, or the nearest verb when there is none of that name. */
int cli_main(int argc, char **argv);

/* The verb of the table closest to `name` by edit distance, or NULL when none is near. */
const cli_verb *cli_nearest(sp_str name);

/* Edits (insert, delete, replace, swap of neighbours) that turn a into b; SIZE_MAX when either is longer than
 * a name is. */
size_t cli_distance(sp_str a, sp_str b);
/* The verb of that name, or NULL; all of them. */
const cli_verb *cli_find(sp_str name);
const cli_verb *cli_verbs(size_t *ret_n);

/* Whether some verb has an option of that name; the name of the nearest one, its length (0: none is near). */
bool cli_option_is_known(sp_str name);
size_t cli_option_nearest(sp_str name, char *out, size_t n);
/* "-h", "--help" or "help". */
bool cli_is_help(const char *arg);

int cli_agent(int argc, char **argv);
int cli_explain(int argc, char **argv);
int cli_completion(int argc, char **argv);
int cli_join(int argc, char **argv);
int cli_kubeconfig(int argc, char **argv);
int cli_plugins(int argc, char **argv);
int cli_token(int argc, char **argv);
int cli_apiserver(int argc, char **argv);
int cli_dns(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_controllers(int argc, char **argv);
int cli_down(int argc, char **argv);
int cli_keys(int argc, char **argv);
int cli_node(int argc, char **argv);
int cli_scheduler(int argc, char **argv);
int cli_server(int argc, char **argv);
int cli_service_proxy(int argc, char **argv);
int cli_snapshot(int argc, char **argv);
int cli_status(int argc, char **argv);
int cli_image(int argc, char **argv);
int cli_up(int argc, char **argv);
int cli_cri(int argc, char **argv);
int cli_version(int argc, char **argv);
