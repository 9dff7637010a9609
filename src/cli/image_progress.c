/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/image_progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/hash.h"

#define DRAW_NS UINT64_C(100000000)
#define BAR 30u

/* Not in the background, where it would disturb whoever has the terminal, nor where escapes are text. */
static bool is_our_terminal(void)
{
	const char *term = secure_getenv("TERM");
	return isatty(STDERR_FILENO) && tcgetpgrp(STDERR_FILENO) == getpgrp() && term != NULL &&
	       strcmp(term, "dumb") != 0;
}

static void draw_line(const cli_image_progress *p, size_t i)
{
	static const char *const stages[] = {
		[IMAGE_STAGE_RESOLVING] = "resolving",     [IMAGE_STAGE_WAITING] = "waiting",
		[IMAGE_STAGE_DOWNLOADING] = "downloading", [IMAGE_STAGE_DOWNLOADED] = "downloaded",
		[IMAGE_STAGE_UNPACKING] = "unpacking",     [IMAGE_STAGE_DONE] = "done",
	};
	char bar[BAR + 1];
	uint64_t total = p->layers[i].total_bytes, done = SP_MIN(p->layers[i].done_bytes, total);
	size_t full = total == 0 ? BAR : (size_t)((double)done / (double)total * BAR);
	for (size_t k = 0; k < BAR; k++)
		bar[k] = k < full ? '#' : '.';
	bar[BAR] = '\0';
	(void)fprintf(stderr, "\033[2K%s %-11s [%s] %6.1f / %.1f MB\n", p->layers[i].digest,
		      stages[p->layers[i].stage], bar, (double)done / 1e6, (double)total / 1e6);
}

static void draw(cli_image_progress *p)
{
	if (p->n_lines > 0)
		(void)fprintf(stderr, "\033[%zuA", p->n_lines);
	for (size_t i = 0; i < p->n_layers; i++)
		draw_line(p, i);
	p->n_lines = p->n_layers;
	(void)fflush(stderr);
}

static void begin(cli_image_progress *p, sp_str reference, uint64_t hash)
{
	cli_image_progress_end(p);
	*p = (cli_image_progress){.on = is_our_terminal(), .reference = hash};
	if (p->on)
		(void)fprintf(stderr, "pulling " SP_FMT "\n", SP_ARG(reference));
}

void cli_image_progress_event(cli_image_progress *p, sp_str reference, const image_progress *e,
			      uint64_t now_ns)
{
	uint64_t hash = sp_fnv1a64(reference) | 1;
	if (hash != p->reference)
		begin(p, reference, hash);
	if (!p->on || e->digest.len == 0 || e->i_layer >= CLI_IMAGE_LAYERS)
		return;
	p->n_layers = SP_MIN(e->n_layers, (size_t)CLI_IMAGE_LAYERS);
	(void)snprintf(p->layers[e->i_layer].digest, sizeof p->layers[0].digest, SP_FMT,
		       SP_ARG(sp_str_sub(e->digest, 7, 7 + 12)));
	p->layers[e->i_layer].stage = e->stage;
	p->layers[e->i_layer].done_bytes = e->done_bytes;
	p->layers[e->i_layer].total_bytes = e->total_bytes;
	if (now_ns - p->drawn_ns < DRAW_NS)
		return;
	p->drawn_ns = now_ns;
	draw(p);
}

void cli_image_progress_end(cli_image_progress *p)
{
	if (p->on && p->n_layers > 0)
		draw(p);
	p->on = false;
}
