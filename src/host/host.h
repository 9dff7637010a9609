/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host process: the one that has root on a node. It answers the messages of contracts/host.h on one
 * connection and does nothing else; when the connection ends, it ends. What it made stays (containers go on
 * without it). Requests are carried out one after the other on its loop; those that wait for a program
 * (shims) or carry bytes (forwards) run beside.
 */
#pragma once

#include "io/world.h"

typedef struct host host;

typedef struct host_opts {
	sp_str run_dir;      /* absolute; made when missing */
	sp_str shim;         /* absolute path of the shim program */
	sp_str shim_options; /* encoded containerd.runtime.bootstrap.v1.BootstrapParams for its standard
				input; its socket_dir is run_dir */
	sp_str containerd;   /* -publish-binary: what the shim would run without a ttrpc address */
	sp_str namespace_;   /* of the shim */
	sp_str cni_bin_dirs; /* of CNI plugins, absolute, ':' between them */
	sp_str images_dir;   /* the image store: layers are unpacked below it */
	sp_str unpack;       /* absolute path of the helper that does it */
	uint32_t uid, gid;   /* of the other side: sockets and bundles are made so that it gets at them */
} host_opts;

/* Keeps the capabilities the host process uses, for good. Programs it starts are not concerned. */
sp_code host_give_up_rights(sp_err *err) SP_MUST_USE;

/* Takes the stream over (on success). on_end comes once, when the connection is gone and nothing runs any
 * more; host_free may be called from then on. `opts` stays as long as the host. */
sp_code host_new(sp_world *w, sp_stream *s, const host_opts *opts, void (*on_end)(void *arg), void *arg,
		 host **ret, sp_err *err) SP_MUST_USE;
void host_free(host *h);
