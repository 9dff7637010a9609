/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket frames: any bytes, cut in any way, give the same events; what is sent back parses at the other
 * side; nothing grows beyond its limit. First byte: role, mode and where to cut.
 */
#include "base/buf.h"
#include "io/ws/core.h"

typedef struct seen {
	uint64_t hash;
	size_t bytes;
	unsigned n_closed;
} seen;

static void mix(seen *s, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	for (size_t i = 0; i < n; i++)
		s->hash = (s->hash ^ p[i]) * UINT64_C(1099511628211);
}

static void on_message(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last)
{
	seen *s = arg;
	SP_ASSERT(s->n_closed == 0);
	s->bytes += n;
	mix(s, bytes, n); /* pieces may be cut differently: only their concatenation counts */
	if (last)
		mix(s, &kind, sizeof kind);
}

static void on_closed(void *arg, uint16_t code, sp_str reason, const sp_err *err)
{
	seen *s = arg;
	s->n_closed++;
	SP_ASSERT(s->n_closed == 1);
	SP_ASSERT(err != NULL || code == SP_WS_NO_CODE || sp_ws_code_is_valid(code));
	mix(s, &code, sizeof code);
	mix(s, reason.ptr, reason.len);
}

static const sp_ws_events events = {on_message, NULL, on_closed};

static void mask(void *arg, uint8_t key[4])
{
	(void)arg;
	memset(key, 0x5a, 4);
}

static void run(sp_ws_opts opts, const uint8_t *data, size_t size, size_t step, seen *s, sp_buf *out)
{
	sp_ws_core *c = NULL;
	SP_ASSERT(sp_ws_core_new(&opts, &events, s, mask, NULL, out, &c, NULL) == SP_OK);
	for (size_t at = 0; at < size; at += step)
		sp_ws_core_feed(c, data + at, SP_MIN(step, size - at));
	sp_ws_core_end(c);
	SP_ASSERT(s->n_closed == 1);
	sp_ws_core_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 1 << 16)
		return 0;
	sp_ws_opts opts = {.client = (data[0] & 1) != 0,
			   .pieces = (data[0] & 2) != 0,
			   .message_bytes_max = 1024,
			   .frames_per_message = 16};
	size_t step = 1 + (data[0] >> 2);
	SP_AUTO_BUF out_whole;
	SP_AUTO_BUF out_cut;
	sp_buf_init(&out_whole, 1 << 20);
	sp_buf_init(&out_cut, 1 << 20);
	seen whole = {0}, cut = {0}, back = {0};
	run(opts, data + 1, size - 1, size, &whole, &out_whole);
	run(opts, data + 1, size - 1, step, &cut, &out_cut);
	/* How much of a broken text message came out before its fault depends on the cuts when pieces do. */
	SP_ASSERT(opts.pieces || (whole.hash == cut.hash && whole.bytes == cut.bytes));
	SP_ASSERT(sp_str_eq(sp_buf_view(&out_whole), sp_buf_view(&out_cut)));
	/* the peer understands every answer */
	SP_AUTO_BUF out_back;
	sp_buf_init(&out_back, 1 << 20);
	sp_ws_opts peer = {.client = !opts.client};
	sp_ws_core *c = NULL;
	SP_ASSERT(sp_ws_core_new(&peer, &events, &back, mask, NULL, &out_back, &c, NULL) == SP_OK);
	sp_ws_core_feed(c, (const uint8_t *)out_whole.ptr, out_whole.len);
	SP_ASSERT(back.n_closed == 0 || sp_ws_core_close_received(c));
	sp_ws_core_free(c);
	return 0;
}
