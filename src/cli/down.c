/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan down`: stops every role of this machine, then its pods; nothing of either is left but the data. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/leftovers.h"
#include "cli/process.h"
#include "cli/purge.h"
#include "cli/running.h"
#include "contracts/local_path.h"
#include "io/file.h"
#include "io/uv/uv.h"

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

/* Runs a verb of this program and waits for it. */
static sp_code run(sp_arena *a, const char *const *args, sp_err *err)
{
	sp_str self;
	const char *argv[8] = {NULL};
	int status = 0;
	pid_t pid;
	SP_TRY(cli_self(a, &self, err));
	argv[0] = self.ptr;
	for (size_t i = 0; args[i] != NULL; i++)
		argv[i + 1] = args[i];
	int errnum = posix_spawn(&pid, self.ptr, NULL, NULL, (char *const *)(uintptr_t)argv, environ);
	if (errnum != 0)
		return sp_fail_sys(err, errnum, "start '%s'", self.ptr);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0)
		return sp_fail(err, SP_EINTERNAL, "sampan %s failed", args[0]);
	return SP_OK;
}

/* Pods outlive the roles; they and what the kernel was told go last. */
static sp_code clean_up(sp_world *w, sp_arena *a, sp_str data_dir, sp_str run_dir, sp_str cgroup_root,
			sp_err *err)
{
	const char *cri[] = {"cri",
			     "--cleanup",
			     SP_CONCAT(a, SP_STR("--root="), data_dir).ptr,
			     SP_CONCAT(a, SP_STR("--run-dir="), run_dir, SP_STR("/runtime")).ptr,
			     SP_CONCAT(a, SP_STR("--listen=unix://"), run_dir, SP_STR("/cri.sock")).ptr,
			     "--log-level=warn",
			     NULL};
	static const char *const proxy[] = {"service-proxy", "--cleanup", NULL};
	sp_stat st;
	if (sp_path_stat(w, SP_CONCAT(a, data_dir, SP_STR("/state")), &st, NULL) != SP_OK)
		return SP_OK; /* there never was a pod */
	SP_TRY(run(a, cri, err));
	SP_TRY(run(a, proxy, err));
	SP_TRY(cli_unmount_below(w, a, SP_CONCAT(a, data_dir, SP_STR("/node")), err));
	return cli_remove_cgroups(w, a, cgroup_root, err);
}

typedef struct flags {
	sp_str data_dir, run_dir, cgroup_root, volumes_dir;
	bool purge, yes;
} flags;

static sp_code stop_all(sp_arena *a, const flags *f, sp_err *err)
{
	cli_running r;
	sp_world *w = NULL;
	sp_code code = cli_running_find(a, f->run_dir, &r, err);
	if (code == SP_OK) {
		code = stop(r.pid, err);
	} else if (code == SP_ENOTFOUND) {
		printf("%s\n", err->msg);
		code = SP_OK; /* but pods of one that was killed may be left */
	}
	if (code == SP_OK)
		code = sp_world_uv_new(&w, err);
	if (code == SP_OK)
		code = clean_up(w, a, f->data_dir, f->run_dir, f->cgroup_root, err);
	sp_world_uv_free(w);
	return code;
}

/* Asks before anything is stopped. */
static sp_code purge(sp_arena *a, const flags *f, sp_err *err)
{
	cli_purge p;
	SP_TRY(cli_purge_find(a, f->data_dir, f->run_dir, f->volumes_dir, &p, err));
	if (!f->yes && !cli_purge_ask(&p))
		return sp_fail(err, SP_ECANCELED,
			       "nothing was stopped or removed; --yes answers the question");
	SP_TRY(stop_all(a, f, err));
	SP_TRY(cli_purge_remove(&p, err));
	printf("removed\n");
	return SP_OK;
}

int cli_down(int argc, char **argv)
{
	flags f = {.data_dir = SP_STR("/var/lib/sampan"),
		   .run_dir = SP_STR("/run/sampan"),
		   .cgroup_root = SP_STR("kubepods"),
		   .volumes_dir = SP_STR(SP_LOCAL_PATH_DIR)};
	const cli_flag table[] = {
		{"cgroup-root", CLI_STR, &f.cgroup_root, "as given to sampan node"},
		{"data-dir", CLI_STR, &f.data_dir, "as given to sampan server"},
		{"local-path-dir", CLI_STR, &f.volumes_dir, "as given to sampan node"},
		{"purge", CLI_BOOL, &f.purge, "remove all data, too: says what, and asks first"},
		{"run-dir", CLI_STR, &f.run_dir, "as given to sampan server"},
		{"yes", CLI_BOOL, &f.yes, "do not ask"},
	};
	sp_err err = {0};
	int status;
	if (!cli_begin("down", NULL, table, SP_LEN(table), argc, argv, &status))
		return status;
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	return cli_end("down", f.purge ? purge(&a, &f, &err) : stop_all(&a, &f, &err), &err);
}
