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
	int family;
	bool is_any; /* bound to any address */
	bool closed;
	void (*on_packet)(void *arg, sp_udp *u, const sp_udp_peer *from, sp_str bytes);
	void *arg;
} udp;

_Static_assert(sizeof(struct sockaddr_in6) <= sizeof((sp_udp_peer){0}.room),
	       "a peer has room for its address");

/* What the kernel says of our side of a datagram, or is told: an IP_PKTINFO or IPV6_PKTINFO message. */
typedef union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
} control;

_Static_assert(sizeof(struct in6_addr) <= sizeof((sp_udp_peer){0}.local), "a peer has room for our side");

static ssize_t receive(const udp *u, void *bytes, size_t n_bytes, sp_udp_peer *from)
{
	control c;
	struct iovec iov = {bytes, n_bytes};
	struct msghdr m = {.msg_name = from->room,
			   .msg_namelen = sizeof from->room,
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = &c,
			   .msg_controllen = sizeof c};
	ssize_t n = recvmsg(u->fd, &m, 0);
	if (n < 0)
		return n;
	from->len = (uint32_t)m.msg_namelen;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h != NULL; h = CMSG_NXTHDR(&m, h)) {
		struct in_pktinfo four;
		struct in6_pktinfo six;
		if (h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_PKTINFO) {
			memcpy(&four, CMSG_DATA(h), sizeof four);
			from->local_len = sizeof four.ipi_spec_dst;
			memcpy(from->local, &four.ipi_spec_dst, sizeof four.ipi_spec_dst);
		} else if (h->cmsg_level == IPPROTO_IPV6 && h->cmsg_type == IPV6_PKTINFO) {
			memcpy(&six, CMSG_DATA(h), sizeof six);
			from->local_len = sizeof six.ipi6_addr;
			memcpy(from->local, &six.ipi6_addr, sizeof six.ipi6_addr);
		}
	}
	return n;
}

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
		sp_udp_peer from = {0};
		ssize_t n = receive(u, w->read_buf, UVW_READ_BYTES, &from);
		if (n < 0 && errno == EAGAIN)
			return;
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
	const int off = 0, on = 1;
	uvw_sockaddr to;
	if (a->kind != SP_ADDRESS_IP4 && a->kind != SP_ADDRESS_IP6)
		return sp_fail(err, SP_EINVAL, "address '" SP_FMT "': datagrams need an IP address",
			       SP_ARG(text));
	uvw_sockaddr_of(a, &to);
	u->fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (u->fd < 0)
		return sp_fail_sys(err, errno, "socket for '" SP_FMT "'", SP_ARG(text));
	u->family = to.any.sa_family;
	if (a->kind == SP_ADDRESS_IP6)
		(void)setsockopt(u->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off); /* the default */
	static const uint8_t any[sizeof a->ip];
	u->is_any = memcmp(a->ip, any, a->kind == SP_ADDRESS_IP6 ? 16 : 4) == 0;
	if (u->is_any &&
	    setsockopt(u->fd, a->kind == SP_ADDRESS_IP6 ? IPPROTO_IPV6 : IPPROTO_IP,
		       a->kind == SP_ADDRESS_IP6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &on, sizeof on) != 0)
		return sp_fail_sys(err, errno, "ask for the address of datagrams at '" SP_FMT "'",
				   SP_ARG(text));
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

/* The kernel would choose by the route back: a pod that asked the node's address is answered from the
 * bridge's, and takes that for a stranger's. */
static void leave_from(const udp *u, const sp_udp_peer *peer, struct msghdr *m, control *c)
{
	struct in_pktinfo four = {0};
	struct in6_pktinfo six = {0};
	bool is_six = u->family == AF_INET6;
	size_t n = is_six ? sizeof six : sizeof four;
	memset(c, 0, sizeof *c);
	memcpy(&four.ipi_spec_dst, peer->local, sizeof four.ipi_spec_dst);
	memcpy(&six.ipi6_addr, peer->local, sizeof six.ipi6_addr);
	m->msg_control = c;
	m->msg_controllen = CMSG_SPACE(n);
	struct cmsghdr *h = CMSG_FIRSTHDR(m);
	h->cmsg_level = is_six ? IPPROTO_IPV6 : IPPROTO_IP;
	h->cmsg_type = is_six ? IPV6_PKTINFO : IP_PKTINFO;
	h->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(h), is_six ? (const void *)&six : (const void *)&four, n);
}

void uvw_udp_send(sp_udp *base, const sp_udp_peer *to, sp_str bytes)
{
	udp *u = SP_CONTAINER_OF(base, udp, base);
	control c;
	sp_udp_peer peer = *to;
	struct iovec iov = {(void *)(uintptr_t)bytes.ptr, bytes.len};
	struct msghdr m = {.msg_name = peer.room, .msg_namelen = peer.len, .msg_iov = &iov, .msg_iovlen = 1};
	if (u->is_any && peer.local_len > 0)
		leave_from(u, &peer, &m, &c);
	(void)!sendmsg(u->fd, &m, 0);
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
