/* SPDX-License-Identifier: Apache-2.0 */
/* The objects that bindings name as parameters. U: policy/generic/policy_dispatcher.go, CollectParams. */
#include "apiserver/admission/policy_run.h"
#include "apiserver/custom/convert.h"

#define PARAMS_MAX 10000u

/* The version of a custom resource by its kind. */
static const api_resource *custom_by_kind(api_policy_walk *k, sp_str group, sp_str version, sp_str kind)
{
	const sp_kind *const *kinds = NULL;
	size_t n = 0;
	api_write *w = k->a->w;
	if (api_customs_kinds(w->server->customs, &w->arena, &kinds, &n, NULL) != SP_OK)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const sp_kind *c = kinds[i];
		if (sp_str_eq(c->group, group) && sp_str_eq(c->version, version) && sp_str_eq(c->kind, kind))
			return api_match_hold(k->a, c, &k->held);
	}
	return NULL;
}

static const api_resource *param_resource(api_policy_walk *k, const api_policy *p)
{
	sp_str version = p->param_version, group = {NULL, 0};
	if (!sp_str_cut(&version, '/', &group))
		group = SP_STR("");
	const api_resource *r =
		api_resource_by_kind(&k->a->w->server->resources, group, version, p->param_kind);
	if (r != NULL)
		return api_resource_is_stored(r) ? r : NULL;
	return custom_by_kind(k, group, version, p->param_kind);
}

sp_str api_policy_param_fault(api_policy_walk *k, const api_policy *p)
{
	if (!p->has_param_kind || param_resource(k, p) != NULL)
		return SP_STR("");
	return sp_arena_printf(&k->a->w->arena,
			       "failed to find resource referenced by paramKind: '%s" SP_FMT ", Kind=" SP_FMT
			       "'",
			       sp_str_index(p->param_version, '/') >= 0 ? "" : "/", SP_ARG(p->param_version),
			       SP_ARG(p->param_kind));
}

typedef struct gathering {
	api_write *w;
	const api_resource *res;
	const sp_selector *selector;
	api_policy_params *to;
	size_t cap;
	bool full, unseen; /* one can't be read; one would have to be converted by a webhook */
} gathering;

static bool add(gathering *g, yyjson_mut_val *obj)
{
	api_policy_params *p = g->to;
	if (p->n == g->cap) {
		size_t cap = SP_MAX(g->cap * 2, (size_t)4);
		yyjson_mut_val **items =
			cap > PARAMS_MAX ? NULL
					 : sp_arena_try_grow(&g->w->arena, p->items, g->cap * sizeof(void *),
							     cap * sizeof(void *));
		if (items == NULL)
			return false;
		p->items = items;
		g->cap = cap;
	}
	p->items[p->n++] = obj;
	return true;
}

static bool add_record(gathering *g, sp_str record, uint64_t revision)
{
	sp_record rec;
	yyjson_mut_val *obj = NULL;
	bool yes = true;
	if (sp_record_decode(record, &rec, NULL) != SP_OK)
		return false;
	g->unseen = api_convert_wanted_by(g->res, &rec);
	if (g->unseen ||
	    api_object_tree_as(&g->w->arena, g->res, &rec, revision, g->w->doc, &obj, NULL) != SP_OK ||
	    (g->selector != NULL && !api_match_labels(&g->w->arena, g->selector, obj, &yes)))
		return false;
	return !yes || add(g, obj);
}

static sp_store_visit visit(void *arg, const sp_store_entry *e)
{
	gathering *g = arg;
	g->full = !add_record(g, e->record, e->revision);
	return g->full ? SP_STORE_STOP : SP_STORE_TAKE;
}

static void gather_all(gathering *g, sp_str ns)
{
	sp_store_chunk chunk = {.more = true}, next;
	sp_store_query q = {.resource = g->res->prefix};
	if (ns.len > 0)
		q.prefix = sp_arena_printf(&g->w->arena, SP_FMT "/", SP_ARG(ns));
	while (chunk.more && !g->full) {
		q.from = (sp_str){chunk.next, chunk.next_len};
		if (sp_store_range(g->w->server->store, &q, visit, g, &next, NULL) != SP_OK) {
			g->full = true;
			return;
		}
		chunk = next;
		q.revision = chunk.revision;
	}
}

static void gather_one(gathering *g, sp_str ns, sp_str name)
{
	sp_store_value value;
	sp_str rest = api_object_rest(&g->w->arena, g->res, ns, name);
	sp_code code = rest.ptr == NULL ? SP_ENOMEM
					: sp_store_get(g->w->server->store,
						       (sp_store_key){g->res->prefix, rest}, 0, &value, NULL);
	if (code == SP_ENOTFOUND)
		return;
	g->full = code != SP_OK || !add_record(g, sp_bytes_view(value.record), value.revision);
	if (code == SP_OK)
		sp_bytes_unref(value.record);
}

void api_policy_params_get(api_policy_walk *k, const api_policy *p, const api_policy_binding *b,
			   api_policy_params *ret)
{
	static yyjson_mut_val *nothing[] = {NULL};
	const api_resource *res = p->has_param_kind && b->has_ref ? param_resource(k, p) : NULL;
	sp_str ns = b->param_ns;
	*ret = (api_policy_params){.items = nothing, .n = 1};
	if (!p->has_param_kind || !b->has_ref || res == NULL)
		return;
	*ret = (api_policy_params){.n = 0};
	gathering g = {
		.w = k->a->w, .res = res, .to = ret, .selector = b->has_selector ? &b->selector : NULL};
	if (res->kind->namespaced && ns.len == 0)
		ns = api_admit_namespace(k->a);
	if (res->kind->namespaced && ns.len == 0)
		ret->error = SP_STR("cannot use namespaced paramRef in policy binding that matches "
				    "cluster-scoped resources");
	else if (!res->kind->namespaced && ns.len > 0)
		ret->error =
			SP_STR("paramRef.namespace must not be provided for a cluster-scoped `paramKind`");
	else if (b->param_name.len > 0)
		gather_one(&g, ns, b->param_name);
	else
		gather_all(&g, ns);
	if (g.unseen)
		ret->error = SP_STR("parameters can't be shown in the version of paramKind, for a webhook "
				    "converts them");
	else if (g.full)
		ret->error = SP_STR("parameters can't be read");
	else if (ret->error.len == 0 && ret->n == 0 && b->denies_missing)
		ret->error = SP_STR("no params found for policy binding with `Deny` parameterNotFoundAction");
}
