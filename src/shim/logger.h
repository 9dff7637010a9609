/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A logging program (`binary:` URIs): started with the streams' pipes as descriptors 3 and 4, ready when it
 * closes descriptor 5 or writes to it, ended by the end of its input; if that is not enough by SIGTERM, then
 * SIGKILL. U: containerd pkg/process/io.go.
 */
#pragma once

#include "shim/child.h"
#include "shim/uri.h"

typedef struct shim_logger shim_logger;

typedef struct shim_logger_opts {
	shim_loop *loop;
	shim_reaper *reaper;
	const shim_uri *uri;
	sp_str id, ns;
	int out_fd, err_fd; /* the reading ends, not taken over; -1: /dev/null */
	void (*on_ready)(void *arg);
	void *arg;
} shim_logger_opts;

sp_code shim_logger_start(const shim_logger_opts *o, sp_arena *a, shim_logger **ret, sp_err *err) SP_MUST_USE;
bool shim_logger_is_ready(const shim_logger *l);
/* Its input is closed; it frees itself when it is gone. NULL is a no-op. */
void shim_logger_release(shim_logger *l);
