/* SPDX-License-Identifier: Apache-2.0 */
/* Life of an exchange and its incoming message; the outgoing one is in outgoing.c. */
#include "base/alloc.h"
#include "base/num.h"
#include "base/time.h"
#include "io/http/http_int.h"

#define SPARE_MAX 64u
/* A body whose length is announced gets its memory at once up to here; longer ones have to arrive first. */
#define RESERVE_MAX ((size_t)256 << 10)

static const sp_http_events no_events = {0};

/* ---- pool ---- */

static void limits_default(sp_http_limits *l, uint64_t idle_ns)
{
#define DEFAULT(member, value)               \
	do {                                 \
		if (l->member == 0)          \
			l->member = (value); \
	} while (0)
	DEFAULT(header_bytes, SP_LIMIT_HTTP_HEADER_BYTES);
	DEFAULT(n_headers, SP_LIMIT_HTTP_HEADERS);
	DEFAULT(target_bytes, SP_LIMIT_HTTP_TARGET_BYTES);
	DEFAULT(arena_bytes, (size_t)64 << 20);
	DEFAULT(queue_bytes, (size_t)256 << 10);
	DEFAULT(n_streams, SP_LIMIT_HTTP2_STREAMS);
	DEFAULT(stream_window, 256u << 10);
	DEFAULT(connection_window, 1u << 20);
	DEFAULT(header_ns, 10 * HTTP_NS_PER_S);
	DEFAULT(idle_ns, idle_ns);
	DEFAULT(body_ns, 60 * HTTP_NS_PER_S);
	DEFAULT(write_ns, 60 * HTTP_NS_PER_S);
#undef DEFAULT
}

void http_pool_init(http_pool *p, sp_world *w, const sp_http_limits *limits, uint64_t idle_ns)
{
	*p = (http_pool){.world = w, .limits = *limits, .date_s = INT64_MIN};
	limits_default(&p->limits, idle_ns);
	sp_list_init(&p->spare);
}

void http_pool_done(http_pool *p)
{
	SP_ASSERT(p->n_live == 0);
	sp_list *node;
	while ((node = sp_list_pop_front(&p->spare)) != NULL) {
		http_ex *ex = SP_CONTAINER_OF(node, http_ex, node);
		sp_arena_done(&ex->pub.arena);
		sp_free(ex);
	}
}

http_ex *http_ex_new(http_pool *p)
{
	sp_list *node = sp_list_pop_front(&p->spare);
	http_ex *ex;
	if (node != NULL) {
		p->n_spare--;
		ex = SP_CONTAINER_OF(node, http_ex, node);
		sp_arena arena = ex->pub.arena;
		*ex = (http_ex){.pub.arena = arena};
	} else {
		ex = sp_try_alloc(sizeof *ex);
		if (ex == NULL)
			return NULL;
		sp_arena_init(&ex->pub.arena, p->limits.arena_bytes);
	}
	p->n_live++;
	ex->pool = p;
	ex->pub.world = p->world;
	ex->pub.events = &no_events;
	ex->pub.content_length = -1;
	ex->out_left = -1;
	ex->chunks_tail = &ex->chunks;
	sp_list_init(&ex->node);
	sp_list_init(&ex->ready);
	sp_buf_init(&ex->held, HTTP_QUEUE_LIMIT_BYTES);
	return ex;
}

static void ex_release(http_ex *ex)
{
	http_pool *p = ex->pool;
	for (http_chunk *c = ex->chunks; c != NULL; c = c->next)
		(void)sp_bytes_unref(c->owner);
	sp_buf_done(&ex->held);
	sp_buf_done(&ex->body);
	p->n_live--;
	if (p->n_spare < SPARE_MAX) {
		p->n_spare++;
		sp_arena_rewind(&ex->pub.arena);
		sp_list_push_front(&p->spare, &ex->node);
		return;
	}
	sp_arena_done(&ex->pub.arena);
	sp_free(ex);
}

void http_ex_close(http_ex *ex, const sp_err *err)
{
	sp_err own = {0};
	sp_timer_stop(ex->pub.world, &ex->deadline);
	sp_list_remove(&ex->node);
	sp_list_remove(&ex->ready);
	if (ex->late && ex->why == SP_OK && err == NULL)
		http_ex_fail(ex, SP_ETIMEOUT, "deadline exceeded");
	if (ex->why != SP_OK) {
		(void)sp_fail(&own, ex->why, "HTTP: %s", ex->why_text);
		err = &own;
	} else if (err != NULL && err->code == SP_ECANCELED && ex->pub.is_client) {
		ex->pub.reset_code = SP_HTTP2_CANCEL; /* the client was closed: not a reset without error */
	}
	if (ex->pub.events->on_close != NULL)
		ex->pub.events->on_close(&ex->pub, err);
	ex_release(ex);
}

const char *http_date(http_pool *p)
{
	static const char day_names[] = "ThuFriSatSunMonTueWed";
	static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t now = sp_wall_ns(p->world) / (int64_t)HTTP_NS_PER_S;
	if (now == p->date_s)
		return p->date;
	static const char epoch[SP_TIME_TEXT_BYTES] = "1970-01-01T00:00:00Z";
	char t[SP_TIME_TEXT_BYTES];
	sp_time at = {.seconds = now};
	if (sp_time_print(t, at, 0) == 0) {
		now = 0; /* a clock that is beyond all years */
		memcpy(t, epoch, sizeof t);
	}
	p->date_s = now;
	size_t day = (size_t)(now / 86400 % 7), month = (size_t)((t[5] - '0') * 10 + t[6] - '1');
	char *d = p->date;
	static const char form[] = "Thu, 01 Jan 1970 00:00:00 GMT";
	memcpy(d, form, sizeof form - 1);
	memcpy(d, &day_names[day * 3], 3);
	memcpy(d + 5, t + 8, 2);
	memcpy(d + 8, &month_names[month * 3], 3);
	memcpy(d + 12, t, 4);
	memcpy(d + 17, t + 11, 8);
	return d;
}

/* ---- incoming ---- */

static void body_finish(http_ex *ex, sp_code code, const char *text)
{
	sp_err err = {0};
	ex->collecting = false;
	if (code != SP_OK) {
		(void)sp_fail(&err, code, "%s", text);
		ex->reading = false; /* what still comes is dropped with the response */
	}
	ex->body_done(&ex->pub, code == SP_OK ? NULL : &err,
		      code == SP_OK ? sp_buf_view(&ex->body) : (sp_str){NULL, 0});
}

static void body_collect(http_ex *ex, const uint8_t *bytes, size_t n)
{
	int64_t length = ex->pub.content_length;
	if (ex->body.ptr == NULL && length > 0 && (uint64_t)length <= RESERVE_MAX)
		(void)sp_buf_reserve(&ex->body, (size_t)length); /* append tells */
	sp_code code = sp_buf_append(&ex->body, bytes, n);
	if (code == SP_ETOOLARGE)
		body_finish(ex, code, "the body is larger than its limit");
	else if (code != SP_OK)
		body_finish(ex, code, "no memory for the body");
}

static void deliver(http_ex *ex, const uint8_t *bytes, size_t n)
{
	if (ex->why != SP_OK || ex->discard)
		; /* dropped */
	else if (ex->collecting)
		body_collect(ex, bytes, n);
	else if (ex->pub.events->on_body != NULL)
		ex->pub.events->on_body(&ex->pub, bytes, n);
	if (ex->ops->consumed != NULL)
		ex->ops->consumed(ex, n);
}

static void tell_end(http_ex *ex)
{
	if (ex->end_told || ex->why != SP_OK)
		return;
	ex->end_told = true;
	if (ex->collecting)
		body_finish(ex, SP_OK, NULL);
	else if (!ex->discard && ex->pub.events->on_end != NULL)
		ex->pub.events->on_end(&ex->pub);
}

void http_in_body(http_ex *ex, const uint8_t *bytes, size_t n)
{
	ex->pub.n_body_in += n;
	if (ex->held.len == 0 && http_in_wants(ex)) {
		deliver(ex, bytes, n);
		return;
	}
	if (ex->why == SP_OK && sp_buf_append(&ex->held, bytes, n) != SP_OK) {
		ex->pub.reset_code = SP_HTTP2_INTERNAL_ERROR;
		http_ex_fail(ex, SP_ENOMEM, "no memory for a body that is not read");
		ex->ops->reset(ex);
	}
}

void http_in_end(http_ex *ex)
{
	ex->in_ended = true;
	if (ex->held.len == 0)
		tell_end(ex);
}

void http_in_resume(http_ex *ex)
{
	if (ex->held.len > 0 && http_in_wants(ex)) {
		sp_buf taken = ex->held;
		sp_buf_init(&ex->held, HTTP_QUEUE_LIMIT_BYTES);
		deliver(ex, (const uint8_t *)taken.ptr, taken.len);
		sp_buf_done(&taken);
	}
	if (ex->in_ended && ex->held.len == 0)
		tell_end(ex);
}

void sp_http_read(sp_http_exchange *ex, bool on)
{
	http_ex *x = http_ex_of(ex);
	if (x->reading == on || x->why != SP_OK)
		return;
	x->reading = on;
	x->ops->read(x);
}

void sp_http_read_body(sp_http_exchange *ex, size_t limit_bytes,
		       void (*done)(sp_http_exchange *ex, const sp_err *err, sp_str body))
{
	http_ex *x = http_ex_of(ex);
	SP_ASSERT(!x->collecting && x->body_done == NULL);
	x->body_done = done;
	sp_buf_init(&x->body, limit_bytes);
	if (ex->content_length >= 0 && (uint64_t)ex->content_length > limit_bytes) {
		body_finish(x, SP_ETOOLARGE, "the body is larger than its limit");
		return;
	}
	x->collecting = true;
	x->end_told = false;
	x->reading = true;
	x->ops->read(x);
}

/* ---- the end ---- */

void sp_http_reset(sp_http_exchange *ex, uint32_t code)
{
	http_ex *x = http_ex_of(ex);
	if (x->why != SP_OK)
		return;
	ex->reset_code = code;
	http_ex_fail(x, SP_ECANCELED, "reset by this side");
	x->ops->reset(x);
}

static void on_deadline(sp_timer *t)
{
	http_ex *ex = t->arg;
	if (!ex->pub.is_client && !ex->begun &&
	    sp_http_respond(&ex->pub, 504, NULL, 0, (sp_str){NULL, 0}, NULL) == SP_OK) {
		ex->late = true;
		return;
	}
	if (ex->why != SP_OK)
		return;
	ex->pub.reset_code = SP_HTTP2_CANCEL;
	http_ex_fail(ex, SP_ETIMEOUT, "deadline exceeded");
	ex->ops->reset(ex);
}

void sp_http_deadline(sp_http_exchange *ex, uint64_t at_ns)
{
	http_ex *x = http_ex_of(ex);
	uint64_t now = sp_now_ns(ex->world);
	x->deadline.arg = x;
	if (at_ns == 0)
		sp_timer_stop(ex->world, &x->deadline);
	else
		sp_timer_start(ex->world, &x->deadline, at_ns > now ? at_ns - now : 0, on_deadline);
}
