/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor that runs on this machine, as `sampan status` and `sampan down` see it. */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

typedef struct cli_running {
	int64_t pid;       /* of the supervisor */
	yyjson_val *roles; /* its state's array, in the arena (supervisor/supervisor.h) */
} cli_running;

/* Asks at RUN_DIR/supervisor.sock; blocks. SP_ENOTFOUND: nothing runs there. */
sp_code cli_running_find(sp_arena *a, sp_str run_dir, cli_running *ret, sp_err *err) SP_MUST_USE;
