/* SPDX-License-Identifier: Apache-2.0 */
/* The keys process of an API server that was started alone: a child of its, which ends with it and is started
 * again when it ends alone. */
#pragma once

#include "base/log.h"
#include "io/world.h"

typedef struct cli_keys_child cli_keys_child;

/* Keys in `dir`, which has the socket too. *ret_socket is its path, good as long as the child's struct. */
sp_code cli_keys_child_start(sp_world *w, sp_log *log, sp_str dir, cli_keys_child **ret, sp_str *ret_socket,
			     sp_err *err) SP_MUST_USE;
/* It gets SIGTERM and is not waited for. NULL is a no-op. */
void cli_keys_child_free(cli_keys_child *c);
