/* SPDX-License-Identifier: Apache-2.0 */
#include "host/copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/map.h"

#define ARENA_BYTES ((size_t)64 << 20) /* names of hard links */

typedef struct copying {
	int root;
	sp_arena arena;
	sp_map links;        /* "dev ino" to the path below root */
	char path[PATH_MAX]; /* of what is copied now */
	char names[65536];   /* XATTR_LIST_MAX */
	char value[65536];   /* XATTR_SIZE_MAX, and bytes of files */
} copying;

static sp_code copy_dir(copying *c, int from, int to, size_t len, unsigned depth, sp_err *err);

/* ---- attributes ---- */

static sp_code copy_xattrs(copying *c, int from, int to, sp_err *err)
{
	ssize_t n = flistxattr(from, c->names, sizeof c->names);
	if (n < 0)
		return errno == ENOTSUP ? SP_OK : sp_fail_sys(err, errno, "attributes of %s", c->path);
	for (const char *name = c->names; name < c->names + n; name += strlen(name) + 1) {
		ssize_t size = fgetxattr(from, name, c->value, sizeof c->value);
		if (size < 0 || (fsetxattr(to, name, c->value, (size_t)size, 0) != 0 && errno != ENOTSUP))
			return sp_fail_sys(err, errno, "attribute %s of %s", name, c->path);
	}
	return SP_OK;
}

/* Capabilities of files go with a change of the owner, so they come after it; times are last. */
static sp_code copy_attributes(copying *c, int from, int to, const struct stat *st, sp_err *err)
{
	const struct timespec times[] = {st->st_atim, st->st_mtim};
	if (fchown(to, st->st_uid, st->st_gid) != 0 || fchmod(to, st->st_mode & 07777) != 0)
		return sp_fail_sys(err, errno, "owner and mode of %s", c->path);
	SP_TRY(copy_xattrs(c, from, to, err));
	return futimens(to, times) == 0 ? SP_OK : sp_fail_sys(err, errno, "times of %s", c->path);
}

/* ---- files ---- */

static sp_code copy_range(copying *c, int from, int to, off_t at, off_t end, sp_err *err)
{
	while (at < end) {
		size_t want = (size_t)SP_MIN(end - at, (off_t)sizeof c->value);
		ssize_t n = pread(from, c->value, want, at);
		if (n > 0)
			n = pwrite(to, c->value, (size_t)n, at);
		if (n < 0 && errno != EINTR)
			return sp_fail_sys(err, errno, "copy %s", c->path);
		if (n == 0)
			return SP_OK; /* it became shorter */
		at += n > 0 ? n : 0;
	}
	return SP_OK;
}

static sp_code copy_data(copying *c, int from, int to, off_t size, sp_err *err)
{
	off_t at = 0, end;
	while (at < size && (at = lseek(from, at, SEEK_DATA)) >= 0) {
		end = lseek(from, at, SEEK_HOLE);
		SP_TRY(copy_range(c, from, to, at, end < 0 ? size : end, err));
		at = end < 0 ? size : end;
	}
	if (ftruncate(to, size) != 0)
		return sp_fail_sys(err, errno, "length of %s", c->path);
	return SP_OK;
}

static sp_code copy_file(copying *c, int from_dir, int to_dir, const char *name, const struct stat *st,
			 sp_err *err)
{
	int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (from < 0)
		return sp_fail_sys(err, errno, "open %s", c->path);
	int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	sp_code code = to < 0 ? sp_fail_sys(err, errno, "make %s", c->path) : SP_OK;
	if (code == SP_OK)
		code = copy_data(c, from, to, st->st_size, err);
	if (code == SP_OK)
		code = copy_attributes(c, from, to, st, err);
	(void)close(from);
	if (to >= 0)
		(void)close(to);
	return code;
}

/* True: it is there already, by another name, and *ret_done says how it went. */
static bool is_linked(copying *c, int to_dir, const char *name, const struct stat *st, sp_code *ret_done,
		      sp_err *err)
{
	sp_str key = sp_arena_printf(&c->arena, "%llx %llx", (unsigned long long)st->st_dev,
				     (unsigned long long)st->st_ino);
	const char *first = sp_map_get(&c->links, key);
	*ret_done = SP_OK;
	if (first != NULL) {
		if (linkat(c->root, first, to_dir, name, 0) != 0)
			*ret_done = sp_fail_sys(err, errno, "link %s", c->path);
		return true;
	}
	sp_str path = sp_arena_try_dup(&c->arena, sp_str_c(c->path));
	if (path.ptr == NULL || sp_map_put(&c->links, key, (void *)(uintptr_t)path.ptr, NULL) != SP_OK) {
		*ret_done = sp_fail(err, SP_ENOMEM, "no memory for the links of a volume");
		return true;
	}
	return false;
}

static sp_code copy_link(copying *c, int from_dir, int to_dir, const char *name, const struct stat *st,
			 sp_err *err)
{
	const struct timespec times[] = {st->st_atim, st->st_mtim};
	ssize_t n = readlinkat(from_dir, name, c->value, PATH_MAX);
	if (n < 0 || n >= PATH_MAX)
		return sp_fail_sys(err, n < 0 ? errno : ENAMETOOLONG, "read %s", c->path);
	c->value[n] = '\0';
	if (symlinkat(c->value, to_dir, name) != 0 ||
	    fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) != 0 ||
	    utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) != 0)
		return sp_fail_sys(err, errno, "make %s", c->path);
	return SP_OK;
}

static sp_code copy_fifo(copying *c, int to_dir, const char *name, const struct stat *st, sp_err *err)
{
	if (mkfifoat(to_dir, name, st->st_mode & 0777) != 0 ||
	    fchownat(to_dir, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) != 0)
		return sp_fail_sys(err, errno, "make %s", c->path);
	return SP_OK;
}

/* ---- directories ---- */

static sp_code copy_below(copying *c, int from_dir, int to_dir, const char *name, size_t len, unsigned depth,
			  sp_err *err)
{
	if (depth >= HOST_COPY_DEPTH_MAX)
		return sp_fail(err, SP_ETOOLARGE, "more than %u directories in each other",
			       HOST_COPY_DEPTH_MAX);
	if (mkdirat(to_dir, name, 0700) != 0)
		return sp_fail_sys(err, errno, "make %s", c->path);
	int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
	    to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	sp_code code = from < 0 || to < 0 ? sp_fail_sys(err, errno, "open %s", c->path)
					  : copy_dir(c, from, to, len, depth + 1, err);
	if (from >= 0)
		(void)close(from);
	if (to >= 0)
		(void)close(to);
	return code;
}

static sp_code copy_entry(copying *c, int from, int to, const char *name, size_t len, unsigned depth,
			  sp_err *err)
{
	struct stat st;
	sp_code code;
	int n = snprintf(c->path + len, sizeof c->path - len, "%s%s", len > 0 ? "/" : "", name);
	if (n < 0 || (size_t)n >= sizeof c->path - len)
		return sp_fail(err, SP_ETOOLARGE, "a path in a volume is too long");
	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return sp_fail_sys(err, errno, "look at %s", c->path);
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1 && is_linked(c, to, name, &st, &code, err))
		return code;
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		return copy_below(c, from, to, name, len + (size_t)n, depth, err);
	case S_IFREG:
		return copy_file(c, from, to, name, &st, err);
	case S_IFLNK:
		return copy_link(c, from, to, name, &st, err);
	case S_IFIFO:
		return copy_fifo(c, to, name, &st, err);
	default:
		return SP_OK;
	}
}

static sp_code copy_dir(copying *c, int from, int to, size_t len, unsigned depth, sp_err *err)
{
	struct stat st = {.st_mode = 0};
	const struct dirent *e;
	sp_code code = SP_OK;
	int copy = fcntl(from, F_DUPFD_CLOEXEC, 3);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	if (d == NULL || fstat(from, &st) != 0)
		code = sp_fail_sys(err, errno, "open directory %s", c->path);
	while (d != NULL && code == SP_OK && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			code = copy_entry(c, from, to, e->d_name, len, depth, err);
		c->path[len] = '\0';
	}
	if (d != NULL)
		(void)closedir(d);
	else if (copy >= 0)
		(void)close(copy);
	return code == SP_OK ? copy_attributes(c, from, to, &st, err) : code;
}

sp_code host_copy_tree(int from, int to, sp_err *err)
{
	copying *c = sp_alloc(sizeof *c);
	c->root = to;
	c->path[0] = '\0';
	sp_arena_init(&c->arena, ARENA_BYTES);
	sp_map_init(&c->links);
	sp_code code = copy_dir(c, from, to, 0, 0, err);
	sp_map_done(&c->links);
	sp_arena_done(&c->arena);
	sp_free(c);
	return code;
}
