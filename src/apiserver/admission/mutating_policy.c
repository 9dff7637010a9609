/* SPDX-License-Identifier: Apache-2.0 */
/* MutatingAdmissionPolicy. U: apiserver pkg/admission/plugin/policy/mutating/dispatcher.go. */
#include "apiserver/admission/policy_patch.h"
#include "kube/encode.h"

#define TEXT_BYTES_MAX ((size_t)16 << 20)

/* A policy with one binding and one parameter. */
typedef struct invocation {
	const api_policy *policy;
	const api_policy_binding *binding;
	const api_resource *res;
	yyjson_mut_val *params;
	sp_str key;
} invocation;

/* Keys of invocations. */
typedef struct keys {
	sp_str *items;
	size_t n, cap;
} keys;

typedef struct api_policy_run {
	bool wants_again, again;
	yyjson_mut_val *last; /* what the policies left of the object */
	keys invoked;         /* and asked to see changes */
	keys wanted;          /* to be invoked again */
	yyjson_mut_val
		*left; /* in another version, which a webhook has to bring back; NULL: w->obj has it all */
	sp_str left_version;
	void (*saved_refused)(api_write *w, const sp_status *status);
} api_policy_run;

typedef struct pass {
	api_policy_walk walk;
	api_policy_run *run;
	invocation *items;
	size_t n, cap;
	const api_policy_view *last; /* what was mutated last */
	bool denied;
	sp_str message, reason; /* of the first error that counts */
	sp_status_cause *causes;
	size_t n_causes, cap_causes;
} pass;

static bool no_room(pass *p)
{
	p->walk.failed = true;
	api_write_fail(p->walk.a->w, SP_ETOOLARGE, NULL);
	return false;
}

/* ---- errors ---- */

static void complain(pass *p, const api_policy *policy, const api_policy_binding *b, sp_str why,
		     const char *reason)
{
	sp_arena *a = &p->walk.a->w->arena;
	if (policy->ignores_failure)
		return;
	sp_str message = b == NULL ? sp_arena_printf(a, "policy \"" SP_FMT "\" denied request: " SP_FMT,
						     SP_ARG(policy->name), SP_ARG(why))
				   : sp_arena_printf(a,
						     "policy '" SP_FMT "' with binding '" SP_FMT
						     "' denied request: " SP_FMT,
						     SP_ARG(policy->name), SP_ARG(b->name), SP_ARG(why));
	if (!p->denied) {
		p->denied = true;
		p->message = message;
		p->reason = sp_str_c(reason);
	}
	if (p->n_causes == p->cap_causes) {
		size_t cap = SP_MAX(p->cap_causes * 2, (size_t)4);
		sp_status_cause *c =
			sp_arena_try_grow(a, p->causes, p->cap_causes * sizeof *c, cap * sizeof *c);
		if (c == NULL)
			return; /* the first one is what clients show */
		p->causes = c;
		p->cap_causes = cap;
	}
	p->causes[p->n_causes++] = (sp_status_cause){.message = message};
}

static void misconfigured(pass *p, const api_policy *policy, const api_policy_binding *b, sp_str why)
{
	complain(p, policy, b,
		 sp_arena_printf(&p->walk.a->w->arena, "failed to configure %s: " SP_FMT,
				 b == NULL ? "policy" : "binding", SP_ARG(why)),
		 "Forbidden");
}

/* ---- what is to be invoked ---- */

static bool add_invocation(pass *p, const invocation *v)
{
	sp_arena *a = &p->walk.a->w->arena;
	yyjson_mut_val *meta = v->params == NULL ? NULL : sp_kv_get(v->params, "metadata");
	if (p->n == p->cap) {
		size_t cap = SP_MAX(p->cap * 2, (size_t)8);
		invocation *items =
			sp_arena_try_grow(a, p->items, p->cap * sizeof *items, cap * sizeof *items);
		if (items == NULL)
			return no_room(p);
		p->items = items;
		p->cap = cap;
	}
	p->items[p->n] = *v;
	p->items[p->n].key = sp_arena_printf(
		a, SP_FMT "/" SP_FMT "/" SP_FMT "/" SP_FMT, SP_ARG(v->policy->name), SP_ARG(v->binding->name),
		SP_ARG(sp_kv_str(meta, "namespace")), SP_ARG(sp_kv_str(meta, "name")));
	return p->items[p->n++].key.ptr != NULL || no_room(p);
}

static void gather_binding(pass *p, const api_policy *policy, const api_policy_binding *b,
			   const api_resource *res)
{
	sp_status error;
	const api_resource *ignored;
	api_policy_params params;
	api_match match = api_match_policy(p->walk.a, &b->match, &p->walk.held, &ignored, &error);
	if (match == API_MATCH_NO)
		return;
	if (match == API_MATCH_ERROR) {
		misconfigured(p, policy, b, error.message);
		return;
	}
	sp_str fault = api_policy_view_fault(&p->walk, res);
	if (fault.len > 0) {
		misconfigured(p, policy, NULL, fault);
		return;
	}
	api_policy_params_get(&p->walk, policy, b, &params);
	if (params.error.len > 0)
		misconfigured(p, policy, b, params.error);
	for (size_t i = 0; i < params.n && params.error.len == 0 && !p->walk.failed; i++) {
		const invocation v = {.policy = policy, .binding = b, .res = res, .params = params.items[i]};
		(void)add_invocation(p, &v);
	}
}

static void gather(pass *p)
{
	for (size_t i = 0; i < p->walk.set->n && !p->walk.failed; i++) {
		const api_policy_hook *h = &p->walk.set->hooks[i];
		sp_status error;
		const api_resource *res;
		api_match match = api_match_policy(p->walk.a, &h->policy->match, &p->walk.held, &res, &error);
		if (match == API_MATCH_NO)
			continue;
		sp_str fault = match == API_MATCH_ERROR ? error.message
							: api_policy_param_fault(&p->walk, h->policy);
		if (fault.len > 0)
			misconfigured(p, h->policy, NULL, fault);
		for (size_t k = 0; k < h->n && fault.len == 0 && !p->walk.failed; k++)
			gather_binding(p, h->policy, &h->bindings[k], res);
	}
}

/* ---- once more ---- */

static bool has_key(const keys *k, sp_str key)
{
	for (size_t i = 0; i < k->n; i++) {
		if (sp_str_eq(k->items[i], key))
			return true;
	}
	return false;
}

static bool add_key(sp_arena *a, keys *k, sp_str key)
{
	if (has_key(k, key))
		return true;
	if (k->n == k->cap) {
		size_t cap = SP_MAX(k->cap * 2, (size_t)8);
		sp_str *items = sp_arena_try_grow(a, k->items, k->cap * sizeof *items, cap * sizeof *items);
		if (items == NULL)
			return false;
		k->items = items;
		k->cap = cap;
	}
	k->items[k->n++] = key;
	return true;
}

/* Those that were invoked and asked for it see the object again. */
static bool require_again(sp_arena *a, api_policy_run *run)
{
	for (size_t i = 0; i < run->invoked.n; i++) {
		if (!add_key(a, &run->wanted, run->invoked.items[i]))
			return false;
	}
	run->invoked.n = 0;
	return true;
}

bool api_policies_want_again(api_write *w)
{
	api_policy_run *run = w->policy_run;
	bool yes = run != NULL && run->wants_again && !run->again;
	if (run != NULL)
		run->again = true;
	return yes;
}

/* ---- one mutation ---- */

static bool is_asked_for(const api_write *w, const api_resource *res)
{
	return res != w->res && res->custom != NULL && res->custom->converter != NULL;
}

static void refused_result(api_write *w, const sp_status *status)
{
	w->refused = w->policy_run->saved_refused;
	sp_status s = api_admit_bad_result(w, status);
	api_write_refuse(w, &s);
}

/* Each version has an object of its own, and the one that was changed last counts. Nothing is converted but
 * that, in the end: what a webhook converts is left for it. False: no room. */
static bool leave(pass *p, const api_policy_view *v, yyjson_mut_val *before, yyjson_mut_val **ret_shown)
{
	api_write *w = p->walk.a->w;
	yyjson_mut_val *was = before;
	p->run->left = NULL;
	*ret_shown = w->obj;
	if (is_asked_for(w, v->form.res)) {
		was = v->form.object;
		p->run->left = w->obj;
		p->run->left_version = sp_arena_try_dup(&w->arena, v->form.res->kind->version);
		w->obj = before;
	} else if (v->form.res != w->res) {
		*ret_shown = yyjson_mut_val_mut_copy(w->doc, w->obj);
		if (*ret_shown == NULL || !api_form_turn(w, v->form.res, w->res, w->obj))
			return false;
	}
	if (!sp_kv_equal(was, p->run->left != NULL ? p->run->left : w->obj))
		p->run->wants_again = true;
	return p->run->left == NULL || p->run->left_version.ptr != NULL;
}

/* The patched object as w->obj, with defaults. False: the write is answered. */
static bool take(pass *p, api_policy_view *v, yyjson_mut_val *patched)
{
	api_write *w = p->walk.a->w;
	const api_resource *body_res = w->body_res;
	api_field_validation fields = w->o.fields;
	yyjson_mut_val *before = w->obj;
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	if (sp_encode_any(&text, patched) != SP_OK)
		return no_room(p);
	p->run->saved_refused = w->refused;
	w->refused = refused_result;
	w->o.fields = API_FV_STRICT;
	w->body_res = v->form.res;
	bool ok = api_write_decode_json(w, sp_buf_view(&text)) && api_write_namespace(w);
	w->body_res = body_res;
	w->o.fields = fields;
	w->refused = p->run->saved_refused;
	if (!ok) {
		p->walk.failed = true;
		return false;
	}
	yyjson_mut_val *shown;
	return (leave(p, v, before, &shown) && api_eval_set_object(&v->eval, &v->form, shown)) || no_room(p);
}

static bool mutate(pass *p, const invocation *v, api_policy_view *view, const api_policy_mutation *m)
{
	api_patch_result r;
	p->last = view;
	if (view->form.object == NULL)
		return true;
	if (m->json_patch)
		api_patch_json(&view->eval, &view->form, &v->policy->variables, &m->program, &r);
	else
		api_patch_apply(&view->eval, &view->form, &v->policy->variables, &m->program, &r);
	if (r.error.len > 0) {
		complain(p, v->policy, v->binding, r.error, "Invalid");
		return true;
	}
	view->is_patched = true;
	return r.patched == NULL || take(p, view, r.patched);
}

static bool invoke(pass *p, const invocation *v)
{
	api_write *w = p->walk.a->w;
	sp_str why = {NULL, 0};
	api_policy_view *view = api_policy_view_of(&p->walk, v->res);
	if (view == NULL)
		return false;
	api_eval_set_params(&view->eval, v->params);
	api_condition_verdict verdict = api_conditions_match(
		&view->eval, &v->policy->conditions, &v->policy->variables, v->policy->ignores_failure, &why);
	if (verdict == API_CONDITIONS_FAIL)
		complain(p, v->policy, v->binding, why, "Invalid");
	if (verdict != API_CONDITIONS_HOLD || (p->run->again && !has_key(&p->run->wanted, v->key)))
		return true;
	bool wanted = p->run->wants_again;
	p->run->wants_again = false;
	for (size_t i = 0; i < v->policy->n_mutations; i++) {
		if (!mutate(p, v, view, &v->policy->mutations[i]))
			return false;
	}
	if (p->run->wants_again && !require_again(&w->arena, p->run))
		return no_room(p);
	p->run->wants_again = p->run->wants_again || wanted;
	return !v->policy->is_reinvoked || add_key(&w->arena, &p->run->invoked, v->key) || no_room(p);
}

static bool refuse(const api_admit *a, const pass *p)
{
	sp_str name = sp_kv_str(sp_kv_get(a->w->obj, "metadata"), "name");
	sp_status s = sp_status_forbidden(&a->w->arena, a->w->res->gr, name, SP_STR(""));
	s.message = p->message;
	s.reason = p->reason;
	s.causes = p->causes;
	s.n_causes = p->n_causes;
	return api_admit_refuse(a, &s);
}

static api_policy_run *run_of(api_write *w)
{
	if (w->policy_run == NULL)
		w->policy_run = sp_try_new(&w->arena, api_policy_run, 1);
	return w->policy_run;
}

static bool remember(api_write *w)
{
	w->policy_run->last = w->obj == NULL ? NULL : yyjson_mut_val_mut_copy(w->doc, w->obj);
	return w->obj == NULL || w->policy_run->last != NULL;
}

yyjson_mut_val *api_policies_left(const api_write *w, sp_str *ret_version)
{
	const api_policy_run *run = w->policy_run;
	if (run == NULL || run->left == NULL)
		return NULL;
	*ret_version = run->left_version;
	return run->left;
}

bool api_policies_take_back(api_write *w, yyjson_mut_val *obj)
{
	w->policy_run->left = NULL;
	w->obj = obj;
	return remember(w);
}

static void invoke_all(pass *p)
{
	api_write *w = p->walk.a->w;
	api_policy_run *run = p->run;
	if (run->again && run->last != NULL && !sp_kv_equal(run->last, w->obj) &&
	    !require_again(&w->arena, run))
		(void)no_room(p);
	for (size_t i = 0; i < p->n && !p->walk.failed; i++)
		if (!invoke(p, &p->items[i]))
			return;
	/* As upstream, which does not look whether the patches changed anything: also those that changed it
	 * themselves see it again. */
	if (p->last != NULL && p->last->is_patched) {
		run->wants_again = true;
		if (!require_again(&w->arena, run))
			(void)no_room(p);
	}
	if (!remember(w))
		(void)no_room(p);
}

bool api_admit_mutating_policy(const api_admit *a)
{
	pass p = {.n = 0};
	if (a->obj == NULL || (a->w->body_res != a->w->res) ||
	    !api_policy_walk_begin(&p.walk, a, API_POLICY_MUTATING))
		return !p.walk.failed;
	p.run = run_of(a->w);
	if (p.run == NULL)
		(void)no_room(&p);
	else
		gather(&p);
	if (!p.walk.failed && p.n > 0)
		invoke_all(&p);
	api_policy_walk_end(&p.walk);
	if (p.walk.failed)
		return false;
	return !p.denied || refuse(a, &p);
}
