/* SPDX-License-Identifier: Apache-2.0 */
/* One transaction over a socket of its own. */
#include "host/nft/nft.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/nft/message.h"

#define BATCH_BYTES_MAX ((size_t)256 << 20)
#define SOCKET_SPARE 4096u /* of a send buffer beside the batch itself */
#define ANSWER_BYTES 4096u /* an acknowledgement is a datagram */

static sp_code open_socket(size_t batch, int *ret, sp_err *err)
{
	int on = 1, room = (int)(batch + SOCKET_SPARE);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (fd < 0)
		return sp_fail_sys(err, errno, "nftables: socket");
	/* A batch is one datagram. Errors come without the message that caused them. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0 ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on) != 0) {
		sp_code code = sp_fail_sys(err, errno, "nftables: socket");
		(void)close(fd);
		return code;
	}
	*ret = fd;
	return SP_OK;
}

/* The line with this number, for a message. */
static sp_str line_of(sp_str commands, uint32_t number)
{
	sp_str line = {NULL, 0};
	while (number-- > 0 && sp_str_next(&commands, '\n', &line))
		;
	return sp_str_sub(line, 0, 120);
}

/*
 * Refusals of single messages come first, in order; the last is the answer to the last line, or to the begin
 * of the batch (number 0) when it failed as a whole.
 */
static sp_code take_answer(int fd, sp_str commands, uint32_t last, sp_err *err)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t bytes[ANSWER_BYTES];
	sp_code code = SP_OK;
	for (;;) {
		ssize_t n = recv(fd, bytes, sizeof bytes, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return sp_fail_sys(err, n < 0 ? errno : EPROTO, "nftables: receive");
		struct nlmsghdr m;
		for (size_t at = 0; at + sizeof m <= (size_t)n; at += NLMSG_ALIGN(m.nlmsg_len)) {
			int32_t refused = 0;
			memcpy(&m, bytes + at, sizeof m);
			if (m.nlmsg_len < sizeof m || m.nlmsg_len > (size_t)n - at)
				break;
			if (m.nlmsg_type != NLMSG_ERROR || m.nlmsg_len < sizeof m + sizeof refused)
				continue;
			memcpy(&refused, bytes + at + sizeof m, sizeof refused);
			if (refused != 0 && code == SP_OK)
				code = sp_fail_sys(err, -refused, "nftables: " SP_FMT,
						   SP_ARG(line_of(commands, m.nlmsg_seq)));
			if (m.nlmsg_seq == last || m.nlmsg_seq == 0)
				return code;
		}
	}
}

static sp_code send_all(int fd, sp_str batch, sp_err *err)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t n;
	do {
		n = sendto(fd, batch.ptr, batch.len, 0, (const struct sockaddr *)&kernel, sizeof kernel);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)batch.len ? SP_OK : sp_fail_sys(err, n < 0 ? errno : EIO, "nftables: send");
}

static uint32_t last_line(sp_str commands)
{
	sp_str line;
	uint32_t n = 0, last = 0;
	while (sp_str_next(&commands, '\n', &line)) {
		n++;
		if (sp_str_trim(line).len > 0)
			last = n;
	}
	return last;
}

sp_code host_nft_run(sp_str commands, sp_err *err)
{
	SP_AUTO_BUF batch;
	uint32_t last = last_line(commands);
	int fd = -1;
	sp_buf_init(&batch, BATCH_BYTES_MAX);
	SP_TRY(nft_compile(commands, &batch, err));
	if (last == 0)
		return SP_OK;
	SP_TRY(open_socket(batch.len, &fd, err));
	sp_code code = send_all(fd, sp_buf_view(&batch), err);
	if (code == SP_OK)
		code = take_answer(fd, commands, last, err);
	(void)close(fd);
	return code;
}

sp_code host_nft_ask(sp_err *err)
{
	SP_AUTO_BUF question;
	int fd = -1;
	sp_buf_init(&question, SOCKET_SPARE);
	nft_end(&question, nft_begin(&question, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, NLM_F_ACK,
				     NFPROTO_UNSPEC, 0, 1));
	SP_TRY(sp_buf_code(&question));
	SP_TRY(open_socket(question.len, &fd, err));
	sp_code code = send_all(fd, sp_buf_view(&question), err);
	if (code == SP_OK)
		code = take_answer(fd, SP_STR("no answer from this kernel\n"), 1, err);
	(void)close(fd);
	return code;
}
