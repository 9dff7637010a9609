/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan status`: the roles of this machine on one screen. Exit status 0 only when all of them run. */
#include <inttypes.h>
#include <stdio.h>

#include "base/num.h"
#include "cli/cli.h"
#include "cli/process.h"
#include "cli/running.h"
#include "io/file.h"
#include "io/uv/uv.h"

/* The proportional set of a process, KiB; -1 when it is gone or not ours to see. */
static int64_t pss_kib(sp_world *w, sp_arena *a, int64_t pid)
{
	sp_str text, line;
	uint64_t kib;
	sp_str path = sp_arena_printf(a, "/proc/%" PRId64 "/smaps_rollup", pid);
	if (pid <= 0 || sp_file_read_arena(w, path, a, 4096, &text, NULL) != SP_OK)
		return -1;
	while (sp_str_cut(&text, '\n', &line)) {
		if (!sp_str_take(&line, SP_STR("Pss:")))
			continue;
		line = sp_str_trim(line);
		ptrdiff_t blank = sp_str_index(line, ' ');
		if (blank < 0 ||
		    sp_parse_u64(sp_str_sub(line, 0, (size_t)blank), 0, INT64_MAX, &kib, NULL) != SP_OK)
			return -1;
		return (int64_t)kib;
	}
	return -1;
}

static const char *duration_text(sp_arena *a, int64_t ms)
{
	int64_t s = ms / 1000;
	if (s < 120)
		return sp_arena_printf(a, "%" PRId64 "s", s).ptr;
	if (s < 7200)
		return sp_arena_printf(a, "%" PRId64 "m", s / 60).ptr;
	return sp_arena_printf(a, "%" PRId64 "h", s / 3600).ptr;
}

static int64_t number_of(yyjson_val *role, const char *key)
{
	return yyjson_get_sint(yyjson_obj_get(role, key));
}

static int64_t print_process(sp_world *w, sp_arena *a, sp_str name, sp_str state, int64_t pid,
			     const char *since, int64_t n_restarts, sp_str last)
{
	int64_t kib = pss_kib(w, a, pid);
	printf("%-12.*s %-9.*s %8" PRId64 " %6s %9" PRId64 " %7.1f MiB", SP_ARG(name), SP_ARG(state), pid,
	       since, n_restarts, kib < 0 ? 0.0 : (double)kib / 1024);
	if (last.len > 0)
		printf("  last: " SP_FMT, SP_ARG(last));
	printf("\n");
	return SP_MAX(kib, 0);
}

static int show(sp_world *w, sp_arena *a, const cli_running *r)
{
	size_t i, n;
	yyjson_val *role;
	int status = 0;
	printf("%-12s %-9s %8s %6s %9s %11s\n", "ROLE", "STATE", "PID", "FOR", "RESTARTS", "MEMORY");
	int64_t kib =
		print_process(w, a, SP_STR("supervisor"), SP_STR("running"), r->pid, "", 0, (sp_str){0});
	yyjson_arr_foreach(r->roles, i, n, role)
	{
		sp_str state = sp_json_str(yyjson_obj_get(role, "state"));
		if (!sp_str_eq(state, SP_STR("running")))
			status = 1;
		kib += print_process(w, a, sp_json_str(yyjson_obj_get(role, "name")), state,
				     number_of(role, "pid"),
				     duration_text(a, number_of(role, "forMilliseconds")),
				     number_of(role, "restarts"), sp_json_str(yyjson_obj_get(role, "last")));
	}
	printf("%-12s %-9s %8s %6s %9s %7.1f MiB\n", "together", "", "", "", "", (double)kib / 1024);
	return status;
}

int cli_status(int argc, char **argv)
{
	sp_str run_dir = SP_STR("/run/sampan");
	const cli_flag table[] = {{"run-dir", CLI_STR, &run_dir, "as given to sampan server"}};
	sp_err err = {0};
	int status;
	if (!cli_begin("status", NULL, table, SP_LEN(table), argc, argv, &status))
		return status;
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)1 << 20);
	cli_running r;
	sp_world *w = NULL;
	sp_code code = cli_running_find(&a, run_dir, &r, &err);
	if (code == SP_OK)
		code = sp_world_uv_new(&w, &err);
	if (code != SP_OK)
		return cli_end("status", code, &err);
	status = show(w, &a, &r);
	sp_world_uv_free(w);
	return status;
}
