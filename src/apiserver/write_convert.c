/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes of custom resources whose versions a webhook converts. It is asked for the stored object in the
 * version of the request, then for what is to be stored, then for what comes back of that: the client sees
 * what was kept of its object, as upstream's does. Meanwhile the write is held and nothing is open; its
 * commit compares the revision as ever. U: apiserver pkg/storage/etcd3/store.go (codec on the way in and out)
 */
#include "apiserver/custom/convert.h"
#include "apiserver/write.h"

static const api_custom *converted(const api_write *w)
{
	const api_custom *v = w->res->custom;
	return v != NULL && v->converter != NULL ? v : NULL;
}

void api_write_forget_converted(api_write *w)
{
	api_convert_unref(&w->convert);
	w->base.record = sp_bytes_unref(w->base.record);
	w->seen = sp_bytes_unref(w->seen);
	w->shown = sp_bytes_unref(w->shown);
}

/* ---- asking ---- */

static void go_on(api_write *w)
{
	if (w->convert.failed) {
		sp_status s = api_convert_status(&w->arena, &w->convert);
		api_convert_unref(&w->convert);
		api_write_refuse(w, &s);
		return;
	}
	w->on_converted(w);
}

static void on_done(api_convert *c)
{
	api_write *w = c->arg;
	if (api_write_release(w))
		go_on(w);
}

/* Takes the record. */
static void ask(api_write *w, api_custom *to, sp_bytes *record, uint64_t revision, void (*then)(api_write *w))
{
	api_convert_unref(&w->convert);
	w->convert_item = (api_convert_item){.record = record, .rest = w->rest, .revision = revision};
	w->convert = (api_convert){.customs = w->server->customs,
				   .to = to,
				   .arena = &w->arena,
				   .items = &w->convert_item,
				   .n = 1,
				   .done = on_done,
				   .arg = w};
	w->on_converted = then;
	if (api_convert_start(&w->convert))
		go_on(w);
	else
		api_write_hold(w);
}

/* ---- what is stored ---- */

static void on_seen(api_write *w)
{
	w->seen = sp_bytes_ref(w->convert_item.record);
	w->loaded(w);
}

void api_write_see(api_write *w, sp_str ns, sp_str name, void (*then)(api_write *w))
{
	sp_record rec;
	sp_err err;
	api_write_forget_converted(w);
	if (converted(w) == NULL) {
		then(w);
		return;
	}
	w->rest = api_object_rest(&w->arena, w->res, ns, name);
	if (w->rest.ptr == NULL ||
	    sp_store_get(w->server->store, (sp_store_key){w->res->prefix, w->rest}, 0, &w->base, &err) !=
		    SP_OK ||
	    sp_record_decode(sp_bytes_view(w->base.record), &rec, NULL) != SP_OK ||
	    !api_convert_wanted_by(w->res, &rec)) {
		w->base.record = sp_bytes_unref(w->base.record);
		then(w); /* it reads and sees for itself */
		return;
	}
	w->loaded = then;
	ask(w, w->res->custom, sp_bytes_ref(w->base.record), w->base.revision, on_seen);
}

/* ---- what is to be stored ---- */

static void on_shown(api_write *w)
{
	w->shown = sp_bytes_ref(w->convert_item.record);
	w->recorded(w);
}

static void on_stored(api_write *w)
{
	w->record = sp_bytes_ref(w->convert_item.record);
	ask(w, w->res->custom, sp_bytes_ref(w->record), 0, on_shown);
}

void api_write_record(api_write *w, void (*then)(api_write *w))
{
	const api_custom *v = converted(w);
	sp_bytes *record = NULL;
	sp_err err;
	w->record = sp_bytes_unref(w->record);
	w->shown = sp_bytes_unref(w->shown);
	sp_code code = v != NULL && v->stored != NULL
			       ? api_object_record_served(&w->arena, w->res, w->doc, w->obj,
							  w->server->marker_str, &record, &err)
			       : api_object_record(&w->arena, w->res, w->doc, w->obj, w->server->marker_str,
						   &w->record, &err);
	if (code != SP_OK) {
		api_write_fail(w, code, &err);
	} else if (record == NULL) {
		then(w);
	} else {
		w->recorded = then;
		ask(w, v->stored, record, 0, on_stored);
	}
}

sp_code api_write_record_last(api_write *w, sp_err *err)
{
	const api_custom *v = converted(w);
	w->record = sp_bytes_unref(w->record);
	w->shown = sp_bytes_unref(w->shown);
	return v != NULL ? api_object_record_served(&w->arena, w->res, w->doc, w->obj, w->server->marker_str,
						    &w->record, err)
			 : api_object_record(&w->arena, w->res, w->doc, w->obj, w->server->marker_str,
					     &w->record, err);
}
