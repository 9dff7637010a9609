/* SPDX-License-Identifier: Apache-2.0 */
#include "node/images.h"

#include "base/alloc.h"

__extension__ typedef unsigned __int128 wide;

void node_images_init(node_images *m)
{
	sp_map_init(&m->by_id);
}

static void drop(node_image *i)
{
	sp_free((void *)(uintptr_t)i->id.ptr);
	sp_free(i);
}

void node_images_done(node_images *m)
{
	const sp_map_entry *e;
	for (size_t at = 0; (e = sp_map_next(&m->by_id, &at)) != NULL;)
		drop(e->value);
	sp_map_done(&m->by_id);
}

void node_images_forget(node_images *m, node_image *i)
{
	(void)sp_map_remove(&m->by_id, i->id);
	drop(i);
}

static node_image *record_of(node_images *m, sp_str id, int64_t now_ns)
{
	node_image *i = sp_map_get(&m->by_id, id);
	if (i != NULL)
		return i;
	char *text = sp_try_alloc(id.len + 1);
	i = sp_try_alloc(sizeof *i);
	if (text == NULL || i == NULL) {
		sp_free(text);
		sp_free(i);
		return NULL;
	}
	memcpy(text, id.ptr, id.len);
	*i = (node_image){.id = {text, id.len}, .first_ns = now_ns};
	if (sp_map_put(&m->by_id, i->id, i, NULL) != SP_OK) {
		drop(i);
		return NULL;
	}
	return i;
}

/* One that is gone, or NULL. */
static node_image *gone(const node_images *m)
{
	const sp_map_entry *e;
	for (size_t at = 0; (e = sp_map_next(&m->by_id, &at)) != NULL;) {
		node_image *i = e->value;
		if (!i->is_there)
			return i;
	}
	return NULL;
}

sp_code node_images_update(node_images *m, const sp_cri_list_images_response *images,
			   const sp_cri_list_containers_response *containers, int64_t now_ns, sp_err *err)
{
	const sp_map_entry *e;
	for (size_t at = 0; (e = sp_map_next(&m->by_id, &at)) != NULL;) {
		node_image *i = e->value;
		i->is_there = i->in_use = i->failed = false;
	}
	for (size_t k = 0; k < images->images.n; k++) {
		const sp_cri_image *from = &images->images.at[k];
		if (from->id.len == 0)
			continue;
		node_image *i = record_of(m, from->id, now_ns);
		if (i == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for images");
		i->size = from->size;
		i->is_pinned = from->pinned;
		i->is_there = true;
	}
	for (size_t k = 0; k < containers->containers.n; k++) {
		const sp_cri_container *c = &containers->containers.at[k];
		/* Older runtimes know the reference only. */
		node_image *i = sp_map_get(&m->by_id, c->image_id.len != 0 ? c->image_id : c->image_ref);
		if (i == NULL)
			continue;
		i->in_use = true;
		i->last_used_ns = now_ns;
	}
	for (node_image *i; (i = gone(m)) != NULL;)
		node_images_forget(m, i);
	return SP_OK;
}

void node_images_use_mounts(node_images *m, const sp_cri_container_status *c, int64_t now_ns)
{
	for (size_t k = 0; k < c->mounts.n; k++) {
		const sp_cri_image_spec *image = c->mounts.at[k].image;
		node_image *i = image == NULL ? NULL : sp_map_get(&m->by_id, image->image);
		if (i == NULL)
			continue;
		i->in_use = true;
		i->last_used_ns = now_ns;
	}
}

static bool before(const node_image *a, const node_image *b)
{
	return a->last_used_ns != b->last_used_ns ? a->last_used_ns < b->last_used_ns
						  : a->first_ns < b->first_ns;
}

node_image *node_images_next(const node_images *m, int64_t now_ns, int64_t age_ns_min)
{
	const sp_map_entry *e;
	node_image *best = NULL;
	for (size_t at = 0; (e = sp_map_next(&m->by_id, &at)) != NULL;) {
		node_image *i = e->value;
		if (i->in_use || i->is_pinned || i->failed || i->last_used_ns >= now_ns ||
		    now_ns - i->first_ns < age_ns_min)
			continue;
		if (best == NULL || before(i, best))
			best = i;
	}
	return best;
}

unsigned node_disk_used(const node_disk *d)
{
	uint64_t available = SP_MIN(d->available, d->capacity);
	return 100 - (unsigned)((wide)available * 100 / d->capacity);
}

uint64_t node_disk_surplus(const node_disk *d, unsigned high, unsigned low)
{
	if (node_disk_used(d) < high)
		return 0;
	uint64_t want = (uint64_t)((wide)d->capacity * (100 - low) / 100);
	uint64_t available = SP_MIN(d->available, d->capacity);
	return want > available ? want - available : 0;
}

void node_disk_size(char out[32], uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	double size = (double)bytes / 1024;
	size_t u = 0;
	if (bytes < 1024) {
		(void)snprintf(out, 32, "%llu B", (unsigned long long)bytes);
		return;
	}
	for (; size >= 1024 && u + 1 < SP_LEN(units); u++)
		size /= 1024;
	(void)snprintf(out, 32, "%.1f %s", size, units[u]);
}
