/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan image` while a runtime has the store open: it is asked, on its socket. */
#pragma once

#include "cli/image_progress.h"
#include "contracts/image_service.h"
#include "io/world.h"

typedef struct cli_image_live_opts {
	sp_str address;                      /* "unix:/path" */
	const sp_image_run_request *request; /* `data` is not looked at */
	sp_str file; /* absolute: what is sent (import), or written (export); else empty */
	cli_image_progress *progress;
} cli_image_live_opts;

/* The address in the store's directory. SP_ENOTFOUND: no runtime ever wrote one. */
sp_code cli_image_live_address(sp_world *w, sp_str images_dir, sp_arena *a, sp_str *ret,
			       sp_err *err) SP_MUST_USE;

/* Runs the world until it is answered; what is printed goes to standard output. SP_EUNAVAILABLE: nobody
 * listens. A file is replaced in one step. */
sp_code cli_image_live(sp_world *w, const cli_image_live_opts *opts, sp_err *err) SP_MUST_USE;
