/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes channel messages: what decodes to data encodes to a message that decodes to the same. */
#include "io/ws/channels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 1 << 16)
		return 0;
	const sp_channel_protocol *p = &sp_channel_protocols[data[0] % sp_channel_protocol_count];
	uint8_t n_channels = data[0] & 0x80 ? 10 : SP_CHANNEL_COUNT;
	SP_AUTO_BUF scratch;
	SP_AUTO_BUF scratch2;
	SP_AUTO_BUF scratch3;
	SP_AUTO_BUF message;
	sp_buf_init(&scratch, 1 << 17);
	sp_buf_init(&scratch2, 1 << 17);
	sp_buf_init(&scratch3, 1 << 17);
	sp_buf_init(&message, 1 << 17);
	sp_channel_event ev = {0}, again = {0};
	sp_str in = {(const char *)data + 1, size - 1};
	if (sp_channel_decode(p, n_channels, in, &scratch, &ev, NULL) != SP_OK || ev.kind != SP_CHANNEL_DATA)
		return 0;
	SP_ASSERT(ev.channel < n_channels);
	uint8_t head = 0;
	sp_iov parts[2];
	sp_ws_kind kind = SP_WS_TEXT;
	SP_ASSERT(sp_channel_encode(p, ev.channel, ev.bytes, &head, &scratch2, parts, &kind, NULL) == SP_OK);
	sp_buf_append(&message, parts[0].ptr, parts[0].len);
	sp_buf_append(&message, parts[1].ptr, parts[1].len);
	SP_ASSERT(sp_channel_decode(p, n_channels, sp_buf_view(&message), &scratch3, &again, NULL) == SP_OK);
	SP_ASSERT(again.channel == ev.channel && sp_str_eq(again.bytes, ev.bytes));
	return 0;
}
