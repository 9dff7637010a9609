/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/rbac.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/map.h"
#include "store/record.h"

#define INDEX_BYTES_MAX ((size_t)256 << 20)

typedef struct strs {
	sp_str *items;
	size_t n;
} strs;

typedef struct rule {
	strs verbs, groups, resources, names, urls;
} rule;

typedef struct role {
	rule *rules;
	size_t n;
} role;

typedef enum subject_kind { SUBJECT_USER, SUBJECT_GROUP } subject_kind;
typedef struct subject {
	subject_kind kind;
	sp_str name; /* of a service account: its user name */
	sp_str text; /* `ServiceAccount "ns/name"`, for the reason */
} subject;

typedef struct binding {
	struct binding *next; /* in the same namespace */
	sp_str name, role_name;
	bool cluster_role;
	sp_str ns; /* empty: a ClusterRoleBinding */
	subject *subjects;
	size_t n;
} binding;

typedef enum kind_id { ROLES, CLUSTER_ROLES, BINDINGS, CLUSTER_BINDINGS, KIND_COUNT_ } kind_id;
static const sp_str resources[KIND_COUNT_] = {
	[ROLES] = SP_STR_INIT("/registry/roles/"),
	[CLUSTER_ROLES] = SP_STR_INIT("/registry/clusterroles/"),
	[BINDINGS] = SP_STR_INIT("/registry/rolebindings/"),
	[CLUSTER_BINDINGS] = SP_STR_INIT("/registry/clusterrolebindings/"),
};

struct api_rbac {
	sp_store *store;
	sp_store_watch *watches[KIND_COUNT_];
	bool stale;
	sp_arena arena;      /* of everything below */
	sp_map roles;        /* "ns/name", "name" of cluster roles */
	sp_map by_namespace; /* first binding of a namespace */
	binding *cluster_wide;
};

/* ---- reading ---- */

static bool read_strs(sp_arena *a, yyjson_val *list, strs *ret)
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

static bool read_rule(sp_arena *a, yyjson_val *v, rule *ret)
{
	return read_strs(a, yyjson_obj_get(v, "verbs"), &ret->verbs) &&
	       read_strs(a, yyjson_obj_get(v, "apiGroups"), &ret->groups) &&
	       read_strs(a, yyjson_obj_get(v, "resources"), &ret->resources) &&
	       read_strs(a, yyjson_obj_get(v, "resourceNames"), &ret->names) &&
	       read_strs(a, yyjson_obj_get(v, "nonResourceURLs"), &ret->urls);
}

static bool add_role(api_rbac *r, sp_str rest, yyjson_val *obj)
{
	yyjson_val *rules = yyjson_obj_get(obj, "rules"), *v;
	size_t i, max;
	role *found = sp_try_new(&r->arena, role, 1);
	sp_str key = sp_arena_try_dup(&r->arena, rest);
	if (found == NULL || key.ptr == NULL)
		return false;
	found->n = yyjson_arr_size(rules);
	found->rules = sp_try_new(&r->arena, rule, found->n + 1);
	if (found->rules == NULL)
		return false;
	yyjson_arr_foreach(rules, i, max, v)
	{
		if (!read_rule(&r->arena, v, &found->rules[i]))
			return false;
	}
	return sp_map_put(&r->roles, key, found, NULL) == SP_OK;
}

static sp_str member(yyjson_val *v, const char *name)
{
	return sp_json_str(yyjson_obj_get(v, name));
}

static bool read_subject(sp_arena *a, yyjson_val *v, subject *ret)
{
	sp_str kind = member(v, "kind"), name = member(v, "name"), ns = member(v, "namespace");
	ret->kind = sp_str_eq(kind, SP_STR("Group")) ? SUBJECT_GROUP : SUBJECT_USER;
	if (sp_str_eq(kind, SP_STR("ServiceAccount"))) {
		ret->name = sp_arena_printf(a, "system:serviceaccount:" SP_FMT ":" SP_FMT, SP_ARG(ns),
					    SP_ARG(name));
		ret->text = sp_arena_printf(a, "ServiceAccount \"" SP_FMT "/" SP_FMT "\"", SP_ARG(name),
					    SP_ARG(ns));
	} else {
		ret->name = sp_arena_printf(a, SP_FMT, SP_ARG(name));
		ret->text = sp_arena_printf(a, SP_FMT " \"" SP_FMT "\"", SP_ARG(kind), SP_ARG(name));
	}
	return ret->name.ptr != NULL && ret->text.ptr != NULL;
}

static bool link_binding(api_rbac *r, binding *b)
{
	if (b->ns.len == 0) {
		b->next = r->cluster_wide;
		r->cluster_wide = b;
		return true;
	}
	b->next = sp_map_get(&r->by_namespace, b->ns);
	return sp_map_put(&r->by_namespace, b->ns, b, NULL) == SP_OK;
}

static bool add_binding(api_rbac *r, sp_str rest, bool cluster_wide, yyjson_val *obj)
{
	yyjson_val *subjects = yyjson_obj_get(obj, "subjects"), *ref = yyjson_obj_get(obj, "roleRef"), *v;
	size_t i, max, n = yyjson_arr_size(subjects);
	binding *b = sp_try_new(&r->arena, binding, 1);
	sp_str key = sp_arena_try_dup(&r->arena, rest);
	if (b == NULL || key.ptr == NULL)
		return false;
	if (!cluster_wide)
		(void)sp_str_cut(&key, '/', &b->ns);
	b->name = key;
	b->cluster_role = sp_str_eq(member(ref, "kind"), SP_STR("ClusterRole"));
	b->role_name = sp_arena_try_dup(&r->arena, member(ref, "name"));
	b->subjects = sp_try_new(&r->arena, subject, n + 1);
	b->n = n;
	if (b->role_name.ptr == NULL || b->subjects == NULL)
		return false;
	yyjson_arr_foreach(subjects, i, max, v)
	{
		if (!read_subject(&r->arena, v, &b->subjects[i]))
			return false;
	}
	return link_binding(r, b);
}

/* ---- keeping up ---- */

typedef struct load {
	api_rbac *r;
	kind_id kind;
	sp_code code;
} load;

static sp_store_visit visit(void *arg, const sp_store_entry *e)
{
	load *l = arg;
	sp_record rec;
	sp_arena scratch;
	yyjson_val *obj = NULL;
	sp_arena_init(&scratch, INDEX_BYTES_MAX);
	l->code = sp_record_decode(e->record, &rec, NULL);
	if (l->code == SP_OK)
		l->code = sp_json_parse(&scratch, rec.object, &obj, NULL);
	if (l->code == SP_OK) {
		bool ok = l->kind == ROLES || l->kind == CLUSTER_ROLES
				  ? add_role(l->r, e->rest, obj)
				  : add_binding(l->r, e->rest, l->kind == CLUSTER_BINDINGS, obj);
		l->code = ok ? SP_OK : SP_ENOMEM;
	}
	sp_arena_done(&scratch);
	return l->code == SP_OK ? SP_STORE_TAKE : SP_STORE_STOP;
}

static sp_code load_kind(api_rbac *r, kind_id kind, sp_err *err)
{
	load l = {.r = r, .kind = kind};
	sp_store_chunk chunk = {.more = true}, next;
	sp_store_query q = {.resource = resources[kind]};
	while (chunk.more) {
		q.from = (sp_str){chunk.next, chunk.next_len};
		SP_TRY(sp_store_range(r->store, &q, visit, &l, &next, err));
		if (l.code != SP_OK)
			return sp_fail(err, l.code, "roles and bindings can't be read");
		chunk = next;
		q.revision = chunk.revision;
	}
	return SP_OK;
}

static void drop_index(api_rbac *r)
{
	sp_map_done(&r->roles);
	sp_map_done(&r->by_namespace);
	sp_map_init(&r->roles);
	sp_map_init(&r->by_namespace);
	sp_arena_reset(&r->arena);
	r->cluster_wide = NULL;
	r->stale = true;
}

static void on_ready(void *arg)
{
	(void)arg; /* what waits is taken before the next question */
}

/* A watch that fell behind is opened anew, and everything is read again. */
static sp_code follow(api_rbac *r, kind_id kind, sp_err *err)
{
	sp_store_event *e;
	sp_store_watch **w = &r->watches[kind];
	const sp_store_watch_opts opts = {.resource = resources[kind], .on_ready = on_ready, .arg = r};
	while (*w != NULL && (e = sp_store_watch_next(*w)) != NULL) {
		r->stale = true;
		sp_store_event_unref(e);
	}
	if (*w != NULL && sp_store_watch_state(*w, NULL) == SP_OK)
		return SP_OK;
	sp_store_watch_close(*w);
	*w = NULL;
	r->stale = true;
	return sp_store_watch_open(r->store, &opts, w, err);
}

static sp_code refresh(api_rbac *r, sp_err *err)
{
	for (unsigned k = 0; k < KIND_COUNT_; k++)
		SP_TRY(follow(r, (kind_id)k, err));
	if (!r->stale)
		return SP_OK;
	drop_index(r);
	for (unsigned k = 0; k < KIND_COUNT_; k++)
		SP_TRY(load_kind(r, (kind_id)k, err));
	r->stale = false;
	return SP_OK;
}

/* ---- answering ---- */

static bool has(const strs *list, sp_str s)
{
	for (size_t i = 0; i < list->n; i++) {
		if (sp_str_eq(list->items[i], s))
			return true;
	}
	return false;
}

static bool has_or_all(const strs *list, sp_str s)
{
	return has(list, SP_STR("*")) || has(list, s);
}

/* "pods", "pods/log", "*", and "* /scale" without the blank: that subresource of everything. */
static bool matches_resource(const strs *list, const api_attributes *what)
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

static bool matches_path(const strs *list, sp_str path)
{
	for (size_t i = 0; i < list->n; i++) {
		sp_str item = list->items[i];
		if (sp_str_eq(item, SP_STR("*")) || sp_str_eq(item, path))
			return true;
		if (sp_str_ends(item, SP_STR("*")) && sp_str_starts(path, sp_str_sub(item, 0, item.len - 1)))
			return true;
	}
	return false;
}

static bool rule_allows(const rule *rule_, const api_attributes *what)
{
	if (!has_or_all(&rule_->verbs, what->verb))
		return false;
	if (!what->is_resource)
		return matches_path(&rule_->urls, what->path);
	return has_or_all(&rule_->groups, what->group) && matches_resource(&rule_->resources, what) &&
	       (rule_->names.n == 0 || has(&rule_->names, what->name));
}

static const role *role_of(const api_rbac *r, const binding *b)
{
	char key[600];
	if (b->cluster_role)
		return sp_map_get(&r->roles, b->role_name);
	int n = snprintf(key, sizeof key, SP_FMT "/" SP_FMT, SP_ARG(b->ns), SP_ARG(b->role_name));
	return n < (int)sizeof key ? sp_map_get(&r->roles, (sp_str){key, (size_t)n}) : NULL;
}

static const subject *subject_of(const binding *b, const api_user *user)
{
	for (size_t i = 0; i < b->n; i++) {
		const subject *s = &b->subjects[i];
		if (s->kind == SUBJECT_USER && sp_str_eq(s->name, user->name))
			return s;
		for (size_t g = 0; s->kind == SUBJECT_GROUP && g < user->n_groups; g++) {
			if (sp_str_eq(s->name, user->groups[g]))
				return s;
		}
	}
	return NULL;
}

static sp_str reason(sp_arena *a, const binding *b, const subject *s)
{
	sp_str in = b->ns.len > 0 ? b->ns : SP_STR("");
	return sp_arena_printf(
		a,
		"RBAC: allowed by %sBinding \"" SP_FMT "%s" SP_FMT "\" of %sRole \"" SP_FMT "\" to " SP_FMT,
		b->ns.len > 0 ? "Role" : "ClusterRole", SP_ARG(b->name), in.len > 0 ? "/" : "", SP_ARG(in),
		b->cluster_role ? "Cluster" : "", SP_ARG(b->role_name), SP_ARG(s->text));
}

static bool search(const api_rbac *r, sp_arena *a, const binding *first, const api_user *user,
		   const api_attributes *what, sp_str *ret_reason)
{
	for (const binding *b = first; b != NULL; b = b->next) {
		const subject *s = subject_of(b, user);
		const role *found = s == NULL ? NULL : role_of(r, b);
		for (size_t i = 0; found != NULL && i < found->n; i++) {
			if (!rule_allows(&found->rules[i], what))
				continue;
			if (ret_reason != NULL)
				*ret_reason = reason(a, b, s);
			return true;
		}
	}
	return false;
}

sp_code api_rbac_allows(api_rbac *r, sp_arena *a, const api_user *user, const api_attributes *what, bool *ret,
			sp_str *ret_reason, sp_err *err)
{
	SP_TRY(refresh(r, err));
	*ret = search(r, a, r->cluster_wide, user, what, ret_reason) ||
	       (what->is_resource && what->ns.len > 0 &&
		search(r, a, sp_map_get(&r->by_namespace, what->ns), user, what, ret_reason));
	return SP_OK;
}

/* ---- life ---- */

api_rbac *api_rbac_new(sp_store *store)
{
	api_rbac *r = SP_NEW(api_rbac);
	r->store = store;
	sp_arena_init(&r->arena, INDEX_BYTES_MAX);
	sp_map_init(&r->roles);
	sp_map_init(&r->by_namespace);
	r->stale = true;
	return r;
}

void api_rbac_free(api_rbac *r)
{
	if (r == NULL)
		return;
	for (unsigned k = 0; k < KIND_COUNT_; k++)
		sp_store_watch_close(r->watches[k]);
	sp_map_done(&r->roles);
	sp_map_done(&r->by_namespace);
	sp_arena_done(&r->arena);
	sp_free(r);
}
