/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles of containers: the root filesystem, config.json, the user database inside. */
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
static sp_code check_relative(sp_str s, sp_err *err)
{
	bool ok = s.len > 0 && s.ptr[0] != '/' && sp_str_find(s, SP_STR("..")) < 0;
	for (size_t i = 0; ok && i < s.len; i++)
		ok = s.ptr[i] == '/' || s.ptr[i] == '-' || s.ptr[i] == '_' || s.ptr[i] == '.' ||
		     (s.ptr[i] >= 'a' && s.ptr[i] <= 'z') || (s.ptr[i] >= '0' && s.ptr[i] <= '9');
	return ok ? SP_OK : sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no snapshot", SP_ARG(s));
}

static sp_code overlay_data(const sp_host_rootfs_mount *m, sp_buf *out, sp_err *err)
{
	sp_buf_str(out, SP_STR("lowerdir="));
	for (size_t i = 0; i < m->lower.n; i++) {
		SP_TRY(check_relative(m->lower.at[i], err));
		if (i > 0)
			sp_buf_char(out, ':');
		sp_buf_str(out, m->lower.at[i]);
	}
	SP_TRY(check_relative(m->upper, err));
	SP_TRY(check_relative(m->work, err));
	sp_buf_printf(out, ",upperdir=" SP_FMT ",workdir=" SP_FMT ",index=off%s", SP_ARG(m->upper),
		      SP_ARG(m->work), m->user_xattr ? ",userxattr" : "");
	if (sp_buf_code(out) != SP_OK)
		return sp_fail(err, SP_ETOOLARGE, "the image has too many layers for one mount");
	return SP_OK;
}

sp_code host_overlay_mount(host_request *r, const sp_host_rootfs_mount *m, unsigned long flags,
			   const char *target, sp_err *err)
{
	SP_AUTO_BUF data;
	sp_buf_init(&data, MOUNT_DATA_BYTES - 1);
	SP_TRY(overlay_data(m, &data, err));
	sp_str dir = sp_arena_try_dup(&r->arena, m->snapshots_dir);
	if (dir.len == 0 || dir.ptr[0] != '/' || memchr(dir.ptr, '\0', dir.len) != NULL)
		return sp_fail(err, SP_EINVAL, "no directory of snapshots");
	/* Short names in the mount data, which fits a page then: relative to where we stand. */
	if (chdir(dir.ptr) != 0)
		return sp_fail_sys(err, errno, "chdir %s", dir.ptr);
	int failed = mount("overlay", target, "overlay", flags, data.ptr) == 0 ? 0 : errno;
	SP_ASSERT(chdir("/") == 0);
	return failed == 0 ? SP_OK : sp_fail_sys(err, failed, "mount the image at %s", target);
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
		SP_TRY(host_mkdir(ret_rootfs->text, 0700, err));
	}
	return SP_OK;
}

sp_code host_rootfs_mount(host_request *r, const void *message, sp_err *err)
{
	const sp_host_rootfs_mount *m = message;
	host_path_buf rootfs;
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

sp_code host_bundle_remove(host_request *r, const void *message, sp_err *err)
{
	const sp_host_id *m = message;
	host_path_buf path;
	SP_TRY(host_path_of(r->h, "containers", m->id, "/rootfs", &path, err));
	SP_TRY(host_unmount(path.text, err));
	SP_TRY(host_image_mounts_remove(r->h, m->id, err));
	SP_TRY(host_path_of(r->h, "containers", m->id, "", &path, err));
	SP_TRY(host_remove_tree(path.text, err));
	/* A shim that was killed leaves its socket. */
	int n = snprintf(path.text, sizeof path.text, SP_FMT "/a" SP_FMT, SP_ARG(r->h->opts->run_dir),
			 SP_ARG(sp_str_sub(m->id, 0, SP_HOST_SOCKET_ID_BYTES)));
	if (n > 0 && (size_t)n < sizeof path.text)
		(void)unlink(path.text);
	host_answer(r, NULL);
	return SP_OK;
}
