/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/amounts.h"

#include <stdlib.h>

#include "kube/kinds/pod.h"
#include "kube/kinds/resources.h"

void sp_amounts_init(sp_amounts *list, sp_arena *a)
{
	*list = (sp_amounts){.arena = a};
}

static sp_amount *find(const sp_amounts *list, sp_str name)
{
	for (size_t i = 0; i < list->n; i++) {
		if (sp_str_eq(list->items[i].name, name))
			return &list->items[i];
	}
	return NULL;
}

const sp_qty *sp_amounts_get(const sp_amounts *list, sp_str name)
{
	const sp_amount *item = find(list, name);
	return item == NULL ? NULL : &item->qty;
}

static void append(sp_amounts *list, sp_str name, const sp_qty *qty)
{
	if (list->n == list->cap) {
		size_t cap = list->cap == 0 ? 8 : list->cap * 2;
		sp_amount *items = sp_arena_try_grow(list->arena, list->items, list->cap * sizeof *items,
						     cap * sizeof *items);
		if (items == NULL) {
			list->failed = true;
			return;
		}
		list->items = items;
		list->cap = cap;
	}
	list->items[list->n++] = (sp_amount){name, *qty};
}

void sp_amounts_add(sp_amounts *list, sp_str name, const sp_qty *qty)
{
	sp_amount *item = find(list, name);
	if (item == NULL)
		append(list, name, qty);
	else if (!sp_qty_add(&item->qty, qty))
		list->failed = true;
}

void sp_amounts_set(sp_amounts *list, sp_str name, const sp_qty *qty)
{
	sp_amount *item = find(list, name);
	if (item == NULL)
		append(list, name, qty);
	else
		item->qty = *qty;
}

void sp_amounts_max(sp_amounts *list, sp_str name, const sp_qty *qty)
{
	sp_amount *item = find(list, name);
	if (item == NULL)
		append(list, name, qty);
	else if (sp_qty_cmp(qty, &item->qty) > 0)
		item->qty = *qty;
}

void sp_amounts_add_map(sp_amounts *list, yyjson_mut_val *map)
{
	SP_KV_EACH_MEMBER (key, value, i, map) {
		sp_qty qty = sp_kv_qty(value);
		sp_amounts_add(list, sp_jmut_str(key), &qty);
	}
}

void sp_amounts_add_all(sp_amounts *list, const sp_amounts *more)
{
	list->failed = list->failed || more->failed;
	for (size_t i = 0; i < more->n; i++)
		sp_amounts_add(list, more->items[i].name, &more->items[i].qty);
}

static int by_name(const void *a, const void *b)
{
	return sp_str_cmp(((const sp_amount *)a)->name, ((const sp_amount *)b)->name);
}

void sp_amounts_sort(sp_amounts *list)
{
	if (list->n > 1)
		qsort(list->items, list->n, sizeof *list->items, by_name);
}

/* ---- pods ---- */

static yyjson_mut_val *needs(yyjson_mut_val *holder, const char *what)
{
	return sp_kv_map(sp_kv_get(holder, "resources"), what);
}

/* Init containers run one after the other, with the sidecars that were started before each. */
static void add_init(sp_amounts *list, yyjson_mut_val *spec, const char *what)
{
	sp_amounts sidecars, greediest;
	sp_amounts_init(&sidecars, list->arena);
	sp_amounts_init(&greediest, list->arena);
	SP_KV_EACH (c, i, sp_kv_list(spec, "initContainers")) {
		sp_amounts now;
		sp_amounts_init(&now, list->arena);
		if (sp_pod_is_sidecar(c)) {
			sp_amounts_add_map(list, needs(c, what));
			sp_amounts_add_map(&sidecars, needs(c, what));
		} else {
			sp_amounts_add_map(&now, needs(c, what));
		}
		sp_amounts_add_all(&now, &sidecars);
		list->failed = list->failed || now.failed || sidecars.failed;
		for (size_t k = 0; k < now.n; k++)
			sp_amounts_max(&greediest, now.items[k].name, &now.items[k].qty);
	}
	list->failed = list->failed || greediest.failed;
	for (size_t k = 0; k < greediest.n; k++)
		sp_amounts_max(list, greediest.items[k].name, &greediest.items[k].qty);
}

void sp_pod_amounts(sp_amounts *list, yyjson_mut_val *pod, const char *what, bool overhead)
{
	yyjson_mut_val *spec = sp_kv_get(pod, "spec");
	bool limits = sp_str_eq(sp_str_c(what), SP_STR("limits"));
	SP_KV_EACH (c, i, sp_kv_list(spec, "containers"))
		sp_amounts_add_map(list, needs(c, what));
	add_init(list, spec, what);
	SP_KV_EACH_MEMBER (key, value, k, needs(spec, what)) {
		sp_qty qty = sp_kv_qty(value);
		if (sp_res_is_pod_level(sp_jmut_str(key)))
			sp_amounts_set(list, sp_jmut_str(key), &qty);
	}
	SP_KV_EACH_MEMBER (name, amount, m, overhead ? sp_kv_map(spec, "overhead") : NULL) {
		sp_qty qty = sp_kv_qty(amount);
		const sp_qty *had = sp_amounts_get(list, sp_jmut_str(name));
		if (!limits || (had != NULL && had->nanos != 0))
			sp_amounts_add(list, sp_jmut_str(name), &qty);
	}
}
