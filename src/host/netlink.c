/* SPDX-License-Identifier: Apache-2.0 */
#include "host/netlink.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/alloc.h"

#define ANSWER_BYTES 8192u
#define DUMP_BYTES 32768u /* the kernel fills at most that at once */

static void *room(host_nl *m, size_t n)
{
	size_t padded = NLMSG_ALIGN(n);
	if (m->overflow || padded > sizeof m->bytes - m->len) {
		m->overflow = true;
		return NULL;
	}
	void *at = m->bytes + m->len;
	memset(at, 0, padded);
	m->len += padded;
	return at;
}

void host_nl_begin(host_nl *m, uint16_t type, uint16_t flags, const void *fixed, size_t n)
{
	m->len = 0;
	m->overflow = false;
	const struct nlmsghdr head = {.nlmsg_type = type,
				      .nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST | NLM_F_ACK)};
	memcpy(room(m, sizeof head), &head, sizeof head);
	void *at = room(m, n);
	if (at != NULL)
		memcpy(at, fixed, n);
}

void host_nl_put(host_nl *m, uint16_t type, const void *bytes, size_t n)
{
	const struct rtattr head = {.rta_len = (uint16_t)RTA_LENGTH(n), .rta_type = type};
	uint8_t *at = room(m, RTA_LENGTH(n));
	if (at == NULL)
		return;
	memcpy(at, &head, sizeof head);
	if (n > 0)
		memcpy(at + RTA_LENGTH(0), bytes, n);
}

void host_nl_put_str(host_nl *m, uint16_t type, sp_str s)
{
	char text[64] = "";
	size_t n = SP_MIN(s.len, sizeof text - 1);
	if (n > 0)
		memcpy(text, s.ptr, n);
	host_nl_put(m, type, text, n + 1);
}

void host_nl_put_u32(host_nl *m, uint16_t type, uint32_t v)
{
	host_nl_put(m, type, &v, sizeof v);
}

size_t host_nl_open(host_nl *m, uint16_t type)
{
	size_t at = m->len;
	host_nl_put(m, type, NULL, 0);
	return at;
}

void host_nl_close(host_nl *m, size_t at)
{
	if (m->overflow)
		return;
	uint16_t n = (uint16_t)(m->len - at);
	memcpy(m->bytes + at + offsetof(struct rtattr, rta_len), &n, sizeof n);
}

sp_code host_nl_socket(int protocol, int *ret, sp_err *err)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		return sp_fail_sys(err, errno, "netlink socket");
	*ret = fd;
	return SP_OK;
}

static sp_code send_it(int fd, const host_nl *m, const char *what, sp_err *err)
{
	host_nl out = *m;
	if (m->overflow)
		return sp_fail(err, SP_ETOOLARGE, "%s: request too long", what);
	uint32_t len = (uint32_t)out.len;
	memcpy(out.bytes + offsetof(struct nlmsghdr, nlmsg_len), &len, sizeof len);
	if (send(fd, out.bytes, out.len, 0) != (ssize_t)out.len)
		return sp_fail_sys(err, errno, "%s: send", what);
	return SP_OK;
}

/* One datagram of answers; true: the last one, with *ret_code. */
static bool take_answers(const uint8_t *bytes, size_t n,
			 void (*each)(void *arg, uint16_t type, const uint8_t *bytes, size_t n), void *arg,
			 int32_t *ret_code)
{
	struct nlmsghdr head;
	for (size_t at = 0; at + sizeof head <= n; at += NLMSG_ALIGN(head.nlmsg_len)) {
		memcpy(&head, bytes + at, sizeof head);
		if (head.nlmsg_len < NLMSG_HDRLEN || head.nlmsg_len > n - at)
			break;
		const uint8_t *body = bytes + at + NLMSG_HDRLEN;
		size_t size = head.nlmsg_len - NLMSG_HDRLEN;
		*ret_code = 0;
		if (head.nlmsg_type == NLMSG_ERROR && size >= sizeof *ret_code)
			memcpy(ret_code, body, sizeof *ret_code);
		if (head.nlmsg_type == NLMSG_ERROR || head.nlmsg_type == NLMSG_DONE)
			return true;
		each(arg, head.nlmsg_type, body, size);
	}
	return false;
}

sp_code host_nl_dump(int fd, const host_nl *m,
		     void (*each)(void *arg, uint16_t type, const uint8_t *bytes, size_t n), void *arg,
		     const char *what, sp_err *err)
{
	int32_t refused = 0;
	SP_TRY(send_it(fd, m, what, err));
	uint8_t *answer = sp_alloc(DUMP_BYTES);
	sp_code code = SP_OK;
	for (bool done = false; !done && code == SP_OK;) {
		ssize_t n = recv(fd, answer, DUMP_BYTES, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			code = sp_fail_sys(err, n < 0 ? errno : EPROTO, "%s: receive", what);
		else
			done = take_answers(answer, (size_t)n, each, arg, &refused);
	}
	sp_free(answer);
	return code != SP_OK || refused == 0 ? code : sp_fail_sys(err, -refused, "%s", what);
}

sp_code host_nl_talk(int fd, const host_nl *m, const char *what, sp_err *err)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t answer[ANSWER_BYTES];
	struct nlmsghdr head;
	SP_TRY(send_it(fd, m, what, err));
	for (;;) {
		ssize_t n = recv(fd, answer, sizeof answer, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < (ssize_t)(sizeof head + sizeof(int32_t)))
			return sp_fail_sys(err, n < 0 ? errno : EPROTO, "%s: receive", what);
		memcpy(&head, answer, sizeof head);
		if (head.nlmsg_type != NLMSG_ERROR)
			continue;
		int32_t code;
		memcpy(&code, answer + NLMSG_HDRLEN, sizeof code);
		return code == 0 ? SP_OK : sp_fail_sys(err, -code, "%s", what);
	}
}

bool host_nl_next(const uint8_t *bytes, size_t n, size_t *at, uint16_t *ret_type, const uint8_t **ret_value,
		  size_t *ret_n)
{
	struct rtattr a;
	if (*at > n || n - *at < sizeof a)
		return false;
	memcpy(&a, bytes + *at, sizeof a);
	if (a.rta_len < sizeof a || a.rta_len > n - *at)
		return false;
	*ret_type = (uint16_t)(a.rta_type & ~(NLA_F_NESTED | NLA_F_NET_BYTEORDER));
	*ret_value = bytes + *at + RTA_LENGTH(0);
	*ret_n = a.rta_len - RTA_LENGTH(0);
	*at += RTA_ALIGN(a.rta_len);
	return true;
}

static void fill(const sp_ip *ip, host_prefix *ret)
{
	ret->family = ip->v4 ? AF_INET : AF_INET6;
	ret->n = ip->v4 ? 4 : 16;
	memcpy(ret->bytes, ip->bytes + (16 - ret->n), ret->n);
}

sp_code host_prefix_parse(sp_str cidr, host_prefix *ret, sp_err *err)
{
	sp_cidr c;
	if (!sp_cidr_parse(cidr, &c) || c.ip.mapped)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no address with a prefix", SP_ARG(cidr));
	fill(&c.ip, ret);
	ret->n_bits = c.n_bits;
	return SP_OK;
}

sp_code host_address_parse(sp_str ip, host_prefix *ret, sp_err *err)
{
	sp_ip a;
	if (!sp_ip_parse(ip, &a))
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no address", SP_ARG(ip));
	fill(&a, ret);
	ret->n_bits = (uint8_t)(ret->n * 8);
	return SP_OK;
}
