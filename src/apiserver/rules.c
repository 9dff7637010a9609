/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/rules.h"

#include <stdlib.h>

#include "base/json_out.h"
#include "base/map.h"
#include "base/quote.h"

#define TEXT_BYTES_MAX ((size_t)1 << 20)

/* ---- reading ---- */

bool api_strs_read(sp_arena *a, yyjson_val *list, api_strs *ret)
{
	size_t n = yyjson_arr_size(list), i, max;
	yyjson_val *item;
	ret->items = sp_try_new(a, sp_str, n + 1);
	ret->n = n;
	if (ret->items == NULL)
		return false;
	yyjson_arr_foreach(list, i, max, item)
	{
		ret->items[i] = sp_arena_try_dup(a, sp_json_str(item));
		if (ret->items[i].ptr == NULL && sp_json_str(item).len > 0)
			return false;
	}
	return true;
}

static bool read_rule(sp_arena *a, yyjson_val *v, api_rule *ret)
{
	return api_strs_read(a, yyjson_obj_get(v, "verbs"), &ret->verbs) &&
	       api_strs_read(a, yyjson_obj_get(v, "apiGroups"), &ret->groups) &&
	       api_strs_read(a, yyjson_obj_get(v, "resources"), &ret->resources) &&
	       api_strs_read(a, yyjson_obj_get(v, "resourceNames"), &ret->names) &&
	       api_strs_read(a, yyjson_obj_get(v, "nonResourceURLs"), &ret->urls);
}

bool api_rules_read(sp_arena *a, yyjson_val *list, api_rules *ret)
{
	yyjson_val *v;
	size_t i, max;
	ret->n = yyjson_arr_size(list);
	ret->items = sp_try_new(a, api_rule, ret->n + 1);
	if (ret->items == NULL)
		return false;
	yyjson_arr_foreach(list, i, max, v)
	{
		if (!read_rule(a, v, &ret->items[i]))
			return false;
	}
	return true;
}

bool api_rules_add(sp_arena *a, api_rules *to, const api_rules *from)
{
	api_rule *items = sp_try_new(a, api_rule, to->n + from->n + 1);
	if (items == NULL)
		return false;
	for (size_t i = 0; i < to->n; i++)
		items[i] = to->items[i];
	for (size_t i = 0; i < from->n; i++)
		items[to->n + i] = from->items[i];
	*to = (api_rules){items, to->n + from->n};
	return true;
}

/* ---- answering ---- */

static bool has(const api_strs *list, sp_str s)
{
	for (size_t i = 0; i < list->n; i++) {
		if (sp_str_eq(list->items[i], s))
			return true;
	}
	return false;
}

static bool has_or_all(const api_strs *list, sp_str s)
{
	return has(list, SP_STR("*")) || has(list, s);
}

/* "pods", "pods/log", "*", and "* /scale" without the blank: that subresource of everything. */
static bool matches_resource(const api_strs *list, const api_attributes *what)
{
	sp_str sub = what->subresource;
	for (size_t i = 0; i < list->n; i++) {
		sp_str item = list->items[i], head;
		if (sp_str_eq(item, SP_STR("*")))
			return true;
		sp_str tail = item;
		if (!sp_str_cut(&tail, '/', &head)) {
			head = item;
			tail = (sp_str){NULL, 0};
		}
		if (sp_str_eq(tail, sub) &&
		    (sp_str_eq(head, what->resource) || (sub.len > 0 && sp_str_eq(head, SP_STR("*")))))
			return true;
	}
	return false;
}

/* A path, or the front of paths before an asterisk. */
static bool covers_path(sp_str owner, sp_str path)
{
	if (sp_str_eq(owner, path))
		return true;
	if (!sp_str_ends(owner, SP_STR("*")))
		return false;
	while (owner.len > 0 && owner.ptr[owner.len - 1] == '*')
		owner.len--;
	return sp_str_starts(path, owner);
}

static bool matches_path(const api_strs *list, sp_str path)
{
	for (size_t i = 0; i < list->n; i++) {
		if (covers_path(list->items[i], path))
			return true;
	}
	return false;
}

bool api_rule_allows(const api_rule *r, const api_attributes *what)
{
	if (!has_or_all(&r->verbs, what->verb))
		return false;
	if (!what->is_resource)
		return matches_path(&r->urls, what->path);
	return has_or_all(&r->groups, what->group) && matches_resource(&r->resources, what) &&
	       (r->names.n == 0 || has(&r->names, what->name));
}

/* ---- covering ---- */

/* One action: empty parts are absent. */
typedef struct action {
	const sp_str *verb, *group, *resource, *name, *url;
} action;

static bool covers_resource(const api_strs *owned, sp_str resource)
{
	ptrdiff_t slash = sp_str_index(resource, '/');
	if (has_or_all(owned, resource))
		return true;
	for (size_t i = 0; slash >= 0 && i < owned->n; i++) {
		sp_str item = owned->items[i];
		if (sp_str_take(&item, SP_STR("*")) &&
		    sp_str_eq(item, sp_str_sub(resource, (size_t)slash, resource.len)))
			return true;
	}
	return false;
}

static bool covers(const api_rule *owner, const action *x)
{
	if (!has_or_all(&owner->verbs, *x->verb))
		return false;
	if (x->url != NULL)
		return matches_path(&owner->urls, *x->url);
	SP_ASSERT(x->group != NULL && x->resource != NULL);
	return has_or_all(&owner->groups, *x->group) && covers_resource(&owner->resources, *x->resource) &&
	       (owner->names.n == 0 || (x->name != NULL && has(&owner->names, *x->name)));
}

typedef struct search {
	sp_arena *arena;
	const api_rules *owned;
	api_rules missing;
	size_t cap, n_seen;
	bool no_room;
} search;

static api_strs one(search *s, const sp_str *item)
{
	api_strs list = {0};
	if (item == NULL)
		return list;
	list.items = sp_try_new(s->arena, sp_str, 1);
	s->no_room = s->no_room || list.items == NULL;
	if (list.items == NULL)
		return list;
	list.items[0] = *item;
	list.n = 1;
	return list;
}

static void add_missing(search *s, const action *x)
{
	if (s->missing.n == s->cap) {
		size_t cap = s->cap == 0 ? 16 : s->cap * 2;
		api_rule *items = sp_arena_try_grow(s->arena, s->missing.items, s->cap * sizeof *items,
						    cap * sizeof *items);
		s->no_room = s->no_room || items == NULL;
		if (items == NULL)
			return;
		s->missing.items = items;
		s->cap = cap;
	}
	s->missing.items[s->missing.n++] = (api_rule){.verbs = one(s, x->verb),
						      .groups = one(s, x->group),
						      .resources = one(s, x->resource),
						      .names = one(s, x->name),
						      .urls = one(s, x->url)};
}

static void look(search *s, const action *x)
{
	s->n_seen++;
	if (s->n_seen > API_RULES_ACTIONS_MAX || s->no_room)
		return;
	for (size_t i = 0; i < s->owned->n; i++) {
		if (covers(&s->owned->items[i], x))
			return;
	}
	add_missing(s, x);
}

static void look_at_resources(search *s, const api_rule *r, const sp_str *group, const sp_str *resource)
{
	for (size_t v = 0; v < r->verbs.n; v++) {
		action x = {.verb = &r->verbs.items[v], .group = group, .resource = resource};
		for (size_t i = 0; i < r->names.n; i++) {
			x.name = &r->names.items[i];
			look(s, &x);
		}
		if (r->names.n == 0)
			look(s, &x);
	}
}

static void look_at_rule(search *s, const api_rule *r)
{
	for (size_t g = 0; g < r->groups.n; g++) {
		for (size_t i = 0; i < r->resources.n && s->n_seen <= API_RULES_ACTIONS_MAX; i++)
			look_at_resources(s, r, &r->groups.items[g], &r->resources.items[i]);
	}
	for (size_t u = 0; u < r->urls.n && s->n_seen <= API_RULES_ACTIONS_MAX; u++) {
		for (size_t v = 0; v < r->verbs.n; v++)
			look(s, &(action){.verb = &r->verbs.items[v], .url = &r->urls.items[u]});
	}
}

sp_code api_rules_missing(sp_arena *a, const api_rules *owned, const api_rules *wanted, api_rules *ret,
			  sp_err *err)
{
	search s = {.arena = a, .owned = owned};
	for (size_t i = 0; i < wanted->n; i++)
		look_at_rule(&s, &wanted->items[i]);
	if (s.n_seen > API_RULES_ACTIONS_MAX || s.no_room)
		return sp_fail(err, SP_ETOOLARGE, "the rules allow more than %u actions",
			       API_RULES_ACTIONS_MAX);
	*ret = s.missing;
	return SP_OK;
}

/* ---- showing ---- */

/* A rule of one group, one resource and at most one name. */
static bool is_simple(const api_rule *r)
{
	return r->names.n <= 1 && r->urls.n == 0 && r->groups.n == 1 && r->resources.n == 1;
}

/* What a simple rule is about; texts can't hold a NUL. */
static sp_str key_of(sp_arena *a, const api_rule *r)
{
	sp_str name = r->names.n > 0 ? r->names.items[0] : (sp_str){NULL, 0};
	return sp_arena_printf(a, SP_FMT "%c" SP_FMT "%c" SP_FMT "%s", SP_ARG(r->groups.items[0]), 1,
			       SP_ARG(r->resources.items[0]), 1, SP_ARG(name), r->names.n > 0 ? "" : "*");
}

static bool add_verbs(sp_arena *a, api_rule *to, const api_strs *verbs)
{
	sp_str *items = sp_try_new(a, sp_str, to->verbs.n + verbs->n);
	if (items == NULL)
		return false;
	memcpy(items, to->verbs.items, to->verbs.n * sizeof *items);
	memcpy(items + to->verbs.n, verbs->items, verbs->n * sizeof *items);
	to->verbs = (api_strs){items, to->verbs.n + verbs->n};
	return true;
}

/* The rule of the same thing that came before, or NULL after this one was noted. False: no room. */
static bool find_same(sp_arena *a, sp_map *seen, api_rule *r, api_rule **ret)
{
	sp_str key = key_of(a, r);
	*ret = key.ptr == NULL ? NULL : sp_map_get(seen, key);
	return key.ptr != NULL && (*ret != NULL || sp_map_put(seen, key, r, NULL) == SP_OK);
}

bool api_rules_compact(sp_arena *a, api_rules *rules)
{
	size_t n = 0;
	bool ok = true;
	sp_map seen;
	sp_map_init(&seen);
	for (size_t i = 0; i < rules->n && ok; i++) {
		api_rule *r = &rules->items[n], *same = NULL;
		*r = rules->items[i];
		ok = !is_simple(r) || find_same(a, &seen, r, &same);
		if (same == NULL)
			n++;
		else
			ok = ok && add_verbs(a, same, &r->verbs);
	}
	sp_map_done(&seen);
	rules->n = n;
	return ok;
}

sp_code api_strs_print(sp_buf *out, const sp_str *items, size_t n)
{
	(void)sp_buf_char(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			(void)sp_buf_char(out, ' ');
		(void)sp_quote_go(out, items[i]);
	}
	return sp_buf_char(out, ']');
}

static void print_rule(sp_buf *out, const api_rule *r)
{
	const struct {
		const char *name;
		const api_strs *list;
	} parts[] = {{"APIGroups:", &r->groups},
		     {"Resources:", &r->resources},
		     {"NonResourceURLs:", &r->urls},
		     {"ResourceNames:", &r->names},
		     {"Verbs:", &r->verbs}};
	bool any = false;
	(void)sp_buf_char(out, '{');
	for (size_t i = 0; i < SP_LEN(parts); i++) {
		if (parts[i].list->n == 0)
			continue;
		(void)sp_buf_printf(out, "%s%s", any ? ", " : "", parts[i].name);
		(void)api_strs_print(out, parts[i].list->items, parts[i].list->n);
		any = true;
	}
	(void)sp_buf_char(out, '}');
}

static int by_text(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

sp_code api_rules_print(sp_arena *a, sp_buf *out, const api_rules *rules)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	sp_str *lines = sp_try_new(a, sp_str, rules->n + 1);
	if (lines == NULL)
		return SP_ENOMEM;
	for (size_t i = 0; i < rules->n; i++) {
		sp_buf_clear(&text);
		print_rule(&text, &rules->items[i]);
		lines[i] = sp_arena_try_dup(a, sp_buf_view(&text));
	}
	qsort(lines, rules->n, sizeof *lines, by_text);
	for (size_t i = 0; i < rules->n; i++) {
		/* Upstream gathers them in a set. */
		if (i > 0 && sp_str_eq(lines[i], lines[i - 1]))
			continue;
		(void)sp_buf_printf(out, "%s" SP_FMT, i > 0 ? "\n" : "", SP_ARG(lines[i]));
	}
	return sp_buf_code(out);
}

sp_code api_rule_write(sp_buf *out, const api_rule *r)
{
	sp_jout j = sp_jout_to(out);
	const struct {
		sp_str name;
		const api_strs *list;
	} parts[] = {{SP_STR("verbs"), &r->verbs},
		     {SP_STR("apiGroups"), &r->groups},
		     {SP_STR("resources"), &r->resources},
		     {SP_STR("resourceNames"), &r->names},
		     {SP_STR("nonResourceURLs"), &r->urls}};
	sp_jout_open(&j, '{');
	for (size_t i = 0; i < SP_LEN(parts); i++) {
		if (i == 0 || parts[i].list->n > 0)
			sp_jout_member_strs(&j, parts[i].name, parts[i].list->items, parts[i].list->n);
	}
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}
