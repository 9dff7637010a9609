/* SPDX-License-Identifier: Apache-2.0 */
/* The API server's flags about front proxies: the one that it is, and those that stand in front of it. */
#pragma once

#include "apiserver/bootstrap/bootstrap.h"
#include "apiserver/server.h"

typedef struct cli_front_flags {
	sp_str cert, key;                             /* --proxy-client-… */
	sp_str ca, names, users, uids, groups, extra; /* --requestheader-…; lists by commas */
} cli_front_flags;

typedef struct cli_front {
	api_front_proxy_opts opts;
	sp_str ca_file, ca_pem; /* whom front proxies are believed by; empty: nobody */
} cli_front;

/* Checks the flags. SP_EINVAL, in upstream's words. */
sp_code cli_front_check(const cli_front_flags *f, sp_err *err) SP_MUST_USE;
/* Reads the files; without flags a certificate of an authority of its own in the data directory. All in the
 * arena. Blocks on the disk. */
sp_code cli_front_open(sp_world *w, sp_arena *a, sp_str data_dir, const cli_front_flags *f, cli_front *ret,
		       sp_err *err) SP_MUST_USE;
/* What the bootstrap objects tell of it. */
void cli_front_tell(sp_arena *a, const cli_front_flags *f, const cli_front *front, api_bootstrap_opts *ret);
