/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan scheduler simulate`: decisions about a snapshot on standard input. */
#include <stdio.h>

#include "cli/cli.h"
#include "scheduler/simulate.h"

#define CHUNK_BYTES ((size_t)256 << 10)

static sp_code read_input(sp_buf *in, sp_err *err)
{
	for (;;) {
		char *room = sp_buf_reserve(in, CHUNK_BYTES);
		if (room == NULL)
			return sp_fail(err, sp_buf_code(in), "the snapshot is too large");
		size_t n = fread(room, 1, CHUNK_BYTES, stdin);
		sp_buf_added(in, n);
		if (n > 0)
			continue;
		return ferror(stdin) != 0 ? sp_fail(err, SP_EIO, "standard input cannot be read") : SP_OK;
	}
}

static int simulate(void)
{
	SP_AUTO_BUF in;
	SP_AUTO_BUF out;
	sp_err err = {0};
	sp_buf_init(&in, SCHED_SNAPSHOT_BYTES_MAX);
	sp_buf_init(&out, SCHED_SNAPSHOT_BYTES_MAX * 4);
	sp_code code = read_input(&in, &err);
	if (code == SP_OK)
		code = sched_simulate(sp_buf_view(&in), &out, &err);
	if (code == SP_OK &&
	    (fwrite(out.ptr, 1, out.len, stdout) != out.len || putchar('\n') == EOF || fflush(stdout) != 0))
		code = sp_fail(&err, SP_EIO, "standard output cannot be written");
	if (code == SP_OK)
		return 0;
	(void)fprintf(stderr, "sampan scheduler simulate: %s\n", err.msg);
	return sp_code_lookup(code)->exit_code;
}

static int help(void)
{
	printf("Usage: sampan scheduler simulate <SNAPSHOT >DECISIONS\n\n"
	       "Reads one cluster snapshot (JSON) and prints, for each pod to decide, which nodes are "
	       "feasible, why the\n"
	       "others are not, every plugin's score and what preemption would do.\n");
	return 0;
}

int cli_scheduler(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (cli_is_help(argv[i]))
			return help();
	}
	if (argc == 2 && strcmp(argv[1], "simulate") == 0)
		return simulate();
	(void)fprintf(stderr, "sampan scheduler: %s; 'sampan scheduler --help' says what there is\n",
		      argc < 2 ? "what to do is missing" : "unknown arguments");
	return CLI_EXIT_USAGE;
}
