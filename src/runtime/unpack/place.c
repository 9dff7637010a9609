/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/unpack/place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel counts */
#define XATTR_BYTES_MAX 65536u
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static const char *opaque_name(const unpack_place *p)
{
	return p->user_xattr ? "user.overlay.opaque" : "trusted.overlay.opaque";
}

void unpack_place_init(unpack_place *p, int root)
{
	*p = (unpack_place){.root = root, .cached_fd = -1};
}

void unpack_place_done(unpack_place *p)
{
	if (p->cached_fd >= 0)
		(void)close(p->cached_fd);
	p->cached_fd = -1;
}

int unpack_open_in(int root, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
	};
	long fd;
	do /* EAGAIN: something was renamed meanwhile; only we work here, so it ends */
		fd = syscall(SYS_openat2, root, path[0] == '\0' ? "." : path, &how, sizeof how);
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return (int)fd;
}

bool unpack_is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

bool unpack_xattr_is_allowed(const char *name)
{
	static const char *const names[] = {"security.capability", "system.posix_acl_access",
					    "system.posix_acl_default"};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0;
}

sp_code unpack_path_clean(sp_str name, char out[UNPACK_PATH_BYTES], sp_err *err)
{
	size_t n = 0;
	sp_str rest = name;
	while (rest.len > 0) {
		sp_str part;
		(void)sp_str_next(&rest, '/', &part);
		if (part.len == 0 || sp_str_eq(part, SP_STR(".")))
			continue;
		if (sp_str_eq(part, SP_STR("..")))
			return sp_fail(err, SP_EINVAL, "'" SP_FMT "' leads upwards", SP_ARG(name));
		if (n + part.len + 2 > UNPACK_PATH_BYTES)
			return sp_fail(err, SP_EINVAL, "a name of %zu bytes is too long", name.len);
		if (n > 0)
			out[n++] = '/';
		memcpy(out + n, part.ptr, part.len);
		n += part.len;
	}
	out[n] = '\0';
	return SP_OK;
}

/* ---- attributes ---- */

sp_code unpack_set_opaque(const unpack_place *p, int fd, sp_err *err)
{
	if (fsetxattr(fd, opaque_name(p), "y", 1, 0) != 0)
		return sp_fail_sys(err, errno, "set %s", opaque_name(p));
	return SP_OK;
}

static bool is_opaque(const unpack_place *p, int fd)
{
	char value;
	return fgetxattr(fd, opaque_name(p), &value, 1) == 1 && value == 'y';
}

static sp_code copy_xattrs(int from, int to, sp_err *err)
{
	static char names[XATTR_BYTES_MAX], value[XATTR_BYTES_MAX];
	ssize_t n = flistxattr(from, names, sizeof names);
	if (n < 0)
		return errno == ENOTSUP ? SP_OK : sp_fail_sys(err, errno, "list extended attributes");
	for (const char *name = names; name < names + n; name += strlen(name) + 1) {
		if (!unpack_xattr_is_allowed(name))
			continue;
		ssize_t size = fgetxattr(from, name, value, sizeof value);
		if (size < 0 || fsetxattr(to, name, value, (size_t)size, 0) != 0)
			return sp_fail_sys(err, errno, "copy the extended attribute '%s'", name);
	}
	return SP_OK;
}

sp_code unpack_copy_attributes(int from, int to, const struct stat *st, sp_err *err)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	/* The owner first: changing it takes setuid bits and capabilities away. */
	if (fchown(to, st->st_uid, st->st_gid) != 0 || fchmod(to, st->st_mode & 07777) != 0)
		return sp_fail_sys(err, errno, "copy owner and mode");
	SP_TRY(copy_xattrs(from, to, err));
	return futimens(to, times) == 0 ? SP_OK : sp_fail_sys(err, errno, "copy times");
}

/* ---- the layers below ---- */

typedef enum verdict { FOUND, MISSING, HIDES } verdict;

/* One layer's word about a path. *opaque: a directory on the way hides what is below it in the layers that
 * follow. */
static sp_code look_in_layer(const unpack_place *p, int layer, const char *path, bool *opaque, verdict *ret,
			     struct stat *st, sp_err *err)
{
	char part[UNPACK_PATH_BYTES];
	int fd = dup(layer);
	*ret = MISSING;
	while (fd >= 0) {
		const char *slash = strchr(path, '/');
		size_t n = slash == NULL ? strlen(path) : (size_t)(slash - path);
		memcpy(part, path, n);
		part[n] = '\0';
		if (n > 0 && fstatat(fd, part, st, AT_SYMLINK_NOFOLLOW) != 0) {
			int errnum = errno;
			(void)close(fd);
			return errnum == ENOENT
				       ? SP_OK
				       : sp_fail_sys(err, errnum, "look at '%s' of a lower layer", part);
		}
		if (n == 0)
			(void)fstat(fd, st); /* the root itself */
		if (slash == NULL || !S_ISDIR(st->st_mode)) {
			*ret = unpack_is_whiteout(st) || slash != NULL ? HIDES : FOUND;
			(void)close(fd);
			return SP_OK;
		}
		int next = openat(fd, part, DIR_FLAGS);
		int errnum = errno;
		(void)close(fd);
		errno = errnum;
		fd = next;
		if (fd >= 0 && is_opaque(p, fd))
			*opaque = true;
		path = slash + 1;
	}
	return sp_fail_sys(err, errno, "open '%s' of a lower layer", part);
}

sp_code unpack_place_lower(unpack_place *p, const char *real, unpack_lower *ret, sp_err *err)
{
	bool opaque = false;
	verdict v;
	*ret = (unpack_lower){.found = false};
	/* This layer first: only to learn what it hides. */
	SP_TRY(look_in_layer(p, p->root, real, &opaque, &v, &ret->st, err));
	for (size_t i = 0; i < p->n_parents && !opaque && (i == 0 ? v != HIDES : v == MISSING); i++) {
		SP_TRY(look_in_layer(p, p->parents[i], real, &opaque, &v, &ret->st, err));
		ret->found = v == FOUND;
		ret->layer = p->parents[i];
	}
	return SP_OK;
}

/* ---- directories ---- */

/* The walk: where it stands, and what is still to go. */
typedef struct walk {
	unpack_place *place;
	int fd;                       /* of `real` */
	char real[UNPACK_PATH_BYTES]; /* without links */
	char todo[UNPACK_PATH_BYTES];
	unsigned n_links;
} walk;

static sp_code walk_to(walk *k, int fd, sp_err *err)
{
	int errnum = errno;
	if (k->fd >= 0)
		(void)close(k->fd);
	k->fd = fd;
	return fd >= 0 ? SP_OK : sp_fail_sys(err, errnum, "open '%s'", k->real);
}

static sp_code too_long(sp_err *err)
{
	return sp_fail(err, SP_EINVAL, "a path of more than %u bytes", UNPACK_PATH_BYTES);
}

/* A link's target stands before what is still to go; an absolute one begins at the root. */
static sp_code walk_link(walk *k, const char *target, size_t n, sp_err *err)
{
	size_t left = strlen(k->todo);
	if (++k->n_links > LINKS_MAX)
		return sp_fail(err, SP_EINVAL, "more than %d symbolic links on the way", LINKS_MAX);
	if (n + left + 2 > sizeof k->todo)
		return too_long(err);
	memmove(k->todo + n + 1, k->todo, left + 1);
	memcpy(k->todo, target, n);
	k->todo[n] = '/';
	if (n > 0 && target[0] == '/') {
		k->real[0] = '\0';
		return walk_to(k, unpack_open_in(k->place->root, "", DIR_FLAGS), err);
	}
	return SP_OK;
}

static sp_code walk_up(walk *k, sp_err *err)
{
	char *slash = strrchr(k->real, '/');
	*(slash == NULL ? k->real : slash) = '\0';
	return walk_to(k, unpack_open_in(k->place->root, k->real, DIR_FLAGS), err);
}

static sp_code make_dir(walk *k, const char *part, const unpack_lower *lower, bool opaque, sp_err *err)
{
	char rest[UNPACK_PATH_BYTES];
	(void)snprintf(rest, sizeof rest, "%s", k->real); /* of the new directory */
	if (mkdirat(k->fd, part, 0755) != 0)
		return sp_fail_sys(err, errno, "make the directory '%s'", k->real);
	if (k->place->made_dir != NULL)
		k->place->made_dir(k->place->arg);
	SP_TRY(walk_to(k, openat(k->fd, part, DIR_FLAGS), err));
	if (opaque)
		SP_TRY(unpack_set_opaque(k->place, k->fd, err));
	if (lower == NULL)
		return SP_OK;
	int from = unpack_open_in(lower->layer, rest, DIR_FLAGS);
	if (from < 0)
		return sp_fail_sys(err, errno, "open '%s' of a lower layer", rest);
	sp_code code = unpack_copy_attributes(from, k->fd, &lower->st, err);
	(void)close(from);
	return code;
}

/* The component is not in this layer. */
static sp_code walk_lower(walk *k, const char *part, sp_err *err)
{
	unpack_lower lower;
	SP_TRY(unpack_place_lower(k->place, k->real, &lower, err));
	if (!lower.found)
		return make_dir(k, part, NULL, false, err);
	if (S_ISDIR(lower.st.st_mode))
		return make_dir(k, part, &lower, false, err);
	if (!S_ISLNK(lower.st.st_mode))
		return sp_fail(err, SP_EINVAL, "'%s' is not a directory in the layers below", k->real);
	char target[UNPACK_PATH_BYTES];
	int fd = unpack_open_in(lower.layer, k->real, O_PATH | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof target);
	int errnum = errno;
	if (fd >= 0)
		(void)close(fd);
	if (n < 0)
		return sp_fail_sys(err, errnum, "read the link '%s' of a lower layer", k->real);
	SP_TRY(walk_up(k, err));
	return walk_link(k, target, (size_t)n, err);
}

static sp_code walk_part(walk *k, const char *part, size_t n, sp_err *err)
{
	struct stat st;
	char target[UNPACK_PATH_BYTES];
	size_t have = strlen(k->real);
	if (have + n + 2 > sizeof k->real)
		return too_long(err);
	bool there = fstatat(k->fd, part, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!there && errno != ENOENT)
		return sp_fail_sys(err, errno, "look at '%s'", part);
	if (there && S_ISLNK(st.st_mode)) {
		ssize_t size = readlinkat(k->fd, part, target, sizeof target);
		if (size < 0)
			return sp_fail_sys(err, errno, "read the link '%s'", part);
		return walk_link(k, target, (size_t)size, err);
	}
	if (have > 0)
		k->real[have++] = '/';
	memcpy(k->real + have, part, n + 1);
	if (there && S_ISDIR(st.st_mode))
		return walk_to(k, openat(k->fd, part, DIR_FLAGS), err);
	if (!there)
		return walk_lower(k, part, err);
	if (!unpack_is_whiteout(&st))
		return sp_fail(err, SP_EINVAL, "'%s' is not a directory", k->real);
	if (unlinkat(k->fd, part, 0) != 0)
		return sp_fail_sys(err, errno, "replace '%s'", k->real);
	return make_dir(k, part, NULL, true, err);
}

static sp_code walk_all(walk *k, sp_err *err)
{
	while (k->todo[0] != '\0') {
		char part[UNPACK_PATH_BYTES];
		size_t n = strcspn(k->todo, "/");
		memcpy(part, k->todo, n);
		part[n] = '\0';
		size_t skip = n + (k->todo[n] == '/');
		memmove(k->todo, k->todo + skip, strlen(k->todo + skip) + 1);
		if (n == 0 || strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") == 0)
			SP_TRY(walk_up(k, err));
		else
			SP_TRY(walk_part(k, part, n, err));
	}
	return SP_OK;
}

static void cache(unpack_place *p, const char *dir, int fd)
{
	unpack_place_done(p);
	p->cached_fd = fd;
	(void)snprintf(p->cached, sizeof p->cached, "%s", dir);
}

sp_code unpack_place_real(unpack_place *p, const char *dir, char real[UNPACK_PATH_BYTES], int *ret_fd,
			  sp_err *err)
{
	static walk k; /* too large for a stack; one at a time */
	k = (walk){.place = p, .fd = -1};
	(void)snprintf(k.todo, sizeof k.todo, "%s", dir);
	sp_code code = walk_to(&k, unpack_open_in(p->root, "", DIR_FLAGS), err);
	if (code == SP_OK)
		code = walk_all(&k, err);
	if (code != SP_OK) {
		if (k.fd >= 0)
			(void)close(k.fd);
		return code;
	}
	memcpy(real, k.real, sizeof k.real);
	cache(p, dir, k.fd);
	*ret_fd = k.fd;
	return SP_OK;
}

sp_code unpack_place_dir(unpack_place *p, const char *dir, int *ret_fd, sp_err *err)
{
	char real[UNPACK_PATH_BYTES];
	if (p->cached_fd < 0 || strcmp(p->cached, dir) != 0) {
		int fd = unpack_open_in(p->root, dir, DIR_FLAGS & ~O_NOFOLLOW);
		if (fd < 0)
			return unpack_place_real(p, dir, real, ret_fd, err); /* which says why */
		cache(p, dir, fd);
	}
	*ret_fd = p->cached_fd;
	return SP_OK;
}
