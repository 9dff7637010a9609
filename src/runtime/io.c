/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/io.h"

#define CONNECT_NS UINT64_C(5000000000)
#define HIGH_BYTES ((size_t)256 << 10)
#define PAUSE_BYTES ((size_t)1 << 20)
#define LIMIT_BYTES ((size_t)4 << 20)
#define FRAME_BYTES_MAX 65536u

static void finish(rt_io *io)
{
	if (io->started)
		sp_pump_done(&io->pump);
	io->open = false;
	io->handler->on_close(io->arg, io->failed ? &io->err : NULL);
}

static void on_late(sp_defer *d)
{
	finish(d->arg);
}

static void fail(rt_io *io, const sp_err *err)
{
	if (!io->failed && !io->closing)
		io->err = *err;
	io->failed = true;
}

/* ---- output ---- */

static void begin_frame(rt_io *io)
{
	io->left = (uint32_t)io->head[1] << 16 | (uint32_t)io->head[2] << 8 | io->head[3];
	if (io->head[0] != RT_IO_STDOUT && io->head[0] != RT_IO_STDERR) {
		sp_err err;
		(void)sp_fail(&err, SP_EPROTO, "the shim sent stream %u", io->head[0]);
		fail(io, &err);
		sp_pump_close(&io->pump, false);
	}
}

static void on_bytes(void *arg, const uint8_t *bytes, size_t n)
{
	rt_io *io = arg;
	while (n > 0 && !io->failed && !io->closing) {
		if (io->left == 0) {
			io->head[io->n_head++] = *bytes++;
			n--;
			if (io->n_head == sizeof io->head) {
				io->n_head = 0;
				begin_frame(io);
			}
			continue;
		}
		size_t take = SP_MIN(n, (size_t)io->left);
		io->left -= (uint32_t)take;
		io->handler->on_output(io->arg, io->head[0], (sp_str){(const char *)bytes, take});
		bytes += take;
		n -= take;
	}
}

static void on_end(void *arg)
{
	rt_io *io = arg;
	sp_pump_close(&io->pump, false);
}

static void on_fail(void *arg, const sp_err *err)
{
	rt_io *io = arg;
	fail(io, err);
	sp_pump_close(&io->pump, false);
}

static void on_drain(void *arg)
{
	rt_io *io = arg;
	if (io->handler->on_drain != NULL && !io->closing)
		io->handler->on_drain(io->arg);
}

static void on_closed(void *arg)
{
	finish(arg);
}

static const sp_pump_handler pump_handler = {on_bytes, on_end, on_fail, on_drain, on_closed};

/* ---- the connection ---- */

static void on_connected(sp_connect_req *req, sp_stream *s, const sp_err *err)
{
	static const sp_pump_marks marks = {HIGH_BYTES, PAUSE_BYTES, LIMIT_BYTES};
	rt_io *io = req->arg;
	if (s == NULL) {
		fail(io, err);
		finish(io);
		return;
	}
	sp_pump_init(&io->pump, io->world, s, &marks, &pump_handler, io);
	sp_pump_start(&io->pump);
	io->started = io->open = true;
	sp_pump_read(&io->pump, true);
	io->handler->on_open(io->arg);
}

void rt_io_open(rt_io *io, sp_world *w, sp_str path, const rt_io_handler *h, void *arg)
{
	char address[256];
	*io = (rt_io){.world = w, .handler = h, .arg = arg};
	io->connect = (sp_connect_req){.done = on_connected, .arg = io};
	sp_defer_init(&io->late, on_late, io);
	int n = snprintf(address, sizeof address, "unix:" SP_FMT, SP_ARG(path));
	sp_err err;
	sp_code code = n < 0 || (size_t)n >= sizeof address
			       ? sp_fail(&err, SP_ETOOLARGE, "the path of the streams' socket is too long")
			       : sp_connect(w, &io->connect, (sp_str){address, (size_t)n}, CONNECT_NS, &err);
	if (code != SP_OK) {
		fail(io, &err);
		sp_defer_call(w, &io->late);
	}
}

void rt_io_read(rt_io *io, bool on)
{
	if (io->open)
		sp_pump_read(&io->pump, on);
}

/* ---- input ---- */

static void put_frame(rt_io *io, sp_str bytes)
{
	const uint8_t head[4] = {RT_IO_STDIN, (uint8_t)(bytes.len >> 16), (uint8_t)(bytes.len >> 8),
				 (uint8_t)bytes.len};
	sp_buf_append(&io->pump.out, head, sizeof head);
	sp_buf_str(&io->pump.out, bytes);
}

sp_code rt_io_write(rt_io *io, sp_str bytes, sp_err *err)
{
	if (!io->open)
		return sp_fail(err, SP_ECANCELED, "the streams are closed");
	while (bytes.len > 0) {
		size_t n = SP_MIN(bytes.len, (size_t)FRAME_BYTES_MAX);
		put_frame(io, sp_str_sub(bytes, 0, n));
		bytes = sp_str_sub(bytes, n, bytes.len);
	}
	if (sp_buf_code(&io->pump.out) != SP_OK)
		return sp_fail(err, sp_buf_code(&io->pump.out), "too much input waits");
	sp_pump_flush(&io->pump);
	return SP_OK;
}

void rt_io_end(rt_io *io)
{
	if (!io->open)
		return;
	put_frame(io, SP_STR(""));
	sp_pump_flush(&io->pump);
}

bool rt_io_is_full(const rt_io *io)
{
	return io->open && sp_pump_is_full(&io->pump);
}

void rt_io_close(rt_io *io)
{
	io->closing = true;
	if (io->open) {
		sp_pump_close(&io->pump, false);
		return;
	}
	if (io->started)
		return; /* on its way */
	sp_connect_cancel(io->world, &io->connect);
	sp_defer_call(io->world, &io->late);
}
