/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the runtime knows of a sandbox or a container and needs again after a crash: one file each, in
 * protobuf.
 *
 *   STATE_DIR/sandboxes/<id>    rt_sandbox_record
 *   STATE_DIR/containers/<id>   rt_container_record
 *
 * A file is replaced by renaming, so it is old or new whenever the process dies. It is not synced: what it
 * describes does not outlive the machine either, and a record lost with the machine's power leaves nothing
 * that the next start does not clean up.
 */
#pragma once

#include "contracts/cri.h"
#include "io/world.h"

typedef enum rt_phase {
	RT_SANDBOX_MAKING, /* being made: the next start tears it down */
	RT_SANDBOX_READY,
	RT_SANDBOX_STOPPED,
} rt_phase;

typedef struct rt_sandbox_record {
	sp_str id;
	sp_cri_pod_sandbox_config *config;
	sp_str runtime_handler;
	int64_t created_at; /* ns since 1970, as all times here */
	int32_t phase;
	SP_PB_LIST(sp_str) ips;
	sp_str host_if; /* empty: the host's network */
	sp_str shim;    /* ttrpc address; empty before the first container starts */
} rt_sandbox_record;

typedef struct rt_container_record {
	sp_str id, sandbox_id;
	sp_cri_container_config *config;
	sp_str image_id;
	int64_t created_at, started_at, finished_at;
	int32_t state; /* SP_CRI_CONTAINER_… */
	int32_t exit_code;
	sp_str reason, message;
	uint32_t stop_signal;
	sp_cri_linux_container_user *user;
	sp_str log_path; /* absolute; empty: no log */
	sp_str cgroup;   /* cgroupsPath of its config.json */
	uint32_t pid;
	SP_PB_LIST(sp_str) env; /* of its process, "KEY=value" */
	sp_str process;         /* the rest of its process as members of JSON, for commands */
	bool own_pids;          /* it has a PID namespace of its own */
} rt_container_record;

extern const sp_pb_message rt_sandbox_record_message, rt_container_record_message;

/*
 * Writes records, one write per record at a time. Embedded in the sandbox or container.
 */
typedef struct rt_saver {
	sp_world *world;
	const sp_pb_message *message;
	const void *record;
	char path[512]; /* NUL-terminated */
	sp_work work;
	sp_buf bytes;
	sp_list now, next; /* rt_save: those this write is for, those that came after it began */
	sp_err err;
	sp_code code;
	bool busy;
} rt_saver;

/* Somebody who waits until the record, as it is when asked for, is in its file. Embedded; in place until
 * done.
 */
typedef struct rt_save {
	sp_list node;
	void (*done)(struct rt_save *s,
		     const sp_err *err); /* once; from inside the start when it fails at once */
	void *arg;
} rt_save;

void rt_saver_init(rt_saver *s, sp_world *w, const sp_pb_message *message, const void *record);
void rt_saver_done(rt_saver *s);
void rt_saver_start(rt_saver *s, rt_save *save);
