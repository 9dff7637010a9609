/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of a definition that is being deleted: those without finalizers go, the others are marked and
 * waited for. U: apiextensions-apiserver pkg/controller/finalizer/crd_finalizer.go.
 */
#include "apiserver/custom/custom_int.h"
#include "kube/meta.h"

#define NS_PER_S INT64_C(1000000000)

typedef struct sweep {
	api_customs *c;
	custom_crd *crd;
	custom_write *w;
	yyjson_mut_doc *doc;
	sp_code code;
} sweep;

/* What is stored of an object stays in its version; only metadata changes. */
static sp_code mark(sweep *s, const sp_record *rec, yyjson_mut_val *obj, sp_bytes **ret)
{
	char text[SP_TIME_TEXT_BYTES];
	int64_t wall = sp_wall_ns(s->c->server->world);
	const sp_schema any = {.kind = SP_K_ANY};
	const sp_kind kind = {
		.group = rec->group, .version = rec->version, .kind = rec->kind, .schema = &any};
	const api_resource res = {.kind = &kind,
				  .stored = &kind}; /* no hash: read through its schema again */
	yyjson_mut_val *meta = sp_meta(obj);
	sp_str now = {text, sp_time_print(text, (sp_time){wall / NS_PER_S, 0}, 0)};
	int64_t generation = sp_kv_i64(meta, "generation", 0);
	if (!sp_kv_set_str(s->doc, meta, "deletionTimestamp", now) ||
	    !sp_kv_set_i64(s->doc, meta, "deletionGracePeriodSeconds", 0) ||
	    !sp_kv_set_i64(s->doc, meta, "generation", generation + 1))
		return SP_ETOOLARGE;
	return api_object_record(&s->w->arena, &res, s->doc, obj, s->c->server->marker_str, ret, NULL);
}

static sp_code sweep_one(sweep *s, const sp_store_entry *e, bool *ret_waits)
{
	sp_record rec;
	sp_bytes *record = NULL;
	yyjson_mut_val *obj = NULL;
	SP_TRY(sp_record_decode(e->record, &rec, NULL));
	SP_TRY(sp_json_parse_mut(&s->w->arena, rec.object, s->doc, &obj, NULL));
	bool held = sp_kv_list(sp_meta(obj), "finalizers") != NULL;
	*ret_waits = held && sp_kv_has(sp_meta(obj), "deletionTimestamp");
	if (*ret_waits)
		return SP_OK;
	if (held)
		SP_TRY(mark(s, &rec, obj, &record));
	sp_str rest = sp_arena_try_dup(&s->w->arena, e->rest);
	if (rest.ptr == NULL) {
		sp_bytes_unref(record);
		return SP_ENOMEM;
	}
	custom_write_add(s->w, s->crd->prefix, rest, e->revision, record);
	return SP_OK;
}

static sp_store_visit visit(void *arg, const sp_store_entry *e)
{
	sweep *s = arg;
	bool waits = false;
	s->code = sweep_one(s, e, &waits);
	return s->code != SP_OK ? SP_STORE_STOP : waits ? SP_STORE_SKIP : SP_STORE_TAKE;
}

static void on_ready(void *arg)
{
	custom_crd *crd = arg;
	sp_store_event *e;
	while ((e = sp_store_watch_next(crd->watch)) != NULL) {
		crd->dirty = true;
		sp_store_event_unref(e);
	}
	if (sp_store_watch_state(crd->watch, NULL) != SP_OK) {
		sp_store_watch_close(crd->watch);
		crd->watch = NULL;
		crd->dirty = true;
	}
	if (crd->dirty)
		sp_defer_call(crd->owner->server->world, &crd->owner->work);
}

/* Every change of an object may be the one that was waited for. */
static sp_code wait_for_objects(api_customs *c, custom_crd *crd)
{
	const sp_store_watch_opts opts = {.resource = crd->prefix, .on_ready = on_ready, .arg = crd};
	return crd->watch != NULL ? SP_OK : sp_store_watch_open(c->store, &opts, &crd->watch, NULL);
}

sp_code custom_cleanup(api_customs *c, custom_crd *crd)
{
	sweep s = {.c = c, .crd = crd, .w = custom_write_new(c, crd)};
	sp_store_chunk chunk = {.more = true}, next;
	sp_store_query q = {.resource = crd->prefix, .n_max = CUSTOM_OPS_MAX};
	s.doc = s.w == NULL ? NULL : sp_json_doc(&s.w->arena);
	s.code = s.doc == NULL ? SP_ENOMEM : wait_for_objects(c, crd);
	while (s.code == SP_OK && chunk.more && s.w->txn.n_ops == 0) {
		q.from = (sp_str){chunk.next, chunk.next_len};
		sp_code code = sp_store_range(c->store, &q, visit, &s, &next, NULL);
		if (code != SP_OK)
			s.code = code;
		else
			chunk = next;
		q.revision = chunk.revision;
	}
	if (s.w != NULL && s.code != SP_OK)
		custom_write_free(s.w);
	else if (s.w != NULL)
		custom_write_submit(s.w);
	return s.code;
}
