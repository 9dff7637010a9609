/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/kept.h"

#include "store/record.h"

#define OBJECT_BYTES_MAX ((size_t)64 << 20)

static void on_ready(void *arg)
{
	(void)arg; /* what waits is taken before the next question */
}

/* A watch that fell behind is opened anew. */
sp_code api_kept_follow(api_kept *k, bool *ret_changed, sp_err *err)
{
	sp_store_event *e;
	const sp_store_watch_opts opts = {.resource = k->prefix, .on_ready = on_ready, .arg = k};
	*ret_changed = k->watch == NULL;
	while (k->watch != NULL && (e = sp_store_watch_next(k->watch)) != NULL) {
		*ret_changed = true;
		sp_store_event_unref(e);
	}
	if (k->watch != NULL && sp_store_watch_state(k->watch, NULL) == SP_OK)
		return SP_OK;
	api_kept_done(k);
	*ret_changed = true;
	return sp_store_watch_open(k->store, &opts, &k->watch, err);
}

typedef struct load {
	bool (*fn)(void *arg, sp_str rest, uint64_t revision, yyjson_val *obj);
	void *arg;
	sp_code code;
} load;

static sp_store_visit visit(void *arg, const sp_store_entry *e)
{
	load *l = arg;
	sp_record rec;
	sp_arena scratch;
	yyjson_val *obj = NULL;
	sp_arena_init(&scratch, OBJECT_BYTES_MAX);
	l->code = sp_record_decode(e->record, &rec, NULL);
	if (l->code == SP_OK)
		l->code = sp_json_parse(&scratch, rec.object, &obj, NULL);
	if (l->code == SP_OK && !l->fn(l->arg, e->rest, e->revision, obj))
		l->code = SP_ENOMEM;
	sp_arena_done(&scratch);
	return l->code == SP_OK ? SP_STORE_TAKE : SP_STORE_STOP;
}

sp_code api_kept_each(const api_kept *k,
		      bool (*fn)(void *arg, sp_str rest, uint64_t revision, yyjson_val *obj), void *arg,
		      sp_err *err)
{
	load l = {.fn = fn, .arg = arg};
	sp_store_chunk chunk = {.more = true}, next;
	sp_store_query q = {.resource = k->prefix};
	while (chunk.more) {
		q.from = (sp_str){chunk.next, chunk.next_len};
		SP_TRY(sp_store_range(k->store, &q, visit, &l, &next, err));
		if (l.code != SP_OK)
			return sp_fail(err, l.code, "what is stored below " SP_FMT " can't be read",
				       SP_ARG(k->prefix));
		chunk = next;
		q.revision = chunk.revision;
	}
	return SP_OK;
}

void api_kept_done(api_kept *k)
{
	sp_store_watch_close(k->watch);
	k->watch = NULL;
}
