/* SPDX-License-Identifier: Apache-2.0 */
#include "io/splice.h"

#include "base/alloc.h"
#include "base/num.h"

#define HIGH_BYTES ((size_t)256 << 10)

typedef struct side {
	sp_splice *splice;
	sp_stream *stream;
	struct side *other;
	uint64_t n_bytes; /* read from this side */
	bool ended, closed, paused;
} side;

struct sp_splice {
	side sides[2];
	void (*done)(void *arg, const sp_err *err);
	void *arg;
	bool closing, have_err;
	sp_err err;
	uint64_t linger_ns;
	sp_timer linger;
};

typedef struct piece {
	sp_write req;
	side *from;
	char bytes[];
} piece;

static void close_both(sp_splice *s, const sp_err *err)
{
	if (s->closing)
		return;
	s->closing = true;
	sp_timer_stop(s->sides[0].stream->world, &s->linger);
	s->have_err = err != NULL;
	if (err != NULL)
		s->err = *err;
	sp_stream_close(s->sides[0].stream);
	sp_stream_close(s->sides[1].stream);
}

/* Both directions ended and everything was passed on. */
static void maybe_finish(sp_splice *s)
{
	const side *a = &s->sides[0], *b = &s->sides[1];
	if (a->ended && b->ended && sp_stream_queued(a->stream) == 0 && sp_stream_queued(b->stream) == 0)
		close_both(s, NULL);
}

static void on_written(sp_write *req, sp_code code)
{
	piece *p = SP_CONTAINER_OF(req, piece, req);
	side *from = p->from;
	sp_free(p);
	(void)code; /* a failed stream says so by on_error */
	if (from->splice->closing)
		return;
	if (from->paused && sp_stream_queued(from->other->stream) <= HIGH_BYTES / 2) {
		from->paused = false;
		sp_stream_read(from->stream, true);
	}
	maybe_finish(from->splice);
}

static void on_data(void *arg, const uint8_t *bytes, size_t n)
{
	side *from = arg;
	size_t size = 0;
	if (from->splice->closing)
		return;
	piece *p = sp_add(sizeof(piece), n, &size) ? sp_try_alloc(size) : NULL;
	if (p == NULL) {
		sp_err err = {0};
		(void)sp_fail(&err, SP_ENOMEM, "no memory to copy %zu bytes between streams", n);
		close_both(from->splice, &err);
		return;
	}
	memcpy(p->bytes, bytes, n);
	p->from = from;
	p->req = (sp_write){.n_iov = 1, .done = on_written};
	p->req.iov[0] = (sp_iov){p->bytes, n};
	from->n_bytes += n;
	sp_stream_write(from->other->stream, &p->req);
	if (!from->paused && sp_stream_queued(from->other->stream) > HIGH_BYTES) {
		from->paused = true;
		sp_stream_read(from->stream, false);
	}
}

static void on_lingered(sp_timer *t)
{
	sp_err err = {0};
	(void)sp_fail(&err, SP_ETIMEOUT, "one direction ended and the other did not follow in time");
	close_both(t->arg, &err);
}

static void on_end(void *arg)
{
	side *from = arg;
	sp_splice *s = from->splice;
	from->ended = true;
	if (s->closing)
		return;
	sp_stream_shutdown(from->other->stream);
	if (s->linger_ns > 0 && !from->other->ended)
		sp_timer_start(from->stream->world, &s->linger, s->linger_ns, on_lingered);
	maybe_finish(s);
}

static void on_error(void *arg, const sp_err *err)
{
	side *from = arg;
	close_both(from->splice, err);
}

static void on_close(void *arg)
{
	side *from = arg;
	sp_splice *s = from->splice;
	from->closed = true;
	if (!from->other->closed)
		return;
	s->done(s->arg, s->have_err ? &s->err : NULL);
	sp_free(s);
}

static const sp_stream_handler handler = {on_data, on_end, on_error, on_close};

sp_code sp_splice_start(sp_stream *a, sp_stream *b, void (*done)(void *arg, const sp_err *err), void *arg,
			sp_splice **ret, sp_err *err)
{
	sp_splice *s = sp_try_alloc(sizeof *s);
	if (s == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to join two streams");
	s->done = done;
	s->arg = arg;
	s->linger.arg = s;
	s->sides[0] = (side){.splice = s, .stream = a, .other = &s->sides[1]};
	s->sides[1] = (side){.splice = s, .stream = b, .other = &s->sides[0]};
	for (size_t i = 0; i < 2; i++) {
		sp_stream_handle(s->sides[i].stream, &handler, &s->sides[i]);
		sp_stream_read(s->sides[i].stream, true);
	}
	*ret = s;
	return SP_OK;
}

void sp_splice_linger(sp_splice *s, uint64_t linger_ns)
{
	s->linger_ns = linger_ns;
}

void sp_splice_abort(sp_splice *s)
{
	sp_err err = {0};
	(void)sp_fail(&err, SP_ECANCELED, "joined streams were closed");
	close_both(s, &err);
}

uint64_t sp_splice_bytes(const sp_splice *s, bool from_first)
{
	return s->sides[from_first ? 0 : 1].n_bytes;
}
