/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which kinds the rules of a policy name, as upstream finds them: a group, version and resource that are no
 * wildcards; resources by their plural or singular; and with the empty group those of that version in any
 * group. U: typechecking.go typesToCheck; apimachinery pkg/api/meta/restmapper.go KindsFor.
 */
#include <stdlib.h>
#include <string.h>

#include "kube/crd/crd.h"
#include "kube/policy/typecheck_int.h"

static yyjson_val *rules_of(const sp_policy_check *c)
{
	return sp_json_last(sp_json_last(c->spec, SP_STR("matchConstraints")), SP_STR("resourceRules"));
}

static sp_policy_kind built_in(const sp_kind *k)
{
	return (sp_policy_kind){k->group, k->version, k->kind, k->plural, k->singular, k->schema};
}

/* Built-in kinds, then custom ones. False: there are no more. */
static bool kind_at(const sp_policy_check *c, size_t i, sp_policy_kind *ret)
{
	if (i < sp_n_kinds)
		*ret = built_in(sp_kinds[i]);
	else if (i - sp_n_kinds < c->n_customs)
		*ret = c->customs[i - sp_n_kinds];
	else
		return false;
	return true;
}

static bool is_named(const sp_policy_kind *k, sp_str group, sp_str version, sp_str resource)
{
	return (group.len == 0 || sp_str_eq(k->group, group)) && sp_str_eq(k->version, version) &&
	       k->plural.len > 0 &&
	       (sp_str_eq_nocase(k->plural, resource) || sp_str_eq_nocase(k->singular, resource));
}

/* ---- the names of one rule ---- */

typedef struct names {
	sp_str *items; /* sorted, each once */
	size_t n;
} names;

static int by_text(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

static bool has_any(sp_str s, const char *of)
{
	for (size_t i = 0; i < s.len; i++) {
		if (strchr(of, s.ptr[i]) != NULL && s.ptr[i] != '\0')
			return true;
	}
	return false;
}

/* `all`: one with a wildcard spoils the others. */
static sp_code names_of(const sp_policy_check *c, yyjson_val *rule, const char *member, const char *wild,
			bool all, names *ret)
{
	yyjson_val *list = sp_json_last(rule, sp_str_c(member)), *v;
	size_t i, max, n = 0;
	*ret = (names){sp_try_new(c->arena, sp_str, yyjson_arr_size(list) + 1), 0};
	if (ret->items == NULL)
		return SP_ETOOLARGE;
	yyjson_arr_foreach(list, i, max, v)
	{
		sp_str name = sp_json_str(v);
		bool is_wild = has_any(name, wild);
		if (is_wild && all)
			return SP_OK;
		if (!is_wild)
			ret->items[n++] = name;
	}
	if (n > 1)
		qsort(ret->items, n, sizeof *ret->items, by_text);
	for (i = 0; i < n; i++) {
		if (i == 0 || !sp_str_eq(ret->items[i], ret->items[ret->n - 1]))
			ret->items[ret->n++] = ret->items[i];
	}
	return SP_OK;
}

typedef struct rule_names {
	names groups, versions, resources;
} rule_names;

/* None of any when the rule names no kind that can be checked. */
static sp_code read_rule(const sp_policy_check *c, yyjson_val *rule, rule_names *ret)
{
	SP_TRY(names_of(c, rule, "apiGroups", "*", true, &ret->groups));
	SP_TRY(names_of(c, rule, "apiVersions", "*", true, &ret->versions));
	return names_of(c, rule, "resources", "*/", false, &ret->resources);
}

/* ---- those of all rules ---- */

static int by_kind(const void *x, const void *y)
{
	const sp_policy_kind *a = x, *b = y;
	int d = sp_str_cmp(a->group, b->group);
	d = d != 0 ? d : sp_str_cmp(a->version, b->version);
	return d != 0 ? d : sp_str_cmp(a->kind, b->kind);
}

static sp_code add_kind(const sp_policy_check *c, sp_policy_kinds *l, const sp_policy_kind *k)
{
	for (size_t i = 0; i < l->n; i++) {
		if (by_kind(&l->items[i], k) == 0)
			return SP_OK;
	}
	if (l->n == l->cap) {
		size_t cap = l->cap * 2 + SP_POLICY_TYPES_MAX;
		sp_policy_kind *grown =
			sp_arena_try_grow(c->arena, l->items, l->cap * sizeof *grown, cap * sizeof *grown);
		if (grown == NULL)
			return SP_ETOOLARGE;
		l->items = grown;
		l->cap = cap;
	}
	l->items[l->n++] = *k;
	return SP_OK;
}

typedef struct walk {
	const sp_policy_check *c;
	sp_policy_kinds *kinds;
	size_t n_found; /* by this rule */
} walk;

/* The kinds of one group and version, resource by resource. */
static sp_code take(walk *w, sp_str group, sp_str version, const names *resources)
{
	sp_policy_kind k;
	for (size_t r = 0; r < resources->n; r++) {
		for (size_t i = 0; w->n_found < SP_POLICY_TYPES_MAX && kind_at(w->c, i, &k); i++) {
			if (!is_named(&k, group, version, resources->items[r]))
				continue;
			SP_TRY(add_kind(w->c, w->kinds, &k));
			w->n_found++;
		}
	}
	return SP_OK;
}

/* Whether any kind is of that group and version: what most pairs of a long rule are not. */
static bool is_served(const sp_policy_check *c, sp_str group, sp_str version)
{
	sp_policy_kind k;
	for (size_t i = 0; kind_at(c, i, &k); i++) {
		if ((group.len == 0 || sp_str_eq(k.group, group)) && sp_str_eq(k.version, version))
			return true;
	}
	return false;
}

static sp_code take_rule(walk *w, yyjson_val *rule)
{
	rule_names n;
	w->n_found = 0;
	SP_TRY(read_rule(w->c, rule, &n));
	for (size_t g = 0; g < n.groups.n; g++) {
		for (size_t v = 0; v < n.versions.n; v++) {
			sp_str group = n.groups.items[g], version = n.versions.items[v];
			if (is_served(w->c, group, version))
				SP_TRY(take(w, group, version, &n.resources));
		}
	}
	return SP_OK;
}

sp_code policy_kinds_of(const sp_policy_check *c, sp_policy_kinds *ret)
{
	walk w = {.c = c, .kinds = ret};
	yyjson_val *rule;
	size_t i, max;
	*ret = (sp_policy_kinds){0};
	yyjson_arr_foreach(rules_of(c), i, max, rule)
	{
		SP_TRY(take_rule(&w, rule));
		if (w.n_found == SP_POLICY_TYPES_MAX)
			break;
	}
	if (ret->n > 1)
		qsort(ret->items, ret->n, sizeof *ret->items, by_kind);
	return SP_OK;
}

/* ---- params ---- */

static bool is_params(const sp_policy_check *c, const sp_policy_kind *k)
{
	yyjson_val *of = sp_json_last(c->spec, SP_STR("paramKind"));
	sp_str version = sp_json_str(sp_json_last(of, SP_STR("apiVersion"))), group = SP_STR("");
	if (has_any(version, "/"))
		(void)sp_str_cut(&version, '/', &group);
	return of != NULL && sp_str_eq(k->group, group) && sp_str_eq(k->version, version) &&
	       sp_str_eq(k->kind, sp_json_str(sp_json_last(of, SP_STR("kind"))));
}

bool policy_kind_of_params(const sp_policy_check *c, sp_policy_kind *ret)
{
	for (size_t i = 0; kind_at(c, i, ret); i++) {
		if (is_params(c, ret))
			return true;
	}
	return false;
}

/* ---- custom kinds ---- */

bool sp_policy_check_wants_customs(const sp_policy_check *c)
{
	sp_policy_kind params;
	yyjson_val *rule, *group;
	size_t i, max, j, n;
	if (sp_json_last(c->spec, SP_STR("paramKind")) != NULL && !policy_kind_of_params(c, &params))
		return true;
	yyjson_arr_foreach(rules_of(c), i, max, rule)
	{
		yyjson_arr_foreach(sp_json_last(rule, SP_STR("apiGroups")), j, n, group)
		{
			sp_str name = sp_json_str(group);
			bool known = false;
			for (size_t k = 0; k < sp_n_kinds && name.len > 0; k++)
				known = known || sp_str_eq(sp_kinds[k]->group, name);
			if (!known && !has_any(name, "*"))
				return true;
		}
	}
	return false;
}

static sp_code is_wanted(const sp_policy_check *c, const sp_policy_kind *k, bool *ret)
{
	yyjson_val *rule;
	size_t i, max;
	*ret = is_params(c, k);
	yyjson_arr_foreach(rules_of(c), i, max, rule)
	{
		rule_names n;
		SP_TRY(read_rule(c, rule, &n));
		for (size_t g = 0; g < n.groups.n; g++) {
			for (size_t v = 0; v < n.versions.n; v++) {
				for (size_t r = 0; r < n.resources.n; r++)
					*ret = *ret || is_named(k, n.groups.items[g], n.versions.items[v],
								n.resources.items[r]);
			}
		}
	}
	return SP_OK;
}

static sp_code compile(const sp_policy_check *c, yyjson_val *version, const sp_schema **ret)
{
	yyjson_val *open = sp_json_last(sp_json_last(version, SP_STR("schema")), SP_STR("openAPIV3Schema"));
	const sp_schema *meta = sp_schema_by_name(SP_STR("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")),
			*found;
	yyjson_mut_val *schema = NULL;
	sp_violations errors;
	*ret = NULL;
	if (open != NULL)
		SP_TRY(sp_json_thaw(c->arena, open, &schema, NULL));
	sp_violations_init(&errors, c->arena);
	SP_TRY(sp_crd_compile(c->arena, schema, SP_STR(""), meta, false, &errors, &found));
	return found == NULL ? SP_OK : sp_crd_published(c->arena, found, ret);
}

static sp_code add_custom(sp_policy_check *c, const sp_policy_kind *k)
{
	if (c->n_customs == c->cap) {
		size_t cap = c->cap * 2 + SP_POLICY_TYPES_MAX;
		sp_policy_kind *grown =
			sp_arena_try_grow(c->arena, c->customs, c->cap * sizeof *grown, cap * sizeof *grown);
		if (grown == NULL)
			return SP_ETOOLARGE;
		c->customs = grown;
		c->cap = cap;
	}
	c->customs[c->n_customs++] = *k;
	return SP_OK;
}

static bool copy_names(sp_arena *a, sp_policy_kind *k)
{
	sp_str *all[] = {&k->group, &k->version, &k->kind, &k->plural, &k->singular};
	for (size_t i = 0; i < SP_LEN(all); i++) {
		*all[i] = sp_arena_try_dup(a, *all[i]);
		if (all[i]->ptr == NULL && all[i]->len > 0)
			return false;
	}
	return true;
}

sp_code sp_policy_check_custom(sp_policy_check *c, yyjson_val *definition)
{
	yyjson_val *spec = sp_json_last(definition, SP_STR("spec")),
		   *called = sp_json_last(spec, SP_STR("names")), *v;
	size_t i, max;
	yyjson_arr_foreach(sp_json_last(spec, SP_STR("versions")), i, max, v)
	{
		bool wanted = false;
		sp_policy_kind k = {.group = sp_json_str(sp_json_last(spec, SP_STR("group"))),
				    .version = sp_json_str(sp_json_last(v, SP_STR("name"))),
				    .kind = sp_json_str(sp_json_last(called, SP_STR("kind"))),
				    .plural = sp_json_str(sp_json_last(called, SP_STR("plural"))),
				    .singular = sp_json_str(sp_json_last(called, SP_STR("singular")))};
		if (yyjson_get_bool(sp_json_last(v, SP_STR("served"))))
			SP_TRY(is_wanted(c, &k, &wanted));
		if (!wanted)
			continue;
		SP_TRY(compile(c, v, &k.schema));
		if (k.schema == NULL)
			continue;
		if (!copy_names(c->arena, &k))
			return SP_ETOOLARGE;
		SP_TRY(add_custom(c, &k));
	}
	return SP_OK;
}
