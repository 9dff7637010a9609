/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admission/hook_config.h"

#include "base/alloc.h"
#include "base/json.h"

#define SET_BYTES_MAX ((size_t)64 << 20)
#define TIMEOUT_DEFAULT_S 10

static const sp_str prefixes[API_HOOK_KIND_COUNT_] = {
	[API_HOOK_MUTATING] = SP_STR_INIT("/registry/mutatingwebhookconfigurations/"),
	[API_HOOK_VALIDATING] = SP_STR_INIT("/registry/validatingwebhookconfigurations/"),
};

/* ---- reading one ---- */

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

bool api_hook_rules_read(sp_arena *a, yyjson_val *list, const api_hook_rule **ret, size_t *ret_n)
{
	yyjson_val *v;
	size_t i, max;
	api_hook_rule *rules = sp_try_new(a, api_hook_rule, yyjson_arr_size(list) + 1);
	if (rules == NULL)
		return false;
	yyjson_arr_foreach(list, i, max, v)
	{
		api_hook_rule *r = &rules[i];
		if (!api_strs_read(a, yyjson_obj_get(v, "operations"), &r->operations) ||
		    !api_strs_read(a, yyjson_obj_get(v, "apiGroups"), &r->groups) ||
		    !api_strs_read(a, yyjson_obj_get(v, "apiVersions"), &r->versions) ||
		    !api_strs_read(a, yyjson_obj_get(v, "resources"), &r->resources) ||
		    !api_strs_read(a, yyjson_obj_get(v, "resourceNames"), &r->names) ||
		    !keep(a, member(v, "scope"), &r->scope))
			return false;
	}
	*ret = rules;
	*ret_n = yyjson_arr_size(list);
	return true;
}

bool api_hook_selector_read(sp_arena *a, yyjson_val *v, sp_selector *ret)
{
	if (!yyjson_is_obj(v))
		return true;
	sp_code code = sp_labels_of_object(a, v, ret, NULL);
	if (code == SP_EINVAL)
		*ret = (sp_selector){.nothing = true};
	return code == SP_OK || code == SP_EINVAL;
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

static bool read_hook(sp_arena *a, sp_str configuration, yyjson_val *v, api_hook *h)
{
	yyjson_val *timeout = yyjson_obj_get(v, "timeoutSeconds");
	sp_str effects = member(v, "sideEffects");
	*h = (api_hook){.configuration = configuration};
	h->timeout_s = yyjson_is_int(timeout) ? (uint32_t)yyjson_get_int(timeout) : TIMEOUT_DEFAULT_S;
	h->ignores_failure = sp_str_eq(member(v, "failurePolicy"), SP_STR("Ignore"));
	h->is_reinvoked = sp_str_eq(member(v, "reinvocationPolicy"), SP_STR("IfNeeded"));
	h->allows_dry_run = sp_str_eq(effects, SP_STR("None")) || sp_str_eq(effects, SP_STR("NoneOnDryRun"));
	h->is_exact = sp_str_eq(member(v, "matchPolicy"), SP_STR("Exact"));
	h->knows_v1 = lists(yyjson_obj_get(v, "admissionReviewVersions"), "v1");
	return keep(a, member(v, "name"), &h->name) &&
	       api_hook_rules_read(a, yyjson_obj_get(v, "rules"), &h->rules, &h->n_rules) &&
	       api_hook_selector_read(a, yyjson_obj_get(v, "namespaceSelector"), &h->namespaces) &&
	       api_hook_selector_read(a, yyjson_obj_get(v, "objectSelector"), &h->objects) &&
	       api_conditions_read(a, yyjson_obj_get(v, "matchConditions"), NULL, 0, &h->conditions) &&
	       api_webhook_at_read(a, yyjson_obj_get(v, "clientConfig"), &h->at);
}

/* ---- sets ---- */

api_hook_set *api_hook_set_new(void)
{
	api_hook_set *s = SP_NEW(api_hook_set);
	s->n_refs = 1;
	sp_arena_init(&s->arena, SET_BYTES_MAX);
	return s;
}

api_hook_set *api_hook_set_ref(api_hook_set *s)
{
	s->n_refs++;
	return s;
}

api_hook_set *api_hook_set_unref(api_hook_set *s)
{
	if (s == NULL || --s->n_refs > 0)
		return NULL;
	sp_arena_done(&s->arena);
	sp_free(s);
	return NULL;
}

bool api_hook_set_add(api_hook_set *s, sp_str configuration, yyjson_val *obj)
{
	yyjson_val *list = yyjson_obj_get(obj, "webhooks"), *v;
	size_t i, max, n = yyjson_arr_size(list);
	sp_str name;
	if (!keep(&s->arena, configuration, &name))
		return false;
	if (s->n + n > s->cap) {
		size_t cap = SP_MAX(s->cap * 2, s->n + n);
		api_hook *hooks =
			sp_arena_try_grow(&s->arena, s->hooks, s->cap * sizeof *hooks, cap * sizeof *hooks);
		if (hooks == NULL)
			return false;
		s->hooks = hooks;
		s->cap = cap;
	}
	yyjson_arr_foreach(list, i, max, v)
	{
		if (!read_hook(&s->arena, name, v, &s->hooks[s->n]))
			return false;
		s->n++;
	}
	return true;
}

/* ---- keeping up ---- */

static bool load_one(void *arg, sp_str rest, uint64_t revision, yyjson_val *obj)
{
	(void)revision;
	return api_hook_set_add(arg, rest, obj);
}

sp_code api_hook_index_get(api_hook_index *x, api_hook_kind kind, api_hook_set **ret, sp_err *err)
{
	bool changed;
	sp_code code = api_kept_follow(&x->kept[kind], &changed, err);
	if (changed)
		x->sets[kind] = api_hook_set_unref(x->sets[kind]);
	SP_TRY(code);
	if (x->sets[kind] == NULL) {
		api_hook_set *set = api_hook_set_new();
		code = api_kept_each(&x->kept[kind], load_one, set, err);
		if (code != SP_OK) {
			api_hook_set_unref(set);
			return code;
		}
		x->sets[kind] = set;
	}
	*ret = x->sets[kind];
	return SP_OK;
}

void api_hook_index_init(api_hook_index *x, sp_store *store)
{
	*x = (api_hook_index){.sets = {NULL}};
	for (unsigned k = 0; k < API_HOOK_KIND_COUNT_; k++)
		x->kept[k] = (api_kept){.store = store, .prefix = prefixes[k]};
}

void api_hook_index_done(api_hook_index *x)
{
	for (unsigned k = 0; k < API_HOOK_KIND_COUNT_; k++) {
		api_kept_done(&x->kept[k]);
		x->sets[k] = api_hook_set_unref(x->sets[k]);
	}
}

/* ---- rules ---- */

static bool has_or_all(const api_strs *list, sp_str s)
{
	for (size_t i = 0; i < list->n; i++) {
		if (sp_str_eq(list->items[i], SP_STR("*")) || sp_str_eq(list->items[i], s))
			return true;
	}
	return false;
}

/* "pods", "pods/status", any of both sides as a star. A star alone names no subresource. */
static bool matches_resource(const api_strs *list, const api_hook_target *t)
{
	for (size_t i = 0; i < list->n; i++) {
		sp_str sub = list->items[i], resource;
		if (!sp_str_cut(&sub, '/', &resource)) {
			resource = list->items[i];
			sub = SP_STR("");
		}
		if ((sp_str_eq(resource, SP_STR("*")) || sp_str_eq(resource, t->resource)) &&
		    (sp_str_eq(sub, SP_STR("*")) || sp_str_eq(sub, t->subresource)))
			return true;
	}
	return false;
}

/* A namespace stands in no namespace, whatever its requests say. */
static bool matches_scope(sp_str scope, const api_hook_target *t)
{
	bool is_namespace = t->group.len == 0 && sp_str_eq(t->version, SP_STR("v1")) &&
			    sp_str_eq(t->resource, SP_STR("namespaces"));
	bool namespaced = !is_namespace && t->ns.len > 0;
	if (sp_str_eq(scope, SP_STR("Namespaced")))
		return namespaced;
	return !sp_str_eq(scope, SP_STR("Cluster")) || !namespaced;
}

bool api_hook_rule_matches(const api_hook_rule *r, const api_hook_target *t)
{
	return matches_scope(r->scope, t) && has_or_all(&r->operations, t->operation) &&
	       has_or_all(&r->groups, t->group) && has_or_all(&r->versions, t->version) &&
	       matches_resource(&r->resources, t);
}

bool api_hook_matches(const api_hook *h, const api_hook_target *t)
{
	for (size_t i = 0; i < h->n_rules; i++) {
		if (api_hook_rule_matches(&h->rules[i], t))
			return true;
	}
	return false;
}
