/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User namespaces of pods: made by a process that only holds them, pinned as the others are; mounts that show
 * files with the ids of one. U: man user_namespaces(7), mount_setattr(2).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/host_int.h"

/* ---- making ---- */

/* `tell` gets errno, or 0 when the namespaces are there. */
SP_NORETURN static void hold(int flags, int tell, int wait)
{
	char byte;
	int failed = unshare(CLONE_NEWUSER | flags) == 0 ? 0 : errno;
	if (write(tell, &failed, sizeof failed) == (ssize_t)sizeof failed && failed == 0)
		(void)!read(wait, &byte, 1); /* until the other end is closed, or its process gone */
	_exit(0);
}

static sp_code write_map(pid_t pid, const char *file, uint32_t host_id, uint32_t length, sp_err *err)
{
	char path[64], text[64];
	(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	int n = snprintf(text, sizeof text, "0 %u %u\n", (unsigned)host_id, (unsigned)length);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int failed = fd >= 0 && write(fd, text, (size_t)n) == n ? 0 : errno;
	if (fd >= 0)
		(void)close(fd);
	return failed == 0 ? SP_OK
			   : sp_fail_sys(err, failed, "map ids %u to %u", (unsigned)host_id,
					 (unsigned)(host_id + length - 1));
}

void host_holder_end(host_holder *x)
{
	if (x->pid <= 0)
		return;
	(void)close(x->wait);
	(void)waitpid(x->pid, NULL, 0);
	x->pid = 0;
}

sp_code host_holder_start(const sp_host_sandbox_make *m, int flags, host_holder *ret, sp_err *err)
{
	int tell[2], wait[2], failed = EIO;
	if (pipe2(tell, O_CLOEXEC) != 0)
		return sp_fail_sys(err, errno, "pipe");
	if (pipe2(wait, O_CLOEXEC) != 0) {
		failed = errno;
		(void)close(tell[0]);
		(void)close(tell[1]);
		return sp_fail_sys(err, failed, "pipe");
	}
	host_holder x = {.pid = fork(), .wait = wait[1]};
	if (x.pid == 0) {
		(void)close(wait[1]);
		hold(flags, tell[1], wait[0]);
	}
	if (x.pid < 0)
		failed = errno;
	(void)close(tell[1]);
	(void)close(wait[0]);
	if (x.pid > 0 && read(tell[0], &failed, sizeof failed) != (ssize_t)sizeof failed)
		failed = EIO;
	(void)close(tell[0]);
	sp_code code = failed == 0 ? SP_OK : sp_fail_sys(err, failed, "make a user namespace");
	if (code == SP_OK)
		code = write_map(x.pid, "uid_map", m->uid_host, m->uid_length, err);
	if (code == SP_OK)
		code = write_map(x.pid, "gid_map", m->gid_host, m->gid_length, err);
	if (code == SP_OK) {
		*ret = x;
		return SP_OK;
	}
	if (x.pid > 0)
		host_holder_end(&x);
	else
		(void)close(x.wait);
	return code;
}

/* ---- finding ---- */

static sp_code users_path(const host *h, sp_str id, host_path_buf *ret, sp_err *err)
{
	return host_path_of(h, "sandboxes", id, "/ns/user", ret, err);
}

sp_code host_users_pin(const host *h, sp_str id, const host_holder *x, sp_err *err)
{
	host_path_buf path;
	char from[64];
	SP_TRY(users_path(h, id, &path, err));
	(void)snprintf(from, sizeof from, "/proc/%d/ns/user", (int)x->pid);
	int fd = open(path.text, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", path.text);
	(void)close(fd);
	int tree = (int)syscall(SYS_open_tree, AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int failed = tree >= 0 && syscall(SYS_move_mount, tree, "", AT_FDCWD, path.text,
					  MOVE_MOUNT_F_EMPTY_PATH) == 0
			     ? 0
			     : errno;
	if (tree >= 0)
		(void)close(tree);
	return failed == 0 ? SP_OK : sp_fail_sys(err, failed, "pin %s", path.text);
}

sp_code host_users_open(const host *h, sp_str id, int *ret, sp_err *err)
{
	host_path_buf path;
	SP_TRY(users_path(h, id, &path, err));
	*ret = open(path.text, O_RDONLY | O_CLOEXEC);
	return *ret >= 0 || errno == ENOENT ? SP_OK : sp_fail_sys(err, errno, "open %s", path.text);
}

/* ---- mounts with other ids ---- */

sp_code host_mount_mapped(const char *from, const char *target, int users, bool recursive, sp_err *err)
{
	unsigned deep = recursive ? AT_RECURSIVE : 0;
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)(unsigned)users};
	int tree = (int)syscall(SYS_open_tree, AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | deep);
	if (tree < 0)
		return sp_fail_sys(err, errno, "open %s", from);
	sp_code code = SP_OK;
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | deep, &attr, sizeof attr) != 0)
		code = sp_fail_sys(err, errno, "map the ids of %s", from);
	else if (syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) != 0)
		code = sp_fail_sys(err, errno, "mount %s", target);
	(void)close(tree);
	return code;
}

sp_code host_mounts_dir(const host *h, sp_str id, host_path_buf *ret, sp_err *err)
{
	SP_TRY(host_path_of(h, "containers", id, "", ret, err));
	if (chmod(ret->text, 0751) != 0)
		return sp_fail_sys(err, errno, "open %s to its user", ret->text);
	SP_TRY(host_path_of(h, "containers", id, "/mounts", ret, err));
	return host_mkdir(ret->text, 0711, err);
}

sp_code host_mounts_remove(const host *h, sp_str id, sp_err *err)
{
	host_path_buf path;
	const struct dirent *e;
	char at[HOST_PATH_BYTES + NAME_MAX + 2];
	SP_TRY(host_path_of(h, "containers", id, "/mounts", &path, err));
	DIR *d = opendir(path.text);
	if (d == NULL)
		return errno == ENOENT ? SP_OK : sp_fail_sys(err, errno, "open %s", path.text);
	sp_code code = SP_OK;
	while (code == SP_OK && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		(void)snprintf(at, sizeof at, "%s/%s", path.text, e->d_name);
		code = host_unmount(at, err);
	}
	(void)closedir(d);
	return code;
}

static sp_code make_target(const char *from, const char *target, sp_err *err)
{
	struct stat st;
	if (stat(from, &st) != 0)
		return sp_fail_sys(err, errno, "look at %s", from);
	if (S_ISDIR(st.st_mode))
		return host_mkdir(target, 0711, err);
	int fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", target);
	(void)close(fd);
	return SP_OK;
}

sp_code host_volume(host_request *r, const void *message, sp_err *err)
{
	const sp_host_volume *m = message;
	host_path_buf dir;
	char target[HOST_PATH_BYTES + 16];
	int users;
	sp_str from = sp_arena_try_dup(&r->arena, m->path);
	if (from.len == 0 || from.ptr[0] != '/' || memchr(from.ptr, '\0', from.len) != NULL ||
	    m->index >= SP_HOST_VOLUMES_MAX)
		return sp_fail(err, SP_EINVAL, "malformed request for a volume");
	SP_TRY(host_mounts_dir(r->h, m->id, &dir, err));
	(void)snprintf(target, sizeof target, "%s/%u", dir.text, (unsigned)m->index);
	SP_TRY(host_users_open(r->h, m->users_of, &users, err));
	if (users < 0)
		return sp_fail(err, SP_ENOTFOUND, "the pod has no user namespace");
	sp_code code = host_unmount(target, err);
	if (code == SP_OK)
		code = make_target(from.ptr, target, err);
	if (code == SP_OK)
		code = host_mount_mapped(from.ptr, target, users, m->recursive, err);
	(void)close(users);
	if (code == SP_OK)
		host_answer(r, NULL);
	return code;
}
