/* SPDX-License-Identifier: Apache-2.0 */
/* From a registered process to a running one: streams, the runtime's create or exec, its pid. */
#include <fcntl.h>
#include <unistd.h>

#include "base/num.h"
#include "shim/files.h"
#include "shim/task_int.h"

static void stdio_changed(void *arg)
{
	shim_proc *p = arg;
	shim_task_poke(p->task);
}

sp_code shim_proc_open(shim_proc *p, sp_err *err)
{
	shim_task *task = p->task;
	const shim_tasks_opts *t = &task->tasks->opts;
	const shim_stdio_opts o = {.loop = t->loop,
				   .reaper = t->reaper,
				   .std_in = p->std_in,
				   .std_out = p->std_out,
				   .std_err = p->std_err,
				   .id = task->id,
				   .ns = t->ns,
				   .terminal = p->terminal,
				   .uid = task->options.io_uid,
				   .gid = task->options.io_gid,
				   .changed = stdio_changed,
				   .arg = p};
	return shim_stdio_open(&o, &p->io, err);
}

static void add(shim_launch *l, const char *arg)
{
	SP_ASSERT(l->n_args + 1 < SP_LEN(l->args));
	l->args[l->n_args++] = arg;
}

sp_code shim_proc_launch(shim_op *op, shim_launch *l, void (*done)(void *arg, bool ok, sp_str why),
			 sp_err *err)
{
	shim_proc *p = op->proc;
	shim_task *task = p->task;
	add(l, "--pid-file");
	add(l, l->pid_file);
	if (p->terminal) {
		SP_TRY(shim_console_open(task->bundle, task->tasks->next_number++, &p->console, err));
		add(l, "--console-socket");
		add(l, p->console.path);
	}
	add(l, task->id.ptr);
	add(l, NULL);
	const shim_run_opts o = {.reaper = task->tasks->opts.reaper,
				 .oci = &task->oci,
				 .bundle = task->bundle,
				 .args = l->args,
				 .fds = shim_stdio_child_fds(p->io),
				 .done = done,
				 .arg = op};
	return shim_oci_run(&o, err);
}

static sp_code read_pid(const char *path, uint32_t *ret, sp_err *err)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 64);
	uint64_t pid;
	SP_TRY(shim_read_file(AT_FDCWD, path, &text, err));
	SP_TRY(sp_parse_u64(sp_str_trim(sp_buf_view(&text)), 1, INT32_MAX, &pid, err));
	*ret = (uint32_t)pid;
	return SP_OK;
}

sp_code shim_proc_launched(shim_proc *p, const char *pid_file, sp_err *err)
{
	uint32_t pid;
	int console = -1;
	SP_TRY(read_pid(pid_file, &pid, err));
	shim_proc_adopt(p, pid);
	sp_code code = p->terminal ? shim_console_receive(&p->console, &console, err) : SP_OK;
	shim_console_close(&p->console);
	shim_stdio_started(p->io, console);
	return code;
}
