/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "io/http/http_int.h"

/* A text buffer that grew beyond this for a burst is given back. */
#define KEEP_BYTES ((size_t)16 << 10)
/* Of text not written yet; what peers can make us say is bounded far below. */
#define TEXT_LIMIT_BYTES ((size_t)64 << 20)
/* Of one write: a stalled peer shows within this. */
#define WRITE_MAX_BYTES ((size_t)256 << 10)

static void batch_clear(http_batch *b)
{
	for (unsigned i = 0; i < b->n_refs; i++)
		(void)sp_bytes_unref(b->refs[i].owner);
	b->n_refs = 0;
	b->n_ref_bytes = 0;
	if (b->text.cap <= KEEP_BYTES) {
		sp_buf_clear(&b->text);
		return;
	}
	sp_buf_done(&b->text);
	sp_buf_init(&b->text, TEXT_LIMIT_BYTES);
}

void http_out_init(http_out *o, sp_world *w, sp_stream *s, http_conn *c, void (*on_progress)(http_conn *c))
{
	*o = (http_out){.world = w, .stream = s, .conn = c, .on_progress = on_progress};
	sp_buf_init(&o->batch[0].text, TEXT_LIMIT_BYTES);
	sp_buf_init(&o->batch[1].text, TEXT_LIMIT_BYTES);
}

void http_out_done(http_out *o)
{
	for (unsigned i = 0; i < 2; i++) {
		batch_clear(&o->batch[i]);
		sp_buf_done(&o->batch[i].text);
	}
}

static size_t batch_bytes(const http_batch *b)
{
	return b->text.len + b->n_ref_bytes;
}

size_t http_out_queued(const http_out *o)
{
	return batch_bytes(&o->batch[0]) + batch_bytes(&o->batch[1]) - o->n_flown;
}

void http_out_body(http_out *o, sp_bytes *owner, const char *ptr, size_t len)
{
	http_batch *b = &o->batch[o->fill];
	if (owner == NULL || len <= HTTP_COPY_MAX) {
		(void)sp_buf_append(&b->text, ptr, len); /* sticky: flush looks */
		return;
	}
	SP_ASSERT(b->n_refs < HTTP_OUT_REFS);
	b->refs[b->n_refs++] =
		(http_ref){.text_end = b->text.len, .owner = sp_bytes_ref(owner), .ptr = ptr, .len = len};
	b->n_ref_bytes += len;
}

/* Adds the part of [ptr, len) behind *skip bytes to the request. */
static void add_iov(sp_write *w, const char *ptr, size_t len, size_t *skip, size_t *room)
{
	if (*skip >= len) {
		*skip -= len;
		return;
	}
	ptr += *skip;
	len -= *skip;
	*skip = 0;
	len = SP_MIN(len, *room);
	if (len == 0 || w->n_iov == SP_WRITE_IOV_MAX) {
		*room = 0;
		return;
	}
	*room -= len;
	w->iov[w->n_iov++] = (sp_iov){ptr, len};
}

static void on_written(sp_write *req, sp_code code);

/* The next write of the flying batch; false when all of it is written. */
static bool fly(http_out *o)
{
	const http_batch *b = &o->batch[1 - o->fill];
	if (o->n_flown == batch_bytes(b))
		return false;
	o->req.n_iov = 0;
	o->req.done = on_written;
	o->req.arg = o;
	size_t skip = o->n_flown, room = WRITE_MAX_BYTES, text_at = 0;
	for (unsigned i = 0; i < b->n_refs && room > 0; i++) {
		const http_ref *r = &b->refs[i];
		add_iov(&o->req, b->text.ptr + text_at, r->text_end - text_at, &skip, &room);
		text_at = r->text_end;
		if (room > 0)
			add_iov(&o->req, r->ptr, r->len, &skip, &room);
	}
	if (room > 0 && b->text.len > text_at)
		add_iov(&o->req, b->text.ptr + text_at, b->text.len - text_at, &skip, &room);
	o->writing = true;
	sp_stream_write(o->stream, &o->req);
	return true;
}

static void on_written(sp_write *req, sp_code code)
{
	http_out *o = req->arg;
	o->writing = false;
	o->progress_ns = sp_now_ns(o->world);
	if (code != SP_OK) {
		o->failed = true;
	} else {
		for (size_t i = 0; i < req->n_iov; i++)
			o->n_flown += req->iov[i].len;
		if (!fly(o)) {
			batch_clear(&o->batch[1 - o->fill]);
			o->n_flown = 0;
			http_out_flush(o);
		}
	}
	o->on_progress(o->conn);
}

void http_out_flush(http_out *o)
{
	http_batch *b = &o->batch[o->fill];
	if (sp_buf_code(&b->text) != SP_OK)
		o->failed = true;
	if (o->writing || o->failed || batch_bytes(b) == 0)
		return;
	o->fill = 1 - o->fill;
	o->n_flown = 0;
	o->progress_ns = sp_now_ns(o->world);
	(void)fly(o);
}
