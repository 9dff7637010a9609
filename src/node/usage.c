/* SPDX-License-Identifier: Apache-2.0 */
/* What directories take on their disk. U: kubernetes pkg/volume/util/fs/fs.go DiskUsage. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "node/files.h"

#define DEPTH_MAX 128u /* deeper ones don't count */
#define SEEN_MAX \
	((size_t)65536) /* files of several names that are remembered; further ones count by each name */
#define BLOCK_BYTES 512

typedef struct walk {
	dev_t device;
	sp_pod_usage sum;
	uint64_t *seen; /* inodes, a hash table of SEEN_MAX; NULL until the first */
	size_t n_seen;
} walk;

/* True when that file was counted by another name. */
static bool was_seen(walk *w, uint64_t inode)
{
	if (w->seen == NULL)
		w->seen = sp_try_alloc(SEEN_MAX * sizeof *w->seen);
	if (w->seen == NULL || inode == 0 || w->n_seen >= SEEN_MAX / 4 * 3)
		return false;
	size_t at = (size_t)(inode * UINT64_C(0x9e3779b97f4a7c15) >> 48) % SEEN_MAX;
	while (w->seen[at] != 0) {
		if (w->seen[at] == inode)
			return true;
		at = (at + 1) % SEEN_MAX;
	}
	w->seen[at] = inode;
	w->n_seen++;
	return false;
}

static void look(walk *w, int dir_fd, const char *name, unsigned depth);

static void look_in(walk *w, int fd, unsigned depth)
{
	const struct dirent *e;
	DIR *d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			look(w, dirfd(d), e->d_name, depth + 1);
	}
	(void)closedir(d);
}

/* What went away meanwhile does not count. */
static void look(walk *w, int dir_fd, const char *name, unsigned depth)
{
	struct stat st;
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_dev != w->device)
		return;
	if (!S_ISDIR(st.st_mode) && st.st_nlink > 1 && was_seen(w, st.st_ino))
		return;
	w->sum.bytes += (uint64_t)st.st_blocks * BLOCK_BYTES;
	w->sum.inodes++;
	if (!S_ISDIR(st.st_mode) || depth >= DEPTH_MAX)
		return;
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		look_in(w, fd, depth);
}

sp_code node_files_usage(sp_pod_files *f, sp_str name, sp_pod_usage *ret, sp_err *err)
{
	char path[PATH_MAX];
	struct stat st;
	walk w = {0};
	(void)f;
	if (name.len == 0 || name.ptr[0] != '/' || name.len >= sizeof path || sp_str_index(name, '\0') >= 0)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no path", SP_ARG(name));
	(void)snprintf(path, sizeof path, SP_FMT, SP_ARG(name));
	if (lstat(path, &st) != 0)
		return sp_fail_sys(err, errno, "stat %s", path);
	w.device = st.st_dev;
	look(&w, AT_FDCWD, path, 0);
	sp_free(w.seen);
	*ret = w.sum;
	return SP_OK;
}
