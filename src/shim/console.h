/* SPDX-License-Identifier: Apache-2.0 */
/* The console socket: the OCI runtime connects to it and sends the master of a process's terminal. */
#pragma once

#include "base/err.h"

#define SHIM_CONSOLE_PATH_BYTES 64u

typedef struct shim_console {
	int listener, dir;
	char name[24];
	char path[SHIM_CONSOLE_PATH_BYTES]; /* short, whatever the bundle's is: by our descriptor of its
					       directory */
} shim_console;

/* In the bundle; `number` makes the name unique. */
sp_code shim_console_open(const char *bundle, unsigned number, shim_console *ret, sp_err *err) SP_MUST_USE;
/* After the runtime has ended well: the master that it sent, or SP_EPROTO when it sent none. */
sp_code shim_console_receive(const shim_console *c, int *ret_fd, sp_err *err) SP_MUST_USE;
/* Harmless when never opened (listener -1). */
void shim_console_close(shim_console *c);
