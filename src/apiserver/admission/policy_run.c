/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/policy_run.h"

#include "apiserver/admission/shown.h"
#include "base/alloc.h"
#include "kube/meta.h"

bool api_policy_walk_begin(api_policy_walk *k, const api_admit *a, api_policy_sort sort)
{
	sp_err err;
	api_policy_set *set = NULL;
	*k = (api_policy_walk){.a = a, .sort = sort};
	sp_code code = api_policy_index_get(&a->w->server->policies->index, sort, &set, &err);
	if (code != SP_OK) {
		k->failed = true;
		api_write_fail(a->w, code, &err);
		return false;
	}
	if (set->n == 0 || a->w->r == NULL || api_match_is_exempt(a, false))
		return false;
	k->set = api_policy_set_ref(set);
	return true;
}

void api_policy_walk_end(api_policy_walk *k)
{
	for (api_policy_view *v = k->views; v != NULL; v = v->next)
		if (v->is_open)
			api_eval_done(&v->eval);
	api_match_release(&k->held);
	k->set = api_policy_set_unref(k->set);
}

/* A namespace stands in none. False: the write is answered. */
static bool find_namespace(api_policy_walk *k)
{
	const api_admit *a = k->a;
	sp_str ns = api_admit_namespace(a);
	const sp_kind *kind = a->w->res->kind;
	bool is_namespace = kind->group.len == 0 && sp_str_eq(kind->plural, SP_STR("namespaces"));
	if (k->has_ns || ns.len == 0 || is_namespace)
		return true;
	k->has_ns = true;
	k->ns = api_admit_load(a, "/registry/namespaces/", SP_STR(""), ns);
	if (k->ns != NULL)
		return true;
	sp_status s =
		sp_status_not_found(&a->w->arena, (sp_group_resource){SP_STR(""), SP_STR("namespaces")}, ns);
	k->failed = true;
	return api_admit_refuse(a, &s);
}

/* The first view is that of the write's own version, the others are made of it. */
static api_policy_view *open_view(api_policy_walk *k, const api_policy_view *own, const api_resource *res)
{
	const api_admit *a = k->a;
	api_policy_view *v = sp_try_new(&a->w->arena, api_policy_view, 1);
	bool ok = v != NULL &&
		  (own == NULL ? api_form_of(a, &v->form) : api_form_in(a, &own->form, res, &v->form));
	if (ok) {
		v->is_open = true;
		v->next = k->views;
		k->views = v;
		ok = api_eval_init(&v->eval, a, &v->form) && api_eval_set_namespace(&v->eval, k->ns);
	}
	if (ok)
		return v;
	k->failed = true;
	api_write_fail(a->w, SP_ETOOLARGE, NULL);
	return NULL;
}

api_policy_view *api_policy_view_of(api_policy_walk *k, const api_resource *res)
{
	api_policy_view *own = NULL;
	if (!find_namespace(k))
		return NULL;
	for (api_policy_view *v = k->views; v != NULL; v = v->next) {
		if (v->form.res == res)
			return v;
		own = v;
	}
	if (own == NULL)
		own = open_view(k, NULL, k->a->w->res);
	return own == NULL || own->form.res == res ? own : open_view(k, own, res);
}

sp_str api_policy_view_fault(const api_policy_walk *k, const api_resource *res)
{
	if (api_match_can_show(k->a, res))
		return SP_STR("");
	const api_shown *s = api_shown_find(k->a->w, res);
	/* Without an answer the policy came after the versions were made, or there were too many. */
	return s != NULL ? s->why
			 : sp_arena_printf(&k->a->w->arena, "a webhook converts it to " SP_FMT,
					   SP_ARG(res->api_version));
}

/* What goes wrong here does so again, and is told, when they are asked. */
void api_policies_want(const api_admit *a, api_policy_sort sort, api_wanted *to)
{
	api_policy_set *set = NULL;
	const api_resource *own = a->w->res;
	const bool converts = own->custom != NULL && own->custom->converter != NULL;
	if (a->w->r == NULL || api_match_is_exempt(a, false) ||
	    (sort == API_POLICY_MUTATING && (a->obj == NULL || a->w->body_res != own)) ||
	    api_policy_index_get(&a->w->server->policies->index, sort, &set, NULL) != SP_OK)
		return;
	for (size_t i = 0; i < set->n; i++) {
		sp_status error;
		const api_resource *res;
		const api_policy_hook *h = &set->hooks[i];
		const api_resource *params = api_policy_params_converted(a, h->policy, &to->held);
		if ((!converts && params == NULL) ||
		    api_match_policy(a, &h->policy->match, &to->held, &res, &error) != API_MATCH_YES)
			continue;
		api_wanted_add(a, res, to);
		for (size_t k = 0; k < h->n && params != NULL; k++)
			api_policy_params_want(a, params, &h->bindings[k], to);
	}
}

api_policies *api_policies_new(sp_store *store)
{
	api_policies *p = SP_NEW(api_policies);
	api_policy_index_init(&p->index, store);
	return p;
}

void api_policies_free(api_policies *p)
{
	if (p == NULL)
		return;
	api_policy_index_done(&p->index);
	sp_free(p);
}
