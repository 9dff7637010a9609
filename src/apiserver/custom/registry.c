/* SPDX-License-Identifier: Apache-2.0 */
/* The definitions that are stored, and the compiled versions of those that are used. */
#include "apiserver/custom/convert.h"
#include "apiserver/custom/custom_int.h"
#include "base/alloc.h"
#include "kube/discovery.h"
#include "kube/meta.h"

/* What the registry keeps of one definition. */
#define CRD_ENTRY_BYTES ((size_t)1 << 20)
/* Compiled versions beyond this go, the longest unused first. */
#define COMPILED_BYTES_MAX ((size_t)4 << 20)

static const sp_str crd_prefix = SP_STR_INIT("/registry/apiextensions.k8s.io/customresourcedefinitions/");

const api_resource *custom_crd_resource(const api_customs *c)
{
	return api_resource_find(&c->server->resources, SP_STR("apiextensions.k8s.io"), SP_STR("v1"),
				 SP_STR("customresourcedefinitions"));
}

/* ---- compiled versions ---- */

api_custom *api_custom_ref(api_custom *v)
{
	v->n_refs++;
	return v;
}

api_custom *api_custom_unref(api_custom *v)
{
	if (v == NULL || --v->n_refs > 0)
		return NULL;
	api_custom_unref(v->stored);
	sp_arena_done(&v->arena);
	sp_free(v);
	return NULL;
}

void api_resource_ref(const api_resource *res)
{
	if (res->custom != NULL)
		(void)api_custom_ref(res->custom);
}

void api_resource_unref(const api_resource *res)
{
	if (res->custom != NULL)
		(void)api_custom_unref(res->custom);
}

/* The registry lets go of it. */
static void drop_compiled(api_customs *c, custom_version *slot)
{
	api_custom *v = slot->compiled;
	if (v == NULL)
		return;
	slot->compiled = NULL;
	v->slot = NULL;
	sp_list_remove(&v->lru);
	c->compiled_bytes -= sp_arena_used(&v->arena);
	(void)api_custom_unref(v);
}

static void keep_compiled(api_customs *c, custom_version *slot, api_custom *v)
{
	slot->compiled = v;
	v->slot = slot;
	sp_list_push_front(&c->lru, &v->lru);
	c->compiled_bytes += sp_arena_used(&v->arena);
}

/* `keep` was used just now. */
static void shrink(api_customs *c, const api_custom *keep)
{
	while (c->compiled_bytes > COMPILED_BYTES_MAX && !sp_list_is_empty(&c->lru)) {
		api_custom *last = SP_CONTAINER_OF(c->lru.prev, api_custom, lru);
		if (last == keep || last == keep->stored)
			return;
		drop_compiled(c, last->slot);
	}
}

/* ---- entries ---- */

static void empty_entry(api_customs *c, custom_crd *crd)
{
	for (size_t i = 0; i < crd->n; i++)
		drop_compiled(c, &crd->versions[i]);
	crd->versions = NULL;
	crd->n = 0;
	sp_arena_reset(&crd->arena);
}

static void drop_entry(api_customs *c, custom_crd *crd)
{
	(void)sp_map_remove(&c->by_name, crd->name);
	empty_entry(c, crd);
	sp_store_watch_close(crd->watch);
	sp_arena_done(&crd->arena);
	sp_free(crd);
	c->epoch++;
}

static custom_crd *new_entry(api_customs *c, sp_str name)
{
	custom_crd *crd = sp_try_alloc(sizeof *crd + name.len + 1);
	if (crd == NULL)
		return NULL;
	char *text = (char *)(crd + 1);
	memcpy(text, name.ptr, name.len);
	crd->name = (sp_str){text, name.len};
	crd->owner = c;
	sp_arena_init(&crd->arena, CRD_ENTRY_BYTES);
	if (sp_map_put(&c->by_name, crd->name, crd, NULL) == SP_OK)
		return crd;
	sp_free(crd);
	return NULL;
}

static bool has_condition(yyjson_mut_val *obj, const char *type)
{
	SP_KV_EACH (cond, i, sp_kv_list(sp_kv_get(obj, "status"), "conditions")) {
		if (sp_kv_is(cond, "type", type))
			return sp_kv_is(cond, "status", "True");
	}
	return false;
}

static bool read_names(sp_arena *a, yyjson_mut_val *names, custom_names *ret)
{
	*ret = (custom_names){.plural = sp_arena_try_dup(a, sp_kv_str(names, "plural")),
			      .singular = sp_arena_try_dup(a, sp_kv_str(names, "singular")),
			      .kind = sp_arena_try_dup(a, sp_kv_str(names, "kind")),
			      .list_kind = sp_arena_try_dup(a, sp_kv_str(names, "listKind"))};
	return custom_texts(a, sp_kv_list(names, "shortNames"), &ret->short_names, &ret->n_short_names);
}

/* U: apiextensions-apiserver pkg/apiserver/customresource_handler.go, the warning of a deprecated version. */
static sp_str warning_of(sp_arena *a, yyjson_mut_val *obj, yyjson_mut_val *version)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	sp_str group = sp_kv_str(spec, "group"), kind = sp_kv_str(sp_kv_get(spec, "names"), "kind");
	sp_str name = sp_kv_str(version, "name"), better = {NULL, 0};
	if (!sp_kv_bool(version, "deprecated"))
		return better;
	if (sp_kv_has(version, "deprecationWarning"))
		return sp_arena_try_dup(a, sp_kv_str(version, "deprecationWarning"));
	/* The newest version that is served and not deprecated, when it is of greater stability. */
	SP_KV_EACH (v, i, sp_kv_list(spec, "versions")) {
		sp_str other = sp_kv_str(v, "name");
		if (sp_kv_bool(v, "served") && !sp_kv_bool(v, "deprecated") &&
		    sp_kube_version_cmp(other, better.len > 0 ? better : name) > 0)
			better = other;
	}
	if (better.len == 0)
		return sp_arena_printf(a, SP_FMT "/" SP_FMT " " SP_FMT " is deprecated", SP_ARG(group),
				       SP_ARG(name), SP_ARG(kind));
	return sp_arena_printf(
		a, SP_FMT "/" SP_FMT " " SP_FMT " is deprecated; use " SP_FMT "/" SP_FMT " " SP_FMT,
		SP_ARG(group), SP_ARG(name), SP_ARG(kind), SP_ARG(group), SP_ARG(better), SP_ARG(kind));
}

static bool read_versions(custom_crd *crd, yyjson_mut_val *obj)
{
	sp_arena *a = &crd->arena;
	yyjson_mut_val *list = sp_kv_list(sp_kv_get(obj, "spec"), "versions");
	crd->versions = sp_try_new(a, custom_version, sp_kv_len(list) + 1);
	if (crd->versions == NULL)
		return false;
	SP_KV_EACH (version, i, list) {
		custom_version *v = &crd->versions[crd->n++];
		v->crd = crd;
		v->served = sp_kv_bool(version, "served");
		v->storage = sp_kv_bool(version, "storage");
		v->warning = warning_of(a, obj, version);
		if (!custom_kind_read(a, obj, version, &v->kind))
			return false;
		if (crd->terminating)
			v->kind.verbs = SP_VERB_DELETE | SP_VERB_DELETECOLLECTION | SP_VERB_GET |
					SP_VERB_LIST | SP_VERB_WATCH;
	}
	return true;
}

static bool fill_entry(custom_crd *crd, yyjson_mut_val *obj)
{
	sp_arena *a = &crd->arena;
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	crd->group = sp_arena_try_dup(a, sp_kv_str(spec, "group"));
	crd->prefix = sp_arena_printf(a, "/registry/" SP_FMT "/" SP_FMT "/", SP_ARG(crd->group),
				      SP_ARG(sp_kv_str(sp_kv_get(spec, "names"), "plural")));
	crd->namespaced = sp_kv_is(spec, "scope", "Namespaced");
	crd->established = has_condition(obj, "Established");
	crd->terminating = has_condition(obj, "Terminating");
	/* Without its finalizer its objects are deleted: it waits for somebody else's. */
	crd->gone = crd->gone || (sp_kv_has(sp_meta(obj), "deletionTimestamp") && !custom_has_finalizer(obj));
	return crd->prefix.ptr != NULL &&
	       read_names(a, sp_kv_path(obj, "status", "acceptedNames", NULL), &crd->accepted) &&
	       read_versions(crd, obj);
}

/* As generations count it: a new status alone ends no watch. */
static void note_spec(custom_crd *crd, int64_t generation)
{
	if (crd->spec_epoch == 0 || crd->generation != generation)
		crd->spec_epoch = crd->epoch;
	crd->generation = generation;
}

/* A definition as it is stored now. */
static sp_code take_definition(api_customs *c, sp_str name, sp_str record, uint64_t revision)
{
	sp_record rec;
	sp_arena scratch;
	yyjson_mut_val *obj = NULL;
	custom_crd *crd = sp_map_get(&c->by_name, name);
	if (crd != NULL && crd->revision >= revision)
		return SP_OK;
	sp_arena_init(&scratch, CRD_TREE_BYTES);
	yyjson_mut_doc *doc = sp_json_doc(&scratch);
	sp_code code = doc == NULL ? SP_ENOMEM : sp_record_decode(record, &rec, NULL);
	if (code == SP_OK)
		code = sp_json_parse_mut(&scratch, rec.object, doc, &obj, NULL);
	if (code == SP_OK && crd == NULL)
		crd = new_entry(c, name);
	if (code == SP_OK && crd != NULL) {
		empty_entry(c, crd);
		crd->revision = revision;
		crd->dirty = true;
		crd->epoch = ++c->epoch;
		note_spec(crd, sp_kv_i64(sp_meta(obj), "generation", 0));
	}
	if (code == SP_OK && (crd == NULL || !fill_entry(crd, obj)))
		code = SP_ENOMEM;
	if (code != SP_OK && crd != NULL)
		drop_entry(c, crd);
	sp_arena_done(&scratch);
	return code;
}

/* ---- keeping up ---- */

/* Names that were taken may be free now. */
static void look_at_group(api_customs *c, sp_str group)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&c->by_name, &i)) != NULL;) {
		custom_crd *other = e->value;
		if (sp_str_eq(other->group, group))
			other->dirty = true;
	}
}

static void forget_definition(api_customs *c, sp_str name)
{
	custom_crd *crd = sp_map_get(&c->by_name, name);
	if (crd == NULL)
		return;
	look_at_group(c, crd->group);
	drop_entry(c, crd);
}

typedef struct load {
	api_customs *c;
	sp_code code;
} load;

static sp_store_visit visit(void *arg, const sp_store_entry *e)
{
	load *l = arg;
	l->code = take_definition(l->c, e->rest, e->record, e->revision);
	return l->code == SP_OK ? SP_STORE_TAKE : SP_STORE_STOP;
}

static sp_code load_all(api_customs *c, sp_err *err)
{
	load l = {.c = c};
	sp_store_chunk chunk = {.more = true}, next;
	sp_store_query q = {.resource = crd_prefix};
	while (chunk.more) {
		q.from = (sp_str){chunk.next, chunk.next_len};
		SP_TRY(sp_store_range(c->store, &q, visit, &l, &next, err));
		if (l.code != SP_OK)
			return sp_fail(err, l.code, "custom resource definitions can't be read");
		chunk = next;
		q.revision = chunk.revision;
	}
	return SP_OK;
}

static void forget_all(api_customs *c)
{
	const sp_map_entry *e;
	size_t i = 0;
	while ((e = sp_map_next(&c->by_name, &i)) != NULL) {
		drop_entry(c, e->value);
		i = 0;
	}
}

static void on_ready(void *arg)
{
	api_customs *c = arg;
	sp_code code = custom_sync(c, NULL);
	(void)code; /* what fails now is tried again by the next request */
}

static sp_code take_event(api_customs *c, const sp_store_event *e)
{
	if (!e->is_delete)
		return take_definition(c, e->key.rest, sp_bytes_view(e->record), e->revision);
	forget_definition(c, e->key.rest);
	return SP_OK;
}

static sp_code drain(api_customs *c)
{
	sp_store_event *e;
	while (c->watch != NULL && (e = sp_store_watch_next(c->watch)) != NULL) {
		sp_code code = take_event(c, e);
		sp_store_event_unref(e);
		if (code != SP_OK)
			return code;
	}
	return SP_OK;
}

/* The dirty ones are looked after by the loop, not inside whoever asked; but what is being deleted is known
 * to be gone at once. */
static void look_after(api_customs *c)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&c->by_name, &i)) != NULL;) {
		custom_crd *crd = e->value;
		if (crd->dirty && crd->terminating && !crd->writing)
			custom_control(c, crd);
	}
	sp_defer_call(c->server->world, &c->work);
}

static void on_work(sp_defer *d)
{
	api_customs *c = d->arg;
	const sp_map_entry *e;
	sp_code code = custom_sync(c, NULL);
	(void)code; /* what is known is looked after all the same */
	if (c->ended_epoch != c->epoch) {
		c->ended_epoch = c->epoch;
		api_watches_end_stale(c->server);
	}
	for (size_t i = 0; (e = sp_map_next(&c->by_name, &i)) != NULL;) {
		custom_crd *crd = e->value;
		if (crd->dirty && !crd->writing)
			custom_control(c, crd);
	}
}

sp_code custom_sync(api_customs *c, sp_err *err)
{
	const sp_store_watch_opts opts = {.resource = crd_prefix, .on_ready = on_ready, .arg = c};
	uint64_t before = c->epoch;
	sp_code code = drain(c);
	if (code != SP_OK || c->watch == NULL || sp_store_watch_state(c->watch, NULL) != SP_OK) {
		sp_store_watch_close(c->watch);
		c->watch = NULL;
		c->loaded = false;
		SP_TRY(sp_store_watch_open(c->store, &opts, &c->watch, err));
	}
	if (!c->loaded) {
		forget_all(c);
		SP_TRY(load_all(c, err));
		c->loaded = true;
	}
	if (c->epoch != before)
		look_after(c);
	return SP_OK;
}

sp_code custom_load(api_customs *c, sp_str name, sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val **ret,
		    sp_store_value *ret_value, sp_err *err)
{
	sp_record rec;
	sp_store_value value;
	SP_TRY(sp_store_get(c->store, (sp_store_key){crd_prefix, name}, 0, &value, err));
	sp_code code = sp_record_decode(sp_bytes_view(value.record), &rec, err);
	if (code == SP_OK)
		code = api_object_tree(a, &rec, value.revision, doc, ret, err);
	if (code != SP_OK || ret_value == NULL)
		value.record = sp_bytes_unref(value.record);
	if (code == SP_OK && ret_value != NULL)
		*ret_value = value;
	return code;
}

/* ---- finding ---- */

static custom_version *find_version(custom_crd *crd, sp_str name)
{
	for (size_t i = 0; i < crd->n; i++) {
		if (sp_str_eq(crd->versions[i].kind.version, name))
			return &crd->versions[i];
	}
	return NULL;
}

static custom_version *storage_version(custom_crd *crd)
{
	for (size_t i = 0; i < crd->n; i++) {
		if (crd->versions[i].storage)
			return &crd->versions[i];
	}
	return NULL;
}

static sp_code compile_with(api_customs *c, custom_version *v, yyjson_mut_val *obj, sp_err *err)
{
	custom_version *storage = storage_version(v->crd);
	api_custom *made = NULL;
	if (v->compiled != NULL)
		return SP_OK;
	if (storage == NULL)
		return sp_fail(err, SP_EINTERNAL, "a definition without a storage version");
	if (storage != v)
		SP_TRY(compile_with(c, storage, obj, err));
	SP_TRY(custom_compile(v, obj, storage == v ? NULL : storage->compiled, &made, err));
	made->serial = ++c->serial;
	made->spec_epoch = v->crd->spec_epoch;
	keep_compiled(c, v, made);
	return SP_OK;
}

static sp_code compile(api_customs *c, custom_version *v, sp_err *err)
{
	sp_arena scratch;
	yyjson_mut_val *obj = NULL;
	if (v->compiled != NULL)
		return SP_OK;
	sp_arena_init(&scratch, CRD_TREE_BYTES);
	yyjson_mut_doc *doc = sp_json_doc(&scratch);
	sp_code code = doc == NULL ? sp_fail(err, SP_ENOMEM, "no room for the definition")
				   : custom_load(c, v->crd->name, &scratch, doc, &obj, NULL, err);
	if (code == SP_OK)
		code = compile_with(c, v, obj, err);
	sp_arena_done(&scratch);
	return code;
}

sp_code api_customs_find(api_customs *c, sp_arena *a, sp_str group, sp_str version, sp_str plural,
			 api_custom_found *ret, sp_err *err)
{
	SP_TRY(custom_sync(c, err));
	sp_str name = sp_arena_printf(a, SP_FMT "." SP_FMT, SP_ARG(plural), SP_ARG(group));
	custom_crd *crd = name.ptr == NULL ? NULL : sp_map_get(&c->by_name, name);
	custom_version *v = crd == NULL ? NULL : find_version(crd, version);
	if (v == NULL || !v->served || !crd->established || crd->gone)
		return sp_fail(err, SP_ENOTFOUND, "there is no such resource");
	SP_TRY(compile(c, v, err));
	api_custom *found = v->compiled;
	if (found->stored != NULL && found->stored->slot != NULL) {
		sp_list_remove(&found->stored->lru);
		sp_list_push_front(&c->lru, &found->stored->lru);
	}
	sp_list_remove(&found->lru);
	sp_list_push_front(&c->lru, &found->lru);
	shrink(c, found);
	*ret = (api_custom_found){.version = api_custom_ref(found),
				  .warning = sp_arena_try_dup(a, v->warning),
				  .terminating = crd->terminating};
	return SP_OK;
}

bool api_customs_has(const api_customs *c, const api_custom *v)
{
	char name[SP_LIMIT_STORE_REST_BYTES];
	int n = snprintf(name, sizeof name, SP_FMT "." SP_FMT, SP_ARG(v->kind.plural), SP_ARG(v->kind.group));
	const custom_crd *crd =
		n >= (int)sizeof name ? NULL : sp_map_get(&c->by_name, (sp_str){name, (size_t)n});
	return crd != NULL && crd->spec_epoch == v->spec_epoch;
}

uint64_t api_customs_epoch(api_customs *c)
{
	sp_code code = custom_sync(c, NULL);
	(void)code; /* what can't be read now changes nothing yet */
	return c->epoch;
}

uint64_t api_customs_mark(api_customs *c, sp_str group)
{
	const sp_map_entry *e;
	uint64_t mark = 1;
	for (size_t i = 0; (e = sp_map_next(&c->by_name, &i)) != NULL;) {
		const custom_crd *crd = e->value;
		if (crd->established && !crd->gone && (group.len == 0 || sp_str_eq(group, crd->group)))
			mark = (mark ^ crd->epoch) * UINT64_C(0x9e3779b97f4a7c15);
	}
	return mark | 1;
}

static bool is_shown(const custom_crd *crd, const custom_version *v)
{
	return crd->established && !crd->gone && v->served;
}

sp_code api_customs_kinds(api_customs *c, sp_arena *a, const sp_kind *const **ret, size_t *ret_n, sp_err *err)
{
	const sp_map_entry *e;
	size_t n = 0;
	SP_TRY(custom_sync(c, err));
	for (size_t i = 0; (e = sp_map_next(&c->by_name, &i)) != NULL;)
		n += ((custom_crd *)e->value)->n;
	const sp_kind **list = sp_try_new(a, const sp_kind *, n + 1);
	if (list == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for the kinds");
	n = 0;
	for (size_t i = 0; (e = sp_map_next(&c->by_name, &i)) != NULL;) {
		custom_crd *crd = e->value;
		for (size_t k = 0; k < crd->n; k++) {
			if (is_shown(crd, &crd->versions[k]))
				list[n++] = &crd->versions[k].kind;
		}
	}
	*ret = list;
	*ret_n = n;
	return SP_OK;
}

/* The schema as it was written, an immutable tree. */
static sp_code show_version(sp_arena *a, custom_crd *crd, yyjson_val *root, size_t k, sp_openapi_custom *ret)
{
	yyjson_val *version = yyjson_arr_get(yyjson_obj_get(yyjson_obj_get(root, "spec"), "versions"), k);
	yyjson_val *fields = yyjson_obj_get(version, "selectableFields"), *f;
	size_t i, max;
	sp_str *paths = sp_try_new(a, sp_str, yyjson_arr_size(fields) + 1);
	if (paths == NULL)
		return SP_ENOMEM;
	yyjson_arr_foreach(fields, i, max, f) paths[i] = sp_json_str(yyjson_obj_get(f, "jsonPath"));
	*ret = (sp_openapi_custom){
		.kind = &crd->versions[k].kind,
		.schema = yyjson_obj_get(yyjson_obj_get(version, "schema"), "openAPIV3Schema"),
		.preserve_unknown =
			yyjson_is_true(yyjson_obj_get(yyjson_obj_get(root, "spec"), "preserveUnknownFields")),
		.selectable = paths,
		.n_selectable = yyjson_arr_size(fields)};
	return SP_OK;
}

static sp_code show_definition(api_customs *c, sp_arena *a, custom_crd *crd, sp_openapi_custom *list,
			       size_t *n, sp_err *err)
{
	sp_record rec;
	sp_store_value value;
	yyjson_val *root = NULL;
	SP_TRY(sp_store_get(c->store, (sp_store_key){crd_prefix, crd->name}, 0, &value, err));
	sp_code code = sp_record_decode(sp_bytes_view(value.record), &rec, err);
	if (code == SP_OK)
		code = sp_json_parse(a, rec.object, &root, err);
	for (size_t k = 0; k < crd->n && code == SP_OK; k++) {
		if (is_shown(crd, &crd->versions[k]))
			code = show_version(a, crd, root, k, &list[(*n)++]);
	}
	sp_bytes_unref(value.record);
	return code;
}

sp_code api_customs_openapi(api_customs *c, sp_arena *a, sp_str group, const sp_openapi_custom **ret,
			    size_t *ret_n, sp_err *err)
{
	const sp_kind *const *kinds;
	const sp_map_entry *e;
	size_t n = 0, n_max = 0;
	SP_TRY(api_customs_kinds(c, a, &kinds, &n_max, err));
	sp_openapi_custom *list = sp_try_new(a, sp_openapi_custom, n_max + 1);
	if (list == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for the schemas");
	for (size_t i = 0; (e = sp_map_next(&c->by_name, &i)) != NULL;) {
		custom_crd *crd = e->value;
		if ((group.len == 0 || sp_str_eq(group, crd->group)) && crd->established && !crd->gone)
			SP_TRY(show_definition(c, a, crd, list, &n, err));
	}
	*ret = list;
	*ret_n = n;
	return SP_OK;
}

/* ---- life ---- */

api_customs *api_customs_new(api_server *s)
{
	api_customs *c = SP_NEW(api_customs);
	c->server = s;
	c->store = s->store;
	c->conversions = custom_conversions_new();
	sp_map_init(&c->by_name);
	sp_list_init(&c->lru);
	sp_list_init(&c->writes);
	sp_defer_init(&c->work, on_work, c);
	sp_defer_call(s->world, &c->work); /* from now on it follows what is stored */
	return c;
}

void api_customs_free(api_customs *c)
{
	if (c == NULL)
		return;
	sp_defer_cancel(&c->work);
	SP_LIST_FOREACH (node, &c->writes) {
		SP_CONTAINER_OF(node, custom_write, node)->owner = NULL;
		sp_list_remove(node);
	}
	forget_all(c);
	sp_map_done(&c->by_name);
	sp_store_watch_close(c->watch);
	custom_conversions_free(c->conversions);
	sp_free(c);
}
