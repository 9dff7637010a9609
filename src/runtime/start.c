/* SPDX-License-Identifier: Apache-2.0 */
/* StartContainer, UpdateContainerResources, ReopenContainerLog. U: containerd
 * pkg/cri/server/container_start.go. */
#include "runtime/handlers.h"
#include "runtime/rt_int.h"
#include "runtime/spec.h"

#define EXIT_START_FAILED 128
#define RESOURCES_BYTES 65536u

/* ---- starting ---- */

static void on_start_end(rt_job *j)
{
	if (j->container == NULL || j->data == NULL)
		return;
	j->container->starting = false;
	rt_tell_waiters(j->container);
}

static sp_code begin(rt_job *j, sp_err *err)
{
	const sp_cri_start_container_request *q = j->request;
	rt_container *c;
	SP_TRY(rt_need_container(j->r, q->container_id, &c, err));
	if (c->rec.state != SP_CRI_CONTAINER_CREATED || c->starting)
		return sp_fail(err, SP_ECONFLICT, "container \"" SP_FMT "\" is not in created state",
			       SP_ARG(c->rec.id));
	if (c->removing || c->sandbox->stopping || c->sandbox->rec.phase != RT_SANDBOX_READY)
		return sp_fail(err, SP_ECONFLICT, "container \"" SP_FMT "\" or its sandbox is being removed",
			       SP_ARG(c->rec.id));
	rt_job_set_container(j, c);
	c->starting = true;
	c->starting_at = sp_wall_ns(j->r->world);
	j->data = c; /* this job is the one that starts it */
	j->on_end = on_start_end;
	return SP_OK;
}

/* Percent-encoding would be for nothing: '?' is what ends the path. */
static sp_code log_uri(rt_job *j, sp_str *ret, sp_err *err)
{
	rt_container *c = j->container;
	if (sp_str_index(c->rec.log_path, '?') >= 0)
		return sp_fail(err, SP_EINVAL, "the path of the log has a '?'");
	sp_str log = c->rec.log_path.len > 0 ? c->rec.log_path : SP_STR("/dev/null");
	*ret = SP_CONCAT(&j->arena, SP_STR("cri://"), log, SP_STR("?socket="),
			 rt_attach_path(j->r, &j->arena, c->rec.id));
	return SP_OK;
}

static sp_code create_task(rt_job *j, sp_err *err)
{
	rt_container *c = j->container;
	const sp_cri_container_config *config = c->rec.config;
	sp_str uri;
	SP_TRY(log_uri(j, &uri, err));
	rt_any options = {.type_url = SP_STR("containerd.runc.v1.Options")};
	SP_TRY(rt_handler_options(j->r->opts, j->sandbox->rec.runtime_handler, &options.value, err));
	const rt_task_create q = {.id = c->rec.id,
				  .bundle = rt_path(j->r, &j->arena, "containers", c->rec.id, ""),
				  .terminal = config->tty,
				  .stdin = config->stdin ? uri : SP_STR(""),
				  .stdout = uri,
				  .stderr = config->tty ? SP_STR("") : uri,
				  .options = options.value.len > 0 ? &options : NULL};
	return rt_job_task(j, &rt_task_create_method, &q, NULL, err);
}

static sp_code watch(rt_job *j, sp_err *err)
{
	if (j->sandbox->shim_state != RT_SHIM_UP)
		return sp_fail(err, SP_EUNAVAILABLE, "the shim is gone");
	return rt_watch_exit(j->container, err);
}

static sp_code on_started(rt_job *j, const void *response, sp_err *err)
{
	const rt_task_pid *p = response;
	rt_container *c = j->container;
	(void)err;
	c->rec.pid = p->pid;
	c->rec.state = SP_CRI_CONTAINER_RUNNING;
	c->rec.started_at = sp_wall_ns(j->r->world);
	return SP_OK;
}

static sp_code start_task(rt_job *j, sp_err *err)
{
	const rt_task_id q = {.id = j->container->rec.id};
	return rt_job_task(j, &rt_task_start_method, &q, on_started, err);
}

static sp_code tell(rt_job *j, sp_err *err)
{
	(void)err;
	rt_emit(j->container, SP_CRI_EVENT_STARTED);
	return SP_OK;
}

/* ---- failing to ---- */

static sp_code is_ours(rt_job *j, sp_err *err)
{
	(void)err;
	if (j->data == NULL)
		j->steps = NULL;
	else
		rt_rpc_cancel(&j->container->wait);
	return SP_OK;
}

static sp_code kill_task(rt_job *j, sp_err *err)
{
	const rt_task_kill q = {.id = j->container->rec.id, .signal = 9, .all = true};
	if (j->sandbox->shim_state != RT_SHIM_UP)
		return SP_OK;
	j->ignore_error = true;
	return rt_job_task(j, &rt_task_kill_method, &q, NULL, err);
}

static sp_code write_failure(rt_job *j, sp_err *err)
{
	rt_container *c = j->container;
	(void)err;
	c->rec.state = SP_CRI_CONTAINER_EXITED;
	c->rec.exit_code = EXIT_START_FAILED;
	c->rec.finished_at = sp_wall_ns(j->r->world);
	c->rec.reason = SP_STR("StartError");
	c->rec.message = sp_arena_try_dup(&c->arena, sp_str_c(j->err.msg));
	return SP_OK;
}

rt_step *const rt_start_container_steps[] = {begin,      rt_need_shim,      create_task, watch,
					     start_task, rt_save_container, tell,        NULL};
rt_step *const rt_start_container_undo[] = {
	is_ours, kill_task, rt_delete_task, rt_delete_lost, write_failure, rt_save_container, NULL};

/* ---- changing ---- */

static sp_code find_updated(rt_job *j, sp_err *err)
{
	const sp_cri_update_container_resources_request *q = j->request;
	rt_container *c;
	SP_TRY(rt_need_container(j->r, q->container_id, &c, err));
	if (q->linux_ == NULL)
		return sp_fail(err, SP_EINVAL, "no resources to update");
	rt_job_set_container(j, c);
	return SP_OK;
}

static sp_code update_task(rt_job *j, sp_err *err)
{
	const sp_cri_update_container_resources_request *q = j->request;
	if (j->container->rec.state == SP_CRI_CONTAINER_EXITED)
		return sp_fail(err, SP_ECONFLICT, "container is not running");
	if (j->container->rec.state != SP_CRI_CONTAINER_RUNNING)
		return SP_OK;
	SP_AUTO_BUF json;
	sp_buf_init(&json, RESOURCES_BYTES);
	rt_spec_resources(q->linux_, j->r->counts_huge, &json);
	rt_any any = {.type_url = RT_TYPE_RESOURCES, .value = sp_buf_view(&json)};
	const rt_task_update u = {.id = j->container->rec.id, .resources = &any};
	return rt_job_task(j, &rt_task_update_method, &u, NULL, err);
}

/* What is not named stays. */
static sp_code keep_resources(rt_job *j, sp_err *err)
{
	const sp_cri_update_container_resources_request *q = j->request;
	rt_container *c = j->container;
	const sp_cri_linux_container_resources *n = q->linux_;
	sp_cri_container_config *config = c->rec.config;
	(void)err;
	if (config->linux_ == NULL)
		config->linux_ = sp_new(&c->arena, sp_cri_linux_container_config, 1);
	if (config->linux_->resources == NULL)
		config->linux_->resources = sp_new(&c->arena, sp_cri_linux_container_resources, 1);
	sp_cri_linux_container_resources *o = config->linux_->resources;
	const struct {
		int64_t *to, from;
	} numbers[] = {
		{&o->cpu_period, n->cpu_period},
		{&o->cpu_quota, n->cpu_quota},
		{&o->cpu_shares, n->cpu_shares},
		{&o->memory_limit_in_bytes, n->memory_limit_in_bytes},
		{&o->oom_score_adj, n->oom_score_adj},
		{&o->memory_swap_limit_in_bytes, n->memory_swap_limit_in_bytes},
	};
	for (size_t i = 0; i < SP_LEN(numbers); i++)
		*numbers[i].to = numbers[i].from != 0 ? numbers[i].from : *numbers[i].to;
	if (n->cpuset_cpus.len > 0)
		o->cpuset_cpus = sp_arena_try_dup(&c->arena, n->cpuset_cpus);
	if (n->cpuset_mems.len > 0)
		o->cpuset_mems = sp_arena_try_dup(&c->arena, n->cpuset_mems);
	return SP_OK;
}

rt_step *const rt_update_steps[] = {find_updated,   rt_settle,         update_task,
				    keep_resources, rt_save_container, NULL};

/* ---- the log ---- */

static sp_code find_logged(rt_job *j, sp_err *err)
{
	const sp_cri_reopen_container_log_request *q = j->request;
	rt_container *c;
	SP_TRY(rt_need_container(j->r, q->container_id, &c, err));
	if (rt_container_state(c) != SP_CRI_CONTAINER_RUNNING)
		return sp_fail(err, SP_ECONFLICT, "container is not running");
	rt_job_set_container(j, c);
	const rt_task_id r = {.id = c->rec.id};
	return rt_job_task(j, &rt_log_reopen_method, &r, NULL, err);
}

rt_step *const rt_reopen_steps[] = {find_logged, NULL};
