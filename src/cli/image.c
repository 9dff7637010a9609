/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan image`: the images of this node, in their store or by the runtime that has it open. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/hash.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/image_live.h"
#include "cli/image_progress.h"
#include "cli/process.h"
#include "io/file.h"
#include "io/tls/x509.h"
#include "io/uv/uv.h"
#include "runtime/image/verbs.h"

#define PASSWORD_BYTES ((size_t)64 << 10)
#define HOSTS_DIR SP_STR("/etc/sampan/certs.d")

typedef struct flags {
	sp_str data_dir, hosts_dir, helper, platform, username, base_name;
	bool password_stdin, no_unpack, allow_devices, all;
} flags;

typedef struct process {
	flags f;
	const image_verb_info *verb;
	sp_str args[IMAGE_VERB_ARGUMENTS];
	size_t n_args;
	sp_arena arena;
	sp_buf password;
	sp_str dir; /* of the store */
	sp_world *world;
	image_helper helper;
	image_store *store;
	image_registry *registry;
	image_verb *run;
	sp_signal_watch *interrupt, *term;
	cli_image_progress progress;
	sp_code code;
	sp_err err;
} process;

/* ---- what both ways need ---- */

static sp_code read_password(process *p)
{
	char *room = sp_buf_reserve(&p->password, PASSWORD_BYTES);
	ssize_t n = 1;
	for (size_t have = 0; room != NULL && n > 0 && have < PASSWORD_BYTES; have += (size_t)n) {
		n = read(STDIN_FILENO, room + have, PASSWORD_BYTES - have);
		if (n > 0)
			sp_buf_added(&p->password, (size_t)n);
	}
	if (room == NULL || n < 0)
		return sp_fail(&p->err, SP_EIO, "the password can't be read from standard input");
	return SP_OK;
}

static sp_str absolute(process *p, sp_str path)
{
	char cwd[4096];
	if (path.len > 0 && path.ptr[0] == '/')
		return path;
	return getcwd(cwd, sizeof cwd) == NULL ? path
					       : SP_CONCAT(&p->arena, sp_str_c(cwd), SP_STR("/"), path);
}

static bool is_verb(const process *p, const char *name)
{
	return strcmp(p->verb->name, name) == 0;
}

static sp_code check(process *p)
{
	if (p->n_args < p->verb->n_min || p->n_args > p->verb->n_max)
		return sp_fail(&p->err, SP_EINVAL, "usage: sampan image %s %s [FLAGS]", p->verb->name,
			       p->verb->usage);
	if (p->f.password_stdin != (p->f.username.len > 0))
		return sp_fail(&p->err, SP_EINVAL, "--username and --password-stdin go together");
	if (p->f.password_stdin)
		SP_TRY(read_password(p));
	size_t n_files = is_verb(p, "import") ? p->n_args : is_verb(p, "export") ? 1 : 0;
	for (size_t i = 0; i < n_files; i++)
		p->args[i] = absolute(p, p->args[i]);
	p->f.data_dir = absolute(p, p->f.data_dir);
	p->dir = sp_arena_printf(&p->arena, SP_FMT "/images", SP_ARG(p->f.data_dir));
	return SP_OK;
}

/* ---- in the store ---- */

static void on_store_closed(void *arg)
{
	process *p = arg;
	p->store = NULL;
	sp_world_stop(p->world);
}

static void on_registry_closed(void *arg)
{
	process *p = arg;
	p->registry = NULL;
	image_store_close(p->store, on_store_closed, p);
}

static void on_done(void *arg, sp_code code, const sp_err *err)
{
	process *p = arg;
	p->run = NULL;
	p->code = code;
	if (err != NULL)
		p->err = *err;
	cli_image_progress_end(&p->progress);
	if (p->registry != NULL)
		image_registry_close(p->registry, on_registry_closed, p);
	else
		image_store_close(p->store, on_store_closed, p);
}

static void on_out(void *arg, sp_str text)
{
	(void)arg;
	(void)fwrite(text.ptr, 1, text.len, stdout); /* seen by the flush at the end */
}

static void on_progress(void *arg, sp_str reference, const image_progress *e)
{
	process *p = arg;
	cli_image_progress_event(&p->progress, reference, e, sp_now_ns(p->world));
}

static void on_signal(void *arg, int signal)
{
	process *p = arg;
	if (p->run == NULL || !is_verb(p, "pull"))
		_exit(128 + signal); /* nothing here that is not safe to leave at any time */
	image_verb_cancel(p->run);
}

/* sampan-unpack stands beside this program. */
static sp_code find_helper(process *p, const char **ret)
{
	sp_str self;
	if (p->f.helper.len > 0) {
		*ret = p->f.helper.ptr;
		return SP_OK;
	}
	if (cli_self(&p->arena, &self, NULL) != SP_OK)
		return sp_fail(&p->err, SP_ENOTFOUND,
			       "sampan-unpack is not found: give its path by --helper");
	*ret = cli_beside(&p->arena, "sampan-unpack").ptr;
	return SP_OK;
}

static sp_code open_store(process *p)
{
	const char *helper = NULL;
	SP_TRY(find_helper(p, &helper));
	image_helper_init(&p->helper, p->world, helper);
	const image_store_opts opts = {
		.dir = p->dir,
		.unpacker = &p->helper.unpacker,
		.allow_devices = p->f.allow_devices,
	};
	/* Roles that are not root go through it to what is theirs. */
	SP_TRY(sp_dir_make(p->world, p->f.data_dir, 0755, &p->err));
	return image_store_open(p->world, &opts, &p->store, &p->err);
}

static sp_code start_here(process *p)
{
	const image_registry_opts registry = {.config_dir = p->f.hosts_dir};
	const image_verb_opts o = {.verb = p->verb,
				   .args = p->args,
				   .n_args = p->n_args,
				   .all = p->f.all,
				   .no_unpack = p->f.no_unpack,
				   .platform = p->f.platform,
				   .base_name = p->f.base_name,
				   .username = p->f.username,
				   .password = sp_str_trim(sp_buf_view(&p->password)),
				   .out = on_out,
				   .progress = on_progress,
				   .done = on_done,
				   .arg = p};
	sp_strs broken = image_broken(p->store);
	for (size_t i = 0; i < broken.n; i++)
		(void)fprintf(stderr, "sampan image: '" SP_FMT "' is damaged and was dropped\n",
			      SP_ARG(broken.items[i]));
	SP_TRY(sp_signal_watch_new(p->world, SIGINT, on_signal, p, &p->interrupt, &p->err));
	SP_TRY(sp_signal_watch_new(p->world, SIGTERM, on_signal, p, &p->term, &p->err));
	if (is_verb(p, "pull"))
		SP_TRY(image_registry_new(p->world, &registry, &p->registry, &p->err));
	image_verb_start(p->store, p->registry, &o, &p->run);
	return SP_OK;
}

static void run_here(process *p)
{
	sp_code code = start_here(p);
	if (code != SP_OK)
		on_done(p, code, NULL);
	sp_world_run(p->world);
	sp_signal_watch_free(p->interrupt);
	sp_signal_watch_free(p->term);
}

/* ---- by the runtime ---- */

/* What only whoever opens the store decides. */
static sp_code check_live(process *p)
{
	const char *flag = p->f.allow_devices                      ? "--allow-devices"
			   : p->f.helper.len > 0                   ? "--helper"
			   : !sp_str_eq(p->f.hosts_dir, HOSTS_DIR) ? "--hosts-dir"
								   : NULL;
	return flag == NULL ? SP_OK
			    : sp_fail(&p->err, SP_EINVAL,
				      "%s is for when no runtime has the images open: it has its own", flag);
}

/* A request for each file, or for all arguments. */
static sp_code ask(process *p, sp_str address, size_t i_arg, size_t n_args)
{
	sp_image_run_request q = {.verb = sp_str_c(p->verb->name),
				  .all = p->f.all,
				  .no_unpack = p->f.no_unpack,
				  .platform = p->f.platform,
				  .base_name = p->f.base_name,
				  .username = p->f.username,
				  .password = sp_str_trim(sp_buf_view(&p->password))};
	bool file = is_verb(p, "import") || is_verb(p, "export");
	q.args.at = p->args + i_arg;
	q.args.n = n_args;
	const cli_image_live_opts o = {.address = address,
				       .request = &q,
				       .file = file ? p->args[i_arg] : (sp_str){NULL, 0},
				       .progress = &p->progress};
	sp_code code = cli_image_live(p->world, &o, &p->err);
	cli_image_progress_end(&p->progress);
	return code;
}

static sp_code run_live(process *p, sp_str address)
{
	SP_TRY(check_live(p));
	if (!is_verb(p, "import"))
		return ask(p, address, 0, p->n_args);
	for (size_t i = 0; i < p->n_args; i++)
		SP_TRY(ask(p, address, i, 1));
	return SP_OK;
}

/* ---- verbs ---- */

static void run(process *p)
{
	sp_hash_key seed;
	sp_str address;
	sp_err why;
	p->code = check(p);
	if (p->code == SP_OK)
		p->code = sp_world_uv_new(&p->world, &p->err);
	if (p->code != SP_OK)
		return;
	sp_random(p->world, &seed, sizeof seed);
	sp_hash_seed_set(seed);
	p->code = open_store(p);
	if (p->code == SP_OK)
		run_here(p);
	else if (p->code == SP_EUNAVAILABLE &&
		 cli_image_live_address(p->world, p->dir, &p->arena, &address, &why) == SP_OK)
		p->code = run_live(p, address);
	sp_world_uv_free(p->world);
}

static int help(void)
{
	printf("Usage: sampan image VERB [ARGUMENTS] [FLAGS]\n\nVerbs:\n");
	for (size_t i = 0; i < image_verbs_n; i++)
		printf("  %-8s %-20s %s\n", image_verbs[i].name, image_verbs[i].usage,
		       image_verbs[i].summary);
	printf("\nWhile a runtime has the images open, it is asked. 'sampan image VERB --help' shows the "
	       "flags.\n");
	return 0;
}

/* Arguments stand before the flags. Returns how many of argv they are. */
static int take_arguments(process *p, int argc, char **argv)
{
	int i = 1;
	while (i < argc && argv[i][0] != '-' && p->n_args < IMAGE_VERB_ARGUMENTS)
		p->args[p->n_args++] = sp_str_c(argv[i++]);
	return i - 1;
}

static int run_verb(process *p, int argc, char **argv)
{
	const cli_flag table[] = {
		{"all", CLI_BOOL, &p->f.all, "list: digests, too; prune: images that no container uses, too"},
		{"allow-devices", CLI_BOOL, &p->f.allow_devices, "layers may bring device files"},
		{"base-name", CLI_STR, &p->f.base_name,
		 "import: name of images that have only a tag, or none"},
		{"data-dir", CLI_STR, &p->f.data_dir, "where the images are, in the directory images"},
		{"helper", CLI_STR, &p->f.helper, "path of sampan-unpack; default: beside this program"},
		{"hosts-dir", CLI_STR, &p->f.hosts_dir,
		 "directory of HOST/hosts.toml: mirrors, certificates"},
		{"no-unpack", CLI_BOOL, &p->f.no_unpack, "pull: contents only"},
		{"password-stdin", CLI_BOOL, &p->f.password_stdin,
		 "pull: the password comes on standard input"},
		{"platform", CLI_STR, &p->f.platform, "os/architecture[/variant]; default: this machine's"},
		{"username", CLI_STR, &p->f.username, "pull: user at the registry"},
	};
	char usage[128];
	int status, n = take_arguments(p, argc, argv);
	(void)snprintf(usage, sizeof usage, "sampan image %s %s [FLAGS]", p->verb->name, p->verb->usage);
	if (!cli_begin("image", usage, table, SP_LEN(table), argc - n, argv + n, &status))
		return status;
	run(p);
	if (p->code != SP_OK)
		(void)fprintf(stderr, "sampan image %s: %s\n", p->verb->name, p->err.msg);
	return p->code == SP_OK ? 0 : sp_code_lookup(p->code)->exit_code;
}

int cli_image(int argc, char **argv)
{
	process p = {.f = {.data_dir = SP_STR("/var/lib/sampan"), .hosts_dir = HOSTS_DIR}};
	if (argc < 2) {
		(void)fprintf(stderr, "sampan image: no verb given; 'sampan image --help' lists them\n");
		return CLI_EXIT_USAGE;
	}
	if (cli_is_help(argv[1]))
		return help();
	p.verb = image_verb_find(sp_str_c(argv[1]));
	if (p.verb == NULL) {
		(void)fprintf(stderr, "sampan image: unknown verb '%s'; 'sampan image --help' lists them\n",
			      argv[1]);
		return CLI_EXIT_USAGE;
	}
	sp_arena_init(&p.arena, (size_t)1 << 20);
	sp_buf_init(&p.password, PASSWORD_BYTES);
	int status = run_verb(&p, argc - 1, argv + 1);
	sp_buf_cleanse(&p.password);
	sp_buf_done(&p.password);
	sp_arena_done(&p.arena);
	return status;
}
