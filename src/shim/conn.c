/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"

#define OUT_BYTES_MAX (8 * SP_LIMIT_TTRPC_MESSAGE_BYTES)
/* Above, requests wait until the client reads its answers. */
#define HIGH_BYTES ((size_t)1 << 20)

typedef struct conn {
	sp_list node;
	shim_server *server;
	shim_watch watch; /* -1 once it is gone; calls may then still have to be finished */
	shim_turn turn;
	shim_timer timer;
	sp_ttrpc_server_core *core;
	sp_buf out;
} conn;

static void conn_gone(conn *c)
{
	shim_watch_close(c->server->loop, &c->watch);
	shim_timer_stop(c->server->loop, &c->timer);
	sp_ttrpc_server_core_end(c->core);
	shim_turn_call(c->server->loop, &c->turn);
}

static void maybe_free(conn *c)
{
	if (sp_ttrpc_server_core_n_calls(c->core) > 0)
		return;
	shim_turn_cancel(&c->turn);
	sp_list_remove(&c->node);
	sp_ttrpc_server_core_free(c->core);
	sp_buf_done(&c->out);
	sp_free(c);
}

/* False: the client is gone. */
static bool write_out(conn *c)
{
	while (c->out.len > 0) {
		ssize_t n = send(c->watch.fd, c->out.ptr, c->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n < 0)
			return false;
		sp_buf_consume(&c->out, (size_t)n);
	}
	if (c->out.cap > SHIM_SCRATCH_BYTES) {
		sp_buf_done(&c->out);
		sp_buf_init(&c->out, OUT_BYTES_MAX);
	}
	return true;
}

static void set_timer(conn *c)
{
	uint64_t at = sp_ttrpc_server_core_deadline(c->core), now = shim_now_ns();
	if (at == UINT64_MAX)
		shim_timer_stop(c->server->loop, &c->timer);
	else
		shim_timer_start(c->server->loop, &c->timer, at > now ? at - now : 0);
}

/* After anything happened: write, and say what is wanted next. */
static void settle(conn *c)
{
	uint32_t events = 0;
	bool alive = sp_buf_code(&c->out) == SP_OK && write_out(c);
	if (c->out.len > 0)
		events |= EPOLLOUT;
	if (c->out.len < HIGH_BYTES)
		events |= EPOLLIN;
	if (!alive || shim_watch_set(c->server->loop, &c->watch, events, NULL) != SP_OK) {
		conn_gone(c);
		return;
	}
	set_timer(c);
}

static void on_turn(shim_turn *t)
{
	conn *c = t->arg;
	if (c->watch.fd < 0)
		maybe_free(c);
	else
		settle(c);
}

static void on_changed(void *owner)
{
	conn *c = owner;
	shim_turn_call(c->server->loop, &c->turn);
}

static void on_timer(shim_timer *t)
{
	conn *c = t->arg;
	sp_ttrpc_server_core_expire(c->core, shim_now_ns());
	shim_turn_call(c->server->loop, &c->turn);
}

/* False: the client is gone. */
static bool read_in(conn *c)
{
	char bytes[4096]; /* not the scratch: handlers read, too */
	ssize_t n = recv(c->watch.fd, bytes, sizeof bytes, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	return n > 0 &&
	       sp_ttrpc_server_core_feed(c->core, (sp_str){bytes, (size_t)n}, shim_now_ns(), NULL) == SP_OK;
}

static void on_conn(shim_watch *w, uint32_t events)
{
	conn *c = w->arg;
	bool alive = true;
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		alive = read_in(c);
	if (alive)
		settle(c);
	else
		conn_gone(c);
}

static sp_code conn_new(shim_server *s, int fd, sp_err *err)
{
	conn *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a connection");
	c->server = s;
	c->watch = (shim_watch){.fd = fd, .fn = on_conn, .arg = c};
	c->timer = (shim_timer){.fn = on_timer, .arg = c};
	shim_turn_init(&c->turn, on_turn, c);
	sp_buf_init(&c->out, OUT_BYTES_MAX);
	sp_code code = sp_ttrpc_server_core_new(s->services, s->n_services, 0, c, on_changed, &c->out,
						&c->core, err);
	if (code == SP_OK) {
		code = shim_watch_set(s->loop, &c->watch, EPOLLIN, err);
		if (code != SP_OK)
			sp_ttrpc_server_core_free(c->core);
	}
	if (code != SP_OK) {
		sp_free(c);
		return code;
	}
	sp_list_push_back(&s->conns, &c->node);
	return SP_OK;
}

static void on_listener(shim_watch *w, uint32_t events)
{
	(void)events;
	shim_server *s = w->arg;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	if (conn_new(s, fd, NULL) != SP_OK) {
		(void)close(fd);
		return;
	}
	if (s->on_accept != NULL)
		s->on_accept(s->arg);
}

sp_code shim_server_init(shim_server *s, shim_loop *l, int fd, const sp_ttrpc_service *services,
			 size_t n_services, sp_err *err)
{
	s->loop = l;
	s->services = services;
	s->n_services = n_services;
	s->listener = (shim_watch){.fd = fd, .fn = on_listener, .arg = s};
	sp_list_init(&s->conns);
	return shim_watch_set(l, &s->listener, EPOLLIN, err);
}

void shim_server_stop_listening(shim_server *s)
{
	shim_watch_close(s->loop, &s->listener);
}

bool shim_server_is_busy(const shim_server *s)
{
	SP_LIST_FOREACH (node, &s->conns) {
		if (SP_CONTAINER_OF(node, conn, node)->out.len > 0)
			return true;
	}
	return false;
}
