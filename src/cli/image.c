/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan image`: the images of this node, when no runtime has them open. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/hash.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/image_progress.h"
#include "cli/process.h"
#include "io/file.h"
#include "io/tls/x509.h"
#include "io/uv/uv.h"
#include "runtime/image/pull.h"
#include "runtime/image/reference.h"
#include "runtime/image/transfer.h"

#define ARGUMENTS_MAX 64u
#define PASSWORD_BYTES ((size_t)64 << 10)

typedef struct flags {
	sp_str data_dir, hosts_dir, helper, platform, username, base_name;
	bool password_stdin, no_unpack, allow_devices, all;
} flags;

typedef struct process {
	flags f;
	sp_str args[ARGUMENTS_MAX];
	size_t n_args;
	sp_arena arena;
	sp_buf password;
	sp_world *world;
	image_helper helper;
	image_store *store;
	image_registry *registry;
	image_pull *pull;
	sp_signal_watch *interrupt, *term;
	cli_image_progress progress;
	size_t i_arg;
	sp_code code;
	sp_err err;
} process;

/* ---- beginning and end ---- */

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

static void finish(process *p, sp_code code, const sp_err *err)
{
	p->code = code;
	if (err != NULL)
		p->err = *err;
	if (p->registry != NULL)
		image_registry_close(p->registry, on_registry_closed, p);
	else
		image_store_close(p->store, on_store_closed, p);
}

static void on_signal(void *arg, int signal)
{
	process *p = arg;
	if (p->pull == NULL)
		_exit(128 + signal); /* nothing here that is not safe to leave at any time */
	image_pull_cancel(p->pull);
	p->pull = NULL;
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
	SP_TRY(sp_world_uv_new(&p->world, &p->err));
	sp_hash_key seed;
	sp_random(p->world, &seed, sizeof seed);
	sp_hash_seed_set(seed);
	SP_TRY(find_helper(p, &helper));
	image_helper_init(&p->helper, p->world, helper);
	const image_store_opts opts = {
		.dir = sp_arena_printf(&p->arena, SP_FMT "/images", SP_ARG(p->f.data_dir)),
		.unpacker = &p->helper.unpacker,
		.allow_devices = p->f.allow_devices,
	};
	/* Roles that are not root go through it to what is theirs. */
	SP_TRY(sp_dir_make(p->world, p->f.data_dir, 0755, &p->err));
	SP_TRY(image_store_open(p->world, &opts, &p->store, &p->err));
	sp_strs broken = image_broken(p->store);
	for (size_t i = 0; i < broken.n; i++)
		(void)fprintf(stderr, "sampan image: '" SP_FMT "' is damaged and was dropped\n",
			      SP_ARG(broken.items[i]));
	SP_TRY(sp_signal_watch_new(p->world, SIGINT, on_signal, p, &p->interrupt, &p->err));
	return sp_signal_watch_new(p->world, SIGTERM, on_signal, p, &p->term, &p->err);
}

static void on_done(void *arg, sp_code code, const sp_err *err)
{
	finish(arg, code, err);
}

/* ---- pull ---- */

/* "os/architecture[/variant]" */
static sp_code split_platform(process *p, sp_str *os, sp_str *architecture, sp_str *variant)
{
	sp_str rest = p->f.platform;
	if (rest.len == 0)
		return SP_OK;
	if (!sp_str_cut(&rest, '/', os))
		return sp_fail(&p->err, SP_EINVAL,
			       "--platform is os/architecture or os/architecture/variant");
	if (sp_str_cut(&rest, '/', architecture))
		*variant = rest;
	else
		*architecture = rest;
	return SP_OK;
}

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

static void on_progress(void *arg, const image_progress *e)
{
	process *p = arg;
	cli_image_progress_event(&p->progress, e, sp_now_ns(p->world));
}

static void pull_next(process *p);

static void on_pulled(void *arg, sp_code code, const image *img, const sp_err *err)
{
	process *p = arg;
	p->pull = NULL;
	cli_image_progress_end(&p->progress);
	if (code != SP_OK) {
		finish(p, code, err);
		return;
	}
	printf(SP_FMT "\n", SP_ARG(img->id));
	p->i_arg++;
	pull_next(p);
}

static sp_code start_pull(process *p)
{
	const image_credentials login = {.username = p->f.username,
					 .password = sp_str_trim(sp_buf_view(&p->password))};
	image_pull_opts o = {.reference = p->args[p->i_arg],
			     .credentials = p->f.username.len > 0 ? &login : NULL,
			     .no_unpack = p->f.no_unpack,
			     .on_progress = on_progress,
			     .done = on_pulled,
			     .arg = p};
	SP_TRY(split_platform(p, &o.os, &o.architecture, &o.variant));
	cli_image_progress_begin(&p->progress, o.reference);
	return image_pull_start(p->store, p->registry, &o, &p->pull, &p->err);
}

static void pull_next(process *p)
{
	sp_code code = SP_OK;
	if (p->i_arg < p->n_args)
		code = start_pull(p);
	if (code != SP_OK || p->i_arg == p->n_args)
		finish(p, code, NULL);
}

static sp_code run_pull(process *p)
{
	const image_registry_opts opts = {.config_dir = p->f.hosts_dir};
	if (p->f.password_stdin != (p->f.username.len > 0))
		return sp_fail(&p->err, SP_EINVAL, "--username and --password-stdin go together");
	if (p->f.password_stdin)
		SP_TRY(read_password(p));
	SP_TRY(image_registry_new(p->world, &opts, &p->registry, &p->err));
	pull_next(p);
	return SP_OK;
}

/* ---- import, export ---- */

static sp_str absolute(process *p, sp_str path)
{
	char cwd[4096];
	if (path.len > 0 && path.ptr[0] == '/')
		return path;
	return getcwd(cwd, sizeof cwd) == NULL ? path
					       : SP_CONCAT(&p->arena, sp_str_c(cwd), SP_STR("/"), path);
}

static sp_code import_next(process *p);

static void on_imported(void *arg, sp_code code, sp_strs names, const sp_err *err)
{
	process *p = arg;
	for (size_t i = 0; i < names.n; i++)
		printf(SP_FMT "\n", SP_ARG(names.items[i]));
	p->i_arg++;
	if (code != SP_OK || p->i_arg == p->n_args) {
		finish(p, code, err);
		return;
	}
	code = import_next(p);
	if (code != SP_OK)
		finish(p, code, NULL);
}

static sp_code import_next(process *p)
{
	image_import_opts o = {.path = absolute(p, p->args[p->i_arg]),
			       .base_name = p->f.base_name,
			       .done = on_imported,
			       .arg = p};
	SP_TRY(split_platform(p, &o.os, &o.architecture, &o.variant));
	image_import(p->store, &o);
	return SP_OK;
}

static sp_code run_export(process *p)
{
	const image_export_opts o = {.path = absolute(p, p->args[0]),
				     .references = p->args + 1,
				     .n_references = p->n_args - 1,
				     .done = on_done,
				     .arg = p};
	image_export(p->store, &o);
	return SP_OK;
}

/* ---- list, remove, prune, tag ---- */

static void print_size(uint64_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	size_t u = 0;
	uint64_t tenths = bytes * 10;
	while (tenths >= 10000 && u + 1 < SP_LEN(units)) {
		tenths /= 1000;
		u++;
	}
	if (u == 0)
		printf("%10llu %s", (unsigned long long)bytes, units[u]);
	else
		printf("%8llu.%llu %s", (unsigned long long)tenths / 10, (unsigned long long)tenths % 10,
		       units[u]);
}

static sp_code run_list(process *p)
{
	size_t n;
	const image *const *images = image_list(p->store, &n);
	for (size_t i = 0; i < n; i++) {
		const image *m = images[i];
		const sp_strs *names = m->tags.n > 0 ? &m->tags : &m->digests;
		for (size_t k = 0; k < names->n && (k == 0 || p->f.all || m->tags.n > 0); k++) {
			printf(SP_FMT "  ", SP_ARG(sp_str_sub(m->id, 7, 7 + 12)));
			print_size(m->size_bytes);
			printf("  " SP_FMT "%s\n", SP_ARG(names->items[k]), m->pinned ? "  (pinned)" : "");
		}
		for (size_t k = 0; p->f.all && m->tags.n > 0 && k < m->digests.n; k++)
			printf("%28s" SP_FMT "\n", "", SP_ARG(m->digests.items[k]));
	}
	finish(p, SP_OK, NULL);
	return SP_OK;
}

static void remove_next(process *p);

static void on_removed(void *arg, sp_code code, const sp_err *err)
{
	process *p = arg;
	p->i_arg++;
	if (code == SP_OK)
		remove_next(p);
	else
		finish(p, code, err);
}

static void remove_next(process *p)
{
	sp_err err;
	if (p->i_arg == p->n_args)
		finish(p, SP_OK, NULL);
	else if (image_find(p->store, p->args[p->i_arg]) == NULL)
		finish(p,
		       sp_fail(&err, SP_ENOTFOUND, "there is no image '" SP_FMT "'",
			       SP_ARG(p->args[p->i_arg])),
		       &err);
	else
		image_remove(p->store, p->args[p->i_arg], on_removed, p);
}

static sp_code run_remove(process *p)
{
	remove_next(p);
	return SP_OK;
}

static sp_code run_tag(process *p)
{
	image_tag(p->store, p->args[0], p->args[1], on_done, p);
	return SP_OK;
}

static sp_code run_untag(process *p)
{
	image_untag(p->store, p->args[0], on_done, p);
	return SP_OK;
}

static sp_code run_pin(process *p)
{
	image_pin(p->store, p->args[0], true, on_done, p);
	return SP_OK;
}

static sp_code run_unpin(process *p)
{
	image_pin(p->store, p->args[0], false, on_done, p);
	return SP_OK;
}

static void on_pruned(void *arg, sp_code code, image_usage freed, const sp_err *err)
{
	if (code == SP_OK) {
		printf("freed");
		print_size(freed.bytes);
		printf(", %llu files\n", (unsigned long long)freed.inodes);
	}
	finish(arg, code, err);
}

static sp_code run_prune(process *p)
{
	if (p->f.all)
		image_prune(p->store, on_pruned, p);
	else
		image_collect(p->store, on_pruned, p);
	return SP_OK;
}

/* ---- verbs ---- */

typedef struct verb {
	const char *name, *usage, *summary;
	size_t n_min, n_max;
	sp_code (*run)(process *p);
} verb;

static const verb verbs[] = {
	{"export", "FILE REFERENCE …", "write images to a tar: OCI layout and docker archive at once", 2,
	 ARGUMENTS_MAX, run_export},
	{"import", "FILE …", "take images from OCI layouts (tar or directory) and docker archives", 1,
	 ARGUMENTS_MAX, import_next},
	{"list", "", "show the images", 0, 0, run_list},
	{"pin", "REFERENCE", "keep an image: neither prune nor the kubelet's collection removes it", 1, 1,
	 run_pin},
	{"prune", "", "remove what no image needs; with --all also images that no container uses", 0, 0,
	 run_prune},
	{"pull", "REFERENCE …", "get images from registries, and unpack them", 1, ARGUMENTS_MAX, run_pull},
	{"remove", "REFERENCE …", "remove images with all their names", 1, ARGUMENTS_MAX, run_remove},
	{"tag", "REFERENCE NAME", "give an image one more name", 2, 2, run_tag},
	{"unpin", "REFERENCE", "take the pin out again", 1, 1, run_unpin},
	{"untag", "NAME", "take one name away; the image goes with its last", 1, 1, run_untag},
};

static const verb *find_verb(const char *name)
{
	for (size_t i = 0; i < SP_LEN(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static int help(void)
{
	printf("Usage: sampan image VERB [ARGUMENTS] [FLAGS]\n\nVerbs:\n");
	for (size_t i = 0; i < SP_LEN(verbs); i++)
		printf("  %-8s %-20s %s\n", verbs[i].name, verbs[i].usage, verbs[i].summary);
	printf("\n'sampan image VERB --help' shows the flags.\n");
	return 0;
}

/* Arguments stand before the flags. Returns how many of argv they are. */
static int take_arguments(process *p, int argc, char **argv)
{
	int i = 1;
	while (i < argc && argv[i][0] != '-' && p->n_args < ARGUMENTS_MAX)
		p->args[p->n_args++] = sp_str_c(argv[i++]);
	return i - 1;
}

static void run(process *p, const verb *v)
{
	sp_code code = open_store(p);
	if (code == SP_OK)
		code = v->run(p);
	if (code != SP_OK && p->store != NULL)
		finish(p, code, NULL);
	p->code = code != SP_OK ? code : p->code;
	if (p->store != NULL)
		sp_world_run(p->world);
	sp_signal_watch_free(p->interrupt);
	sp_signal_watch_free(p->term);
	if (p->world != NULL)
		sp_world_uv_free(p->world);
}

static int run_verb(process *p, const verb *v, int argc, char **argv)
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
	(void)snprintf(usage, sizeof usage, "sampan image %s %s [FLAGS]", v->name, v->usage);
	if (!cli_begin("image", usage, table, SP_LEN(table), argc - n, argv + n, &status))
		return status;
	if (p->n_args < v->n_min || p->n_args > v->n_max) {
		(void)fprintf(stderr, "sampan image %s: usage: %s\n", v->name, usage);
		return CLI_EXIT_USAGE;
	}
	run(p, v);
	if (p->code != SP_OK)
		(void)fprintf(stderr, "sampan image %s: %s\n", v->name, p->err.msg);
	return p->code == SP_OK ? 0 : sp_code_lookup(p->code)->exit_code;
}

int cli_image(int argc, char **argv)
{
	process p = {
		.f = {.data_dir = SP_STR("/var/lib/sampan"), .hosts_dir = SP_STR("/etc/sampan/certs.d")}};
	if (argc < 2) {
		(void)fprintf(stderr, "sampan image: no verb given; 'sampan image --help' lists them\n");
		return CLI_EXIT_USAGE;
	}
	if (cli_is_help(argv[1]))
		return help();
	const verb *v = find_verb(argv[1]);
	if (v == NULL) {
		(void)fprintf(stderr, "sampan image: unknown verb '%s'; 'sampan image --help' lists them\n",
			      argv[1]);
		return CLI_EXIT_USAGE;
	}
	sp_arena_init(&p.arena, (size_t)1 << 20);
	sp_buf_init(&p.password, PASSWORD_BYTES);
	int status = run_verb(&p, v, argc - 1, argv + 1);
	sp_buf_cleanse(&p.password);
	sp_buf_done(&p.password);
	sp_arena_done(&p.arena);
	return status;
}
