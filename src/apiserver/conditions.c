/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/conditions.h"

#include "apiserver/aggregate/aggregate.h"
#include "apiserver/server_int.h"
#include "base/alloc.h"
#include "kube/apply/apply.h"
#include "kube/meta.h"

#define NS_PER_S INT64_C(1000000000)
#define SCAN_BYTES ((size_t)64 << 20)
#define WRITE_BYTES ((size_t)16 << 20)
#define WATCHES_MAX 4u

/* What a condition should say; an empty status: nothing is said. */
typedef struct verdict {
	const char *status, *reason;
	sp_str message; /* in the scan's arena */
} verdict;

typedef struct scan scan;

/* A kind and its condition. The first of the prefixes is where its objects are, the others what they name. */
typedef struct rule {
	const char *group, *version, *plural, *type, *manager;
	const char *prefixes[WATCHES_MAX];
	bool applies; /* the manager applies its condition, upstream, instead of updating the status */
	verdict (*judge)(scan *s, yyjson_mut_val *obj);
} rule;

typedef struct follower {
	api_conditions *owner;
	const rule *rule;
	sp_store_watch *watches[WATCHES_MAX];
	size_t n_writes;
	bool dirty, told, names_others; /* told: no object has changed; names_others: the further prefixes
					   matter to some object */
} follower;

struct api_conditions {
	api_server *server;
	follower followers[2];
	sp_list writes;
	sp_defer work;
};

typedef struct own_write {
	sp_list node;
	follower *follower; /* NULL: it is gone */
	sp_arena arena;
	sp_store_txn txn;
	sp_store_op op;
} own_write;

/* One look at all objects of a kind. */
struct scan {
	follower *f;
	sp_arena arena; /* of one object */
	yyjson_mut_doc *doc;
	sp_kind_ctx ctx;
};

/* ---- what is judged ---- */

/* A stored object in the scan's document; NULL: there is none. */
static yyjson_mut_val *load(scan *s, const char *prefix, sp_str ns, sp_str name)
{
	sp_store_value value;
	sp_record rec;
	yyjson_mut_val *tree = NULL;
	sp_str rest = SP_CONCAT(&s->arena, ns, ns.len > 0 ? SP_STR("/") : SP_STR(""), name);
	if (name.len == 0 || rest.ptr == NULL ||
	    sp_store_get(s->f->owner->server->store, (sp_store_key){sp_str_c(prefix), rest}, 0, &value,
			 NULL) != SP_OK)
		return NULL;
	if (sp_record_decode(sp_bytes_view(value.record), &rec, NULL) == SP_OK)
		tree = api_object_tree(&s->arena, &rec, value.revision, s->doc, &tree, NULL) == SP_OK ? tree
												      : NULL;
	sp_bytes_unref(value.record);
	return tree;
}

static verdict judge_flow_schema(scan *s, yyjson_mut_val *obj)
{
	sp_str name = sp_kv_str(sp_kv_path(obj, "spec", "priorityLevelConfiguration", NULL), "name");
	bool found = load(s, "/registry/prioritylevelconfigurations/", SP_STR(""), name) != NULL;
	s->f->names_others = true;
	return (verdict){
		found ? "False" : "True", found ? "Found" : "NotFound",
		sp_arena_printf(&s->arena,
				"This FlowSchema references the PriorityLevelConfiguration object named "
				"\"" SP_FMT "\" %s",
				SP_ARG(name), found ? "and it exists" : "but there is no such object")};
}

/* The port of a service with that number. */
static yyjson_mut_val *port_of(yyjson_mut_val *service, int64_t number)
{
	SP_KV_EACH (port, i, sp_kv_list(sp_kv_get(service, "spec"), "ports")) {
		if (sp_kv_i64(port, "port", 0) == number)
			return port;
	}
	return NULL;
}

typedef struct slices {
	scan *s;
	sp_str service, port;
	size_t n;
	bool has_address;
} slices;

static bool lists_port(yyjson_mut_val *slice, sp_str name)
{
	SP_KV_EACH (port, i, sp_kv_list(slice, "ports")) {
		if (sp_str_eq(sp_kv_str(port, "name"), name))
			return true;
	}
	return false;
}

static bool has_ready(yyjson_mut_val *slice)
{
	SP_KV_EACH (endpoint, i, sp_kv_list(slice, "endpoints")) {
		yyjson_mut_val *ready = sp_kv_get(sp_kv_get(endpoint, "conditions"), "ready");
		if (sp_kv_list(endpoint, "addresses") != NULL && !yyjson_mut_is_false(ready))
			return true;
	}
	return false;
}

static sp_store_visit visit_slice(void *arg, const sp_store_entry *e)
{
	slices *l = arg;
	sp_record rec;
	yyjson_mut_val *slice = NULL;
	if (sp_record_decode(e->record, &rec, NULL) != SP_OK ||
	    api_object_tree(&l->s->arena, &rec, e->revision, l->s->doc, &slice, NULL) != SP_OK)
		return SP_STORE_SKIP;
	if (!sp_str_eq(sp_kv_str(sp_kv_get(sp_meta(slice), "labels"), "kubernetes.io/service-name"),
		       l->service))
		return SP_STORE_SKIP;
	l->n++;
	l->has_address = l->has_address || (lists_port(slice, l->port) && has_ready(slice));
	return SP_STORE_TAKE;
}

static void look_at_slices(slices *l, sp_str ns)
{
	sp_store_chunk chunk = {.more = true}, next;
	sp_store_query q = {.resource = SP_STR("/registry/endpointslices/"),
			    .prefix = sp_arena_printf(&l->s->arena, SP_FMT "/", SP_ARG(ns))};
	while (chunk.more) {
		q.from = (sp_str){chunk.next, chunk.next_len};
		if (sp_store_range(l->s->f->owner->server->store, &q, visit_slice, l, &next, NULL) != SP_OK)
			return;
		chunk = next;
		q.revision = chunk.revision;
	}
}

/* Its endpoints are there; what does it say? Nothing yet: nothing is said either. */
static verdict judge_answer(scan *s, sp_str name)
{
	sp_str why;
	switch (api_aggregates_state(s->f->owner->server->aggregates, name, !s->f->told, &why)) {
	case API_AGGREGATE_PASSED:
		return (verdict){"True", "Passed", SP_STR("all checks passed")};
	case API_AGGREGATE_FAILED:
		return (verdict){"False", "FailedDiscoveryCheck", sp_arena_try_dup(&s->arena, why)};
	case API_AGGREGATE_UNKNOWN:
		break;
	}
	return (verdict){NULL, NULL, {NULL, 0}};
}

static verdict judge_service(scan *s, sp_str api_service, sp_str ns, sp_str name, int64_t number)
{
	sp_arena *a = &s->arena;
	yyjson_mut_val *service = load(s, "/registry/services/specs/", ns, name);
	yyjson_mut_val *port = port_of(service, number);
	slices l = {.s = s, .service = name, .port = sp_kv_str(port, "name")};
	if (service == NULL)
		return (verdict){"False", "ServiceNotFound",
				 sp_arena_printf(a, "service/" SP_FMT " in \"" SP_FMT "\" is not present",
						 SP_ARG(name), SP_ARG(ns))};
	if (sp_kv_is(sp_kv_get(service, "spec"), "type", "ClusterIP")) {
		if (port == NULL)
			return (verdict){"False", "ServicePortError",
					 sp_arena_printf(a,
							 "service/" SP_FMT " in \"" SP_FMT
							 "\" is not listening on port %lld",
							 SP_ARG(name), SP_ARG(ns), (long long)number)};
		look_at_slices(&l, ns);
		if (l.n == 0)
			return (verdict){"False", "EndpointsNotFound",
					 sp_arena_printf(a,
							 "cannot find endpointslices for service/" SP_FMT
							 " in \"" SP_FMT "\"",
							 SP_ARG(name), SP_ARG(ns))};
		if (!l.has_address)
			return (verdict){"False", "MissingEndpoints",
					 sp_arena_printf(a,
							 "endpointslices for service/" SP_FMT " in \"" SP_FMT
							 "\" have no addresses with port name \"" SP_FMT "\"",
							 SP_ARG(name), SP_ARG(ns), SP_ARG(l.port))};
	}
	return judge_answer(s, api_service);
}

static verdict judge_api_service(scan *s, yyjson_mut_val *obj)
{
	yyjson_mut_val *service = sp_kv_path(obj, "spec", "service", NULL);
	if (service == NULL)
		return (verdict){"True", "Local", SP_STR("Local APIServices are always available")};
	s->f->names_others = true;
	return judge_service(s, sp_meta_name(obj), sp_kv_str(service, "namespace"),
			     sp_kv_str(service, "name"), sp_kv_i64(service, "port", 443));
}

static const rule rules[] = {
	{.group = "flowcontrol.apiserver.k8s.io",
	 .version = "v1",
	 .plural = "flowschemas",
	 .type = "Dangling",
	 .manager = "api-priority-and-fairness-config-consumer-v1",
	 .applies = true,
	 .prefixes = {"/registry/flowschemas/", "/registry/prioritylevelconfigurations/"},
	 .judge = judge_flow_schema},
	{.group = "apiregistration.k8s.io",
	 .version = "v1",
	 .plural = "apiservices",
	 .type = "Available",
	 .manager = "kube-apiserver",
	 .prefixes = {"/registry/apiregistration.k8s.io/apiservices/", "/registry/services/specs/",
		      "/registry/endpointslices/"},
	 .judge = judge_api_service},
};

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
	own_write *w = t->arg;
	follower *f = w->follower;
	(void)code;
	(void)err;
	if (f != NULL && --f->n_writes == 0 && f->dirty)
		sp_defer_call(f->owner->server->world, &f->owner->work);
	own_write_free(w);
}

static yyjson_mut_val *condition_of(yyjson_mut_val *obj, const char *type)
{
	SP_KV_EACH (c, i, sp_kv_list(sp_kv_get(obj, "status"), "conditions")) {
		if (sp_kv_is(c, "type", type))
			return c;
	}
	return NULL;
}

/* What a manager applies that has nothing but its condition to say of the object. NULL: no room. */
static yyjson_mut_val *configuration_of(scan *s, const sp_apply_request *req, yyjson_mut_val *obj)
{
	yyjson_mut_val *patch = yyjson_mut_obj(s->doc), *status, *list, *cond, *meta;
	if (patch == NULL || !sp_kv_set_str(s->doc, patch, "apiVersion", req->api_version) ||
	    !sp_kv_set_str(s->doc, patch, "kind", req->kind) ||
	    (meta = sp_kv_need_obj(s->doc, patch, "metadata")) == NULL ||
	    !sp_kv_set_str(s->doc, meta, "name", sp_meta_name(obj)) ||
	    (status = sp_kv_need_obj(s->doc, patch, "status")) == NULL ||
	    (list = sp_kv_need_list(s->doc, status, "conditions")) == NULL ||
	    (cond = yyjson_mut_val_mut_copy(s->doc, condition_of(obj, s->f->rule->type))) == NULL ||
	    !yyjson_mut_arr_append(list, cond))
		return NULL;
	return patch;
}

static sp_code apply(scan *s, const sp_apply_request *req, yyjson_mut_val *old, yyjson_mut_val **obj)
{
	sp_patch_error perr = {0};
	yyjson_mut_val *patch = configuration_of(s, req, *obj);
	return patch == NULL ? SP_ENOMEM : sp_apply(req, old, patch, true, obj, &perr);
}

/* The status as the rule's manager leaves it. */
static sp_code record_of(scan *s, const api_resource *res, yyjson_mut_val *old, yyjson_mut_val *obj,
			 sp_bytes **ret)
{
	char now[SP_TIME_TEXT_BYTES];
	const sp_apply_request req = {.arena = &s->arena,
				      .doc = s->doc,
				      .schema = res->kind->schema,
				      .api_version = res->api_version,
				      .kind = res->kind->kind,
				      .manager = sp_str_c(s->f->rule->manager),
				      .subresource = SP_STR("status"),
				      .now = {now, sp_time_print(now, s->ctx.now, 0)}};
	SP_TRY(s->f->rule->applies ? apply(s, &req, old, &obj) : sp_apply_track(&req, old, obj));
	return api_object_record(&s->arena, res, s->doc, obj, s->f->owner->server->marker_str, ret, NULL);
}

static void submit(follower *f, sp_str rest, uint64_t revision, sp_bytes *record)
{
	own_write *w = sp_try_alloc(sizeof *w);
	if (w == NULL) {
		sp_bytes_unref(record);
		return;
	}
	*w = (own_write){.follower = f};
	sp_list_init(&w->node);
	sp_arena_init(&w->arena, WRITE_BYTES);
	w->op = (sp_store_op){.type = SP_STORE_PUT,
			      .key = {sp_str_c(f->rule->prefixes[0]), sp_arena_try_dup(&w->arena, rest)},
			      .expected = revision,
			      .record = record};
	w->txn = (sp_store_txn){.ops = &w->op, .n_ops = 1, .done = on_written, .arg = w};
	if (w->op.key.rest.ptr == NULL) {
		own_write_free(w);
		return;
	}
	f->n_writes++;
	sp_list_push_back(&f->owner->writes, &w->node);
	sp_store_write(f->owner->server->store, &w->txn);
}

/* ---- looking ---- */

/* False: it says so already. */
static bool set_condition(scan *s, yyjson_mut_val *obj, const verdict *v)
{
	char now[SP_TIME_TEXT_BYTES];
	sp_kind_ctx *c = &s->ctx;
	yyjson_mut_val *cond = condition_of(obj, s->f->rule->type);
	bool same = sp_kv_is(cond, "status", v->status);
	if (same && sp_kv_is(cond, "reason", v->reason) && sp_str_eq(sp_kv_str(cond, "message"), v->message))
		return false;
	if (cond == NULL) {
		yyjson_mut_val *status = sp_kv_need_obj(s->doc, obj, "status");
		yyjson_mut_val *list = status == NULL ? NULL : sp_kv_need_list(s->doc, status, "conditions");
		cond = list == NULL ? NULL : yyjson_mut_arr_add_obj(s->doc, list);
		SP_KIND_NEED(c, cond != NULL);
		if (cond == NULL)
			return true;
	}
	SP_KIND_NEED(c, sp_kv_set_str(s->doc, cond, "type", sp_str_c(s->f->rule->type)) &&
				sp_kv_set_str(s->doc, cond, "status", sp_str_c(v->status)) &&
				sp_kv_set_str(s->doc, cond, "reason", sp_str_c(v->reason)) &&
				sp_kv_set_str(s->doc, cond, "message", v->message));
	if (!same || !sp_kv_has(cond, "lastTransitionTime"))
		SP_KIND_NEED(c, sp_kv_set_str(s->doc, cond, "lastTransitionTime",
					      (sp_str){now, sp_time_print(now, c->now, 0)}));
	return true;
}

static void look_at(follower *f, sp_str rest, sp_str record, uint64_t revision)
{
	api_server *server = f->owner->server;
	int64_t wall = sp_wall_ns(server->world);
	scan s = {.f = f, .ctx = {.now = {wall / NS_PER_S, (uint32_t)(wall % NS_PER_S)}}};
	const api_resource *res = api_resource_find(&server->resources, sp_str_c(f->rule->group),
						    sp_str_c(f->rule->version), sp_str_c(f->rule->plural));
	sp_record rec;
	sp_bytes *made = NULL;
	yyjson_mut_val *obj = NULL, *old;
	sp_arena_init(&s.arena, SCAN_BYTES);
	s.doc = sp_json_doc(&s.arena);
	if (res != NULL && s.doc != NULL && sp_record_decode(record, &rec, NULL) == SP_OK &&
	    api_object_tree(&s.arena, &rec, revision, s.doc, &obj, NULL) == SP_OK &&
	    (old = yyjson_mut_val_mut_copy(s.doc, obj)) != NULL) {
		verdict v = f->rule->judge(&s, obj);
		if (v.message.ptr != NULL && set_condition(&s, obj, &v) && s.ctx.code == SP_OK &&
		    record_of(&s, res, old, obj, &made) == SP_OK)
			submit(f, rest, revision, made);
	}
	sp_arena_done(&s.arena);
}

/* The store is not asked from within a range, so the chunk's entries are taken first. */
typedef struct entry {
	struct entry *next;
	sp_str rest, record;
	uint64_t revision;
} entry;

typedef struct gathering {
	sp_arena arena;
	entry *first, **last;
} gathering;

static sp_store_visit gather(void *arg, const sp_store_entry *e)
{
	gathering *g = arg;
	entry *n = sp_try_new(&g->arena, entry, 1);
	if (n == NULL)
		return SP_STORE_STOP;
	*n = (entry){.rest = sp_arena_try_dup(&g->arena, e->rest),
		     .record = sp_arena_try_dup(&g->arena, e->record),
		     .revision = e->revision};
	if (n->rest.ptr == NULL || n->record.ptr == NULL)
		return SP_STORE_STOP;
	*g->last = n;
	g->last = &n->next;
	return SP_STORE_TAKE;
}

static void look_at_all(follower *f)
{
	gathering g = {.first = NULL};
	sp_store_chunk chunk;
	sp_store_query q = {.resource = sp_str_c(f->rule->prefixes[0])};
	sp_arena_init(&g.arena, SCAN_BYTES);
	do {
		sp_arena_reset(&g.arena);
		g.first = NULL;
		g.last = &g.first;
		if (sp_store_range(f->owner->server->store, &q, gather, &g, &chunk, NULL) != SP_OK)
			break;
		for (entry *e = g.first; e != NULL; e = e->next)
			look_at(f, e->rest, e->record, e->revision);
		q.from = (sp_str){chunk.next, chunk.next_len};
	} while (chunk.more && chunk.n_taken > 0);
	sp_arena_done(&g.arena);
}

/* ---- following ---- */

static void on_ready(void *arg)
{
	follower *f = arg;
	f->dirty = true;
	f->told = false;
	sp_defer_call(f->owner->server->world, &f->owner->work);
}

/* Takes what waits; a watch that ended is opened anew. */
static void follow(follower *f)
{
	size_t n = f->names_others ? WATCHES_MAX : 1;
	for (size_t i = 0; i < n && f->rule->prefixes[i] != NULL; i++) {
		sp_store_watch **w = &f->watches[i];
		sp_store_event *e;
		while (*w != NULL && (e = sp_store_watch_next(*w)) != NULL)
			sp_store_event_unref(e);
		if (*w != NULL && sp_store_watch_state(*w, NULL) == SP_OK)
			continue;
		const sp_store_watch_opts opts = {
			.resource = sp_str_c(f->rule->prefixes[i]), .on_ready = on_ready, .arg = f};
		sp_store_watch_close(*w);
		*w = NULL;
		if (sp_store_watch_open(f->owner->server->store, &opts, w, NULL) != SP_OK)
			*w = NULL; /* again at the next occasion */
	}
}

static void on_work(sp_defer *d)
{
	api_conditions *c = d->arg;
	for (size_t i = 0; i < SP_LEN(c->followers); i++) {
		follower *f = &c->followers[i];
		if (!f->dirty || f->n_writes > 0)
			continue;
		bool named = f->names_others;
		follow(f);
		f->dirty = false;
		look_at_all(f);
		f->told = false;
		if (!named && f->names_others)
			on_ready(f); /* nothing was missed meanwhile, but the further watches are to be opened
				      */
	}
}

api_conditions *api_conditions_new(api_server *s)
{
	api_conditions *c = SP_NEW(api_conditions);
	c->server = s;
	_Static_assert(SP_LEN(rules) == SP_LEN(c->followers), "one follower a rule");
	sp_list_init(&c->writes);
	sp_defer_init(&c->work, on_work, c);
	for (size_t i = 0; i < SP_LEN(rules); i++) {
		c->followers[i] = (follower){.owner = c, .rule = &rules[i], .dirty = true};
	}
	sp_defer_call(s->world, &c->work);
	return c;
}

void api_conditions_look(api_conditions *c)
{
	for (size_t i = 0; i < SP_LEN(c->followers); i++) {
		c->followers[i].told = c->followers[i].told || !c->followers[i].dirty;
		c->followers[i].dirty = true;
	}
	sp_defer_call(c->server->world, &c->work);
}

void api_conditions_free(api_conditions *c)
{
	if (c == NULL)
		return;
	sp_defer_cancel(&c->work);
	SP_LIST_FOREACH (node, &c->writes) {
		SP_CONTAINER_OF(node, own_write, node)->follower = NULL;
		sp_list_remove(node);
	}
	for (size_t i = 0; i < SP_LEN(c->followers); i++)
		for (size_t k = 0; k < WATCHES_MAX; k++)
			sp_store_watch_close(c->followers[i].watches[k]);
	sp_free(c);
}
