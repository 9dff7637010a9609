/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of task.h: containers, processes, operations. */
#pragma once

#include "io/rpc_status.h"
#include "shim/console.h"
#include "shim/hearing.h"
#include "shim/oci.h"
#include "shim/oom.h"
#include "shim/stdio.h"
#include "shim/task.h"

#define SHIM_ID_BYTES_MAX 128u
#define SHIM_OP_ARENA_BYTES ((size_t)16 << 20)

typedef struct shim_task shim_task;
typedef struct shim_op shim_op;

struct shim_tasks {
	shim_tasks_opts opts;
	sp_list tasks;
	unsigned next_number; /* of console sockets */
	bool ending;          /* after Shutdown nothing new begins */
	bool stopping;        /* being freed */
	sp_ttrpc_service services[SHIM_SERVICES];
};

/* A process of a container: its init, or an exec. */
typedef struct shim_proc {
	sp_list node; /* in task->execs */
	shim_task *task;
	bool is_init;
	sp_arena arena;
	sp_str exec_id; /* empty: init */
	sp_str std_in, std_out, std_err;
	sp_str spec; /* of an exec: its OCI process as JSON */
	bool terminal;
	shim_status status; /* CREATED, RUNNING, STOPPED */
	shim_child child;
	uint32_t pid; /* 0 before it is known; kept after the end */
	shim_hearing hearing;
	bool alive;    /* a process, or a zombie of ours, has that pid */
	bool starting; /* exits wait in `held` until its start has been told */
	bool has_held;
	shim_exit held, exit;
	shim_stdio *io;
	shim_console console;
	sp_list waiters; /* operations */
} shim_proc;

struct shim_task {
	sp_list node;
	shim_tasks *tasks;
	sp_arena arena;
	sp_str id;
	const char *bundle;
	shim_proc init;
	sp_list execs;
	shim_options options;
	shim_oci oci;
	bool own_pid_ns, paused;
	bool init_ended;    /* but not told: execs are still there, or */
	bool killing_rest;  /* what is left is being killed */
	sp_str cgroup_text; /* /proc/PID/cgroup of init */
	shim_oom oom;
	sp_list ops; /* the first one is under way */
};

/* One call under way. Owns its arena, in which the request was decoded. */
struct shim_op {
	sp_list node; /* in task->ops or proc->waiters */
	shim_tasks *tasks;
	sp_ttrpc_call *call;
	sp_arena arena;
	const void *req;
	shim_task *task; /* of queued ones */
	shim_proc *proc;
	void (*start)(shim_op *op);
	/* Something it may wait for has happened (an exit, streams): NULL = it waits for a program only. */
	void (*poke)(shim_op *op);
	shim_timer timer;
	bool queued, waits, timed_out;
};

/* ---- op.c ---- */

void shim_op_finish(shim_op *op, const sp_pb_message *m, const void *answer);
void shim_op_finish_empty(shim_op *op);
/* rpc_code: SP_RPC_…; the text goes out whole. */
void shim_op_fail(shim_op *op, int32_t rpc_code, const char *fmt, ...) SP_PRINTF(3, 4);
/* With the table's gRPC status; SP_EIO, SP_EINTERNAL … as UNKNOWN, as upstream's plain errors. */
void shim_op_fail_err(shim_op *op, const sp_err *err);
/* Behind what the task is doing already. */
void shim_op_enqueue(shim_op *op, shim_task *task, void (*start)(shim_op *op));
/* Tells the operation under way that something happened. */
void shim_task_poke(shim_task *task);
void shim_op_on_cancel(void *arg, sp_ttrpc_call *call);

/* The task of an id, or NULL: the operation has been answered. */
shim_task *shim_op_task(shim_op *op, sp_str id);
/* The process, or NULL: answered. An empty exec_id is the init. */
shim_proc *shim_op_proc(shim_op *op, sp_str id, sp_str exec_id);
/* As above with op->req, a shim_id_req. */
shim_proc *shim_op_proc_of(shim_op *op, const shim_task *task, sp_str exec_id);

/* ---- task.c ---- */

bool shim_id_is_valid(sp_str id);
shim_task *shim_task_find(const shim_tasks *t, sp_str id);
/* SP_ENOMEM. In the list at once. */
sp_code shim_task_new(shim_tasks *t, const shim_create_req *req, shim_task **ret, sp_err *err) SP_MUST_USE;
/* No operation is left but the one that calls. */
void shim_task_free(shim_task *task);
sp_code shim_proc_new(shim_task *task, const shim_exec_req *req, shim_proc **ret, sp_err *err) SP_MUST_USE;
void shim_proc_free(shim_proc *p);
/* Learns the pid of a process that the runtime made; an exit seen before is held. */
void shim_proc_adopt(shim_proc *p, uint32_t pid);
/* Its start has been told, or will never be: a held exit goes on. */
void shim_proc_release(shim_proc *p);
/* Tells the init's exit when nothing stands before it any more. */
void shim_task_settle(shim_task *task);
void shim_proc_publish(const shim_proc *p, shim_event_kind kind);

/* ---- launch.c: what Create and Start of an exec share ---- */

typedef struct shim_launch {
	const char *pid_file;
	const char *args[16];
	size_t n_args;
} shim_launch;

sp_code shim_proc_open(shim_proc *p, sp_err *err) SP_MUST_USE;
/* Runs create or exec; done(op, ok, why). */
sp_code shim_proc_launch(shim_op *op, shim_launch *l, void (*done)(void *arg, bool ok, sp_str why),
			 sp_err *err) SP_MUST_USE;
/* After it ended well: pid, terminal, streams. The exit is held. */
sp_code shim_proc_launched(shim_proc *p, const char *pid_file, sp_err *err) SP_MUST_USE;

/* ---- query.c ---- */

/* A directory of the container's cgroup that lists its processes. False: there is none. */
bool shim_task_cgroup(const shim_task *task, char ret[SHIM_CGROUP_PATH_BYTES]);

/* ---- operations ---- */

void shim_do_create(shim_op *op);
void shim_do_start(shim_op *op);
void shim_do_exec(shim_op *op);
void shim_do_delete(shim_op *op);
void shim_do_kill(shim_op *op);
void shim_do_pause(shim_op *op);
void shim_do_resume(shim_op *op);
void shim_do_update(shim_op *op);
void shim_do_checkpoint(shim_op *op);
void shim_do_state(shim_op *op);
void shim_do_pids(shim_op *op);
void shim_do_resize(shim_op *op);
void shim_do_close_io(shim_op *op);
void shim_do_wait(shim_op *op);
void shim_do_stats(shim_op *op);
void shim_do_connect(shim_op *op);
void shim_do_shutdown(shim_op *op);
void shim_do_reopen(shim_op *op);
void shim_do_descriptors(shim_op *op);
