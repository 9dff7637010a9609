/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "io/grpc/grpc_int.h"

size_t grpc_message_limit(size_t option)
{
	return option == 0 ? SP_LIMIT_GRPC_MESSAGE_BYTES : SP_MIN(option, SP_LIMIT_GRPC_MESSAGE_BYTES);
}

sp_code grpc_frame_new(sp_str payload, size_t limit_bytes, sp_bytes **ret, sp_err *err)
{
	if (payload.len > limit_bytes)
		return sp_fail(err, SP_ETOOLARGE,
			       "grpc: trying to send message larger than max (%zu vs. %zu)", payload.len,
			       limit_bytes);
	sp_bytes *frame = sp_bytes_try_new(GRPC_HEAD_BYTES + payload.len);
	if (frame == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a message");
	sp_be32_put((uint8_t *)frame->data + 1, (uint32_t)payload.len);
	if (payload.len > 0)
		memcpy(frame->data + GRPC_HEAD_BYTES, payload.ptr, payload.len);
	*ret = frame;
	return SP_OK;
}

sp_code sp_grpc_frame_new(sp_str payload, sp_bytes **ret, sp_err *err)
{
	return grpc_frame_new(payload, SP_LIMIT_GRPC_MESSAGE_BYTES, ret, err);
}

sp_code grpc_send(sp_http_exchange *ex, sp_str payload, size_t limit_bytes, sp_err *err)
{
	SP_AUTO_BYTES frame = NULL;
	SP_TRY(grpc_frame_new(payload, limit_bytes, &frame, err));
	SP_ASSERT(frame != NULL);
	return sp_http_write_bytes(ex, frame, 0, frame->len, err);
}
