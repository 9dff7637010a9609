/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan doctor`: whether this machine can run everything, each line with what to do. Exit status 1 when
 * not. */
#include <stdio.h>

#include "cli/checks.h"
#include "cli/cli.h"
#include "cli/process.h"
#include "cli/running.h"
#include "io/uv/uv.h"

static int show(const cli_finding *all, size_t n)
{
	static const char *const grades[] = {[CLI_GOOD] = "ok", [CLI_WARNING] = "warn", [CLI_BAD] = "fail"};
	int status = 0;
	for (size_t i = 0; i < n; i++) {
		printf("%-5s %-12s " SP_FMT, grades[all[i].grade], all[i].what, SP_ARG(all[i].found));
		if (all[i].fix.len > 0)
			printf("; " SP_FMT, SP_ARG(all[i].fix));
		printf("\n");
		status |= all[i].grade == CLI_BAD;
	}
	return status;
}

int cli_doctor(int argc, char **argv)
{
	sp_str data_dir = SP_STR("/var/lib/sampan"), run_dir = SP_STR("/run/sampan");
	int64_t port = 6443;
	const cli_flag table[] = {
		{"data-dir", CLI_STR, &data_dir, "as for sampan server"},
		{"run-dir", CLI_STR, &run_dir, "as for sampan server"},
		{"secure-port", CLI_I64, &port, "as for sampan server"},
	};
	sp_err err = {0};
	int status;
	if (!cli_begin("doctor", NULL, table, SP_LEN(table), argc, argv, &status))
		return status;
	if (port < 1 || port > 65535) {
		(void)fprintf(stderr, "sampan doctor: --secure-port is 1 to 65535\n");
		return CLI_EXIT_USAGE;
	}
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)8 << 20);
	sp_world *w = NULL;
	cli_finding *all = NULL;
	cli_running r;
	size_t n = 0;
	bool ours = cli_running_find(&a, run_dir, &r, &err) == SP_OK;
	const cli_check_opts o = {.data_dir = data_dir, .port = ours ? 0 : (uint16_t)port};
	sp_code code = sp_world_uv_new(&w, &err);
	if (code == SP_OK)
		code = cli_check_host(w, &a, &o, &all, &n, &err);
	status = code == SP_OK ? show(all, n) : cli_end("doctor", code, &err);
	sp_world_uv_free(w);
	return status;
}
