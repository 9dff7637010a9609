/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/shown.h"

#include "kube/meta.h"

/* ---- turning ---- */

static void fail(api_turn *t, sp_str why)
{
	t->failed = true;
	t->why = why.len > 0 ? why : SP_STR("no room for the conversion");
}

/* The converted object; its revision is that of the other one, which no record has. */
static yyjson_mut_val *read_item(api_turn *t, const api_convert_item *item, yyjson_mut_val *was)
{
	sp_record rec;
	api_write *w = t->w;
	yyjson_mut_val *obj = NULL;
	if (sp_record_decode(sp_bytes_view(item->record), &rec, NULL) != SP_OK ||
	    api_object_tree_as(&w->arena, t->to, &rec, 0, w->doc, &obj, NULL) != SP_OK ||
	    !sp_kv_copy(w->doc, sp_meta(obj), sp_meta(was), "resourceVersion"))
		return NULL;
	return obj;
}

static void finish(api_turn *t)
{
	size_t k = 0;
	if (t->convert.failed)
		fail(t, t->convert.why);
	for (size_t i = 0; i < SP_LEN(t->objects) && !t->failed; i++) {
		if (t->objects[i] == NULL)
			continue;
		t->objects[i] = read_item(t, &t->items[k++], t->objects[i]);
		if (t->objects[i] == NULL)
			fail(t, SP_STR(""));
	}
	api_convert_unref(&t->convert);
}

static void on_done(api_convert *c)
{
	api_turn *t = c->arg;
	finish(t);
	t->done(t);
}

bool api_turn_start(api_turn *t)
{
	api_write *w = t->w;
	t->failed = false;
	t->convert = (api_convert){.customs = w->server->customs,
				   .to = t->to->custom,
				   .arena = &w->arena,
				   .items = t->items,
				   .done = on_done,
				   .arg = t};
	for (size_t i = 0; i < SP_LEN(t->objects); i++) {
		sp_err err;
		yyjson_mut_val *copy;
		if (t->objects[i] == NULL)
			continue;
		api_convert_item *item = &t->items[t->convert.n];
		*item = (api_convert_item){.record = NULL};
		copy = yyjson_mut_val_mut_copy(w->doc, t->objects[i]);
		if (copy == NULL ||
		    api_object_record_served(&w->arena, t->from, w->doc, copy, w->server->marker_str,
					     &item->record, &err) != SP_OK) {
			fail(t, SP_STR(""));
			api_convert_unref(&t->convert);
			return true;
		}
		t->convert.n++;
	}
	if (!api_convert_start(&t->convert))
		return false;
	finish(t);
	return true;
}

/* ---- what is shown ---- */

const api_shown *api_shown_find(const api_write *w, const api_resource *res)
{
	const api_shown *s = w->shown_as;
	while (s != NULL && !sp_str_eq(s->version, res->kind->version))
		s = s->next;
	return s;
}

bool api_shown_keep(api_turn *t)
{
	api_write *w = t->w;
	api_shown *s = sp_try_new(&w->arena, api_shown, 1);
	sp_str version = sp_arena_try_dup(&w->arena, t->to->kind->version);
	if (s == NULL || version.ptr == NULL)
		return false;
	*s = (api_shown){.next = w->shown_as,
			 .version = version,
			 .object = t->objects[0],
			 .old = t->objects[1],
			 .why = t->failed ? t->why : SP_STR("")};
	w->shown_as = s;
	return true;
}

void api_shown_forget(api_write *w)
{
	w->shown_as = NULL;
}

void api_wanted_add(const api_admit *a, const api_resource *res, api_wanted *to)
{
	if (api_match_can_show(a, res))
		return;
	for (size_t i = 0; i < to->n; i++) {
		if (to->items[i] == res)
			return;
	}
	if (to->n < API_WANTED_MAX)
		to->items[to->n++] = res;
}

/* ---- parameters ---- */

api_wanted_params *api_wanted_params_of(const api_admit *a, const api_resource *res, api_wanted *to)
{
	api_wanted_params *p = to->params;
	while (p != NULL && p->res != res)
		p = p->next;
	if (p != NULL)
		return p;
	p = sp_try_new(&a->w->arena, api_wanted_params, 1);
	if (p == NULL)
		return NULL;
	*p = (api_wanted_params){.next = to->params, .res = res};
	to->params = p;
	return p;
}

yyjson_mut_val *api_param_shown_find(const api_write *w, const api_resource *res, sp_str rest)
{
	const api_param_shown *s = w->params_shown;
	while (s != NULL && (!sp_str_eq(s->rest, rest) || !sp_str_eq(s->version, res->kind->version) ||
			     !sp_str_eq(s->prefix, res->prefix)))
		s = s->next;
	return s == NULL ? NULL : s->object;
}
