/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container runtime: sandboxes and containers behind the seam of contracts/cri.h. Needs no rights of its
 * own: what needs root is asked of the host process, containers live under shims.
 *
 * The process may be killed at any instant: containers go on, the next start adopts or cleans up everything
 * (recover.c).
 */
#pragma once

#include "base/log.h"
#include "contracts/cri.h"
#include "contracts/host.h"
#include "contracts/pod_network.h"
#include "runtime/image/pull.h"
#include "runtime/image/store.h"

typedef struct rt rt;

/* A name a pod may ask for, and what its shim is told: as shim_options below. */
typedef struct rt_handler {
	sp_str name;
	sp_str shim_options;
} rt_handler;

typedef struct rt_opts {
	sp_log *log;
	sp_host *host;
	sp_pod_network *network;
	image_store *images;
	image_registry *registry;
	sp_str state_dir;           /* records; absolute, made when missing */
	sp_str run_dir;             /* the host's: sandboxes/, containers/ */
	sp_str images_dir;          /* of the image store, for statistics */
	sp_str shim_options;        /* containerd.runc.v1.Options for each task, encoded; may be empty */
	const rt_handler *handlers; /* beside the default; see handlers.h */
	size_t n_handlers;
	sp_str cgroup_root;    /* of pods that name no parent: "/sampan" */
	sp_str stream_address; /* "127.0.0.1:0": where exec, attach and port-forward are served */
} rt_opts;

/* Reads the records (blocks: start-up). `opts` and all it names outlive the runtime. */
sp_code rt_new(sp_world *w, const rt_opts *opts, rt **ret, sp_err *err) SP_MUST_USE;
/* Adopts what runs and cleans up the rest; done comes once, from the loop. Before any call of CRI. */
void rt_recover(rt *r, void (*done)(void *arg), void *arg);
/* Refuses new calls, ends those under way, leaves containers alone. done comes once. */
void rt_close(rt *r, void (*done)(void *arg), void *arg);
/* Before recover, or after close's done. NULL is a no-op. */
void rt_free(rt *r);

/* The seam. */
sp_cri *rt_cri(rt *r);
