/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles of containers: the root filesystem, config.json, the user database inside. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "host/host_int.h"

#define USERS_BYTES ((size_t)1 << 20)
/* mount(2) takes one page. */
#define MOUNT_DATA_BYTES 4096u

/* ---- overlay ---- */

/* "12/fs" and the like: no way out of the snapshots. */
sp_code host_check_snapshot(sp_str s, sp_err *err)
{
	bool ok = s.len > 0 && s.ptr[0] != '/' && sp_str_find(s, SP_STR("..")) < 0;
	for (size_t i = 0; ok && i < s.len; i++)
		ok = s.ptr[i] == '/' || s.ptr[i] == '-' || s.ptr[i] == '_' || s.ptr[i] == '.' ||
		     (s.ptr[i] >= 'a' && s.ptr[i] <= 'z') || (s.ptr[i] >= '0' && s.ptr[i] <= '9');
	return ok ? SP_OK : sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no snapshot", SP_ARG(s));
}

/* `mounts`: where the layers are mounted with other ids; -1: they are taken as they are. */
static sp_code overlay_data(const sp_host_rootfs_mount *m, int mounts, sp_buf *out, sp_err *err)
{
	sp_buf_str(out, SP_STR("lowerdir="));
	for (size_t i = 0; i < m->lower.n; i++) {
		SP_TRY(host_check_snapshot(m->lower.at[i], err));
		if (i > 0)
			sp_buf_char(out, ':');
		if (mounts >= 0)
			sp_buf_printf(out, "/proc/self/fd/%d/l%zu", mounts, i);
		else
			sp_buf_str(out, m->lower.at[i]);
	}
	SP_TRY(host_check_snapshot(m->upper, err));
	SP_TRY(host_check_snapshot(m->work, err));
	sp_buf_printf(out, ",upperdir=" SP_FMT ",workdir=" SP_FMT ",index=off%s", SP_ARG(m->upper),
		      SP_ARG(m->work), m->user_xattr ? ",userxattr" : "");
	if (sp_buf_code(out) != SP_OK)
		return sp_fail(err, SP_ETOOLARGE, "the image has too many layers for one mount");
	return SP_OK;
}

/* The upper directory is the root of what the container sees: its root's, whoever made it. */
static sp_code own_upper(const char *dir, sp_str upper, uint32_t uid, uint32_t gid, sp_arena *a, sp_err *err)
{
	const struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
				     .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
	sp_str path = sp_arena_try_dup(a, upper);
	int above = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = above < 0 || path.ptr == NULL ? -1
					       : (int)syscall(SYS_openat2, above, path.ptr, &how, sizeof how);
	int failed = fd >= 0 && fchown(fd, uid, gid) == 0 ? 0 : errno;
	if (fd >= 0)
		(void)close(fd);
	if (above >= 0)
		(void)close(above);
	return failed == 0 ? SP_OK : sp_fail_sys(err, failed, "open " SP_FMT, SP_ARG(upper));
}

static sp_code mount_overlay(host_request *r, const sp_host_rootfs_mount *m, int mounts, unsigned long flags,
			     const char *target, sp_err *err)
{
	SP_AUTO_BUF data;
	sp_buf_init(&data, MOUNT_DATA_BYTES - 1);
	SP_TRY(overlay_data(m, mounts, &data, err));
	sp_str dir = sp_arena_try_dup(&r->arena, m->snapshots_dir);
	if (dir.len == 0 || dir.ptr[0] != '/' || memchr(dir.ptr, 0, dir.len) != NULL)
		return sp_fail(err, SP_EINVAL, "no directory of snapshots");
	SP_TRY(own_upper(dir.ptr, m->upper, m->uid, m->gid, &r->arena, err));
	/* Short names in the mount data, which fits a page then: relative to where we stand. */
	if (chdir(dir.ptr) != 0)
		return sp_fail_sys(err, errno, "chdir %s", dir.ptr);
	int failed = mount("overlay", target, "overlay", flags, data.ptr) == 0 ? 0 : errno;
	SP_ASSERT(chdir("/") == 0);
	return failed == 0 ? SP_OK : sp_fail_sys(err, failed, "mount the image at %s", target);
}

/* Each layer with the ids of the pod's users, below the bundle, while the overlay is made of them. */
static sp_code map_layers(host_request *r, const sp_host_rootfs_mount *m, const char *dir, int users,
			  sp_err *err)
{
	sp_arena *a = &r->arena;
	for (size_t i = 0; i < m->lower.n; i++) {
		SP_TRY(host_check_snapshot(m->lower.at[i], err));
		sp_str from = SP_CONCAT(a, m->snapshots_dir, SP_STR("/"), m->lower.at[i]),
		       to = sp_arena_printf(a, "%s/l%zu", dir, i);
		if (from.len == 0 || to.len == 0)
			return sp_fail(err, SP_ENOMEM, "no memory for a path");
		SP_TRY(host_mkdir(to.ptr, 0700, err));
		SP_TRY(host_mount_mapped(from.ptr, to.ptr, users, false, err));
	}
	return SP_OK;
}

sp_code host_overlay_mount(host_request *r, const sp_host_rootfs_mount *m, unsigned long flags,
			   const char *target, sp_err *err)
{
	host_path_buf dir;
	int users;
	if (m->users_of.len == 0)
		return mount_overlay(r, m, -1, flags, target, err);
	SP_TRY(host_mounts_dir(r->h, m->id, &dir, err));
	SP_TRY(host_mounts_remove(r->h, m->id, err));
	SP_TRY(host_users_open(r->h, m->users_of, &users, err));
	if (users < 0)
		return sp_fail(err, SP_ENOTFOUND, "the pod has no user namespace");
	sp_code code = map_layers(r, m, dir.text, users, err);
	(void)close(users);
	int fd = code == SP_OK ? open(dir.text, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (code == SP_OK)
		code = fd >= 0 ? mount_overlay(r, m, fd, flags, target, err)
			       : sp_fail_sys(err, errno, "open %s", dir.text);
	if (fd >= 0)
		(void)close(fd);
	/* The overlay has its own by now. */
	sp_code removed = host_mounts_remove(r->h, m->id, code == SP_OK ? err : NULL);
	return code == SP_OK ? removed : code;
}

/* ---- the user database ---- */

static sp_str read_inside(host_request *r, int root, const char *path)
{
	struct stat st;
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
			       .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
	if (fd < 0)
		return (sp_str){NULL, 0};
	sp_str text = {NULL, 0};
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
	    (size_t)st.st_size <= USERS_BYTES) {
		char *at = sp_arena_try_alloc(&r->arena, (size_t)st.st_size);
		ssize_t n = at == NULL ? 0 : pread(fd, at, (size_t)st.st_size, 0);
		if (n > 0)
			text = (sp_str){at, (size_t)n};
	}
	(void)close(fd);
	return text;
}

static sp_host_users users_of(host_request *r, const char *rootfs)
{
	sp_host_users users = {.passwd = {NULL, 0}};
	int root = open(rootfs, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (root < 0)
		return users;
	users.passwd = read_inside(r, root, "etc/passwd");
	users.group = read_inside(r, root, "etc/group");
	(void)close(root);
	return users;
}

/* ---- messages ---- */

sp_code host_bundle_make(const host *h, sp_str id, host_path_buf *ret_rootfs, sp_err *err)
{
	static const char *const subs[] = {"", "/rootfs"};
	for (size_t i = 0; i < SP_LEN(subs); i++) {
		SP_TRY(host_path_of(h, "containers", id, subs[i], ret_rootfs, err));
		bool is_new = mkdir(ret_rootfs->text, 0700) == 0;
		if (!is_new)
			SP_TRY(host_mkdir(ret_rootfs->text, 0700, err));
		else if (i == 0) /* the address of a shim that nobody wrote down is read there */
			SP_TRY(host_give(h, ret_rootfs->text, true, 0750, err));
	}
	return SP_OK;
}

sp_code host_rootfs_mount(host_request *r, const void *message, sp_err *err)
{
	const sp_host_rootfs_mount *m = message;
	host_path_buf rootfs;
	host_cgroups_wake(r->h);
	SP_TRY(host_bundle_make(r->h, m->id, &rootfs, err));
	SP_TRY(host_unmount(rootfs.text, err));
	SP_TRY(host_overlay_mount(r, m, 0, rootfs.text, err));
	sp_host_users users = users_of(r, rootfs.text);
	host_answer(r, &users);
	return SP_OK;
}

sp_code host_bundle_write(host_request *r, const void *message, sp_err *err)
{
	const sp_host_bundle_write *m = message;
	host_path_buf path;
	SP_TRY(host_bundle_make(r->h, m->id, &path, err));
	SP_TRY(host_path_of(r->h, "containers", m->id, "/config.json", &path, err));
	SP_TRY(host_write_file(path.text, m->config, 0600, err));
	host_answer(r, NULL);
	return SP_OK;
}

/* A shim that was killed leaves its sockets: the container's, and those of commands that ran in it. */
static sp_code remove_sockets(const host *h, sp_str id, sp_err *err)
{
	host_path_buf dir;
	char attach[SP_HOST_SOCKET_ID_BYTES + 2], command[SP_HOST_SOCKET_OWNER_BYTES + 2];
	sp_str of = sp_str_sub(id, 0, SP_HOST_SOCKET_ID_BYTES),
	       owner = sp_str_sub(id, 0, SP_HOST_SOCKET_OWNER_BYTES);
	(void)snprintf(attach, sizeof attach, "a" SP_FMT, SP_ARG(of));
	(void)snprintf(command, sizeof command, "x" SP_FMT, SP_ARG(owner));
	(void)snprintf(dir.text, sizeof dir.text, SP_FMT, SP_ARG(h->opts->run_dir));
	DIR *d = opendir(dir.text);
	struct dirent *e;
	if (d == NULL)
		return sp_fail_sys(err, errno, "open %s", dir.text);
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, attach) == 0 || strncmp(e->d_name, command, strlen(command)) == 0)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	}
	(void)closedir(d);
	return SP_OK;
}

sp_code host_bundle_remove(host_request *r, const void *message, sp_err *err)
{
	const sp_host_id *m = message;
	host_path_buf path;
	SP_TRY(host_path_of(r->h, "containers", m->id, "/rootfs", &path, err));
	SP_TRY(host_unmount(path.text, err));
	SP_TRY(host_image_mounts_remove(r->h, m->id, err));
	SP_TRY(host_mounts_remove(r->h, m->id, err));
	SP_TRY(host_path_of(r->h, "containers", m->id, "", &path, err));
	SP_TRY(host_remove_tree(path.text, err));
	SP_TRY(remove_sockets(r->h, m->id, err));
	host_answer(r, NULL);
	return SP_OK;
}
