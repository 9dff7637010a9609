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
} cli_verb;

/* Finds the verb and runs it; prints help, or the nearest verb when there is none of that name. */
int cli_main(int argc, char **argv);

/* The verb of the table closest to `name` by edit distance, or NULL when none is near. */
const cli_verb *cli_nearest(sp_str name);

/* Edits (insert, delete, replace, swap of neighbours) that turn a into b; SIZE_MAX when either is longer than
 * a name is. */
size_t cli_distance(sp_str a, sp_str b);
/* "-h", "--help" or "help". */
bool cli_is_help(const char *arg);

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
