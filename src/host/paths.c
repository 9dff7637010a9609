/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/host_int.h"

#define DEPTH_MAX 64u
#define MOUNTS_MAX 64

sp_code host_check_id(sp_str id, sp_err *err)
{
	bool ok = id.len > 0 && id.len <= SP_HOST_ID_BYTES;
	for (size_t i = 0; ok && i < id.len; i++)
		ok = (id.ptr[i] >= 'a' && id.ptr[i] <= 'z') || (id.ptr[i] >= '0' && id.ptr[i] <= '9');
	return ok ? SP_OK : sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no id", SP_ARG(id));
}

sp_code host_check_if(sp_str name, sp_err *err)
{
	bool ok = name.len > 0 && name.len <= SP_HOST_IF_BYTES;
	for (size_t i = 0; ok && i < name.len; i++) {
		char c = name.ptr[i];
		ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c == '-' && i > 0);
	}
	return ok ? SP_OK : sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no name of an interface", SP_ARG(name));
}

sp_code host_path_of(const host *h, const char *kind, sp_str id, const char *rest, host_path_buf *ret,
		     sp_err *err)
{
	SP_TRY(host_check_id(id, err));
	int n = snprintf(ret->text, sizeof ret->text, SP_FMT "/%s/" SP_FMT "%s", SP_ARG(h->opts->run_dir),
			 kind, SP_ARG(id), rest);
	if (n < 0 || (size_t)n >= sizeof ret->text)
		return sp_fail(err, SP_ETOOLARGE, "path too long");
	return SP_OK;
}

sp_code host_mkdir(const char *path, uint32_t mode, sp_err *err)
{
	if (mkdir(path, mode) == 0 || errno == EEXIST)
		return SP_OK;
	return sp_fail_sys(err, errno, "mkdir %s", path);
}

sp_code host_give(const host *h, const char *path, bool group_only, uint32_t mode, sp_err *err)
{
	const host_opts *o = h->opts;
	if (o->uid == 0)
		return SP_OK;
	if (lchown(path, group_only ? (uid_t)-1 : o->uid, o->gid) != 0 || chmod(path, mode) != 0)
		return sp_fail_sys(err, errno, "give %s away", path);
	return SP_OK;
}

sp_code host_write_file(const char *path, sp_str content, uint32_t mode, sp_err *err)
{
	char tmp[HOST_PATH_BYTES + 8];
	(void)snprintf(tmp, sizeof tmp, "%s.tmp", path);
	(void)unlink(tmp);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", tmp);
	int failed = fchmod(fd, mode) == 0 ? 0 : errno;
	for (size_t at = 0; failed == 0 && at < content.len;) {
		ssize_t n = write(fd, content.ptr + at, content.len - at);
		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR)
			failed = errno;
	}
	(void)close(fd);
	if (failed == 0 && rename(tmp, path) != 0)
		failed = errno;
	if (failed == 0)
		return SP_OK;
	(void)unlink(tmp);
	return sp_fail_sys(err, failed, "write %s", path);
}

sp_code host_unmount(const char *path, sp_err *err)
{
	for (int i = 0; i < MOUNTS_MAX; i++) {
		if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
			continue;
		if (errno == EINVAL || errno == ENOENT)
			return SP_OK;
		return sp_fail_sys(err, errno, "unmount %s", path);
	}
	return sp_fail(err, SP_ETOOMANY, "more than %d mounts on %s", MOUNTS_MAX, path);
}

/* ---- removing ---- */

typedef struct removal {
	dev_t device;
	sp_err *err;
} removal;

static sp_code remove_at(const removal *r, int dir, const char *name, unsigned depth);

static sp_code remove_entries(const removal *r, int fd, unsigned depth)
{
	DIR *d = fdopendir(fd);
	if (d == NULL) {
		int failed = errno;
		(void)close(fd);
		return sp_fail_sys(r->err, failed, "read directory");
	}
	sp_code code = SP_OK;
	const struct dirent *e;
	while (code == SP_OK && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			code = remove_at(r, dirfd(d), e->d_name, depth + 1);
	}
	(void)closedir(d);
	return code;
}

static sp_code remove_at(const removal *r, int dir, const char *name, unsigned depth)
{
	struct stat st;
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return SP_OK;
	if (errno != EISDIR && errno != EPERM)
		return sp_fail_sys(r->err, errno, "remove %s", name);
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return sp_fail_sys(r->err, errno, "open directory %s", name);
	if (depth > DEPTH_MAX || fstat(fd, &st) != 0 || st.st_dev != r->device) {
		(void)close(fd);
		return sp_fail(r->err, SP_ECONFLICT, "%s is a mount or too deep, it is left alone", name);
	}
	SP_TRY(remove_entries(r, fd, depth));
	if (unlinkat(dir, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
		return sp_fail_sys(r->err, errno, "remove directory %s", name);
	return SP_OK;
}

sp_code host_remove_tree(const char *path, sp_err *err)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? SP_OK : sp_fail_sys(err, errno, "stat %s", path);
	const removal r = {.device = st.st_dev, .err = err};
	return remove_at(&r, AT_FDCWD, path, 0);
}
