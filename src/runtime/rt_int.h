/* SPDX-License-Identifier: Apache-2.0 */
/* Private to runtime/: its objects, and the jobs that change them. */
#pragma once

#include "base/map.h"
#include "runtime/record.h"
#include "runtime/rpc.h"
#include "runtime/runtime.h"
#include "runtime/task.h"

#define RT_ID_BYTES 64u
#define RT_OBJECT_BYTES ((size_t)32 << 20) /* of a sandbox's or container's own memory */
#define RT_JOB_BYTES ((size_t)64 << 20)
#define RT_OBJECTS_MAX 10000u /* sandboxes and containers together */

typedef struct rt_job rt_job;
typedef struct rt_streams rt_streams;

/* ---- objects ---- */

typedef enum rt_shim_state {
	RT_SHIM_NONE,     /* not started, or gone */
	RT_SHIM_STARTING, /* being started or connected to */
	RT_SHIM_UP,
} rt_shim_state;

/* What was told of the use of processors, for rates. */
typedef struct rt_cpu_seen {
	int64_t at;
	uint64_t cpu_ns, nano_cores;
	bool has_rate;
} rt_cpu_seen;

typedef struct rt_sandbox {
	rt_sandbox_record rec;
	sp_arena arena; /* what rec points at */
	rt *r;
	sp_str name; /* reserved; see rt_reserve */
	rt_saver saver;
	sp_list containers; /* rt_container.node */
	rt_cpu_seen cpu_seen;
	uint32_t n_refs; /* of jobs, and one of the runtime while it is listed */
	bool stopping, removing, listed;
	/* the shim of its containers */
	rt_shim_state shim_state;
	sp_ttrpc_client *shim;
	sp_connect_req connect;
	sp_list shim_waiters; /* rt_job.waiter */
} rt_sandbox;

typedef struct rt_container {
	rt_container_record rec;
	sp_arena arena;
	rt *r;
	rt_sandbox *sandbox;
	sp_str name;
	sp_list node; /* in the sandbox */
	rt_saver saver;
	rt_cpu_seen cpu_seen;
	uint32_t n_refs;
	bool starting, removing, listed;
	int64_t starting_at; /* while it is `starting`: since then (wall, ns) */
	bool exiting;        /* its end is known; everybody is told when all is written and released */
	bool task_gone;      /* the shim has deleted the task */
	bool stop_sent;      /* the stop signal; it is sent once */
	rt_rpc wait;         /* Task.Wait, while it runs */
	sp_list waiters;     /* rt_job.waiter: told when starting or exiting is over */
} rt_container;

struct rt {
	sp_world *world;
	const rt_opts *opts;
	sp_cri cri;
	sp_map sandboxes, containers; /* by id, listed ones */
	sp_map names;                 /* of both: reserved names to their owners */
	sp_list jobs;
	sp_list subscribers; /* events.c */
	rt_streams *streams; /* streams.c */
	uint64_t caps;       /* of this machine, a bit each */
	bool keeps_range;    /* the range of pods' addresses is being written down */
	bool may_map_users;  /* this machine lets root make user namespaces */
	bool has_apparmor;   /* its kernel has */
	bool counts_huge;    /* its cgroups have huge pages */
	bool closing, closed_told;
	void (*on_closed)(void *arg);
	void *closed_arg;
	sp_defer closed;
};

void rt_sandbox_unref(rt_sandbox *s);
void rt_container_unref(rt_container *c);

/* By id, or by the only id that begins so. NULL: none. */
rt_sandbox *rt_find_sandbox(rt *r, sp_str id);
rt_container *rt_find_container(rt *r, sp_str id);
/* The same for requests: SP_ENOTFOUND says what was looked for. */
sp_code rt_need_sandbox(rt *r, sp_str id, rt_sandbox **ret, sp_err *err) SP_MUST_USE;
sp_code rt_need_container(rt *r, sp_str id, rt_container **ret, sp_err *err) SP_MUST_USE;

/* A new object with a copy of the record; not listed, one reference. */
sp_code rt_sandbox_new(rt *r, const rt_sandbox_record *rec, rt_sandbox **ret, sp_err *err) SP_MUST_USE;
sp_code rt_container_new(rt *r, rt_sandbox *s, const rt_container_record *rec, rt_container **ret,
			 sp_err *err) SP_MUST_USE;
/* Makes the object known by id; SP_EEXISTS when its name is reserved. */
sp_code rt_sandbox_list(rt_sandbox *s, sp_err *err) SP_MUST_USE;
sp_code rt_container_list(rt_container *c, sp_err *err) SP_MUST_USE;
/* Forgets the id and name; the object goes with its last reference. */
void rt_sandbox_unlist(rt_sandbox *s);
void rt_container_unlist(rt_container *c);

/* 64 hex digits in the arena. */
sp_str rt_new_id(rt *r, sp_arena *a);

/* ---- jobs (job.c) ---- */

/*
 * A sequence of steps, most of which wait for somebody. A step returns an error, or SP_OK after it began
 * something that will call rt_job_resume (it has called rt_job_wait then), or SP_OK when there is nothing to
 * wait for. After a failure the undo steps are run, whose errors are logged only; then the job ends with the
 * failure.
 */
typedef sp_code rt_step(rt_job *j, sp_err *err);

struct rt_job {
	rt *r;
	sp_list node;
	sp_arena arena;
	rt_step *const *steps; /* NULL-terminated */
	rt_step *const *undo;  /* may be NULL */
	bool in_step, waiting, undoing;
	sp_code code;
	sp_err err;

	/* the request; NULL call: nobody waits (any more) */
	sp_cri_call *call;
	sp_cri_method method;
	const void *request;
	void *response; /* NULL: the empty one */
	sp_timer deadline;
	sp_defer start;

	/* part of another job, which waits until all its parts ended */
	rt_job *parent;
	size_t n_parts;
	sp_err parts_err;          /* of the first one that failed, while others run */
	void (*on_end)(rt_job *j); /* may be NULL; before the memory goes */

	rt_sandbox *sandbox; /* references of the job, or NULL */
	rt_container *container;
	void *data;         /* of the steps, in the arena */
	size_t i;           /* a counter of the steps */
	unsigned n_deletes; /* how often `shim delete` was tried: RT_DELETES_MOST */

	/* what a step waits for: one at a time */
	sp_host_call host;
	rt_rpc rpc;
	sp_pod_network_call net;
	rt_save save;
	sp_work work;
	sp_timer timer;
	sp_list waiter; /* of a container's exit, of a shim */
	sp_code (*on_answer)(rt_job *j, const void *response, sp_err *err); /* of host and rpc; may be NULL */
	bool ignore_error;         /* of the next answer of host or task: what was to be done may be done */
	void (*unwait)(rt_job *j); /* takes the job off what it waits for, when the runtime closes */
};

/* A job without a request; nothing runs before rt_job_start. Aborts without memory. */
rt_job *rt_job_new(rt *r, rt_step *const *steps);
void rt_job_set_sandbox(rt_job *j, rt_sandbox *s);
void rt_job_set_container(rt_job *j, rt_container *c);
/* From the loop, at the end of this turn. */
void rt_job_start(rt_job *j);
/* Starts `part` and lets j wait for it (and others); its error becomes j's own when j has none. To be called
 * in a step. */
void rt_job_part(rt_job *j, rt_job *part);

void rt_job_wait(rt_job *j);
/* Ends the wait: err NULL for success. */
void rt_job_resume(rt_job *j, const sp_err *err);

/* Steps' tools; each waits. on_answer may be NULL. */
sp_code rt_job_host(rt_job *j, sp_host_method m, const void *request,
		    sp_code (*on_answer)(rt_job *j, const void *response, sp_err *err));
sp_code rt_job_task(rt_job *j, const rt_rpc_method *m, const void *request,
		    sp_code (*on_answer)(rt_job *j, const void *response, sp_err *err),
		    sp_err *err) SP_MUST_USE;
sp_code rt_job_save(rt_job *j, rt_saver *s);
sp_code rt_job_work(rt_job *j, void (*fn)(sp_work *work), sp_err *err) SP_MUST_USE;

/* Steps of several jobs. */
rt_step rt_save_sandbox, rt_save_container;
rt_step rt_forget_sandbox, rt_forget_container; /* removes the record's file */
/* The shim of j->sandbox is started (for j->container) and connected to; connected to only. */
rt_step rt_need_shim, rt_shim_connect;
/* A shim that was started without being written down is found in the bundle of j->container: the first reads
 * (into j->data), the second keeps the address. */
rt_step rt_read_shim, rt_take_shim;

/* ---- requests ---- */

/* What a method does: fills the job and leaves it to run, or refuses. Comes from the loop. */
typedef struct rt_method {
	rt_step *const *steps, *const *undo;
} rt_method;
extern const rt_method rt_methods[SP_CRI_METHODS_];

void rt_cri_init(rt *r);
/* Reads the records (blocks: start-up). */
sp_code rt_load(rt *r, sp_err *err) SP_MUST_USE;
/* A job or a connection is gone: that may have been what the end waited for. */
void rt_maybe_closed(rt *r);

/* ---- containers' life (exit.c) ---- */

/* RUNNING until the end is complete. */
int32_t rt_container_state(const rt_container *c);
/* What others are told: RUNNING from the moment that somebody has it started. A node agent that comes anew
 * starts another in the place of one that is only CREATED, and then both would run. */
int32_t rt_container_told_state(const rt_container *c);
/* "CONTAINER_RUNNING" … */
const char *rt_state_name(const rt_container *c);
/* Waits for the end of the container, which has a task. */
sp_code rt_watch_exit(rt_container *c, sp_err *err) SP_MUST_USE;
/* The shim is gone: what is left is killed, and the container has ended with 137. */
void rt_lost(rt_container *c);
/* Steps that undo Task.Create: by the shim; then without it what it could not say it deleted. */
rt_step rt_delete_task, rt_delete_lost;
/* `shim delete` is tried again: it may have been killed, and what runs on would be lost with the record. */
#define RT_DELETES_MOST 5u
/* Starting or exiting is over. */
void rt_tell_waiters(rt_container *c);
/* Waits until the container is neither starting nor exiting. */
rt_step rt_settle;
/* Parts of other jobs: kills the container when it runs and waits for its end; removes it. */
rt_job *rt_kill_job(rt_container *c);
rt_job *rt_remove_job(rt_container *c);
rt_job *rt_stop_sandbox_job(rt_sandbox *s);
/* Stops, removes and forgets all of it. */
rt_job *rt_teardown_job(rt_sandbox *s);
bool rt_sandbox_has_net(const rt_sandbox *s);
bool rt_sandbox_has_ipc(const rt_sandbox *s);
/* The ids of its own user namespace; NULL: it has none. */
const sp_cri_user_namespace *rt_sandbox_users(const rt_sandbox *s);
/* This kernel can make one, and show layers and volumes with its ids. */
bool rt_can_map_users(const rt *r);

/* The sequences of the methods (methods.c has the table). */
typedef rt_step *const rt_steps[];
extern rt_steps rt_run_sandbox_steps, rt_run_sandbox_undo, rt_stop_sandbox_steps, rt_remove_sandbox_steps,
	rt_update_sandbox_steps, rt_create_container_steps, rt_create_container_undo,
	rt_remove_container_steps, rt_start_container_steps, rt_start_container_undo, rt_stop_container_steps,
	rt_update_steps, rt_reopen_steps, rt_exec_sync_steps, rt_exec_sync_undo, rt_container_stats_steps,
	rt_list_container_stats_steps, rt_sandbox_stats_steps, rt_list_sandbox_stats_steps,
	rt_list_metrics_steps;
rt_step rt_exec, rt_attach, rt_port_forward;

/* ---- images as volumes (image_mounts.c) ---- */

/* What a request may ask for of a mount; SP_OK for other mounts. */
sp_code rt_image_mount_check(const sp_cri_mount *m, sp_err *err) SP_MUST_USE;
bool rt_has_image_mounts(const sp_cri_container_config *config);
/* Parts of other jobs, for all mounts of a container that are images. The first gives each its path in
 * ret_paths[index of the mount], in the arena; the second, after the bundle is gone, gives the images back;
 * what is not there is fine. `config` is used while they run. */
rt_job *rt_image_mounts_job(rt_sandbox *s, sp_str id, const sp_cri_container_config *config, sp_arena *a,
			    sp_str *ret_paths);
rt_job *rt_image_mounts_remove_job(rt *r, sp_str id, const sp_cri_container_config *config);
/* The container that a root filesystem of the image store is for. */
sp_str rt_rootfs_owner(sp_str key);
/* The mounts as they are told: with what the images are. */
void rt_image_mounts_tell(rt *r, sp_str id, const sp_cri_container_config *config, sp_arena *a,
			  sp_cri_container_status *ret);

/* ---- the range of pods' addresses (range.c) ---- */

/* Of UpdateRuntimeConfig: kept for the next start; pods with addresses of another are stopped. */
extern rt_step *const rt_update_config_steps[];
/* The one that was kept goes to the network (blocks: start-up). */
void rt_load_range(rt *r);
/* It was attached with addresses that are not of the range. */
bool rt_sandbox_is_stale(const rt_sandbox *s);

/* ---- events.c ---- */

void rt_subscribe(sp_cri *cri, sp_cri_events *e);
void rt_unsubscribe(sp_cri *cri, sp_cri_events *e);
void rt_emit(rt_container *c, int32_t type);
void rt_emit_sandbox(rt_sandbox *s, int32_t type);

/* Methods that only look. */
rt_step rt_version, rt_status_look, rt_status, rt_runtime_config, rt_list_containers, rt_list_sandboxes,
	rt_container_status_call, rt_sandbox_status_call, rt_list_images, rt_image_status, rt_pull_image,
	rt_remove_image, rt_image_fs_info, rt_list_metric_descriptors;

/* ---- exec, attach, port-forward (streams.h) ---- */

sp_code rt_streams_new(rt *r, rt_streams **ret, sp_err *err) SP_MUST_USE;
/* NULL is fine. done comes once. */
void rt_streams_close(rt_streams *o, void (*done)(void *arg), void *arg);
void rt_streams_free(rt_streams *o);

/* ---- what is told of objects (status.c) ---- */

/* In the arena; views into the object's memory, good during this callback. */
sp_cri_container_status *rt_container_status(rt_container *c, sp_arena *a);
sp_cri_pod_sandbox_status *rt_sandbox_status(rt_sandbox *s, sp_arena *a);
/* All pairs of `wanted` are among `has`. */
bool rt_labels_match(const sp_pb_pair *wanted, size_t n_wanted, const sp_pb_pair *has, size_t n_has);

/* RUN_DIR/<kind>/<id><rest>, in the arena. */
sp_str rt_path(rt *r, sp_arena *a, const char *kind, sp_str id, const char *rest);
/* The socket of a container's standard streams. */
sp_str rt_attach_path(rt *r, sp_arena *a, sp_str id);
