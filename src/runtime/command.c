/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/command.h"

#include <signal.h>

#include "base/json_out.h"
#include "runtime/spec.h"

#define PROCESS_BYTES ((size_t)2 << 20)
/* Children that a command left behind may keep its output open: it is not waited for longer than this. */
#define DRAIN_NS UINT64_C(2000000000)

static sp_str socket_path(rt_job *j, const rt_command *c)
{
	return sp_arena_printf(&j->arena, SP_FMT "/x" SP_FMT, SP_ARG(j->r->opts->run_dir),
			       SP_ARG(c->exec_id));
}

/* ---- the process ---- */

static sp_code process_json(rt_job *j, const rt_command *c, sp_buf *out, sp_err *err)
{
	const rt_container_record *rec = &j->container->rec;
	sp_jout w = sp_jout_to(out);
	sp_jout_open(&w, '{');
	sp_jout_member_strs(&w, SP_STR("args"), c->args, c->n_args);
	sp_jout_member_open(&w, SP_STR("env"), '[');
	for (size_t i = 0; i < rec->env.n; i++)
		sp_jout_str(&w, rec->env.at[i]);
	if (c->tty)
		sp_jout_str(&w, SP_STR("TERM=xterm"));
	sp_jout_close(&w, ']');
	if (c->tty)
		sp_jout_member_bool(&w, SP_STR("terminal"), true);
	/* The rest is as the container's own process has it. */
	sp_buf_str(out, rec->process);
	sp_buf_char(out, '}');
	if (sp_buf_code(out) != SP_OK)
		return sp_fail(err, SP_ETOOLARGE, "the command is too long");
	return SP_OK;
}

sp_code rt_command_add(rt_job *j, sp_err *err)
{
	rt_command *c = j->data;
	SP_AUTO_BUF json;
	sp_buf_init(&json, PROCESS_BYTES);
	c->j = j;
	c->exec_id = SP_CONCAT(&j->arena, sp_str_sub(j->container->rec.id, 0, SP_HOST_SOCKET_OWNER_BYTES),
			       sp_str_sub(rt_new_id(j->r, &j->arena), 0,
					  SP_HOST_SOCKET_ID_BYTES - SP_HOST_SOCKET_OWNER_BYTES));
	SP_TRY(process_json(j, c, &json, err));
	sp_str uri = SP_CONCAT(&j->arena, SP_STR("stream://"), socket_path(j, c));
	rt_any any = {.type_url = RT_TYPE_PROCESS, .value = sp_buf_view(&json)};
	const rt_task_exec q = {.id = j->container->rec.id,
				.exec_id = c->exec_id,
				.terminal = c->tty,
				.stdin = c->want_in ? uri : SP_STR(""),
				.stdout = uri,
				.stderr = c->tty ? SP_STR("") : uri,
				.spec = &any};
	SP_TRY(rt_job_task(j, &rt_task_exec_method, &q, NULL, err));
	c->added = true;
	return SP_OK;
}

/* ---- its streams ---- */

static void wake(rt_command *c, const sp_err *err)
{
	if (!c->waits_io)
		return;
	c->waits_io = false;
	sp_timer_stop(c->j->r->world, &c->j->timer);
	rt_job_resume(c->j, err);
}

static void on_open(void *arg)
{
	rt_command *c = arg;
	c->io_open = true;
	wake(c, NULL);
}

static void on_output(void *arg, uint8_t stream, sp_str bytes)
{
	rt_command *c = arg;
	c->on_output(c, stream, bytes);
}

static void on_drain(void *arg)
{
	rt_command *c = arg;
	if (c->on_drain != NULL)
		c->on_drain(c);
}

static void on_close(void *arg, const sp_err *err)
{
	rt_command *c = arg;
	bool opened = c->io_open;
	c->io_open = c->io_used = false;
	/* After it was open, the end of the process is what counts. */
	wake(c, opened ? NULL : err);
}

static const rt_io_handler io_handler = {on_open, on_output, on_drain, on_close};

static void unwait_io(rt_job *j)
{
	rt_command *c = j->data;
	c->waits_io = false;
	sp_timer_stop(j->r->world, &j->timer);
}

static void wait_io(rt_job *j)
{
	rt_command *c = j->data;
	c->waits_io = true;
	rt_job_wait(j);
	j->unwait = unwait_io;
}

sp_code rt_command_connect(rt_job *j, sp_err *err)
{
	rt_command *c = j->data;
	(void)err;
	c->io_used = true;
	rt_io_open(&c->io, j->r->world, socket_path(j, c), &io_handler, c);
	wait_io(j);
	return SP_OK;
}

/* ---- its life ---- */

sp_code rt_command_start(rt_job *j, sp_err *err)
{
	rt_command *c = j->data;
	const rt_task_id q = {.id = j->container->rec.id, .exec_id = c->exec_id};
	SP_TRY(rt_job_task(j, &rt_task_start_method, &q, NULL, err));
	c->started = true;
	return SP_OK;
}

static void on_killed(rt_rpc *r, const void *response, const sp_err *err)
{
	(void)r, (void)response, (void)err; /* its end is told by Wait */
}

void rt_command_kill(rt_command *c)
{
	rt_job *j = c->j;
	if (!c->started || sp_ttrpc_rpc_is_open(&c->kill.rpc) || j->sandbox->shim_state != RT_SHIM_UP)
		return;
	const rt_task_kill q = {.id = j->container->rec.id, .exec_id = c->exec_id, .signal = SIGKILL};
	c->kill = (rt_rpc){.done = on_killed};
	(void)!rt_rpc_start(j->sandbox->shim, &c->kill, &rt_task_kill_method, &q, NULL);
}

static void on_limit(sp_timer *t)
{
	rt_command *c = t->arg;
	c->timed_out = true;
	rt_command_kill(c);
}

static sp_code on_waited(rt_job *j, const void *response, sp_err *err)
{
	const rt_task_exit *e = response;
	rt_command *c = j->data;
	(void)err;
	sp_timer_stop(j->r->world, &c->limit);
	c->exit_code = (int32_t)e->exit_status;
	return SP_OK;
}

sp_code rt_command_wait(rt_job *j, sp_err *err)
{
	rt_command *c = j->data;
	const rt_task_id q = {.id = j->container->rec.id, .exec_id = c->exec_id};
	SP_TRY(rt_job_task(j, &rt_task_wait_method, &q, on_waited, err));
	c->limit.arg = c;
	if (c->timeout_ns > 0)
		sp_timer_start(j->r->world, &c->limit, c->timeout_ns, on_limit);
	return SP_OK;
}

static void on_drained_enough(sp_timer *t)
{
	rt_job *j = t->arg;
	wake(j->data, NULL);
}

sp_code rt_command_drain(rt_job *j, sp_err *err)
{
	rt_command *c = j->data;
	(void)err;
	if (!c->io_open)
		return SP_OK;
	wait_io(j);
	j->timer.arg = j;
	sp_timer_start(j->r->world, &j->timer, DRAIN_NS, on_drained_enough);
	return SP_OK;
}

sp_code rt_command_delete(rt_job *j, sp_err *err)
{
	rt_command *c = j->data;
	const rt_task_id q = {.id = j->container->rec.id, .exec_id = c->exec_id};
	if (!c->added || j->sandbox->shim_state != RT_SHIM_UP)
		return SP_OK;
	j->ignore_error = true;
	return rt_job_task(j, &rt_task_delete_method, &q, NULL, err);
}

/* ---- the end ---- */

/* The streams are gone before the job's memory goes. */
sp_code rt_command_close(rt_job *j, sp_err *err)
{
	rt_command *c = j->data;
	(void)err;
	sp_timer_stop(j->r->world, &c->limit);
	rt_rpc_cancel(&c->kill);
	if (!c->io_used)
		return SP_OK;
	wait_io(j);
	j->unwait = NULL; /* the close comes soon, whatever else ends */
	rt_io_close(&c->io);
	return SP_OK;
}

sp_code rt_command_abort(rt_job *j, sp_err *err)
{
	rt_command *c = j->data;
	if (c == NULL || c->j == NULL) {
		j->steps = NULL; /* not even added */
		return SP_OK;
	}
	if (!c->started || j->sandbox->shim_state != RT_SHIM_UP)
		return SP_OK;
	const rt_task_kill q = {.id = j->container->rec.id, .exec_id = c->exec_id, .signal = SIGKILL};
	j->ignore_error = true;
	return rt_job_task(j, &rt_task_kill_method, &q, NULL, err);
}
