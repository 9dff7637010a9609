/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/custom/convert_chunk.h"

#include "apiserver/custom/custom_int.h"
#include "base/alloc.h"

#define CHUNK_ARENA_BYTES ((size_t)64 << 20)

/* One entry or event: which items are its records. */
typedef struct part {
	sp_store_event *event;   /* a reference, or NULL */
	size_t i_record, i_prev; /* SIZE_MAX: none */
	sp_bytes *prev;          /* a reference, when it is not converted */
} part;

struct api_convert_chunk {
	sp_arena arena; /* of one filling */
	api_convert convert;
	api_convert_item *items;
	size_t cap_items;
	part *parts;
	size_t n_parts, cap_parts, i_part;
	bool busy;
	void (*done)(void *arg);
	void *arg;
};

static void on_done(api_convert *convert)
{
	api_convert_chunk *c = convert->arg;
	c->busy = false;
	c->done(c->arg);
}

static void reset(api_convert_chunk *c)
{
	sp_arena_reset(&c->arena);
	c->convert.failed = false;
	c->convert.items = c->items = NULL;
	c->convert.n = c->cap_items = 0;
	c->parts = NULL;
	c->n_parts = c->cap_parts = c->i_part = 0;
}

api_convert_chunk *api_convert_chunk_new(api_server *s, const api_resource *res, void (*done)(void *arg),
					 void *arg, sp_code *ret_code)
{
	*ret_code = SP_OK;
	if (res->custom == NULL || res->custom->converter == NULL)
		return NULL;
	api_convert_chunk *c = sp_try_alloc(sizeof *c);
	if (c == NULL) {
		*ret_code = SP_ENOMEM;
		return NULL;
	}
	sp_arena_init(&c->arena, CHUNK_ARENA_BYTES);
	c->done = done;
	c->arg = arg;
	c->convert = (api_convert){.customs = s->customs,
				   .to = api_custom_ref(res->custom),
				   .arena = &c->arena,
				   .done = on_done,
				   .arg = c};
	return c;
}

void api_convert_chunk_clear(api_convert_chunk *c)
{
	api_convert_cancel(&c->convert);
	api_convert_unref(&c->convert);
	for (size_t i = 0; i < c->n_parts; i++) {
		sp_bytes_unref(c->parts[i].prev);
		sp_store_event_unref(c->parts[i].event);
	}
	c->busy = false;
	reset(c);
}

void api_convert_chunk_free(api_convert_chunk *c)
{
	if (c == NULL)
		return;
	api_convert_chunk_clear(c);
	(void)api_custom_unref(c->convert.to);
	sp_arena_done(&c->arena);
	sp_free(c);
}

/* ---- filling ---- */

static part *add_part(api_convert_chunk *c)
{
	if (c->n_parts == c->cap_parts) {
		size_t cap = c->cap_parts == 0 ? 16 : c->cap_parts * 2;
		part *parts = sp_arena_try_grow(&c->arena, c->parts, c->cap_parts * sizeof *parts,
						cap * sizeof *parts);
		if (parts == NULL)
			return NULL;
		c->parts = parts;
		c->cap_parts = cap;
	}
	part *p = &c->parts[c->n_parts++];
	*p = (part){.i_record = SIZE_MAX, .i_prev = SIZE_MAX};
	return p;
}

/* Takes the record, also when there is no room. */
static sp_code add_item(api_convert_chunk *c, sp_bytes *record, sp_str rest, uint64_t revision, size_t *ret)
{
	if (c->convert.n == c->cap_items) {
		size_t cap = c->cap_items == 0 ? 16 : c->cap_items * 2;
		api_convert_item *items = sp_arena_try_grow(&c->arena, c->items, c->cap_items * sizeof *items,
							    cap * sizeof *items);
		if (items == NULL) {
			sp_bytes_unref(record);
			return SP_ETOOLARGE;
		}
		c->convert.items = c->items = items;
		c->cap_items = cap;
	}
	*ret = c->convert.n++;
	c->items[*ret] = (api_convert_item){
		.record = record, .rest = sp_arena_try_dup(&c->arena, rest), .revision = revision};
	return c->items[*ret].rest.ptr == NULL ? SP_ETOOLARGE : SP_OK;
}

sp_code api_convert_chunk_add(api_convert_chunk *c, const sp_store_entry *e)
{
	sp_bytes *record = sp_bytes_try_dup(e->record);
	part *p = record == NULL ? NULL : add_part(c);
	if (p == NULL) {
		sp_bytes_unref(record);
		return SP_ETOOLARGE;
	}
	return add_item(c, record, e->rest, e->revision, &p->i_record);
}

static sp_code add_event(api_convert_chunk *c, sp_store_event *e, bool both)
{
	part *p = add_part(c);
	if (p == NULL) {
		sp_store_event_unref(e);
		return SP_ETOOLARGE;
	}
	p->event = e;
	if (e->record != NULL)
		SP_TRY(add_item(c, sp_bytes_ref(e->record), e->key.rest, e->revision, &p->i_record));
	if (e->prev == NULL)
		return SP_OK;
	if (both || e->record == NULL)
		return add_item(c, sp_bytes_ref(e->prev), e->key.rest, e->prev_revision, &p->i_prev);
	p->prev = sp_bytes_ref(e->prev); /* that it was there is all that counts */
	return SP_OK;
}

sp_code api_convert_chunk_take(api_convert_chunk *c, sp_store_watch *w, bool both)
{
	while (c->n_parts < API_CONVERT_EVENTS_MAX) {
		sp_store_event *e = sp_store_watch_next(w);
		if (e == NULL)
			break;
		SP_TRY(add_event(c, e, both));
	}
	return SP_OK;
}

/* ---- converting ---- */

bool api_convert_chunk_start(api_convert_chunk *c)
{
	c->busy = !api_convert_start(&c->convert);
	return !c->busy;
}

bool api_convert_chunk_is_busy(const api_convert_chunk *c)
{
	return c != NULL && c->busy;
}

bool api_convert_chunk_is_idle(const api_convert_chunk *c)
{
	return c == NULL || (!c->busy && c->i_part == c->n_parts);
}

sp_code api_convert_chunk_result(const api_convert_chunk *c, sp_arena *a, sp_status *ret)
{
	if (!c->convert.failed)
		return SP_OK;
	*ret = api_convert_status(a, &c->convert);
	return SP_EINTERNAL;
}

/* ---- what came of it ---- */

bool api_convert_chunk_next(api_convert_chunk *c, api_converted *ret)
{
	if (c->i_part == c->n_parts)
		return false;
	const part *p = &c->parts[c->i_part++];
	SP_ASSERT(c->items != NULL); /* a part has one at least */
	const api_convert_item *now = p->i_record == SIZE_MAX ? NULL : &c->items[p->i_record];
	const api_convert_item *any = now != NULL ? now : &c->items[p->i_prev];
	*ret = (api_converted){.rest = any->rest,
			       .revision = any->revision,
			       .record = now == NULL ? NULL : now->record,
			       .prev = p->i_prev == SIZE_MAX ? p->prev : c->items[p->i_prev].record,
			       .event = p->event};
	return true;
}

bool api_convert_chunk_is_empty(const api_convert_chunk *c)
{
	return c->n_parts == 0;
}
