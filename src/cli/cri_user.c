/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cri_user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DEPTH_MAX 8
#define PATH_BYTES 4096u
#define NAME_BYTES 256u
#define SOCKET_MODE 0600

static sp_code text(sp_str s, char *room, size_t n, sp_err *err)
{
	if (s.len >= n)
		return sp_fail(err, SP_ETOOLARGE, "'" SP_FMT "' is too long", SP_ARG(s));
	memcpy(room, s.ptr, s.len);
	room[s.len] = '\0';
	return SP_OK;
}

sp_code cri_user_find(sp_str name, cri_user *ret, sp_err *err)
{
	char room[NAME_BYTES];
	*ret = (cri_user){.set = false};
	if (name.len == 0)
		return SP_OK;
	SP_TRY(text(name, room, sizeof room, err));
	const struct passwd *user = getpwnam(room);
	if (user == NULL)
		return sp_fail(err, SP_ENOTFOUND, "--user: there is no user '%s'", room);
	if (geteuid() != 0)
		return sp_fail(err, SP_EFORBIDDEN, "--user needs root");
	*ret = (cri_user){user->pw_uid != 0, user->pw_uid, user->pw_gid};
	return SP_OK;
}

/* ---- owning ---- */

static sp_code own_entries(const cri_user *u, int fd, int depth, sp_err *err);

/* By an open descriptor: what it is cannot change meanwhile. */
static sp_code own_at(const cri_user *u, int dir, const char *name, int depth, sp_err *err)
{
	struct stat st;
	int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? SP_OK : sp_fail_sys(err, errno, "open %s", name);
	sp_code code = fstat(fd, &st) == 0 ? SP_OK : sp_fail_sys(err, errno, "look at %s", name);
	bool is_dir = code == SP_OK && S_ISDIR(st.st_mode);
	bool other = code == SP_OK && (st.st_uid != u->uid || st.st_gid != u->gid);
	if (other && (is_dir || (S_ISREG(st.st_mode) && st.st_nlink == 1)) &&
	    fchownat(fd, "", u->uid, u->gid, AT_EMPTY_PATH) != 0)
		code = sp_fail_sys(err, errno, "own %s", name);
	if (code == SP_OK && is_dir && depth > 0) {
		int below = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		code = below >= 0 ? own_entries(u, below, strcmp(name, "snapshots") == 0 ? 0 : depth - 1, err)
				  : sp_fail_sys(err, errno, "open %s", name);
	}
	(void)close(fd);
	return code;
}

static sp_code own_entries(const cri_user *u, int fd, int depth, sp_err *err)
{
	DIR *d = fdopendir(fd);
	const struct dirent *e;
	sp_code code = SP_OK;
	if (d == NULL) {
		(void)close(fd);
		return sp_fail_sys(err, errno, "read a directory");
	}
	while (code == SP_OK && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			code = own_at(u, dirfd(d), e->d_name, depth, err);
	}
	(void)closedir(d);
	return code;
}

/* Others pass through what is above it. */
static sp_code make_dirs(char *path, sp_err *err)
{
	for (char *at = path + 1;; at++) {
		char kept = *at;
		if (kept != '/' && kept != '\0')
			continue;
		*at = '\0';
		int failed = mkdir(path, kept == '\0' ? 0700 : 0711) == 0 || errno == EEXIST ? 0 : errno;
		*at = kept;
		if (failed != 0)
			return sp_fail_sys(err, failed, "make %s", path);
		if (kept == '\0')
			return SP_OK;
	}
}

sp_code cri_user_own(const cri_user *u, sp_str dir, sp_err *err)
{
	char path[PATH_BYTES] = "";
	SP_TRY(text(dir, path, sizeof path, err));
	SP_TRY(make_dirs(path, err));
	return u->set ? own_at(u, AT_FDCWD, path, DEPTH_MAX, err) : SP_OK;
}

/* ---- the socket ---- */

static sp_code bind_at(int fd, const struct sockaddr_un *to, sp_err *err)
{
	if (connect(fd, (const struct sockaddr *)to, sizeof *to) == 0)
		return sp_fail(err, SP_EEXISTS, "somebody serves at %s", to->sun_path);
	if (errno == ECONNREFUSED)
		(void)unlink(to->sun_path);
	mode_t before = umask(0777 & ~SOCKET_MODE);
	int failed = bind(fd, (const struct sockaddr *)to, sizeof *to) == 0 ? 0 : errno;
	(void)umask(before);
	return failed == 0 ? SP_OK : sp_fail_sys(err, failed, "bind %s", to->sun_path);
}

sp_code cri_user_bind(sp_str path, int *ret_fd, sp_err *err)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	SP_TRY(text(path, to.sun_path, sizeof to.sun_path, err));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return sp_fail_sys(err, errno, "socket");
	sp_code code = bind_at(fd, &to, err);
	if (code == SP_OK)
		*ret_fd = fd;
	else
		(void)close(fd);
	return code;
}

/* ---- becoming ---- */

sp_code cri_user_become(const cri_user *u, sp_err *err)
{
	if (!u->set)
		return SP_OK;
	/* With the last id of root the kernel takes the capabilities, too. */
	if (setgroups(0, NULL) != 0 || setresgid(u->gid, u->gid, u->gid) != 0 ||
	    setresuid(u->uid, u->uid, u->uid) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return sp_fail_sys(err, errno, "become user %u", (unsigned)u->uid);
	return SP_OK;
}
