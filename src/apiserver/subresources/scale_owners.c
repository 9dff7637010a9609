/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/subresources/subresources.h"
#include "kube/apply/managed.h"
#include "kube/meta.h"

static const sp_pe pe_spec = {.kind = SP_PE_FIELD, .name = SP_STR_INIT("spec")};
static const sp_pe pe_replicas = {.kind = SP_PE_FIELD, .name = SP_STR_INIT("replicas")};

static bool has_replicas(const sp_fieldset *set)
{
	const sp_fs_entry *spec = set == NULL ? NULL : sp_fieldset_find(set, &pe_spec);
	const sp_fs_entry *n =
		spec == NULL || spec->child == NULL ? NULL : sp_fieldset_find(spec->child, &pe_replicas);
	return n != NULL && n->member;
}

/* {spec.replicas}, in objects and in scales alike. */
static const sp_fieldset *replicas_alone(sp_arena *a)
{
	sp_fieldset *set = sp_fieldset_new(a), *child = sp_fieldset_new(a);
	sp_fs_entry *spec = set == NULL ? NULL : sp_fieldset_entry(a, set, &pe_spec);
	sp_fs_entry *n = child == NULL ? NULL : sp_fieldset_entry(a, child, &pe_replicas);
	if (spec == NULL || n == NULL)
		return NULL;
	n->member = true;
	spec->child = child;
	return set;
}

static void parse(api_write *w, yyjson_mut_val *object, sp_managers *ret)
{
	sp_err err;
	if (sp_managers_parse(&w->arena, sp_kv_get(sp_meta(object), "managedFields"), ret, &err) != SP_OK)
		*ret = (sp_managers){0}; /* what can't be read owns nothing */
}

static bool put(api_write *w, yyjson_mut_val *object, sp_managers *m)
{
	yyjson_mut_val *list = m->n == 0 ? NULL : sp_managers_json(w->doc, m);
	return (m->n == 0 || list != NULL) && sp_kv_set(w->doc, sp_meta(object), "managedFields", list);
}

bool api_scale_owners_show(api_write *w, yyjson_mut_val *object, yyjson_mut_val *scale)
{
	sp_managers all, out = {0};
	const sp_fieldset *replicas = replicas_alone(&w->arena);
	parse(w, object, &all);
	for (size_t i = 0; i < all.n; i++) {
		sp_manager m = all.items[i];
		if (!sp_str_eq(m.api_version, w->res->api_version) || !has_replicas(m.set))
			continue;
		m.api_version = w->body_res->api_version;
		m.set = replicas;
		if (replicas == NULL || sp_managers_add(&w->arena, &out, &m) == NULL)
			return false;
	}
	return put(w, scale, &out);
}

/* The owner of replicas through the scale whom the object knows as `m`, or NULL. */
static sp_manager *same_in_scale(sp_managers *scale, const sp_manager *m)
{
	for (size_t i = 0; i < scale->n; i++) {
		sp_manager *s = &scale->items[i];
		if (s->applied == m->applied && sp_str_eq(s->name, m->name) &&
		    sp_str_eq(s->subresource, m->subresource) && has_replicas(s->set))
			return s;
	}
	return NULL;
}

/* An owner of the object before the write: as it was, or without the replicas that somebody took. */
static bool take_old(api_write *w, const sp_manager *m, sp_managers *scale, const sp_fieldset *replicas,
		     sp_managers *out)
{
	sp_manager kept = *m;
	if (has_replicas(m->set)) {
		sp_manager *s = same_in_scale(scale, m);
		if (s != NULL)
			sp_managers_drop(scale, s);
		else if (sp_fieldset_difference(&w->arena, m->set, replicas, &kept.set) != SP_OK)
			return false;
		if (sp_fieldset_empty(kept.set))
			return true;
	}
	return sp_managers_add(&w->arena, out, &kept) != NULL;
}

bool api_scale_owners_take(api_write *w, yyjson_mut_val *old, yyjson_mut_val *scale, yyjson_mut_val *object)
{
	sp_managers before, after, out = {0};
	const sp_fieldset *replicas = replicas_alone(&w->arena);
	if (replicas == NULL)
		return false;
	parse(w, old, &before);
	parse(w, scale, &after);
	for (size_t i = 0; i < before.n; i++) {
		/* Owners of other versions are forgotten, as upstream does. */
		if (sp_str_eq(before.items[i].api_version, w->res->api_version) &&
		    !take_old(w, &before.items[i], &after, replicas, &out))
			return false;
	}
	for (size_t i = 0; i < after.n; i++) {
		sp_manager m = after.items[i];
		if (!has_replicas(m.set))
			continue;
		m.api_version = w->res->api_version;
		m.set = replicas;
		m.time = (sp_str){NULL, 0}; /* upstream loses it */
		if (sp_managers_add(&w->arena, &out, &m) == NULL)
			return false;
	}
	return put(w, object, &out);
}
