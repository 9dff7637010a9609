/* SPDX-License-Identifier: Apache-2.0 */
/* Delete: the end, the rest of the output, the runtime's delete, the rootfs. */
#include <signal.h>
#include <unistd.h>

#include "shim/rootfs.h"
#include "shim/task_int.h"

#define DRAIN_NS (2 * SHIM_S)

static void answer(shim_op *op)
{
	const shim_proc *p = op->proc;
	shim_stamp at = shim_stamp_of(p->exit.wall_ns);
	const shim_delete_resp resp = {p->pid, p->exit.status, &at};
	shim_op_finish(op, &shim_delete_resp_message, &resp);
}

static void remove_exec(shim_op *op)
{
	shim_proc *p = op->proc;
	sp_str record =
		sp_arena_printf(&op->arena, "%s/" SP_FMT ".exit", op->task->bundle, SP_ARG(p->exec_id));
	if (record.ptr != NULL)
		(void)unlink(record.ptr);
	answer(op);
	shim_proc_free(p);
}

/* The container is forgotten before the answer: a client that has it may create the same id again. */
static void remove_task(shim_op *op)
{
	shim_task *task = op->task;
	shim_proc *p = &task->init;
	shim_stamp at = shim_stamp_of(p->exit.wall_ns);
	const shim_delete_resp resp = {p->pid, p->exit.status, &at};
	shim_proc_publish(p, SHIM_EV_DELETE);
	sp_list_remove(&op->node);
	op->queued = false;
	while (!sp_list_is_empty(&task->ops)) {
		shim_op *next = SP_CONTAINER_OF(task->ops.next, shim_op, node);
		next->queued = false;
		shim_op_fail(next, SP_RPC_NOT_FOUND, "container " SP_FMT " not found", SP_ARG(task->id));
	}
	shim_task_free(task);
	shim_op_finish(op, &shim_delete_resp_message, &resp);
}

static void runtime_deleted(void *arg, bool ok, sp_str why)
{
	shim_op *op = arg;
	sp_err err = {0};
	if (!ok && sp_str_find(why, SP_STR("does not exist")) < 0) {
		shim_op_fail(op, SP_RPC_UNKNOWN, "OCI runtime delete failed: " SP_FMT, SP_ARG(why));
		return;
	}
	if (shim_rootfs_unmount(op->task->bundle, &err) != SP_OK) {
		shim_op_fail_err(op, &err);
		return;
	}
	remove_task(op);
}

static void delete_container(shim_op *op)
{
	sp_err err = {0};
	const char *const args[] = {"delete", op->task->id.ptr, NULL};
	const shim_run_opts o = {.reaper = op->tasks->opts.reaper,
				 .oci = &op->task->oci,
				 .bundle = op->task->bundle,
				 .args = args,
				 .std_in = -1,
				 .done = runtime_deleted,
				 .arg = op};
	if (shim_oci_run(&o, &err) != SP_OK)
		shim_op_fail_err(op, &err);
}

static void drained_or_late(shim_timer *t)
{
	shim_op *op = t->arg;
	op->timed_out = true;
	op->poke(op);
}

/* Called again and again until the process has ended and its output is read. */
static void go_on(shim_op *op)
{
	shim_proc *p = op->proc;
	if (p->status != SHIM_STOPPED && p->pid != 0)
		return;
	if (p->io != NULL && p->pid != 0 && !shim_stdio_is_done(p->io) && !op->timed_out) {
		/* Somebody else may hold the pipe open for ever. */
		if (op->timer.fn == NULL) {
			op->timer = (shim_timer){.fn = drained_or_late, .arg = op};
			shim_timer_start(op->tasks->opts.loop, &op->timer, DRAIN_NS);
		}
		return;
	}
	op->poke = NULL;
	if (p->is_init)
		delete_container(op);
	else
		remove_exec(op);
}

static void start(shim_op *op)
{
	const shim_id_req *req = op->req;
	shim_proc *p = req->exec_id.len == 0 ? &op->task->init : shim_op_proc_of(op, op->task, req->exec_id);
	if (p == NULL)
		return;
	op->proc = p;
	if (p->status == SHIM_RUNNING && p->alive) {
		shim_op_fail(op, SP_RPC_FAILED_PRECONDITION, "cannot delete a running process");
		return;
	}
	/* Created, never started: this is its end. */
	if (p->status == SHIM_CREATED && p->alive)
		(void)kill((int)p->pid, SIGKILL);
	op->poke = go_on;
	go_on(op);
}

void shim_do_delete(shim_op *op)
{
	const shim_id_req *req = op->req;
	shim_task *task = shim_op_task(op, req->id);
	if (task != NULL)
		shim_op_enqueue(op, task, start);
}
