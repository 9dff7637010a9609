/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/uv/uv_int.h"

#define BACKLOG 1024
#define ACCEPTS_ONCE 64
/* A descriptor may be given back where we do not see it: look again after this while. */
#define PAUSE_NS UINT64_C(100000000)

typedef struct listener {
	sp_listener base;
	sp_list node;
	uv_poll_t poll;
	int fd;
	void (*on_accept)(void *arg, sp_stream *s);
	void *arg;
	bool paused, closed;
	sp_timer resume;
	char path[SP_ADDRESS_UNIX_BYTES + 1]; /* of the socket file we made */
	dev_t path_device;
	ino_t path_inode;
} listener;

static void on_ready(uv_poll_t *poll, int status, int events);

static void listen_on(listener *l)
{
	(void)uv_poll_start(&l->poll, UV_READABLE, on_ready); /* cannot fail on a live handle */
}

static void resume(listener *l)
{
	uvw_world *w = uvw_of(l->base.world);
	l->paused = false;
	w->n_paused--;
	sp_timer_stop(&w->base, &l->resume);
	listen_on(l);
}

static void on_resume(sp_timer *t)
{
	resume(t->arg);
}

static void pause_accepting(listener *l)
{
	uvw_world *w = uvw_of(l->base.world);
	l->paused = true;
	w->n_paused++;
	(void)uv_poll_stop(&l->poll); /* cannot fail */
	sp_timer_start(&w->base, &l->resume, PAUSE_NS, on_resume);
}

void uvw_listeners_resume(uvw_world *w)
{
	if (w->n_paused == 0)
		return;
	SP_LIST_FOREACH (n, &w->listeners) {
		listener *l = SP_CONTAINER_OF(n, listener, node);
		if (l->paused)
			resume(l);
	}
}

static void accepted(listener *l, int fd, const uvw_sockaddr *remote)
{
	uvw_stream *s = NULL;
	if (uvw_stream_new(uvw_of(l->base.world), fd, &s, NULL) != SP_OK) {
		(void)close(fd); /* no memory: the peer sees a reset and may come again */
		return;
	}
	uvw_sockaddr local = {.len = sizeof local.room};
	if (getsockname(fd, &local.any, &local.len) == 0)
		uvw_sockaddr_print(&local, s->base.local, sizeof s->base.local);
	uvw_sockaddr_print(remote, s->base.remote, sizeof s->base.remote);
	l->on_accept(l->arg, &s->base);
}

static bool is_shortage(int errnum)
{
	return errnum == EMFILE || errnum == ENFILE || errnum == ENOBUFS || errnum == ENOMEM;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	(void)events;
	listener *l = poll->data;
	uvw_world *w = uvw_of(l->base.world);
	if (status < 0)
		listen_on(l); /* libuv stopped watching; accept tells what it is */
	if (!uvw_enter(w))
		return;
	for (int i = 0; i < ACCEPTS_ONCE && !l->closed && !w->stopping; i++) {
		uvw_sockaddr remote = {.len = sizeof remote.room};
		int fd = accept4(l->fd, &remote.any, &remote.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			accepted(l, fd, &remote);
		} else if (is_shortage(errno)) {
			pause_accepting(l);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
		/* Anything else is about that one connection, which is gone. */
	}
}

/* ---- making one ---- */

static sp_code set(int fd, int level, int name, int value, sp_err *err)
{
	if (setsockopt(fd, level, name, &value, sizeof value) != 0)
		return sp_fail_sys(err, errno, "setsockopt");
	return SP_OK;
}

/* Accepted sockets inherit all of these. Dead peers are noticed as Go's servers do: after 15 s without a
 * byte, each 15 s. */
static sp_code tcp_options(int fd, const sp_address *a, const sp_listen_opts *opts, sp_err *err)
{
	SP_TRY(set(fd, SOL_SOCKET, SO_REUSEADDR, 1, err));
	if (opts->reuse_port)
		SP_TRY(set(fd, SOL_SOCKET, SO_REUSEPORT, 1, err));
	if (a->kind == SP_ADDRESS_IP6)
		SP_TRY(set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0, err)); /* "[::]" takes IPv4 too */
	SP_TRY(set(fd, IPPROTO_TCP, TCP_NODELAY, 1, err));
	SP_TRY(set(fd, SOL_SOCKET, SO_KEEPALIVE, 1, err));
	SP_TRY(set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 15, err));
	return set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 15, err);
}

/* Whether a socket file has nobody behind it. */
static bool is_stale(const sp_address *a)
{
	uvw_sockaddr to;
	struct stat st;
	uvw_sockaddr_of(a, &to);
	char path[SP_ADDRESS_UNIX_BYTES + 1] = {0};
	memcpy(path, a->name.ptr, a->name.len);
	if (lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return false;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	bool stale = connect(fd, &to.any, to.len) != 0 && errno == ECONNREFUSED;
	(void)close(fd); /* nothing was sent */
	return stale && unlink(path) == 0;
}

static sp_code bind_unix_path(listener *l, const sp_address *a, const uvw_sockaddr *to, uint32_t mode,
			      sp_err *err)
{
	mode = mode == 0 ? 0600 : mode;
	memcpy(l->path, a->name.ptr, a->name.len);
	/* The file gets the mode of the socket, so it is never open wider than it will be. */
	int errnum = fchmod(l->fd, (mode_t)mode) == 0 && bind(l->fd, &to->any, to->len) == 0 ? 0 : errno;
	if (errnum == EADDRINUSE && is_stale(a))
		errnum = bind(l->fd, &to->any, to->len) == 0 ? 0 : errno;
	struct stat st = {0};
	if (errnum == 0 && (chmod(l->path, (mode_t)mode) != 0 || lstat(l->path, &st) != 0)) {
		errnum = errno;
		(void)unlink(l->path); /* ours, and useless */
	}
	if (errnum != 0) {
		l->path[0] = '\0';
		return sp_fail_sys(err, errnum, "bind 'unix:" SP_FMT "'", SP_ARG(a->name));
	}
	l->path_device = st.st_dev;
	l->path_inode = st.st_ino;
	return SP_OK;
}

static sp_code bind_new(listener *l, const sp_address *a, const sp_listen_opts *opts, sp_str text,
			sp_err *err)
{
	uvw_sockaddr to;
	uvw_sockaddr_of(a, &to);
	l->fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return sp_fail_sys(err, errno, "socket for '" SP_FMT "'", SP_ARG(text));
	if (a->kind == SP_ADDRESS_UNIX)
		SP_TRY(bind_unix_path(l, a, &to, opts->unix_mode, err));
	else {
		if (a->kind != SP_ADDRESS_ABSTRACT)
			SP_TRY(tcp_options(l->fd, a, opts, err));
		if (bind(l->fd, &to.any, to.len) != 0)
			return sp_fail_sys(err, errno, "bind '" SP_FMT "'", SP_ARG(text));
	}
	if (listen(l->fd, opts->backlog == 0 ? BACKLOG : opts->backlog) != 0)
		return sp_fail_sys(err, errno, "listen on '" SP_FMT "'", SP_ARG(text));
	return SP_OK;
}

/* A socket somebody else bound and listens on: socket activation, or the supervisor. */
static sp_code take_fd(listener *l, int fd, sp_err *err)
{
	int listening = 0;
	socklen_t len = sizeof listening;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0)
		return sp_fail_sys(err, errno, "descriptor %d", fd);
	if (listening == 0)
		return sp_fail(err, SP_EINVAL, "descriptor %d does not listen", fd);
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return sp_fail_sys(err, errno, "descriptor %d", fd);
	l->fd = fd;
	return SP_OK;
}

/* Only what we made: another server may stand there by now. */
static void remove_path(const listener *l)
{
	struct stat st;
	if (l->path[0] != '\0' && lstat(l->path, &st) == 0 && st.st_dev == l->path_device &&
	    st.st_ino == l->path_inode)
		(void)unlink(l->path); /* a stale one is replaced anyway */
}

static sp_code open_fd(listener *l, sp_str text, const sp_listen_opts *opts, sp_err *err)
{
	sp_address a;
	SP_TRY(sp_address_parse(text, &a, err));
	switch (a.kind) {
	case SP_ADDRESS_FD:
		return take_fd(l, a.fd, err);
	case SP_ADDRESS_NAME:
		return sp_fail(err, SP_EINVAL, "address '" SP_FMT "': names cannot be listened on",
			       SP_ARG(text));
	case SP_ADDRESS_IP4:
	case SP_ADDRESS_IP6:
	case SP_ADDRESS_UNIX:
	case SP_ADDRESS_ABSTRACT:
		break;
	}
	return bind_new(l, &a, opts, text, err);
}

static void on_closed(uv_handle_t *handle)
{
	sp_free(handle->data);
}

sp_code uvw_listen(sp_world *base, sp_str address, const sp_listen_opts *opts,
		   void (*on_accept)(void *arg, sp_stream *s), void *arg, sp_listener **ret, sp_err *err)
{
	uvw_world *w = uvw_of(base);
	listener *l = sp_try_alloc(sizeof *l);
	if (l == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a listener");
	l->fd = -1;
	l->base.world = base;
	l->poll.data = l;
	l->on_accept = on_accept;
	l->arg = arg;
	l->resume.arg = l;
	sp_code code = open_fd(l, address, opts, err);
	if (code == SP_OK) {
		int uv_err = uv_poll_init(&w->loop, &l->poll, l->fd);
		if (uv_err != 0)
			code = sp_fail_sys(err, -uv_err, "listen on '" SP_FMT "'", SP_ARG(address));
	}
	if (code != SP_OK) {
		remove_path(l);
		if (l->fd >= 0 && !sp_str_starts(address, SP_STR("fd:")))
			(void)close(l->fd); /* nobody uses it */
		sp_free(l);
		return code;
	}
	uvw_sockaddr local = {.len = sizeof local.room};
	if (getsockname(l->fd, &local.any, &local.len) == 0)
		uvw_sockaddr_print(&local, l->base.address, sizeof l->base.address);
	sp_list_push_back(&w->listeners, &l->node);
	listen_on(l);
	*ret = &l->base;
	return SP_OK;
}

void uvw_listener_close(sp_listener *base)
{
	listener *l = SP_CONTAINER_OF(base, listener, base);
	uvw_world *w = uvw_of(base->world);
	SP_ASSERT(!l->closed);
	l->closed = true;
	if (l->paused)
		w->n_paused--;
	sp_timer_stop(&w->base, &l->resume);
	sp_list_remove(&l->node);
	remove_path(l);
	uv_close((uv_handle_t *)&l->poll, on_closed);
	(void)close(l->fd); /* nothing can be done about it */
}

void uvw_listeners_close_all(uvw_world *w)
{
	SP_LIST_FOREACH (n, &w->listeners)
		uvw_listener_close(&SP_CONTAINER_OF(n, listener, node)->base);
}
