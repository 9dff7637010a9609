/* SPDX-License-Identifier: Apache-2.0 */
#include "io/ttrpc/frame.h"

#include "base/limits.h"
#include "base/num.h"

/* Memory of a bigger payload is given back as soon as it was used. */
#define KEEP_BYTES ((size_t)64 << 10)

void sp_ttrpc_reader_init(sp_ttrpc_reader *r)
{
	*r = (sp_ttrpc_reader){0};
	sp_buf_init(&r->payload, SP_LIMIT_TTRPC_MESSAGE_BYTES);
}

void sp_ttrpc_reader_done(sp_ttrpc_reader *r)
{
	sp_buf_done(&r->payload);
}

sp_code sp_ttrpc_oversize(size_t n_bytes, sp_err *err)
{
	return sp_fail(err, SP_ETOOLARGE, "message length %zu exceed maximum message size of %zu", n_bytes,
		       SP_LIMIT_TTRPC_MESSAGE_BYTES);
}

static void begin(sp_ttrpc_reader *r)
{
	r->frame = (sp_ttrpc_frame){sp_be32_get(r->head), sp_be32_get(r->head + 4), r->head[8], r->head[9]};
	r->left = r->frame.length;
	r->oversize = r->left > SP_LIMIT_TTRPC_MESSAGE_BYTES;
	if (r->payload.cap > KEEP_BYTES) {
		sp_buf_done(&r->payload);
		sp_buf_init(&r->payload, SP_LIMIT_TTRPC_MESSAGE_BYTES);
	} else {
		sp_buf_clear(&r->payload);
	}
}

bool sp_ttrpc_reader_next(sp_ttrpc_reader *r, sp_str *in, sp_ttrpc_frame *ret, sp_str *ret_payload,
			  bool *ret_oversize, sp_code *ret_code)
{
	*ret_code = SP_OK;
	if (r->n_head < SP_TTRPC_HEADER_BYTES) {
		size_t n = SP_MIN(in->len, SP_TTRPC_HEADER_BYTES - r->n_head);
		if (n > 0)
			memcpy(r->head + r->n_head, in->ptr, n);
		r->n_head += n;
		*in = sp_str_sub(*in, n, in->len);
		if (r->n_head < SP_TTRPC_HEADER_BYTES)
			return false;
		begin(r);
	}
	size_t n = SP_MIN(in->len, (size_t)r->left);
	sp_str part = sp_str_sub(*in, 0, n);
	*in = sp_str_sub(*in, n, in->len);
	r->left -= (uint32_t)n;
	bool in_one = r->left == 0 && r->payload.len == 0; /* wholly in the input: no copy */
	if (!r->oversize && !in_one && sp_buf_str(&r->payload, part) != SP_OK) {
		*ret_code = sp_buf_code(&r->payload);
		return false;
	}
	if (r->left > 0)
		return false;
	r->n_head = 0;
	*ret = r->frame;
	*ret_oversize = r->oversize;
	*ret_payload = r->oversize ? (sp_str){NULL, 0} : in_one ? part : sp_buf_view(&r->payload);
	return true;
}

sp_code sp_ttrpc_frame_put(sp_buf *out, uint32_t stream, sp_ttrpc_type type, uint8_t flags, sp_str payload,
			   sp_err *err)
{
	if (payload.len > SP_LIMIT_TTRPC_MESSAGE_BYTES)
		return sp_ttrpc_oversize(payload.len, err);
	uint8_t head[SP_TTRPC_HEADER_BYTES];
	sp_be32_put(head, (uint32_t)payload.len);
	sp_be32_put(head + 4, stream);
	head[8] = (uint8_t)type;
	head[9] = flags;
	sp_buf_append(out, head, sizeof head);
	sp_buf_str(out, payload);
	return sp_buf_code(out) == SP_OK ? SP_OK : sp_fail(err, sp_buf_code(out), "ttrpc send queue is full");
}
