/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/watch_frame.h"

#include "base/alloc.h"

/* ADDED, MODIFIED and DELETED, as selectors see it, each in JSON and protobuf. */
#define FRAMES_MAX 6u

typedef struct frames {
	size_t n;
	struct {
		api_frame_key key;
		sp_bytes *bytes;
	} at[FRAMES_MAX];
} frames;

static void frames_free(void *attached)
{
	frames *f = attached;
	for (size_t i = 0; i < f->n; i++)
		(void)sp_bytes_unref(f->at[i].bytes);
	sp_free(f);
}

sp_bytes *api_frame_find(const sp_store_event *e, const api_frame_key *key)
{
	const frames *f = e->attached;
	for (size_t i = 0; f != NULL && i < f->n; i++) {
		const api_frame_key *k = &f->at[i].key;
		if (k->res == key->res && k->media == key->media && k->type == key->type)
			return f->at[i].bytes;
	}
	return NULL;
}

sp_bytes *api_frame_keep(sp_store_event *e, const api_frame_key *key, sp_str frame)
{
	frames *f = e->attached;
	if (f != NULL && f->n == FRAMES_MAX)
		return NULL;
	if (f == NULL && (f = sp_try_alloc(sizeof *f)) == NULL)
		return NULL;
	e->attached = f;
	e->attached_free = frames_free;
	sp_bytes *bytes = sp_bytes_try_dup(frame);
	if (bytes == NULL)
		return NULL;
	f->at[f->n].key = *key;
	f->at[f->n++].bytes = bytes;
	return bytes;
}
