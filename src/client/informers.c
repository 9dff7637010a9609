/* SPDX-License-Identifier: Apache-2.0 */
#include "base/alloc.h"
#include "client/client_int.h"
#include "client/informer_int.h"

/* ---- the set ---- */

static void on_all_synced(sp_defer *d)
{
	sp_informers *s = d->arg;
	if (s->on_synced != NULL && sp_informers_are_synced(s))
		SP_TAKE(s->on_synced)(s->synced_arg);
}

sp_code sp_informers_new(sp_client *client, sp_log *log, sp_informers **ret, sp_err *err)
{
	sp_informers *s = SP_NEW(sp_informers);
	(void)err;
	s->client = client;
	s->log = log;
	sp_list_init(&s->list);
	sp_defer_init(&s->synced, on_all_synced, s);
	*ret = s;
	return SP_OK;
}

static sp_informer *of_node(sp_list *node)
{
	return SP_CONTAINER_OF(node, sp_informer, node);
}

bool sp_informers_are_synced(const sp_informers *s)
{
	for (const sp_list *node = s->list.next; node != &s->list; node = node->next) {
		const sp_informer *i = of_node((sp_list *)(uintptr_t)node);
		if (i->started && !i->synced && !i->absent)
			return false;
	}
	return true;
}

void informers_check_synced(sp_informers *s)
{
	if (s->on_synced != NULL && sp_informers_are_synced(s))
		sp_defer_call(sp_client_world(s->client), &s->synced);
}

void sp_informers_on_synced(sp_informers *s, void (*fn)(void *arg), void *arg)
{
	s->on_synced = fn;
	s->synced_arg = arg;
	informers_check_synced(s);
}

void sp_informers_start(sp_informers *s)
{
	SP_LIST_FOREACH (node, &s->list) {
		sp_informer *i = of_node(node);
		if (!i->started)
			sp_reflector_start(i->reflector);
		i->started = true;
	}
}

/* ---- one of them ---- */

static void informer_free(sp_informer *i)
{
	sp_list_remove(&i->node);
	sp_reflector_free(i->reflector);
	SP_LIST_FOREACH (node, &i->watches)
		sp_informer_watch_remove(SP_CONTAINER_OF(node, sp_informer_watch, node));
	informer_clear(i);
	sp_projection_free(i->projection);
	sp_arena_done(&i->arena);
	sp_free(i);
}

void sp_informers_drop(sp_informers *s, sp_informer *i)
{
	SP_ASSERT(i->set == s);
	informer_free(i);
	informers_check_synced(s);
}

void sp_informers_free(sp_informers *s)
{
	if (s == NULL)
		return;
	SP_LIST_FOREACH (node, &s->list)
		informer_free(of_node(node));
	sp_defer_cancel(&s->synced);
	sp_free(s);
}

static bool same(const sp_informer_opts *a, const sp_informer_opts *b)
{
	return sp_str_eq(a->gvr.resource, b->gvr.resource) && sp_str_eq(a->gvr.group, b->gvr.group) &&
	       sp_str_eq(a->gvr.version, b->gvr.version) && sp_str_eq(a->ns, b->ns) &&
	       sp_str_eq(a->label_selector, b->label_selector) &&
	       sp_str_eq(a->field_selector, b->field_selector) && a->metadata_only == b->metadata_only;
}

static bool copy_texts(sp_informer *i)
{
	sp_str *texts[] = {&i->o.gvr.group, &i->o.gvr.version,    &i->o.gvr.resource,
			   &i->o.ns,        &i->o.label_selector, &i->o.field_selector};
	for (size_t k = 0; k < SP_LEN(texts); k++) {
		if (texts[k]->len == 0)
			continue;
		*texts[k] = sp_arena_try_dup(&i->arena, *texts[k]);
		if (texts[k]->ptr == NULL)
			return false;
	}
	return true;
}

static sp_code open_parts(sp_informer *i, sp_err *err)
{
	i->projection = sp_projection_new();
	if (i->projection == NULL || !copy_texts(i))
		return sp_fail(err, SP_ENOMEM, "no memory for an informer");
	const sp_reflector_opts o = {.client = i->set->client,
				     .log = i->set->log,
				     .gvr = i->o.gvr,
				     .ns = i->o.ns,
				     .label_selector = i->o.label_selector,
				     .field_selector = i->o.field_selector,
				     .metadata_only = i->o.metadata_only,
				     .sink = &informer_sink,
				     .arg = i};
	return sp_reflector_new(&o, &i->reflector, err);
}

sp_code sp_informers_get(sp_informers *s, const sp_informer_opts *o, sp_informer **ret, sp_err *err)
{
	SP_LIST_FOREACH (node, &s->list) {
		if (same(&of_node(node)->o, o)) {
			*ret = of_node(node);
			return SP_OK;
		}
	}
	sp_informer *i = SP_NEW(sp_informer);
	i->set = s;
	i->o = *o;
	sp_list_init(&i->node);
	sp_list_init(&i->watches);
	sp_map_init(&i->items);
	sp_arena_init(&i->arena, (size_t)1 << 20);
	sp_code code = open_parts(i, err);
	if (code != SP_OK) {
		informer_free(i);
		return code;
	}
	sp_list_push_back(&s->list, &i->node);
	*ret = i;
	return SP_OK;
}

sp_code sp_informer_keep_path(sp_informer *i, sp_str path)
{
	SP_ASSERT(!i->started);
	return sp_projection_add(i->projection, path) ? SP_OK : SP_ENOMEM;
}

sp_code sp_informer_keep(sp_informer *i, const sp_view_desc *view)
{
	for (size_t k = 0; k < view->n_fields; k++)
		SP_TRY(sp_informer_keep_path(i, sp_str_c(view->fields[k].path)));
	return SP_OK;
}

void sp_informer_keep_all(sp_informer *i)
{
	SP_ASSERT(!i->started);
	i->keep_all = true;
}

void sp_informer_keep_bare(sp_informer *i)
{
	SP_ASSERT(!i->started);
	sp_projection_bare(i->projection);
}
