/* SPDX-License-Identifier: Apache-2.0 */
#include "network/dns/tcp.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "io/stream.h"
#include "network/dns/message.h"

#define LENGTH_BYTES 2u

/* Lives until its stream is closed, also when nobody waits any more. */
struct dns_tcp {
	sp_world *world;
	void (*done)(void *arg, sp_str packet); /* NULL: it came, or was cancelled */
	void *arg;
	sp_connect_req connect;
	sp_stream *stream;
	sp_timer timer;
	sp_write write;
	sp_buf in;
	size_t n_out;
	uint8_t out[];
};

static void give_back(dns_tcp *t)
{
	sp_timer_stop(t->world, &t->timer);
	sp_buf_done(&t->in);
	sp_free(t);
}

static void on_close(void *arg)
{
	give_back(arg);
}

void dns_tcp_cancel(dns_tcp *t)
{
	if (t == NULL)
		return;
	t->done = NULL;
	if (t->stream != NULL) {
		sp_timer_stop(t->world, &t->timer);
		sp_stream_close(SP_TAKE(t->stream));
		return;
	}
	sp_connect_cancel(t->world, &t->connect);
	give_back(t);
}

static void finish(dns_tcp *t, sp_str packet)
{
	if (t->done == NULL)
		return;
	SP_TAKE(t->done)(t->arg, packet);
	dns_tcp_cancel(t);
}

static void on_data(void *arg, const uint8_t *bytes, size_t n)
{
	dns_tcp *t = arg;
	if (sp_buf_append(&t->in, bytes, n) != SP_OK) {
		finish(t, (sp_str){NULL, 0});
		return;
	}
	sp_str in = sp_buf_view(&t->in);
	if (in.len < LENGTH_BYTES)
		return;
	size_t len = (size_t)(uint8_t)in.ptr[0] << 8 | (uint8_t)in.ptr[1];
	if (in.len - LENGTH_BYTES >= len)
		finish(t, sp_str_sub(in, LENGTH_BYTES, LENGTH_BYTES + len));
}

static void on_end(void *arg)
{
	finish(arg, (sp_str){NULL, 0});
}

static void on_error(void *arg, const sp_err *err)
{
	(void)err;
	finish(arg, (sp_str){NULL, 0});
}

static void on_timeout(sp_timer *timer)
{
	finish(timer->arg, (sp_str){NULL, 0});
}

static void on_written(sp_write *w, sp_code code)
{
	(void)w, (void)code; /* a broken connection tells its own end */
}

static void on_connected(sp_connect_req *r, sp_stream *s, const sp_err *err)
{
	static const sp_stream_handler handler = {on_data, on_end, on_error, on_close};
	dns_tcp *t = r->arg;
	(void)err;
	if (s == NULL) {
		finish(t, (sp_str){NULL, 0});
		return;
	}
	t->stream = s;
	sp_stream_handle(s, &handler, t);
	sp_stream_read(s, true);
	t->write = (sp_write){.iov = {{t->out, t->n_out}}, .n_iov = 1, .done = on_written};
	sp_stream_write(s, &t->write);
}

dns_tcp *dns_tcp_start(sp_world *w, sp_str server, sp_str query, uint64_t timeout_ns,
		       void (*done)(void *arg, sp_str packet), void *arg)
{
	dns_tcp *t = sp_try_alloc(sizeof *t + LENGTH_BYTES + query.len);
	if (t == NULL)
		return NULL;
	*t = (dns_tcp){.world = w, .done = done, .arg = arg, .n_out = LENGTH_BYTES + query.len};
	sp_buf_init(&t->in, DNS_TCP_BYTES + LENGTH_BYTES + 1024);
	t->out[0] = (uint8_t)(query.len >> 8);
	t->out[1] = (uint8_t)query.len;
	memcpy(t->out + LENGTH_BYTES, query.ptr, query.len);
	t->connect = (sp_connect_req){.done = on_connected, .arg = t};
	t->timer.arg = t;
	if (sp_connect(w, &t->connect, server, timeout_ns, NULL) != SP_OK) {
		give_back(t);
		return NULL;
	}
	sp_timer_start(w, &t->timer, timeout_ns, on_timeout);
	return t;
}
