/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/process.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/hash.h"
#include "cli/cli.h"
#include "io/uv/uv.h"

#define ARENA_BYTES ((size_t)16 << 20)
#define PATH_BYTES 4096

bool cli_begin(const char *verb, const char *usage, const cli_flag *flags, size_t n, int argc, char **argv,
	       int *ret_status)
{
	sp_err err = {0};
	char line[64];
	bool help;
	if (cli_flags_parse(flags, n, argc, argv, &help, &err) != SP_OK) {
		(void)fprintf(stderr, "sampan %s: %s\n", verb, err.msg);
		*ret_status = CLI_EXIT_USAGE;
		return false;
	}
	if (!help)
		return true;
	(void)snprintf(line, sizeof line, "sampan %s [FLAGS]", verb);
	cli_flags_help(usage != NULL ? usage : line, flags, n);
	*ret_status = 0;
	return false;
}

int cli_end(const char *verb, sp_code code, const sp_err *err)
{
	if (code == SP_OK)
		return 0;
	if (err != NULL)
		(void)fprintf(stderr, "sampan %s: %s\n", verb, err->msg);
	return sp_code_lookup(code)->exit_code;
}

static int64_t wall_ns(void *arg)
{
	return sp_wall_ns(((cli_process *)arg)->world);
}

sp_code cli_process_open(cli_process *p, const char *component, sp_str log_level, sp_err *err)
{
	sp_log_level level;
	sp_hash_key seed;
	if (p->arena.limit_bytes == 0)
		sp_arena_init(&p->arena, ARENA_BYTES);
	SP_TRY(sp_log_level_parse(log_level, &level, err));
	SP_TRY(sp_world_uv_new(&p->world, err));
	sp_random(p->world, &seed, sizeof seed);
	sp_hash_seed_set(seed);
	p->log = sp_log_new(&(sp_log_opts){.level = level,
					   .format = isatty(STDERR_FILENO) ? SP_LOG_TEXT : SP_LOG_JSON,
					   .component = component,
					   .wall_ns = wall_ns,
					   .write = sp_log_to_stderr,
					   .arg = p});
	sp_log_dump_on_crash(p->log);
	return SP_OK;
}

sp_code cli_process_on_stop(cli_process *p, void (*fn)(void *arg, int signal), void *arg, sp_err *err)
{
	SP_TRY(sp_signal_watch_new(p->world, SIGTERM, fn, arg, &p->term, err));
	return sp_signal_watch_new(p->world, SIGINT, fn, arg, &p->interrupt, err);
}

void cli_process_done(cli_process *p)
{
	sp_signal_watch_free(p->term);
	sp_signal_watch_free(p->interrupt);
	sp_log_free(p->log);
	sp_world_uv_free(p->world);
	sp_arena_done(&p->arena);
}

sp_code cli_self(sp_arena *a, sp_str *ret, sp_err *err)
{
	char path[PATH_BYTES];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path);
	if (n <= 0 || (size_t)n >= sizeof path)
		return sp_fail(err, SP_EINTERNAL, "/proc/self/exe can't be read: is /proc mounted?");
	*ret = sp_arena_try_dup(a, (sp_str){path, (size_t)n});
	return ret->ptr == NULL ? sp_fail(err, SP_ENOMEM, "no memory for a path") : SP_OK;
}

sp_str cli_beside(sp_arena *a, const char *name)
{
	sp_str self = {NULL, 0};
	ptrdiff_t slash = cli_self(a, &self, NULL) == SP_OK ? sp_str_rindex(self, '/') : -1;
	return SP_CONCAT(a, sp_str_sub(self, 0, (size_t)(slash + 1)), sp_str_c(name));
}
