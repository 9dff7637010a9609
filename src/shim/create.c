/* SPDX-License-Identifier: Apache-2.0 */
/* Create: rootfs, streams, the runtime's create. What fails undoes what came before. */
#include <fcntl.h>
#include <unistd.h>

#include "shim/args.h"
#include "shim/files.h"
#include "shim/rootfs.h"
#include "shim/task_int.h"

#define CGROUP_TEXT_BYTES ((size_t)16 << 10)

static const shim_create_req *request(const shim_op *op)
{
	return op->req;
}

/* Nothing of the container is left but the answer. */
static void undo(shim_op *op)
{
	shim_task *task = op->task;
	sp_err err = {0};
	if (shim_rootfs_unmount(task->bundle, &err) != SP_OK)
		sp_log(op->tasks->opts.log, SP_LOG_ERROR, "rootfs stays mounted", SP_KS("id", task->id),
		       SP_KE(&err));
	/* Others may have queued behind a container that never came to be. */
	sp_list_remove(&op->node);
	op->queued = false;
	while (!sp_list_is_empty(&task->ops)) {
		shim_op *next = SP_CONTAINER_OF(task->ops.next, shim_op, node);
		next->queued = false;
		shim_op_fail(next, SP_RPC_NOT_FOUND, "container " SP_FMT " not found", SP_ARG(task->id));
	}
	shim_task_free(task);
	op->task = NULL;
}

static void fail(shim_op *op, const sp_err *err)
{
	undo(op);
	shim_op_fail_err(op, err);
}

/* ---- before the runtime ---- */

static sp_code decode_options(shim_task *task, const shim_any *any, sp_err *err)
{
	if (any == NULL || any->value.len == 0)
		return SP_OK;
	const shim_any copy = {any->type_url, sp_arena_try_dup(&task->arena, any->value)};
	if (copy.value.len == 0)
		return sp_fail(err, SP_ENOMEM, "no memory for options");
	return shim_options_of(&copy, &task->arena, &task->options, err);
}

static sp_code read_config(shim_task *task, sp_arena *a, shim_config *ret, sp_err *err)
{
	SP_AUTO_BUF json;
	char path[4096];
	sp_buf_init(&json, SHIM_CONFIG_BYTES_MAX);
	int n = snprintf(path, sizeof path, "%s/config.json", task->bundle);
	if (n < 0 || (size_t)n >= sizeof path)
		return sp_fail(err, SP_ETOOLARGE, "bundle path is too long");
	SP_TRY(shim_read_file(AT_FDCWD, path, &json, err));
	return shim_config_parse(sp_buf_view(&json), a, ret, err);
}

/* What `delete` needs to know when we are gone. */
static sp_code save_choice(const shim_task *task, const shim_any *options, sp_err *err)
{
	int dir = open(task->bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	sp_str value = options == NULL ? (sp_str){NULL, 0} : options->value;
	sp_code code = shim_write_file(dir, "shim.options", value, 0600, err);
	if (code == SP_OK)
		code = shim_write_file(dir, "runtime", sp_str_c(task->oci.path), 0600, err);
	if (dir >= 0)
		(void)close(dir);
	return code;
}

static sp_code prepare(shim_op *op, sp_err *err)
{
	const shim_create_req *req = request(op);
	const shim_tasks_opts *t = &op->tasks->opts;
	shim_task *task = op->task;
	shim_config config = {0};
	sp_str note;
	SP_TRY(decode_options(task, req->options, err));
	SP_TRY(read_config(task, &op->arena, &config, err));
	task->own_pid_ns = config.own_pid_ns;
	SP_TRY(shim_oci_choose(&task->options, &config, &t->cgroups, t->ns, t->path, &task->arena, &task->oci,
			       &note, err));
	if (note.len > 0)
		sp_log(t->log, SP_LOG_WARN, "runtime chosen", SP_KS("id", task->id), SP_KS("why", note));
	SP_TRY(save_choice(task, req->options, err));
	SP_TRY(shim_rootfs_mount(task->bundle, req->rootfs.at, req->rootfs.n, err));
	return shim_proc_open(&task->init, err);
}

/* ---- the runtime ---- */

static void launched(void *arg, bool ok, sp_str why);

static const char *pid_file(shim_op *op)
{
	return sp_arena_printf(&op->arena, "%s/init.pid", op->task->bundle).ptr;
}

static void launch(shim_op *op)
{
	shim_task *task = op->task;
	sp_err err = {0};
	shim_launch l = {.pid_file = pid_file(op), .args = {"create", "--bundle", task->bundle}, .n_args = 3};
	op->poke = NULL;
	if (l.pid_file == NULL) {
		(void)sp_fail(&err, SP_ENOMEM, "no memory for a path");
		fail(op, &err);
		return;
	}
	if (task->oci.no_pivot_root)
		l.args[l.n_args++] = "--no-pivot";
	if (task->oci.no_new_keyring)
		l.args[l.n_args++] = "--no-new-keyring";
	if (shim_proc_launch(op, &l, launched, &err) != SP_OK)
		fail(op, &err);
}

static void await_streams(shim_op *op)
{
	if (shim_stdio_is_ready(op->proc->io))
		launch(op);
}

static void remember_cgroup(shim_task *task)
{
	SP_AUTO_BUF text;
	char path[64];
	sp_buf_init(&text, CGROUP_TEXT_BYTES);
	(void)snprintf(path, sizeof path, "/proc/%u/cgroup", task->init.pid);
	if (shim_read_file(AT_FDCWD, path, &text, NULL) == SP_OK)
		task->cgroup_text = sp_arena_try_dup(&task->arena, sp_buf_view(&text));
}

static void publish_create(const shim_op *op)
{
	const shim_create_req *req = request(op);
	const shim_task *task = op->task;
	shim_io_msg io = {req->std_in, req->std_out, req->std_err, req->terminal};
	const shim_event e = {.container_id = task->id,
			      .bundle = sp_str_c(task->bundle),
			      .rootfs = {req->rootfs.at, req->rootfs.n},
			      .io = &io,
			      .pid = task->init.pid};
	shim_publish(op->tasks->opts.publisher, SHIM_EV_CREATE, &e);
}

static void abandoned(void *arg, bool ok, sp_str why)
{
	(void)arg;
	(void)ok;
	(void)why;
}

/* It was created, but we can't go on: nobody may find it later. */
static void abandon(shim_op *op)
{
	const shim_task *task = op->task;
	const char *const args[] = {"delete", "--force", task->id.ptr, NULL};
	const shim_run_opts o = {.reaper = op->tasks->opts.reaper,
				 .oci = &task->oci,
				 .bundle = task->bundle,
				 .args = args,
				 .std_in = -1,
				 .done = abandoned};
	sp_err err = {0};
	if (shim_oci_run(&o, &err) != SP_OK)
		sp_log(op->tasks->opts.log, SP_LOG_ERROR, "container left behind", SP_KS("id", task->id),
		       SP_KE(&err));
}

/*
 * An old crun knows no config.json of a later specification than its own, which runc takes. When the choice
 * was ours, runc gets its turn: nothing has been made yet, and the streams are still there.
 */
static bool try_runc(shim_op *op, sp_str why)
{
	shim_task *task = op->task;
	const shim_tasks_opts *t = &op->tasks->opts;
	const shim_create_req *req = request(op);
	const shim_config config = {0};
	shim_options runc = task->options;
	sp_str note;
	if (task->options.binary_name.len > 0 || sp_str_find(why, SP_STR("unknown version")) < 0)
		return false;
	runc.binary_name = SP_STR("runc");
	if (shim_oci_choose(&runc, &config, &t->cgroups, t->ns, t->path, &task->arena, &task->oci, &note,
			    NULL) != SP_OK ||
	    save_choice(task, req->options, NULL) != SP_OK)
		return false;
	task->options = runc;
	shim_console_close(&op->proc->console);
	sp_log(t->log, SP_LOG_WARN, "runc instead of crun", SP_KS("id", task->id), SP_KS("why", why));
	launch(op);
	return true;
}

static void launched(void *arg, bool ok, sp_str why)
{
	shim_op *op = arg;
	shim_proc *p = op->proc;
	sp_err err = {0};
	if (!ok && try_runc(op, why))
		return;
	if (!ok) {
		sp_str text = sp_arena_try_dup(&op->arena, why);
		undo(op);
		shim_op_fail(op, SP_RPC_UNKNOWN, "OCI runtime create failed: " SP_FMT, SP_ARG(text));
		return;
	}
	if (shim_proc_launched(p, pid_file(op), &err) != SP_OK) {
		abandon(op);
		fail(op, &err);
		return;
	}
	remember_cgroup(op->task);
	publish_create(op);
	const shim_pid_resp resp = {p->pid};
	shim_op_finish(op, &shim_pid_resp_message, &resp);
	shim_proc_release(p);
}

/* ---- the call ---- */

static void start(shim_op *op)
{
	sp_err err = {0};
	op->proc = &op->task->init;
	if (prepare(op, &err) != SP_OK) {
		fail(op, &err);
		return;
	}
	op->poke = await_streams;
	await_streams(op);
}

void shim_do_create(shim_op *op)
{
	const shim_create_req *req = request(op);
	shim_task *task;
	sp_err err = {0};
	if (!shim_id_is_valid(req->id) || !sp_str_starts(req->bundle, SP_STR("/"))) {
		shim_op_fail(op, SP_RPC_INVALID_ARGUMENT, "container id or bundle is not valid");
	} else if (op->tasks->ending) {
		shim_op_fail(op, SP_RPC_UNAVAILABLE, "the shim ends");
	} else if (shim_task_find(op->tasks, req->id) != NULL) {
		shim_op_fail(op, SP_RPC_ALREADY_EXISTS, "container " SP_FMT " already exists",
			     SP_ARG(req->id));
	} else if (req->checkpoint.len > 0) {
		shim_op_fail(op, SP_RPC_UNIMPLEMENTED, "restoring a checkpoint is not supported");
	} else if (shim_task_new(op->tasks, req, &task, &err) != SP_OK) {
		shim_op_fail_err(op, &err);
	} else {
		shim_op_enqueue(op, task, start);
	}
}
