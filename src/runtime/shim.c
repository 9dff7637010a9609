/* SPDX-License-Identifier: Apache-2.0 */
/* The shim of a sandbox: started with its first container, connected to, and what happens when it is gone. */
#include "base/alloc.h"
#include "io/file.h"
#include "runtime/rt_int.h"

#define CONNECT_NS UINT64_C(5000000000)
#define ADDRESS_BYTES 4096u

/* ---- waiting jobs ---- */

static void tell_all(rt_sandbox *s, const sp_err *err)
{
	sp_list told, *n;
	sp_list_init(&told);
	while ((n = sp_list_pop_front(&s->shim_waiters)) != NULL)
		sp_list_push_back(&told, n);
	while ((n = sp_list_pop_front(&told)) != NULL) {
		rt_job *j = SP_CONTAINER_OF(n, rt_job, waiter);
		bool ignore = j->ignore_error;
		j->ignore_error = false;
		rt_job_resume(j, ignore ? NULL : err);
	}
}

static void unwait(rt_job *j)
{
	sp_list_remove(&j->waiter);
}

static void wait_for(rt_job *j)
{
	rt_job_wait(j);
	j->unwait = unwait;
	sp_list_push_back(&j->sandbox->shim_waiters, &j->waiter);
}

/* ---- the connection ---- */

static void on_gone(void *arg, const sp_err *err)
{
	rt_sandbox *s = arg;
	(void)err; /* Task.Wait of each container has ended, too: exit.c does what is to be done */
	s->shim = NULL;
	s->shim_state = RT_SHIM_NONE;
	rt_maybe_closed(s->r);
	rt_sandbox_unref(s);
}

static void on_connected(sp_connect_req *req, sp_stream *stream, const sp_err *err)
{
	rt_sandbox *s = req->arg;
	sp_err mine;
	if (stream != NULL) {
		err = NULL;
		s->n_refs++; /* of the connection */
		if (sp_ttrpc_client_open(s->r->world, stream, on_gone, s, &s->shim, &mine) != SP_OK) {
			sp_stream_close(stream);
			err = &mine;
			s->n_refs--;
		}
	}
	s->shim_state = err == NULL ? RT_SHIM_UP : RT_SHIM_NONE;
	tell_all(s, err);
	rt_sandbox_unref(s); /* of the attempt */
}

sp_code rt_shim_connect(rt_job *j, sp_err *err)
{
	rt_sandbox *s = j->sandbox;
	if (s->shim_state == RT_SHIM_UP)
		return SP_OK;
	sp_str path = s->rec.shim;
	if (!sp_str_take(&path, SP_STR("unix://")))
		return sp_fail(err, SP_EUNAVAILABLE, "the sandbox has no shim");
	if (!(s->shim_state == RT_SHIM_STARTING && s->connect.impl != NULL)) {
		s->shim_state = RT_SHIM_STARTING;
		s->connect = (sp_connect_req){.done = on_connected, .arg = s};
		sp_code code = sp_connect(s->r->world, &s->connect,
					  SP_CONCAT(&j->arena, SP_STR("unix:"), path), CONNECT_NS, err);
		if (code != SP_OK) {
			s->shim_state = RT_SHIM_NONE;
			return code;
		}
		s->n_refs++;
	}
	wait_for(j);
	return SP_OK;
}

/* ---- starting ---- */

static sp_code on_started(rt_job *j, const void *response, sp_err *err)
{
	const sp_host_shim *shim = response;
	rt_sandbox *s = j->sandbox;
	sp_str address = sp_arena_try_dup(&s->arena, shim->address);
	if (address.len != shim->address.len)
		return sp_fail(err, SP_ENOMEM, "no memory for the shim's address");
	s->rec.shim = address;
	return SP_OK;
}

static sp_code start(rt_job *j, sp_err *err)
{
	rt_sandbox *s = j->sandbox;
	(void)err;
	if (s->shim_state == RT_SHIM_UP)
		return SP_OK;
	const sp_host_shim_start m = {.id = j->container->rec.id, .sandbox_id = s->rec.id};
	return rt_job_host(j, SP_HOST_SHIM_START, &m, on_started);
}

/* ---- a shim that nobody wrote down ---- */

/* On a worker: nothing but the job is touched. */
static void read_address(sp_work *work)
{
	rt_job *j = work->arg;
	sp_str *address = j->data;
	sp_str path = rt_path(j->r, &j->arena, "containers", j->container->rec.id, "/address");
	(void)!sp_file_read_arena(j->r->world, path, &j->arena, ADDRESS_BYTES, address, NULL); /* none */
}

sp_code rt_read_shim(rt_job *j, sp_err *err)
{
	if (j->sandbox->rec.shim.len > 0)
		return SP_OK;
	j->data = sp_new(&j->arena, sp_str, 1);
	*(sp_str *)j->data = SP_STR("");
	return rt_job_work(j, read_address, err);
}

sp_code rt_take_shim(rt_job *j, sp_err *err)
{
	rt_sandbox *s = j->sandbox;
	const sp_str *found = j->data;
	if (s->rec.shim.len > 0 || found == NULL || found->len == 0)
		return SP_OK;
	const sp_host_shim shim = {.address = sp_str_trim(*found)};
	return on_started(j, &shim, err);
}

/* `shim start` failed, maybe after the shim was there. */
static sp_code connect_found(rt_job *j, sp_err *err)
{
	if (j->sandbox->rec.shim.len == 0)
		return SP_OK;
	j->ignore_error = true;
	if (rt_shim_connect(j, err) != SP_OK)
		j->ignore_error = false;
	return SP_OK;
}

static rt_step *const start_steps[] = {start, rt_save_sandbox, rt_shim_connect, NULL};
static rt_step *const start_undo[] = {rt_read_shim, rt_take_shim, connect_found, NULL};

/* A job of its own, so that whoever else needs the shim meanwhile waits for it. */
static void on_start_end(rt_job *j)
{
	rt_sandbox *s = j->sandbox;
	if (s->shim_state == RT_SHIM_STARTING)
		s->shim_state = RT_SHIM_NONE;
	tell_all(s, j->code == SP_OK ? NULL : &j->err);
}

sp_code rt_need_shim(rt_job *j, sp_err *err)
{
	rt_sandbox *s = j->sandbox;
	(void)err;
	if (s->shim_state == RT_SHIM_UP)
		return SP_OK;
	bool first = s->shim_state == RT_SHIM_NONE;
	wait_for(j);
	if (first) {
		s->shim_state = RT_SHIM_STARTING;
		rt_job *starter = rt_job_new(j->r, start_steps);
		starter->undo = start_undo;
		rt_job_set_container(starter, j->container);
		starter->on_end = on_start_end;
		rt_job_start(starter);
	}
	return SP_OK;
}
