/* SPDX-License-Identifier: Apache-2.0 */
/* Whole documents, and which there are. */
#include "kube/openapi/openapi_int.h"

#define TITLE "Kubernetes"

static sp_code begin(oa *w, sp_arena *a, sp_buf *out, const sp_openapi_source *from, bool v3)
{
	*w = (oa){.j = sp_jout_to(out), .v3 = v3, .from = from, .arena = a};
	w->marked = sp_try_new(a, bool, sp_n_schema_types + 1);
	w->list_of = sp_try_new(a, const sp_kind *, sp_n_schema_types + 1);
	return w->marked == NULL || w->list_of == NULL ? SP_ETOOLARGE : SP_OK;
}

static void member_info(oa *w)
{
	sp_jout_member_open(&w->j, SP_STR("info"), '{');
	sp_jout_member_str(&w->j, SP_STR("title"), SP_STR(TITLE));
	sp_jout_member_str(&w->j, SP_STR("version"),
			   w->from->version.len > 0 ? w->from->version : SP_STR("unversioned"));
	sp_jout_close(&w->j, '}');
}

static const char security_scheme[] =
	"{\"BearerToken\":{\"description\":\"A bearer token.\",\"in\":\"header\",\"name\":"
	"\"authorization\",\"type\":\"apiKey\"}}";

/* Built-in kinds are sorted by group and version: true for the first of one. */
static bool is_first(const sp_openapi_source *from, size_t i, bool of_version)
{
	const sp_kind *k = from->builtin[i], *p = i > 0 ? from->builtin[i - 1] : NULL;
	return p == NULL || !sp_str_eq(p->group, k->group) ||
	       (of_version && !sp_str_eq(p->version, k->version));
}

/* True when one of the kinds from i on, in the same group (and version), is a resource. */
static bool has_resources(const sp_openapi_source *from, size_t i, bool of_version)
{
	const sp_kind *first = from->builtin[i];
	for (; i < from->n_builtin && sp_str_eq(from->builtin[i]->group, first->group); i++) {
		if (of_version && !sp_str_eq(from->builtin[i]->version, first->version))
			break;
		if (from->builtin[i]->plural.len > 0)
			return true;
	}
	return false;
}

/* -- version 2 ------------------------------------------------------------------------------------------ */

static void write_v2_paths(oa *w)
{
	const sp_openapi_source *from = w->from;
	const sp_str *roots;
	for (size_t i = 0, n = oa_root_paths(&roots); i < n; i++)
		(void)oa_write_root_item(w, roots[i]);
	for (size_t i = 0; i < from->n_builtin; i++) {
		const sp_kind *k = from->builtin[i];
		if (k->group.len > 0 && is_first(from, i, false) && has_resources(from, i, false))
			oa_write_group_item(w, k->group);
		if (is_first(from, i, true) && has_resources(from, i, true))
			oa_write_group_version_item(w, k->group, k->version);
		if (k->plural.len > 0) {
			oa_mark_resource(w, k, false);
			oa_write_resource(w, k, false);
		}
	}
	for (size_t i = 0; i < from->n_custom; i++) {
		oa_mark_resource(w, from->custom[i].kind, true);
		oa_write_resource(w, from->custom[i].kind, true);
	}
}

sp_code sp_openapi_v2(sp_arena *a, sp_buf *out, const sp_openapi_source *from)
{
	oa w;
	SP_TRY(begin(&w, a, out, from, false));
	sp_jout *j = &w.j;
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("swagger"), SP_STR("2.0"));
	member_info(&w);
	sp_jout_member_open(j, SP_STR("paths"), '{');
	write_v2_paths(&w);
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("definitions"), '{');
	oa_write_definitions(&w);
	for (size_t i = 0; i < from->n_custom; i++)
		oa_write_custom_definitions(&w, &from->custom[i]);
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("parameters"), '{');
	oa_write_shared_params(&w);
	sp_jout_close(j, '}');
	sp_jout_member_raw(j, SP_STR("securityDefinitions"), sp_str_c(security_scheme));
	sp_jout_member_raw(j, SP_STR("security"), SP_STR("[{\"BearerToken\":[]}]"));
	sp_jout_close(j, '}');
	return sp_buf_code(out);
}

/* -- version 3 ------------------------------------------------------------------------------------------ */

/* "api/v1", "apis/GROUP/VERSION" → group and version; version is empty for "apis/GROUP". */
static bool parse_path(sp_str path, sp_str *ret_group, sp_str *ret_version)
{
	*ret_group = *ret_version = SP_STR("");
	if (sp_str_take(&path, SP_STR("api/"))) {
		*ret_version = path;
	} else if (sp_str_take(&path, SP_STR("apis/"))) {
		if (sp_str_cut(&path, '/', ret_group))
			*ret_version = path;
		else
			*ret_group = path;
	} else {
		return false;
	}
	return ret_group->len + ret_version->len > 0;
}

/* The path items about w->group and w->version; false: nothing is served there. */
static bool write_v3_resources(oa *w)
{
	const sp_openapi_source *from = w->from;
	bool found = false;
	for (size_t i = 0; i < from->n_builtin; i++) {
		const sp_kind *k = from->builtin[i];
		if (k->plural.len == 0 || !sp_str_eq(k->group, w->group) ||
		    !sp_str_eq(k->version, w->version))
			continue;
		if (!found)
			oa_write_group_version_item(w, k->group, k->version);
		found = true;
		oa_mark_resource(w, k, false);
		oa_write_resource(w, k, false);
	}
	for (size_t i = 0; i < from->n_custom; i++) {
		const sp_kind *k = from->custom[i].kind;
		if (!sp_str_eq(k->group, w->group) || !sp_str_eq(k->version, w->version))
			continue;
		w->custom = !found || w->custom;
		found = true;
		oa_mark_resource(w, k, true);
		oa_write_resource(w, k, true);
	}
	return found;
}

static bool write_v3_group(oa *w)
{
	for (size_t i = 0; i < w->from->n_builtin; i++) {
		const sp_kind *k = w->from->builtin[i];
		if (!sp_str_eq(k->group, w->group) || k->plural.len == 0)
			continue;
		oa_write_group_item(w, k->group);
		return true;
	}
	return false;
}

static bool write_v3_paths(oa *w, sp_str path)
{
	if (oa_write_root_item(w, path))
		return true;
	if (!parse_path(path, &w->group, &w->version))
		return false;
	return w->version.len > 0 ? write_v3_resources(w) : write_v3_group(w);
}

static void write_components(oa *w)
{
	sp_jout *j = &w->j;
	sp_jout_member_open(j, SP_STR("components"), '{');
	sp_jout_member_open(j, SP_STR("schemas"), '{');
	oa_write_definitions(w);
	for (size_t i = 0; i < w->from->n_custom; i++) {
		const sp_openapi_custom *c = &w->from->custom[i];
		if (sp_str_eq(c->kind->group, w->group) && sp_str_eq(c->kind->version, w->version))
			oa_write_custom_definitions(w, c);
	}
	sp_jout_close(j, '}');
	sp_jout_member_raw(j, SP_STR("securitySchemes"), sp_str_c(security_scheme));
	sp_jout_close(j, '}');
}

sp_code sp_openapi_v3(sp_arena *a, sp_buf *out, const sp_openapi_source *from, sp_str path)
{
	oa w;
	SP_TRY(begin(&w, a, out, from, true));
	sp_jout *j = &w.j;
	size_t before = out->len;
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("openapi"), SP_STR("3.0.0"));
	member_info(&w);
	sp_jout_member_open(j, SP_STR("paths"), '{');
	if (!write_v3_paths(&w, path)) {
		out->len = sp_buf_code(out) == SP_OK ? before : out->len;
		return SP_ENOTFOUND;
	}
	sp_jout_close(j, '}');
	write_components(&w);
	sp_jout_close(j, '}');
	return sp_buf_code(out);
}

/* -- the index ------------------------------------------------------------------------------------------ */

typedef struct path_list {
	sp_arena *arena;
	sp_str *items;
	size_t n, cap;
} path_list;

static sp_code add_path(path_list *l, sp_str path)
{
	for (size_t i = 0; i < l->n; i++)
		if (sp_str_eq(l->items[i], path))
			return SP_OK;
	if (path.ptr == NULL)
		return SP_ETOOLARGE;
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 64 : l->cap * 2;
		sp_str *items =
			sp_arena_try_grow(l->arena, l->items, l->cap * sizeof(*items), cap * sizeof(*items));
		if (items == NULL)
			return SP_ETOOLARGE;
		l->items = items;
		l->cap = cap;
	}
	l->items[l->n++] = path;
	return SP_OK;
}

static sp_str version_path(sp_arena *a, const sp_kind *k)
{
	return k->group.len == 0
		       ? sp_arena_printf(a, "api/" SP_FMT, SP_ARG(k->version))
		       : sp_arena_printf(a, "apis/" SP_FMT "/" SP_FMT, SP_ARG(k->group), SP_ARG(k->version));
}

sp_code sp_openapi_v3_paths(sp_arena *a, const sp_openapi_source *from, sp_str **ret, size_t *ret_n)
{
	path_list l = {.arena = a};
	const sp_str *roots;
	for (size_t i = 0, n = oa_root_paths(&roots); i < n; i++)
		SP_TRY(add_path(&l, roots[i]));
	for (size_t i = 0; i < from->n_builtin; i++) {
		const sp_kind *k = from->builtin[i];
		if (k->group.len > 0 && is_first(from, i, false) && has_resources(from, i, false))
			SP_TRY(add_path(&l, sp_arena_printf(a, "apis/" SP_FMT, SP_ARG(k->group))));
		if (is_first(from, i, true) && has_resources(from, i, true))
			SP_TRY(add_path(&l, version_path(a, k)));
	}
	for (size_t i = 0; i < from->n_custom; i++)
		SP_TRY(add_path(&l, version_path(a, from->custom[i].kind)));
	*ret = l.items;
	*ret_n = l.n;
	return SP_OK;
}

sp_code sp_openapi_v3_index(sp_buf *out, const sp_str *paths, const sp_str *hashes, size_t n)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("paths"), '{');
	for (size_t i = 0; i < n; i++) {
		sp_jout_member_open(&j, paths[i], '{');
		sp_jout_key(&j, SP_STR("serverRelativeURL"));
		(void)sp_buf_printf(out, "\"/openapi/v3/" SP_FMT "?hash=" SP_FMT "\"", SP_ARG(paths[i]),
				    SP_ARG(hashes[i]));
		j.comma = true;
		sp_jout_close(&j, '}');
	}
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}
