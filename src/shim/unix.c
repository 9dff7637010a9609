/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/unix.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* *ret_dir: a descriptor to close afterwards, or -1. */
static sp_code make_address(const char *path, struct sockaddr_un *ret, int *ret_dir, sp_err *err)
{
	sp_str text = sp_str_c(path);
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	*ret_dir = -1;
	if (text.len < sizeof ret->sun_path) {
		memcpy(ret->sun_path, path, text.len);
		return SP_OK;
	}
	ptrdiff_t slash = sp_str_rindex(text, '/');
	char dir[4096];
	if (slash <= 0 || (size_t)slash >= sizeof dir)
		return sp_fail(err, SP_ETOOLARGE, "socket path %s is too long", path);
	memcpy(dir, path, (size_t)slash);
	dir[slash] = 0;
	int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", dir);
	int n = snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/%s", fd, path + slash + 1);
	if (n < 0 || (size_t)n >= sizeof ret->sun_path) {
		(void)close(fd);
		return sp_fail(err, SP_ETOOLARGE, "socket name %s is too long", path);
	}
	*ret_dir = fd;
	return SP_OK;
}

/* sockaddr_un is a sockaddr to the kernel. */
typedef union address {
	struct sockaddr any;
	struct sockaddr_un local;
} address;

static sp_code listen_at(int fd, const address *a, const char *path, mode_t mode, sp_err *err)
{
	/* fchmod before bind gives the socket file its mode from birth, whatever the umask allows besides */
	if (fchmod(fd, mode) != 0 || bind(fd, &a->any, sizeof a->local) != 0) {
		if (errno == EADDRINUSE)
			return sp_fail(err, SP_EEXISTS, "%s is in use", path);
		return sp_fail_sys(err, errno, "bind %s", path);
	}
	if (listen(fd, 128) != 0)
		return sp_fail_sys(err, errno, "listen at %s", path);
	return SP_OK;
}

sp_code shim_unix_listen(const char *path, mode_t mode, int *ret_fd, sp_err *err)
{
	address a;
	int dir, fd;
	SP_TRY(make_address(path, &a.local, &dir, err));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	sp_code code = fd < 0 ? sp_fail_sys(err, errno, "socket") : listen_at(fd, &a, path, mode, err);
	if (dir >= 0)
		(void)close(dir);
	if (code == SP_OK)
		*ret_fd = fd;
	else if (fd >= 0)
		(void)close(fd);
	return code;
}

sp_code shim_unix_connect(const char *path, int *ret_fd, sp_err *err)
{
	address a;
	int dir, fd;
	SP_TRY(make_address(path, &a.local, &dir, err));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	sp_code code = SP_OK;
	if (fd < 0)
		code = sp_fail_sys(err, errno, "socket");
	else if (connect(fd, &a.any, sizeof a.local) != 0)
		code = sp_fail(err, SP_EUNAVAILABLE, "connect %s: %s", path, strerror(errno));
	if (dir >= 0)
		(void)close(dir);
	if (code == SP_OK)
		*ret_fd = fd;
	else if (fd >= 0)
		(void)close(fd);
	return code;
}
