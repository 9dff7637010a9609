/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/match.h"

#include "apiserver/admission/eval.h"
#include "apiserver/admission/hook_review.h"
#include "apiserver/admission/shown.h"
#include "apiserver/custom/custom.h"
#include "base/alloc.h"
#include "kube/meta.h"

/* U: kubernetes pkg/kubeapiserver/admission/exclusion, webhook/predicates/rules,
 * IsExemptAdmissionConfigurationResource */
bool api_match_is_exempt(const api_admit *a, bool from_webhooks)
{
	static const char *const kinds[] = {
		"ValidatingAdmissionPolicy",      "ValidatingAdmissionPolicyBinding",
		"MutatingAdmissionPolicy",        "MutatingAdmissionPolicyBinding",
		"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"};
	const sp_kind *k = a->w->res->kind;
	return (a->op == API_OP_DELETE && a->w->ctx.subresource.len > 0) ||
	       (sp_str_eq(k->group, SP_STR("admissionregistration.k8s.io")) &&
		sp_str_in(k->kind, kinds, from_webhooks ? 6 : 4));
}

api_hook_target api_match_target(const api_admit *a)
{
	const sp_kind *k = a->w->res->kind;
	return (api_hook_target){.operation = api_operation_name(a->op),
				 .group = k->group,
				 .version = k->version,
				 .resource = k->plural,
				 .subresource = a->w->ctx.subresource,
				 .ns = api_admit_namespace(a)};
}

bool api_match_labels(sp_arena *a, const sp_selector *s, yyjson_mut_val *obj, bool *ret)
{
	yyjson_mut_val *labels = sp_kv_map(sp_meta(obj), "labels"), *key;
	size_t n = 0, cap = yyjson_mut_obj_size(labels);
	sp_label *list = sp_try_new(a, sp_label, cap + 1);
	if (list == NULL)
		return false;
	yyjson_mut_obj_iter it = yyjson_mut_obj_iter_with(labels);
	while (n < cap && (key = yyjson_mut_obj_iter_next(&it)) != NULL)
		list[n++] = (sp_label){sp_jmut_str(key), sp_jmut_str(yyjson_mut_obj_iter_get_val(key))};
	*ret = sp_labels_match(s, list, n);
	return true;
}

static bool is_everything(const sp_selector *s)
{
	return s->n == 0 && !s->nothing;
}

static api_match no_room(sp_status *ret_error)
{
	*ret_error = (sp_status){.code = 0};
	return API_MATCH_ERROR;
}

/* U: admission/plugin/webhook/predicates/namespace/matcher.go */
api_match api_match_namespace(const api_admit *a, const sp_selector *s, sp_status *ret_error)
{
	bool yes = false;
	sp_str ns = api_admit_namespace(a);
	if ((ns.len == 0 && !sp_str_eq(a->w->res->kind->plural, SP_STR("namespaces"))) || is_everything(s))
		return API_MATCH_YES;
	yyjson_mut_val *obj = a->obj;
	if (!api_admit_is(a, "", "namespaces", "") || a->op == API_OP_DELETE)
		obj = api_admit_load(a, "/registry/namespaces/", SP_STR(""), ns);
	if (obj == NULL) {
		*ret_error = sp_status_not_found(&a->w->arena,
						 (sp_group_resource){SP_STR(""), SP_STR("namespaces")}, ns);
		return API_MATCH_ERROR;
	}
	if (!api_match_labels(&a->w->arena, s, obj, &yes))
		return no_room(ret_error);
	return yes ? API_MATCH_YES : API_MATCH_NO;
}

api_match api_match_object(const api_admit *a, const sp_selector *s, sp_status *ret_error)
{
	bool yes = false, was = false;
	if (is_everything(s))
		return API_MATCH_YES;
	if (a->op == API_OP_CONNECT)
		return API_MATCH_NO; /* options have no labels, not even none */
	if ((a->obj != NULL && !api_match_labels(&a->w->arena, s, a->obj, &yes)) ||
	    (a->old != NULL && !api_match_labels(&a->w->arena, s, a->old, &was)))
		return no_room(ret_error);
	return yes || was ? API_MATCH_YES : API_MATCH_NO;
}

/* ---- rules of policies ---- */

static bool has_name(const api_hook_rule *r, sp_str name)
{
	for (size_t i = 0; i < r->names.n; i++) {
		if (sp_str_eq(r->names.items[i], name))
			return true;
	}
	return r->names.n == 0;
}

static bool any_rule(const api_hook_rule *rules, size_t n, const api_hook_target *t, sp_str name)
{
	for (size_t i = 0; i < n; i++) {
		if (api_hook_rule_matches(&rules[i], t) && has_name(&rules[i], name))
			return true;
	}
	return false;
}

/* Would a rule match if it named another version? Then it is worth looking for one. */
static bool names_resource(const api_hook_rule *rules, size_t n, const api_hook_target *t)
{
	static sp_str all[] = {SP_STR_INIT("*")};
	for (size_t i = 0; i < n; i++) {
		api_hook_rule any = rules[i];
		any.versions = (api_strs){all, 1};
		any.groups = any.versions;
		if (api_hook_rule_matches(&any, t))
			return true;
	}
	return false;
}

static bool fits(const api_hook_rule *rules, size_t n, api_hook_target t, const sp_kind *k, sp_str name)
{
	t.group = k->group;
	t.version = k->version;
	t.resource = k->plural;
	return any_rule(rules, n, &t, name);
}

static const api_resource *find_held(const api_match_held *held, const sp_kind *k)
{
	for (size_t i = 0; i < held->n; i++) {
		const sp_kind *h = &held->items[i]->kind;
		if (sp_str_eq(h->version, k->version) && sp_str_eq(h->plural, k->plural) &&
		    sp_str_eq(h->group, k->group))
			return &held->items[i]->res;
	}
	return NULL;
}

/* Not of the write's arena: what is held can outlive the write by a moment. */
static bool make_room(api_match_held *held)
{
	size_t cap = SP_MAX(2 * held->cap, (size_t)4);
	struct api_custom **items =
		held->n < held->cap
			? held->items
			: sp_try_realloc(held->items, held->cap * sizeof(void *), cap * sizeof(void *));
	if (items == NULL)
		return false;
	held->cap = held->n < held->cap ? held->cap : cap;
	held->items = items;
	return true;
}

const api_resource *api_match_hold(const api_admit *a, const sp_kind *k, api_match_held *held)
{
	api_custom_found found;
	const api_resource *res = find_held(held, k);
	if (res != NULL)
		return res;
	if (!make_room(held) || api_customs_find(a->w->server->customs, &a->w->arena, k->group, k->version,
						 k->plural, &found, NULL) != SP_OK)
		return NULL;
	held->items[held->n++] = found.version;
	return &found.version->res;
}

static api_match other_custom(const api_admit *a, const api_hook_rule *rules, size_t n,
			      const api_hook_target *t, sp_str name, api_match_held *held,
			      const api_resource **ret)
{
	const sp_kind *own = a->w->res->kind, *const *kinds = NULL;
	size_t n_kinds = 0;
	if (api_customs_kinds(a->w->server->customs, &a->w->arena, &kinds, &n_kinds, NULL) != SP_OK)
		return API_MATCH_ERROR;
	for (size_t i = 0; i < n_kinds; i++) {
		const sp_kind *k = kinds[i];
		if (!sp_str_eq(k->group, own->group) || !sp_str_eq(k->plural, own->plural) ||
		    sp_str_eq(k->version, own->version) || !fits(rules, n, *t, k, name))
			continue;
		*ret = api_match_hold(a, k, held);
		return *ret == NULL ? API_MATCH_ERROR : API_MATCH_YES;
	}
	return API_MATCH_NO;
}

/* The same objects in a version that a rule names. */
static api_match equivalent(const api_admit *a, const api_hook_rule *rules, size_t n,
			    const api_hook_target *t, sp_str name, api_match_held *held,
			    const api_resource **ret)
{
	const api_resources *all = &a->w->server->resources;
	if (!names_resource(rules, n, t))
		return API_MATCH_NO;
	if (a->w->res->custom != NULL)
		return other_custom(a, rules, n, t, name, held, ret);
	for (size_t i = 0; i < all->n; i++) {
		const api_resource *r = all->all[i];
		if (r != a->w->res && r->stored == a->w->res->stored && fits(rules, n, *t, r->kind, name)) {
			*ret = r;
			return API_MATCH_YES;
		}
	}
	return API_MATCH_NO;
}

api_match api_match_rules(const api_admit *a, const api_hook_rule *rules, size_t n, bool others,
			  api_match_held *held, const api_resource **ret_res)
{
	api_hook_target t = api_match_target(a);
	sp_str name = n == 0 ? SP_STR("") : api_eval_name(a);
	*ret_res = a->w->res;
	if (any_rule(rules, n, &t, name))
		return API_MATCH_YES;
	return others && n > 0 ? equivalent(a, rules, n, &t, name, held, ret_res) : API_MATCH_NO;
}

bool api_match_can_show(const api_admit *a, const api_resource *res)
{
	if (res == a->w->res || res->custom == NULL || res->custom->converter == NULL || a->is_body)
		return true;
	const api_shown *s = api_shown_find(a->w, res);
	return s != NULL && s->why.len == 0;
}

api_match api_match_policy(const api_admit *a, const api_policy_match *m, api_match_held *held,
			   const api_resource **ret_res, sp_status *ret_error)
{
	sp_status wrong_ns, wrong_object;
	const api_resource *ignored;
	api_match rules = API_MATCH_YES;
	*ret_res = a->w->res;
	if (!m->is_there)
		return API_MATCH_YES;
	/* Rules first: they cost the least, and nothing that can fail counts before they match. */
	if (m->n_rules > 0)
		rules = api_match_rules(a, m->rules, m->n_rules, m->equivalent, held, ret_res);
	if (rules == API_MATCH_NO)
		return API_MATCH_NO;
	api_match ns = api_match_namespace(a, &m->namespaces, &wrong_ns);
	api_match object =
		ns == API_MATCH_NO ? API_MATCH_NO : api_match_object(a, &m->objects, &wrong_object);
	if (ns == API_MATCH_NO || object == API_MATCH_NO)
		return API_MATCH_NO;
	api_match excluded = api_match_rules(a, m->excludes, m->n_excludes, m->equivalent, held, &ignored);
	if (excluded == API_MATCH_YES)
		return API_MATCH_NO;
	if (rules == API_MATCH_ERROR || excluded == API_MATCH_ERROR) {
		*ret_error = sp_status_internal(&a->w->arena, API_MATCH_NO_VERSION);
		return API_MATCH_ERROR;
	}
	if (ns == API_MATCH_ERROR || object == API_MATCH_ERROR) {
		*ret_error = ns == API_MATCH_ERROR ? wrong_ns : wrong_object;
		return API_MATCH_ERROR;
	}
	return API_MATCH_YES;
}

void api_match_release(api_match_held *h)
{
	for (size_t i = 0; i < h->n; i++)
		h->items[i] = api_custom_unref(h->items[i]);
	sp_free(h->items);
	*h = (api_match_held){.n = 0};
}
