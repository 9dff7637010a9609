/* SPDX-License-Identifier: Apache-2.0 */
/* The progress of a pull on standard error: a line per layer on a terminal, nothing elsewhere. */
#pragma once

#include "runtime/image/pull.h"

#define CLI_IMAGE_LAYERS 64u /* lines at most */

typedef struct cli_image_progress {
	bool on;            /* standard error is our terminal */
	uint64_t reference; /* what the lines are of: its hash; 0 = nothing yet */
	size_t n_lines;     /* of layers that are on the screen */
	uint64_t drawn_ns;  /* when */
	struct {
		char digest[16];
		image_stage stage;
		uint64_t done_bytes, total_bytes;
	} layers[CLI_IMAGE_LAYERS];
	size_t n_layers;
} cli_image_progress;

/* A step of a reference: another one than the last begins lines of its own. Zero-initialised by the caller.
 */
void cli_image_progress_event(cli_image_progress *p, sp_str reference, const image_progress *e,
			      uint64_t now_ns);
/* The last state stays on the screen. */
void cli_image_progress_end(cli_image_progress *p);
