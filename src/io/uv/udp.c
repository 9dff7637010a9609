/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams. Sending never waits: what the socket does not take is lost, as on the way. */
#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/uv/uv_int.h"

#define PACKETS_ONCE 64

typedef struct udp {
	sp_udp base;
	sp_list node;
	uv_poll_t poll;
	int fd;
	bool closed;
	void (*on_packet)(void *arg, sp_udp *u, const sp_udp_peer *from, sp_str bytes);
	void *arg;
} udp;

_Static_assert(sizeof(struct sockaddr_in6) <= sizeof((sp_udp_peer){0}.room),
	       "a peer has room for its address");

static void on_ready(uv_poll_t *poll, int status, int events)
{
	(void)events;
	udp *u = poll->data;
	uvw_world *w = uvw_of(u->base.world);
	if (status < 0)
		(void)uv_poll_start(poll, UV_READABLE, on_ready); /* an error was queued: it is read below */
	if (!uvw_enter(w))
		return;
	for (int i = 0; i < PACKETS_ONCE && !u->closed && !w->stopping; i++) {
		sp_udp_peer from = {.len = sizeof from.room};
		socklen_t len = sizeof from.room;
		ssize_t n =
			recvfrom(u->fd, w->read_buf, UVW_READ_BYTES, 0, (struct sockaddr *)from.room, &len);
		if (n < 0 && errno == EAGAIN)
			return;
		from.len = (uint32_t)len;
		if (n >= 0) /* else: somebody we sent to is gone; others are not */
			u->on_packet(u->arg, &u->base, &from, (sp_str){(char *)w->read_buf, (size_t)n});
	}
}

static void on_closed(uv_handle_t *handle)
{
	sp_free(handle->data);
}

static sp_code bind_new(udp *u, const sp_address *a, sp_str text, sp_err *err)
{
	const int off = 0;
	uvw_sockaddr to;
	if (a->kind != SP_ADDRESS_IP4 && a->kind != SP_ADDRESS_IP6)
		return sp_fail(err, SP_EINVAL, "address '" SP_FMT "': datagrams need an IP address",
			       SP_ARG(text));
	uvw_sockaddr_of(a, &to);
	u->fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (u->fd < 0)
		return sp_fail_sys(err, errno, "socket for '" SP_FMT "'", SP_ARG(text));
	if (a->kind == SP_ADDRESS_IP6)
		(void)setsockopt(u->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off); /* the default */
	if (bind(u->fd, &to.any, to.len) != 0)
		return sp_fail_sys(err, errno, "bind '" SP_FMT "'", SP_ARG(text));
	return SP_OK;
}

sp_code uvw_udp_open(sp_world *base, sp_str address,
		     void (*on_packet)(void *arg, sp_udp *u, const sp_udp_peer *from, sp_str bytes),
		     void *arg, sp_udp **ret, sp_err *err)
{
	uvw_world *w = uvw_of(base);
	sp_address a;
	SP_TRY(sp_address_parse(address, &a, err));
	udp *u = sp_try_alloc(sizeof *u);
	if (u == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a socket");
	*u = (udp){.base.world = base, .fd = -1, .on_packet = on_packet, .arg = arg};
	u->poll.data = u;
	sp_code code = bind_new(u, &a, address, err);
	if (code == SP_OK) {
		int uv_err = uv_poll_init(&w->loop, &u->poll, u->fd);
		if (uv_err != 0)
			code = sp_fail_sys(err, -uv_err, "receive at '" SP_FMT "'", SP_ARG(address));
	}
	if (code != SP_OK) {
		if (u->fd >= 0)
			(void)close(u->fd); /* nobody uses it */
		sp_free(u);
		return code;
	}
	uvw_sockaddr local = {.len = sizeof local.room};
	if (getsockname(u->fd, &local.any, &local.len) == 0)
		uvw_sockaddr_print(&local, u->base.address, sizeof u->base.address);
	sp_list_init(&u->node);
	sp_list_push_back(&w->udps, &u->node);
	(void)uv_poll_start(&u->poll, UV_READABLE, on_ready); /* cannot fail on a live handle */
	*ret = &u->base;
	return SP_OK;
}

void uvw_udp_send(sp_udp *base, const sp_udp_peer *to, sp_str bytes)
{
	udp *u = SP_CONTAINER_OF(base, udp, base);
	uvw_sockaddr address = {.len = (socklen_t)to->len};
	memcpy(&address.room, to->room, to->len);
	(void)!sendto(u->fd, bytes.ptr, bytes.len, 0, &address.any, address.len);
}

void uvw_udp_close(sp_udp *base)
{
	udp *u = SP_CONTAINER_OF(base, udp, base);
	SP_ASSERT(!u->closed);
	u->closed = true;
	sp_list_remove(&u->node);
	uv_close((uv_handle_t *)&u->poll, on_closed);
	(void)close(u->fd); /* nothing can be done about it */
}

void uvw_udps_close_all(uvw_world *w)
{
	SP_LIST_FOREACH (n, &w->udps)
		uvw_udp_close(&SP_CONTAINER_OF(n, udp, node)->base);
}

sp_code uvw_udp_peer(sp_world *base, sp_str address, sp_udp_peer *ret, sp_err *err)
{
	sp_address a;
	uvw_sockaddr to;
	(void)base;
	SP_TRY(sp_address_parse(address, &a, err));
	if (a.kind != SP_ADDRESS_IP4 && a.kind != SP_ADDRESS_IP6)
		return sp_fail(err, SP_EINVAL, "address '" SP_FMT "': datagrams need an IP address",
			       SP_ARG(address));
	uvw_sockaddr_of(&a, &to);
	*ret = (sp_udp_peer){.len = (uint32_t)to.len};
	memcpy(ret->room, &to.room, to.len);
	return SP_OK;
}
