/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/num.h"
#include "shim/cgroup.h"
#include "shim/child.h"
#include "shim/commands.h"
#include "shim/config.h"
#include "shim/files.h"
#include "shim/unix.h"

#define SOCKET_DIR "/run/containerd/s"
#define ARENA_BYTES ((size_t)16 << 20)

/* ---- where ---- */

static sp_code read_group(const char *bundle, const shim_args *args, sp_arena *a, sp_str *ret, sp_err *err)
{
	SP_AUTO_BUF json;
	shim_config config;
	sp_buf_init(&json, SHIM_CONFIG_BYTES_MAX);
	sp_str path = SP_CONCAT(a, sp_str_c(bundle), SP_STR("/config.json"));
	if (path.len == 0)
		return sp_fail(err, SP_ENOMEM, "no memory for a path");
	SP_TRY(shim_read_file(AT_FDCWD, path.ptr, &json, err));
	SP_TRY(shim_config_parse(sp_buf_view(&json), a, &config, err));
	*ret = config.group.len > 0 ? config.group : sp_str_c(args->id);
	return SP_OK;
}

/* A name of fixed length for whatever length the three have. Not secret: the keys are only to tell apart. */
static sp_str socket_path(const shim_args *args, sp_str dir, sp_str group, sp_arena *a)
{
	sp_str text =
		SP_CONCAT(a, sp_str_c(args->address), SP_STR("/"), sp_str_c(args->ns), SP_STR("/"), group);
	uint64_t high = sp_siphash13((sp_hash_key){1, 2}, text.ptr, text.len);
	uint64_t low = sp_siphash13((sp_hash_key){3, 4}, text.ptr, text.len);
	return sp_arena_printf(a, SP_FMT "/%016llx%016llx", SP_ARG(dir), (unsigned long long)high,
			       (unsigned long long)low);
}

/* Each directory of the path, as far as it is missing. */
static void make_dirs(sp_str dir, sp_arena *a)
{
	for (size_t i = 1; i <= dir.len; i++) {
		if (i < dir.len && dir.ptr[i] != '/')
			continue;
		sp_str part = sp_arena_try_dup(a, sp_str_sub(dir, 0, i));
		if (part.len > 0)
			(void)mkdir(part.ptr, 0711); /* what is wrong with it, bind will say */
	}
}

/* A new listener; SP_EEXISTS: a live shim has it. A dead one's is replaced. */
static sp_code claim(const char *path, int *ret_fd, sp_err *err)
{
	for (int try = 0;; try++) {
		sp_code code = shim_unix_listen(path, 0600, ret_fd, err);
		int peer;
		if (code != SP_EEXISTS || try > 0)
			return code;
		if (shim_unix_connect(path, &peer, NULL) == SP_OK) {
			(void)close(peer);
			return code;
		}
		(void)unlink(path);
	}
}

/* ---- the server ---- */

/* One more than the parent's, containerd: the kernel shall rather kill us. It is inherited. */
static void set_oom_score(void)
{
	char path[64], text[16];
	SP_AUTO_BUF now;
	int64_t score;
	sp_buf_init(&now, 64);
	(void)snprintf(path, sizeof path, "/proc/%d/oom_score_adj", (int)getppid());
	if (shim_read_file(AT_FDCWD, path, &now, NULL) != SP_OK ||
	    sp_parse_i64(sp_str_trim(sp_buf_view(&now)), -1000, 1000, &score, NULL) != SP_OK)
		return;
	int n = snprintf(text, sizeof text, "%d", (int)SP_MIN(score + 1, INT64_C(1000)));
	(void)!shim_poke_file("/proc/self/oom_score_adj", (sp_str){text, (size_t)n}, NULL);
}

/* The server shall not share a core's threads with others (containerd's SCHED_CORE). */
static sp_code set_core_scheduling(sp_err *err)
{
	const char *wanted = secure_getenv("SCHED_CORE");
	if (wanted == NULL || *wanted == 0)
		return SP_OK;
	if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, PR_SCHED_CORE_SCOPE_THREAD_GROUP, 0) != 0)
		return sp_fail_sys(err, errno, "core scheduling");
	return SP_OK;
}

/* Groups, scores and such are set on this process, which the server inherits: it is born where it belongs. */
static sp_code prepare(const shim_boot *boot, sp_arena *a, sp_err *err)
{
	if (boot->options.shim_cgroup.len > 0) {
		shim_cgroup_fs fs = shim_cgroup_detect("/sys/fs/cgroup");
		SP_TRY(shim_cgroup_join(&fs, boot->options.shim_cgroup, 0, err));
	}
	SP_TRY(set_core_scheduling(err));
	set_oom_score();
	sp_str address = sp_arena_try_dup(a, boot->ttrpc_address);
	if (address.len > 0 && setenv("TTRPC_ADDRESS", address.ptr, 1) != 0)
		return sp_fail_sys(err, errno, "environment");
	return SP_OK;
}

static sp_code start_server(const shim_args *args, const char *socket, int fd, int *ret_pid, sp_err *err)
{
	const char *argv[12] = {"containerd-shim-sampan-v1",
				"-namespace",
				args->ns,
				"-id",
				args->id,
				"-address",
				args->address,
				"-socket",
				socket,
				args->debug ? "-debug" : NULL,
				NULL};
	const int fds[] = {-1, -1, -1, fd};
	const shim_spawn_opts o = {.path = "/proc/self/exe", .argv = argv, .fds = fds, .n_fds = SP_LEN(fds)};
	return shim_spawn(&o, ret_pid, err);
}

/* ---- all of it ---- */

static int answer(const shim_boot *boot, sp_str address)
{
	if (boot->is_params) {
		const shim_bootstrap_result result = {2, address, SP_STR("ttrpc")};
		return shim_print_message(&shim_bootstrap_result_message, &result);
	}
	return write(STDOUT_FILENO, address.ptr, address.len) == (ssize_t)address.len ? 0 : 1;
}

/* Before there is anything: whoever finds the bundle after our end at any instant knows where to look. */
static sp_code write_address(const char *bundle, sp_str address, sp_err *err)
{
	int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return sp_fail_sys(err, errno, "open %s", bundle);
	sp_code code = shim_write_file(dir, "address", address, 0644, err);
	(void)close(dir);
	return code;
}

static sp_code start(const shim_args *args, const char *bundle, const shim_boot *boot, sp_arena *a,
		     sp_str *ret_address, int *ret_pid, sp_err *err)
{
	sp_str group = {NULL, 0}, dir = boot->socket_dir.len > 0 ? boot->socket_dir : SP_STR(SOCKET_DIR);
	int fd;
	SP_TRY(read_group(bundle, args, a, &group, err));
	sp_str path = socket_path(args, dir, group, a);
	*ret_address = SP_CONCAT(a, SP_STR("unix://"), path);
	if (path.len == 0 || ret_address->len == 0)
		return sp_fail(err, SP_ENOMEM, "no memory for a path");
	SP_TRY(write_address(bundle, *ret_address, err));
	make_dirs(dir, a);
	sp_code code = claim(path.ptr, &fd, err);
	if (code == SP_EEXISTS)
		return SP_OK;
	SP_TRY(code);
	code = prepare(boot, a, err);
	if (code == SP_OK && boot->owner.uid != 0 && lchown(path.ptr, boot->owner.uid, boot->owner.gid) != 0)
		code = sp_fail_sys(err, errno, "give %s away", path.ptr);
	if (code == SP_OK)
		code = start_server(args, path.ptr, fd, ret_pid, err);
	(void)close(fd);
	if (code != SP_OK)
		(void)unlink(path.ptr);
	return code;
}

int shim_start(const shim_args *args)
{
	char room[4096];
	SP_AUTO_BUF input;
	shim_boot boot;
	sp_str address;
	sp_err err = {0};
	sp_arena a;
	int pid = 0;
	sp_buf_init(&input, (size_t)4 << 20);
	sp_arena_init(&a, ARENA_BYTES);
	const char *bundle = shim_bundle(args, room, sizeof room);
	sp_code code = shim_read_stdin(&input, &err);
	if (code == SP_OK)
		code = shim_boot_parse(sp_buf_view(&input), &a, &boot, &err);
	if (code == SP_OK)
		code = start(args, bundle, &boot, &a, &address, &pid, &err);
	int status = code == SP_OK ? answer(&boot, address) : shim_complain(&err);
	if (status != 0 && pid > 0)
		(void)kill(pid, SIGTERM);
	sp_arena_done(&a);
	return status;
}
