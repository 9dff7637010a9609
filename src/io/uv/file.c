/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/world_ops.h"

typedef struct sys_file {
	sp_file base;
	int fd;
	char path[]; /* for messages */
} sys_file;

static sys_file *of(sp_file *f)
{
	return SP_CONTAINER_OF(f, sys_file, base);
}

static sp_code sys_open(sp_world *w, sp_str path, uint32_t flags, uint32_t mode, sp_file **ret, sp_err *err)
{
	static const struct {
		uint32_t flag;
		int sys;
	} map[] = {
		{SP_FILE_CREATE, O_CREAT},
		{SP_FILE_EXCLUSIVE, O_EXCL},
		{SP_FILE_TRUNCATE, O_TRUNC},
		{SP_FILE_NOFOLLOW, O_NOFOLLOW},
	};
	int sys = O_CLOEXEC | O_NOCTTY;
	if ((flags & SP_FILE_WRITE) == 0)
		sys |= O_RDONLY;
	else
		sys |= (flags & SP_FILE_READ) != 0 ? O_RDWR : O_WRONLY;
	for (size_t i = 0; i < SP_LEN(map); i++)
		sys |= (flags & map[i].flag) != 0 ? map[i].sys : 0;
	sys_file *f = sp_try_alloc(sizeof *f + path.len + 1);
	if (f == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to open '" SP_FMT "'", SP_ARG(path));
	do
		f->fd = open(path.ptr, sys, (mode_t)mode);
	while (f->fd < 0 && errno == EINTR);
	if (f->fd < 0) {
		int errnum = errno;
		sp_free(f);
		return sp_fail_sys(err, errnum, "open '" SP_FMT "'", SP_ARG(path));
	}
	f->base.world = w;
	memcpy(f->path, path.ptr, path.len);
	*ret = &f->base;
	return SP_OK;
}

static void sys_close(sp_file *f)
{
	(void)close(of(f)->fd); /* what must be on disk was synced */
	sp_free(of(f));
}

static sp_code sys_pread(sp_file *f, uint64_t offset, void *bytes, size_t n, size_t *ret_n, sp_err *err)
{
	size_t done = 0;
	while (done < n) {
		ssize_t got = pread(of(f)->fd, (char *)bytes + done, n - done, (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return sp_fail_sys(err, errno, "read '%s'", of(f)->path);
		if (got == 0)
			break;
		done += (size_t)got;
	}
	*ret_n = done;
	return SP_OK;
}

static sp_code sys_pwrite(sp_file *f, uint64_t offset, const void *bytes, size_t n, sp_err *err)
{
	for (size_t done = 0; done < n;) {
		ssize_t put = pwrite(of(f)->fd, (const char *)bytes + done, n - done, (off_t)(offset + done));
		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return sp_fail_sys(err, errno, "write '%s'", of(f)->path);
		done += (size_t)put;
	}
	return SP_OK;
}

static sp_code sys_append(sp_file *f, const void *bytes, size_t n, sp_err *err)
{
	off_t end = lseek(of(f)->fd, 0, SEEK_END);
	if (end < 0)
		return sp_fail_sys(err, errno, "seek '%s'", of(f)->path);
	return sys_pwrite(f, (uint64_t)end, bytes, n, err);
}

static sp_code sys_sync(sp_file *f, bool data_only, sp_err *err)
{
	if ((data_only ? fdatasync(of(f)->fd) : fsync(of(f)->fd)) != 0)
		return sp_fail_sys(err, errno, "sync '%s'", of(f)->path);
	return SP_OK;
}

static sp_code sys_truncate(sp_file *f, uint64_t size, sp_err *err)
{
	if (ftruncate(of(f)->fd, (off_t)size) != 0)
		return sp_fail_sys(err, errno, "truncate '%s'", of(f)->path);
	return SP_OK;
}

static sp_code sys_lock(sp_file *f, sp_err *err)
{
	if (flock(of(f)->fd, LOCK_EX | LOCK_NB) == 0)
		return SP_OK;
	if (errno == EWOULDBLOCK)
		return sp_fail(err, SP_EUNAVAILABLE, "'%s' is locked by another process", of(f)->path);
	return sp_fail_sys(err, errno, "lock '%s'", of(f)->path);
}

static sp_file_type type_of_mode(mode_t mode)
{
	return S_ISREG(mode)   ? SP_TYPE_FILE
	       : S_ISDIR(mode) ? SP_TYPE_DIR
	       : S_ISLNK(mode) ? SP_TYPE_LINK
			       : SP_TYPE_OTHER;
}

static sp_stat stat_of(const struct stat *st)
{
	return (sp_stat){
		.type = type_of_mode(st->st_mode),
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.size = (uint64_t)st->st_size,
		.device = st->st_dev,
		.inode = st->st_ino,
		.mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
	};
}

static sp_code sys_stat(sp_file *f, sp_stat *ret, sp_err *err)
{
	struct stat st;
	if (fstat(of(f)->fd, &st) != 0)
		return sp_fail_sys(err, errno, "stat '%s'", of(f)->path);
	*ret = stat_of(&st);
	return SP_OK;
}

static sp_code sys_path_stat(sp_world *w, sp_str path, sp_stat *ret, sp_err *err)
{
	(void)w;
	struct stat st;
	if (lstat(path.ptr, &st) != 0)
		return sp_fail_sys(err, errno, "stat '" SP_FMT "'", SP_ARG(path));
	*ret = stat_of(&st);
	return SP_OK;
}

static sp_code sys_rename(sp_world *w, sp_str from, sp_str to, sp_err *err)
{
	(void)w;
	if (rename(from.ptr, to.ptr) != 0)
		return sp_fail_sys(err, errno, "rename '" SP_FMT "' to '" SP_FMT "'", SP_ARG(from),
				   SP_ARG(to));
	return SP_OK;
}

static sp_code sys_unlink(sp_world *w, sp_str path, sp_err *err)
{
	(void)w;
	if (unlink(path.ptr) != 0)
		return sp_fail_sys(err, errno, "remove '" SP_FMT "'", SP_ARG(path));
	return SP_OK;
}

/* By one descriptor, so that nobody changes what the name means in between. */
static sp_code sys_own(sp_world *w, sp_str path, uint32_t uid, uint32_t gid, uint32_t mode, sp_err *err)
{
	(void)w;
	int fd = open(path.ptr, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open '%s'", path.ptr);
	bool done = fchown(fd, uid, gid) == 0 && fchmod(fd, mode) == 0;
	int errnum = errno;
	(void)close(fd);
	return done ? SP_OK : sp_fail_sys(err, errnum, "owner and mode of '%s'", path.ptr);
}

static sp_code sys_rmdir(sp_world *w, sp_str path, sp_err *err)
{
	(void)w;
	if (rmdir(path.ptr) != 0)
		return sp_fail_sys(err, errno, "remove directory '" SP_FMT "'", SP_ARG(path));
	return SP_OK;
}

static sp_code sys_mkdir(sp_world *w, sp_str path, uint32_t mode, sp_err *err)
{
	(void)w;
	if (mkdir(path.ptr, (mode_t)mode) != 0)
		return sp_fail_sys(err, errno, "make directory '" SP_FMT "'", SP_ARG(path));
	return SP_OK;
}

static sp_code sys_dir_sync(sp_world *w, sp_str path, sp_err *err)
{
	(void)w;
	int fd = open(path.ptr, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open directory '" SP_FMT "'", SP_ARG(path));
	int errnum = fsync(fd) == 0 ? 0 : errno;
	(void)close(fd); /* read only */
	if (errnum != 0)
		return sp_fail_sys(err, errnum, "sync directory '" SP_FMT "'", SP_ARG(path));
	return SP_OK;
}

static sp_file_type entry_type(DIR *dir, const struct dirent *e)
{
	struct stat st;
	if (e->d_type != DT_UNKNOWN)
		return type_of_mode((mode_t)e->d_type << 12); /* as DTTOIF does */
	/* Some file systems do not say. */
	if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return SP_TYPE_OTHER;
	return type_of_mode(st.st_mode);
}

static sp_code sys_dir_read(sp_world *w, sp_str path,
			    sp_code (*each)(void *arg, sp_str name, sp_file_type type, sp_err *err),
			    void *arg, sp_err *err)
{
	(void)w;
	DIR *dir = opendir(path.ptr);
	if (dir == NULL)
		return sp_fail_sys(err, errno, "open directory '" SP_FMT "'", SP_ARG(path));
	sp_code code = SP_OK;
	while (code == SP_OK) {
		errno = 0;
		const struct dirent *e = readdir(dir);
		if (e == NULL) {
			if (errno != 0)
				code = sp_fail_sys(err, errno, "read directory '" SP_FMT "'", SP_ARG(path));
			break;
		}
		sp_str name = sp_str_c(e->d_name);
		if (!sp_str_eq(name, SP_STR(".")) && !sp_str_eq(name, SP_STR("..")))
			code = each(arg, name, entry_type(dir, e), err);
	}
	(void)closedir(dir); /* read only */
	return code;
}

const sp_file_ops sp_sys_file_ops = {
	.open = sys_open,
	.close = sys_close,
	.pread = sys_pread,
	.pwrite = sys_pwrite,
	.append = sys_append,
	.sync = sys_sync,
	.truncate = sys_truncate,
	.lock = sys_lock,
	.stat = sys_stat,
	.path_stat = sys_path_stat,
	.rename = sys_rename,
	.unlink = sys_unlink,
	.own = sys_own,
	.rmdir = sys_rmdir,
	.mkdir = sys_mkdir,
	.dir_sync = sys_dir_sync,
	.dir_read = sys_dir_read,
};
