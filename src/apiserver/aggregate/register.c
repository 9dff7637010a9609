/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/aggregate/register.h"

#include "apiserver/admission/kept.h"
#include "apiserver/server_int.h"
#include "base/alloc.h"
#include "kube/apply/apply.h"
#include "kube/defaults.h"
#include "kube/meta.h"

#define NS_PER_S INT64_C(1000000000)
#define SCAN_BYTES ((size_t)64 << 20)
#define WRITE_BYTES ((size_t)1 << 20)
#define NAMES_MAX 4096u
#define LABEL "kube-aggregator.kubernetes.io/automanaged"

static const sp_str prefixes[] = {SP_STR_INIT("/registry/apiextensions.k8s.io/customresourcedefinitions/"),
				  SP_STR_INIT("/registry/apiregistration.k8s.io/apiservices/")};

struct api_registrar {
	api_server *server;
	sp_store_watch *watches[SP_LEN(prefixes)];
	sp_defer work;
	sp_list writes;
};

typedef struct own_write {
	sp_list node;
	sp_arena arena;
	sp_store_txn txn;
	sp_store_op op;
} own_write;

/* ---- writes ---- */

static void own_write_free(own_write *w)
{
	sp_bytes_unref(w->op.record);
	sp_list_remove(&w->node);
	sp_arena_done(&w->arena);
	sp_free(w);
}

static void on_written(sp_store_txn *t, sp_code code, const sp_err *err)
{
	(void)code;
	(void)err;
	own_write_free(t->arg);
}

/* A record of NULL takes the object away. */
static void submit(api_registrar *g, sp_str name, uint64_t revision, sp_bytes *record)
{
	own_write *w = sp_try_alloc(sizeof *w);
	if (w == NULL) {
		sp_bytes_unref(record);
		return;
	}
	sp_list_init(&w->node);
	sp_arena_init(&w->arena, WRITE_BYTES);
	w->op = (sp_store_op){.type = record == NULL ? SP_STORE_DELETE : SP_STORE_PUT,
			      .key = {prefixes[1], sp_arena_try_dup(&w->arena, name)},
			      .expected = revision,
			      .record = record};
	w->txn = (sp_store_txn){.ops = &w->op, .n_ops = 1, .done = on_written, .arg = w};
	if (w->op.key.rest.ptr == NULL) {
		own_write_free(w);
		return;
	}
	sp_list_push_back(&g->writes, &w->node);
	sp_store_write(g->server->store, &w->txn);
}

/* ---- what there should be and what there is ---- */

typedef struct named {
	sp_str name, group, version;
	uint64_t revision;
	bool managed, wanted;
} named;

typedef struct look {
	sp_arena arena;
	named *services, *wanted;
	size_t n_services, n_wanted;
} look;

static named *find(named *list, size_t n, sp_str name)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(list[i].name, name))
			return &list[i];
	}
	return NULL;
}

static bool read_definition(void *arg, sp_str rest, uint64_t revision, yyjson_val *obj)
{
	look *l = arg;
	yyjson_val *spec = yyjson_obj_get(obj, "spec"), *v;
	sp_str group = sp_json_str(yyjson_obj_get(spec, "group"));
	size_t i, max;
	(void)rest;
	(void)revision;
	yyjson_arr_foreach(yyjson_obj_get(spec, "versions"), i, max, v)
	{
		sp_str version = sp_json_str(yyjson_obj_get(v, "name"));
		sp_str name = sp_arena_printf(&l->arena, SP_FMT "." SP_FMT, SP_ARG(version), SP_ARG(group));
		if (name.ptr == NULL || l->n_wanted == NAMES_MAX)
			return false;
		if (!yyjson_get_bool(yyjson_obj_get(v, "served")) ||
		    find(l->wanted, l->n_wanted, name) != NULL)
			continue;
		l->wanted[l->n_wanted++] = (named){.name = name,
						   .group = sp_arena_try_dup(&l->arena, group),
						   .version = sp_arena_try_dup(&l->arena, version)};
	}
	return true;
}

static bool read_service(void *arg, sp_str rest, uint64_t revision, yyjson_val *obj)
{
	look *l = arg;
	yyjson_val *labels = yyjson_obj_get(yyjson_obj_get(obj, "metadata"), "labels");
	if (l->n_services == NAMES_MAX)
		return false;
	named *n = &l->services[l->n_services++];
	*n = (named){.name = sp_arena_try_dup(&l->arena, rest),
		     .revision = revision,
		     .managed = sp_str_eq(sp_json_str(yyjson_obj_get(labels, LABEL)), SP_STR("true"))};
	return n->name.ptr != NULL;
}

static bool read_both(api_registrar *g, look *l)
{
	const api_kept kept[] = {{.store = g->server->store, .prefix = prefixes[0]},
				 {.store = g->server->store, .prefix = prefixes[1]}};
	l->services = sp_try_new(&l->arena, named, NAMES_MAX);
	l->wanted = sp_try_new(&l->arena, named, NAMES_MAX);
	return l->services != NULL && l->wanted != NULL &&
	       api_kept_each(&kept[0], read_definition, l, NULL) == SP_OK &&
	       api_kept_each(&kept[1], read_service, l, NULL) == SP_OK;
}

/* ---- a new one ---- */

static void random_bytes(void *arg, void *bytes, size_t n)
{
	sp_random(arg, bytes, n);
}

static sp_str text_of(sp_arena *a, const named *n)
{
	return sp_arena_printf(
		a,
		"{\"kind\":\"APIService\",\"apiVersion\":\"apiregistration.k8s.io/v1\",\"metadata\":{"
		"\"name\":\"" SP_FMT "\",\"labels\":{\"" LABEL "\":\"true\"}},\"spec\":{\"group\":"
		"\"" SP_FMT "\",\"version\":\"" SP_FMT
		"\",\"groupPriorityMinimum\":1000,\"versionPriority\":100}}",
		SP_ARG(n->name), SP_ARG(n->group), SP_ARG(n->version));
}

static sp_code record_of(api_registrar *g, sp_arena *a, const named *n, sp_bytes **ret)
{
	char now[SP_TIME_TEXT_BYTES];
	api_server *s = g->server;
	int64_t wall = sp_wall_ns(s->world);
	const api_resource *res = api_resource_find(&s->resources, SP_STR("apiregistration.k8s.io"),
						    SP_STR("v1"), SP_STR("apiservices"));
	yyjson_mut_doc *doc = sp_json_doc(a);
	yyjson_mut_val *obj;
	sp_violations errors;
	sp_violations_init(&errors, a);
	sp_kind_ctx ctx = {.arena = a,
			   .doc = doc,
			   .kind = res->kind,
			   .errors = &errors,
			   .now = {wall / NS_PER_S, (uint32_t)(wall % NS_PER_S)},
			   .random = random_bytes,
			   .random_arg = s->world,
			   .user = SP_STR("system:apiserver")};
	const sp_apply_request req = {.arena = a,
				      .doc = doc,
				      .schema = res->kind->schema,
				      .api_version = res->api_version,
				      .kind = res->kind->kind,
				      .manager = SP_STR("kube-apiserver"),
				      .now = {now, sp_time_print(now, ctx.now, 0)}};
	sp_str text = text_of(a, n);
	if (doc == NULL || text.ptr == NULL)
		return SP_ENOMEM;
	SP_TRY(sp_json_parse_mut(a, text, doc, &obj, NULL));
	SP_TRY(sp_default(doc, res->kind->schema, obj, NULL));
	SP_TRY(sp_kind_defaults(&ctx, obj));
	sp_meta_fill_create(&ctx, obj);
	SP_TRY(sp_apply_track(&req, NULL, obj));
	SP_TRY(sp_kind_before_create(&ctx, obj));
	SP_TRY(ctx.code);
	if (errors.n > 0)
		return SP_EINVAL;
	return api_object_record(a, res, doc, obj, s->marker_str, ret, NULL);
}

static void make(api_registrar *g, const named *n)
{
	sp_arena scratch;
	sp_bytes *record = NULL;
	sp_arena_init(&scratch, SCAN_BYTES);
	if (record_of(g, &scratch, n, &record) == SP_OK)
		submit(g, n->name, 0, record);
	sp_arena_done(&scratch);
}

/* ---- following ---- */

static void on_ready(void *arg)
{
	api_registrar *g = arg;
	sp_defer_call(g->server->world, &g->work);
}

/* Takes what waits; a watch that ended is opened anew. */
static void follow(api_registrar *g)
{
	for (size_t i = 0; i < SP_LEN(prefixes); i++) {
		sp_store_watch **w = &g->watches[i];
		sp_store_event *e;
		while (*w != NULL && (e = sp_store_watch_next(*w)) != NULL)
			sp_store_event_unref(e);
		if (*w != NULL && sp_store_watch_state(*w, NULL) == SP_OK)
			continue;
		const sp_store_watch_opts opts = {.resource = prefixes[i], .on_ready = on_ready, .arg = g};
		sp_store_watch_close(*w);
		*w = NULL;
		if (sp_store_watch_open(g->server->store, &opts, w, NULL) != SP_OK)
			*w = NULL; /* again at the next occasion */
	}
}

static void on_work(sp_defer *d)
{
	api_registrar *g = d->arg;
	look l = {.n_wanted = 0};
	follow(g);
	sp_arena_init(&l.arena, SCAN_BYTES);
	if (read_both(g, &l)) {
		for (size_t i = 0; i < l.n_wanted; i++) {
			named *there = find(l.services, l.n_services, l.wanted[i].name);
			if (there != NULL)
				there->wanted = true;
			else
				make(g, &l.wanted[i]);
		}
		for (size_t i = 0; i < l.n_services; i++) {
			if (l.services[i].managed && !l.services[i].wanted)
				submit(g, l.services[i].name, l.services[i].revision, NULL);
		}
	}
	sp_arena_done(&l.arena);
}

api_registrar *api_registrar_new(api_server *s)
{
	api_registrar *g = SP_NEW(api_registrar);
	g->server = s;
	sp_list_init(&g->writes);
	sp_defer_init(&g->work, on_work, g);
	sp_defer_call(s->world, &g->work);
	return g;
}

void api_registrar_free(api_registrar *g)
{
	if (g == NULL)
		return;
	sp_defer_cancel(&g->work);
	SP_LIST_FOREACH (node, &g->writes)
		sp_list_remove(node); /* the store still has them */
	for (size_t i = 0; i < SP_LEN(prefixes); i++)
		sp_store_watch_close(g->watches[i]);
	sp_free(g);
}
