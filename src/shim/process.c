/* SPDX-License-Identifier: Apache-2.0 */
/* Start, Exec, Kill, Pause, Resume, Update. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shim/files.h"
#include "shim/task_int.h"

/* How often it is looked whether a program hears a signal. */
#define LOOK_AGAIN_NS (5 * SHIM_MS)

/* ---- the init's start ---- */

static void oom_seen(void *arg)
{
	const shim_task *task = arg;
	const shim_event e = {.container_id = task->id};
	shim_publish(task->tasks->opts.publisher, SHIM_EV_OOM, &e);
}

static sp_code run(shim_op *op, const char *const *args, int std_in,
		   void (*done)(void *arg, bool ok, sp_str why), sp_err *err)
{
	const shim_run_opts o = {.reaper = op->tasks->opts.reaper,
				 .oci = &op->task->oci,
				 .bundle = op->task->bundle,
				 .args = args,
				 .std_in = std_in,
				 .done = done,
				 .arg = op};
	return shim_oci_run(&o, err);
}

static void told_started(shim_op *op, shim_event_kind kind)
{
	shim_proc *p = op->proc;
	const shim_pid_resp resp = {p->pid};
	p->status = SHIM_RUNNING;
	p->hearing.started_ns = shim_now_ns();
	shim_proc_publish(p, kind);
	shim_op_finish(op, &shim_pid_resp_message, &resp);
	shim_proc_release(p);
}

static void init_started(void *arg, bool ok, sp_str why)
{
	shim_op *op = arg;
	shim_proc *p = op->proc;
	if (ok) {
		told_started(op, SHIM_EV_START);
		return;
	}
	shim_op_fail(op, SP_RPC_UNKNOWN, "OCI runtime start failed: " SP_FMT, SP_ARG(why));
	shim_proc_release(p);
}

static void start_init(shim_op *op)
{
	shim_task *task = op->task;
	sp_err err = {0};
	op->proc = &task->init;
	if (task->init.status != SHIM_CREATED || task->init_ended) {
		shim_op_fail(op, SP_RPC_FAILED_PRECONDITION, "cannot start a %s process",
			     task->init.status == SHIM_RUNNING ? "running" : "stopped");
		return;
	}
	/* Before its first instruction, so that no kill is missed. */
	if (shim_oom_start(&task->oom, op->tasks->opts.loop, &op->tasks->opts.cgroups, task->cgroup_text,
			   oom_seen, task, &err) != SP_OK)
		sp_log(op->tasks->opts.log, SP_LOG_WARN, "no OOM events", SP_KS("id", task->id), SP_KE(&err));
	const char *const args[] = {"start", task->id.ptr, NULL};
	task->init.starting = true;
	if (run(op, args, -1, init_started, &err) == SP_OK)
		return;
	shim_op_fail_err(op, &err);
	shim_proc_release(&task->init);
}

/* ---- an exec's start ---- */

typedef struct exec_files {
	const char *spec, *pid;
} exec_files;

static exec_files files_of(shim_op *op)
{
	const shim_proc *p = op->proc;
	return (exec_files){
		sp_arena_printf(&op->arena, "%s/" SP_FMT ".json", op->task->bundle, SP_ARG(p->exec_id)).ptr,
		sp_arena_printf(&op->arena, "%s/" SP_FMT ".pid", op->task->bundle, SP_ARG(p->exec_id)).ptr,
	};
}

/* It never ran. Its status says so to whoever asks before Delete. */
static void exec_failed(shim_op *op)
{
	shim_proc *p = op->proc;
	shim_task *task = op->task;
	shim_stdio_close(p->io);
	p->io = NULL;
	shim_console_close(&p->console);
	p->exit = (shim_exit){.status = 255, .wall_ns = shim_wall_ns(NULL)};
	p->status = SHIM_STOPPED;
	p->starting = false;
	while (!sp_list_is_empty(&p->waiters)) {
		shim_op *waiter = SP_CONTAINER_OF(p->waiters.next, shim_op, node);
		shim_stamp at = shim_stamp_of(p->exit.wall_ns);
		const shim_wait_resp resp = {p->exit.status, &at};
		shim_op_finish(waiter, &shim_wait_resp_message, &resp);
	}
	shim_task_settle(task);
}

static void exec_launched(void *arg, bool ok, sp_str why)
{
	shim_op *op = arg;
	shim_proc *p = op->proc;
	sp_err err = {0};
	exec_files f = files_of(op);
	(void)unlink(f.spec);
	if (!ok) {
		exec_failed(op);
		shim_op_fail(op, SP_RPC_UNKNOWN, "OCI runtime exec failed: " SP_FMT, SP_ARG(why));
		return;
	}
	sp_code code = shim_proc_launched(p, f.pid, &err);
	(void)unlink(f.pid);
	if (code != SP_OK) {
		/* It runs, and its end will be told; but nobody can talk to it. */
		if (p->alive)
			(void)kill((int)p->pid, SIGKILL);
		shim_op_fail_err(op, &err);
		shim_proc_release(p);
		return;
	}
	told_started(op, SHIM_EV_EXEC_STARTED);
}

static void launch_exec(shim_op *op)
{
	shim_proc *p = op->proc;
	sp_err err = {0};
	exec_files f = files_of(op);
	op->poke = NULL;
	sp_code code = f.spec == NULL || f.pid == NULL
			       ? sp_fail(&err, SP_ENOMEM, "no memory for a path")
			       : shim_write_file(AT_FDCWD, f.spec, p->spec, 0600, &err);
	if (code == SP_OK) {
		shim_launch l = {
			.pid_file = f.pid, .args = {"exec", "--process", f.spec, "--detach"}, .n_args = 4};
		code = shim_proc_launch(op, &l, exec_launched, &err);
	}
	if (code != SP_OK) {
		exec_failed(op);
		shim_op_fail_err(op, &err);
	}
}

static void await_streams(shim_op *op)
{
	if (shim_stdio_is_ready(op->proc->io))
		launch_exec(op);
}

static void start_exec(shim_op *op)
{
	const shim_id_req *req = op->req;
	sp_err err = {0};
	shim_proc *p = shim_op_proc_of(op, op->task, req->exec_id);
	if (p == NULL)
		return;
	op->proc = p;
	if (p->status != SHIM_CREATED) {
		shim_op_fail(op, SP_RPC_FAILED_PRECONDITION, "cannot start a %s process",
			     p->status == SHIM_RUNNING ? "running" : "stopped");
		return;
	}
	if (op->task->init.status != SHIM_RUNNING || op->task->init_ended) {
		shim_op_fail(op, SP_RPC_FAILED_PRECONDITION, "cannot exec in a container that does not run");
		return;
	}
	/* From here on the init's exit waits for what becomes of this. */
	p->starting = true;
	if (shim_proc_open(p, &err) != SP_OK) {
		exec_failed(op);
		shim_op_fail_err(op, &err);
		return;
	}
	op->poke = await_streams;
	await_streams(op);
}

void shim_do_start(shim_op *op)
{
	const shim_id_req *req = op->req;
	shim_task *task = shim_op_task(op, req->id);
	if (task != NULL)
		shim_op_enqueue(op, task, req->exec_id.len == 0 ? start_init : start_exec);
}

/* ---- exec ---- */

static void register_exec(shim_op *op)
{
	const shim_exec_req *req = op->req;
	shim_proc *p;
	sp_err err = {0};
	SP_LIST_FOREACH (node, &op->task->execs) {
		if (sp_str_eq(SP_CONTAINER_OF(node, shim_proc, node)->exec_id, req->exec_id)) {
			shim_op_fail(op, SP_RPC_ALREADY_EXISTS, "id " SP_FMT " already exists",
				     SP_ARG(req->exec_id));
			return;
		}
	}
	if (shim_proc_new(op->task, req, &p, &err) != SP_OK) {
		shim_op_fail_err(op, &err);
		return;
	}
	shim_proc_publish(p, SHIM_EV_EXEC_ADDED);
	shim_op_finish_empty(op);
}

void shim_do_exec(shim_op *op)
{
	const shim_exec_req *req = op->req;
	if (!shim_id_is_valid(req->exec_id) || sp_str_eq(req->exec_id, SP_STR("init")) || req->spec == NULL) {
		shim_op_fail(op, SP_RPC_INVALID_ARGUMENT, "exec id or process spec is not valid");
		return;
	}
	shim_task *task = shim_op_task(op, req->id);
	if (task != NULL)
		shim_op_enqueue(op, task, register_exec);
}

/* ---- kill ---- */

static void nothing_more(void *arg, bool ok, sp_str why)
{
	shim_op *op = arg;
	if (ok)
		shim_op_finish_empty(op);
	else
		shim_op_fail(op, SP_RPC_UNKNOWN, SP_FMT, SP_ARG(why));
}

static void kill_all(shim_op *op)
{
	const shim_kill_req *req = op->req;
	sp_err err = {0};
	char number[16];
	(void)snprintf(number, sizeof number, "%u", req->signal);
	const char *const args[] = {"kill", "--all", op->task->id.ptr, number, NULL};
	if (run(op, args, -1, nothing_more, &err) != SP_OK)
		shim_op_fail_err(op, &err);
}

static void thaw(shim_op *op)
{
	sp_err err = {0};
	const char *const args[] = {"resume", op->task->id.ptr, NULL};
	op->task->paused = false;
	if (run(op, args, -1, nothing_more, &err) != SP_OK)
		shim_op_fail_err(op, &err);
}

/* Of the first process of a namespace: others do not lose a signal, they end. */
static bool is_early(shim_proc *p, uint32_t signal)
{
	bool runs = p->status == SHIM_RUNNING || (p->status == SHIM_CREATED && p->starting);
	return p->is_init && p->task->own_pid_ns && runs && !p->task->paused &&
	       shim_signal_is_early(&p->hearing, "/proc", p->pid, signal, shim_now_ns());
}

static void kill_again(shim_timer *t)
{
	shim_do_kill(t->arg); /* looks for the process again: it may have gone */
}

void shim_do_kill(shim_op *op)
{
	const shim_kill_req *req = op->req;
	if (req->signal > (uint32_t)SIGRTMAX) {
		shim_op_fail(op, SP_RPC_INVALID_ARGUMENT, "signal %u is not valid", req->signal);
		return;
	}
	shim_proc *p = shim_op_proc(op, req->id, req->exec_id);
	if (p == NULL)
		return;
	if (!p->alive) {
		bool never = p->status == SHIM_CREATED && p->pid == 0;
		shim_op_fail(op, never ? SP_RPC_FAILED_PRECONDITION : SP_RPC_NOT_FOUND,
			     never ? "process not created" : "process already finished");
		return;
	}
	if (req->all && p->is_init && p->status != SHIM_CREATED) {
		shim_op_enqueue(op, p->task, kill_all);
		return;
	}
	if (is_early(p, req->signal)) {
		op->timer = (shim_timer){.fn = kill_again, .arg = op};
		shim_timer_start(op->tasks->opts.loop, &op->timer, LOOK_AGAIN_NS);
		return;
	}
	/* Our child, not reaped: the pid is its. */
	if (kill((int)p->pid, (int)req->signal) != 0) {
		shim_op_fail(op, errno == ESRCH ? SP_RPC_NOT_FOUND : SP_RPC_UNKNOWN, "kill: %s",
			     strerror(errno));
		return;
	}
	/* A frozen process of cgroup v1 does not even die. */
	if (req->signal == SIGKILL && p->task->paused)
		shim_op_enqueue(op, p->task, thaw);
	else
		shim_op_finish_empty(op);
}

/* ---- pause, resume, update ---- */

static void paused(void *arg, bool ok, sp_str why)
{
	shim_op *op = arg;
	if (ok) {
		op->task->paused = true;
		shim_proc_publish(&op->task->init, SHIM_EV_PAUSED);
	}
	nothing_more(op, ok, why);
}

static void resumed(void *arg, bool ok, sp_str why)
{
	shim_op *op = arg;
	if (ok) {
		op->task->paused = false;
		shim_proc_publish(&op->task->init, SHIM_EV_RESUMED);
	}
	nothing_more(op, ok, why);
}

static void run_verb(shim_op *op, const char *verb, bool when_paused,
		     void (*done)(void *arg, bool ok, sp_str why))
{
	sp_err err = {0};
	const char *const args[] = {verb, op->task->id.ptr, NULL};
	if (op->task->init.status != SHIM_RUNNING || op->task->paused != when_paused)
		shim_op_fail(op, SP_RPC_FAILED_PRECONDITION, "cannot %s a container that is %s", verb,
			     op->task->paused                        ? "paused"
			     : op->task->init.status == SHIM_RUNNING ? "running"
								     : "not running");
	else if (run(op, args, -1, done, &err) != SP_OK)
		shim_op_fail_err(op, &err);
}

static void start_pause(shim_op *op)
{
	run_verb(op, "pause", false, paused);
}
static void start_resume(shim_op *op)
{
	run_verb(op, "resume", true, resumed);
}

static void enqueue_for(shim_op *op, sp_str id, void (*start)(shim_op *op))
{
	shim_task *task = shim_op_task(op, id);
	if (task != NULL)
		shim_op_enqueue(op, task, start);
}

void shim_do_pause(shim_op *op)
{
	enqueue_for(op, ((const shim_id_req *)op->req)->id, start_pause);
}

void shim_do_resume(shim_op *op)
{
	enqueue_for(op, ((const shim_id_req *)op->req)->id, start_resume);
}

/* The JSON as a descriptor to read from. */
static int memory_file(sp_str bytes)
{
	int fd = memfd_create("resources", MFD_CLOEXEC);
	if (fd >= 0 &&
	    (pwrite(fd, bytes.ptr, bytes.len, 0) != (ssize_t)bytes.len || lseek(fd, 0, SEEK_SET) != 0)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static void start_update(shim_op *op)
{
	const shim_update_req *req = op->req;
	sp_err err = {0};
	int fd = memory_file(req->resources->value);
	const char *const args[] = {"update", "--resources", "-", op->task->id.ptr, NULL};
	sp_code code = fd < 0 ? sp_fail_sys(&err, errno, "memfd") : run(op, args, fd, nothing_more, &err);
	if (fd >= 0)
		(void)close(fd);
	if (code != SP_OK)
		shim_op_fail_err(op, &err);
}

void shim_do_update(shim_op *op)
{
	const shim_update_req *req = op->req;
	if (req->resources == NULL || !sp_str_ends(req->resources->type_url, SP_STR("/LinuxResources")))
		shim_op_fail(op, SP_RPC_INVALID_ARGUMENT, "expected type *specs.LinuxResources");
	else
		enqueue_for(op, req->id, start_update);
}

void shim_do_checkpoint(shim_op *op)
{
	shim_op_fail(op, SP_RPC_UNIMPLEMENTED, "checkpoint is not supported");
}
