/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPDY sessions: any bytes, cut in any way, end in the same state and the same answers; owners that release
 * streams inside events are allowed for. First byte: role, how the owner behaves, where to cut.
 */
#include "base/alloc.h"
#include "io/spdy/core.h"

#define KEPT_MAX 256

typedef struct owner {
	sp_spdy_core *core;
	sp_spdy_cs *kept[KEPT_MAX];
	size_t n_kept;
	uint64_t hash;
	unsigned mode, n_failed;
} owner;

enum { REPLY = 1, CONSUME = 2, RELEASE_ON_DATA = 4, RELEASE_ON_END = 8, SEND = 16 };

static void mix(owner *o, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	for (size_t i = 0; i < n; i++)
		o->hash = (o->hash ^ p[i]) * UINT64_C(1099511628211);
}

static void mix_event(owner *o, uint32_t what, const sp_spdy_cs *s, uint32_t more)
{
	uint32_t words[3] = {what, s == NULL ? 0 : sp_spdy_cs_id(s), more};
	SP_ASSERT(o->n_failed == 0);
	mix(o, words, sizeof words);
}

static void release(owner *o, sp_spdy_cs *s)
{
	for (size_t i = 0; i < o->n_kept; i++) {
		if (o->kept[i] == s) {
			o->kept[i] = o->kept[--o->n_kept];
			sp_spdy_core_release(o->core, s);
			return;
		}
	}
	SP_UNREACHABLE(); /* an event for a stream we gave back */
}

static void on_stream(void *arg, sp_spdy_cs *s)
{
	owner *o = arg;
	mix_event(o, 1, s, sp_spdy_cs_remote_closed(s));
	mix(o, sp_spdy_cs_block(s).ptr, sp_spdy_cs_block(s).len);
	if (o->n_kept == KEPT_MAX) {
		sp_spdy_core_release(o->core, s);
		return;
	}
	o->kept[o->n_kept++] = s;
	sp_spdy_header h = {SP_STR("Answer"), SP_STR("yes")};
	if ((o->mode & REPLY) == 0 || sp_spdy_core_reply(o->core, s, &h, 1, false, NULL) != SP_OK)
		return;
	uint8_t bytes[3000] = {0};
	size_t taken = 0;
	if ((o->mode & SEND) != 0 && !sp_spdy_cs_is_closed(s))
		(void)!sp_spdy_core_data(o->core, s, bytes, sizeof bytes, true, &taken, NULL);
}

static void on_block(void *arg, sp_spdy_cs *s, sp_str block)
{
	mix_event(arg, 2, s, 0);
	mix(arg, block.ptr, block.len);
}

static void on_data(void *arg, sp_spdy_cs *s, const uint8_t *bytes, size_t n)
{
	owner *o = arg;
	SP_ASSERT(o->n_failed == 0);
	if ((o->mode & RELEASE_ON_DATA) !=
	    0) { /* where it strikes does not depend on the cuts, what came does */
		release(o, s);
		return;
	}
	mix(o, bytes, n);
	if ((o->mode & CONSUME) != 0)
		sp_spdy_core_consumed(o->core, s, n);
}

static void on_fin(void *arg, sp_spdy_cs *s)
{
	owner *o = arg;
	mix_event(o, 3, s, 0);
	if ((o->mode & RELEASE_ON_END) != 0)
		release(o, s);
}

static void on_reset(void *arg, sp_spdy_cs *s, uint32_t status)
{
	owner *o = arg;
	mix_event(o, 4, s, status);
	if ((o->mode & RELEASE_ON_END) != 0)
		release(o, s);
}

static void on_window(void *arg, sp_spdy_cs *s)
{
	owner *o = arg;
	mix_event(o, 5, s, 0);
	uint8_t bytes[100] = {0};
	size_t taken = 0;
	(void)!sp_spdy_core_data(o->core, s, bytes, sizeof bytes, false, &taken, NULL);
}

static void on_number(void *arg, uint32_t n)
{
	mix_event(arg, 6, NULL, n);
}

static void on_failed(void *arg, const sp_err *err)
{
	owner *o = arg;
	mix_event(o, 7, NULL, err->code);
	o->n_failed++;
}

static const sp_spdy_events events = {on_stream, on_block,  on_block,  on_data,   on_fin,
				      on_reset,  on_window, on_number, on_number, on_failed};

static uint64_t run(uint8_t how, const uint8_t *data, size_t size, size_t step, sp_buf *out)
{
	owner o = {.mode = how >> 1 & 31};
	sp_spdy_opts opts = {
		.client = (how & 1) != 0, .streams_max = 64, .window_bytes = 4096, .resets_max = 20};
	SP_ASSERT(sp_spdy_core_new(&opts, &events, &o, out, &o.core, NULL) == SP_OK);
	sp_spdy_header h = {SP_STR("a"), SP_STR("b")};
	for (size_t i = 0; i < 2; i++)
		SP_ASSERT(sp_spdy_core_open(o.core, &h, 1, i == 1, &o.kept[o.n_kept++], NULL) == SP_OK);
	for (size_t at = 0; at < size; at += step)
		sp_spdy_core_feed(o.core, data + at, SP_MIN(step, size - at));
	while (o.n_kept > 0)
		sp_spdy_core_release(o.core, o.kept[--o.n_kept]);
	SP_ASSERT(sp_spdy_core_n_open(o.core) == 0);
	sp_spdy_core_free(o.core);
	return o.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > 1 << 15)
		return 0;
	SP_AUTO_BUF whole;
	SP_AUTO_BUF cut;
	sp_buf_init(&whole, 1 << 22);
	sp_buf_init(&cut, 1 << 22);
	uint64_t a = run(data[0], data + 2, size - 2, size, &whole);
	uint64_t b = run(data[0], data + 2, size - 2, 1 + data[1] % 64, &cut);
	SP_ASSERT(a == b);
	/* window updates follow what was consumed when, which depends on the cuts */
	SP_ASSERT((data[0] & (CONSUME << 1)) != 0 || sp_str_eq(sp_buf_view(&whole), sp_buf_view(&cut)));
	return 0;
}
