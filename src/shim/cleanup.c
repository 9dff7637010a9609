/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that work without a server: delete, -info; and what all commands share. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/num.h"
#include "base/version.h"
#include "shim/cgroup.h"
#include "shim/commands.h"
#include "shim/config.h"
#include "shim/files.h"
#include "shim/oci.h"
#include "shim/orphans.h"
#include "shim/rootfs.h"
#include "shim/unix.h"

#define ARENA_BYTES ((size_t)8 << 20)
#define FEATURES_BYTES ((size_t)1 << 20)
#define KILLED 137u

/* ---- shared ---- */

const char *shim_bundle(const shim_args *args, char *room, size_t n)
{
	if (*args->bundle != 0)
		return args->bundle;
	return getcwd(room, n) == NULL ? "." : room;
}

sp_code shim_read_stdin(sp_buf *out, sp_err *err)
{
	ssize_t n;
	if (isatty(STDIN_FILENO))
		return SP_OK;
	for (;;) {
		char bytes[4096];
		n = read(STDIN_FILENO, bytes, sizeof bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 || errno == EBADF ? SP_OK : sp_fail_sys(err, errno, "standard input");
		if (sp_buf_append(out, bytes, (size_t)n) != SP_OK)
			return sp_fail(err, sp_buf_code(out), "standard input is too large");
	}
}

int shim_print_message(const sp_pb_message *m, const void *from)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)1 << 20);
	sp_pb_encode(m, from, &out);
	return sp_buf_code(&out) == SP_OK && write(STDOUT_FILENO, out.ptr, out.len) == (ssize_t)out.len ? 0
													: 1;
}

int shim_complain(const sp_err *err)
{
	(void)dprintf(STDERR_FILENO, "%s\n", err->msg);
	return 1;
}

/* ---- delete ---- */

typedef struct cleanup {
	shim_loop loop;
	shim_reaper reaper;
	bool failed;
	char why[1024];
} cleanup;

static void runtime_done(void *arg, bool ok, sp_str why)
{
	cleanup *c = arg;
	c->failed = !ok && sp_str_find(why, SP_STR("does not exist")) < 0;
	(void)snprintf(c->why, sizeof c->why, SP_FMT, SP_ARG(why));
	shim_loop_stop(&c->loop);
}

static void no_signal(void *arg, int signal)
{
	(void)arg;
	(void)signal; /* containerd kills us when it has waited enough */
}

/* The options and the program that Create chose. */
static sp_code read_choice(const char *bundle, const shim_args *args, sp_arena *a, shim_oci *ret, sp_err *err)
{
	SP_AUTO_BUF text, path;
	shim_options o = {0};
	sp_str note;
	const shim_config config = {0};
	sp_buf_init(&text, (size_t)1 << 20);
	sp_buf_init(&path, 4096);
	int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return sp_fail_sys(err, errno, "open %s", bundle);
	/* Killed before Create: the defaults, and the runtime knows no such container. */
	if (shim_read_file(dir, "shim.options", &text, NULL) == SP_OK)
		(void)!sp_pb_decode(&shim_options_message, sp_arena_try_dup(a, sp_buf_view(&text)), a, &o,
				    NULL);
	if (shim_read_file(dir, "runtime", &path, NULL) == SP_OK && path.len > 0)
		o.binary_name = sp_arena_try_dup(a, sp_buf_view(&path));
	(void)close(dir);
	shim_cgroup_fs fs = shim_cgroup_detect("/sys/fs/cgroup");
	return shim_oci_choose(&o, &config, &fs, sp_str_c(args->ns), sp_str_c(secure_getenv("PATH")), a, ret,
			       &note, err);
}

static sp_code delete_force(const char *bundle, const shim_args *args, const shim_oci *oci, sp_err *err)
{
	static cleanup c;
	SP_TRY(shim_loop_init(&c.loop, err));
	SP_TRY(shim_reaper_init(&c.reaper, &c.loop, no_signal, NULL, err));
	const char *const argv[] = {"delete", "--force", args->id, NULL};
	const shim_run_opts o = {.reaper = &c.reaper,
				 .oci = oci,
				 .bundle = bundle,
				 .args = argv,
				 .std_in = -1,
				 .done = runtime_done,
				 .arg = &c};
	SP_TRY(shim_oci_run(&o, err));
	shim_loop_run(&c.loop);
	shim_reaper_done(&c.reaper);
	shim_loop_done(&c.loop);
	return c.failed ? sp_fail(err, SP_EINTERNAL, "OCI runtime delete failed: %s", c.why) : SP_OK;
}

/* A runtime that was killed while it made or removed a container leaves of it what no runtime can read, and
 * so none removes. Nothing of the container runs any more. */
static void remove_state(const shim_oci *oci, const char *id)
{
	char path[4096];
	int n = *id == 0 || *id == '.' || strchr(id, '/') != NULL /* no container has such an id */
			? -1
			: snprintf(path, sizeof path, "%s/%s", oci->root, id);
	DIR *d = n > 0 && (size_t)n < sizeof path ? opendir(path) : NULL;
	const struct dirent *e;
	if (d == NULL)
		return;
	while ((e = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), e->d_name, 0); /* what is no file stays, and the directory with it */
	(void)closedir(d);
	(void)rmdir(path);
}

static bool take_number(sp_str *in, int64_t *ret)
{
	sp_str word;
	if (!sp_str_cut(in, ' ', &word) && !sp_str_cut(in, '\n', &word))
		return false;
	return sp_parse_i64(word, 0, INT64_MAX, ret, NULL) == SP_OK;
}

/* "PID STATUS NANOSECONDS": what the server saw before it went. */
static bool read_record(const char *bundle, shim_delete_resp *ret, int64_t *ret_wall_ns)
{
	SP_AUTO_BUF text;
	int64_t pid, status;
	sp_buf_init(&text, 256);
	int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool found = dir >= 0 && shim_read_file(dir, "init.exit", &text, NULL) == SP_OK;
	sp_str rest = sp_buf_view(&text);
	found = found && take_number(&rest, &pid) && take_number(&rest, &status) &&
		take_number(&rest, ret_wall_ns);
	if (found) {
		ret->pid = (uint32_t)pid;
		ret->exit_status = (uint32_t)status;
	} else if (dir >= 0) {
		sp_buf_clear(&text);
		uint64_t n = 0;
		if (shim_read_file(dir, "init.pid", &text, NULL) == SP_OK &&
		    sp_parse_u64(sp_str_trim(sp_buf_view(&text)), 0, INT32_MAX, &n, NULL) == SP_OK)
			ret->pid = (uint32_t)n;
	}
	if (dir >= 0)
		(void)close(dir);
	return found;
}

/* The socket of a server that is gone, unless another has taken its place. */
static void remove_socket(const char *bundle)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 512);
	int peer, dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return;
	sp_str path = {NULL, 0};
	if (shim_read_file(dir, "address", &text, NULL) == SP_OK)
		path = sp_str_trim(sp_buf_view(&text));
	(void)close(dir);
	/* the buffer's NUL ends it: the file holds nothing but the address */
	if (!sp_str_take(&path, SP_STR("unix://")) || path.len == 0)
		return;
	if (shim_unix_connect(path.ptr, &peer, NULL) == SP_OK)
		(void)close(peer);
	else
		(void)unlink(path.ptr);
}

/* A runtime that was killed while it made the container knows no such container, but its group is there. */
static void remove_cgroup(const char *bundle, sp_arena *a)
{
	SP_AUTO_BUF json;
	shim_config config;
	sp_buf_init(&json, SHIM_CONFIG_BYTES_MAX);
	int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return;
	if (shim_read_file(dir, "config.json", &json, NULL) == SP_OK &&
	    shim_config_parse(sp_buf_view(&json), a, &config, NULL) == SP_OK) {
		shim_cgroup_fs fs = shim_cgroup_detect("/sys/fs/cgroup");
		shim_cgroup_remove(&fs, config.cgroup);
	}
	(void)close(dir);
}

int shim_delete(const shim_args *args)
{
	char room[4096];
	sp_err err = {0};
	sp_arena a;
	shim_oci oci;
	const char *bundle = shim_bundle(args, room, sizeof room);
	shim_delete_resp resp = {.exit_status = KILLED};
	int64_t wall_ns = shim_wall_ns(NULL);
	sp_arena_init(&a, ARENA_BYTES);
	shim_end_runtimes("/proc", bundle);
	sp_code code = read_choice(bundle, args, &a, &oci, &err);
	bool chosen = code == SP_OK;
	if (chosen)
		code = delete_force(bundle, args, &oci, &err);
	remove_cgroup(bundle, &a); /* also when that failed: nothing may run on in it */
	if (chosen)
		remove_state(&oci, args->id);
	sp_arena_done(&a);
	if (code != SP_OK)
		(void)shim_complain(&err); /* containerd logs it; the answer comes all the same */
	if (shim_rootfs_unmount(bundle, &err) != SP_OK)
		(void)shim_complain(&err);
	if (!read_record(bundle, &resp, &wall_ns))
		wall_ns = shim_wall_ns(NULL);
	remove_socket(bundle);
	shim_stamp at = shim_stamp_of(wall_ns);
	resp.exited_at = &at;
	return shim_print_message(&shim_delete_resp_message, &resp);
}

/* ---- info ---- */

/* What `OCI-RUNTIME features` prints; empty: it does not know the word, or there is none. U:
 * containerd-shim-runc-v2 manager, whose absence of features is no error either. */
static void read_features(const shim_options *o, sp_arena *a, sp_buf *out)
{
	static const shim_config config;
	const shim_cgroup_fs fs = shim_cgroup_detect("/sys/fs/cgroup");
	shim_oci oci;
	sp_str note;
	int fds[2], pid = 0, status = 0;
	char bytes[4096];
	ssize_t n;
	if (shim_oci_choose(o, &config, &fs, SP_STR("info"), sp_str_c(secure_getenv("PATH")), a, &oci, &note,
			    NULL) != SP_OK ||
	    pipe2(fds, O_CLOEXEC) != 0)
		return;
	const char *const argv[] = {oci.path, "features", NULL};
	const int child[] = {-1, fds[1], -1};
	const shim_spawn_opts opts = {.path = oci.path, .argv = argv, .fds = child, .n_fds = 3};
	bool runs = shim_spawn(&opts, &pid, NULL) == SP_OK;
	(void)close(fds[1]);
	while (runs && (n = read(fds[0], bytes, sizeof bytes)) > 0)
		sp_buf_append(out, bytes, (size_t)n);
	(void)close(fds[0]);
	if (!runs || waitpid(pid, &status, 0) != pid || status != 0)
		sp_buf_clear(out);
}

int shim_info(const shim_args *args)
{
	(void)args;
	SP_AUTO_BUF input;
	sp_err err = {0};
	sp_buf_init(&input, (size_t)4 << 20);
	if (shim_read_stdin(&input, &err) != SP_OK)
		return shim_complain(&err);
	shim_any options;
	sp_arena a;
	sp_arena_init(&a, ARENA_BYTES);
	if (sp_pb_decode(&shim_any_message, sp_buf_view(&input), &a, &options, &err) != SP_OK) {
		sp_arena_done(&a);
		return shim_complain(&err);
	}
	shim_options parsed;
	SP_AUTO_BUF json;
	sp_buf_init(&json, FEATURES_BYTES);
	if (shim_options_of(options.type_url.len > 0 ? &options : NULL, &a, &parsed, &err) == SP_OK)
		read_features(&parsed, &a, &json);
	shim_any features = {SP_STR("types.containerd.io/opencontainers/runtime-spec/1/features/Features"),
			     sp_str_trim(sp_buf_view(&json))};
	shim_version_msg version = {.version = SP_STR(SP_VERSION)};
	const shim_info_msg info = {.name = SP_STR(SHIM_RUNTIME_NAME),
				    .version = &version,
				    .options = options.type_url.len > 0 ? &options : NULL,
				    .features = features.value.len > 0 ? &features : NULL};
	int status = shim_print_message(&shim_info_message, &info);
	sp_arena_done(&a);
	return status;
}
