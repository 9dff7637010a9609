/* SPDX-License-Identifier: Apache-2.0 */
/* What the executable does besides serving: each returns the exit status and writes errors to standard error.
 */
#pragma once

#include "shim/args.h"

/* The name under which containerd knows the runtime. */
#define SHIM_RUNTIME_NAME "io.containerd.sampan.v1"

/* Starts a server for the group, or finds the one that runs; prints its address. */
int shim_start(const shim_args *args);
/* The server is gone: kills what is left of a container and prints how it ended. */
int shim_delete(const shim_args *args);
int shim_info(const shim_args *args);
/* The server, on the listening socket that is descriptor 3. */
int shim_serve(const shim_args *args);

/* Shared by them. */

/* BUNDLE/config.json of the working directory or args->bundle. */
const char *shim_bundle(const shim_args *args, char *room, size_t n);
/* Standard input to its end; a terminal counts as empty. */
sp_code shim_read_stdin(sp_buf *out, sp_err *err) SP_MUST_USE;
/* Writes to standard output what the message is; the exit status. */
int shim_print_message(const sp_pb_message *m, const void *from);
int shim_complain(const sp_err *err);
