/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/unpack/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "runtime/unpack/place.h"
#include "runtime/unpack/tree.h"

#define DIRS_BYTES_MAX ((size_t)256 << 20) /* what is kept of directories until their times are set */
#define CHECK_BYTES ((uint64_t)16 << 20)   /* the room on the disk is looked at after so many bytes … */
#define CHECK_INODES 4096u                 /* … or names */

/* Times of directories come last: what is made in them changes them. */
typedef struct dir_time {
	struct dir_time *next;
	struct timespec mtime;
	char path[];
} dir_time;

typedef struct applier {
	const unpack_opts *o;
	unpack_place place;
	unpack_totals totals;
	uint64_t checked_bytes, checked_inodes; /* totals at the last look at the disk */
	sp_arena dirs;
	dir_time *times;
} applier;

/* Where an entry goes. */
typedef struct target {
	char dir[UNPACK_PATH_BYTES]; /* clean, as the archive says it */
	const char *base;            /* "": the root */
	char path[UNPACK_PATH_BYTES];
	int fd; /* of dir */
} target;

/* ---- limits ---- */

static sp_code check_disk(applier *a, sp_err *err)
{
	struct statvfs v;
	if (a->totals.bytes - a->checked_bytes < CHECK_BYTES &&
	    a->totals.inodes - a->checked_inodes < CHECK_INODES)
		return SP_OK;
	a->checked_bytes = a->totals.bytes;
	a->checked_inodes = a->totals.inodes;
	if (fstatvfs(a->place.root, &v) != 0)
		return sp_fail_sys(err, errno, "look at the room on the disk");
	if ((uint64_t)v.f_bavail * v.f_frsize < a->o->reserve_bytes)
		return sp_fail(err, SP_ETOOLARGE, "less than %llu bytes are left on the disk",
			       (unsigned long long)a->o->reserve_bytes);
	return SP_OK;
}

static sp_code count_bytes(applier *a, size_t n, sp_err *err)
{
	if (n > a->o->bytes_max - a->totals.bytes)
		return sp_fail(err, SP_ETOOLARGE, "the layer has more than %llu bytes",
			       (unsigned long long)a->o->bytes_max);
	a->totals.bytes += n;
	return check_disk(a, err);
}

static sp_code count_inode(applier *a, sp_err *err)
{
	if (a->totals.inodes >= a->o->inodes_max)
		return sp_fail(err, SP_ETOOLARGE, "the layer has more than %llu files",
			       (unsigned long long)a->o->inodes_max);
	a->totals.inodes++;
	return check_disk(a, err);
}

static void made_dir(void *arg)
{
	((applier *)arg)->totals.inodes++; /* the next entry sees the limit */
}

/* ---- attributes ---- */

static struct timespec mtime_of(const sp_tar_entry *e)
{
	return (struct timespec){.tv_sec = e->mtime_s, .tv_nsec = (long)e->mtime_ns};
}

static sp_code give_owner(const applier *a, int rc, sp_err *err)
{
	if (rc == 0 || (a->o->one_owner && (errno == EINVAL || errno == EPERM)))
		return SP_OK;
	return sp_fail_sys(err, errno, "set the owner");
}

static sp_code set_xattrs(int fd, const sp_tar_entry *e, sp_err *err)
{
	for (size_t i = 0; i < e->n_xattrs; i++) {
		const sp_tar_xattr *x = &e->xattrs[i];
		if (unpack_xattr_is_allowed(x->name.ptr) &&
		    fsetxattr(fd, x->name.ptr, x->value.ptr, x->value.len, 0) != 0 && errno != ENOTSUP)
			return sp_fail_sys(err, errno, "set the extended attribute '%s'", x->name.ptr);
	}
	return SP_OK;
}

/* The owner first: changing it takes setuid bits and capabilities away. */
static sp_code set_attributes(const applier *a, int fd, const sp_tar_entry *e, sp_err *err)
{
	SP_TRY(give_owner(a, fchown(fd, e->uid, e->gid), err));
	if (fchmod(fd, e->mode) != 0)
		return sp_fail_sys(err, errno, "set the mode");
	return set_xattrs(fd, e, err);
}

/* Of what has no descriptor: links, devices, FIFOs. */
static sp_code set_attributes_at(const applier *a, const target *t, const sp_tar_entry *e, sp_err *err)
{
	const struct timespec times[2] = {mtime_of(e), mtime_of(e)};
	SP_TRY(give_owner(a, fchownat(t->fd, t->base, e->uid, e->gid, AT_SYMLINK_NOFOLLOW), err));
	if (e->type != SP_TAR_SYMLINK && fchmodat(t->fd, t->base, e->mode, 0) != 0)
		return sp_fail_sys(err, errno, "set the mode");
	if (utimensat(t->fd, t->base, times, AT_SYMLINK_NOFOLLOW) != 0)
		return sp_fail_sys(err, errno, "set the time");
	return SP_OK;
}

/* ---- what is there already ---- */

/*
 * Makes room for an entry. *ret_fresh: what the layers below have under the name must not show through a
 * directory made there now. *ret_kept: a directory stays, for the entry is one too.
 */
static sp_code make_room(applier *a, const target *t, bool is_dir, bool *ret_fresh, bool *ret_kept,
			 sp_err *err)
{
	struct stat st;
	*ret_fresh = *ret_kept = false;
	if (fstatat(t->fd, t->base, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? SP_OK : sp_fail_sys(err, errno, "look at what is there");
	if (is_dir && S_ISDIR(st.st_mode)) {
		*ret_kept = true;
		return SP_OK;
	}
	uint64_t gone;
	SP_TRY(unpack_tree_remove(t->fd, t->base, &gone, err));
	a->totals.inodes -= SP_MIN(gone, a->totals.inodes);
	*ret_fresh = true;
	return SP_OK;
}

/* ---- entries by type ---- */

static sp_code write_data(applier *a, sp_tar *tar, int fd, sp_err *err)
{
	for (;;) {
		const uint8_t *p;
		size_t n;
		uint64_t offset;
		SP_TRY(sp_tar_data(tar, &p, &n, &offset, err));
		if (n == 0)
			return SP_OK;
		SP_TRY(count_bytes(a, n, err));
		while (n > 0) {
			ssize_t done = pwrite(fd, p, n, (off_t)offset);
			if (done < 0 && errno == EINTR)
				continue;
			if (done < 0)
				return sp_fail_sys(err, errno, "write");
			p += done;
			n -= (size_t)done;
			offset += (uint64_t)done;
		}
	}
}

static bool ends_with_hole(const sp_tar_entry *e)
{
	if (e->n_extents == 0)
		return e->size_bytes > 0;
	const sp_tar_extent *last = &e->extents[e->n_extents - 1];
	return last->offset + last->size_bytes < e->size_bytes;
}

static sp_code fill_file(applier *a, sp_tar *tar, const sp_tar_entry *e, int fd, sp_err *err)
{
	const struct timespec times[2] = {mtime_of(e), mtime_of(e)};
	SP_TRY(write_data(a, tar, fd, err));
	if (ends_with_hole(e) && ftruncate(fd, (off_t)e->size_bytes) != 0)
		return sp_fail_sys(err, errno, "set the size");
	SP_TRY(set_attributes(a, fd, e, err));
	return futimens(fd, times) == 0 ? SP_OK : sp_fail_sys(err, errno, "set the time");
}

static sp_code apply_file(applier *a, sp_tar *tar, const sp_tar_entry *e, const target *t, sp_err *err)
{
	int fd = openat(t->fd, t->base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return sp_fail_sys(err, errno, "make the file");
	SP_TRY(count_inode(a, err));
	sp_code code = fill_file(a, tar, e, fd, err);
	if (close(fd) != 0 && code == SP_OK)
		code = sp_fail_sys(err, errno, "write");
	return code;
}

static sp_code remember_time(applier *a, const char *path, const sp_tar_entry *e, sp_err *err)
{
	size_t n = strlen(path) + 1;
	dir_time *d = sp_arena_try_alloc(&a->dirs, sizeof *d + n);
	if (d == NULL)
		return sp_fail(err, SP_ETOOLARGE, "the names of its directories take more than %zu bytes",
			       DIRS_BYTES_MAX);
	memcpy(d->path, path, n);
	d->mtime = mtime_of(e);
	d->next = a->times;
	a->times = d;
	return SP_OK;
}

static sp_code apply_dir(applier *a, const sp_tar_entry *e, const target *t, bool fresh, bool kept,
			 sp_err *err)
{
	if (!kept) {
		if (mkdirat(t->fd, t->base, 0700) != 0)
			return sp_fail_sys(err, errno, "make the directory");
		SP_TRY(count_inode(a, err));
	}
	int fd = t->base[0] == '\0' ? dup(t->fd)
				    : openat(t->fd, t->base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open the directory");
	sp_code code = fresh && a->o->n_parents > 0 ? unpack_set_opaque(&a->place, fd, err) : SP_OK;
	if (code == SP_OK)
		code = set_attributes(a, fd, e, err);
	(void)close(fd);
	return code == SP_OK ? remember_time(a, t->path, e, err) : code;
}

static sp_code apply_symlink(applier *a, const sp_tar_entry *e, const target *t, sp_err *err)
{
	if (symlinkat(e->link.ptr, t->fd, t->base) != 0)
		return sp_fail_sys(err, errno, "make the symbolic link");
	SP_TRY(count_inode(a, err));
	return set_attributes_at(a, t, e, err);
}

static sp_code apply_node(applier *a, const sp_tar_entry *e, const target *t, sp_err *err)
{
	static const struct {
		sp_tar_type type;
		mode_t mode;
	} kinds[] = {{SP_TAR_CHAR, S_IFCHR}, {SP_TAR_BLOCKDEV, S_IFBLK}, {SP_TAR_FIFO, S_IFIFO}};
	mode_t mode = 0600;
	for (size_t i = 0; i < SP_LEN(kinds); i++)
		mode |= kinds[i].type == e->type ? kinds[i].mode : 0;
	if (e->type != SP_TAR_FIFO && !a->o->allow_devices)
		return sp_fail(err, SP_EFORBIDDEN, "it is a device (%u/%u), which layers may not bring",
			       e->dev_major, e->dev_minor);
	if (mknodat(t->fd, t->base, mode, makedev(e->dev_major, e->dev_minor)) != 0)
		return sp_fail_sys(err, errno, "make the node");
	SP_TRY(count_inode(a, err));
	return set_attributes_at(a, t, e, err);
}

/* ---- hard links ---- */

static sp_code copy_data(applier *a, int from, int to, sp_err *err)
{
	static char bytes[128 << 10];
	for (;;) {
		ssize_t n = read(from, bytes, sizeof bytes);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sp_fail_sys(err, errno, "read the linked file");
		if (n == 0)
			return SP_OK;
		SP_TRY(count_bytes(a, (size_t)n, err));
		for (ssize_t done = 0; done < n;) {
			ssize_t part = write(to, bytes + done, (size_t)(n - done));
			if (part < 0 && errno != EINTR)
				return sp_fail_sys(err, errno, "write");
			done += part < 0 ? 0 : part;
		}
	}
}

/* A file of a layer below, made again in this one, so that it can be linked. */
static sp_code copy_up(applier *a, const char *real, const unpack_lower *lower, int dir, const char *base,
		       sp_err *err)
{
	if (!S_ISREG(lower->st.st_mode))
		return sp_fail(err, SP_EINVAL,
			       "it is a hard link to '%s', which is no file in the layers below", real);
	int from = unpack_open_in(lower->layer, real, O_RDONLY | O_NOFOLLOW);
	int to =
		from < 0 ? -1 : openat(dir, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	sp_code code = to < 0 ? sp_fail_sys(err, errno, "copy '%s' up", real) : count_inode(a, err);
	if (code == SP_OK)
		code = copy_data(a, from, to, err);
	if (code == SP_OK)
		code = unpack_copy_attributes(from, to, &lower->st, err);
	if (from >= 0)
		(void)close(from);
	if (to >= 0)
		(void)close(to);
	return code;
}

/* The directory that holds the linked file, opened for keeps, with the file in it. */
static sp_code find_linked(applier *a, const char *path, const char *dir, const char *base, int *ret_fd,
			   sp_err *err)
{
	static char real[UNPACK_PATH_BYTES];
	struct stat st;
	unpack_lower lower;
	int fd;
	SP_TRY(unpack_place_real(&a->place, dir, real, &fd, err));
	if (fstatat(fd, base, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		size_t n = strlen(real), m = strlen(base);
		if (n + m + 2 > sizeof real)
			return sp_fail(err, SP_EINVAL, "the name of the linked file is too long");
		if (n > 0)
			real[n++] = '/';
		memcpy(real + n, base, m + 1);
		SP_TRY(unpack_place_lower(&a->place, real, &lower, err));
		if (!lower.found)
			return sp_fail(err, SP_EINVAL, "it is a hard link to '%s', which is not there", path);
		SP_TRY(copy_up(a, real, &lower, fd, base, err));
	} else if (unpack_is_whiteout(&st) || S_ISDIR(st.st_mode)) {
		return sp_fail(err, SP_EINVAL, "it is a hard link to '%s', which is no file", path);
	}
	*ret_fd = dup(fd);
	return *ret_fd >= 0 ? SP_OK : sp_fail_sys(err, errno, "open a directory");
}

static void split(const char *path, char dir[UNPACK_PATH_BYTES], const char **ret_base)
{
	const char *slash = strrchr(path, '/');
	size_t n = slash == NULL ? 0 : (size_t)(slash - path);
	memcpy(dir, path, n);
	dir[n] = '\0';
	*ret_base = slash == NULL ? path : slash + 1;
}

static sp_code apply_hardlink(applier *a, const sp_tar_entry *e, target *t, sp_err *err)
{
	static char path[UNPACK_PATH_BYTES], dir[UNPACK_PATH_BYTES];
	const char *base;
	bool fresh, kept;
	int from;
	SP_TRY(unpack_path_clean(e->link, path, err));
	if (strcmp(path, t->path) == 0)
		return SP_OK; /* to itself */
	split(path, dir, &base);
	if (base[0] == '\0')
		return sp_fail(err, SP_EINVAL, "it is a hard link to the root");
	SP_TRY(find_linked(a, path, dir, base, &from, err));
	sp_code code = unpack_place_dir(&a->place, t->dir, &t->fd, err);
	if (code == SP_OK)
		code = make_room(a, t, false, &fresh, &kept, err);
	if (code == SP_OK && linkat(from, base, t->fd, t->base, 0) != 0)
		code = sp_fail_sys(err, errno, "link to '%s'", path);
	(void)close(from);
	return code == SP_OK ? count_inode(a, err) : code;
}

/* ---- whiteouts ---- */

#define WHITEOUT ".wh."
#define WHITEOUT_META ".wh..wh."

/* All of the directory that is of the layers below. */
static sp_code apply_opaque(applier *a, const target *t, sp_err *err)
{
	return a->o->n_parents == 0 ? SP_OK : unpack_set_opaque(&a->place, t->fd, err);
}

static sp_code apply_whiteout(applier *a, const target *t, sp_err *err)
{
	const char *name = t->base + strlen(WHITEOUT);
	struct stat st;
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return sp_fail(err, SP_EINVAL, "a whiteout without a name");
	if (a->o->n_parents == 0)
		return SP_OK; /* nothing to hide */
	if (fstatat(t->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		/* This layer has one of that name: it replaces the lower one, a directory as a whole. */
		if (!S_ISDIR(st.st_mode))
			return SP_OK;
		int fd = openat(t->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return sp_fail_sys(err, errno, "open the directory '%s'", name);
		sp_code code = unpack_set_opaque(&a->place, fd, err);
		(void)close(fd);
		return code;
	}
	if (errno != ENOENT || mknodat(t->fd, name, S_IFCHR, 0) != 0)
		return sp_fail_sys(err, errno, "hide '%s'", name);
	return count_inode(a, err);
}

/* Bookkeeping of aufs, which nothing reads. */
static bool is_meta(const char *path)
{
	for (const char *p = path; p != NULL; p = strchr(p, '/')) {
		p += *p == '/';
		if (strncmp(p, WHITEOUT_META, strlen(WHITEOUT_META)) == 0)
			return true;
	}
	return false;
}

/* ---- all of them ---- */

static sp_code apply_entry(applier *a, sp_tar *tar, const sp_tar_entry *e, sp_err *err)
{
	static target t; /* too large for a stack; one at a time */
	bool fresh = false, kept = true;
	SP_TRY(unpack_path_clean(e->path, t.path, err));
	split(t.path, t.dir, &t.base);
	bool opaque = strcmp(t.base, WHITEOUT_META ".opq") == 0;
	if (!opaque && is_meta(t.path))
		return SP_OK;
	if (t.base[0] == '\0' && e->type != SP_TAR_DIR)
		return sp_fail(err, SP_EINVAL, "the root is not a directory");
	SP_TRY(unpack_place_dir(&a->place, t.dir, &t.fd, err));
	if (opaque)
		return apply_opaque(a, &t, err);
	if (strncmp(t.base, WHITEOUT, strlen(WHITEOUT)) == 0)
		return apply_whiteout(a, &t, err);
	if (e->type == SP_TAR_HARDLINK)
		return apply_hardlink(a, e, &t, err);
	if (t.base[0] != '\0')
		SP_TRY(make_room(a, &t, e->type == SP_TAR_DIR, &fresh, &kept, err));
	switch (e->type) {
	case SP_TAR_FILE:
		return apply_file(a, tar, e, &t, err);
	case SP_TAR_DIR:
		return apply_dir(a, e, &t, fresh, kept, err);
	case SP_TAR_SYMLINK:
		return apply_symlink(a, e, &t, err);
	case SP_TAR_CHAR:
	case SP_TAR_BLOCKDEV:
	case SP_TAR_FIFO:
		return apply_node(a, e, &t, err);
	case SP_TAR_HARDLINK:
		break;
	}
	SP_UNREACHABLE();
}

static sp_code set_dir_times(applier *a, sp_err *err)
{
	for (const dir_time *d = a->times; d != NULL; d = d->next) {
		const struct timespec times[2] = {d->mtime, d->mtime};
		int fd = unpack_open_in(a->place.root, d->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
			continue; /* something else took its place */
		int rc = fd < 0 ? -1 : futimens(fd, times);
		int errnum = errno;
		if (fd >= 0)
			(void)close(fd);
		if (rc != 0)
			return sp_fail_sys(err, errnum, "set the time of '%s'", d->path);
	}
	return SP_OK;
}

/* The root that the archive does not describe is that of the layer below. */
static sp_code inherit_root(applier *a, sp_err *err)
{
	struct stat st;
	if (a->o->n_parents == 0)
		return SP_OK;
	if (fstat(a->o->parents[0], &st) != 0)
		return sp_fail_sys(err, errno, "look at the layer below");
	return unpack_copy_attributes(a->o->parents[0], a->place.root, &st, err);
}

static sp_code apply_all(applier *a, sp_tar *t, sp_err *err)
{
	SP_TRY(inherit_root(a, err));
	for (;;) {
		const sp_tar_entry *e;
		SP_TRY(sp_tar_next(t, &e, err));
		if (e == NULL)
			break;
		if (apply_entry(a, t, e, err) != SP_OK)
			return sp_wrap(err, "entry '" SP_FMT "'", SP_ARG(e->path));
	}
	SP_TRY(set_dir_times(a, err));
	return sp_tar_drain(t, err);
}

sp_code unpack_apply(int root, sp_tar *t, const unpack_opts *o, unpack_totals *ret, sp_err *err)
{
	static applier a; /* its paths are large; one at a time */
	a = (applier){.o = o};
	unpack_place_init(&a.place, root);
	a.place.parents = o->parents;
	a.place.n_parents = o->n_parents;
	a.place.user_xattr = o->user_xattr;
	a.place.made_dir = made_dir;
	a.place.arg = &a;
	sp_arena_init(&a.dirs, DIRS_BYTES_MAX);
	sp_code code = apply_all(&a, t, err);
	unpack_place_done(&a.place);
	sp_arena_done(&a.dirs);
	if (code == SP_OK)
		*ret = a.totals;
	return code;
}
