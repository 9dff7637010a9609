/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine must have to run every role: for `sampan doctor`, and before `sampan up` begins. */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef struct sp_world sp_world;

typedef enum cli_grade { CLI_GOOD, CLI_WARNING, CLI_BAD } cli_grade;

typedef struct cli_check_opts {
	sp_str data_dir;
	uint16_t port; /* of the API; 0: not looked at (it is ours already) */
} cli_check_opts;

typedef struct cli_finding {
	const char *what; /* "kernel" */
	cli_grade grade;
	sp_str found; /* one sentence or less: what is there */
	sp_str fix;   /* what to do about it; empty when it is good */
} cli_finding;

/* All findings, in the arena; blocks. */
sp_code cli_check_host(sp_world *w, sp_arena *a, const cli_check_opts *o, cli_finding **ret, size_t *ret_n,
		       sp_err *err) SP_MUST_USE;
/* Of /proc/self/mountinfo: whether something is mounted at "/", which pivot_root(2) asks for. */
bool cli_root_is_a_mount(sp_str mountinfo);
