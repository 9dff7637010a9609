/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/newest.h"

static void drop(newest *n, sp_str key)
{
	sp_object_unref(sp_map_remove(&n->written, key));
}

static void on_change(void *arg, const sp_object *old, const sp_object *now)
{
	newest *n = arg;
	sp_str key = (now != NULL ? now : old)->key;
	const sp_object *mine = sp_map_get(&n->written, key);
	if (mine != NULL &&
	    (now == NULL || now->revision >= mine->revision || !sp_str_eq(now->uid, mine->uid)))
		drop(n, key);
}

void newest_init(newest *n, sp_informer *i)
{
	n->informer = i;
	sp_map_init(&n->written);
	n->watch = (sp_informer_watch){.on_change = on_change, .arg = n};
	sp_informer_watch_add(i, &n->watch);
}

void newest_done(newest *n)
{
	const sp_map_entry *e;
	if (n->informer == NULL)
		return;
	for (size_t i = 0; (e = sp_map_next(&n->written, &i)) != NULL;)
		sp_object_unref(e->value);
	sp_map_done(&n->written);
}

const sp_object *newest_of(const newest *n, const sp_object *cached)
{
	const sp_object *mine = sp_map_get(&n->written, cached->key);
	return mine != NULL ? mine : cached;
}

const sp_object *newest_get(const newest *n, sp_str key)
{
	const sp_object *cached = sp_informer_get(n->informer, key);
	return cached == NULL ? NULL : newest_of(n, cached);
}

void newest_note(newest *n, const sp_object *o)
{
	const sp_object *known = newest_get(n, o->key);
	void *old = NULL;
	if (known == NULL || !sp_str_eq(known->uid, o->uid) || known->revision >= o->revision)
		return; /* gone meanwhile, or seen already */
	if (sp_map_put(&n->written, o->key, (void *)(uintptr_t)o, &old) != SP_OK)
		return;
	sp_object_ref(o);
	sp_object_unref(old);
}
