/* SPDX-License-Identifier: Apache-2.0 */
/* ExecSync. U: containerd pkg/cri/server/container_execsync.go. */
#include "base/num.h"
#include "runtime/command.h"

#define OUTPUT_BYTES ((size_t)7 << 20) /* of each stream: both fit the answer's 16 MiB */
#define NS_PER_SECOND UINT64_C(1000000000)

typedef struct sync_exec {
	rt_command command; /* first: j->data is both */
	sp_buf out[2];
} sync_exec;

static void release(void *arg)
{
	sync_exec *x = arg;
	sp_buf_done(&x->out[0]);
	sp_buf_done(&x->out[1]);
}

/* What is beyond the limit is dropped. */
static void on_output(rt_command *c, uint8_t stream, sp_str bytes)
{
	sync_exec *x = SP_CONTAINER_OF(c, sync_exec, command);
	sp_buf *out = &x->out[stream == RT_IO_STDERR];
	size_t room = OUTPUT_BYTES - out->len;
	(void)sp_buf_append(out, bytes.ptr, SP_MIN(bytes.len, room));
}

static sp_code begin(rt_job *j, sp_err *err)
{
	const sp_cri_exec_sync_request *q = j->request;
	rt_container *c;
	SP_TRY(rt_need_container(j->r, q->container_id, &c, err));
	if (rt_container_state(c) != SP_CRI_CONTAINER_RUNNING)
		return sp_fail(err, SP_ECONFLICT, "container is in %s state", rt_state_name(c));
	if (q->cmd.n == 0)
		return sp_fail(err, SP_EINVAL, "no command to run");
	rt_job_set_container(j, c);
	sync_exec *x = sp_new(&j->arena, sync_exec, 1);
	sp_buf_init(&x->out[0], OUTPUT_BYTES);
	sp_buf_init(&x->out[1], OUTPUT_BYTES);
	if (!sp_arena_on_reset(&j->arena, release, x))
		return sp_fail(err, SP_ENOMEM, "no memory for a command");
	x->command.args = q->cmd.at;
	x->command.n_args = q->cmd.n;
	x->command.on_output = on_output;
	if (q->timeout > 0 && !sp_mul((uint64_t)q->timeout, NS_PER_SECOND, &x->command.timeout_ns))
		x->command.timeout_ns = 0;
	j->data = &x->command;
	return SP_OK;
}

static sp_code tell(rt_job *j, sp_err *err)
{
	const sp_cri_exec_sync_request *q = j->request;
	const sync_exec *x = j->data;
	if (x->command.timed_out)
		return sp_fail(err, SP_ETIMEOUT, "timeout %llds exceeded: context deadline exceeded",
			       (long long)q->timeout);
	sp_cri_exec_sync_response *a = sp_new(&j->arena, sp_cri_exec_sync_response, 1);
	a->stdout = sp_buf_view(&x->out[0]);
	a->stderr = sp_buf_view(&x->out[1]);
	a->exit_code = x->command.exit_code;
	j->response = a;
	return SP_OK;
}

rt_step *const rt_exec_sync_steps[] = {begin,
				       rt_command_add,
				       rt_command_start,
				       rt_command_connect,
				       rt_command_wait,
				       rt_command_drain,
				       rt_command_delete,
				       rt_command_close,
				       tell,
				       NULL};
rt_step *const rt_exec_sync_undo[] = {rt_command_abort, rt_command_delete, rt_command_close, NULL};
