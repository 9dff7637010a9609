/* SPDX-License-Identifier: Apache-2.0 */
#include "io/ws/channels.h"

#include "base/base64.h"

#define S(text) SP_STR_INIT(text)
const sp_channel_protocol sp_channel_protocols[] = {
	/* name, version, websocket, spdy, base64, status_json, resize, close_signal */
	{S(""), 1, true, true, false, false, false, false},
	{S("channel.k8s.io"), 1, true, true, false, false, false, false},
	{S("base64.channel.k8s.io"), 1, true, false, true, false, false, false},
	{S("v2.channel.k8s.io"), 2, false, true, false, false, false, false},
	{S("v3.channel.k8s.io"), 3, false, true, false, false, true, false},
	{S("v4.channel.k8s.io"), 4, true, true, false, true, true, false},
	{S("v4.base64.channel.k8s.io"), 4, true, false, true, true, true, false},
	{S("v5.channel.k8s.io"), 5, true, false, false, true, true, true},
};
#undef S
const size_t sp_channel_protocol_count = SP_LEN(sp_channel_protocols);

const sp_channel_protocol *sp_channel_choose(sp_str client_list, bool spdy, uint8_t version_max)
{
	bool more = true;
	while (more) {
		sp_str one;
		more = sp_str_cut(&client_list, ',', &one);
		one = sp_str_trim(more ? one : client_list);
		for (size_t i = 0; i < sp_channel_protocol_count; i++) {
			const sp_channel_protocol *p = &sp_channel_protocols[i];
			if (p->version <= version_max && (spdy ? p->spdy : p->websocket) &&
			    sp_str_eq(p->name, one))
				return p;
		}
	}
	return NULL;
}

static sp_code decode_base64(sp_str text, sp_buf *scratch, sp_str *ret, sp_err *err)
{
	sp_buf_clear(scratch);
	char *room = sp_buf_reserve(scratch, text.len / 4 * 3 + 3);
	if (room == NULL)
		return sp_fail(err, sp_buf_code(scratch), "no room to decode a message of %zu bytes",
			       text.len);
	size_t n = 0;
	SP_TRY(sp_base64_decode(text, (uint8_t *)room, &n, err));
	sp_buf_added(scratch, n);
	*ret = sp_buf_view(scratch);
	return SP_OK;
}

static sp_code decode_close(uint8_t n_channels, sp_str message, sp_channel_event *ret, sp_err *err)
{
	if (message.len != 2)
		return sp_fail(err, SP_EPROTO, "close signal of %zu bytes: one channel byte should follow it",
			       message.len);
	uint8_t channel = (uint8_t)message.ptr[1];
	if (channel >= n_channels)
		return sp_fail(err, SP_EPROTO, "close signal for channel %u, which is not valid", channel);
	*ret = (sp_channel_event){.kind = SP_CHANNEL_END, .channel = channel};
	return SP_OK;
}

sp_code sp_channel_decode(const sp_channel_protocol *p, uint8_t n_channels, sp_str message, sp_buf *scratch,
			  sp_channel_event *ret, sp_err *err)
{
	if (message.len == 0) {
		*ret = (sp_channel_event){.kind = SP_CHANNEL_NONE};
		return SP_OK;
	}
	uint8_t channel = (uint8_t)message.ptr[0];
	if (p->close_signal && channel == SP_CHANNEL_CLOSE_SIGNAL)
		return decode_close(n_channels, message, ret, err);
	if (p->base64)
		channel = (uint8_t)(channel - '0');
	if (channel >= n_channels) {
		*ret = (sp_channel_event){.kind = SP_CHANNEL_NONE};
		return SP_OK;
	}
	sp_str bytes = sp_str_sub(message, 1, message.len);
	if (p->base64)
		SP_TRY(decode_base64(bytes, scratch, &bytes, err));
	*ret = (sp_channel_event){.kind = SP_CHANNEL_DATA, .channel = channel, .bytes = bytes};
	return SP_OK;
}

sp_code sp_channel_encode(const sp_channel_protocol *p, uint8_t channel, sp_str bytes, uint8_t *head,
			  sp_buf *scratch, sp_iov ret_parts[2], sp_ws_kind *ret_kind, sp_err *err)
{
	if (p->base64) {
		sp_buf_clear(scratch);
		sp_code code = sp_base64_append(scratch, bytes.ptr, bytes.len);
		if (code != SP_OK)
			return sp_fail(err, code, "no room to encode a message of %zu bytes", bytes.len);
		bytes = sp_buf_view(scratch);
	}
	*head = p->base64 ? (uint8_t)('0' + channel) : channel;
	ret_parts[0] = (sp_iov){head, 1};
	ret_parts[1] = (sp_iov){bytes.ptr, bytes.len};
	*ret_kind = p->base64 ? SP_WS_TEXT : SP_WS_BINARY;
	return SP_OK;
}

bool sp_channel_is_tunnel(sp_str protocol)
{
	return sp_str_starts(protocol, SP_STR("SPDY/3.1+")) && sp_str_ends(protocol, SP_STR(".k8s.io"));
}
