/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/policy_run.h"

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
	for (size_t i = 0; i < k->n_views; i++)
		if (k->views[i].is_open)
			api_eval_done(&k->views[i].eval);
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

static bool open_view(api_policy_walk *k, api_policy_view *v, const api_resource *res)
{
	bool ok = k->views != v ? api_form_in(k->a, &k->views[0].form, res, &v->form)
				: api_form_of(k->a, &v->form);
	if (ok) {
		v->is_open = true;
		ok = api_eval_init(&v->eval, k->a, &v->form) && api_eval_set_namespace(&v->eval, k->ns);
	}
	if (!ok) {
		k->failed = true;
		api_write_fail(k->a->w, SP_ETOOLARGE, NULL);
	}
	return ok;
}

api_policy_view *api_policy_view_of(api_policy_walk *k, const api_resource *res)
{
	if (!find_namespace(k))
		return NULL;
	if (k->n_views == 0 && !open_view(k, &k->views[k->n_views++], k->a->w->res))
		return NULL; /* the own version is the first, others are made of it */
	for (size_t i = 0; i < k->n_views; i++)
		if (k->views[i].form.res == res)
			return &k->views[i];
	if (k->n_views == API_POLICY_VIEWS_MAX) {
		k->failed = true;
		api_write_fail(k->a->w, SP_ETOOLARGE, NULL);
		return NULL;
	}
	api_policy_view *v = &k->views[k->n_views++];
	return open_view(k, v, res) ? v : NULL;
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
