/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams over descriptors. Of libuv only the readiness of a descriptor is used (uv_poll): writes then need
 * no memory of their own, and all of one turn leave in one system call.
 *
 *  - a write is queued and the stream put on the `dirty` list; the end of the turn sends;
 *  - close puts it on the `closing` list; the end of the turn tells the owner and releases the descriptor;
 *    the memory goes when libuv has let go of the handle.
 * So a stream outlives every callback it makes, whatever the owner does in there.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/pump.h"
#include "io/uv/uv_int.h"

#define IOV_MAX_ONCE 64
#define READS_ONCE 4                       /* buffers of one stream before others get their turn */
#define FLUSH_ONCE_BYTES ((size_t)1 << 20) /* the same for writing */

static uvw_stream *of(sp_stream *s)
{
	return SP_CONTAINER_OF(s, uvw_stream, base);
}

static uvw_world *world_of(const uvw_stream *s)
{
	return uvw_of(s->base.world);
}

/* ---- readiness ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static bool wants_read(const uvw_stream *s)
{
	return s->want_read && !s->ended && !s->failed && !s->closing;
}

/* Changing what epoll watches costs a system call or two. So what is no longer wanted stays armed until it
 * comes (exact = true). */
static void arm(uvw_stream *s, bool exact)
{
	if (s->fd < 0)
		return;
	int want = (wants_read(s) ? UV_READABLE : 0) | (s->blocked ? UV_WRITABLE : 0);
	if (want == s->armed || (!exact && (want & ~s->armed) == 0))
		return;
	s->armed = want;
	if (want == 0)
		(void)uv_poll_stop(&s->poll); /* cannot fail */
	else
		(void)uv_poll_start(&s->poll, want, on_poll); /* cannot fail on a live handle */
}

static void touch(uvw_stream *s)
{
	if (!s->closing && sp_list_is_empty(&s->turn))
		sp_list_push_back(&world_of(s)->dirty, &s->turn);
}

/* ---- ends ---- */

static void finish_first(uvw_stream *s, sp_code code)
{
	sp_write *req = SP_CONTAINER_OF(s->writes.next, sp_write, node);
	sp_list_remove(&req->node);
	s->write_at = 0;
	s->base.queued_bytes -= sp_write_len(req);
	req->done(req, code);
}

static void fail(uvw_stream *s, int errnum, const char *what)
{
	sp_err err = {0};
	if (s->failed || s->closing)
		return;
	s->failed = true;
	s->blocked = false;
	s->write_code = sp_fail_sys(&err, errnum, "%s", what);
	while (!s->closing && !sp_list_is_empty(&s->writes))
		finish_first(s, s->write_code);
	if (!s->closing)
		s->base.handler->on_error(s->base.arg, &err);
}

static void on_poll_closed(uv_handle_t *handle)
{
	uvw_stream *s = handle->data;
	s->poll_live = false;
	if (s->closed)
		sp_free(s);
}

static void release_fd(uvw_stream *s)
{
	if (s->fd < 0)
		return;
	/* Takes the descriptor out of epoll at once; only the handle's memory is needed longer. */
	uv_close((uv_handle_t *)&s->poll, on_poll_closed);
	(void)close(s->fd); /* nothing can be done about it */
	s->fd = -1;
	uvw_listeners_resume(world_of(s));
}

static void end(uvw_stream *s)
{
	while (!sp_list_is_empty(&s->writes))
		finish_first(s, SP_ECANCELED);
	release_fd(s);
	sp_list_remove(&s->node);
	s->closed = true;
	if (s->base.handler != NULL && s->base.handler->on_close != NULL)
		s->base.handler->on_close(s->base.arg);
	if (!s->poll_live)
		sp_free(s);
}

bool uvw_streams_end(uvw_world *w)
{
	sp_list *node;
	bool any = false;
	while (!w->stopping && (node = sp_list_pop_front(&w->closing)) != NULL) {
		end(SP_CONTAINER_OF(node, uvw_stream, turn));
		any = true;
	}
	return any;
}

/* ---- reading ---- */

static void read_some(uvw_stream *s, int n_reads_max)
{
	uvw_world *w = world_of(s);
	for (int i = 0; i < n_reads_max && wants_read(s) && !w->stopping; i++) {
		ssize_t n = read(s->fd, w->read_buf, UVW_READ_BYTES);
		if (n > 0) {
			s->base.handler->on_data(s->base.arg, w->read_buf, (size_t)n);
			if ((size_t)n < UVW_READ_BYTES)
				return; /* that was all: epoll tells of more */
		} else if (n == 0 || (errno == EIO && !s->socket)) {
			/* A terminal whose other side is gone says EIO. */
			s->ended = true;
			s->base.handler->on_end(s->base.arg);
		} else if (errno != EINTR) {
			if (errno != EAGAIN)
				fail(s, errno, "read");
			return;
		}
	}
}

static void stream_read(sp_stream *base, bool on)
{
	uvw_stream *s = of(base);
	s->want_read = on;
	arm(s, false);
}

/* ---- writing ---- */

static size_t gather(const uvw_stream *s, struct iovec iov[IOV_MAX_ONCE])
{
	size_t n = 0, skip = s->write_at;
	SP_LIST_FOREACH (node, &s->writes) {
		const sp_write *req = SP_CONTAINER_OF(node, sp_write, node);
		for (size_t i = 0; i < req->n_iov; i++) {
			if (skip >= req->iov[i].len) {
				skip -= req->iov[i].len;
				continue;
			}
			if (n == IOV_MAX_ONCE)
				return n;
			iov[n].iov_base = (char *)(uintptr_t)req->iov[i].ptr + skip;
			iov[n++].iov_len = req->iov[i].len - skip;
			skip = 0;
		}
	}
	return n;
}

static ssize_t send_iov(const uvw_stream *s, struct iovec *iov, size_t n)
{
	ssize_t sent;
	do {
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n};
		sent = s->socket ? sendmsg(s->fd, &msg, MSG_NOSIGNAL) : writev(s->fd, iov, (int)n);
	} while (sent < 0 && errno == EINTR);
	return sent;
}

/* n bytes are gone: ends the requests they complete, empty ones too. */
static void advance(uvw_stream *s, size_t n)
{
	while (!s->closing && !sp_list_is_empty(&s->writes)) {
		size_t rest = sp_write_len(SP_CONTAINER_OF(s->writes.next, sp_write, node)) - s->write_at;
		if (n < rest) {
			s->write_at += n;
			return;
		}
		n -= rest;
		finish_first(s, SP_OK);
		if (n == 0)
			return;
	}
}

/* What the peer said before it went is still there to be read, and comes before the error. */
static void write_failed(uvw_stream *s, int errnum)
{
	s->write_code = sp_fail_sys(NULL, errnum, "write");
	s->blocked = false;
	while (!s->closing && !sp_list_is_empty(&s->writes))
		finish_first(s, s->write_code);
	read_some(s, 64);
	fail(s, errnum, "write");
}

static void shut(uvw_stream *s)
{
	s->shut_sent = true;
	if (s->socket)
		(void)shutdown(s->fd, SHUT_WR); /* fails when the peer is gone, which reading tells */
	else if (s->write_only)
		release_fd(s);
}

static void flush(uvw_stream *s)
{
	size_t sent_bytes = 0;
	s->blocked = s->on_connect != NULL;
	while (s->on_connect == NULL && !s->closing && !sp_list_is_empty(&s->writes)) {
		struct iovec iov[IOV_MAX_ONCE];
		if (s->write_code != SP_OK || s->shut_sent) {
			finish_first(s, s->write_code != SP_OK ? s->write_code : SP_EINVAL);
			continue;
		}
		if (sent_bytes >= FLUSH_ONCE_BYTES) {
			touch(s);
			return;
		}
		size_t n = gather(s, iov);
		ssize_t sent = n == 0 ? 0 : send_iov(s, iov, n);
		if (sent < 0 && errno == EAGAIN) {
			s->blocked = true;
			break;
		}
		if (sent < 0) {
			write_failed(s, errno);
			break;
		}
		sent_bytes += (size_t)sent;
		advance(s, (size_t)sent);
	}
	if (s->closing)
		return;
	if (s->shut_wanted && !s->shut_sent && sp_list_is_empty(&s->writes) && s->fd >= 0)
		shut(s);
	arm(s, (s->armed & UV_WRITABLE) != 0);
}

bool uvw_streams_flush(uvw_world *w)
{
	if (sp_list_is_empty(&w->dirty))
		return false;
	sp_list mark; /* what becomes dirty meanwhile waits for the next round */
	sp_list_push_back(&w->dirty, &mark);
	while (!w->stopping && w->dirty.next != &mark) {
		uvw_stream *s = SP_CONTAINER_OF(w->dirty.next, uvw_stream, turn);
		sp_list_remove(&s->turn);
		flush(s);
	}
	sp_list_remove(&mark);
	return true;
}

static void stream_write(sp_stream *base, sp_write *req)
{
	uvw_stream *s = of(base);
	SP_ASSERT(req->n_iov <= SP_WRITE_IOV_MAX);
	s->base.queued_bytes += sp_write_len(req);
	sp_list_push_back(&s->writes, &req->node);
	if (!s->blocked)
		touch(s);
}

static void stream_shutdown(sp_stream *base)
{
	uvw_stream *s = of(base);
	s->shut_wanted = true;
	touch(s);
}

static void stream_close(sp_stream *base)
{
	uvw_stream *s = of(base);
	if (s->closing)
		return;
	s->closing = true;
	sp_list_remove(&s->turn);
	sp_list_push_back(&world_of(s)->closing, &s->turn);
}

/* ---- events ---- */

static void connected(uvw_stream *s)
{
	int errnum = 0;
	socklen_t len = sizeof errnum;
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
		errnum = errno;
	void (*fn)(uvw_stream * s, int errnum) = s->on_connect;
	s->on_connect = NULL;
	s->blocked = false;
	arm(s, true);
	fn(s, errnum);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	uvw_stream *s = poll->data;
	if (status < 0) {
		/* An error of the descriptor: libuv has stopped watching. The calls below find out which. */
		s->armed = 0;
		events = UV_READABLE | UV_WRITABLE;
	}
	if (!uvw_enter(world_of(s))) {
		if (status < 0)
			touch(s);
		return;
	}
	if (s->on_connect != NULL) {
		connected(s);
		return;
	}
	if ((events & UV_WRITABLE) != 0 && s->blocked) {
		s->blocked = false;
		touch(s);
	}
	if ((events & UV_READABLE) != 0)
		read_some(s, READS_ONCE);
	/* Still unwanted: now it costs, as it would come again and again. Writing is judged by the flush. */
	if (!s->closing && (s->blocked || sp_list_is_empty(&s->turn)))
		arm(s, true);
}

/* ---- making streams ---- */

static sp_code stream_peer_cred(sp_stream *base, sp_peer_cred *ret, sp_err *err)
{
	struct ucred cred;
	socklen_t len = sizeof cred;
	int domain = 0;
	socklen_t domain_len = sizeof domain;
	uvw_stream *s = of(base);
	if (getsockopt(s->fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len) != 0 || domain != AF_UNIX)
		return sp_fail(err, SP_EUNSUPPORTED, "not a unix socket: no credentials of the peer");
	if (getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return sp_fail_sys(err, errno, "credentials of the peer");
	*ret = (sp_peer_cred){.uid = cred.uid, .gid = cred.gid, .pid = cred.pid};
	return SP_OK;
}

static const sp_stream_ops stream_ops = {
	.read = stream_read,
	.write = stream_write,
	.shutdown = stream_shutdown,
	.close = stream_close,
	.peer_cred = stream_peer_cred,
};

static sp_code prepare_fd(int fd, bool *ret_write_only, sp_err *err)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || ((flags & O_NONBLOCK) == 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return sp_fail_sys(err, errno, "descriptor %d", fd);
	*ret_write_only = (flags & O_ACCMODE) == O_WRONLY;
	return SP_OK;
}

static void name_of(int fd, int (*get)(int fd, struct sockaddr *a, socklen_t *len), char out[64])
{
	uvw_sockaddr a = {.len = sizeof a.room};
	if (get(fd, &a.any, &a.len) == 0)
		uvw_sockaddr_print(&a, out, 64);
}

static int get_local(int fd, struct sockaddr *a, socklen_t *len)
{
	return getsockname(fd, a, len);
}

static int get_remote(int fd, struct sockaddr *a, socklen_t *len)
{
	return getpeername(fd, a, len);
}

void uvw_stream_name(uvw_stream *s)
{
	name_of(s->fd, get_local, s->base.local);
	name_of(s->fd, get_remote, s->base.remote);
}

sp_code uvw_stream_new(uvw_world *w, int fd, uvw_stream **ret, sp_err *err)
{
	int type = 0;
	socklen_t len = sizeof type;
	uvw_stream *s = sp_try_alloc(sizeof *s);
	if (s == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a stream");
	s->socket = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
	/* Also asks epoll whether it can watch such a thing. */
	int uv_err = uv_poll_init(&w->loop, &s->poll, fd);
	if (uv_err != 0) {
		sp_free(s);
		return sp_fail_sys(err, -uv_err, "descriptor %d is not a stream", fd);
	}
	s->base.ops = &stream_ops;
	s->base.world = &w->base;
	s->base.handler = &sp_stream_no_handler;
	s->fd = fd;
	s->poll.data = s;
	s->poll_live = true;
	sp_list_init(&s->writes);
	sp_list_init(&s->turn);
	sp_list_push_back(&w->streams, &s->node);
	*ret = s;
	return SP_OK;
}

void uvw_stream_wait_connected(uvw_stream *s, void (*on_connect)(uvw_stream *s, int errnum), void *arg)
{
	s->on_connect = on_connect;
	s->connect_arg = arg;
	s->blocked = true;
	arm(s, true);
}

void uvw_stream_drop(uvw_stream *s)
{
	s->on_connect = NULL;
	s->closing = s->closed = true;
	sp_list_remove(&s->turn);
	sp_list_remove(&s->node);
	release_fd(s); /* the memory follows */
}

sp_code uvw_stream_from_fd(sp_world *base, int fd, sp_stream **ret, sp_err *err)
{
	bool write_only = false;
	uvw_stream *s = NULL;
	SP_TRY(prepare_fd(fd, &write_only, err));
	SP_TRY(uvw_stream_new(uvw_of(base), fd, &s, err));
	SP_ASSERT(s != NULL);
	s->write_only = write_only;
	if (s->socket)
		uvw_stream_name(s);
	*ret = &s->base;
	return SP_OK;
}

sp_code uvw_stream_pair(sp_world *base, sp_stream *ret[2], sp_err *err)
{
	int fds[2];
	uvw_stream *a = NULL, *b = NULL;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
		return sp_fail_sys(err, errno, "stream pair");
	sp_code code = uvw_stream_new(uvw_of(base), fds[0], &a, err);
	if (code == SP_OK)
		code = uvw_stream_new(uvw_of(base), fds[1], &b, err);
	if (code != SP_OK) {
		if (a != NULL)
			uvw_stream_drop(a);
		else
			(void)close(fds[0]); /* nobody uses it */
		(void)close(fds[1]);         /* nobody uses it */
		return code;
	}
	ret[0] = &a->base;
	ret[1] = &b->base;
	return SP_OK;
}
