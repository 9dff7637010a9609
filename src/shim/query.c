/* SPDX-License-Identifier: Apache-2.0 */
/* What is answered at once: State, Pids, Stats, Wait, Connect, ResizePty, CloseIO, Shutdown, Reopen. */
#include <unistd.h>

#include "base/limits.h"
#include "shim/files.h"
#include "shim/task_int.h"

#define PIDS_MAX 65536u

static const shim_id_req *id_request(const shim_op *op)
{
	return op->req;
}

void shim_do_state(shim_op *op)
{
	const shim_id_req *req = id_request(op);
	const shim_proc *p = shim_op_proc(op, req->id, req->exec_id);
	if (p == NULL)
		return;
	bool over = p->status == SHIM_STOPPED;
	shim_stamp at = shim_stamp_of(p->exit.wall_ns);
	bool paused = p->is_init && p->task->paused && p->status == SHIM_RUNNING;
	const shim_state_resp resp = {
		.id = p->task->id,
		.bundle = sp_str_c(p->task->bundle),
		.pid = p->pid,
		.status = (int32_t)(paused ? SHIM_PAUSED : p->status),
		.std_in = p->std_in,
		.std_out = p->std_out,
		.std_err = p->std_err,
		.terminal = p->terminal,
		.exit_status = over ? p->exit.status : 0,
		.exited_at = over ? &at : NULL,
		.exec_id = p->exec_id,
	};
	shim_op_finish(op, &shim_state_resp_message, &resp);
}

/* ---- pids ---- */

typedef struct pid_list {
	shim_op *op;
	const shim_task *task;
	shim_process_info *at;
	size_t n, cap;
} pid_list;

/* What names an exec in the answer, or NULL. */
static shim_any *details(const pid_list *l, uint32_t pid)
{
	SP_LIST_FOREACH (node, &l->task->execs) {
		const shim_proc *p = SP_CONTAINER_OF(node, shim_proc, node);
		if (p->pid != pid || !p->alive)
			continue;
		SP_AUTO_BUF out;
		sp_buf_init(&out, 1024);
		const shim_details d = {p->exec_id};
		sp_pb_encode(&shim_details_message, &d, &out);
		shim_any *any = sp_try_new(&l->op->arena, shim_any, 1);
		if (any == NULL)
			return NULL;
		any->type_url = sp_str_c(shim_details_message.name);
		any->value = sp_arena_try_dup(&l->op->arena, sp_buf_view(&out));
		return any;
	}
	return NULL;
}

static void add_pid(void *arg, uint32_t pid)
{
	pid_list *l = arg;
	if (l->n == PIDS_MAX)
		return;
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 64 : 2 * l->cap;
		shim_process_info *at =
			sp_arena_try_grow(&l->op->arena, l->at, l->cap * sizeof *at, cap * sizeof *at);
		if (at == NULL)
			return;
		l->at = at;
		l->cap = cap;
	}
	l->at[l->n++] = (shim_process_info){pid, details(l, pid)};
}

bool shim_task_cgroup(const shim_task *task, char ret[SHIM_CGROUP_PATH_BYTES])
{
	/* Any controller would do: a container is in all that the machine has. */
	static const char *const controllers[] = {"pids", "memory", "devices", "freezer", "cpu"};
	for (size_t i = 0; i < SP_LEN(controllers); i++) {
		if (shim_cgroup_dir(&task->tasks->opts.cgroups, task->cgroup_text, controllers[i], ret) &&
		    shim_file_exists(ret))
			return true;
	}
	return false;
}

void shim_do_pids(shim_op *op)
{
	const shim_task *task = shim_op_task(op, id_request(op)->id);
	char dir[SHIM_CGROUP_PATH_BYTES];
	if (task == NULL)
		return;
	pid_list l = {.op = op, .task = task};
	if (shim_task_cgroup(task, dir))
		shim_cgroup_pids(dir, add_pid, &l);
	const shim_pids_resp resp = {{l.at, l.n}};
	shim_op_finish(op, &shim_pids_resp_message, &resp);
}

/* ---- figures ---- */

void shim_do_stats(shim_op *op)
{
	const shim_task *task = shim_op_task(op, id_request(op)->id);
	sp_err err = {0};
	shim_any any;
	if (task == NULL)
		return;
	SP_AUTO_BUF out;
	sp_buf_init(&out, SP_LIMIT_TTRPC_MESSAGE_BYTES);
	if (shim_cgroup_stats(&op->tasks->opts.cgroups, task->cgroup_text, &out, &any.type_url, &err) !=
	    SP_OK) {
		shim_op_fail_err(op, &err);
		return;
	}
	any.value = sp_buf_view(&out);
	const shim_stats_resp resp = {&any};
	shim_op_finish(op, &shim_stats_resp_message, &resp);
}

/* ---- waiting ---- */

void shim_do_wait(shim_op *op)
{
	const shim_id_req *req = id_request(op);
	shim_proc *p = shim_op_proc(op, req->id, req->exec_id);
	if (p == NULL)
		return;
	if (p->status != SHIM_STOPPED) {
		op->waits = true;
		sp_list_push_back(&p->waiters, &op->node);
		return;
	}
	shim_stamp at = shim_stamp_of(p->exit.wall_ns);
	const shim_wait_resp resp = {p->exit.status, &at};
	shim_op_finish(op, &shim_wait_resp_message, &resp);
}

/* ---- the rest ---- */

void shim_do_connect(shim_op *op)
{
	const shim_task *task = shim_task_find(op->tasks, id_request(op)->id);
	const shim_connect_resp resp = {.shim_pid = (uint32_t)getpid(),
					.task_pid = task == NULL ? 0 : task->init.pid};
	shim_op_finish(op, &shim_connect_resp_message, &resp);
}

void shim_do_resize(shim_op *op)
{
	const shim_resize_req *req = op->req;
	sp_err err = {0};
	const shim_proc *p = shim_op_proc(op, req->id, req->exec_id);
	if (p == NULL)
		return;
	if (p->io == NULL)
		shim_op_fail(op, SP_RPC_FAILED_PRECONDITION, "process has no terminal yet");
	else if (shim_stdio_resize(p->io, req->width, req->height, &err) != SP_OK)
		shim_op_fail_err(op, &err);
	else
		shim_op_finish_empty(op);
}

void shim_do_close_io(shim_op *op)
{
	const shim_close_req *req = op->req;
	const shim_proc *p = shim_op_proc(op, req->id, req->exec_id);
	if (p == NULL)
		return;
	if (req->std_in && p->io != NULL)
		shim_stdio_close_stdin(p->io);
	shim_op_finish_empty(op);
}

/* Somebody runs, or will: a container that has ended and could not be deleted does not count. */
static bool is_needed(const shim_tasks *t)
{
	SP_LIST_FOREACH (node, &t->tasks) {
		const shim_task *task = SP_CONTAINER_OF(node, shim_task, node);
		if (task->init.status != SHIM_STOPPED)
			return true;
	}
	return false;
}

void shim_do_shutdown(shim_op *op)
{
	const shim_shutdown_req *req = op->req;
	shim_tasks *t = op->tasks;
	bool stays = req->now ? is_needed(t) : !sp_list_is_empty(&t->tasks);
	shim_op_finish_empty(op);
	if (stays)
		return;
	t->ending = true;
	t->opts.on_shutdown(t->opts.arg);
}

void shim_do_reopen(shim_op *op)
{
	const shim_id_req *req = id_request(op);
	sp_err err = {0};
	const shim_proc *p = shim_op_proc(op, req->id, req->exec_id);
	if (p == NULL)
		return;
	if (p->io == NULL)
		shim_op_fail(op, SP_RPC_FAILED_PRECONDITION, "container has no log yet");
	else if (shim_stdio_reopen(p->io, &err) != SP_OK)
		shim_op_fail_err(op, &err);
	else
		shim_op_finish_empty(op);
}
