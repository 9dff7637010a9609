/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ResourceQuota: what a namespace may hold. The new usage is written in the same commit as the object, so two
 * writes can't both take what is left; the loser of such a race is done again. Usage goes down by the quota
 * controller only. U: apiserver pkg/admission/plugin/resourcequota/controller.go
 */
#include "apiserver/admission/admission.h"

#include "kube/kinds/quota_usage.h"
#include "kube/meta.h"

#define QUOTAS "/registry/resourcequotas/"
#define TEXT_BYTES_MAX ((size_t)64 << 10)

typedef struct charge {
	const api_admit *a;
	sp_quota_ctx ctx;
	const sp_quota_evaluator *e;
	sp_amounts usage, delta; /* all of it; less what the old object took */
	bool has_usage, refused;
} charge;

/* ---- which quotas ---- */

/* The names of the quota's limits that are about such objects, as a tree {name: limit}. */
static yyjson_mut_val *limits_of(const charge *c, yyjson_mut_val *quota)
{
	yyjson_mut_doc *doc = c->a->w->doc;
	yyjson_mut_val *out = yyjson_mut_obj(doc);
	SP_KV_EACH_MEMBER (key, value, i, sp_kv_map(sp_kv_get(quota, "status"), "hard")) {
		if (out != NULL && c->e->counts(&c->ctx, sp_jmut_str(key)) &&
		    !sp_jmut_set_str(doc, out, sp_jmut_str(key), sp_jmut_str(value)))
			out = NULL;
	}
	return out;
}

/* ---- usage ---- */

static void find_usage(charge *c)
{
	const api_admit *a = c->a;
	sp_amounts before;
	c->has_usage = true;
	c->e->usage(&c->ctx, a->obj, &c->usage);
	sp_amounts_init(&before, &a->w->arena);
	if (a->op == API_OP_UPDATE)
		c->e->usage(&c->ctx, a->old, &before);
	c->delta.failed = c->usage.failed || before.failed;
	for (size_t i = 0; i < c->usage.n; i++) {
		sp_amount item = c->usage.items[i];
		const sp_qty *was = sp_amounts_get(&before, item.name);
		if (was != NULL && (!sp_qty_sub(&item.qty, was) || item.qty.nanos < 0))
			item.qty.nanos = 0;
		sp_amounts_set(&c->delta, item.name, &item.qty);
	}
}

/* ---- one quota ---- */

static bool forbid(charge *c, yyjson_mut_val *quota, const char *what, sp_str why)
{
	sp_str name = sp_meta_name(quota);
	c->refused = true;
	return api_admit_forbid(c->a, "%s" SP_FMT "%s" SP_FMT, what, SP_ARG(name),
				sp_str_eq(sp_str_c(what), SP_STR("failed quota: ")) ? ": " : ", ",
				SP_ARG(why));
}

static bool fail(charge *c)
{
	c->refused = true;
	api_write_fail(c->a->w, SP_ETOOLARGE, NULL);
	return false;
}

/* True when the quota knows how much of each limited thing is used. */
static bool is_known(charge *c, yyjson_mut_val *quota, yyjson_mut_val *limits)
{
	sp_amounts names;
	yyjson_mut_val *used = sp_kv_map(sp_kv_get(quota, "status"), "used");
	bool all = true;
	sp_amounts_init(&names, &c->a->w->arena);
	SP_KV_EACH_MEMBER (key, value, i, limits) {
		const sp_qty none = {0};
		all = all && sp_jmut_get(used, sp_jmut_str(key)) != NULL;
		sp_amounts_set(&names, sp_jmut_str(key), &none);
		(void)value;
	}
	if (all)
		return true;
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	sp_amounts_sort(&names);
	(void)sp_buf_str(&text, SP_STR("resources: "));
	for (size_t i = 0; i < names.n; i++)
		(void)sp_buf_printf(&text, "%s" SP_FMT, i == 0 ? "" : ",", SP_ARG(names.items[i].name));
	return forbid(c, quota, "status unknown for quota: ", sp_buf_view(&text));
}

static void print(const charge *c, sp_buf *out, const char *title, const sp_amounts *list)
{
	(void)sp_buf_str(out, sp_str_c(title));
	for (size_t i = 0; i < list->n; i++) {
		sp_str amount = sp_qty_print(&c->a->w->arena, list->items[i].qty);
		(void)sp_buf_printf(out, "%s" SP_FMT "=" SP_FMT, i == 0 ? "" : ",",
				    SP_ARG(list->items[i].name), SP_ARG(amount));
	}
}

typedef struct excess {
	sp_amounts requested, used, limited;
} excess;

static bool refuse_excess(charge *c, yyjson_mut_val *quota, excess *x)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	sp_amounts_sort(&x->requested);
	sp_amounts_sort(&x->used);
	sp_amounts_sort(&x->limited);
	print(c, &text, "requested: ", &x->requested);
	print(c, &text, ", used: ", &x->used);
	print(c, &text, ", limited: ", &x->limited);
	return forbid(c, quota, "exceeded quota: ", sp_buf_view(&text));
}

/* Adds the delta to what is used; collects what goes beyond its limit. False: no room. */
static bool add_delta(charge *c, const sp_amounts *delta, yyjson_mut_val *limits, yyjson_mut_val *used,
		      excess *x, bool *ret_changed)
{
	sp_arena *arena = &c->a->w->arena;
	SP_KV_EACH_MEMBER (key, value, i, limits) {
		sp_str name = sp_jmut_str(key);
		const sp_qty *more = sp_amounts_get(delta, name);
		if (more == NULL || more->nanos == 0)
			continue;
		sp_qty limit = sp_kv_qty(value), was = sp_kv_qty(sp_jmut_get(used, name)), now = was;
		if (!sp_qty_add(&now, more) || sp_qty_cmp(&now, &limit) > 0) {
			sp_amounts_set(&x->requested, name, more);
			sp_amounts_set(&x->used, name, &was);
			sp_amounts_set(&x->limited, name, &limit);
			continue;
		}
		*ret_changed = true;
		if (!sp_jmut_set_str(c->a->w->doc, used, name, sp_qty_print(arena, now)))
			return false;
	}
	return !x->requested.failed && !x->used.failed && !x->limited.failed;
}

static bool charge_quota(charge *c, yyjson_mut_val *quota, yyjson_mut_val *limits)
{
	const api_admit *a = c->a;
	excess x;
	bool changed = false;
	yyjson_mut_val *used = sp_kv_map(sp_kv_get(quota, "status"), "used");
	if (!c->has_usage)
		find_usage(c);
	/* An object that was not in the quota's scope before counts whole. */
	bool was_in = a->op == API_OP_UPDATE && sp_quota_scopes_match(&c->ctx, quota, a->old);
	sp_amounts_init(&x.requested, &a->w->arena);
	sp_amounts_init(&x.used, &a->w->arena);
	sp_amounts_init(&x.limited, &a->w->arena);
	if (c->delta.failed || !add_delta(c, was_in ? &c->delta : &c->usage, limits, used, &x, &changed))
		return fail(c);
	if (x.requested.n > 0)
		return refuse_excess(c, quota, &x);
	if (!changed || a->w->o.dry_run)
		return true;
	const api_resource *res = api_resource_by_kind(&a->w->server->resources, SP_STR(""), SP_STR("v1"),
						       SP_STR("ResourceQuota"));
	c->refused = !api_write_also_put(a->w, res, quota);
	return !c->refused;
}

static bool look_at(void *arg, yyjson_mut_val *quota)
{
	charge *c = arg;
	yyjson_mut_val *limits = limits_of(c, quota);
	if (limits == NULL)
		return fail(c);
	if (sp_kv_len(limits) == 0 || !sp_quota_scopes_match(&c->ctx, quota, c->a->obj))
		return true;
	sp_str missing = c->e->missing == NULL ? SP_STR("") : c->e->missing(&c->ctx, limits, c->a->obj);
	if (missing.len > 0)
		return forbid(c, quota, "failed quota: ", missing);
	return is_known(c, quota, limits) && charge_quota(c, quota, limits);
}

/* Quotas of the namespace, gathered before any is charged: reading them keeps the store busy. */
typedef struct gathered {
	sp_arena *arena;
	yyjson_mut_val **items;
	size_t n, cap;
	bool full;
} gathered;

static bool gather(void *arg, yyjson_mut_val *quota)
{
	gathered *g = arg;
	if (g->n == g->cap) {
		size_t cap = SP_MAX(2 * g->cap, (size_t)8);
		yyjson_mut_val **items =
			sp_arena_try_grow(g->arena, g->items, g->cap * sizeof(void *), cap * sizeof(void *));
		g->full = items == NULL;
		if (g->full)
			return false;
		g->items = items;
		g->cap = cap;
	}
	g->items[g->n++] = quota;
	return true;
}

/* Which writes are counted: creations, and those updates that may take more. */
static bool handles(const api_admit *a)
{
	static const char *const by_amount[] = {"services", "persistentvolumeclaims"};
	sp_group_resource gr = a->w->res->gr;
	sp_str sub = a->w->ctx.subresource;
	if (a->op != API_OP_UPDATE)
		return a->op == API_OP_CREATE && sub.len == 0;
	if (gr.group.len > 0)
		return sub.len == 0 && sp_quota_evaluator_of(gr)->gr.resource.len > 0;
	if (sp_str_eq(gr.resource, SP_STR("pods")))
		return sub.len == 0
			       ? sp_quota_pod_is_terminating(a->obj) != sp_quota_pod_is_terminating(a->old)
			       : sp_str_eq(sub, SP_STR("resize"));
	return sub.len == 0 && SP_STR_IN(gr.resource, by_amount);
}

bool api_admit_quota(const api_admit *a)
{
	static const sp_str events = SP_STR_INIT("events");
	sp_str ns = a->obj == NULL ? SP_STR("") : sp_meta_namespace(a->obj);
	gathered g = {.arena = &a->w->arena};
	if (ns.len == 0 || sp_str_eq(a->w->res->gr.resource, events))
		return true;
	if (!handles(a))
		return true;
	charge c = {.a = a,
		    .ctx = {&a->w->arena, a->w->res->gr, a->w->ctx.now.seconds},
		    .e = sp_quota_evaluator_of(a->w->res->gr)};
	sp_amounts_init(&c.usage, &a->w->arena);
	sp_amounts_init(&c.delta, &a->w->arena);
	if (!api_admit_each(a, QUOTAS, ns, gather, &g)) {
		api_write_fail(a->w, SP_EIO, NULL);
		return false;
	}
	if (g.full) {
		api_write_fail(a->w, SP_ETOOLARGE, NULL);
		return false;
	}
	for (size_t i = 0; i < g.n; i++) {
		if (!look_at(&c, g.items[i]))
			return false;
	}
	return true;
}
