/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes that become open to the group of a pod. U: kubernetes pkg/volume/volume_linux.go. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "node/files.h"

#define DEPTH_MAX 256u /* each level is an open directory */

typedef struct walk {
	const sp_pod_tree_owner *owner;
	sp_err *err;
} walk;

static mode_t mask_of(const sp_pod_tree_owner *owner, bool is_dir)
{
	return (owner->read_only ? 0440u : 0660u) | (is_dir ? S_ISGID | 0110u : 0u);
}

/* By its descriptor: whoever runs in the volume may put a link where a file was. A link has no mode of its
 * own. */
static void change(const walk *w, int fd, mode_t mode)
{
	char at[64];
	(void)!fchownat(fd, "", (uid_t)-1, w->owner->gid, AT_EMPTY_PATH);
	if (S_ISLNK(mode))
		return;
	(void)snprintf(at, sizeof at, "/proc/self/fd/%d", fd);
	/* The mode as it was before: a change of owners takes bits away. */
	(void)!chmod(at, (mode & 07777u) | mask_of(w->owner, S_ISDIR(mode)));
}

static sp_code walk_at(const walk *w, int dir_fd, const char *name, unsigned depth);

static sp_code walk_in(const walk *w, int fd, unsigned depth)
{
	const struct dirent *e;
	sp_code code = SP_OK;
	int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = own < 0 ? NULL : fdopendir(own);
	if (d == NULL) {
		code = sp_fail_sys(w->err, errno, "open a directory of a volume");
		if (own >= 0)
			(void)close(own);
		return code;
	}
	while (code == SP_OK && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			code = walk_at(w, dirfd(d), e->d_name, depth + 1);
	}
	(void)closedir(d);
	return code;
}

/* What goes away meanwhile is nobody's any more. */
static sp_code walk_at(const walk *w, int dir_fd, const char *name, unsigned depth)
{
	struct stat st;
	sp_code code = SP_OK;
	if (depth > DEPTH_MAX)
		return sp_fail(w->err, SP_ETOOLARGE, "a directory is nested too deeply to change its owner");
	int fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? SP_OK : sp_fail_sys(w->err, errno, "open %s", name);
	if (fstat(fd, &st) != 0)
		code = sp_fail_sys(w->err, errno, "stat %s", name);
	else if (S_ISDIR(st.st_mode))
		code = walk_in(w, fd, depth);
	if (code == SP_OK)
		change(w, fd, st.st_mode);
	(void)close(fd);
	return code;
}

/* The root tells that all below it is right. */
static bool is_right(const char *path, const sp_pod_tree_owner *owner)
{
	struct stat st;
	mode_t mask = mask_of(owner, true);
	return stat(path, &st) == 0 && st.st_gid == owner->gid && S_ISDIR(st.st_mode) &&
	       (st.st_mode & mask) == mask;
}

sp_code node_files_own_tree(sp_pod_files *f, sp_str name, const sp_pod_tree_owner *owner, sp_err *err)
{
	char path[PATH_MAX];
	const walk w = {.owner = owner, .err = err};
	(void)f;
	if (name.len == 0 || name.ptr[0] != '/' || name.len >= sizeof path || sp_str_index(name, '\0') >= 0)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no path", SP_ARG(name));
	(void)snprintf(path, sizeof path, SP_FMT, SP_ARG(name));
	if (owner->on_root_mismatch && is_right(path, owner))
		return SP_OK;
	return walk_at(&w, AT_FDCWD, path, 0);
}
