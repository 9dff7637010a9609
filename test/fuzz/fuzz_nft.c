/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of nftables: what is understood is a batch of whole messages. */
#include "host/nft/message.h"
#include "host/nft/nft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SP_AUTO_BUF out;
	struct nlmsghdr head;
	sp_buf_init(&out, (size_t)1 << 20);
	if (nft_compile((sp_str){(const char *)data, size}, &out, NULL) != SP_OK)
		return 0;
	for (size_t at = 0; at < out.len; at += head.nlmsg_len) {
		SP_ASSERT(out.len - at >= sizeof head);
		memcpy(&head, out.ptr + at, sizeof head);
		SP_ASSERT(head.nlmsg_len >= sizeof head && head.nlmsg_len <= out.len - at &&
			  head.nlmsg_len % 4 == 0);
	}
	return 0;
}
