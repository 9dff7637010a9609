/* SPDX-License-Identifier: Apache-2.0 */
/* Private to host/. */
#pragma once

#include "contracts/host.h"
#include "host/host.h"
#include "io/ttrpc/conn.h"

#define HOST_PATH_BYTES 4096u

struct host {
	sp_world *world;
	const host_opts *opts;
	sp_ttrpc_server_conn *conn;
	void (*on_end)(void *arg);
	void *arg;
	sp_ttrpc_service service;
	sp_ttrpc_method methods[SP_HOST_METHODS_];
	int ns[4];       /* its own namespaces: net, ipc, uts, pid */
	int lock;        /* RUN-DIR/lock, held */
	sp_list running; /* host_run */
	sp_list layers;  /* layers.c: those that are being unpacked, removed, measured */
	bool is_gone;
	bool is_waking; /* cgroup.c */
};

/* One request being carried out. */
typedef struct host_request {
	host *h;
	sp_host_method method;
	sp_ttrpc_call *call;
	sp_arena arena;
} host_request;

/* A handler either answers with host_answer now or later, or returns an error, which is the answer. The
 * request is gone after either. */
typedef sp_code host_handler(host_request *r, const void *message, sp_err *err);

/* `response` as the method's table says; NULL for none. */
void host_answer(host_request *r, const void *response);
void host_refuse(host_request *r, const sp_err *err);

host_handler host_sandbox_make, host_sandbox_remove, host_link_make, host_link_remove, host_rootfs_mount,
	host_image_mount, host_bundle_write, host_bundle_remove, host_path, host_shim_start, host_shim_delete,
	host_forward, host_ports, host_pids_make, host_cni, host_layer, host_layer_stop, host_volume,
	host_cni_confs, host_image_volume, host_devices;

/* What runs beside the loop's requests (a shim's start, a forward): the host is not over before all have
 * gone. */
typedef struct host_run {
	sp_list node;
	host *h;
	void (*stop)(struct host_run *r); /* the connection is gone: end soon, then host_run_end */
} host_run;
void host_run_begin(host *h, host_run *r, void (*stop)(host_run *r));
void host_run_end(host_run *r);

/* ---- cgroup.c ---- */

/* Soon a container is made: has the kernel ready to move its processes into cgroups by then. */
void host_cgroups_wake(host *h);

/* ---- shim.c ---- */

/*
 * Removes the socket of a shim, dead or at its end: one that is killed there leaves its name behind, and the
 * name belongs to the sandbox, which does not come again. An address that no shim can have stays.
 */
void host_shim_forget(const host *h, sp_str address);

/* ---- bundle.c, image_mount.c ---- */

typedef struct host_path_buf {
	char text[HOST_PATH_BYTES];
} host_path_buf;

/* RUN_DIR/containers/<id> and its rootfs, whose path is *ret. */
sp_code host_bundle_make(const host *h, sp_str id, host_path_buf *ret_rootfs, sp_err *err) SP_MUST_USE;
/* SP_EINVAL unless it is a path below the snapshots: "12/fs". */
sp_code host_check_snapshot(sp_str s, sp_err *err) SP_MUST_USE;
/* flags: of mount(2). */
sp_code host_overlay_mount(host_request *r, const sp_host_rootfs_mount *m, unsigned long flags,
			   const char *target, sp_err *err) SP_MUST_USE;
/* Takes all images off that are mounted below a bundle; fine when there are none. */
sp_code host_image_mounts_remove(const host *h, sp_str id, sp_err *err) SP_MUST_USE;

/* ---- paths.c ---- */

/* Gives what is at the path to the other side, or to its group alone; nothing when that is root. */
sp_code host_give(const host *h, const char *path, bool group_only, uint32_t mode, sp_err *err) SP_MUST_USE;

/* SP_EINVAL unless the text is an id. */
sp_code host_check_id(sp_str id, sp_err *err) SP_MUST_USE;
/* SP_EINVAL unless the text may name an interface. */
sp_code host_check_if(sp_str name, sp_err *err) SP_MUST_USE;

/* RUN_DIR/<kind>/<id><rest>; SP_ETOOLARGE. */
sp_code host_path_of(const host *h, const char *kind, sp_str id, const char *rest, host_path_buf *ret,
		     sp_err *err) SP_MUST_USE;
/* A directory, fine when it is there. The parent is there. */
sp_code host_mkdir(const char *path, uint32_t mode, sp_err *err) SP_MUST_USE;
/* Replaces the file; content is gone with the machine, so nothing is synced. */
sp_code host_write_file(const char *path, sp_str content, uint32_t mode, sp_err *err) SP_MUST_USE;
/* Everything below `path` and itself; never into another filesystem, never through a link. */
sp_code host_remove_tree(const char *path, sp_err *err) SP_MUST_USE;
/* Takes every mount off the path; fine when there is none. */
sp_code host_unmount(const char *path, sp_err *err) SP_MUST_USE;

/* ---- namespaces.c ---- */

enum { HOST_NS_NET, HOST_NS_IPC, HOST_NS_UTS, HOST_NS_PID };
/* Into the pinned network of a sandbox, and back: nothing may fail in between without the way back. */
sp_code host_enter_net(const host *h, sp_str id, sp_err *err) SP_MUST_USE;
void host_leave(const host *h, int which);
/* ---- users.c ---- */

/* A process that holds new namespaces, owned by a new user namespace with these ids, until it is let go. */
typedef struct host_holder {
	pid_t pid;
	int wait; /* it ends when this end of a pipe does */
} host_holder;
sp_code host_holder_start(const sp_host_sandbox_make *m, int flags, host_holder *ret,
			  sp_err *err) SP_MUST_USE;
void host_holder_end(host_holder *x);
/* Pins its user namespace as that of the sandbox. */
sp_code host_users_pin(const host *h, sp_str id, const host_holder *x, sp_err *err) SP_MUST_USE;
/* A descriptor of the user namespace that is pinned; -1: the sandbox has none. */
sp_code host_users_open(const host *h, sp_str id, int *ret, sp_err *err) SP_MUST_USE;
/* Mounts `from` (relative to the working directory) at `target` with the ids of the user namespace; private.
 */
sp_code host_mount_mapped(const char *from, const char *target, int users, bool recursive,
			  sp_err *err) SP_MUST_USE;
/* Makes the bundle's directory of such mounts, through which its user can pass. */
sp_code host_mounts_dir(const host *h, sp_str id, host_path_buf *ret, sp_err *err) SP_MUST_USE;
/* Takes all of them off. */
sp_code host_mounts_remove(const host *h, sp_str id, sp_err *err) SP_MUST_USE;

/* ---- pids.c ---- */

/*
 * Kills the first process of the pod's shared PID namespace, and with it all that is in it. A pidfd of it,
 * which is the caller's: the kernel needs a moment for them, or for ever for one that hangs in a device. -1:
 * there is none.
 */
int host_pids_end(const host *h, sp_str id);
sp_code host_pids_unpin(const host *h, sp_str id, sp_err *err) SP_MUST_USE;
