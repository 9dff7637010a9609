/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three streams of one process: what the OCI runtime gives it as descriptors 0 to 2 (or a terminal), and
 * the relays to and from where containerd or `sampan cri` want them.
 *
 *   open → (ready: a logging program may take its time) → spawn with child_fds → started → … → done → close
 */
#pragma once

#include "shim/child.h"
#include "shim/hub.h"
#include "shim/relay.h"

typedef struct shim_stdio shim_stdio;

typedef struct shim_stdio_opts {
	shim_loop *loop;
	shim_reaper *reaper;
	sp_str std_in, std_out, std_err; /* URIs, see README.md */
	sp_str id, ns;                   /* told to a logging program */
	bool terminal;
	uint32_t uid, gid; /* own the pipes, the log and the socket */
	/* Ready, or done: ask which. Never from inside open. */
	void (*changed)(void *arg);
	void *arg;
} shim_stdio_opts;

sp_code shim_stdio_open(const shim_stdio_opts *o, shim_stdio **ret, sp_err *err) SP_MUST_USE;
bool shim_stdio_is_ready(const shim_stdio *io);
/* For the process to be; -1 is /dev/null. Ours until shim_stdio_started. */
const int *shim_stdio_child_fds(const shim_stdio *io);
/* The process has its descriptors: copying begins. `console` is the terminal's master, owned from now on, or
 * -1.
 */
void shim_stdio_started(shim_stdio *io, int console);
/* All output has been read and passed on. */
bool shim_stdio_is_done(const shim_stdio *io);
/* No more input than what is on its way: end of file for the process when that is read. */
void shim_stdio_close_stdin(shim_stdio *io);
/* SP_EINVAL without a terminal. */
sp_code shim_stdio_resize(shim_stdio *io, uint32_t width, uint32_t height, sp_err *err) SP_MUST_USE;
/* The CRI log anew. SP_EUNSUPPORTED when there is none. */
sp_code shim_stdio_reopen(shim_stdio *io, sp_err *err) SP_MUST_USE;
/* Closes and releases everything; a logging program gets some time to read what it was given. NULL is a
 * no-op.
 */
void shim_stdio_close(shim_stdio *io);
