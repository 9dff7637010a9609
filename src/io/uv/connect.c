/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connecting: names are resolved by a worker (getaddrinfo blocks), then the addresses are tried as RFC 8305
 * says: families interleaved, the next one 250 ms after the one before or as soon as that failed, the first
 * connection wins.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "io/uv/uv_int.h"

#define CANDIDATES_MAX 16
#define NEXT_AFTER_NS UINT64_C(250000000) /* Connection Attempt Delay, RFC 8305 section 5 */

typedef struct connecting {
	sp_connect_req *req; /* NULL: canceled */
	uvw_world *world;
	sp_list node;
	sp_timer timeout, next;
	sp_work resolve;
	bool resolving;
	sp_defer start;
	char host[SP_LIMIT_NAME_BYTES + 1];
	uint16_t port;
	int resolve_errno, resolve_code; /* of getaddrinfo */
	uvw_sockaddr to[CANDIDATES_MAX];
	size_t n_to, i_next;
	uvw_stream *tries[CANDIDATES_MAX];
	size_t n_tries;
	sp_err err; /* of the last attempt */
	char text[SP_LIMIT_NAME_BYTES + 8];
} connecting;

static void drop_tries(connecting *c)
{
	while (c->n_tries > 0)
		uvw_stream_drop(c->tries[--c->n_tries]);
}

static void release(connecting *c)
{
	sp_timer_stop(&c->world->base, &c->timeout);
	sp_timer_stop(&c->world->base, &c->next);
	sp_defer_cancel(&c->start);
	drop_tries(c);
	sp_list_remove(&c->node);
	c->req = NULL;
	if (!c->resolving) /* the worker still writes into it: its `done` comes back here */
		sp_free(c);
}

static void finish(connecting *c, sp_stream *s, const sp_err *err)
{
	sp_connect_req *req = c->req;
	sp_err copy = *err;
	req->impl = NULL;
	release(c);
	req->done(req, s, &copy);
}

static void try_next(connecting *c);

static void forget_try(connecting *c, const uvw_stream *s)
{
	for (size_t i = 0; i < c->n_tries; i++) {
		if (c->tries[i] == s) {
			c->tries[i] = c->tries[--c->n_tries];
			return;
		}
	}
}

static void on_try(uvw_stream *s, int errnum)
{
	connecting *c = s->connect_arg;
	forget_try(c, s);
	if (errnum == 0) {
		static const sp_err none = {0};
		uvw_stream_name(s);
		finish(c, &s->base, &none);
		return;
	}
	uvw_stream_drop(s);
	(void)sp_fail_sys(&c->err, errnum, "connect to '%s'", c->text); /* told when no address is left */
	try_next(c);
}

static int tcp_options(int fd)
{
	static const struct {
		int level, name, value;
	} rows[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, 15},
		{IPPROTO_TCP, TCP_KEEPINTVL, 15},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (setsockopt(fd, rows[i].level, rows[i].name, &rows[i].value, sizeof rows[i].value) != 0)
			return errno;
	}
	return 0;
}

/* Begins one attempt; an errno when it failed at once. */
static int try_address(connecting *c, const uvw_sockaddr *to)
{
	uvw_stream *s = NULL;
	int fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	int errnum = to->any.sa_family == AF_UNIX ? 0 : tcp_options(fd);
	if (errnum == 0 && connect(fd, &to->any, to->len) != 0 && errno != EINPROGRESS)
		errnum = errno;
	if (errnum == 0 && uvw_stream_new(c->world, fd, &s, NULL) != SP_OK)
		errnum = ENOMEM;
	if (errnum != 0) {
		(void)close(fd); /* never connected */
		return errnum;
	}
	c->tries[c->n_tries++] = s;
	uvw_stream_wait_connected(s, on_try, c);
	return 0;
}

static void on_next(sp_timer *t)
{
	try_next(t->arg);
}

static void try_next(connecting *c)
{
	sp_timer_stop(&c->world->base, &c->next);
	while (c->i_next < c->n_to) {
		int errnum = try_address(c, &c->to[c->i_next++]);
		if (errnum == 0) {
			if (c->i_next < c->n_to)
				sp_timer_start(&c->world->base, &c->next, NEXT_AFTER_NS, on_next);
			return;
		}
		(void)sp_fail_sys(&c->err, errnum, "connect to '%s'", c->text); /* told below */
	}
	if (c->n_tries == 0) {
		sp_err err = c->err;
		finish(c, NULL, &err);
	}
}

static void on_start(sp_defer *d)
{
	try_next(d->arg);
}

static void on_timeout(sp_timer *t)
{
	connecting *c = t->arg;
	sp_err err = {0};
	(void)sp_fail(&err, SP_ETIMEOUT, "connect to '%s': no answer in time", c->text); /* told here */
	finish(c, NULL, &err);
}

/* ---- names ---- */

static void resolve_work(sp_work *job)
{
	connecting *c = job->arg;
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *list = NULL;
	char port[8];
	(void)snprintf(port, sizeof port, "%u", c->port); /* fits */
	c->resolve_code = getaddrinfo(c->host, port, &hints, &list);
	c->resolve_errno = errno;
	if (c->resolve_code != 0)
		return;
	/* Take turns between the families, the resolver's first one first; each in its order. */
	const struct addrinfo *of[2] = {list, list};
	int first = list->ai_family;
	for (size_t turn = 0; c->n_to < CANDIDATES_MAX && (of[0] != NULL || of[1] != NULL); turn ^= 1) {
		while (of[turn] != NULL && (of[turn]->ai_family == first) != (turn == 0))
			of[turn] = of[turn]->ai_next;
		const struct addrinfo *a = of[turn];
		if (a == NULL || a->ai_addrlen > sizeof c->to[0].room)
			continue;
		memcpy(&c->to[c->n_to].room, a->ai_addr, a->ai_addrlen);
		c->to[c->n_to++].len = a->ai_addrlen;
		of[turn] = a->ai_next;
	}
	freeaddrinfo(list);
}

static void resolve_done(sp_work *job)
{
	connecting *c = job->arg;
	sp_err err = {0};
	c->resolving = false;
	if (c->req == NULL) {
		sp_free(c); /* canceled meanwhile */
		return;
	}
	if (c->resolve_code == 0) {
		try_next(c);
		return;
	}
	if (c->resolve_code == EAI_SYSTEM)
		(void)sp_fail_sys(&err, c->resolve_errno, "resolve '%s'", c->host); /* told here */
	else
		(void)sp_fail(&err, SP_EUNAVAILABLE, "resolve '%s': %s", c->host,
			      gai_strerror(c->resolve_code)); /* told here */
	finish(c, NULL, &err);
}

/* ---- the request ---- */

static sp_code begin(connecting *c, const sp_address *a, sp_err *err)
{
	switch (a->kind) {
	case SP_ADDRESS_FD:
		return sp_fail(err, SP_EINVAL, "address '%s' cannot be connected to", c->text);
	case SP_ADDRESS_NAME:
		memcpy(c->host, a->name.ptr, a->name.len);
		c->port = a->port;
		c->resolve = (sp_work){.fn = resolve_work, .done = resolve_done, .arg = c};
		SP_TRY(uvw_work_start(&c->world->base, &c->resolve, err));
		c->resolving = true;
		return SP_OK;
	case SP_ADDRESS_IP4:
	case SP_ADDRESS_IP6:
	case SP_ADDRESS_UNIX:
	case SP_ADDRESS_ABSTRACT:
		break;
	}
	uvw_sockaddr_of(a, &c->to[0]);
	c->n_to = 1;
	sp_defer_call(&c->world->base, &c->start); /* never from inside the call that asked */
	return SP_OK;
}

sp_code uvw_connect(sp_world *base, sp_connect_req *r, sp_str address, uint64_t timeout_ns, sp_err *err)
{
	sp_address a;
	r->impl = NULL;
	SP_TRY(sp_address_parse(address, &a, err));
	connecting *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to connect");
	c->world = uvw_of(base);
	c->req = r;
	c->timeout.arg = c->next.arg = c;
	sp_defer_init(&c->start, on_start, c);
	(void)sp_address_print(&a, c->text, sizeof c->text); /* for messages */
	sp_code code = begin(c, &a, err);
	if (code != SP_OK) {
		sp_free(c);
		return code;
	}
	sp_list_push_back(&c->world->connects, &c->node);
	if (timeout_ns != 0)
		sp_timer_start(base, &c->timeout, timeout_ns, on_timeout);
	r->impl = c;
	return SP_OK;
}

void uvw_connect_cancel(sp_world *base, sp_connect_req *r)
{
	(void)base;
	connecting *c = r->impl;
	r->impl = NULL;
	release(c);
}

void uvw_connects_cancel_all(uvw_world *w)
{
	SP_LIST_FOREACH (n, &w->connects) {
		connecting *c = SP_CONTAINER_OF(n, connecting, node);
		uvw_connect_cancel(&w->base, c->req);
	}
}
