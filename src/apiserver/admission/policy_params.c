/* SPDX-License-Identifier: Apache-2.0 */
/* The objects that bindings name as parameters. U: policy/generic/policy_dispatcher.go, CollectParams. */
#include "apiserver/admission/policy_run.h"
#include "apiserver/admission/shown.h"

#define PARAMS_MAX 10000u

/* The version of a custom resource by its kind. */
static const api_resource *custom_by_kind(const api_admit *a, sp_str group, sp_str version, sp_str kind,
					  api_match_held *held)
{
	const sp_kind *const *kinds = NULL;
	size_t n = 0;
	api_write *w = a->w;
	if (api_customs_kinds(w->server->customs, &w->arena, &kinds, &n, NULL) != SP_OK)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const sp_kind *c = kinds[i];
		if (sp_str_eq(c->group, group) && sp_str_eq(c->version, version) && sp_str_eq(c->kind, kind))
			return api_match_hold(a, c, held);
	}
	return NULL;
}

static const api_resource *param_resource(const api_admit *a, const api_policy *p, api_match_held *held)
{
	sp_str version = p->param_version, group = {NULL, 0};
	if (!sp_str_cut(&version, '/', &group))
		group = SP_STR("");
	const api_resource *r = api_resource_by_kind(&a->w->server->resources, group, version, p->param_kind);
	if (r != NULL)
		return api_resource_is_stored(r) ? r : NULL;
	return custom_by_kind(a, group, version, p->param_kind, held);
}

sp_str api_policy_param_fault(api_policy_walk *k, const api_policy *p)
{
	if (!p->has_param_kind || param_resource(k->a, p, &k->held) != NULL)
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
	api_wanted_params *wanted; /* instead of that: those that have to be converted */
	size_t cap;
	bool full, unseen; /* one can't be read; one is not converted */
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

static bool want_record(gathering *g, sp_str rest, sp_str record, uint64_t revision)
{
	api_wanted_params *p = g->wanted;
	if (p->n == p->cap) {
		size_t cap = SP_MAX(p->cap * 2, (size_t)4);
		api_convert_item *items =
			cap > PARAMS_MAX ? NULL
					 : sp_arena_try_grow(&g->w->arena, p->items, p->cap * sizeof *items,
							     cap * sizeof *items);
		if (items == NULL)
			return false;
		p->items = items;
		p->cap = cap;
	}
	const api_convert_item item = {.record = sp_bytes_try_dup(record),
				       .rest = sp_arena_try_dup(&g->w->arena, rest),
				       .revision = revision};
	if (item.record == NULL || item.rest.ptr == NULL) {
		sp_bytes_unref(item.record);
		return false;
	}
	p->items[p->n++] = item;
	return true;
}

/* NULL: it can't be had. */
static yyjson_mut_val *show_record(gathering *g, sp_str rest, const sp_record *rec, uint64_t revision)
{
	yyjson_mut_val *obj = NULL;
	if (api_convert_wanted_by(g->res, rec)) {
		obj = api_param_shown_find(g->w, g->res, rest);
		g->unseen = obj == NULL;
		return obj;
	}
	return api_object_tree_as(&g->w->arena, g->res, rec, revision, g->w->doc, &obj, NULL) == SP_OK ? obj
												       : NULL;
}

static bool add_record(gathering *g, sp_str rest, sp_str record, uint64_t revision)
{
	sp_record rec;
	bool yes = true;
	if (sp_record_decode(record, &rec, NULL) != SP_OK)
		return false;
	if (g->wanted != NULL)
		return !api_convert_wanted_by(g->res, &rec) || want_record(g, rest, record, revision);
	yyjson_mut_val *obj = show_record(g, rest, &rec, revision);
	if (obj == NULL || (g->selector != NULL && !api_match_labels(&g->w->arena, g->selector, obj, &yes)))
		return false;
	return !yes || add(g, obj);
}

static sp_store_visit visit(void *arg, const sp_store_entry *e)
{
	gathering *g = arg;
	g->full = !add_record(g, e->rest, e->record, e->revision);
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
	g->full = code != SP_OK || !add_record(g, rest, sp_bytes_view(value.record), value.revision);
	if (code == SP_OK)
		sp_bytes_unref(value.record);
}

/* Why the binding can't have parameters of that kind; empty: here they are. */
static sp_str gather(gathering *g, const api_admit *a, const api_policy_binding *b)
{
	sp_str ns = b->param_ns;
	const bool namespaced = g->res->kind->namespaced;
	if (namespaced && ns.len == 0)
		ns = api_admit_namespace(a);
	if (namespaced && ns.len == 0)
		return SP_STR("cannot use namespaced paramRef in policy binding that matches "
			      "cluster-scoped resources");
	if (!namespaced && ns.len > 0)
		return SP_STR("paramRef.namespace must not be provided for a cluster-scoped `paramKind`");
	if (b->param_name.len > 0)
		gather_one(g, ns, b->param_name);
	else
		gather_all(g, ns);
	return SP_STR("");
}

const api_resource *api_policy_params_converted(const api_admit *a, const api_policy *p, api_match_held *held)
{
	const api_resource *res = p->has_param_kind ? param_resource(a, p, held) : NULL;
	return res != NULL && res->custom != NULL && res->custom->converter != NULL ? res : NULL;
}

/* What goes wrong here does so again, and is told, when the policy is asked. */
void api_policy_params_want(const api_admit *a, const api_resource *res, const api_policy_binding *b,
			    api_wanted *to)
{
	sp_status error;
	const api_resource *ignored;
	gathering g = {.w = a->w, .res = res};
	if (!b->has_ref || api_match_policy(a, &b->match, &to->held, &ignored, &error) != API_MATCH_YES)
		return;
	g.wanted = api_wanted_params_of(a, res, to);
	if (g.wanted != NULL)
		(void)gather(&g, a, b);
}

void api_policy_params_get(api_policy_walk *k, const api_policy *p, const api_policy_binding *b,
			   api_policy_params *ret)
{
	static yyjson_mut_val *nothing[] = {NULL};
	const api_resource *res = p->has_param_kind && b->has_ref ? param_resource(k->a, p, &k->held) : NULL;
	*ret = (api_policy_params){.items = nothing, .n = 1};
	if (res == NULL)
		return;
	*ret = (api_policy_params){.n = 0};
	gathering g = {
		.w = k->a->w, .res = res, .to = ret, .selector = b->has_selector ? &b->selector : NULL};
	ret->error = gather(&g, k->a, b);
	if (g.unseen) /* upstream lists them in that version, and waits for a list that comes */
		ret->error = sp_arena_printf(&k->a->w->arena,
					     "paramKind kind `&ParamKind{APIVersion:" SP_FMT ",Kind:" SP_FMT
					     ",}` not yet synced to use for admission",
					     SP_ARG(p->param_version), SP_ARG(p->param_kind));
	else if (g.full)
		ret->error = SP_STR("parameters can't be read");
	else if (ret->error.len == 0 && ret->n == 0 && b->denies_missing)
		ret->error = SP_STR("no params found for policy binding with `Deny` parameterNotFoundAction");
}
