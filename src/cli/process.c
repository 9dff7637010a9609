/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "cli/cli.h"
#include "cli/config.h"
#include "io/uv/uv.h"

#define ARENA_BYTES ((size_t)16 << 20)
#define PATH_BYTES 4096

/* Set while somebody asks for tables only. */
static struct {
	cli_describe_fn *fn;
	void *arg;
} describing;

/* Of texts of the configuration, which stay. */
static sp_arena config_arena;

static void free_config(void)
{
	sp_arena_done(&config_arena);
}

static sp_code apply_config(const char *verb, const cli_flag *flags, size_t n, sp_err *err)
{
	if (config_arena.limit_bytes == 0) {
		sp_arena_init(&config_arena, ARENA_BYTES);
		(void)atexit(free_config);
	}
	return cli_config_apply(&config_arena, verb, flags, n, (const char *const *)environ, err);
}

bool cli_begin(const char *verb, const char *usage, const cli_flag *flags, size_t n, int argc, char **argv,
	       int *ret_status)
{
	sp_err err = {0};
	char line[64];
	bool help;
	*ret_status = 0;
	if (describing.fn != NULL) {
		describing.fn(describing.arg, flags, n);
		return false;
	}
	if (apply_config(verb, flags, n, &err) != SP_OK ||
	    cli_flags_parse(flags, n, argc, argv, &help, &err) != SP_OK) {
		(void)fprintf(stderr, "sampan %s: %s\n", verb, err.msg);
		*ret_status = CLI_EXIT_USAGE;
		return false;
	}
	if (!help)
		return true;
	(void)snprintf(line, sizeof line, "sampan %s [FLAGS]", verb);
	cli_flags_help(usage != NULL ? usage : line, flags, n);
	return false;
}

static int print_actions(FILE *to, const cli_action *actions, size_t n, int status)
{
	(void)fprintf(to, "Usage:\n");
	for (size_t i = 0; i < n; i++)
		(void)fprintf(to, "  %s\n", actions[i].usage);
	return status;
}

bool cli_begin_action(const char *verb, const cli_action *actions, size_t n_actions, const cli_flag *flags,
		      size_t n_flags, int argc, char **argv, size_t *ret_action, sp_str *ret_name,
		      int *ret_status)
{
	size_t at = 0;
	*ret_name = SP_STR("");
	if (argc >= 2 && cli_is_help(argv[1])) {
		*ret_status = print_actions(stdout, actions, n_actions, 0);
		return false;
	}
	while (argc >= 2 && at < n_actions && strcmp(actions[at].name, argv[1]) != 0)
		at++;
	if (argc < 2 || at == n_actions) {
		*ret_status = print_actions(stderr, actions, n_actions, CLI_EXIT_USAGE);
		return false;
	}
	bool named = argc > 2 && argv[2][0] != '-' && actions[at].takes_name;
	int skip = named ? 2 : 1;
	*ret_action = at;
	if (named)
		*ret_name = sp_str_c(argv[2]);
	if (!cli_begin(verb, actions[at].usage, flags, n_flags, argc - skip, argv + skip, ret_status))
		return false;
	if (named || !actions[at].needs_name)
		return true;
	*ret_status = print_actions(stderr, actions, n_actions, CLI_EXIT_USAGE);
	return false;
}

void cli_describe(const cli_verb *v, cli_describe_fn *fn, void *arg)
{
	char word[32];
	char *argv[] = {(char *)(uintptr_t)v->name, word, NULL};
	size_t n = v->words == NULL ? 0 : strcspn(v->words, " ");
	if (v->has_no_flags)
		return;
	SP_ASSERT(describing.fn == NULL && n < sizeof word);
	(void)snprintf(word, sizeof word, "%.*s", (int)n, v->words == NULL ? "" : v->words);
	describing.fn = fn;
	describing.arg = arg;
	(void)v->run(v->needs_word ? 2 : 1, argv);
	describing.fn = NULL;
}

/* ---- options of all verbs ---- */

typedef struct searching {
	sp_str name;
	const char *nearest;
	size_t best;
} searching;

static void search(void *arg, const cli_flag *flags, size_t n)
{
	searching *s = arg;
	for (size_t i = 0; i < n; i++) {
		size_t d = cli_distance(s->name, sp_str_c(flags[i].name));
		if (d < s->best) {
			s->best = d;
			s->nearest = flags[i].name; /* a constant */
		}
	}
}

static searching search_all(sp_str name, size_t within)
{
	size_t n;
	const cli_verb *verbs = cli_verbs(&n);
	searching s = {name, NULL, within};
	for (size_t i = 0; i < n; i++)
		cli_describe(&verbs[i], search, &s);
	return s;
}

bool cli_option_is_known(sp_str name)
{
	return search_all(name, 1).nearest != NULL;
}

size_t cli_option_nearest(sp_str name, char *out, size_t n)
{
	const char *nearest = search_all(name, 4).nearest;
	size_t len = nearest == NULL ? 0 : strlen(nearest);
	if (len == 0 || len > n)
		return 0;
	for (size_t i = 0; i < len; i++) /* no terminated text */
		out[i] = nearest[i];
	return len;
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

const char *const *cli_role_environment(sp_arena *a, bool all)
{
	size_t n = 0, i_env = 0;
	while (environ[n] != NULL)
		n++;
	const char **env = sp_new(a, const char *, n + 2);
	env[i_env++] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	sp_str prefix = all ? SP_STR(CLI_ENV_PREFIX) : SP_STR(CLI_ENV_PREFIX "CONFIG=");
	for (size_t i = 0; i < n; i++) {
		if (sp_str_starts(sp_str_c(environ[i]), prefix))
			env[i_env++] = environ[i];
	}
	env[i_env] = NULL;
	return env;
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
