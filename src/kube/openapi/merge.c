/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of others in the one of version 2. */
#include "base/map.h"
#include "kube/openapi/openapi.h"

#define GVKS "x-kubernetes-group-version-kind"

typedef struct merger {
	sp_arena *a;
	yyjson_mut_doc *doc;
	yyjson_mut_val *paths;  /* ours, and what came to it */
	yyjson_mut_val *remote; /* under way */
	sp_map taken;           /* the paths */
	sp_code code;
} merger;

static bool fail(merger *m, sp_code code)
{
	m->code = code;
	return false;
}

/* ---- references ---- */

/* What is referred to, from wherever, each once and in the order in which it was found. */
typedef struct refs {
	merger *m;
	sp_map found;
	sp_str *items;
	size_t n, cap;
} refs;

static bool add_ref(refs *r, sp_str name)
{
	merger *m = r->m;
	if (sp_map_get(&r->found, name) != NULL)
		return true;
	if (r->n == r->cap) {
		size_t cap = SP_MAX(r->cap * 2, (size_t)64);
		sp_str *items =
			sp_arena_try_grow(m->a, r->items, r->cap * sizeof *items, cap * sizeof *items);
		if (items == NULL)
			return fail(m, SP_ETOOLARGE);
		r->items = items;
		r->cap = cap;
	}
	r->items[r->n++] = name;
	sp_code code = sp_map_put(&r->found, name, r, NULL);
	return code == SP_OK || fail(m, code);
}

/* The depth is that of the document's text, which has a limit. */
static bool look_for_refs(refs *r, yyjson_mut_val *v)
{
	yyjson_mut_val *key, *value;
	size_t i, max;
	bool ok = true;
	if (yyjson_mut_is_arr(v))
		yyjson_mut_arr_foreach(v, i, max, value) ok = ok && look_for_refs(r, value);
	if (!yyjson_mut_is_obj(v))
		return ok;
	yyjson_mut_obj_foreach(v, i, max, key, value)
	{
		if (!ok)
			return false;
		ok = yyjson_mut_is_str(value) && sp_str_eq(sp_jmut_str(key), SP_STR("$ref"))
			     ? add_ref(r, sp_jmut_str(value))
			     : look_for_refs(r, value);
	}
	return ok;
}

static yyjson_mut_val *find_ref(yyjson_mut_val *root, sp_str ref)
{
	static const char *const at[] = {"definitions", "parameters"};
	for (size_t i = 0; i < SP_LEN(at); i++) {
		sp_str name = ref;
		if (sp_str_take(&name, SP_STR("#/")) && sp_str_take(&name, sp_str_c(at[i])) &&
		    sp_str_take(&name, SP_STR("/")))
			return sp_jmut_get(sp_jmut_get(root, sp_str_c(at[i])), name);
	}
	return NULL;
}

/* All that is reached from the document's paths. */
static bool refs_of(refs *r, yyjson_mut_val *root)
{
	bool ok = look_for_refs(r, sp_jmut_get(root, SP_STR("paths")));
	for (size_t i = 0; ok && i < r->n; i++)
		ok = look_for_refs(r, find_ref(root, r->items[i]));
	return ok;
}

static void rename_refs(yyjson_mut_val *v, const sp_map *names)
{
	yyjson_mut_val *key, *value;
	size_t i, max;
	if (yyjson_mut_is_arr(v))
		yyjson_mut_arr_foreach(v, i, max, value) rename_refs(value, names);
	if (!yyjson_mut_is_obj(v))
		return;
	yyjson_mut_obj_foreach(v, i, max, key, value)
	{
		const sp_str *now = yyjson_mut_is_str(value) && sp_str_eq(sp_jmut_str(key), SP_STR("$ref"))
					    ? sp_map_get(names, sp_jmut_str(value))
					    : NULL;
		if (now != NULL)
			yyjson_mut_set_strn(value, now->ptr, now->len);
		else
			rename_refs(value, names);
	}
}

/* ---- what is the same ---- */

/* `named`: the members of the object are named by whoever wrote it (properties). */
static bool is_same(yyjson_mut_val *a, yyjson_mut_val *b, bool named, bool top);

static bool counts(sp_str key, bool named, bool top)
{
	return named || (!sp_str_eq(key, SP_STR("description")) && !(top && sp_str_eq(key, SP_STR(GVKS))));
}

static size_t count_members(yyjson_mut_val *v, bool named, bool top)
{
	yyjson_mut_val *key, *value;
	size_t i, max, n = 0;
	yyjson_mut_obj_foreach(v, i, max, key, value) n += counts(sp_jmut_str(key), named, top) ? 1 : 0;
	return n;
}

static bool is_same_object(yyjson_mut_val *a, yyjson_mut_val *b, bool named, bool top)
{
	yyjson_mut_val *key, *value;
	size_t i, max;
	if (count_members(a, named, top) != count_members(b, named, top))
		return false;
	yyjson_mut_obj_foreach(a, i, max, key, value)
	{
		sp_str name = sp_jmut_str(key);
		bool names = !named && sp_str_eq(name, SP_STR("properties"));
		yyjson_mut_val *other = counts(name, named, top) ? sp_jmut_get(b, name) : value;
		if (other != value && (other == NULL || !is_same(value, other, names, false)))
			return false;
	}
	return true;
}

static bool is_same(yyjson_mut_val *a, yyjson_mut_val *b, bool named, bool top)
{
	yyjson_mut_val *value, *other = yyjson_mut_arr_get_first(b);
	size_t i, max;
	if (yyjson_mut_is_obj(a) && yyjson_mut_is_obj(b))
		return is_same_object(a, b, named, top);
	if (!yyjson_mut_is_arr(a) || !yyjson_mut_is_arr(b))
		return sp_jmut_equal(a, b);
	if (yyjson_mut_arr_size(a) != yyjson_mut_arr_size(b))
		return false;
	yyjson_mut_arr_foreach(a, i, max, value)
	{
		if (!is_same(value, other, false, false))
			return false;
		other = other->next;
	}
	return true;
}

/* ---- names ---- */

/* A name that nobody has: "…_v2". One that was given to the same thing before is used again. */
static sp_str free_name(merger *m, yyjson_mut_val *ours, yyjson_mut_val *theirs, sp_str name,
			yyjson_mut_val *v)
{
	for (unsigned i = 2;; i++) {
		sp_str now = sp_arena_printf(m->a, SP_FMT "_v%u", SP_ARG(name), i);
		if (now.ptr == NULL)
			return now;
		yyjson_mut_val *there = sp_jmut_get(ours, now);
		if (there != NULL ? is_same(there, v, false, true) : sp_jmut_get(theirs, now) == NULL)
			return now;
	}
}

/* Names of one kind ("definitions") that mean something else with us get others, here and where they are
 * referred to. */
static bool rename_some(merger *m, yyjson_mut_val *ours, yyjson_mut_val *theirs, const char *where,
			sp_map *names)
{
	yyjson_mut_val *key, *value;
	size_t i, max;
	yyjson_mut_obj_foreach(theirs, i, max, key, value)
	{
		sp_str name = sp_jmut_str(key);
		yyjson_mut_val *there = sp_jmut_get(ours, name);
		if (there == NULL || is_same(there, value, false, true))
			continue;
		sp_str now = free_name(m, ours, theirs, name, value);
		sp_str *to = sp_try_new(m->a, sp_str, 1);
		sp_str from = sp_arena_printf(m->a, "#/%s/" SP_FMT, where, SP_ARG(name));
		if (now.ptr == NULL || to == NULL || from.ptr == NULL)
			return fail(m, SP_ETOOLARGE);
		*to = sp_arena_printf(m->a, "#/%s/" SP_FMT, where, SP_ARG(now));
		if (to->ptr == NULL || sp_map_put(names, from, to, NULL) != SP_OK)
			return fail(m, SP_ETOOLARGE);
		yyjson_mut_set_strn(key, now.ptr, now.len);
	}
	return true;
}

static bool has_gvk(yyjson_mut_val *list, yyjson_mut_val *gvk)
{
	yyjson_mut_val *v;
	size_t i, max;
	yyjson_mut_arr_foreach(list, i, max, v)
	{
		if (sp_jmut_equal(v, gvk))
			return true;
	}
	return false;
}

static int compare_gvks(yyjson_mut_val *a, yyjson_mut_val *b)
{
	static const char *const keys[] = {"group", "version", "kind"};
	int order = 0;
	for (size_t i = 0; i < SP_LEN(keys) && order == 0; i++)
		order = sp_str_cmp(sp_jmut_str(sp_jmut_get(a, sp_str_c(keys[i]))),
				   sp_jmut_str(sp_jmut_get(b, sp_str_c(keys[i]))));
	return order;
}

/* What is the same may stand for more kinds now; ours are in order. */
static bool add_gvks(merger *m, yyjson_mut_val *ours, yyjson_mut_val *theirs)
{
	yyjson_mut_val *to = sp_jmut_get(ours, SP_STR(GVKS)), *from = sp_jmut_get(theirs, SP_STR(GVKS)), *v;
	size_t i, max;
	if (!yyjson_mut_is_arr(from))
		return true;
	if (to == NULL)
		return yyjson_mut_obj_add_val(m->doc, ours, GVKS, yyjson_mut_val_mut_copy(m->doc, from)) ||
		       fail(m, SP_ETOOLARGE);
	yyjson_mut_arr_foreach(from, i, max, v)
	{
		size_t at = 0;
		if (has_gvk(to, v))
			continue;
		while (at < yyjson_mut_arr_size(to) && compare_gvks(yyjson_mut_arr_get(to, at), v) < 0)
			at++;
		yyjson_mut_val *copy = yyjson_mut_val_mut_copy(m->doc, v);
		if (copy == NULL || !yyjson_mut_arr_insert(to, copy, at))
			return fail(m, SP_ETOOLARGE);
	}
	return true;
}

/* ---- one remote ---- */

/* Definitions or parameters, whose names clash with nothing any more. */
static bool take_named(merger *m, yyjson_mut_val *root, const char *where)
{
	yyjson_mut_val *ours = sp_jmut_get(root, sp_str_c(where)),
		       *theirs = sp_jmut_get(m->remote, sp_str_c(where)), *key, *value;
	size_t i, max;
	if (yyjson_mut_obj_size(theirs) == 0)
		return true;
	if (ours == NULL) {
		ours = yyjson_mut_obj(m->doc);
		if (!yyjson_mut_obj_add_val(m->doc, root, where, ours))
			return fail(m, SP_ETOOLARGE);
	}
	yyjson_mut_obj_foreach(theirs, i, max, key, value)
	{
		yyjson_mut_val *there = sp_jmut_get(ours, sp_jmut_str(key));
		yyjson_mut_val *copy = there == NULL ? yyjson_mut_val_mut_copy(m->doc, value) : NULL;
		yyjson_mut_val *name = there == NULL ? yyjson_mut_val_mut_copy(m->doc, key) : NULL;
		if (there != NULL ? !add_gvks(m, there, value)
				  : copy == NULL || name == NULL || !yyjson_mut_obj_add(ours, name, copy))
			return fail(m, SP_ETOOLARGE);
	}
	return true;
}

/* Paths of other groups and those that are there already go. */
static bool keep_paths(merger *m, const sp_openapi_remote *from)
{
	sp_str prefix = sp_arena_printf(m->a, "/apis/" SP_FMT "/" SP_FMT "/", SP_ARG(from->group),
					SP_ARG(from->version));
	yyjson_mut_val *kept = yyjson_mut_obj(m->doc), *key, *value;
	size_t i, max;
	if (prefix.ptr == NULL || kept == NULL)
		return fail(m, SP_ETOOLARGE);
	yyjson_mut_obj_foreach(sp_jmut_get(m->remote, SP_STR("paths")), i, max, key, value)
	{
		sp_str path = sp_jmut_str(key);
		if (!sp_str_starts(path, prefix) || sp_map_get(&m->taken, path) != NULL)
			continue;
		yyjson_mut_val *name = yyjson_mut_val_mut_copy(m->doc, key);
		yyjson_mut_val *copy = yyjson_mut_val_mut_copy(m->doc, value);
		if (name == NULL || copy == NULL || !yyjson_mut_obj_add(kept, name, copy) ||
		    sp_map_put(&m->taken, path, kept, NULL) != SP_OK)
			return fail(m, SP_ETOOLARGE);
	}
	return sp_jmut_set(m->doc, m->remote, SP_STR("paths"), kept) || fail(m, SP_ETOOLARGE);
}

/* What only paths used that are gone is not wanted. */
static bool keep_definitions(merger *m, const refs *before, const refs *after)
{
	yyjson_mut_val *kept = yyjson_mut_obj(m->doc), *key, *value;
	size_t i, max;
	yyjson_mut_obj_foreach(sp_jmut_get(m->remote, SP_STR("definitions")), i, max, key, value)
	{
		sp_str ref = sp_arena_printf(m->a, "#/definitions/" SP_FMT, SP_ARG(sp_jmut_str(key)));
		if (ref.ptr == NULL)
			return fail(m, SP_ETOOLARGE);
		if (sp_map_get(&before->found, ref) != NULL && sp_map_get(&after->found, ref) == NULL)
			continue;
		yyjson_mut_val *name = yyjson_mut_val_mut_copy(m->doc, key);
		yyjson_mut_val *copy = yyjson_mut_val_mut_copy(m->doc, value);
		if (name == NULL || copy == NULL || !yyjson_mut_obj_add(kept, name, copy))
			return fail(m, SP_ETOOLARGE);
	}
	return sp_jmut_set(m->doc, m->remote, SP_STR("definitions"), kept) || fail(m, SP_ETOOLARGE);
}

static bool filter(merger *m, const sp_openapi_remote *from)
{
	refs before = {.m = m}, after = {.m = m};
	sp_map_init(&before.found);
	sp_map_init(&after.found);
	bool ok = refs_of(&before, m->remote) && keep_paths(m, from) && refs_of(&after, m->remote) &&
		  keep_definitions(m, &before, &after);
	sp_map_done(&before.found);
	sp_map_done(&after.found);
	return ok;
}

static bool rename_clashes(merger *m, yyjson_mut_val *root)
{
	static const char *const where[] = {"definitions", "parameters"};
	sp_map names;
	bool ok = true;
	sp_map_init(&names);
	for (size_t i = 0; i < SP_LEN(where) && ok; i++)
		ok = rename_some(m, sp_jmut_get(root, sp_str_c(where[i])),
				 sp_jmut_get(m->remote, sp_str_c(where[i])), where[i], &names);
	if (ok && sp_map_count(&names) > 0)
		rename_refs(m->remote, &names);
	sp_map_done(&names);
	return ok;
}

static bool merge_one(merger *m, yyjson_mut_val *root, const sp_openapi_remote *from)
{
	yyjson_mut_val *paths, *key, *value;
	size_t i, max;
	if (sp_json_parse_mut(m->a, from->json, m->doc, &m->remote, NULL) != SP_OK ||
	    !yyjson_mut_is_obj(sp_jmut_get(m->remote, SP_STR("paths"))))
		return true;
	if (!filter(m, from))
		return false;
	paths = sp_jmut_get(m->remote, SP_STR("paths"));
	if (yyjson_mut_obj_size(paths) == 0)
		return true;
	if (!rename_clashes(m, root) || !take_named(m, root, "definitions") ||
	    !take_named(m, root, "parameters"))
		return false;
	yyjson_mut_obj_foreach(paths, i, max, key, value)
	{
		yyjson_mut_val *name = yyjson_mut_val_mut_copy(m->doc, key);
		yyjson_mut_val *copy = yyjson_mut_val_mut_copy(m->doc, value);
		if (name == NULL || copy == NULL || !yyjson_mut_obj_add(m->paths, name, copy))
			return fail(m, SP_ETOOLARGE);
	}
	return true;
}

static bool note_paths(merger *m)
{
	yyjson_mut_val *key, *value;
	size_t i, max;
	yyjson_mut_obj_foreach(m->paths, i, max, key, value)
	{
		if (sp_map_put(&m->taken, sp_jmut_str(key), value, NULL) != SP_OK)
			return fail(m, SP_ETOOLARGE);
	}
	return true;
}

sp_code sp_openapi_v2_merge(sp_arena *a, sp_buf *out, sp_str ours, const sp_openapi_remote *remotes, size_t n,
			    sp_err *err)
{
	yyjson_mut_val *root;
	merger m = {.a = a, .doc = sp_json_doc(a), .code = SP_OK};
	if (m.doc == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for the document");
	SP_TRY(sp_json_parse_mut(a, ours, m.doc, &root, err));
	m.paths = sp_jmut_get(root, SP_STR("paths"));
	if (!yyjson_mut_is_obj(m.paths))
		return sp_fail(err, SP_EINVAL, "a document has paths");
	sp_map_init(&m.taken);
	bool ok = note_paths(&m);
	for (size_t i = 0; i < n && ok; i++)
		ok = merge_one(&m, root, &remotes[i]);
	sp_map_done(&m.taken);
	return ok ? sp_json_write_mut(out, root)
		  : sp_fail(err, m.code, "no room for the documents of other servers");
}
