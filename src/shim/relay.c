/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/relay.h"

#include <errno.h>
#include <unistd.h>

#include "base/alloc.h"

/* One read's worth, and a little for what was left. */
#define PENDING_BYTES_MAX ((size_t)256 << 10)

/* ---- descriptors as sinks ---- */

typedef struct fd_sink {
	shim_sink sink;
	shim_loop *loop;
	shim_watch watch;
	sp_buf pending; /* empty, and without memory, while the reader keeps up */
	unsigned n_streams;
	bool broken; /* nobody will read it: dropped from now on */
} fd_sink;

static fd_sink *of(shim_sink *s)
{
	return SP_CONTAINER_OF(s, fd_sink, sink);
}

static void drop_pending(fd_sink *f)
{
	sp_buf_done(&f->pending);
	sp_buf_init(&f->pending, PENDING_BYTES_MAX);
}

/* How much went out. */
static size_t write_some(fd_sink *f, sp_str bytes)
{
	size_t done = 0;
	while (done < bytes.len && !f->broken) {
		ssize_t n = write(f->watch.fd, bytes.ptr + done, bytes.len - done);
		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			f->broken = true;
	}
	return f->broken ? bytes.len : done;
}

static void close_if_over(fd_sink *f)
{
	if (f->n_streams == 0 && f->pending.len == 0)
		shim_watch_close(f->loop, &f->watch);
}

static void on_writable(shim_watch *w, uint32_t events)
{
	(void)events;
	fd_sink *f = w->arg;
	sp_buf_consume(&f->pending, write_some(f, sp_buf_view(&f->pending)));
	if (f->pending.len > 0)
		return;
	drop_pending(f);
	(void)!shim_watch_set(f->loop, &f->watch, 0, NULL);
	close_if_over(f);
	if (f->sink.changed != NULL)
		f->sink.changed(f->sink.arg);
}

static void fd_put(shim_sink *s, unsigned stream, sp_str bytes)
{
	(void)stream;
	fd_sink *f = of(s);
	if (f->watch.fd < 0)
		return;
	size_t done = f->pending.len == 0 ? write_some(f, bytes) : 0;
	if (done == bytes.len)
		return;
	if (sp_buf_append(&f->pending, bytes.ptr + done, bytes.len - done) != SP_OK ||
	    shim_watch_set(f->loop, &f->watch, EPOLLOUT, NULL) != SP_OK) {
		f->broken = true;
		drop_pending(f);
	}
}

static void fd_end(shim_sink *s, unsigned stream)
{
	(void)stream;
	fd_sink *f = of(s);
	if (f->n_streams > 0)
		f->n_streams--;
	close_if_over(f);
}

static bool fd_is_full(shim_sink *s)
{
	return of(s)->pending.len > 0;
}

static void fd_free(shim_sink *s)
{
	fd_sink *f = of(s);
	shim_watch_close(f->loop, &f->watch);
	sp_buf_done(&f->pending);
	sp_free(f);
}

static bool fd_is_idle(shim_sink *s)
{
	return of(s)->pending.len == 0;
}

static const shim_sink_ops fd_ops = {fd_put, fd_end, fd_is_full, fd_is_idle, fd_free};

shim_sink *shim_fd_sink_new(shim_loop *l, int fd, unsigned n_streams)
{
	fd_sink *f = SP_NEW(fd_sink);
	f->sink.ops = &fd_ops;
	f->loop = l;
	f->n_streams = n_streams;
	f->watch = (shim_watch){.fd = fd, .fn = on_writable, .arg = f};
	sp_buf_init(&f->pending, PENDING_BYTES_MAX);
	return &f->sink;
}

/* ---- sources ---- */

static void source_end(shim_source *s)
{
	shim_watch_close(s->loop, &s->watch);
	s->ended = true;
	if (s->sink != NULL)
		s->sink->ops->end(s->sink, s->stream);
	if (s->on_end != NULL)
		s->on_end(s->arg);
}

static void on_readable(shim_watch *w, uint32_t events)
{
	(void)events;
	shim_source *s = w->arg;
	ssize_t n = read(w->fd, s->loop->scratch, sizeof s->loop->scratch);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* A terminal whose last user is gone says EIO. */
	if (n <= 0) {
		source_end(s);
		return;
	}
	if (s->sink == NULL)
		return;
	s->sink->ops->put(s->sink, s->stream, (sp_str){s->loop->scratch, (size_t)n});
	shim_source_pump(s);
}

void shim_source_init(shim_source *s, shim_loop *l, int fd, unsigned stream, shim_sink *sink)
{
	*s = (shim_source){.loop = l, .sink = sink, .stream = stream};
	s->watch = (shim_watch){.fd = fd, .fn = on_readable, .arg = s};
}

void shim_source_pump(shim_source *s)
{
	if (s->watch.fd < 0)
		return;
	bool wanted = s->sink == NULL || !s->sink->ops->is_full(s->sink);
	if (shim_watch_set(s->loop, &s->watch, wanted ? EPOLLIN : 0, NULL) != SP_OK)
		source_end(s);
}

void shim_source_close(shim_source *s)
{
	if (s->loop != NULL)
		shim_watch_close(s->loop, &s->watch);
}
