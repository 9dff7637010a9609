/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "io/grpc/grpc_int.h"

/* A length that is only announced takes no more memory than this. */
#define RESERVE_MAX ((size_t)256 << 10)
/* A buffer that grew beyond this for one message is given back. */
#define KEEP_BYTES ((size_t)64 << 10)
/* Bytes held while paused: the rest of one event, at most what HTTP held back. */
#define HELD_MAX_BYTES ((size_t)32 << 20)

static void on_turn(sp_defer *d);

void grpc_in_init(grpc_in *in)
{
	sp_buf_init(&in->payload, in->message_bytes + 1); /* and a NUL */
	sp_buf_init(&in->one, in->message_bytes + 1);
	sp_buf_init(&in->held, HELD_MAX_BYTES);
	sp_defer_init(&in->turn, on_turn, in);
}

void grpc_in_done(grpc_in *in)
{
	sp_defer_cancel(&in->turn);
	sp_buf_done(&in->payload);
	sp_buf_done(&in->one);
	sp_buf_done(&in->held);
	if (in->gone != NULL)
		*in->gone = true;
}

static void fault(grpc_in *in, int32_t code, const char *fmt, ...) SP_PRINTF(3, 4);
static void fault(grpc_in *in, int32_t code, const char *fmt, ...)
{
	char text[SP_ERR_MSG_BYTES];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap); /* cut is fine */
	va_end(ap);
	in->over = true;
	in->ops->fail(in, code, text);
}

typedef enum step {
	MORE,
	MESSAGE,
	FAULT, /* told; `in` may be gone */
} step;

static step head_check(grpc_in *in)
{
	uint32_t length = sp_be32_get(in->head + 1);
	bool named = in->encoding.len > 0 && !sp_str_eq(in->encoding, SP_STR("identity"));
	if (length > in->message_bytes)
		fault(in, SP_RPC_RESOURCE_EXHAUSTED, "grpc: received message larger than max (%u vs. %zu)",
		      (unsigned)length, in->message_bytes);
	else if (in->head[0] == 1 && named)
		fault(in, SP_RPC_INTERNAL,
		      "grpc: Decompressor is not installed for grpc-encoding \"" SP_FMT "\"",
		      SP_ARG(in->encoding));
	else if (in->head[0] == 1)
		fault(in, SP_RPC_INTERNAL, "grpc: compressed flag set with identity or empty encoding");
	else if (in->head[0] != 0)
		fault(in, SP_RPC_INTERNAL, "grpc: received unexpected payload format %u",
		      (unsigned)in->head[0]);
	else if (in->single && in->any)
		fault(in, SP_RPC_INTERNAL, "cardinality violation: %s",
		      in->is_client
			      ? "expected <EOF> for non server-streaming RPCs, but received another message"
			      : "received multiple request messages for non-client-streaming RPC");
	else {
		in->left = length;
		return MESSAGE;
	}
	return FAULT;
}

static sp_str take(sp_str *bytes, size_t n)
{
	sp_str head = sp_str_sub(*bytes, 0, n);
	*bytes = sp_str_sub(*bytes, head.len, bytes->len);
	return head;
}

/* Takes bytes off the front until a message is whole; *ret is then good until `payload` changes. */
static step next(grpc_in *in, sp_str *bytes, sp_str *ret)
{
	if (in->n_head < GRPC_HEAD_BYTES) {
		sp_str part = take(bytes, GRPC_HEAD_BYTES - in->n_head);
		if (part.len > 0)
			memcpy(in->head + in->n_head, part.ptr, part.len);
		in->n_head = (uint8_t)(in->n_head + part.len);
		if (in->n_head < GRPC_HEAD_BYTES)
			return MORE;
		if (head_check(in) == FAULT)
			return FAULT;
	}
	if (in->payload.len == 0 && bytes->len >= in->left) {
		*ret = take(bytes, in->left);
	} else {
		sp_str part = take(bytes, in->left - in->payload.len);
		if (in->payload.len == 0)
			(void)sp_buf_reserve(&in->payload,
					     SP_MIN((size_t)in->left, RESERVE_MAX)); /* sticky */
		if (sp_buf_append(&in->payload, part.ptr, part.len) != SP_OK) {
			fault(in, SP_RPC_RESOURCE_EXHAUSTED, "no memory for a message");
			return FAULT;
		}
		if (in->payload.len < in->left)
			return MORE;
		*ret = sp_buf_view(&in->payload);
	}
	in->n_head = 0;
	return MESSAGE;
}

static void buf_reuse(sp_buf *b)
{
	if (b->cap > KEEP_BYTES)
		sp_buf_done(b);
	else
		sp_buf_clear(b);
}

/* False: `in` may be gone. */
static bool keep_one(grpc_in *in, sp_str payload)
{
	in->any = true;
	if (in->payload.len > 0) {
		sp_buf empty = in->one;
		in->one = in->payload;
		in->payload = empty;
		return true;
	}
	if (payload.len == 0 || sp_buf_append(&in->one, payload.ptr, payload.len) == SP_OK)
		return true;
	fault(in, SP_RPC_RESOURCE_EXHAUSTED, "no memory for a message");
	return false;
}

/* False: `in` is gone. */
static bool deliver(grpc_in *in, sp_str payload)
{
	bool gone = false;
	sp_buf taken = in->payload; /* it outlives `in`, should the owner end the call and still look at it */
	sp_buf_init(&in->payload, in->message_bytes + 1);
	in->gone = &gone;
	in->ops->message(in, payload);
	if (gone) {
		sp_buf_done(&taken);
		return false;
	}
	in->gone = NULL;
	in->payload = taken;
	buf_reuse(&in->payload);
	return true;
}

static void finish(grpc_in *in)
{
	if (in->n_head > 0) {
		fault(in, SP_RPC_INTERNAL, "unexpected EOF");
		return;
	}
	SP_AUTO_BUF one = in->one;
	sp_buf_init(&in->one, in->message_bytes + 1);
	in->over = true;
	in->ops->end(in, in->any, sp_buf_view(&one));
}

/* False: `in` may be gone, or is over. */
static bool run(grpc_in *in, sp_str bytes)
{
	sp_str payload;
	step s = MORE;
	while (!in->paused && !in->over && (s = next(in, &bytes, &payload)) == MESSAGE) {
		if (in->single ? !keep_one(in, payload) : !deliver(in, payload))
			return false;
	}
	if (s == FAULT || in->over)
		return false;
	if (bytes.len > 0 && sp_buf_append(&in->held, bytes.ptr, bytes.len) != SP_OK) {
		fault(in, SP_RPC_RESOURCE_EXHAUSTED, "no memory for a message");
		return false;
	}
	return true;
}

void grpc_in_body(grpc_in *in, const uint8_t *bytes, size_t n)
{
	sp_str s = {(const char *)bytes, n};
	if (in->held.len > 0 && !in->over)
		(void)sp_buf_append(&in->held, s.ptr, s.len); /* sticky: the turn looks */
	else
		(void)run(in, s);
}

void grpc_in_end(grpc_in *in)
{
	in->ended = true;
	if (!in->paused && in->held.len == 0 && !in->over)
		finish(in);
}

/* After a pause: first what is held here, then what HTTP holds. */
static void on_turn(sp_defer *d)
{
	grpc_in *in = d->arg;
	if (in->paused || in->over)
		return;
	SP_AUTO_BUF held = in->held;
	sp_buf_init(&in->held, HELD_MAX_BYTES);
	if (sp_buf_code(&held) != SP_OK) {
		fault(in, SP_RPC_RESOURCE_EXHAUSTED, "no memory for a message");
		return;
	}
	if (!run(in, sp_buf_view(&held)) || in->paused)
		return;
	if (in->ended)
		finish(in);
	else if (in->ex != NULL)
		sp_http_read(in->ex, true);
}

void grpc_in_read(grpc_in *in, bool on)
{
	if (in->over || in->paused == !on)
		return;
	in->paused = !on;
	if (in->ex != NULL && !on)
		sp_http_read(in->ex, false);
	if (on)
		sp_defer_call(in->world, &in->turn);
}
