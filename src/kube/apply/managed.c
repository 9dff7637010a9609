/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/apply/managed.h"

static sp_str text_of(yyjson_mut_val *object, const char *key)
{
	return sp_jmut_str(sp_jmut_get(object, sp_str_c(key)));
}

static bool same_identity(const sp_manager *a, const sp_manager *b)
{
	return a->applied == b->applied && sp_str_eq(a->name, b->name) &&
	       sp_str_eq(a->subresource, b->subresource) &&
	       (a->applied || sp_str_eq(a->api_version, b->api_version));
}

sp_manager *sp_managers_find(sp_managers *m, const sp_manager *like)
{
	for (size_t i = 0; i < m->n; i++) {
		if (same_identity(&m->items[i], like))
			return &m->items[i];
	}
	return NULL;
}

sp_manager *sp_managers_add(sp_arena *a, sp_managers *m, const sp_manager *item)
{
	if (m->n == m->cap) {
		size_t cap = m->cap == 0 ? 8 : m->cap * 2;
		sp_manager *items =
			sp_arena_try_grow(a, m->items, m->cap * sizeof(*items), cap * sizeof(*items));
		if (items == NULL)
			return NULL;
		m->items = items;
		m->cap = cap;
	}
	m->items[m->n] = *item;
	return &m->items[m->n++];
}

void sp_managers_drop(sp_managers *m, sp_manager *item)
{
	size_t i = (size_t)(item - m->items);
	memmove(item, item + 1, (m->n - i - 1) * sizeof(*item));
	m->n--;
}

void sp_managers_squeeze(sp_managers *m)
{
	size_t n = 0;
	for (size_t i = 0; i < m->n; i++) {
		if (!sp_fieldset_empty(m->items[i].set))
			m->items[n++] = m->items[i];
	}
	m->n = n;
}

sp_code sp_managers_parse(sp_arena *a, yyjson_mut_val *list, sp_managers *ret, sp_err *err)
{
	size_t idx, max;
	yyjson_mut_val *item;
	*ret = (sp_managers){0};
	yyjson_mut_arr_foreach(list, idx, max, item)
	{
		sp_str operation = text_of(item, "operation"), type = text_of(item, "fieldsType");
		sp_manager m = {.name = text_of(item, "manager"),
				.api_version = text_of(item, "apiVersion"),
				.subresource = text_of(item, "subresource"),
				.time = text_of(item, "time"),
				.applied = sp_str_eq(operation, SP_STR("Apply"))};
		if (!m.applied && !sp_str_eq(operation, SP_STR("Update")))
			return sp_fail(err, SP_EINVAL, "operation must be `Apply` or `Update`");
		if (m.api_version.len == 0)
			return sp_fail(err, SP_EINVAL, "apiVersion must not be empty");
		if (type.len == 0)
			return sp_fail(err, SP_EINVAL, "missing fieldsType in managed fields entry %zu", idx);
		if (!sp_str_eq(type, SP_STR("FieldsV1")))
			return sp_fail(err, SP_EINVAL,
				       "invalid fieldsType \"" SP_FMT "\" in managed fields entry %zu",
				       SP_ARG(type), idx);
		yyjson_mut_val *fields = sp_jmut_get(item, SP_STR("fieldsV1"));
		sp_fieldset *set = NULL;
		if (fields != NULL && !yyjson_mut_is_null(fields))
			SP_TRY(sp_fieldset_parse(a, fields, &set, err));
		m.set = set;
		sp_manager *old = sp_managers_find(ret, &m);
		if (old != NULL)
			*old = m;
		else if (sp_managers_add(a, ret, &m) == NULL)
			return sp_fail(err, SP_ENOMEM, "no room for managed fields");
	}
	return SP_OK;
}

static int list_order(const void *x, const void *y)
{
	const sp_manager *a = x, *b = y;
	if (a->applied != b->applied)
		return a->applied ? -1 : 1;
	int c = sp_str_cmp(a->time, b->time); /* RFC 3339 in UTC sorts as text; unknown comes first */
	if (c == 0)
		c = sp_str_cmp(a->name, b->name);
	if (c == 0)
		c = sp_str_cmp(a->api_version, b->api_version);
	return c != 0 ? c : sp_str_cmp(a->subresource, b->subresource);
}

static bool add_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, sp_str text)
{
	return text.len == 0 || yyjson_mut_obj_add_strncpy(doc, object, key, text.ptr, text.len);
}

yyjson_mut_val *sp_managers_json(yyjson_mut_doc *doc, sp_managers *m)
{
	yyjson_mut_val *list = yyjson_mut_arr(doc);
	if (list == NULL)
		return NULL;
	if (m->n > 0)
		qsort(m->items, m->n, sizeof(*m->items), list_order);
	for (size_t i = 0; i < m->n; i++) {
		const sp_manager *it = &m->items[i];
		yyjson_mut_val *object = yyjson_mut_arr_add_obj(doc, list);
		if (object == NULL || !add_text(doc, object, "manager", it->name) ||
		    !add_text(doc, object, "operation", it->applied ? SP_STR("Apply") : SP_STR("Update")) ||
		    !add_text(doc, object, "apiVersion", it->api_version) ||
		    !add_text(doc, object, "time", it->time) ||
		    !add_text(doc, object, "fieldsType", SP_STR("FieldsV1")) ||
		    !yyjson_mut_obj_add_val(doc, object, "fieldsV1", sp_fieldset_json(doc, it->set)) ||
		    !add_text(doc, object, "subresource", it->subresource))
			return NULL;
	}
	return list;
}

static int age_order(const void *x, const void *y)
{
	const sp_manager *a = *(sp_manager *const *)x, *b = *(sp_manager *const *)y;
	int c = sp_str_cmp(a->time, b->time);
	if (c == 0)
		c = sp_str_cmp(a->name, b->name);
	if (c == 0)
		c = sp_str_cmp(a->api_version, b->api_version);
	return c != 0 ? c : sp_str_cmp(a->subresource, b->subresource);
}

/*
 * From the oldest on: the first entry of a version becomes that version's bucket once a second one of the
 * version is met; the bucket takes the younger of the two times.
 */
sp_code sp_managers_cap(sp_arena *a, sp_managers *m)
{
	size_t n = 0, left;
	sp_manager **old = sp_try_new(a, sp_manager *, m->n + 1);
	if (old == NULL)
		return SP_ENOMEM;
	for (size_t i = 0; i < m->n; i++) {
		if (!m->items[i].applied)
			old[n++] = &m->items[i];
	}
	if (n <= SP_MANAGED_UPDATERS_MAX)
		return SP_OK;
	qsort(old, n, sizeof(*old), age_order);
	left = n;
	for (size_t i = 0; i < n && left > SP_MANAGED_UPDATERS_MAX; i++) {
		sp_manager *bucket = NULL;
		for (size_t j = 0; j < i && bucket == NULL; j++) {
			if (old[j]->set != NULL && sp_str_eq(old[j]->api_version, old[i]->api_version))
				bucket = old[j];
		}
		if (bucket == NULL)
			continue;
		bucket->name = SP_STR("ancient-changes");
		bucket->subresource = SP_STR("");
		bucket->time = old[i]->time;
		SP_TRY(sp_fieldset_union(a, old[i]->set, bucket->set, &bucket->set));
		old[i]->set = NULL; /* squeezed out below */
		left--;
	}
	sp_managers_squeeze(m);
	return SP_OK;
}

/* Equal but for managedFields[].time. */
static bool same_lists(yyjson_mut_val *x, yyjson_mut_val *y)
{
	size_t n = yyjson_mut_arr_size(x);
	if (n != yyjson_mut_arr_size(y))
		return false;
	for (size_t i = 0; i < n; i++) {
		yyjson_mut_val *a = yyjson_mut_arr_get(x, i), *b = yyjson_mut_arr_get(y, i);
		static const char *const keys[] = {"manager",    "operation", "apiVersion",
						   "fieldsType", "fieldsV1",  "subresource"};
		for (size_t k = 0; k < SP_LEN(keys); k++) {
			yyjson_mut_val *va = sp_jmut_get(a, sp_str_c(keys[k]));
			yyjson_mut_val *vb = sp_jmut_get(b, sp_str_c(keys[k]));
			if ((va == NULL) != (vb == NULL) || (va != NULL && !sp_jmut_equal(va, vb)))
				return false;
		}
	}
	return true;
}

bool sp_managed_keep_times(yyjson_mut_doc *doc, yyjson_mut_val *live, yyjson_mut_val *object)
{
	static const char name[] = "managedFields";
	yyjson_mut_val *ml = sp_jmut_get(live, SP_STR("metadata")),
		       *mo = sp_jmut_get(object, SP_STR("metadata"));
	yyjson_mut_val *fl = sp_jmut_get(ml, sp_str_c(name)), *fo = sp_jmut_get(mo, sp_str_c(name));
	if (fl == NULL || fo == NULL || !same_lists(fl, fo))
		return false;
	yyjson_mut_val *copy = yyjson_mut_val_mut_copy(doc, fl);
	yyjson_mut_val *was = copy == NULL ? NULL : yyjson_mut_val_mut_copy(doc, fo);
	if (was == NULL || !sp_jmut_set(doc, mo, sp_str_c(name), copy))
		return false;
	if (sp_jmut_equal(live, object))
		return true;
	if (!sp_jmut_set(doc, mo, sp_str_c(name), was))
		(void)sp_jmut_remove(mo,
				     sp_str_c(name)); /* no room even for a key: the write fails later on */
	return false;
}
