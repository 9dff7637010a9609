/* SPDX-License-Identifier: Apache-2.0 */
#include "node/files.h"

#include "node/cgroups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define DEPTH_MAX 128u /* of a tree that is removed */

/* A path with its NUL. */
typedef struct path {
	char text[PATH_MAX];
} path;

static sp_code path_of(sp_str s, path *ret, sp_err *err)
{
	if (s.len == 0 || s.ptr[0] != '/' || s.len >= sizeof ret->text || sp_str_index(s, '\0') >= 0)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no path", SP_ARG(s));
	memcpy(ret->text, s.ptr, s.len);
	ret->text[s.len] = '\0';
	return SP_OK;
}

static sp_code own(int fd, const char *name, sp_pod_file_owner owner, sp_err *err)
{
	if (owner.uid == SP_POD_FILES_SAME && owner.gid == SP_POD_FILES_SAME)
		return SP_OK;
	if (fchown(fd, owner.uid, owner.gid) != 0)
		return sp_fail_sys(err, errno, "chown %s", name);
	return SP_OK;
}

static sp_code make_parents(char *text, sp_err *err)
{
	for (char *at = text + 1; (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		int failed = mkdir(text, 0755) != 0 && errno != EEXIST ? errno : 0;
		if (failed != 0)
			return sp_fail_sys(err, failed, "mkdir %s", text);
		*at = '/';
	}
	return SP_OK;
}

static sp_code make_dir(sp_pod_files *f, sp_str name, uint32_t mode, sp_pod_file_owner owner, sp_err *err)
{
	path p;
	(void)f;
	SP_TRY(path_of(name, &p, err));
	SP_TRY(make_parents(p.text, err));
	if (mkdir(p.text, 0700) != 0 && errno != EEXIST)
		return sp_fail_sys(err, errno, "mkdir %s", p.text);
	int fd = open(p.text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", p.text);
	sp_code code = own(fd, p.text, owner, err);
	if (code == SP_OK && fchmod(fd, mode) != 0)
		code = sp_fail_sys(err, errno, "chmod %s", p.text);
	(void)close(fd);
	return code;
}

static sp_code write_all(int fd, const char *name, sp_str content, sp_err *err)
{
	while (content.len > 0) {
		ssize_t n = write(fd, content.ptr, content.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return sp_fail_sys(err, errno, "write %s", name);
		content = sp_str_sub(content, (size_t)n, content.len);
	}
	return SP_OK;
}

static sp_code write_file(sp_pod_files *f, sp_str name, sp_str content, uint32_t mode,
			  sp_pod_file_owner owner, sp_err *err)
{
	path p;
	(void)f;
	SP_TRY(path_of(name, &p, err));
	SP_TRY(make_parents(p.text, err));
	int fd = open(p.text, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", p.text);
	sp_code code = write_all(fd, p.text, content, err);
	if (code == SP_OK)
		code = own(fd, p.text, owner, err);
	if (code == SP_OK && fchmod(fd, mode) != 0)
		code = sp_fail_sys(err, errno, "chmod %s", p.text);
	(void)close(fd);
	return code;
}

static sp_code read_tail(sp_pod_files *f, sp_str name, size_t limit_bytes, sp_arena *a, sp_str *ret,
			 sp_err *err)
{
	path p;
	struct stat st;
	(void)f;
	SP_TRY(path_of(name, &p, err));
	int fd = open(p.text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", p.text);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return sp_fail(err, SP_EINVAL, "%s is no file", p.text);
	}
	off_t from = st.st_size > (off_t)limit_bytes ? st.st_size - (off_t)limit_bytes : 0;
	char *text = sp_arena_try_alloc(a, limit_bytes + 1);
	ssize_t n = text == NULL ? -1 : pread(fd, text, limit_bytes, from);
	int failed = errno;
	(void)close(fd);
	if (text == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to read %s", p.text);
	if (n < 0)
		return sp_fail_sys(err, failed, "read %s", p.text);
	*ret = (sp_str){text, (size_t)n};
	return SP_OK;
}

static sp_code make_link(sp_pod_files *f, sp_str target, sp_str name, sp_err *err)
{
	path p, next;
	char to[PATH_MAX];
	(void)f;
	SP_TRY(path_of(name, &p, err));
	if (target.len >= sizeof to)
		return sp_fail(err, SP_EINVAL, "the target of a link is too long");
	memcpy(to, target.ptr, target.len);
	to[target.len] = '\0';
	if (symlink(to, p.text) == 0)
		return SP_OK;
	if (errno != EEXIST)
		return sp_fail_sys(err, errno, "symlink %s", p.text);
	/* The name upstream uses, too: no name of a user's begins so. */
	int n = snprintf(next.text, sizeof next.text, "%.*s/..data_tmp", (int)(strrchr(p.text, '/') - p.text),
			 p.text);
	if (n < 0 || (size_t)n >= sizeof next.text)
		return sp_fail(err, SP_EINVAL, "the name of a link is too long");
	(void)unlink(next.text);
	if (symlink(to, next.text) != 0)
		return sp_fail_sys(err, errno, "symlink %s", next.text);
	if (rename(next.text, p.text) != 0)
		return sp_fail_sys(err, errno, "rename %s", next.text);
	return SP_OK;
}

static sp_code read_link(sp_pod_files *f, sp_str name, sp_arena *a, sp_str *ret, sp_err *err)
{
	path p;
	char to[PATH_MAX];
	(void)f;
	SP_TRY(path_of(name, &p, err));
	ssize_t n = readlink(p.text, to, sizeof to);
	if (n < 0)
		return sp_fail_sys(err, errno, "readlink %s", p.text);
	*ret = sp_arena_try_dup(a, (sp_str){to, (size_t)n});
	return ret->ptr == NULL ? sp_fail(err, SP_ENOMEM, "no memory for a link") : SP_OK;
}

static sp_code rename_path(sp_pod_files *f, sp_str from, sp_str to, sp_err *err)
{
	path a, b;
	(void)f;
	SP_TRY(path_of(from, &a, err));
	SP_TRY(path_of(to, &b, err));
	if (rename(a.text, b.text) != 0)
		return sp_fail_sys(err, errno, "rename %s", a.text);
	return SP_OK;
}

/* ---- mounts ---- */

static bool is_mount(const char *name)
{
	struct statx here, up;
	char above[PATH_MAX + 4];
	(void)snprintf(above, sizeof above, "%s/..", name);
	if (statx(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &here) != 0 ||
	    statx(AT_FDCWD, above, 0, STATX_BASIC_STATS, &up) != 0)
		return false;
	if ((here.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) != 0)
		return (here.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
	return here.stx_dev_major != up.stx_dev_major || here.stx_dev_minor != up.stx_dev_minor;
}

static sp_code mount_memory(sp_pod_files *f, sp_str name, const sp_pod_mount *m, sp_err *err)
{
	path p;
	char data[160], size[48] = "", gid[32] = "", page[48] = "";
	const char *type = m->page_bytes != 0 ? "hugetlbfs" : "tmpfs";
	(void)f;
	SP_TRY(path_of(name, &p, err));
	if (is_mount(p.text))
		return SP_OK;
	SP_TRY(make_parents(p.text, err));
	if (mkdir(p.text, 0755) != 0 && errno != EEXIST)
		return sp_fail_sys(err, errno, "mkdir %s", p.text);
	if (m->size_bytes != 0)
		(void)snprintf(size, sizeof size, ",size=%llu", (unsigned long long)m->size_bytes);
	if (m->gid != SP_POD_FILES_SAME)
		(void)snprintf(gid, sizeof gid, ",gid=%u", m->gid);
	if (m->page_bytes != 0)
		(void)snprintf(page, sizeof page, ",pagesize=%llu", (unsigned long long)m->page_bytes);
	(void)snprintf(data, sizeof data, "mode=%04o%s%s%s", m->mode, gid, size, page);
	if (mount(m->page_bytes != 0 ? "nodev" : "tmpfs", p.text, type, 0, data) != 0)
		return sp_fail_sys(err, errno, "mount %s at %s", type, p.text);
	return SP_OK;
}

/* ---- removal ---- */

static sp_code remove_below(int dir_fd, const char *name, unsigned depth, sp_err *err);

static sp_code remove_entries(int fd, unsigned depth, sp_err *err)
{
	const struct dirent *e;
	sp_code code = SP_OK;
	DIR *d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return sp_fail_sys(err, errno, "fdopendir");
	}
	while (code == SP_OK && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			code = remove_below(dirfd(d), e->d_name, depth + 1, err);
	}
	(void)closedir(d);
	return code;
}

static sp_code remove_below(int dir_fd, const char *name, unsigned depth, sp_err *err)
{
	if (depth > DEPTH_MAX)
		return sp_fail(err, SP_ETOOLARGE, "a directory is nested too deeply to be removed");
	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return SP_OK;
	if (errno == EBUSY || errno == EISDIR ||
	    errno == EPERM) { /* a directory, or a mount on a file or directory */
		char at[64 + NAME_MAX];
		(void)snprintf(at, sizeof at, "/proc/self/fd/%d/%s", dir_fd, name);
		while (umount2(at, UMOUNT_NOFOLLOW | MNT_DETACH) == 0)
			;
	}
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		SP_TRY(remove_entries(fd, depth, err));
	if (unlinkat(dir_fd, name, fd >= 0 ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT)
		return sp_fail_sys(err, errno, "remove %s", name);
	return SP_OK;
}

static sp_code remove_tree(sp_pod_files *f, sp_str name, sp_err *err)
{
	path p;
	(void)f;
	SP_TRY(path_of(name, &p, err));
	char *slash = strrchr(p.text, '/');
	if (slash == p.text || slash[1] == '\0')
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is not removed", SP_ARG(name));
	*slash = '\0';
	int fd = open(p.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? SP_OK : sp_fail_sys(err, errno, "open %s", p.text);
	sp_code code = remove_below(fd, slash + 1, 0, err);
	(void)close(fd);
	return code;
}

/* ---- host paths ---- */

static const struct {
	const char *what; /* as kubelet names it */
	mode_t is;
	int make; /* 1 directory, 2 file */
} host_types[] = {
	[SP_HOST_PATH_ANY] = {"", 0, 0},
	[SP_HOST_PATH_DIR_OR_CREATE] = {"a directory", S_IFDIR, 1},
	[SP_HOST_PATH_DIR] = {"a directory", S_IFDIR, 0},
	[SP_HOST_PATH_FILE_OR_CREATE] = {"a file", S_IFREG, 2},
	[SP_HOST_PATH_FILE] = {"a file", S_IFREG, 0},
	[SP_HOST_PATH_SOCKET] = {"a socket file", S_IFSOCK, 0},
	[SP_HOST_PATH_CHAR_DEVICE] = {"a character device", S_IFCHR, 0},
	[SP_HOST_PATH_BLOCK_DEVICE] = {"a block device", S_IFBLK, 0},
};

static sp_code make_host_path(path *p, int make, sp_err *err)
{
	if (make == 1) {
		SP_TRY(make_parents(p->text, err));
		/* another pod may have made it meanwhile */
		return mkdir(p->text, 0755) == 0 || errno == EEXIST
			       ? SP_OK
			       : sp_fail_sys(err, errno, "mkdir %s", p->text);
	}
	int fd = open(p->text, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", p->text);
	(void)close(fd);
	return SP_OK;
}

static sp_code check(sp_pod_files *f, sp_str name, sp_host_path_type type, sp_err *err)
{
	path p;
	struct stat st;
	(void)f;
	if (type == SP_HOST_PATH_ANY)
		return SP_OK;
	SP_TRY(path_of(name, &p, err));
	if (stat(p.text, &st) != 0) {
		if (errno == ENOENT && host_types[type].make != 0)
			return make_host_path(&p, host_types[type].make, err);
		return sp_fail(err, SP_EINVAL, "hostPath type check failed: " SP_FMT " is not %s",
			       SP_ARG(name), host_types[type].what);
	}
	if ((st.st_mode & S_IFMT) != host_types[type].is)
		return sp_fail(err, SP_EINVAL, "hostPath type check failed: " SP_FMT " is not %s",
			       SP_ARG(name), host_types[type].what);
	return SP_OK;
}

/* ---- sub-paths ---- */

/* Opens a path inside a directory; links in it count, but nothing leads out. -1 with errno. */
static int open_beneath(int base, const char *rel)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
	return (int)syscall(SYS_openat2, base, rel, &how, sizeof how);
}

/* Makes the directories of a path that are missing, from the first on. */
static sp_code make_beneath(int base, char *rel, sp_err *err)
{
	int at = dup(base);
	char *name = rel, *slash;
	do {
		slash = strchr(name, '/');
		if (slash != NULL)
			*slash = '\0';
		if (*name != '\0' && mkdirat(at, name, 0750) != 0 && errno != EEXIST) {
			(void)close(at);
			return sp_fail_sys(err, errno, "subPath: mkdir %s", rel);
		}
		(void)close(at);
		at = open_beneath(base, rel);
		if (at < 0)
			return sp_fail_sys(err, errno, "subPath %s", rel);
		if (slash != NULL) {
			*slash = '/';
			name = slash + 1;
		}
	} while (slash != NULL);
	(void)close(at);
	return SP_OK;
}

/* Where the bind is put: a directory or a file, as what is bound. */
static sp_code make_target(int fd, const char *target, sp_err *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return sp_fail_sys(err, errno, "stat of a subPath");
	if (S_ISDIR(st.st_mode))
		return mkdir(target, 0750) == 0 || errno == EEXIST
			       ? SP_OK
			       : sp_fail_sys(err, errno, "mkdir %s", target);
	int made = open(target, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (made < 0)
		return sp_fail_sys(err, errno, "open %s", target);
	(void)close(made);
	return SP_OK;
}

static sp_code bind_fd(int fd, path *target, sp_err *err)
{
	char from[64];
	SP_TRY(make_parents(target->text, err));
	while (umount2(target->text, UMOUNT_NOFOLLOW | MNT_DETACH) == 0)
		;
	SP_TRY(make_target(fd, target->text, err));
	(void)snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
	if (mount(from, target->text, NULL, MS_BIND, NULL) != 0)
		return sp_fail_sys(err, errno, "bind a subPath at %s", target->text);
	return SP_OK;
}

static sp_code sub_path(sp_pod_files *f, sp_str base, sp_str rel, sp_str target, sp_err *err)
{
	path p, to;
	char text[PATH_MAX];
	sp_code code = SP_OK;
	(void)f;
	SP_TRY(path_of(base, &p, err));
	SP_TRY(path_of(target, &to, err));
	if (rel.len >= sizeof text || sp_str_index(rel, '\0') >= 0)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no subPath", SP_ARG(rel));
	memcpy(text, rel.ptr, rel.len);
	text[rel.len] = '\0';
	int base_fd = open(p.text, O_PATH | O_CLOEXEC | O_DIRECTORY);
	if (base_fd < 0)
		return sp_fail_sys(err, errno, "open %s", p.text);
	int fd = open_beneath(base_fd, text);
	if (fd < 0 && errno == ENOENT) {
		code = make_beneath(base_fd, text, err);
		if (code == SP_OK)
			fd = open_beneath(base_fd, text);
	}
	if (code == SP_OK && fd < 0)
		code = sp_fail_sys(err, errno, "subPath " SP_FMT, SP_ARG(rel));
	if (code == SP_OK)
		code = bind_fd(fd, &to, err);
	if (fd >= 0)
		(void)close(fd);
	(void)close(base_fd);
	return code;
}

static sp_code set_cgroup(sp_pod_files *f, sp_str name, const sp_pod_cgroup *limits, sp_err *err)
{
	(void)f;
	return node_cgroup_set(SP_STR("/sys/fs/cgroup"), name, limits, err);
}
static sp_code remove_cgroup(sp_pod_files *f, sp_str name, sp_err *err)
{
	(void)f;
	return node_cgroup_remove(SP_STR("/sys/fs/cgroup"), name, err);
}

sp_pod_files *node_files(void)
{
	static sp_pod_files files = {
		.make_dir = make_dir,
		.write = write_file,
		.read_tail = read_tail,
		.read_in = node_files_read_in,
		.link = make_link,
		.read_link = read_link,
		.rename = rename_path,
		.mount_memory = mount_memory,
		.own_tree = node_files_own_tree,
		.remove_tree = remove_tree,
		.usage = node_files_usage,
		.check = check,
		.sub_path = sub_path,
		.set_cgroup = set_cgroup,
		.remove_cgroup = remove_cgroup,
	};
	return &files;
}
