/* SPDX-License-Identifier: Apache-2.0 */
/* An image made on the spot: one static program and nothing else, as an OCI layout in a tar. */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef struct sp_world sp_world;

/* Reads the program, writes the tar (replaced in one step). Both paths are absolute. Blocks. */
sp_code cli_sample_image(sp_world *w, sp_arena *a, sp_str program, sp_str name, sp_str tar,
			 sp_err *err) SP_MUST_USE;
