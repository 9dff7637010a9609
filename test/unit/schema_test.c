/* SPDX-License-Identifier: Apache-2.0 */
/* The tables that tools/schemac makes: order, uniqueness, and what discovery of kube-apiserver 1.36.2 says.
 */
#include "kube/schema.h"

#include <unistd.h>

#include "base/json.h"
#include "lib/t.h"

static bool is_index_list(const uint16_t *index, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool found = false;
		for (size_t j = 0; j < n; j++)
			found = found || index[j] == i;
		if (!found)
			return false;
	}
	return true;
}

SP_TEST(schema, types_are_sorted_and_complete)
{
	T_TRUE(sp_n_schema_types > 500);
	for (size_t i = 0; i < sp_n_schema_types; i++) {
		const sp_schema *s = sp_schema_types[i];
		t_row(SP_FMT, SP_ARG(s->name));
		T_EQ_I64(s->kind, SP_K_OBJECT);
		T_TRUE(i == 0 || sp_str_cmp(sp_schema_types[i - 1]->name, s->name) < 0);
		T_TRUE(sp_schema_by_name(s->name) == s);
	}
	T_TRUE(sp_schema_by_name(SP_STR("io.k8s.api.core.v1.Nothing")) == NULL);
	T_TRUE(sp_schema_by_name(SP_STR("")) == NULL);
}

SP_TEST(schema, fields_are_ordered_and_found)
{
	for (size_t i = 0; i < sp_n_schema_types; i++) {
		const sp_schema *s = sp_schema_types[i];
		T_TRUE(is_index_list(s->by_name, s->n_fields));
		T_TRUE(is_index_list(s->by_number, s->n_fields));
		for (size_t j = 0; j < s->n_fields; j++) {
			const sp_field *f = &s->fields[j];
			t_row(SP_FMT "." SP_FMT, SP_ARG(s->name), SP_ARG(f->name));
			T_TRUE(f->schema != NULL);
			if ((f->flags & SP_F_INLINE) == 0)
				T_TRUE(sp_schema_field(s, f->name, NULL) == f);
			if (f->number != 0)
				T_TRUE(sp_schema_field_by_number(s, f->number) == f);
			if (j == 0)
				continue;
			T_TRUE(sp_str_cmp(s->fields[s->by_name[j - 1]].name, s->fields[s->by_name[j]].name) <
			       0);
			uint32_t a = s->fields[s->by_number[j - 1]].number,
				 b = s->fields[s->by_number[j]].number;
			T_TRUE(a < b || (a == 0 && b == 0));
		}
	}
}

SP_TEST(schema, kinds_are_sorted_and_found)
{
	T_TRUE(sp_n_kinds > 80);
	for (size_t i = 0; i < sp_n_kinds; i++) {
		const sp_kind *k = sp_kinds[i];
		t_row(SP_FMT "/" SP_FMT " " SP_FMT, SP_ARG(k->group), SP_ARG(k->version), SP_ARG(k->kind));
		T_TRUE(sp_kind_by_kind(k->group, k->version, k->kind) == k);
		T_TRUE(k->schema->kind == SP_K_OBJECT);
		if (!sp_str_eq(k->kind, SP_STR("WatchEvent"))) {
			T_EQ_C(k->schema->fields[0].name, "kind");
			T_EQ_C(k->schema->fields[1].name, "apiVersion");
			T_EQ_U64(k->schema->fields[1].number, 0);
		}
		if (k->plural.len != 0)
			T_TRUE(sp_kind_by_plural(k->group, k->version, k->plural) == k);
		if (i == 0)
			continue;
		const sp_kind *l = sp_kinds[i - 1];
		int c = sp_str_cmp(l->group, k->group);
		c = c != 0 ? c : sp_str_cmp(l->version, k->version);
		c = c != 0 ? c : sp_str_cmp(l->kind, k->kind);
		T_TRUE(c < 0);
	}
	T_TRUE(sp_kind_by_kind(SP_STR(""), SP_STR("v1"), SP_STR("Pods")) == NULL);
	T_TRUE(sp_kind_by_plural(SP_STR(""), SP_STR("v1"), SP_STR("")) == NULL);
	T_TRUE(sp_kind_by_plural(SP_STR("apps"), SP_STR("v1"), SP_STR("pods")) == NULL);
	T_TRUE(sp_kind_by_plural(SP_STR("zzz"), SP_STR("v1"), SP_STR("pods")) == NULL);
}

/* -- what a real server's discovery says -- */

#define DISCOVERY "../shared/data/api/discovery.json"

static const char *const verb_names[] = {"create", "delete", "deletecollection", "get",
					 "list",   "patch",  "update",           "watch"};

static yyjson_val *member(yyjson_val *v, const char *name)
{
	return sp_json_last(v, sp_str_c(name));
}

static bool verbs_equal(unsigned verbs, yyjson_val *list)
{
	unsigned want = 0;
	for (size_t i = 0; i < yyjson_arr_size(list); i++)
		for (unsigned j = 0; j < 8; j++)
			if (sp_str_eq(sp_json_str(yyjson_arr_get(list, i)), sp_str_c(verb_names[j])))
				want |= 1u << j;
	return verbs == want;
}

static bool names_equal(const sp_str *names, size_t n, yyjson_val *list)
{
	if (yyjson_arr_size(list) != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!sp_str_eq(names[i], sp_json_str(yyjson_arr_get(list, i))))
			return false;
	return true;
}

static const sp_subresource *subresource(const sp_kind *k, sp_str name)
{
	for (size_t i = 0; i < k->n_subresources; i++)
		if (sp_str_eq(k->subresources[i].name, name))
			return &k->subresources[i];
	return NULL;
}

/* An entry of an aggregated document (which has "group", "version" empty when they are those of the list). */
static void check_aggregated(sp_str group, sp_str version, yyjson_val *r)
{
	const sp_kind *k = sp_kind_by_plural(group, version, sp_json_str(member(r, "resource")));
	T_TRUE(k != NULL);
	T_EQ_STR(k->kind, sp_json_str(member(member(r, "responseKind"), "kind")));
	T_EQ_STR(k->singular, sp_json_str(member(r, "singularResource")));
	T_EQ_I64(k->namespaced, sp_str_eq(sp_json_str(member(r, "scope")), SP_STR("Namespaced")));
	T_TRUE(verbs_equal(k->verbs, member(r, "verbs")));
	T_TRUE(names_equal(k->short_names, k->n_short_names, member(r, "shortNames")));
	T_TRUE(names_equal(k->categories, k->n_categories, member(r, "categories")));
	yyjson_val *subs = member(r, "subresources");
	T_EQ_U64(k->n_subresources, yyjson_arr_size(subs));
	for (size_t i = 0; i < k->n_subresources; i++) {
		yyjson_val *want = yyjson_arr_get(subs, i), *body = member(want, "responseKind");
		T_EQ_STR(k->subresources[i].name, sp_json_str(member(want, "subresource")));
		T_EQ_STR(k->subresources[i].group, sp_json_str(member(body, "group")));
		T_EQ_STR(k->subresources[i].version, sp_json_str(member(body, "version")));
		T_EQ_STR(k->subresources[i].kind, sp_json_str(member(body, "kind")));
		T_TRUE(verbs_equal(k->subresources[i].verbs, member(want, "verbs")));
	}
}

/* An entry of an APIResourceList; "pods/status" is a subresource. */
static void check_listed(sp_str group, sp_str version, yyjson_val *r)
{
	sp_str rest = sp_json_str(member(r, "name")), plural;
	bool sub = sp_str_cut(&rest, '/', &plural);
	if (!sub)
		plural = rest;
	const sp_kind *k = sp_kind_by_plural(group, version, plural);
	T_TRUE(k != NULL);
	T_EQ_I64(k->namespaced, yyjson_get_bool(member(r, "namespaced")));
	if (sub) {
		const sp_subresource *s = subresource(k, rest);
		T_TRUE(s != NULL);
		T_EQ_STR(s->kind, sp_json_str(member(r, "kind")));
		T_EQ_STR(s->group, sp_json_str(member(r, "group")));
		T_EQ_STR(s->version, sp_json_str(member(r, "version")));
		T_TRUE(verbs_equal(s->verbs, member(r, "verbs")));
		return;
	}
	T_EQ_STR(k->kind, sp_json_str(member(r, "kind")));
	T_EQ_STR(k->singular, sp_json_str(member(r, "singularName")));
	T_EQ_STR(k->storage_hash, sp_json_str(member(r, "storageVersionHash")));
	T_TRUE(verbs_equal(k->verbs, member(r, "verbs")));
	T_TRUE(names_equal(k->short_names, k->n_short_names, member(r, "shortNames")));
	T_TRUE(names_equal(k->categories, k->n_categories, member(r, "categories")));
}

static size_t check_group_list(yyjson_val *body)
{
	size_t n = 0;
	for (size_t i = 0; i < yyjson_arr_size(member(body, "items")); i++) {
		yyjson_val *item = yyjson_arr_get(member(body, "items"), i);
		sp_str group = sp_json_str(member(member(item, "metadata"), "name"));
		for (size_t j = 0; j < yyjson_arr_size(member(item, "versions")); j++) {
			yyjson_val *v = yyjson_arr_get(member(item, "versions"), j);
			yyjson_val *list = member(v, "resources");
			for (size_t k = 0; k < yyjson_arr_size(list); k++, n++) {
				yyjson_val *r = yyjson_arr_get(list, k);
				t_row(SP_FMT "/" SP_FMT, SP_ARG(group),
				      SP_ARG(sp_json_str(member(r, "resource"))));
				check_aggregated(group, sp_json_str(member(v, "version")), r);
			}
		}
	}
	return n;
}

static void check_resource_list(yyjson_val *body)
{
	sp_str version = sp_json_str(member(body, "groupVersion")), group = {NULL, 0};
	(void)sp_str_cut(&version, '/', &group);
	yyjson_val *list = member(body, "resources");
	for (size_t i = 0; i < yyjson_arr_size(list); i++) {
		yyjson_val *r = yyjson_arr_get(list, i);
		t_row(SP_FMT "/" SP_FMT, SP_ARG(group), SP_ARG(sp_json_str(member(r, "name"))));
		check_listed(group, version, r);
	}
}

SP_TEST(schema, matches_recorded_discovery)
{
	if (access(DISCOVERY, R_OK) != 0)
		t_skip("no recorded exchanges beside the checkout");
	yyjson_val *doc;
	T_OK(sp_json_parse(T_ARENA, t_file(DISCOVERY), &doc, T_ERR));
	size_t aggregated = 0, resources = 0, lists = 0, ours = 0;
	for (size_t i = 0; i < yyjson_arr_size(member(doc, "scenarios")); i++) {
		yyjson_val *steps = member(yyjson_arr_get(member(doc, "scenarios"), i), "steps");
		for (size_t j = 0; j < yyjson_arr_size(steps) && !t_failed(); j++) {
			yyjson_val *body = member(member(yyjson_arr_get(steps, j), "expect"), "body");
			sp_str kind = sp_json_str(member(body, "kind"));
			/* /api and /apis; further steps ask for them again in other words. */
			if (sp_str_eq(kind, SP_STR("APIGroupDiscoveryList")) && aggregated++ < 2)
				resources += check_group_list(body);
			if (sp_str_eq(kind, SP_STR("APIResourceList"))) {
				check_resource_list(body);
				lists++;
			}
		}
	}
	for (size_t i = 0; i < sp_n_kinds; i++)
		ours += sp_kinds[i]->plural.len != 0 &&
			!sp_str_eq(sp_kinds[i]->group, SP_STR("metrics.k8s.io"));
	T_EQ_U64(resources, ours);
	T_EQ_U64(lists, 11);
}

/* -- columns of recorded tables -- */

/* The kind of a resource's URL without query; NULL for subresources and custom resources. */
static const sp_kind *kind_of_path(sp_str path)
{
	sp_str part[8] = {{NULL, 0}}, query = path, rest;
	size_t n = 0;
	if (sp_str_cut(&query, '?', &rest))
		path = rest;
	rest = path;
	for (bool more = sp_str_take(&rest, SP_STR("/")); more && n < 8; n++) {
		more = sp_str_cut(&rest, '/', &part[n]);
		if (!more)
			part[n] = rest;
	}
	size_t i = sp_str_eq(part[0], SP_STR("api")) ? 1 : 2;
	sp_str group = i == 1 ? SP_STR("") : part[1], version = part[i++];
	if (sp_str_eq(part[i], SP_STR("namespaces")) && n > i + 2)
		i += 2;
	return n > i + 2 ? NULL : sp_kind_by_plural(group, version, part[i]);
}

static void check_column(const sp_column *c, yyjson_val *want)
{
	T_EQ_STR(c->name, sp_json_str(member(want, "name")));
	T_EQ_STR(c->type, sp_json_str(member(want, "type")));
	T_EQ_STR(c->format, sp_json_str(member(want, "format")));
	T_EQ_STR(c->description, sp_json_str(member(want, "description")));
	T_EQ_I64(c->priority, yyjson_get_sint(member(want, "priority")));
}

/* Of one step; true when it was a table of a built-in kind. */
static bool check_table(yyjson_val *step)
{
	yyjson_val *body = member(member(step, "expect"), "body"), *want = member(body, "columnDefinitions");
	const sp_kind *k = kind_of_path(sp_json_str(member(step, "path")));
	if (!sp_str_eq(sp_json_str(member(body, "kind")), SP_STR("Table")) || yyjson_arr_size(want) == 0 ||
	    k == NULL)
		return false;
	t_row(SP_FMT, SP_ARG(k->kind));
	bool usual = yyjson_arr_size(want) == 2 &&
		     sp_str_eq(sp_json_str(member(yyjson_arr_get(want, 1), "name")), SP_STR("Created At"));
	if (k->n_columns != (usual ? 0 : yyjson_arr_size(want)))
		(void)t_fail(__FILE__, __LINE__, "%u columns", k->n_columns);
	for (size_t i = 0; i < k->n_columns && !t_failed(); i++)
		check_column(&k->columns[i], yyjson_arr_get(want, i));
	return true;
}

SP_TEST(schema, columns_match_recorded_tables)
{
	static const char *const files[] = {"tables", "kinds-core", "kinds-apps", "kinds-batch",
					    "kinds-storage-k8s-io"};
	size_t n = 0;
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
		char path[64];
		(void)snprintf(path, sizeof path, "../shared/data/api/%s.json", files[i]);
		if (access(path, R_OK) != 0)
			t_skip("no recorded exchanges beside the checkout");
		yyjson_val *doc, *all;
		T_OK(sp_json_parse(T_ARENA, t_file(path), &doc, T_ERR));
		all = member(doc, "scenarios");
		for (size_t j = 0; j < yyjson_arr_size(all); j++) {
			yyjson_val *steps = member(yyjson_arr_get(all, j), "steps");
			for (size_t k = 0; k < yyjson_arr_size(steps) && !t_failed(); k++)
				n += check_table(yyjson_arr_get(steps, k));
		}
	}
	T_TRUE(n > 40);
}
