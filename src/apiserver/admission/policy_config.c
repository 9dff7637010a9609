/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/policy_config.h"

#include <stdlib.h>

#include "base/alloc.h"

#define POLICY_BYTES_MAX ((size_t)32 << 20)
#define SET_BYTES_MAX ((size_t)64 << 20)

static const struct {
	sp_str policies, bindings;
} prefixes[API_POLICY_SORT_COUNT_] = {
	[API_POLICY_VALIDATING] = {SP_STR_INIT("/registry/validatingadmissionpolicies/"),
				   SP_STR_INIT("/registry/validatingadmissionpolicybindings/")},
	[API_POLICY_MUTATING] = {SP_STR_INIT("/registry/mutatingadmissionpolicies/"),
				 SP_STR_INIT("/registry/mutatingadmissionpolicybindings/")}};

static sp_str member(yyjson_val *v, const char *name)
{
	return sp_json_str(yyjson_obj_get(v, name));
}

/* False: no room. Absent texts stay empty. */
static bool keep(sp_arena *a, sp_str s, sp_str *ret)
{
	*ret = sp_arena_try_dup(a, s);
	return s.len == 0 || ret->ptr != NULL;
}

static bool read_match(sp_arena *a, yyjson_val *v, api_policy_match *ret)
{
	*ret = (api_policy_match){.is_there = yyjson_is_obj(v),
				  .equivalent = !sp_str_eq(member(v, "matchPolicy"), SP_STR("Exact"))};
	return api_hook_selector_read(a, yyjson_obj_get(v, "namespaceSelector"), &ret->namespaces) &&
	       api_hook_selector_read(a, yyjson_obj_get(v, "objectSelector"), &ret->objects) &&
	       api_hook_rules_read(a, yyjson_obj_get(v, "resourceRules"), &ret->rules, &ret->n_rules) &&
	       api_hook_rules_read(a, yyjson_obj_get(v, "excludeResourceRules"), &ret->excludes,
				   &ret->n_excludes);
}

/* ---- policies ---- */

static bool read_variables(api_policy *p, unsigned has, yyjson_val *list)
{
	size_t i, max, n = yyjson_arr_size(list);
	yyjson_val *v;
	api_eval_variable *items = sp_try_new(&p->arena, api_eval_variable, n + 1);
	if (items == NULL || sp_policy_env_init(&p->env, &p->arena, n) != SP_OK)
		return false;
	yyjson_arr_foreach(list, i, max, v)
	{
		sp_str name = member(v, "name");
		if (!keep(&p->arena, name, &items[i].name) ||
		    sp_policy_variable(&p->env, has, name, member(v, "expression"), &items[i].program) !=
			    SP_OK)
			return false;
	}
	p->variables = (api_eval_variables){&p->env.variables, items, n};
	return true;
}

static bool read_checks(api_policy *p, unsigned has, yyjson_val *list)
{
	size_t i, max, n = yyjson_arr_size(list);
	yyjson_val *v;
	api_policy_check *items = sp_try_new(&p->arena, api_policy_check, n + 1);
	unsigned without = has & ~(unsigned)SP_POLICY_HAS_AUTHORIZER;
	if (items == NULL)
		return false;
	yyjson_arr_foreach(list, i, max, v)
	{
		api_policy_check *c = &items[i];
		sp_str message = member(v, "messageExpression");
		if (sp_policy_compile(&p->env, has, member(v, "expression"), SP_POLICY_BOOL, &c->test) !=
			    SP_OK ||
		    !keep(&p->arena, member(v, "message"), &c->message) ||
		    !keep(&p->arena, member(v, "reason"), &c->reason) ||
		    (message.len > 0 && sp_policy_compile(&p->env, without, message, SP_POLICY_STRING,
							  &c->message_program) != SP_OK))
			return false;
	}
	p->checks = items;
	p->n_checks = n;
	return true;
}

static bool read_notes(api_policy *p, unsigned has, yyjson_val *list)
{
	size_t i, max, n = yyjson_arr_size(list);
	yyjson_val *v;
	api_policy_note *items = sp_try_new(&p->arena, api_policy_note, n + 1);
	if (items == NULL)
		return false;
	yyjson_arr_foreach(list, i, max, v)
	{
		if (!keep(&p->arena, member(v, "key"), &items[i].key) ||
		    sp_policy_compile(&p->env, has, member(v, "valueExpression"), SP_POLICY_STRING_OR_NULL,
				      &items[i].program) != SP_OK)
			return false;
	}
	p->notes = items;
	p->n_notes = n;
	return true;
}

static bool read_mutations(api_policy *p, unsigned has, yyjson_val *list)
{
	size_t i, max, n = yyjson_arr_size(list);
	yyjson_val *v;
	api_policy_mutation *items = sp_try_new(&p->arena, api_policy_mutation, n + 1);
	if (items == NULL)
		return false;
	yyjson_arr_foreach(list, i, max, v)
	{
		bool json = sp_str_eq(member(v, "patchType"), SP_STR("JSONPatch"));
		yyjson_val *body = yyjson_obj_get(v, json ? "jsonPatch" : "applyConfiguration");
		items[i].json_patch = json;
		if (sp_policy_compile(&p->env, has | SP_POLICY_HAS_PATCHES, member(body, "expression"),
				      json ? SP_POLICY_JSON_PATCH : SP_POLICY_OBJECT_PATCH,
				      &items[i].program) != SP_OK)
			return false;
	}
	p->mutations = items;
	p->n_mutations = n;
	return true;
}

static bool read_policy(api_policy *p, api_policy_sort sort, yyjson_val *spec)
{
	yyjson_val *kind = yyjson_obj_get(spec, "paramKind");
	unsigned has = SP_POLICY_HAS_AUTHORIZER | SP_POLICY_HAS_VARIABLES;
	p->has_param_kind = yyjson_is_obj(kind);
	has |= p->has_param_kind ? SP_POLICY_HAS_PARAMS : 0;
	p->ignores_failure = sp_str_eq(member(spec, "failurePolicy"), SP_STR("Ignore"));
	p->is_reinvoked = sp_str_eq(member(spec, "reinvocationPolicy"), SP_STR("IfNeeded"));
	if (!keep(&p->arena, member(kind, "apiVersion"), &p->param_version) ||
	    !keep(&p->arena, member(kind, "kind"), &p->param_kind) ||
	    !read_match(&p->arena, yyjson_obj_get(spec, "matchConstraints"), &p->match) ||
	    !read_variables(p, has, yyjson_obj_get(spec, "variables")) ||
	    !api_conditions_read(&p->arena, yyjson_obj_get(spec, "matchConditions"), &p->env, has,
				 &p->conditions))
		return false;
	if (sort == API_POLICY_MUTATING)
		return read_mutations(p, has, yyjson_obj_get(spec, "mutations"));
	return read_checks(p, has, yyjson_obj_get(spec, "validations")) &&
	       read_notes(p, has, yyjson_obj_get(spec, "auditAnnotations"));
}

api_policy *api_policy_new(api_policy_sort sort, sp_str name, uint64_t revision, yyjson_val *obj)
{
	api_policy *p = sp_try_alloc(sizeof *p);
	if (p == NULL)
		return NULL;
	*p = (api_policy){.n_refs = 1, .revision = revision};
	sp_arena_init(&p->arena, POLICY_BYTES_MAX);
	if (keep(&p->arena, name, &p->name) && read_policy(p, sort, yyjson_obj_get(obj, "spec")))
		return p;
	return api_policy_unref(p);
}

api_policy *api_policy_unref(api_policy *p)
{
	if (p == NULL || --p->n_refs > 0)
		return NULL;
	sp_arena_done(&p->arena);
	sp_free(p);
	return NULL;
}

/* ---- sets ---- */

static api_policy_set *set_new(void)
{
	api_policy_set *s = SP_NEW(api_policy_set);
	s->n_refs = 1;
	sp_arena_init(&s->arena, SET_BYTES_MAX);
	return s;
}

api_policy_set *api_policy_set_ref(api_policy_set *s)
{
	s->n_refs++;
	return s;
}

api_policy_set *api_policy_set_unref(api_policy_set *s)
{
	if (s == NULL || --s->n_refs > 0)
		return NULL;
	for (size_t i = 0; i < s->n; i++)
		s->hooks[i].policy = api_policy_unref(s->hooks[i].policy);
	sp_arena_done(&s->arena);
	sp_free(s);
	return NULL;
}

/* A set under construction. */
typedef struct build {
	api_policy_sort sort;
	const api_policy_set *before; /* what was compiled already, or NULL */
	api_policy_set *set;
	api_policy_binding *bindings; /* in the set's arena */
	size_t n, cap;
} build;

static api_policy *known(const api_policy_set *s, sp_str name, uint64_t revision)
{
	for (size_t i = 0; s != NULL && i < s->n; i++) {
		api_policy *p = s->hooks[i].policy;
		if (p->revision == revision && sp_str_eq(p->name, name)) {
			p->n_refs++;
			return p;
		}
	}
	return NULL;
}

/* Has any binding that name? Bindings are sorted by policy by then. */
static const api_policy_binding *bindings_of(const build *b, sp_str policy, size_t *ret_n)
{
	size_t i = 0, n = 0;
	while (i < b->n && sp_str_cmp(b->bindings[i].policy, policy) < 0)
		i++;
	while (i + n < b->n && sp_str_eq(b->bindings[i + n].policy, policy))
		n++;
	*ret_n = n;
	return n == 0 ? NULL : &b->bindings[i];
}

static bool add_policy(void *arg, sp_str name, uint64_t revision, yyjson_val *obj)
{
	build *b = arg;
	api_policy_set *s = b->set;
	size_t n;
	const api_policy_binding *bindings = bindings_of(b, name, &n);
	if (n == 0)
		return true; /* nothing comes of it */
	if (s->n == s->cap) {
		size_t cap = SP_MAX(s->cap * 2, (size_t)8);
		api_policy_hook *hooks =
			sp_arena_try_grow(&s->arena, s->hooks, s->cap * sizeof *hooks, cap * sizeof *hooks);
		if (hooks == NULL)
			return false;
		s->hooks = hooks;
		s->cap = cap;
	}
	api_policy *p = known(b->before, name, revision);
	if (p == NULL)
		p = api_policy_new(b->sort, name, revision, obj);
	if (p == NULL)
		return false;
	s->hooks[s->n++] = (api_policy_hook){p, bindings, n};
	return true;
}

static bool lists(yyjson_val *list, const char *text)
{
	yyjson_val *v;
	size_t i, max;
	yyjson_arr_foreach(list, i, max, v)
	{
		if (yyjson_equals_str(v, text))
			return true;
	}
	return false;
}

static bool read_binding(sp_arena *a, sp_str name, yyjson_val *spec, api_policy_binding *ret)
{
	yyjson_val *ref = yyjson_obj_get(spec, "paramRef"), *selector = yyjson_obj_get(ref, "selector"),
		   *actions = yyjson_obj_get(spec, "validationActions");
	*ret = (api_policy_binding){.has_ref = yyjson_is_obj(ref),
				    .has_selector = yyjson_is_obj(selector),
				    .denies_missing =
					    sp_str_eq(member(ref, "parameterNotFoundAction"), SP_STR("Deny")),
				    .denies = lists(actions, "Deny"),
				    .warns = lists(actions, "Warn"),
				    .audits = lists(actions, "Audit")};
	return keep(a, name, &ret->name) && keep(a, member(spec, "policyName"), &ret->policy) &&
	       keep(a, member(ref, "name"), &ret->param_name) &&
	       keep(a, member(ref, "namespace"), &ret->param_ns) &&
	       api_hook_selector_read(a, selector, &ret->selector) &&
	       read_match(a, yyjson_obj_get(spec, "matchResources"), &ret->match);
}

static bool add_binding(void *arg, sp_str name, uint64_t revision, yyjson_val *obj)
{
	build *b = arg;
	sp_arena *a = &b->set->arena;
	(void)revision;
	if (b->n == b->cap) {
		size_t cap = SP_MAX(b->cap * 2, (size_t)8);
		api_policy_binding *items =
			sp_arena_try_grow(a, b->bindings, b->cap * sizeof *items, cap * sizeof *items);
		if (items == NULL)
			return false;
		b->bindings = items;
		b->cap = cap;
	}
	return read_binding(a, name, yyjson_obj_get(obj, "spec"), &b->bindings[b->n]) && ++b->n > 0;
}

static int by_policy(const void *x, const void *y)
{
	const api_policy_binding *a = x, *b = y;
	int c = sp_str_cmp(a->policy, b->policy);
	return c != 0 ? c : sp_str_cmp(a->name, b->name);
}

static sp_code load(api_policy_index *x, build *b, sp_err *err)
{
	SP_TRY(api_kept_each(&x->bindings[b->sort], add_binding, b, err));
	if (b->n > 1)
		qsort(b->bindings, b->n, sizeof *b->bindings, by_policy);
	return b->n == 0 ? SP_OK : api_kept_each(&x->policies[b->sort], add_policy, b, err);
}

sp_code api_policy_index_get(api_policy_index *x, api_policy_sort sort, api_policy_set **ret, sp_err *err)
{
	bool policies, bindings;
	SP_TRY(api_kept_follow(&x->policies[sort], &policies, err));
	sp_code code = api_kept_follow(&x->bindings[sort], &bindings, err);
	if (policies || bindings || x->sets[sort] == NULL || code != SP_OK) {
		build b = {.sort = sort, .before = x->sets[sort], .set = set_new()};
		if (code == SP_OK)
			code = load(x, &b, err);
		x->sets[sort] = api_policy_set_unref(x->sets[sort]);
		if (code != SP_OK) {
			api_policy_set_unref(b.set);
			return code;
		}
		x->sets[sort] = b.set;
	}
	*ret = x->sets[sort];
	return SP_OK;
}

void api_policy_index_init(api_policy_index *x, sp_store *store)
{
	*x = (api_policy_index){.sets = {NULL}};
	for (unsigned s = 0; s < API_POLICY_SORT_COUNT_; s++) {
		x->policies[s] = (api_kept){.store = store, .prefix = prefixes[s].policies};
		x->bindings[s] = (api_kept){.store = store, .prefix = prefixes[s].bindings};
	}
}

void api_policy_index_done(api_policy_index *x)
{
	for (unsigned s = 0; s < API_POLICY_SORT_COUNT_; s++) {
		api_kept_done(&x->policies[s]);
		api_kept_done(&x->bindings[s]);
		x->sets[s] = api_policy_set_unref(x->sets[s]);
	}
}
