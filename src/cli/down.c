/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan down`: stops every role of this machine and waits until they are gone. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>

#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/running.h"

/* The pidfd is opened before the signal, so the number cannot mean another process in between. */
static sp_code stop(int64_t pid, sp_err *err)
{
	int fd = pidfd_open((pid_t)pid, 0);
	if (fd < 0)
		return errno == ESRCH ? SP_OK : sp_fail_sys(err, errno, "process %lld", (long long)pid);
	sp_code code = SP_OK;
	if (pidfd_send_signal(fd, SIGTERM, NULL, 0) != 0 && errno != ESRCH)
		code = sp_fail_sys(err, errno, "process %lld", (long long)pid);
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	while (code == SP_OK && poll(&wait, 1, -1) < 0 && errno == EINTR)
		;
	(void)close(fd);
	return code;
}

int cli_down(int argc, char **argv)
{
	sp_str run_dir = SP_STR("/run/sampan");
	const cli_flag table[] = {{"run-dir", CLI_STR, &run_dir, "as given to sampan server"}};
	sp_err err = {0};
	bool help;
	if (cli_flags_parse(table, SP_LEN(table), argc, argv, &help, &err) != SP_OK) {
		(void)fprintf(stderr, "sampan down: %s\n", err.msg);
		return CLI_EXIT_USAGE;
	}
	if (help) {
		cli_flags_help("sampan down [FLAGS]", table, SP_LEN(table));
		return 0;
	}
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)1 << 20);
	cli_running r;
	sp_code code = cli_running_find(&a, run_dir, &r, &err);
	if (code == SP_ENOTFOUND) {
		printf("%s\n", err.msg);
		return 0;
	}
	if (code == SP_OK)
		code = stop(r.pid, &err);
	if (code == SP_OK)
		return 0;
	(void)fprintf(stderr, "sampan down: %s\n", err.msg);
	return sp_code_lookup(code)->exit_code;
}
