/* SPDX-License-Identifier: Apache-2.0 */
/* The end of containers: how it is noticed, written down and told; stopping and killing. */
#include <signal.h>

#include "base/num.h"
#include "io/file.h"
#include "runtime/rt_int.h"

#define NS_PER_SECOND UINT64_C(1000000000)
#define CGROUP_FILE_BYTES 4096u
#define EXIT_LOST 137

int32_t rt_container_state(const rt_container *c)
{
	return c->exiting ? SP_CRI_CONTAINER_RUNNING : c->rec.state;
}

int32_t rt_container_told_state(const rt_container *c)
{
	return c->starting ? SP_CRI_CONTAINER_RUNNING : rt_container_state(c);
}

const char *rt_state_name(const rt_container *c)
{
	static const char *const names[] = {"CONTAINER_CREATED", "CONTAINER_RUNNING", "CONTAINER_EXITED",
					    "CONTAINER_UNKNOWN"};
	return names[rt_container_state(c)];
}

/* ---- waiting for a container ---- */

void rt_tell_waiters(rt_container *c)
{
	sp_list told, *n;
	sp_list_init(&told);
	while ((n = sp_list_pop_front(&c->waiters)) != NULL)
		sp_list_push_back(&told, n);
	while ((n = sp_list_pop_front(&told)) != NULL)
		rt_job_resume(SP_CONTAINER_OF(n, rt_job, waiter), NULL);
}

static void unwait(rt_job *j)
{
	sp_list_remove(&j->waiter);
	sp_timer_stop(j->r->world, &j->timer);
}

static void wait_for(rt_job *j)
{
	rt_job_wait(j);
	j->unwait = unwait;
	sp_list_push_back(&j->container->waiters, &j->waiter);
}

sp_code rt_settle(rt_job *j, sp_err *err)
{
	(void)err;
	if (j->container->starting || j->container->exiting) {
		j->steps--; /* once more afterwards */
		wait_for(j);
	}
	return SP_OK;
}

/* ---- the end ---- */

typedef struct ending {
	rt_task_exit exit;
	rt_time at;
	bool oom;
} ending;

static sp_code settle_start(rt_job *j, sp_err *err)
{
	(void)err;
	rt_container *c = j->container;
	if (c->starting) {
		j->steps--;
		wait_for(j);
	} else if (c->rec.state != SP_CRI_CONTAINER_RUNNING || c->exiting) {
		j->steps = NULL; /* it failed to start, and that is written */
	} else {
		c->exiting = true;
	}
	return SP_OK;
}

/* "oom_kill 3" in a file of lines. */
static bool has_oom_kill(sp_str text)
{
	sp_str line;
	while (sp_str_cut(&text, '\n', &line)) {
		if (sp_str_take(&line, SP_STR("oom_kill ")))
			return !sp_str_eq(line, SP_STR("0"));
	}
	return false;
}

/* On a worker. The cgroup is there until the task is deleted. */
static void look_for_oom(sp_work *work)
{
	rt_job *j = work->arg;
	ending *e = j->data;
	sp_str cgroup = j->container->rec.cgroup, text;
	const sp_str paths[] = {
		SP_CONCAT(&j->arena, SP_STR("/sys/fs/cgroup/memory"), cgroup, SP_STR("/memory.oom_control")),
		SP_CONCAT(&j->arena, SP_STR("/sys/fs/cgroup"), cgroup, SP_STR("/memory.events")),
	};
	for (size_t i = 0; i < SP_LEN(paths); i++) {
		if (sp_file_read_arena(j->r->world, paths[i], &j->arena, CGROUP_FILE_BYTES, &text, NULL) !=
		    SP_OK)
			continue;
		e->oom = has_oom_kill(text);
		return;
	}
}

static sp_code oom(rt_job *j, sp_err *err)
{
	return rt_job_work(j, look_for_oom, err);
}

static sp_code write_down(rt_job *j, sp_err *err)
{
	rt_container_record *rec = &j->container->rec;
	const ending *e = j->data;
	(void)err;
	rec->state = SP_CRI_CONTAINER_EXITED;
	rec->exit_code = (int32_t)e->exit.exit_status;
	rec->finished_at = e->exit.exited_at != NULL ? e->at.seconds * (int64_t)NS_PER_SECOND + e->at.nanos
						     : sp_wall_ns(j->r->world);
	rec->reason = e->oom                ? SP_STR("OOMKilled")
		      : rec->exit_code == 0 ? SP_STR("Completed")
					    : SP_STR("Error");
	rec->pid = 0;
	return SP_OK;
}

static sp_code on_deleted(rt_job *j, const void *response, sp_err *err)
{
	(void)response;
	(void)err;
	j->container->task_gone = true;
	return SP_OK;
}

sp_code rt_delete_task(rt_job *j, sp_err *err)
{
	const rt_task_id q = {.id = j->container->rec.id};
	j->container->task_gone = false;
	if (j->sandbox->shim_state != RT_SHIM_UP)
		return SP_OK;
	j->ignore_error = true;
	return rt_job_task(j, &rt_task_delete_method, &q, on_deleted, err);
}

sp_code rt_delete_lost(rt_job *j, sp_err *err)
{
	const sp_host_id q = {.id = j->container->rec.id};
	(void)err;
	if (j->container->task_gone)
		return SP_OK;
	if (j->n_deletes++ == RT_DELETES_MOST) {
		sp_log(j->r->opts->log, SP_LOG_WARN, "a task may be left", SP_KS("container", q.id));
		return SP_OK;
	}
	j->steps--; /* once more afterwards */
	j->ignore_error = true;
	return rt_job_host(j, SP_HOST_SHIM_DELETE, &q, on_deleted);
}

static void on_ended(rt_job *j)
{
	rt_container *c = j->container;
	if (!c->exiting)
		return;
	c->exiting = false;
	rt_emit(c, SP_CRI_EVENT_STOPPED);
	rt_tell_waiters(c);
}

static rt_step *const exit_steps[] = {settle_start,   oom, write_down, rt_save_container, rt_delete_task,
				      rt_delete_lost, NULL};

/* ---- a shim that is gone ---- */

static sp_code write_lost(rt_job *j, sp_err *err)
{
	rt_container_record *rec = &j->container->rec;
	(void)err;
	rec->state = SP_CRI_CONTAINER_EXITED;
	rec->exit_code = EXIT_LOST;
	rec->finished_at = sp_wall_ns(j->r->world);
	rec->reason = SP_STR("ContainerStatusUnknown");
	rec->message = SP_STR("the container's shim is gone");
	rec->pid = 0;
	return SP_OK;
}

static rt_step *const lost_steps[] = {settle_start, rt_delete_lost, write_lost, rt_save_container, NULL};

void rt_lost(rt_container *c)
{
	rt_job *j = rt_job_new(c->r, lost_steps);
	rt_job_set_container(j, c);
	j->on_end = on_ended;
	rt_job_start(j);
}

static void on_exit_(rt_rpc *rpc, const void *response, const sp_err *err)
{
	rt_container *c = rpc->arg;
	const rt_task_exit *exit = response;
	if (c->r->closing)
		return;
	if (err != NULL) {
		sp_log(c->r->opts->log, SP_LOG_WARN, "a shim is gone", SP_KS("container", c->rec.id),
		       SP_KE(err));
		rt_lost(c);
		return;
	}
	rt_job *j = rt_job_new(c->r, exit_steps);
	ending *e = sp_new(&j->arena, ending, 1);
	e->exit = *exit;
	if (exit->exited_at != NULL)
		e->at = *exit->exited_at;
	j->data = e;
	rt_job_set_container(j, c);
	j->on_end = on_ended;
	rt_job_start(j);
}

sp_code rt_watch_exit(rt_container *c, sp_err *err)
{
	const rt_task_id q = {.id = c->rec.id};
	c->wait = (rt_rpc){.done = on_exit_, .arg = c};
	return rt_rpc_start(c->sandbox->shim, &c->wait, &rt_task_wait_method, &q, err);
}

/* ---- killing ---- */

static sp_code send_signal(rt_job *j, uint32_t signal, sp_err *err)
{
	const rt_task_kill q = {.id = j->container->rec.id, .signal = signal};
	/* It may have ended; and a shim that is gone is noticed elsewhere. */
	j->ignore_error = true;
	if (j->sandbox->shim_state != RT_SHIM_UP)
		return SP_OK;
	return rt_job_task(j, &rt_task_kill_method, &q, NULL, err);
}

static sp_code kill_now(rt_job *j, sp_err *err)
{
	if (j->container->rec.state != SP_CRI_CONTAINER_RUNNING) {
		j->steps = NULL;
		return SP_OK;
	}
	return send_signal(j, SIGKILL, err);
}

static sp_code wait_end(rt_job *j, sp_err *err)
{
	(void)err;
	if (rt_container_state(j->container) == SP_CRI_CONTAINER_RUNNING) {
		j->steps--;
		wait_for(j);
	}
	return SP_OK;
}

static rt_step *const kill_steps[] = {rt_settle, kill_now, wait_end, NULL};

rt_job *rt_kill_job(rt_container *c)
{
	rt_job *j = rt_job_new(c->r, kill_steps);
	rt_job_set_container(j, c);
	return j;
}

/* ---- StopContainer ---- */

static sp_code find(rt_job *j, sp_err *err)
{
	const sp_cri_stop_container_request *q = j->request;
	rt_container *c = rt_find_container(j->r, q->container_id);
	(void)err;
	if (c == NULL)
		j->steps = NULL; /* that is what was wanted */
	else
		rt_job_set_container(j, c);
	return SP_OK;
}

static sp_code ask(rt_job *j, sp_err *err)
{
	const sp_cri_stop_container_request *q = j->request;
	rt_container *c = j->container;
	if (c->rec.state != SP_CRI_CONTAINER_RUNNING) {
		j->steps = NULL;
		return SP_OK;
	}
	if (q->timeout <= 0 || c->stop_sent)
		return SP_OK; /* once is enough, however many ask */
	c->stop_sent = true;
	return send_signal(j, c->rec.stop_signal, err);
}

static void on_patience_over(sp_timer *t)
{
	rt_job *j = t->arg;
	sp_list_remove(&j->waiter);
	rt_job_resume(j, NULL);
}

/* For the time given; then the next step kills. */
static sp_code be_patient(rt_job *j, sp_err *err)
{
	const sp_cri_stop_container_request *q = j->request;
	uint64_t delay_ns;
	(void)err;
	sp_timer_stop(j->r->world, &j->timer);
	if (q->timeout <= 0 || rt_container_state(j->container) != SP_CRI_CONTAINER_RUNNING)
		return SP_OK;
	if (!sp_mul((uint64_t)q->timeout, NS_PER_SECOND, &delay_ns))
		delay_ns = UINT64_MAX / 2;
	wait_for(j);
	j->timer.arg = j;
	sp_timer_start(j->r->world, &j->timer, delay_ns, on_patience_over);
	return SP_OK;
}

static sp_code after_patience(rt_job *j, sp_err *err)
{
	(void)err;
	sp_timer_stop(j->r->world, &j->timer);
	return SP_OK;
}

rt_step *const rt_stop_container_steps[] = {find,           rt_settle, ask,      be_patient,
					    after_patience, kill_now,  wait_end, NULL};
