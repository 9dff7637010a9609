/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "shim/task_int.h"

static void advance(shim_task *task);

/* The call is answered. */
static void op_free(shim_op *op)
{
	shim_task *task = op->queued ? op->task : NULL;
	bool was_first = task != NULL && task->ops.next == &op->node;
	sp_list_remove(&op->node);
	shim_timer_stop(op->tasks->opts.loop, &op->timer);
	sp_arena_done(&op->arena);
	sp_free(op);
	if (was_first)
		advance(task);
}

static void advance(shim_task *task)
{
	if (sp_list_is_empty(&task->ops) || task->tasks->stopping)
		return;
	shim_op *op = SP_CONTAINER_OF(task->ops.next, shim_op, node);
	op->start(op);
}

void shim_op_finish(shim_op *op, const sp_pb_message *m, const void *answer)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, SP_LIMIT_TTRPC_MESSAGE_BYTES);
	sp_pb_encode(m, answer, &out);
	if (sp_buf_code(&out) != SP_OK) {
		shim_op_fail(op, SP_RPC_RESOURCE_EXHAUSTED, "the answer is too large");
		return;
	}
	sp_ttrpc_call_finish(op->call, NULL, sp_buf_view(&out));
	op_free(op);
}

void shim_op_finish_empty(shim_op *op)
{
	sp_ttrpc_call_finish(op->call, NULL, (sp_str){NULL, 0});
	op_free(op);
}

void shim_op_fail(shim_op *op, int32_t rpc_code, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	size_t len = n < 0 ? 0 : SP_MIN((size_t)n, sizeof text - 1);
	/* A status is UTF-8; a cut may have gone through a character. */
	while (len > 0 && !sp_str_is_utf8((sp_str){text, len}) && n >= (int)sizeof text)
		len--;
	sp_ttrpc_status status = {.code = rpc_code, .message = {text, len}};
	if (!sp_str_is_utf8(status.message))
		status.message = SP_STR("the OCI runtime failed with text that is not UTF-8");
	sp_ttrpc_call_finish(op->call, &status, (sp_str){NULL, 0});
	op_free(op);
}

void shim_op_fail_err(shim_op *op, const sp_err *err)
{
	int32_t code = sp_code_lookup(err->code)->grpc_status;
	if (err->code == SP_EIO || err->code == SP_EINTERNAL || err->code == SP_EPROTO)
		code = SP_RPC_UNKNOWN;
	shim_op_fail(op, code, "%s", err->msg);
}

void shim_op_enqueue(shim_op *op, shim_task *task, void (*start)(shim_op *op))
{
	bool idle = sp_list_is_empty(&task->ops);
	op->task = task;
	op->start = start;
	op->queued = true;
	sp_list_push_back(&task->ops, &op->node);
	if (idle)
		advance(task);
}

void shim_task_poke(shim_task *task)
{
	if (sp_list_is_empty(&task->ops))
		return;
	shim_op *op = SP_CONTAINER_OF(task->ops.next, shim_op, node);
	if (op->poke != NULL)
		op->poke(op);
}

void shim_op_on_cancel(void *arg, sp_ttrpc_call *call)
{
	(void)arg;
	shim_op *op = sp_ttrpc_call_user(call);
	/* What was begun goes on; who only waits need not. */
	if (op->waits)
		shim_op_finish_empty(op);
}

shim_task *shim_op_task(shim_op *op, sp_str id)
{
	shim_task *task = shim_task_find(op->tasks, id);
	if (task == NULL)
		shim_op_fail(op, SP_RPC_NOT_FOUND, "container " SP_FMT " not found", SP_ARG(id));
	return task;
}

shim_proc *shim_op_proc_of(shim_op *op, const shim_task *task, sp_str exec_id)
{
	SP_LIST_FOREACH (node, &task->execs) {
		shim_proc *p = SP_CONTAINER_OF(node, shim_proc, node);
		if (sp_str_eq(p->exec_id, exec_id))
			return p;
	}
	shim_op_fail(op, SP_RPC_NOT_FOUND, "process " SP_FMT " does not exist", SP_ARG(exec_id));
	return NULL;
}

shim_proc *shim_op_proc(shim_op *op, sp_str id, sp_str exec_id)
{
	shim_task *task = shim_op_task(op, id);
	if (task == NULL)
		return NULL;
	return exec_id.len == 0 ? &task->init : shim_op_proc_of(op, task, exec_id);
}
