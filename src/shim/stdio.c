/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "shim/logger.h"

#define ARENA_BYTES ((size_t)256 << 10)

enum { IN, OUT, ERR, N_STREAMS };

struct shim_stdio {
	shim_loop *loop;
	bool terminal, started;
	uint32_t uid, gid;
	void (*changed)(void *arg);
	void *arg;
	shim_uri uris[N_STREAMS];
	int child_fds[N_STREAMS];
	int our_fds[N_STREAMS];      /* the other ends, until the relays own them */
	int stdin_fd;                /* of the FIFO */
	int stdin_held;              /* its writing end, so that a client that leaves is no end of input */
	int console;                 /* a duplicate, for resizing */
	shim_sink *sinks[N_STREAMS]; /* of IN: into the process; OUT and ERR may be one */
	shim_source sources[N_STREAMS];
	shim_hub *hub;
	shim_logger *logger;
};

/* ---- opening ---- */

static sp_code open_pipes(shim_stdio *io, sp_err *err)
{
	for (int i = IN; i < N_STREAMS; i++) {
		int fds[2];
		if (io->uris[i].kind == SHIM_URI_NONE)
			continue;
		if (pipe2(fds, O_CLOEXEC) != 0)
			return sp_fail_sys(err, errno, "pipe");
		io->child_fds[i] = fds[i == IN ? 0 : 1];
		io->our_fds[i] = fds[i == IN ? 1 : 0];
		if (fcntl(io->our_fds[i], F_SETFL, O_NONBLOCK) != 0 ||
		    ((io->uid | io->gid) != 0 && fchown(io->child_fds[i], io->uid, io->gid) != 0))
			return sp_fail_sys(err, errno, "pipe");
	}
	return SP_OK;
}

static sp_code open_stdin_fifo(shim_stdio *io, const char *path, sp_err *err)
{
	io->stdin_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (io->stdin_fd < 0)
		return sp_fail_sys(err, errno, "open %s", path);
	io->stdin_held = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return io->stdin_held < 0 ? sp_fail_sys(err, errno, "open %s", path) : SP_OK;
}

/* Open for both ways: a FIFO whose reader is not there yet, or goes away, stays a place to write to. */
static sp_code open_out(shim_stdio *io, const shim_uri *uri, unsigned n_streams, shim_sink **ret, sp_err *err)
{
	bool is_fifo = uri->kind == SHIM_URI_FIFO;
	int flags = is_fifo ? O_RDWR | O_NONBLOCK : O_WRONLY | O_APPEND | O_CREAT;
	int fd = open(uri->path, flags | O_CLOEXEC, 0644);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", uri->path);
	*ret = shim_fd_sink_new(io->loop, fd, n_streams);
	return SP_OK;
}

static void sink_changed(void *arg);

static sp_code open_hub(shim_stdio *io, const shim_uri *uri, sp_err *err)
{
	const shim_hub_opts o = {.loop = io->loop,
				 .uri = uri,
				 .uid = io->uid,
				 .gid = io->gid,
				 .out = io->uris[OUT].kind != SHIM_URI_NONE,
				 .err = !io->terminal && io->uris[ERR].kind != SHIM_URI_NONE};
	return shim_hub_new(&o, &io->hub, err);
}

static void logger_ready(void *arg)
{
	shim_stdio *io = arg;
	io->changed(io->arg);
}

/* Both streams go through pipes of the program's own. */
static sp_code open_logger(shim_stdio *io, const shim_stdio_opts *o, sp_arena *a, sp_err *err)
{
	int out[2] = {-1, -1}, errs[2] = {-1, -1};
	shim_logger_opts l = {.loop = o->loop,
			      .reaper = o->reaper,
			      .uri = &io->uris[OUT],
			      .id = o->id,
			      .ns = o->ns,
			      .on_ready = logger_ready,
			      .arg = io};
	if (pipe2(out, O_CLOEXEC) != 0 || pipe2(errs, O_CLOEXEC) != 0 ||
	    fcntl(out[1], F_SETFL, O_NONBLOCK) != 0 || fcntl(errs[1], F_SETFL, O_NONBLOCK) != 0) {
		int why = errno;
		for (int i = 0; i < 4; i++) {
			int fd = i < 2 ? out[i] : errs[i - 2];
			if (fd >= 0)
				(void)close(fd);
		}
		return sp_fail_sys(err, why, "pipe");
	}
	io->sinks[OUT] = shim_fd_sink_new(io->loop, out[1], 1);
	io->sinks[ERR] = shim_fd_sink_new(io->loop, errs[1], 1);
	l.out_fd = out[0];
	l.err_fd = errs[0];
	sp_code code = shim_logger_start(&l, a, &io->logger, err);
	(void)close(out[0]);
	(void)close(errs[0]);
	return code;
}

static bool same_place(const shim_uri *a, const shim_uri *b)
{
	return a->kind == b->kind && strcmp(a->path, b->path) == 0;
}

static sp_code open_outputs(shim_stdio *io, const shim_stdio_opts *o, sp_arena *a, sp_err *err)
{
	const shim_uri *out = &io->uris[OUT], *errs = &io->uris[ERR];
	bool both = errs->kind != SHIM_URI_NONE && same_place(out, errs);
	for (int i = OUT; i < N_STREAMS; i++) {
		const shim_uri *uri = &io->uris[i];
		switch (uri->kind) {
		case SHIM_URI_NONE:
			break;
		case SHIM_URI_CRI:
		case SHIM_URI_STREAM:
			if (io->hub == NULL)
				SP_TRY(open_hub(io, uri, err));
			io->sinks[i] = shim_hub_sink(io->hub);
			break;
		case SHIM_URI_BINARY:
			if (io->logger == NULL)
				SP_TRY(open_logger(io, o, a, err));
			break;
		case SHIM_URI_FIFO:
		case SHIM_URI_FILE:
			if (i == ERR && both)
				io->sinks[ERR] = io->sinks[OUT];
			else
				SP_TRY(open_out(io, uri, both ? 2 : 1, &io->sinks[i], err));
			break;
		}
	}
	return SP_OK;
}

static sp_code open_all(shim_stdio *io, const shim_stdio_opts *o, sp_arena *a, sp_err *err)
{
	SP_TRY(shim_uri_parse(o->std_in, a, &io->uris[IN], err));
	SP_TRY(shim_uri_parse(o->std_out, a, &io->uris[OUT], err));
	/* A terminal has one output. */
	SP_TRY(shim_uri_parse(o->terminal ? SP_STR("") : o->std_err, a, &io->uris[ERR], err));
	if (!o->terminal)
		SP_TRY(open_pipes(io, err));
	SP_TRY(open_outputs(io, o, a, err));
	if (io->uris[IN].kind == SHIM_URI_FIFO)
		SP_TRY(open_stdin_fifo(io, io->uris[IN].path, err));
	else if (io->uris[IN].kind != SHIM_URI_NONE && io->hub == NULL)
		return sp_fail(err, SP_EINVAL, "stdin needs a FIFO or the socket of stdout");
	return SP_OK;
}

sp_code shim_stdio_open(const shim_stdio_opts *o, shim_stdio **ret, sp_err *err)
{
	shim_stdio *io = sp_try_alloc(sizeof *io);
	if (io == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a process's streams");
	io->loop = o->loop;
	io->terminal = o->terminal;
	io->uid = o->uid;
	io->gid = o->gid;
	io->changed = o->changed;
	io->arg = o->arg;
	io->stdin_fd = io->stdin_held = io->console = -1;
	for (int i = IN; i < N_STREAMS; i++)
		io->child_fds[i] = io->our_fds[i] = -1;
	sp_arena a;
	sp_arena_init(&a, ARENA_BYTES);
	sp_code code = open_all(io, o, &a, err);
	/* the parsed URIs are of no use any more: only their kinds are looked at later */
	sp_arena_done(&a);
	if (code != SP_OK) {
		shim_stdio_close(io);
		return code;
	}
	*ret = io;
	return SP_OK;
}

bool shim_stdio_is_ready(const shim_stdio *io)
{
	return io->logger == NULL || shim_logger_is_ready(io->logger);
}

const int *shim_stdio_child_fds(const shim_stdio *io)
{
	return io->child_fds;
}

/* ---- copying ---- */

static void pump(shim_stdio *io)
{
	for (int i = IN; i < N_STREAMS; i++) {
		if (io->sources[i].loop != NULL)
			shim_source_pump(&io->sources[i]);
	}
	if (io->hub != NULL)
		shim_hub_pump(io->hub);
}

static void sink_changed(void *arg)
{
	shim_stdio *io = arg;
	pump(io);
	io->changed(io->arg);
}

static void source_ended(void *arg)
{
	shim_stdio *io = arg;
	io->changed(io->arg);
}

static void start_source(shim_stdio *io, int i, int fd, unsigned stream, shim_sink *sink)
{
	shim_source_init(&io->sources[i], io->loop, fd, stream, sink);
	io->sources[i].on_end = source_ended;
	io->sources[i].arg = io;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* The terminal's master is read, written and resized, each by a descriptor of its own. */
static void use_console(shim_stdio *io, int console)
{
	int flags = fcntl(console, F_GETFL);
	if (flags >= 0)
		(void)fcntl(console, F_SETFL, flags | O_NONBLOCK);
	io->our_fds[OUT] = console;
	io->console = fcntl(console, F_DUPFD_CLOEXEC, 3);
	if (io->uris[IN].kind != SHIM_URI_NONE)
		io->our_fds[IN] = fcntl(console, F_DUPFD_CLOEXEC, 3);
}

void shim_stdio_started(shim_stdio *io, int console)
{
	io->started = true;
	for (int i = IN; i < N_STREAMS; i++)
		close_fd(&io->child_fds[i]);
	if (console >= 0)
		use_console(io, console);
	if (io->our_fds[IN] >= 0) {
		io->sinks[IN] = shim_fd_sink_new(io->loop, SHIM_TAKE_FD(io->our_fds[IN]), 1);
		if (io->hub != NULL && io->stdin_fd < 0)
			shim_hub_set_input(io->hub, io->sinks[IN]);
	}
	if (io->stdin_fd >= 0)
		start_source(io, IN, SHIM_TAKE_FD(io->stdin_fd), 0, io->sinks[IN]);
	for (int i = OUT; i < N_STREAMS; i++) {
		if (io->our_fds[i] >= 0)
			start_source(io, i, SHIM_TAKE_FD(io->our_fds[i]), (unsigned)i, io->sinks[i]);
	}
	for (int i = IN; i < N_STREAMS; i++) {
		if (io->sinks[i] != NULL) {
			io->sinks[i]->changed = sink_changed;
			io->sinks[i]->arg = io;
		}
	}
	pump(io);
}

bool shim_stdio_is_done(const shim_stdio *io)
{
	for (int i = OUT; i < N_STREAMS; i++) {
		if (io->sources[i].loop != NULL && !io->sources[i].ended)
			return false;
		if (io->sinks[i] != NULL && !io->sinks[i]->ops->is_idle(io->sinks[i]))
			return false;
	}
	return true;
}

void shim_stdio_close_stdin(shim_stdio *io)
{
	close_fd(&io->stdin_held);
	if (io->hub != NULL)
		shim_hub_end_input(io->hub);
}

sp_code shim_stdio_resize(shim_stdio *io, uint32_t width, uint32_t height, sp_err *err)
{
	if (io->console < 0)
		return sp_fail(err, SP_EINVAL, "process has no terminal");
	if (width > UINT16_MAX || height > UINT16_MAX)
		return sp_fail(err, SP_EINVAL, "terminal size %ux%u is out of range", width, height);
	struct winsize size = {.ws_col = (unsigned short)width, .ws_row = (unsigned short)height};
	return ioctl(io->console, TIOCSWINSZ, &size) == 0 ? SP_OK
							  : sp_fail_sys(err, errno, "resize terminal");
}

sp_code shim_stdio_reopen(shim_stdio *io, sp_err *err)
{
	if (io->hub == NULL)
		return sp_fail(err, SP_EUNSUPPORTED, "no log to reopen");
	return shim_hub_reopen(io->hub, err);
}

void shim_stdio_close(shim_stdio *io)
{
	if (io == NULL)
		return;
	for (int i = IN; i < N_STREAMS; i++) {
		shim_source_close(&io->sources[i]);
		close_fd(&io->child_fds[i]);
		close_fd(&io->our_fds[i]);
	}
	close_fd(&io->stdin_fd);
	close_fd(&io->stdin_held);
	close_fd(&io->console);
	if (io->hub != NULL)
		shim_hub_set_input(io->hub, NULL);
	if (io->sinks[ERR] == io->sinks[OUT])
		io->sinks[ERR] = NULL;
	for (int i = IN; i < N_STREAMS; i++)
		shim_sink_free(io->sinks[i]);
	shim_logger_release(io->logger);
	shim_hub_free(io->hub);
	sp_free(io);
}
