/* SPDX-License-Identifier: Apache-2.0 */
/* Commands in containers: what ExecSync and Exec have in common. A command is part of a job. */
#pragma once

#include "runtime/io.h"
#include "runtime/rt_int.h"

typedef struct rt_command {
	sp_str exec_id;
	const sp_str *args;
	size_t n_args;
	bool tty, want_in;
	rt_io io;
	bool io_used, io_open; /* begun; connected and not over */
	bool added, started, timed_out;
	int32_t exit_code;
	uint64_t timeout_ns; /* 0 = none */
	sp_timer limit;
	rt_rpc kill;
	/* The owner's, for output; on_open and on_close are the command's own. */
	void (*on_output)(struct rt_command *c, uint8_t stream, sp_str bytes);
	void (*on_drain)(struct rt_command *c);
	void *arg;
	rt_job *j;
	bool waits_io; /* the job does */
} rt_command;

/* Steps, in this order (no output is lost before the connection: the shim keeps it); j->data is the
 * rt_command, j->container the container. */
rt_step rt_command_add, rt_command_start, rt_command_connect, rt_command_wait, rt_command_drain,
	rt_command_delete, rt_command_close;
/* For the undo: kills it when it was started. */
rt_step rt_command_abort;
/* The process goes, whatever it does; the steps go on. */
void rt_command_kill(rt_command *c);
