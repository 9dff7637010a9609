/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/listen_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096

typedef struct where {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at;
	socklen_t len;
} where;

static bool read_ip(sp_str ip, uint16_t port, where *ret)
{
	char text[INET6_ADDRSTRLEN] = "";
	*ret = (where){.len = 0};
	if (ip.len == 0 || ip.len >= sizeof text)
		return false;
	memcpy(text, ip.ptr, ip.len);
	if (inet_pton(AF_INET, text, &ret->at.v4.sin_addr) == 1) {
		ret->at.v4.sin_family = AF_INET;
		ret->at.v4.sin_port = htons(port);
		ret->len = sizeof ret->at.v4;
	} else if (inet_pton(AF_INET6, text, &ret->at.v6.sin6_addr) == 1) {
		ret->at.v6.sin6_family = AF_INET6;
		ret->at.v6.sin6_port = htons(port);
		ret->len = sizeof ret->at.v6;
	}
	return ret->len > 0;
}

/* Accepted connections inherit them: dead peers are noticed as by every listener of ours (io/uv/listen.c). */
static bool set_options(int fd)
{
	static const struct {
		int level, name, value;
	} rows[] = {{SOL_SOCKET, SO_REUSEADDR, 1},
		    {IPPROTO_TCP, TCP_NODELAY, 1},
		    {SOL_SOCKET, SO_KEEPALIVE, 1},
		    {IPPROTO_TCP, TCP_KEEPIDLE, 15},
		    {IPPROTO_TCP, TCP_KEEPINTVL, 15}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (setsockopt(fd, rows[i].level, rows[i].name, &rows[i].value, sizeof rows[i].value) != 0)
			return false;
	}
	return true;
}

sp_code cli_listen_socket(sp_str ip, uint16_t port, int *ret_fd, sp_err *err)
{
	where w;
	int off = 0;
	if (!read_ip(ip, port, &w))
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no IP address", SP_ARG(ip));
	int fd = socket(w.at.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return sp_fail_sys(err, errno, "socket");
	bool v6 = w.at.any.sa_family == AF_INET6; /* "::" takes IPv4 too */
	if (set_options(fd) && (!v6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0) &&
	    bind(fd, &w.at.any, w.len) == 0 && listen(fd, BACKLOG) == 0) {
		*ret_fd = fd;
		return SP_OK;
	}
	int errnum = errno;
	(void)close(fd);
	if (errnum == EADDRINUSE)
		return sp_fail(
			err, SP_EUNAVAILABLE,
			"port %u is taken: stop what listens there, or choose another with --secure-port",
			(unsigned)port);
	return sp_fail_sys(err, errnum, "listen on port %u of " SP_FMT, (unsigned)port, SP_ARG(ip));
}
