/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/oci.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "shim/files.h"

#define ARGS_MAX 32u
#define ARENA_BYTES ((size_t)256 << 10)
#define LOG_BYTES_MAX ((size_t)256 << 10)
#define UNIFIED "/sys/fs/cgroup/unified"

/* ---- choosing ---- */

/* The absolute path of a program, or NULL. */
static const char *look_up(sp_str name, sp_str path, sp_arena *a)
{
	if (sp_str_starts(name, SP_STR("/"))) {
		sp_str copy = sp_arena_try_dup(a, name);
		return copy.len > 0 && access(copy.ptr, X_OK) == 0 ? copy.ptr : NULL;
	}
	while (path.len > 0) {
		sp_str dir;
		(void)sp_str_next(&path, ':', &dir);
		sp_str full = SP_CONCAT(a, dir, SP_STR("/"), name);
		if (sp_str_starts(dir, SP_STR("/")) && full.len > 0 && access(full.ptr, X_OK) == 0)
			return full.ptr;
	}
	return NULL;
}

static bool is_crun(const char *path)
{
	sp_str text = sp_str_c(path);
	return sp_str_find(sp_str_sub(text, (size_t)(sp_str_rindex(text, '/') + 1), text.len),
			   SP_STR("crun")) >= 0;
}

/* A cgroup2 mount with controllers beside version 1. */
static bool is_hybrid(const shim_cgroup_fs *fs)
{
	char path[SHIM_CGROUP_PATH_BYTES];
	SP_AUTO_BUF text;
	sp_buf_init(&text, 4096);
	int n = snprintf(path, sizeof path, "%s/unified/cgroup.controllers", fs->root);
	return !fs->v2 && n > 0 && (size_t)n < sizeof path &&
	       shim_read_file(AT_FDCWD, path, &text, NULL) == SP_OK &&
	       sp_str_trim(sp_buf_view(&text)).len > 0;
}

static const char *pick(const shim_options *o, const shim_config *config, bool hybrid, sp_str path,
			sp_arena *a, sp_str *ret_note)
{
	bool named = o->binary_name.len > 0;
	const char *crun = look_up(named ? o->binary_name : SP_STR("crun"), path, a);
	if (named && (crun == NULL || !is_crun(crun)))
		return crun;
	const char *runc = look_up(SP_STR("runc"), path, a);
	if (crun != NULL && runc != NULL && hybrid && config->shares_mounts) {
		*ret_note = SP_STR("runc instead of crun: shared mounts on a hybrid cgroup layout");
		return runc;
	}
	return crun != NULL ? crun : runc;
}

sp_code shim_oci_choose(const shim_options *o, const shim_config *config, const shim_cgroup_fs *fs, sp_str ns,
			sp_str path, sp_arena *a, shim_oci *ret, sp_str *ret_note, sp_err *err)
{
	bool hybrid = is_hybrid(fs);
	shim_oci out = {.systemd_cgroup = o->systemd_cgroup,
			.no_pivot_root = o->no_pivot_root,
			.no_new_keyring = o->no_new_keyring};
	*ret_note = (sp_str){NULL, 0};
	out.path = pick(o, config, hybrid, path, a, ret_note);
	if (out.path == NULL)
		return sp_fail(err, SP_ENOTFOUND, "no OCI runtime: %s%.*s",
			       o->binary_name.len > 0 ? "" : "crun, runc", SP_ARG(o->binary_name));
	out.hide = hybrid && is_crun(out.path);
	sp_str root = SP_CONCAT(a, o->root.len > 0 ? o->root : SP_STR(SHIM_DEFAULT_ROOT), SP_STR("/"), ns);
	if (root.len == 0)
		return sp_fail(err, SP_ENOMEM, "no memory for a path");
	out.root = root.ptr;
	*ret = out;
	return SP_OK;
}

/* ---- running ---- */

struct shim_run {
	shim_child child;
	shim_reaper *reaper;
	char *log_path;
	off_t log_start; /* errors of earlier runs are not ours */
	int out_fd;      /* what it printed; -1 = not kept */
	void (*done)(void *arg, bool ok, sp_str why);
	void *arg;
};

static void run_free(shim_run *r)
{
	if (r->out_fd >= 0)
		(void)close(r->out_fd);
	sp_free(r->log_path);
	sp_free(r);
}

static sp_str read_tail(int fd, off_t from, sp_buf *out)
{
	char bytes[1024];
	ssize_t n;
	while ((n = pread(fd, bytes, sizeof bytes, from)) > 0 &&
	       sp_buf_append(out, bytes, (size_t)n) == SP_OK)
		from += n;
	return sp_buf_view(out);
}

/* The log's last error, else what was printed, else the status. */
static sp_str explain(const shim_run *r, uint32_t status, sp_arena *a)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, LOG_BYTES_MAX);
	sp_str why = {NULL, 0};
	int fd = open(r->log_path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		why = shim_log_error(read_tail(fd, r->log_start, &text), a);
		(void)close(fd);
	}
	if (why.len == 0 && r->out_fd >= 0) {
		sp_buf_clear(&text);
		why = sp_arena_try_dup(a, sp_str_trim(read_tail(r->out_fd, 0, &text)));
	}
	return why.len > 0 ? why : sp_arena_printf(a, "exit status %u", status);
}

static void on_child_exit(shim_child *c, const shim_exit *e)
{
	shim_run *r = c->arg;
	sp_arena a;
	sp_arena_init(&a, ARENA_BYTES + LOG_BYTES_MAX);
	r->done(r->arg, e->status == 0, e->status == 0 ? (sp_str){NULL, 0} : explain(r, e->status, &a));
	/* not before: its child may have ended already, and is looked for there */
	shim_reaper_release(r->reaper);
	sp_arena_done(&a);
	run_free(r);
}

static sp_code spawn(shim_run *r, const shim_run_opts *o, sp_err *err)
{
	const char *argv[ARGS_MAX];
	size_t n = 0;
	const shim_oci *oci = o->oci;
	if (oci->hide) {
		argv[n++] = "/proc/self/exe";
		argv[n++] = "hide-unified";
	}
	argv[n++] = oci->path;
	argv[n++] = "--root";
	argv[n++] = oci->root;
	argv[n++] = "--log";
	argv[n++] = r->log_path;
	argv[n++] = "--log-format";
	argv[n++] = "json";
	if (oci->systemd_cgroup)
		argv[n++] = "--systemd-cgroup";
	for (size_t i = 0; o->args[i] != NULL; i++) {
		SP_ASSERT(n + 1 < ARGS_MAX);
		argv[n++] = o->args[i];
	}
	argv[n] = NULL;
	const int kept[] = {o->std_in, r->out_fd, r->out_fd};
	const shim_spawn_opts spawn_opts = {
		.path = argv[0],
		.argv = argv,
		.fds = o->fds != NULL ? o->fds : kept,
		.n_fds = 3,
		/* else it may make what `delete` has looked for in vain */
		.dies_with_us = true,
	};
	int pid;
	shim_exit ended;
	SP_TRY(shim_spawn(&spawn_opts, &pid, err));
	bool over = shim_child_add(r->reaper, &r->child, pid, &ended);
	SP_ASSERT(!over); /* children are reaped by the loop only */
	shim_reaper_hold(r->reaper);
	return SP_OK;
}

sp_code shim_oci_run(const shim_run_opts *o, sp_err *err)
{
	struct stat st;
	size_t n = strlen(o->bundle) + sizeof "/log.json";
	shim_run *r = sp_try_alloc(sizeof *r);
	if (r == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the OCI runtime");
	r->child = (shim_child){.on_exit = on_child_exit, .arg = r};
	r->reaper = o->reaper;
	r->done = o->done;
	r->arg = o->arg;
	r->out_fd = -1;
	r->log_path = sp_try_alloc(n);
	if (r->log_path == NULL) {
		run_free(r);
		return sp_fail(err, SP_ENOMEM, "no memory for the OCI runtime");
	}
	(void)snprintf(r->log_path, n, "%s/log.json", o->bundle);
	r->log_start = stat(r->log_path, &st) == 0 ? st.st_size : 0;
	if (o->fds == NULL)
		r->out_fd = memfd_create("oci-runtime", MFD_CLOEXEC);
	sp_code code = spawn(r, o, err);
	if (code != SP_OK)
		run_free(r);
	return code;
}

int shim_hide_unified(char **argv)
{
	/*
	 * What is mounted outside still comes in; what is unmounted here stays outside. crun takes the bare
	 * directory for one more hierarchy and makes a directory for each container there, which nobody would
	 * ever remove: those go with this namespace.
	 */
	if (unshare(CLONE_NEWNS) != 0 || mount("", "/", "", MS_SLAVE | MS_REC, NULL) != 0 ||
	    umount2(UNIFIED, MNT_DETACH) != 0 ||
	    mount("hidden", UNIFIED, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k") != 0) {
		(void)dprintf(STDERR_FILENO, "cannot hide %s: %s\n", UNIFIED, strerror(errno));
		return 125;
	}
	(void)execv(argv[0], argv);
	(void)dprintf(STDERR_FILENO, "exec %s: %s\n", argv[0], strerror(errno));
	return 127;
}
