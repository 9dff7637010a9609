/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/task.h"

#include <fcntl.h>
#include <inttypes.h>

#include "base/alloc.h"
#include "shim/files.h"
#include "shim/task_int.h"

#define PROC_ARENA_BYTES ((size_t)8 << 20)

bool shim_id_is_valid(sp_str id)
{
	if (id.len == 0 || id.len > SHIM_ID_BYTES_MAX || id.ptr[0] == '.')
		return false;
	for (size_t i = 0; i < id.len; i++) {
		char c = id.ptr[i], low = (char)(c | 0x20);
		if (!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '-' &&
		    c != '.')
			return false;
	}
	return true;
}

shim_task *shim_task_find(const shim_tasks *t, sp_str id)
{
	SP_LIST_FOREACH (node, &t->tasks) {
		shim_task *task = SP_CONTAINER_OF(node, shim_task, node);
		if (sp_str_eq(task->id, id))
			return task;
	}
	return NULL;
}

/* ---- processes ---- */

static void on_child_exit(shim_child *c, const shim_exit *e);

static void proc_init(shim_proc *p, shim_task *task)
{
	p->task = task;
	p->status = SHIM_CREATED;
	p->child = (shim_child){.on_exit = on_child_exit, .arg = p};
	p->console.listener = -1;
	sp_arena_init(&p->arena, PROC_ARENA_BYTES);
	sp_list_init(&p->node);
	sp_list_init(&p->waiters);
}

static bool dup_all(sp_arena *a, sp_str *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sp_str copy = sp_arena_try_dup(a, *texts[i]);
		if (copy.len != texts[i]->len)
			return false;
		*texts[i] = copy;
	}
	return true;
}

sp_code shim_proc_new(shim_task *task, const shim_exec_req *req, shim_proc **ret, sp_err *err)
{
	shim_proc *p = sp_try_alloc(sizeof *p);
	if (p == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a process");
	proc_init(p, task);
	p->terminal = req->terminal;
	p->exec_id = req->exec_id;
	p->std_in = req->std_in;
	p->std_out = req->std_out;
	p->std_err = req->std_err;
	p->spec = req->spec->value;
	sp_str *const texts[] = {&p->exec_id, &p->std_in, &p->std_out, &p->std_err, &p->spec};
	if (!dup_all(&p->arena, texts, SP_LEN(texts))) {
		sp_arena_done(&p->arena);
		sp_free(p);
		return sp_fail(err, SP_ENOMEM, "no memory for a process");
	}
	sp_list_push_back(&task->execs, &p->node);
	*ret = p;
	return SP_OK;
}

static void proc_done(shim_proc *p)
{
	while (!sp_list_is_empty(&p->waiters))
		shim_op_fail(SP_CONTAINER_OF(p->waiters.next, shim_op, node), SP_RPC_NOT_FOUND,
			     "process was deleted");
	shim_child_remove(&p->child);
	shim_stdio_close(p->io);
	shim_console_close(&p->console);
	sp_list_remove(&p->node);
	sp_arena_done(&p->arena);
}

void shim_proc_free(shim_proc *p)
{
	proc_done(p);
	sp_free(p);
}

/* ---- tasks ---- */

sp_code shim_task_new(shim_tasks *t, const shim_create_req *req, shim_task **ret, sp_err *err)
{
	shim_task *task = sp_try_alloc(sizeof *task);
	if (task == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a container");
	task->tasks = t;
	sp_arena_init(&task->arena, PROC_ARENA_BYTES);
	sp_list_init(&task->execs);
	sp_list_init(&task->ops);
	shim_proc *p = &task->init;
	proc_init(p, task);
	p->is_init = true;
	p->terminal = req->terminal;
	p->std_in = req->std_in;
	p->std_out = req->std_out;
	p->std_err = req->std_err;
	task->id = req->id;
	sp_str bundle = req->bundle;
	sp_str *const texts[] = {&p->std_in, &p->std_out, &p->std_err, &task->id, &bundle};
	sp_list_init(&task->node);
	if (!dup_all(&task->arena, texts, SP_LEN(texts))) {
		shim_task_free(task);
		return sp_fail(err, SP_ENOMEM, "no memory for a container");
	}
	task->bundle = bundle.ptr;
	sp_list_push_back(&t->tasks, &task->node);
	*ret = task;
	return SP_OK;
}

void shim_task_free(shim_task *task)
{
	while (!sp_list_is_empty(&task->execs))
		shim_proc_free(SP_CONTAINER_OF(task->execs.next, shim_proc, node));
	proc_done(&task->init);
	shim_oom_stop(&task->oom);
	sp_list_remove(&task->node);
	sp_arena_done(&task->arena);
	sp_free(task);
}

/* ---- exits ---- */

/* On disk before anybody hears of it: if we are killed in between, `delete` tells the truth. */
static void write_record(const shim_proc *p)
{
	char path[4096], text[80];
	sp_err err = {0};
	int n = p->is_init ? snprintf(path, sizeof path, "%s/init.exit", p->task->bundle)
			   : snprintf(path, sizeof path, "%s/" SP_FMT ".exit", p->task->bundle,
				      SP_ARG(p->exec_id));
	int len = snprintf(text, sizeof text, "%d %" PRIu32 " %" PRId64 "\n", p->exit.pid, p->exit.status,
			   p->exit.wall_ns);
	if (n < 0 || (size_t)n >= sizeof path ||
	    shim_write_file(AT_FDCWD, path, (sp_str){text, (size_t)len}, 0600, &err) != SP_OK)
		sp_log(p->task->tasks->opts.log, SP_LOG_ERROR, "exit not recorded", SP_KS("id", p->task->id),
		       SP_KE(&err));
}

static void answer_waiters(shim_proc *p)
{
	while (!sp_list_is_empty(&p->waiters)) {
		shim_op *op = SP_CONTAINER_OF(p->waiters.next, shim_op, node);
		shim_stamp at = shim_stamp_of(p->exit.wall_ns);
		const shim_wait_resp resp = {p->exit.status, &at};
		shim_op_finish(op, &shim_wait_resp_message, &resp);
	}
}

static void tell_exit(shim_proc *p)
{
	shim_task *task = p->task;
	shim_oom_check(&task->oom);
	write_record(p);
	p->status = SHIM_STOPPED;
	shim_proc_publish(p, SHIM_EV_EXIT);
	answer_waiters(p);
	shim_task_poke(task);
}

static bool exec_is_there(const shim_task *task)
{
	SP_LIST_FOREACH (node, &task->execs) {
		const shim_proc *p = SP_CONTAINER_OF(node, shim_proc, node);
		if (p->alive || p->starting)
			return true;
	}
	return false;
}

void shim_task_settle(shim_task *task)
{
	if (!task->init_ended || task->killing_rest || exec_is_there(task))
		return;
	task->init_ended = false;
	tell_exit(&task->init);
}

static void killed_rest(void *arg, bool ok, sp_str why)
{
	shim_task *task = arg;
	/* It fails when there was nothing left to kill, which is as good. */
	(void)ok;
	(void)why;
	task->killing_rest = false;
	shim_task_settle(task);
}

/*
 * Without a pid namespace of its own the others outlive the init. runc freezes the group while it kills, and
 * refuses to delete a container that looks paused: so the end is told, and Delete runs, when that is over.
 */
static void kill_rest(shim_task *task)
{
	sp_err err = {0};
	const char *const args[] = {"kill", "--all", task->id.ptr, "9", NULL};
	const shim_run_opts o = {.reaper = task->tasks->opts.reaper,
				 .oci = &task->oci,
				 .bundle = task->bundle,
				 .args = args,
				 .std_in = -1,
				 .done = killed_rest,
				 .arg = task};
	task->killing_rest = shim_oci_run(&o, &err) == SP_OK;
	if (!task->killing_rest)
		sp_log(task->tasks->opts.log, SP_LOG_ERROR, "cannot kill a container's processes",
		       SP_KS("id", task->id), SP_KE(&err));
}

static void proc_exited(shim_proc *p, const shim_exit *e)
{
	shim_task *task = p->task;
	p->exit = *e;
	p->alive = false;
	if (p->io != NULL)
		shim_stdio_close_stdin(p->io);
	if (!p->is_init) {
		tell_exit(p);
		shim_task_settle(task);
		return;
	}
	task->init_ended = true;
	if (!task->own_pid_ns)
		kill_rest(task);
	shim_task_settle(task);
}

static void on_child_exit(shim_child *c, const shim_exit *e)
{
	shim_proc *p = c->arg;
	if (p->starting) {
		p->held = *e;
		p->has_held = true;
	} else {
		proc_exited(p, e);
	}
}

void shim_proc_adopt(shim_proc *p, uint32_t pid)
{
	p->pid = pid;
	p->alive = true;
	p->starting = true;
	p->has_held = shim_child_add(p->task->tasks->opts.reaper, &p->child, (int)pid, &p->held);
}

void shim_proc_release(shim_proc *p)
{
	p->starting = false;
	if (!p->has_held)
		return;
	p->has_held = false;
	shim_exit e = p->held;
	proc_exited(p, &e);
}

void shim_proc_publish(const shim_proc *p, shim_event_kind kind)
{
	const shim_task *task = p->task;
	shim_stamp at = shim_stamp_of(p->exit.wall_ns);
	shim_io_msg io = {p->std_in, p->std_out, p->std_err, p->terminal};
	const shim_event e = {.container_id = task->id,
			      .exec_id = !p->is_init            ? p->exec_id
					 : kind == SHIM_EV_EXIT ? task->id
								: (sp_str){NULL, 0},
			      .bundle = sp_str_c(task->bundle),
			      .io = &io,
			      .pid = p->pid,
			      .exit_status = p->exit.status,
			      .exited_at = &at};
	shim_publish(task->tasks->opts.publisher, kind, &e);
}

/* ---- all of them ---- */

shim_tasks *shim_tasks_new(const shim_tasks_opts *o)
{
	shim_tasks *t = SP_NEW(shim_tasks);
	t->opts = *o;
	sp_list_init(&t->tasks);
	return t;
}

void shim_tasks_free(shim_tasks *t)
{
	t->stopping = true;
	while (!sp_list_is_empty(&t->tasks)) {
		shim_task *task = SP_CONTAINER_OF(t->tasks.next, shim_task, node);
		while (!sp_list_is_empty(&task->ops))
			shim_op_fail(SP_CONTAINER_OF(task->ops.next, shim_op, node), SP_RPC_UNAVAILABLE,
				     "the shim ends");
		shim_task_free(task);
	}
	sp_free(t);
}

static void reopen(const shim_proc *p)
{
	sp_err err = {0};
	if (p->io == NULL)
		return;
	sp_code code = shim_stdio_reopen(p->io, &err);
	if (code != SP_OK && code != SP_EUNSUPPORTED)
		sp_log(p->task->tasks->opts.log, SP_LOG_WARN, "log not reopened", SP_KS("id", p->task->id),
		       SP_KE(&err));
}

void shim_tasks_reopen_logs(shim_tasks *t)
{
	SP_LIST_FOREACH (node, &t->tasks) {
		const shim_task *task = SP_CONTAINER_OF(node, shim_task, node);
		reopen(&task->init);
		SP_LIST_FOREACH (exec, &task->execs)
			reopen(SP_CONTAINER_OF(exec, shim_proc, node));
	}
}
