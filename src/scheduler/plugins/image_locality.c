/* SPDX-License-Identifier: Apache-2.0 */
/* U: plugins/imagelocality/image_locality.go. */
#include "scheduler/plugins/plugins.h"

#define MIN_BYTES ((int64_t)23 << 20)
#define MAX_BYTES_PER_CONTAINER ((int64_t)1000 << 20)

static int64_t priority(int64_t sum, size_t n_containers)
{
	int64_t max = MAX_BYTES_PER_CONTAINER * (int64_t)n_containers;
	sum = sum < MIN_BYTES ? MIN_BYTES : sum > max ? max : sum;
	return SCHED_SCORE_MAX * (sum - MIN_BYTES) / (max - MIN_BYTES);
}

static void score(sched_cycle *c, sched_scores *out, int64_t *raw)
{
	const sched_spec *s = c->spec;
	int64_t *sum = NULL;
	for (size_t i = 0; i < s->n_images && s->n_containers > 0; i++) {
		const sched_image *image = sp_map_get(&c->st->images, s->images[i]);
		if (image == NULL)
			continue;
		if (sum == NULL && (sum = sp_try_new(&c->arena, int64_t, c->st->t.n)) == NULL) {
			c->code = SP_ENOMEM;
			return;
		}
		/* What many nodes have draws less: else pods would pile up where an image came first. */
		double spread = (double)image->n / (double)c->st->t.n_present;
		int64_t scaled = (int64_t)((double)image->size_bytes * spread);
		for (uint32_t k = 0; k < image->n; k++)
			sum[image->slots[k]] += scaled;
	}
	if (sum == NULL)
		return;
	SCHED_BITS_EACH (slot, c->feasible, c->n_words) {
		c->one[slot] = (int32_t)priority(sum[slot], s->n_containers);
		if (raw != NULL)
			raw[slot] = c->one[slot];
	}
	out->slots = c->one;
}

const sched_plugin sched_image_locality = {.name = "ImageLocality", .score = score};
