/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/rbac.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/map.h"
#include "kube/selector.h"
#include "store/record.h"

#define INDEX_BYTES_MAX ((size_t)256 << 20)

typedef struct role {
	api_rules rules;
	const sp_label *labels; /* of ClusterRoles */
	size_t n_labels;
	const sp_selector *sources; /* whose rules it has */
	size_t n_sources;
	bool is_aggregated, is_seen; /* is_seen: by the walk under way */
} role;

typedef enum subject_kind { SUBJECT_NOBODY, SUBJECT_USER, SUBJECT_GROUP } subject_kind;
typedef struct subject {
	subject_kind kind;
	sp_str name; /* of a service account: its user name */
	sp_str text; /* `ServiceAccount "ns/name"`, for the reason */
} subject;

typedef struct binding {
	struct binding *next; /* in the same namespace */
	sp_str name, role_name, role_kind;
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

static bool read_labels(sp_arena *a, sp_str packed, uint16_t n, role *ret)
{
	sp_record_pair pair;
	sp_label *labels = sp_try_new(a, sp_label, (size_t)n + 1);
	ret->labels = labels;
	while (labels != NULL && ret->n_labels < n && sp_record_pair_next(&packed, &pair)) {
		sp_label *l = &labels[ret->n_labels++];
		*l = (sp_label){sp_arena_try_dup(a, pair.key), sp_arena_try_dup(a, pair.value)};
		if (l->key.ptr == NULL || (l->value.ptr == NULL && pair.value.len > 0))
			return false;
	}
	return labels != NULL;
}

/* A selector that can't be read selects nothing. */
static bool read_sources(sp_arena *a, yyjson_val *aggregation, role *ret)
{
	yyjson_val *list = yyjson_obj_get(aggregation, "clusterRoleSelectors"), *v;
	size_t i, max;
	sp_selector *sources = sp_try_new(a, sp_selector, yyjson_arr_size(list) + 1);
	if (sources == NULL)
		return false;
	yyjson_arr_foreach(list, i, max, v)
	{
		sp_code code = sp_labels_of_object(a, v, &sources[i], NULL);
		if (code != SP_OK && code != SP_EINVAL)
			return false;
		if (code != SP_OK)
			sources[i] = (sp_selector){.nothing = true};
	}
	ret->sources = sources;
	ret->n_sources = yyjson_arr_size(list);
	ret->is_aggregated = yyjson_is_obj(aggregation);
	return true;
}

static bool add_role(api_rbac *r, sp_str rest, const sp_record *rec, yyjson_val *obj)
{
	role *found = sp_try_new(&r->arena, role, 1);
	sp_str key = sp_arena_try_dup(&r->arena, rest);
	return found != NULL && key.ptr != NULL &&
	       api_rules_read(&r->arena, yyjson_obj_get(obj, "rules"), &found->rules) &&
	       read_labels(&r->arena, rec->labels, rec->n_labels, found) &&
	       read_sources(&r->arena, yyjson_obj_get(obj, "aggregationRule"), found) &&
	       sp_map_put(&r->roles, key, found, NULL) == SP_OK;
}

static sp_str member(yyjson_val *v, const char *name)
{
	return sp_json_str(yyjson_obj_get(v, name));
}

/* `binding_ns`: where service accounts are that name no namespace. */
static bool read_subject(sp_arena *a, yyjson_val *v, sp_str binding_ns, subject *ret)
{
	sp_str kind = member(v, "kind"), name = member(v, "name"), ns = member(v, "namespace");
	if (ns.len == 0)
		ns = binding_ns;
	if (sp_str_eq(kind, SP_STR("ServiceAccount"))) {
		ret->kind = ns.len > 0 ? SUBJECT_USER : SUBJECT_NOBODY;
		ret->name = sp_arena_printf(a, "system:serviceaccount:" SP_FMT ":" SP_FMT, SP_ARG(ns),
					    SP_ARG(name));
		ret->text = sp_arena_printf(a, "ServiceAccount \"" SP_FMT "/" SP_FMT "\"", SP_ARG(name),
					    SP_ARG(ns));
	} else {
		ret->kind = sp_str_eq(kind, SP_STR("Group"))  ? SUBJECT_GROUP
			    : sp_str_eq(kind, SP_STR("User")) ? SUBJECT_USER
							      : SUBJECT_NOBODY;
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
	b->role_kind = sp_arena_try_dup(&r->arena, member(ref, "kind"));
	b->role_name = sp_arena_try_dup(&r->arena, member(ref, "name"));
	b->subjects = sp_try_new(&r->arena, subject, n + 1);
	b->n = n;
	if (b->role_name.ptr == NULL || b->role_kind.ptr == NULL || b->subjects == NULL)
		return false;
	yyjson_arr_foreach(subjects, i, max, v)
	{
		if (!read_subject(&r->arena, v, b->ns, &b->subjects[i]))
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
				  ? add_role(l->r, e->rest, &rec, obj)
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

/* ---- aggregation ---- */

static bool selects(const role *of, const role *other)
{
	for (size_t i = 0; i < of->n_sources; i++) {
		if (sp_labels_match(&of->sources[i], other->labels, other->n_labels))
			return true;
	}
	return false;
}

static bool is_cluster_role(sp_str key)
{
	return sp_str_index(key, '/') < 0;
}

/* The rules of all roles that are selected, by roles that are selected too. */
static bool gather(api_rbac *r, role *into, role *from, unsigned depth)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&r->roles, &i)) != NULL;) {
		role *other = e->value;
		if (other->is_seen || !is_cluster_role(e->key) || !selects(from, other))
			continue;
		other->is_seen = true;
		bool ok = !other->is_aggregated ? api_rules_add(&r->arena, &into->rules, &other->rules)
			  : depth > 0           ? gather(r, into, other, depth - 1)
						: true;
		if (!ok)
			return false;
	}
	return true;
}

/* Chains of aggregation beyond this are cut. */
#define AGGREGATION_DEPTH 32u

static bool aggregate(api_rbac *r)
{
	const sp_map_entry *e, *f;
	for (size_t i = 0; (e = sp_map_next(&r->roles, &i)) != NULL;) {
		role *one = e->value;
		if (!one->is_aggregated)
			continue;
		one->rules = (api_rules){0};
		for (size_t k = 0; (f = sp_map_next(&r->roles, &k)) != NULL;)
			((role *)f->value)->is_seen = false;
		if (!gather(r, one, one, AGGREGATION_DEPTH))
			return false;
	}
	return true;
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
	if (!aggregate(r))
		return sp_fail(err, SP_ENOMEM, "no room for the rules of roles");
	r->stale = false;
	return SP_OK;
}

/* ---- answering ---- */

static const role *role_of(const api_rbac *r, const binding *b)
{
	char key[600];
	if (sp_str_eq(b->role_kind, SP_STR("ClusterRole")))
		return sp_map_get(&r->roles, b->role_name);
	if (!sp_str_eq(b->role_kind, SP_STR("Role")))
		return NULL;
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
	bool bound_in = b->ns.len > 0;
	return SP_CONCAT(a, SP_STR("RBAC: allowed by "), bound_in ? SP_STR("Role") : SP_STR("ClusterRole"),
			 SP_STR("Binding \""), b->name, bound_in ? SP_STR("/") : SP_STR(""), b->ns,
			 SP_STR("\" of "), b->role_kind, SP_STR(" \""), b->role_name, SP_STR("\" to "),
			 s->text);
}

/* Bindings of a user to roles that don't exist, in upstream's words. */
#define MISSING_SHOWN_MAX 16u
typedef struct missing {
	sp_str items[MISSING_SHOWN_MAX];
	size_t n;
} missing;

static void note_missing(sp_arena *a, missing *m, const binding *b)
{
	bool cluster = sp_str_eq(b->role_kind, SP_STR("ClusterRole"));
	sp_str text = sp_arena_printf(a, "%s.rbac.authorization.k8s.io \"" SP_FMT "\" not found",
				      cluster ? "clusterrole" : "role", SP_ARG(b->role_name));
	for (size_t i = 0; i < m->n; i++) {
		if (sp_str_eq(m->items[i], text))
			return;
	}
	if (m->n < MISSING_SHOWN_MAX)
		m->items[m->n++] = text;
}

static sp_str missing_text(sp_arena *a, const missing *m)
{
	sp_str text = m->n == 0 ? (sp_str){NULL, 0} : m->items[0];
	for (size_t i = 1; i < m->n; i++)
		text = sp_arena_printf(a, SP_FMT ", " SP_FMT, SP_ARG(text), SP_ARG(m->items[i]));
	if (m->n == 0)
		return text;
	return sp_arena_printf(a, "RBAC: %s" SP_FMT "%s", m->n > 1 ? "[" : "", SP_ARG(text),
			       m->n > 1 ? "]" : "");
}

typedef struct question {
	sp_arena *arena;
	const api_user *user;
	const api_attributes *what;
	sp_str *reason; /* may be NULL */
	missing missing;
} question;

static bool allows(const role *found, const api_attributes *what)
{
	for (size_t i = 0; i < found->rules.n; i++) {
		if (api_rule_allows(&found->rules.items[i], what))
			return true;
	}
	return false;
}

static bool search(const api_rbac *r, question *q, const binding *first)
{
	for (const binding *b = first; b != NULL; b = b->next) {
		const subject *s = subject_of(b, q->user);
		const role *found = s == NULL ? NULL : role_of(r, b);
		if (s != NULL && found == NULL && q->reason != NULL)
			note_missing(q->arena, &q->missing, b);
		if (found == NULL || !allows(found, q->what))
			continue;
		if (q->reason != NULL)
			*q->reason = reason(q->arena, b, s);
		return true;
	}
	return false;
}

sp_code api_rbac_allows(api_rbac *r, sp_arena *a, const api_user *user, const api_attributes *what, bool *ret,
			sp_str *ret_reason, sp_err *err)
{
	SP_TRY(refresh(r, err));
	question q = {.arena = a, .user = user, .what = what, .reason = ret_reason};
	*ret = search(r, &q, r->cluster_wide) || (what->is_resource && what->ns.len > 0 &&
						  search(r, &q, sp_map_get(&r->by_namespace, what->ns)));
	if (!*ret && ret_reason != NULL)
		*ret_reason = missing_text(a, &q.missing);
	return SP_OK;
}

static bool add_rules(const api_rbac *r, sp_arena *a, const binding *first, const api_user *user,
		      api_rules *ret)
{
	for (const binding *b = first; b != NULL; b = b->next) {
		const role *found = subject_of(b, user) == NULL ? NULL : role_of(r, b);
		if (found != NULL && !api_rules_add(a, ret, &found->rules))
			return false;
	}
	return true;
}

sp_code api_rbac_rules_of(api_rbac *r, sp_arena *a, const api_user *user, sp_str ns, api_rules *ret,
			  sp_err *err)
{
	SP_TRY(refresh(r, err));
	api_rules all = {0};
	if (!add_rules(r, a, r->cluster_wide, user, &all) ||
	    (ns.len > 0 && !add_rules(r, a, sp_map_get(&r->by_namespace, ns), user, &all)))
		return sp_fail(err, SP_ENOMEM, "no room for the rules of a user");
	*ret = all;
	return SP_OK;
}

sp_code api_rbac_role(api_rbac *r, sp_str ns, sp_str name, api_rules *ret, sp_err *err)
{
	SP_TRY(refresh(r, err));
	const binding ref = {.ns = ns,
			     .role_name = name,
			     .role_kind = ns.len > 0 ? SP_STR("Role") : SP_STR("ClusterRole")};
	const role *found = role_of(r, &ref);
	if (found == NULL)
		return sp_fail(err, SP_ENOTFOUND, "no such role");
	*ret = found->rules;
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
