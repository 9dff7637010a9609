/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/record.h"

#include "io/file.h"

#define RECORD_BYTES ((size_t)16 << 20)

static const sp_pb_slot sandbox_slots[] = {
	SP_PB_SLOT(rt_sandbox_record, id, 1, STRING),
	SP_PB_SLOT_MSG(rt_sandbox_record, config, 2, &sp_cri_pod_sandbox_config_message),
	SP_PB_SLOT(rt_sandbox_record, runtime_handler, 3, STRING),
	SP_PB_SLOT(rt_sandbox_record, created_at, 4, INT64),
	SP_PB_SLOT(rt_sandbox_record, phase, 5, INT32),
	SP_PB_SLOT_LIST(rt_sandbox_record, ips, 6, STRING),
	SP_PB_SLOT(rt_sandbox_record, host_if, 7, STRING),
	SP_PB_SLOT(rt_sandbox_record, shim, 8, STRING),
};
const sp_pb_message rt_sandbox_record_message =
	SP_PB_MESSAGE_OF("SandboxRecord", rt_sandbox_record, sandbox_slots);

static const sp_pb_slot container_slots[] = {
	SP_PB_SLOT(rt_container_record, id, 1, STRING),
	SP_PB_SLOT(rt_container_record, sandbox_id, 2, STRING),
	SP_PB_SLOT_MSG(rt_container_record, config, 3, &sp_cri_container_config_message),
	SP_PB_SLOT(rt_container_record, image_id, 4, STRING),
	SP_PB_SLOT(rt_container_record, created_at, 5, INT64),
	SP_PB_SLOT(rt_container_record, started_at, 6, INT64),
	SP_PB_SLOT(rt_container_record, finished_at, 7, INT64),
	SP_PB_SLOT(rt_container_record, state, 8, INT32),
	SP_PB_SLOT(rt_container_record, exit_code, 9, INT32),
	SP_PB_SLOT(rt_container_record, reason, 10, STRING),
	SP_PB_SLOT(rt_container_record, message, 11, STRING),
	SP_PB_SLOT(rt_container_record, stop_signal, 12, UINT32),
	SP_PB_SLOT_MSG(rt_container_record, user, 13, &sp_cri_linux_container_user_message),
	SP_PB_SLOT(rt_container_record, log_path, 14, STRING),
	SP_PB_SLOT(rt_container_record, cgroup, 15, STRING),
	SP_PB_SLOT(rt_container_record, pid, 16, UINT32),
	SP_PB_SLOT(rt_container_record, own_pids, 17, BOOL),
	SP_PB_SLOT_LIST(rt_container_record, env, 18, STRING),
	SP_PB_SLOT(rt_container_record, process, 19, BYTES),
};
const sp_pb_message rt_container_record_message =
	SP_PB_MESSAGE_OF("ContainerRecord", rt_container_record, container_slots);

/* ---- writing ---- */

void rt_saver_init(rt_saver *s, sp_world *w, const sp_pb_message *message, const void *record)
{
	*s = (rt_saver){.world = w, .message = message, .record = record};
	sp_list_init(&s->now);
	sp_list_init(&s->next);
	sp_buf_init(&s->bytes, RECORD_BYTES);
}

void rt_saver_done(rt_saver *s)
{
	SP_ASSERT(!s->busy);
	sp_buf_done(&s->bytes);
}

/* On a worker. */
static void write_record(sp_work *job)
{
	rt_saver *s = job->arg;
	sp_file *f = NULL;
	char tmp[sizeof s->path + 8];
	(void)snprintf(tmp, sizeof tmp, "%s.tmp", s->path);
	sp_str from = sp_str_c(tmp);
	s->code = sp_file_open(s->world, from, SP_FILE_WRITE | SP_FILE_CREATE | SP_FILE_TRUNCATE, 0600, &f,
			       &s->err);
	if (s->code != SP_OK)
		return;
	s->code = sp_file_pwrite(f, 0, s->bytes.ptr, s->bytes.len, &s->err);
	sp_file_close(f);
	if (s->code == SP_OK)
		s->code = sp_path_rename(s->world, from, sp_str_c(s->path), &s->err);
}

static void begin(rt_saver *s);

static void tell(rt_saver *s)
{
	sp_list told, *n;
	sp_list_init(&told);
	while ((n = sp_list_pop_front(&s->now)) != NULL)
		sp_list_push_back(&told, n);
	sp_err err = s->err;
	sp_code code = s->code;
	s->busy = false;
	if (!sp_list_is_empty(&s->next))
		begin(s);
	/* The last of them may release the saver. */
	while ((n = sp_list_pop_front(&told)) != NULL) {
		rt_save *save = SP_CONTAINER_OF(n, rt_save, node);
		save->done(save, code == SP_OK ? NULL : &err);
	}
}

static void on_written(sp_work *job)
{
	tell(job->arg);
}

static void begin(rt_saver *s)
{
	sp_list *n;
	while ((n = sp_list_pop_front(&s->next)) != NULL)
		sp_list_push_back(&s->now, n);
	s->busy = true;
	s->code = SP_OK;
	sp_buf_clear(&s->bytes);
	sp_pb_encode(s->message, s->record, &s->bytes);
	s->work = (sp_work){.fn = write_record, .done = on_written, .arg = s};
	if (sp_buf_code(&s->bytes) != SP_OK)
		s->code = sp_fail(&s->err, sp_buf_code(&s->bytes), "the record is too large");
	else {
		sp_code started = sp_work_start(s->world, &s->work, &s->err);
		if (started == SP_OK)
			return; /* the code is the worker's now */
		s->code = started;
	}
	tell(s);
}

void rt_saver_start(rt_saver *s, rt_save *save)
{
	sp_list_push_back(&s->next, &save->node);
	if (!s->busy)
		begin(s);
}
