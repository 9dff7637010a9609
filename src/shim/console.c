/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/console.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim/unix.h"

sp_code shim_console_open(const char *bundle, unsigned number, shim_console *ret, sp_err *err)
{
	shim_console c = {.listener = -1, .dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC)};
	if (c.dir < 0)
		return sp_fail_sys(err, errno, "open %s", bundle);
	(void)snprintf(c.name, sizeof c.name, "pty-%u.sock", number);
	(void)snprintf(c.path, sizeof c.path, "/proc/%d/fd/%d/%s", (int)getpid(), c.dir, c.name);
	(void)unlinkat(c.dir, c.name, 0);
	sp_code code = shim_unix_listen(c.path, 0600, &c.listener, err);
	if (code != SP_OK) {
		(void)close(c.dir);
		return code;
	}
	*ret = c;
	return SP_OK;
}

sp_code shim_console_receive(const shim_console *c, int *ret_fd, sp_err *err)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char name[4096];
	struct iovec iov = {name, sizeof name};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	int conn = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (conn < 0)
		return sp_fail(err, SP_EPROTO, "the OCI runtime sent no console");
	ssize_t n = recvmsg(conn, &m, MSG_CMSG_CLOEXEC);
	(void)close(conn);
	const struct cmsghdr *h = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (h == NULL || h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS ||
	    h->cmsg_len != CMSG_LEN(sizeof(int)))
		return sp_fail(err, SP_EPROTO, "the OCI runtime sent no console");
	memcpy(ret_fd, CMSG_DATA(h), sizeof *ret_fd);
	return SP_OK;
}

void shim_console_close(shim_console *c)
{
	if (c->listener < 0)
		return;
	(void)close(c->listener);
	(void)unlinkat(c->dir, c->name, 0);
	(void)close(c->dir);
	c->listener = -1;
}
