/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <pthread.h>

#include "io/tls/stream_int.h"

/* A buffer that grew beyond this for a burst is given back when it is empty. */
#define KEEP_BYTES ((size_t)4 << 10)

/* ---- the BIO ---- */

static int bio_read(BIO *bio, char *to, size_t n, size_t *ret_n)
{
	tls_stream *t = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	if (t->in_len == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	n = SP_MIN(n, t->in_len);
	memcpy(to, t->in, n);
	for (size_t i = 0; i < n && t->n_head < sizeof t->head; i++)
		t->head[t->n_head++] = to[i];
	t->in += n;
	t->in_len -= n;
	*ret_n = n;
	return 1;
}

static int bio_write(BIO *bio, const char *from, size_t n, size_t *ret_n)
{
	tls_stream *t = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	if (sp_buf_append(&t->out, from, n) != SP_OK)
		return 0;
	t->out_end += n;
	*ret_n = n;
	return 1;
}

static long bio_ctrl(BIO *bio, int cmd, long number, void *arg)
{
	(void)bio;
	(void)number;
	(void)arg;
	return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static BIO_METHOD *method;

static void make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sp_stream");
	if (method == NULL)
		return;
	(void)BIO_meth_set_read_ex(method, bio_read); /* setters cannot fail */
	(void)BIO_meth_set_write_ex(method, bio_write);
	(void)BIO_meth_set_ctrl(method, bio_ctrl);
	(void)BIO_meth_set_create(method, bio_create);
}

BIO *tls_wire_bio(tls_stream *t)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	(void)pthread_once(&once, make_method); /* cannot fail */
	BIO *bio = method == NULL ? NULL : BIO_new(method);
	if (bio != NULL)
		BIO_set_data(bio, t);
	return bio;
}

/* ---- writing ---- */

static void recycle(sp_buf *b)
{
	size_t limit_bytes = b->limit_bytes;
	if (b->cap <= KEEP_BYTES) {
		sp_buf_clear(b);
		return;
	}
	sp_buf_done(b);
	sp_buf_init(b, limit_bytes);
}

static void on_written(sp_write *req, sp_code code)
{
	tls_stream *t = req->arg;
	t->writing = false;
	t->written_end += t->flying.len;
	recycle(&t->flying);
	if (t->closing)
		return;
	if (code != SP_OK) {
		t->write_code = code;
		if (t->req != NULL && t->failed)
			sp_stream_close(t->lower); /* the alert did not get through */
		return;                            /* lower tells the reason */
	}
	tls_stream_written(t);
	if (t->closing)
		return;
	tls_wire_flush(t);
	if (!t->writing && t->failed && t->req != NULL)
		sp_stream_close(t->lower); /* the alert is out: `done` comes when lower is gone */
	else if (t->established && !t->failed)
		sp_defer_call(t->base.world, &t->turn); /* there is room for more */
}

void tls_wire_flush(tls_stream *t)
{
	if (t->writing || t->out.len == 0 || t->closing)
		return;
	sp_buf swap = t->flying;
	t->flying = t->out;
	t->out = swap;
	t->writing = true;
	t->lower_req = (sp_write){.n_iov = 1, .done = on_written, .arg = t};
	t->lower_req.iov[0] = (sp_iov){t->flying.ptr, t->flying.len};
	sp_stream_write(t->lower, &t->lower_req);
}

/* ---- reading ---- */

void tls_wire_read(tls_stream *t)
{
	bool on = !t->closing && !t->failed && !t->lower_ended && !t->ended && t->rest.len == 0 &&
		  (!t->established || t->want_read);
	if (on == t->lower_reading)
		return;
	t->lower_reading = on;
	sp_stream_read(t->lower, on);
}

static void on_data(void *arg, const uint8_t *bytes, size_t n)
{
	tls_stream *t = arg;
	if (t->closing || t->failed)
		return;
	t->in = bytes;
	t->in_len = n;
	if (!t->established)
		tls_handshake_step(t);
	if (t->established)
		tls_stream_input(t);
	if (t->in_len > 0 && !t->closing && !t->failed && !t->ended &&
	    sp_buf_append(&t->rest, t->in, t->in_len) != SP_OK) {
		sp_err err = {0};
		(void)sp_fail(&err, SP_ENOMEM, "no memory for what a pause leaves unread"); /* told here */
		tls_stream_fail(t, &err);
	}
	t->in_len = 0;
	tls_wire_read(t);
	if (!t->closing)
		sp_defer_call(t->base.world, &t->turn);
}

static void on_end(void *arg)
{
	tls_stream *t = arg;
	sp_err err = {0};
	t->lower_ended = true;
	if (t->closing || t->failed || t->ended)
		return;
	(void)sp_fail(&err, SP_EPROTO,
		      t->established ? "connection ended without close_notify: what came may be cut short"
				     : "connection ended in the TLS handshake"); /* told here */
	if (t->established)
		tls_stream_fail(t, &err);
	else
		tls_handshake_fail(t, &err);
}

static void on_error(void *arg, const sp_err *err)
{
	tls_stream *t = arg;
	if (t->closing)
		return;
	t->lower_ended = true;
	if (t->established) {
		tls_stream_fail(t, err);
		return;
	}
	if (!t->failed) {
		t->failed = true;
		t->err = *err;
	}
	sp_stream_close(t->lower);
}

static void on_close(void *arg)
{
	tls_stream_gone(arg);
}

const sp_stream_handler tls_wire_handler = {on_data, on_end, on_error, on_close};
