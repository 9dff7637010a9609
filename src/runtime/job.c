/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: sequences of steps that wait for the host process, for shims, for the disk. */
#include "base/alloc.h"
#include "runtime/rt_int.h"

static const sp_cri_empty nothing;

/* ---- the end ---- */

static void answer(rt_job *j)
{
	sp_cri_call *c = SP_TAKE(j->call);
	sp_timer_stop(j->r->world, &j->deadline);
	if (c == NULL)
		return;
	c->impl = NULL;
	if (j->code == SP_OK)
		c->done(c, SP_RPC_OK, SP_STR(""), j->response == NULL ? &nothing : j->response);
	else
		c->done(c, sp_code_lookup(j->code)->grpc_status, sp_str_c(j->err.msg), NULL);
}

static void part_ended(rt_job *j, const rt_job *part)
{
	if (part->code != SP_OK && j->parts_err.code == SP_OK) {
		j->parts_err = part->err;
		j->parts_err.code = part->code;
	}
	if (--j->n_parts > 0)
		return;
	const sp_err err = j->parts_err;
	j->parts_err.code = SP_OK;
	rt_job_resume(j, err.code == SP_OK ? NULL : &err);
}

static sp_str method_name(const rt_job *j)
{
	return j->request != NULL ? sp_cri_methods[j->method].name : SP_STR("");
}

static void finish(rt_job *j)
{
	rt *r = j->r;
	if (j->code != SP_OK)
		sp_log(r->opts->log, SP_LOG_DEBUG, "request failed", SP_KS("method", method_name(j)),
		       SP_KE(&j->err));
	answer(j);
	if (j->on_end != NULL)
		j->on_end(j);
	if (j->parent != NULL)
		part_ended(j->parent, j);
	sp_list_remove(&j->node);
	rt_container_unref(j->container);
	rt_sandbox_unref(j->sandbox);
	sp_arena_done(&j->arena);
	sp_free(j);
	rt_maybe_closed(r);
}

/* ---- running ---- */

static void failed(rt_job *j, const sp_err *err)
{
	if (j->undoing) {
		sp_log(j->r->opts->log, SP_LOG_WARN, "undoing failed", SP_KE(err));
		return;
	}
	SP_ASSERT(err->code != SP_OK);
	j->code = err->code;
	j->err = *err;
	j->undoing = true;
	j->steps = j->undo;
}

static void run(rt_job *j)
{
	while (j->steps != NULL && *j->steps != NULL) {
		sp_err err = {.code = SP_OK};
		rt_step *step = *j->steps++;
		j->in_step = true;
		sp_code code = step(j, &err);
		j->in_step = false;
		if (code != SP_OK) {
			SP_ASSERT(!j->waiting);
			err.code = code;
			failed(j, &err);
		} else if (j->waiting) {
			return;
		}
	}
	finish(j);
}

void rt_job_wait(rt_job *j)
{
	SP_ASSERT(!j->waiting);
	j->waiting = true;
}

void rt_job_resume(rt_job *j, const sp_err *err)
{
	SP_ASSERT(j->waiting);
	j->waiting = false;
	j->unwait = NULL;
	if (err != NULL)
		failed(j, err);
	if (!j->in_step)
		run(j);
}

static void on_start(sp_defer *d)
{
	run(d->arg);
}

rt_job *rt_job_new(rt *r, rt_step *const *steps)
{
	rt_job *j = SP_NEW(rt_job);
	*j = (rt_job){.r = r, .steps = steps};
	sp_arena_init(&j->arena, RT_JOB_BYTES);
	sp_list_init(&j->waiter);
	sp_list_push_back(&r->jobs, &j->node);
	sp_defer_init(&j->start, on_start, j);
	return j;
}

void rt_job_set_sandbox(rt_job *j, rt_sandbox *s)
{
	s->n_refs++;
	rt_sandbox_unref(j->sandbox);
	j->sandbox = s;
}

void rt_job_set_container(rt_job *j, rt_container *c)
{
	c->n_refs++;
	rt_container_unref(j->container);
	j->container = c;
	rt_job_set_sandbox(j, c->sandbox);
}

void rt_job_start(rt_job *j)
{
	sp_defer_call(j->r->world, &j->start);
}

void rt_job_part(rt_job *j, rt_job *part)
{
	part->parent = j;
	if (j->n_parts++ == 0)
		rt_job_wait(j);
	rt_job_start(part);
}

/* ---- what steps wait for ---- */

static void answered(rt_job *j, const void *response, const sp_err *err)
{
	sp_err mine = {.code = SP_OK};
	bool ignore = j->ignore_error;
	j->ignore_error = false;
	if (ignore && err != NULL) {
		rt_job_resume(j, NULL);
		return;
	}
	sp_code code = err != NULL ? err->code : SP_OK;
	if (err == NULL && j->on_answer != NULL) {
		code = j->on_answer(j, response, &mine);
		err = &mine;
	}
	rt_job_resume(j, code == SP_OK ? NULL : err);
}

static void on_host(sp_host_call *c, const void *response, const sp_err *err)
{
	answered(c->arg, response, err);
}

static void unwait_host(rt_job *j)
{
	j->r->opts->host->cancel(j->r->opts->host, &j->host);
}

sp_code rt_job_host(rt_job *j, sp_host_method m, const void *request,
		    sp_code (*on_answer)(rt_job *j, const void *response, sp_err *err))
{
	j->on_answer = on_answer;
	j->host = (sp_host_call){.done = on_host, .arg = j};
	rt_job_wait(j);
	j->unwait = unwait_host;
	j->r->opts->host->call(j->r->opts->host, m, request, &j->host);
	return SP_OK;
}

static void on_task(rt_rpc *rpc, const void *response, const sp_err *err)
{
	answered(rpc->arg, response, err);
}

static void unwait_task(rt_job *j)
{
	rt_rpc_cancel(&j->rpc);
}

sp_code rt_job_task(rt_job *j, const rt_rpc_method *m, const void *request,
		    sp_code (*on_answer)(rt_job *j, const void *response, sp_err *err), sp_err *err)
{
	if (j->sandbox->shim_state != RT_SHIM_UP)
		return sp_fail(err, SP_EUNAVAILABLE, "the shim is gone");
	j->on_answer = on_answer;
	j->rpc = (rt_rpc){.done = on_task, .arg = j};
	SP_TRY(rt_rpc_start(j->sandbox->shim, &j->rpc, m, request, err));
	rt_job_wait(j);
	j->unwait = unwait_task;
	return SP_OK;
}

static void on_saved(rt_save *s, const sp_err *err)
{
	rt_job_resume(s->arg, err);
}

sp_code rt_job_save(rt_job *j, rt_saver *s)
{
	j->save = (rt_save){.done = on_saved, .arg = j};
	rt_job_wait(j);
	rt_saver_start(s, &j->save);
	return SP_OK;
}

static void on_worked(sp_work *work)
{
	rt_job_resume(work->arg, NULL); /* how it went is in the job's own data */
}

sp_code rt_job_work(rt_job *j, void (*fn)(sp_work *work), sp_err *err)
{
	j->work = (sp_work){.fn = fn, .done = on_worked, .arg = j};
	SP_TRY(sp_work_start(j->r->world, &j->work, err));
	rt_job_wait(j);
	return SP_OK;
}
