/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"
#include "kube/formats.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/resource_lists.h"
#include "kube/kinds/resources.h"
#include "kube/meta.h"

/* The lists of one item, in the order of checking; MAX … are the indexes of a row of amounts. */
enum { MAX, MIN, DEFAULT, DEFAULT_REQUEST, RATIO, LIST_COUNT };
static const char *const lists[LIST_COUNT] = {"max", "min", "default", "defaultRequest",
					      "maxLimitRequestRatio"};

/* What an item says about one resource; NULL where it says nothing. */
typedef struct row {
	yyjson_mut_val *amounts[LIST_COUNT];
} row;

typedef struct walk {
	sp_kind_ctx *c;
	const sp_path *path;
	sp_str name;
	sp_qty q[LIST_COUNT];
	bool has[LIST_COUNT];
} walk;

static sp_str text_of(walk *w, int i)
{
	return sp_qty_print(w->c->arena, w->q[i]);
}

/* `at`'s list is blamed and `shown` printed when the amount of `low` is greater than that of `high`. */
static void ordered(walk *w, int low, int high, int at, int shown, const char *low_name,
		    const char *high_name)
{
	if (!w->has[low] || !w->has[high] || sp_qty_cmp(&w->q[low], &w->q[high]) <= 0)
		return;
	sp_str low_text = text_of(w, low), high_text = text_of(w, high);
	sp_v_invalid(w->c->errors, SP_AT_KEY(SP_AT_STR(w->path, sp_str_c(lists[at])), w->name),
		     sp_bad_named(text_of(w, shown)), "%s value " SP_FMT " is greater than %s value " SP_FMT,
		     low_name, SP_ARG(low_text), high_name, SP_ARG(high_text));
}

#define NANOS ((__int128)1000000000)

static void ratio_validate(walk *w)
{
	const sp_path *at = SP_AT_KEY(SP_AT(w->path, "maxLimitRequestRatio"), w->name);
	if (!w->has[RATIO])
		return;
	sp_str text = text_of(w, RATIO);
	if (w->q[RATIO].nanos < NANOS)
		sp_v_invalid(w->c->errors, at, sp_bad_named(text), "ratio " SP_FMT " is less than 1",
			     SP_ARG(text));
	if (!w->has[MIN] || !w->has[MAX] || w->q[MIN].nanos == 0)
		return;
	double most = (double)sp_qty_milli(&w->q[MAX]) / (double)sp_qty_milli(&w->q[MIN]);
	if ((double)sp_qty_milli(&w->q[RATIO]) / 1000 > most)
		sp_v_invalid(w->c->errors, at, sp_bad_named(text),
			     "ratio " SP_FMT " is greater than max/min = %f", SP_ARG(text), most);
}

static void row_validate(walk *w)
{
	ordered(w, MIN, MAX, MIN, MIN, "min", "max");
	ordered(w, MIN, DEFAULT_REQUEST, DEFAULT_REQUEST, DEFAULT_REQUEST, "min", "default request");
	ordered(w, DEFAULT_REQUEST, MAX, DEFAULT_REQUEST, DEFAULT_REQUEST, "default request", "max");
	ordered(w, DEFAULT_REQUEST, DEFAULT, DEFAULT_REQUEST, DEFAULT_REQUEST, "default request",
		"default limit");
	ordered(w, MIN, DEFAULT, DEFAULT, MIN, "min", "default");
	ordered(w, DEFAULT, MAX, DEFAULT, MAX, "default", "max");
	ratio_validate(w);
	if (sp_res_overcommit_allowed(w->name) || !w->has[DEFAULT] || !w->has[DEFAULT_REQUEST] ||
	    sp_qty_cmp(&w->q[DEFAULT], &w->q[DEFAULT_REQUEST]) == 0)
		return;
	sp_str limit = text_of(w, DEFAULT), request = text_of(w, DEFAULT_REQUEST);
	sp_v_invalid(w->c->errors, SP_AT_KEY(SP_AT(w->path, "defaultRequest"), w->name),
		     sp_bad_named(request),
		     "default value " SP_FMT " must equal to defaultRequest value " SP_FMT " in " SP_FMT,
		     SP_ARG(limit), SP_ARG(request), SP_ARG(w->name));
}

/* Names of a list, and their amounts into the rows. False: no room. */
static bool list_validate(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *item, int list, bool container,
			  sp_map *rows)
{
	SP_KV_EACH_MEMBER (key, qty, i, sp_kv_map(item, lists[list])) {
		sp_str name = sp_jmut_str(key);
		const sp_path *at = SP_AT_KEY(SP_AT_STR(path, sp_str_c(lists[list])), name);
		row *r = sp_map_get(rows, name);
		if (container)
			sp_res_container_name_validate(c->errors, at, name);
		else
			sp_res_name_validate(c->errors, at, name);
		if (r == NULL) {
			r = sp_try_new(c->arena, row, 1);
			if (r == NULL || sp_map_put(rows, name, r, NULL) != SP_OK)
				return false;
		}
		r->amounts[list] = qty;
	}
	return true;
}

static void type_validate(sp_violations *v, const sp_path *path, sp_str type)
{
	static const char *const types[] = {"Pod", "Container", "PersistentVolumeClaim"};
	sp_name_faults faults = sp_name_qualified(type);
	for (size_t i = 0; i < faults.n; i++)
		sp_v_invalid(v, path, sp_bad_named(type), SP_FMT SP_FMT, SP_ARG(faults.items[i].prefix),
			     SP_ARG(faults.items[i].text));
	if (faults.n == 0 && sp_str_index(type, '/') < 0 && !SP_STR_IN(type, types))
		sp_v_invalid(v, path, sp_bad_named(type), "must be a standard limit type or fully qualified");
}

static void item_validate(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *item)
{
	bool pod = sp_kv_is(item, "type", "Pod"), container = pod || sp_kv_is(item, "type", "Container");
	sp_map rows;
	sp_map_init(&rows);
	bool ok = true;
	for (int list = 0; ok && list < LIST_COUNT; list++) {
		bool refused = pod && (list == DEFAULT || list == DEFAULT_REQUEST);
		if (refused && sp_kv_map(item, lists[list]) != NULL)
			sp_v_forbidden(c->errors, SP_AT_STR(path, sp_str_c(lists[list])),
				       "may not be specified when `type` is 'Pod'");
		ok = refused || list_validate(c, path, item, list, container, &rows);
	}
	if (!ok)
		c->errors->code = SP_ETOOLARGE;
	if (sp_kv_is(item, "type", "PersistentVolumeClaim") &&
	    !sp_kv_has(sp_kv_get(item, "min"), "storage") && !sp_kv_has(sp_kv_get(item, "max"), "storage"))
		sp_v_required(
			c->errors, SP_AT(path, "limits"),
			"either minimum or maximum storage value is required, but neither was provided");
	const sp_map_entry *e;
	for (size_t i = 0; ok && (e = sp_map_next(&rows, &i)) != NULL;) {
		const row *r = e->value;
		walk w = {.c = c, .path = path, .name = e->key};
		for (int list = 0; list < LIST_COUNT; list++) {
			w.has[list] = r->amounts[list] != NULL;
			w.q[list] = sp_kv_qty(r->amounts[list]);
		}
		row_validate(&w);
	}
	sp_map_done(&rows);
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_AUTO_STRSET types = {.map = {0}};
	sp_meta_validate(c, obj);
	SP_KV_EACH (item, i, sp_kv_list(sp_kv_get(obj, "spec"), "limits")) {
		const sp_path *at = SP_AT_I(SP_PATH("spec.limits"), i);
		sp_str type = sp_kv_str(item, "type");
		type_validate(c->errors, SP_AT(at, "type"), type);
		if (!sp_strset_add(&types, type, c->errors))
			sp_v_duplicate(c->errors, SP_AT(at, "type"), sp_bad_named(type));
		item_validate(c, at, item);
	}
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	validate(c, obj);
}

static void defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_KV_EACH (item, i, sp_kv_list(sp_kv_get(obj, "spec"), "limits")) {
		for (size_t list = 0; list < LIST_COUNT; list++)
			sp_res_list_round(c, sp_kv_map(item, lists[list]));
		if (!sp_kv_is(item, "type", "Container"))
			continue;
		sp_res_list_fill(c, item, "default", sp_kv_map(item, "max"), NULL);
		sp_res_list_fill(c, item, "defaultRequest", sp_kv_map(item, "default"), NULL);
		sp_res_list_fill(c, item, "defaultRequest", sp_kv_map(item, "min"), NULL);
	}
}

/* A limit range without a name gets a unique one. */
static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	if (sp_meta_name(obj).len == 0)
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, sp_meta(obj), "name", sp_meta_uuid(c)));
}

const sp_kind_hooks sp_hooks_limit_range = {
	.flags = SP_KIND_CREATE_ON_UPDATE | SP_KIND_UNCONDITIONAL_UPDATE,
	.defaults = defaults,
	.prepare_create = prepare_create,
	.validate = validate,
	.validate_update = validate_update,
};
