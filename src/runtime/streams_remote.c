/* SPDX-License-Identifier: Apache-2.0 */
/* Exec and attach: the streams of a SPDY client and those of a process, joined. */
#include "base/alloc.h"
#include "base/json.h"
#include "runtime/streams.h"

#define HIGH_BYTES ((size_t)256 << 10)
#define RESIZE_BYTES 4096u
#define STATUS_BYTES 4096u

typedef enum leg_kind { LEG_IN, LEG_OUT, LEG_ERR, LEG_ERROR, LEG_RESIZE, LEGS_ } leg_kind;

typedef struct remote remote;

typedef struct leg {
	remote *m;
	sp_stream *stream; /* NULL: not asked for, or gone */
} leg;

struct remote {
	rt_session base;
	sp_spdy *spdy; /* NULL once gone */
	const sp_channel_protocol *protocol;
	sp_remote_collect collect;
	leg legs[LEGS_];
	rt_job *job;         /* of exec; NULL when it ended */
	rt_command *command; /* of the job */
	rt_io io;            /* of attach */
	rt_io *pipe;         /* whichever is open; NULL: not (yet, any more) */
	rt_rpc resize;
	size_t n_writing; /* pieces on their way */
	bool collecting, attached, finished, paused, ending;
};

static sp_world *world_of(const remote *m)
{
	return m->base.owner->r->world;
}

/* ---- the end ---- */

static void maybe_free(remote *m)
{
	if (m->spdy != NULL || m->job != NULL || m->attached)
		return;
	for (size_t i = 0; i < LEGS_; i++) {
		if (m->legs[i].stream != NULL)
			return;
	}
	SP_ASSERT(m->n_writing == 0); /* a stream that is closed has told its writes */
	rt_rpc_cancel(&m->resize);
	rt_session_end(&m->base);
	sp_free(m);
}

static void close_legs(remote *m)
{
	for (size_t i = 0; i < LEGS_; i++) {
		if (m->legs[i].stream != NULL)
			sp_stream_close(m->legs[i].stream);
	}
}

/* The client is gone or was told how it ended; what is queued is still written. */
static void end_client(remote *m)
{
	if (m->collecting)
		sp_remote_collect_stop(&m->collect);
	if (m->spdy != NULL)
		sp_spdy_close(m->spdy);
	else
		close_legs(m);
}

/* ---- output ---- */

typedef struct piece {
	sp_write req;
	leg *to;
	char bytes[];
} piece;

static void on_written(sp_write *req, sp_code code)
{
	piece *p = SP_CONTAINER_OF(req, piece, req);
	remote *m = p->to->m;
	sp_stream *s = p->to->stream;
	sp_free(p);
	(void)code;
	m->n_writing--;
	if (m->ending && m->n_writing == 0) {
		end_client(m);
		return;
	}
	if (m->paused && (s == NULL || sp_stream_queued(s) <= HIGH_BYTES / 2)) {
		m->paused = false;
		if (m->pipe != NULL)
			rt_io_read(m->pipe, true);
	}
}

static void write_leg(leg *to, sp_str bytes)
{
	remote *m = to->m;
	if (to->stream == NULL || m->spdy == NULL || bytes.len == 0)
		return;
	piece *p = sp_alloc(sizeof *p + bytes.len); /* what the pump read at once */
	memcpy(p->bytes, bytes.ptr, bytes.len);
	p->to = to;
	p->req = (sp_write){.n_iov = 1, .done = on_written};
	p->req.iov[0] = (sp_iov){p->bytes, bytes.len};
	m->n_writing++;
	sp_stream_write(to->stream, &p->req);
	if (!m->paused && m->pipe != NULL && sp_stream_queued(to->stream) > HIGH_BYTES) {
		m->paused = true;
		rt_io_read(m->pipe, false);
	}
}

static void on_output(remote *m, uint8_t stream, sp_str bytes)
{
	write_leg(&m->legs[stream == RT_IO_STDERR ? LEG_ERR : LEG_OUT], bytes);
}

/* The status, then the end of everything. */
static void finish(remote *m, const sp_err *err, int exit_code)
{
	SP_AUTO_BUF status;
	sp_buf_init(&status, STATUS_BYTES);
	if (m->finished)
		return;
	m->finished = true;
	if (err != NULL) {
		(void)sp_remote_status_error(&status, m->protocol, sp_str_c(err->msg));
	} else if (exit_code != 0) {
		char what[64];
		int n = snprintf(what, sizeof what, "command terminated with exit code %d", exit_code);
		(void)sp_remote_status_exit(&status, m->protocol, exit_code, (sp_str){what, (size_t)n});
	} else {
		(void)sp_remote_status_success(&status, m->protocol);
	}
	static const leg_kind outputs[] = {LEG_OUT, LEG_ERR, LEG_ERROR};
	write_leg(&m->legs[LEG_ERROR], sp_buf_view(&status));
	for (size_t i = 0; i < SP_LEN(outputs); i++) {
		if (m->legs[outputs[i]].stream != NULL)
			sp_stream_shutdown(m->legs[outputs[i]].stream);
	}
	m->ending = true;
	if (m->n_writing == 0)
		end_client(m);
}

/* ---- input ---- */

static void on_input(void *arg, const uint8_t *bytes, size_t n)
{
	leg *l = arg;
	remote *m = l->m;
	sp_err err;
	if (m->pipe == NULL || m->finished)
		return;
	if (rt_io_write(m->pipe, (sp_str){(const char *)bytes, n}, &err) != SP_OK || rt_io_is_full(m->pipe))
		sp_stream_read(l->stream, false);
}

static void on_pipe_drain(remote *m)
{
	if (m->legs[LEG_IN].stream != NULL)
		sp_stream_read(m->legs[LEG_IN].stream, true);
}

/* Whether the end of this client's input is the end of the process's. */
static bool ends_input(const remote *m)
{
	const rt_ticket *t = m->base.ticket;
	return t->kind == RT_TICKET_EXEC || t->container->rec.config->stdin_once;
}

static void on_input_end(void *arg)
{
	leg *l = arg;
	remote *m = l->m;
	if (l == &m->legs[LEG_IN] && m->pipe != NULL && ends_input(m))
		rt_io_end(m->pipe);
}

/* ---- size of the terminal ---- */

static void on_resized(rt_rpc *r, const void *response, const sp_err *err)
{
	(void)r, (void)response, (void)err; /* a process that has ended has no size */
}

static bool read_size(sp_str text, rt_task_resize *ret)
{
	sp_arena a;
	yyjson_val *v;
	sp_arena_init(&a, (size_t)RESIZE_BYTES * 16);
	bool ok = sp_json_parse(&a, text, &v, NULL) == SP_OK;
	if (ok) {
		ret->width = (uint32_t)yyjson_get_uint(sp_json_last(v, SP_STR("Width")));
		ret->height = (uint32_t)yyjson_get_uint(sp_json_last(v, SP_STR("Height")));
	}
	sp_arena_done(&a);
	return ok && ret->width > 0 && ret->height > 0 && ret->width <= UINT16_MAX &&
	       ret->height <= UINT16_MAX;
}

static void on_resize(void *arg, const uint8_t *bytes, size_t n)
{
	leg *l = arg;
	remote *m = l->m;
	const rt_ticket *t = m->base.ticket;
	rt_task_resize q = {.id = t->container->rec.id,
			    .exec_id = m->command != NULL ? m->command->exec_id : SP_STR("")};
	sp_str text = {(const char *)bytes, n}, line;
	/* Messages may come together; the last one counts. */
	bool found = false;
	while (text.len > 0) {
		if (!sp_str_cut(&text, '\n', &line)) {
			line = text;
			text.len = 0;
		}
		if (line.len > 0 && line.len <= RESIZE_BYTES)
			found = read_size(line, &q) || found;
	}
	bool ready = t->kind == RT_TICKET_ATTACH || (m->command != NULL && m->command->started);
	if (!found || !ready || t->sandbox->shim_state != RT_SHIM_UP || m->finished)
		return;
	rt_rpc_cancel(&m->resize);
	m->resize = (rt_rpc){.done = on_resized};
	(void)!rt_rpc_start(t->sandbox->shim, &m->resize, &rt_task_resize_method, &q, NULL);
}

/* ---- legs ---- */

static void ignore_data(void *arg, const uint8_t *bytes, size_t n)
{
	(void)arg, (void)bytes, (void)n;
}

static void on_leg_error(void *arg, const sp_err *err)
{
	leg *l = arg;
	(void)err; /* the session tells when it is over */
	if (l->stream != NULL)
		sp_stream_close(l->stream);
}

static void on_leg_close(void *arg)
{
	leg *l = arg;
	l->stream = NULL;
	maybe_free(l->m);
}

static const sp_stream_handler handlers[LEGS_] = {
	[LEG_IN] = {on_input, on_input_end, on_leg_error, on_leg_close},
	[LEG_OUT] = {ignore_data, on_input_end, on_leg_error, on_leg_close},
	[LEG_ERR] = {ignore_data, on_input_end, on_leg_error, on_leg_close},
	[LEG_ERROR] = {ignore_data, on_input_end, on_leg_error, on_leg_close},
	[LEG_RESIZE] = {on_resize, on_input_end, on_leg_error, on_leg_close},
};

static void take_legs(remote *m, const sp_remote_streams *s)
{
	sp_stream *const streams[LEGS_] = {[LEG_IN] = s->in,
					   [LEG_OUT] = s->out,
					   [LEG_ERR] = s->err,
					   [LEG_ERROR] = s->error,
					   [LEG_RESIZE] = s->resize};
	for (size_t i = 0; i < LEGS_; i++) {
		m->legs[i] = (leg){.m = m, .stream = streams[i]};
		if (streams[i] != NULL)
			sp_stream_handle(streams[i], &handlers[i], &m->legs[i]);
	}
	/* The size may come before the command is there, and what comes first is read then. */
	for (size_t i = 0; i < LEGS_; i++) {
		if (streams[i] != NULL && i != LEG_IN && i != LEG_RESIZE)
			sp_stream_read(streams[i], true);
	}
}

static void open_input(remote *m)
{
	if (m->legs[LEG_IN].stream != NULL)
		sp_stream_read(m->legs[LEG_IN].stream, true);
	if (m->legs[LEG_RESIZE].stream != NULL)
		sp_stream_read(m->legs[LEG_RESIZE].stream, true);
}

/* ---- exec ---- */

static void command_output(rt_command *c, uint8_t stream, sp_str bytes)
{
	on_output(c->arg, stream, bytes);
}

static void command_drain(rt_command *c)
{
	on_pipe_drain(c->arg);
}

static sp_code connected(rt_job *j, sp_err *err)
{
	rt_command *c = j->data;
	remote *m = c->arg;
	(void)err;
	if (c->io_open)
		m->pipe = &c->io;
	open_input(m);
	if (m->finished)
		rt_command_kill(c); /* the client left meanwhile */
	return SP_OK;
}

static sp_code drained(rt_job *j, sp_err *err)
{
	rt_command *c = j->data;
	remote *m = c->arg;
	(void)err;
	m->pipe = NULL;
	return SP_OK;
}

static void on_job_end(rt_job *j)
{
	rt_command *c = j->data;
	remote *m = c->arg;
	m->pipe = NULL;
	m->job = NULL;
	m->command = NULL;
	finish(m, j->code != SP_OK ? &j->err : NULL, c->exit_code);
	maybe_free(m);
}

static rt_step *const exec_steps[] = {
	rt_command_add,   rt_command_start, rt_command_connect, connected,        rt_command_wait,
	rt_command_drain, drained,          rt_command_delete,  rt_command_close, NULL};
static rt_step *const exec_undo[] = {drained, rt_command_abort, rt_command_delete, rt_command_close, NULL};

static void start_exec(remote *m)
{
	rt_ticket *t = m->base.ticket;
	rt_job *j = rt_job_new(m->base.owner->r, exec_steps);
	rt_command *c = sp_new(&j->arena, rt_command, 1);
	*c = (rt_command){.args = t->args,
			  .n_args = t->n_args,
			  .tty = t->tty,
			  .want_in = t->in,
			  .on_output = command_output,
			  .on_drain = command_drain,
			  .arg = m};
	j->undo = exec_undo;
	j->data = c;
	j->on_end = on_job_end;
	rt_job_set_container(j, t->container);
	m->job = j;
	m->command = c;
	rt_job_start(j);
}

/* ---- attach ---- */

static void io_open(void *arg)
{
	remote *m = arg;
	m->pipe = &m->io;
	open_input(m);
}

static void io_output(void *arg, uint8_t stream, sp_str bytes)
{
	on_output(arg, stream, bytes);
}

static void io_drain(void *arg)
{
	on_pipe_drain(arg);
}

static void io_close(void *arg, const sp_err *err)
{
	remote *m = arg;
	m->pipe = NULL;
	m->attached = false;
	finish(m, err, 0);
	maybe_free(m);
}

static const rt_io_handler io_handler = {io_open, io_output, io_drain, io_close};

static void start_attach(remote *m)
{
	rt_ticket *t = m->base.ticket;
	m->attached = true;
	rt_io_open(&m->io, world_of(m), rt_attach_path(t->owner->r, &t->arena, t->container->rec.id),
		   &io_handler, m);
}

/* ---- the client ---- */

static void on_ready(sp_remote_collect *c, const sp_remote_streams *streams)
{
	remote *m = c->arg;
	m->collecting = false;
	take_legs(m, streams);
	if (m->base.ticket->kind == RT_TICKET_EXEC)
		start_exec(m);
	else
		start_attach(m);
}

static void on_collect_timeout(sp_remote_collect *c)
{
	remote *m = c->arg;
	take_legs(m, &c->got);
	m->finished = true;
	end_client(m);
}

static void on_stream(void *arg, sp_stream *s, sp_str block)
{
	remote *m = arg;
	sp_err err;
	(void)block;
	sp_stream_handle(s, &sp_stream_no_handler, NULL);
	if (m->collecting && sp_remote_collect_add(&m->collect, s, &err) == SP_OK)
		return;
	sp_spdy_reset(s, SP_SPDY_REFUSED_STREAM);
	sp_stream_close(s);
}

/* Nobody sees the end of the command any more: it goes, too. An attached container goes on. */
static void on_session_close(void *arg, const sp_err *err)
{
	remote *m = arg;
	(void)err;
	m->spdy = NULL;
	if (m->collecting) {
		m->collecting = false;
		sp_remote_collect_stop(&m->collect);
		take_legs(m, &m->collect.got);
	}
	if (!m->finished) {
		m->finished = true;
		if (m->command != NULL)
			rt_command_kill(m->command);
	}
	if (m->attached)
		rt_io_close(&m->io);
	close_legs(m);
	maybe_free(m);
}

static const sp_spdy_handler session_handler = {on_stream, NULL, NULL, on_session_close};

static void stop(rt_session *s)
{
	remote *m = SP_CONTAINER_OF(s, remote, base);
	if (m->spdy != NULL)
		sp_spdy_abort(m->spdy);
}

void rt_remote_start(rt_streams *o, rt_ticket *t, sp_stream *transport, const sp_channel_protocol *protocol)
{
	static const sp_spdy_conn_opts opts = {.ping_every_ns = UINT64_C(30000000000)};
	remote *m = SP_NEW(remote);
	*m = (remote){.protocol = protocol, .collecting = true};
	m->collect = (sp_remote_collect){.world = o->r->world,
					 .protocol = protocol,
					 .want_in = t->in,
					 .want_out = t->out,
					 .want_err = t->err,
					 .tty = t->tty,
					 .on_ready = on_ready,
					 .on_timeout = on_collect_timeout,
					 .arg = m};
	rt_session_begin(&m->base, o, t, stop);
	if (sp_spdy_open(o->r->world, transport, &opts, &session_handler, m, &m->spdy, NULL) != SP_OK) {
		sp_stream_handle(transport, &sp_stream_no_handler, NULL);
		sp_stream_close(transport);
		m->collecting = false;
		maybe_free(m);
		return;
	}
	sp_remote_collect_start(&m->collect, 0);
}
