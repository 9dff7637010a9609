/* SPDX-License-Identifier: Apache-2.0 */
#include "client/discover.h"

#include "base/alloc.h"
#include "base/json.h"
#include "client/client_int.h"
#include "kube/schema.h"

#define BYTES_MAX ((size_t)64 << 20)
#define ANSWER_BYTES_MAX ((size_t)16 << 20)
#define ACCEPT "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"

/* A group and version that has to be asked by itself. */
typedef struct todo {
	struct todo *next;
	sp_str group, version;
	bool preferred;
} todo;

typedef struct resource {
	struct resource *next;
	sp_api_resource r;
} resource;

typedef struct sp_discover_run {
	sp_client *client;
	sp_arena arena;
	bool core_done;
	todo *todos, **todos_end;
	resource *first, **end;
	sp_discovery found;
	bool no_room;
} sp_discover_run;

static void step(sp_discover *d);

/* ---- the end ---- */

static void run_free(sp_discover *d)
{
	sp_arena_done(&d->run->arena);
	sp_free(d->run);
	d->run = NULL;
}

static void finish(sp_discover *d, const sp_err *err)
{
	sp_discover_run *run = d->run;
	sp_err own = {0};
	sp_api_resource *items = NULL;
	if (err == NULL && run->found.n > 0)
		items = sp_try_new(&run->arena, sp_api_resource, run->found.n);
	if (err == NULL && (run->no_room || (items == NULL && run->found.n > 0))) {
		(void)sp_fail(&own, SP_ETOOLARGE, "no room for what the server serves");
		err = &own;
	}
	size_t n = 0;
	for (const resource *r = run->first; r != NULL && items != NULL; r = r->next)
		items[n++] = r->r;
	run->found.items = items;
	const sp_discovery found = run->found;
	d->run = NULL; /* done may begin again */
	d->done(d, err == NULL ? &found : NULL, err);
	sp_arena_done(&run->arena);
	sp_free(run);
}

/* ---- what was found ---- */

static sp_str keep(sp_discover_run *run, sp_str s)
{
	if (s.len == 0)
		return s;
	s = sp_arena_try_dup(&run->arena, s);
	run->no_room = run->no_room || s.ptr == NULL;
	return s;
}

static uint32_t verbs_of(yyjson_val *list)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} names[] = {
		{"create", SP_VERB_CREATE}, {"delete", SP_VERB_DELETE},
		{"get", SP_VERB_GET},       {"list", SP_VERB_LIST},
		{"patch", SP_VERB_PATCH},   {"update", SP_VERB_UPDATE},
		{"watch", SP_VERB_WATCH},   {"deletecollection", SP_VERB_DELETECOLLECTION},
	};
	uint32_t bits = 0;
	yyjson_val *v;
	size_t i, n;
	yyjson_arr_foreach(list, i, n, v)
	{
		for (size_t k = 0; k < SP_LEN(names); k++) {
			if (sp_str_eq(sp_json_str(v), sp_str_c(names[k].name)))
				bits |= names[k].bit;
		}
	}
	return bits;
}

static void add(sp_discover_run *run, sp_gvr gvr, sp_str kind, bool namespaced, bool preferred,
		uint32_t verbs)
{
	resource *r = sp_try_new(&run->arena, resource, 1);
	if (r == NULL) {
		run->no_room = true;
		return;
	}
	r->r = (sp_api_resource){
		.gvr = {keep(run, gvr.group), keep(run, gvr.version), keep(run, gvr.resource)},
		.kind = keep(run, kind),
		.namespaced = namespaced,
		.preferred = preferred,
		.verbs = verbs};
	*run->end = r;
	run->end = &r->next;
	run->found.n++;
}

static void note_failed(sp_discover_run *run, sp_str group, sp_str version)
{
	if (!run->found.partial)
		run->found.failed = group.len == 0 ? keep(run, version)
						   : SP_CONCAT(&run->arena, group, SP_STR("/"), version);
	run->found.partial = true;
}

static sp_str text(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(v, sp_str_c(name)));
}

/* ---- aggregated ---- */

static void read_version(sp_discover_run *run, sp_str group, yyjson_val *version, bool preferred)
{
	sp_str name = text(version, "version");
	yyjson_val *r;
	size_t i, n;
	if (sp_str_eq(text(version, "freshness"), SP_STR("Stale")))
		note_failed(run, group, name);
	yyjson_arr_foreach(sp_json_last(version, SP_STR("resources")), i, n, r)
	{
		yyjson_val *kind = sp_json_last(r, SP_STR("responseKind"));
		add(run, (sp_gvr){group, name, text(r, "resource")}, text(kind, "kind"),
		    sp_str_eq(text(r, "scope"), SP_STR("Namespaced")), preferred,
		    verbs_of(sp_json_last(r, SP_STR("verbs"))));
	}
}

static void read_aggregated(sp_discover_run *run, yyjson_val *root)
{
	yyjson_val *group, *version;
	size_t i, n, k, m;
	yyjson_arr_foreach(sp_json_last(root, SP_STR("items")), i, n, group)
	{
		sp_str name = text(sp_json_last(group, SP_STR("metadata")), "name");
		yyjson_arr_foreach(sp_json_last(group, SP_STR("versions")), k, m, version)
			read_version(run, name, version, k == 0);
	}
}

/* ---- group by group ---- */

static void add_todo(sp_discover_run *run, sp_str group, sp_str version, bool preferred)
{
	todo *t = sp_try_new(&run->arena, todo, 1);
	if (t == NULL) {
		run->no_room = true;
		return;
	}
	*t = (todo){.group = keep(run, group), .version = keep(run, version), .preferred = preferred};
	*run->todos_end = t;
	run->todos_end = &t->next;
}

static void read_roots(sp_discover_run *run, yyjson_val *root)
{
	yyjson_val *group, *version;
	size_t i, n, k, m;
	yyjson_arr_foreach(sp_json_last(root, SP_STR("versions")), i, n, version) /* of /api */
		add_todo(run, SP_STR(""), sp_json_str(version), i == 0);
	yyjson_arr_foreach(sp_json_last(root, SP_STR("groups")), i, n, group)
	{
		sp_str preferred = text(sp_json_last(group, SP_STR("preferredVersion")), "version");
		yyjson_arr_foreach(sp_json_last(group, SP_STR("versions")), k, m, version)
			add_todo(run, text(group, "name"), text(version, "version"),
				 sp_str_eq(text(version, "version"), preferred));
	}
}

static void read_resources(sp_discover_run *run, yyjson_val *root, const todo *t)
{
	yyjson_val *r;
	size_t i, n;
	yyjson_arr_foreach(sp_json_last(root, SP_STR("resources")), i, n, r)
	{
		sp_str name = text(r, "name");
		if (sp_str_index(name, '/') < 0)
			add(run, (sp_gvr){t->group, t->version, name}, text(r, "kind"),
			    yyjson_is_true(sp_json_last(r, SP_STR("namespaced"))), t->preferred,
			    verbs_of(sp_json_last(r, SP_STR("verbs"))));
	}
}

static void on_resources(sp_call *c, const sp_answer *a)
{
	sp_discover *d = c->arg;
	sp_discover_run *run = d->run;
	const todo *t = run->todos;
	yyjson_val *root;
	if (a->code == SP_OK && sp_json_parse(&run->arena, a->body, &root, NULL) == SP_OK)
		read_resources(run, root, t);
	else
		note_failed(run, t->group, t->version);
	run->todos = t->next;
	step(d);
}

/* ---- steps ---- */

static void ask(sp_discover *d, sp_str path, void (*done)(sp_call *c, const sp_answer *a))
{
	d->call = (sp_call){.done = done, .arg = d};
	sp_call_start(d->run->client, &d->call,
		      &(sp_ask){.verb = SP_ASK_GET,
				.path = path,
				.accept = SP_STR(ACCEPT),
				.answer_bytes = ANSWER_BYTES_MAX});
}

static void on_root(sp_call *c, const sp_answer *a)
{
	sp_discover *d = c->arg;
	sp_discover_run *run = d->run;
	yyjson_val *root;
	sp_err err = {0};
	if (a->code != SP_OK) {
		finish(d, a->err);
		return;
	}
	if (sp_json_parse(&run->arena, a->body, &root, &err) != SP_OK) {
		finish(d, &err);
		return;
	}
	if (sp_str_eq(text(root, "kind"), SP_STR("APIGroupDiscoveryList")))
		read_aggregated(run, root);
	else
		read_roots(run, root);
	if (!run->core_done) {
		run->core_done = true;
		ask(d, SP_STR("/apis"), on_root);
		return;
	}
	step(d);
}

static void step(sp_discover *d)
{
	sp_discover_run *run = d->run;
	const todo *t = run->todos;
	SP_AUTO_BUF path;
	sp_buf_init(&path, 2048);
	if (t == NULL || run->no_room) {
		finish(d, NULL);
		return;
	}
	(void)client_path(&path, &(sp_gvr){t->group, t->version, SP_STR("")}, SP_STR(""), SP_STR(""),
			  SP_STR(""));
	ask(d, sp_buf_view(&path), on_resources);
}

void sp_discover_start(sp_client *c, sp_discover *d)
{
	SP_ASSERT(d->run == NULL);
	d->run = SP_NEW(sp_discover_run);
	d->run->client = c;
	d->run->todos_end = &d->run->todos;
	d->run->end = &d->run->first;
	sp_arena_init(&d->run->arena, BYTES_MAX);
	ask(d, SP_STR("/api"), on_root);
}

void sp_discover_cancel(sp_discover *d)
{
	if (d->run == NULL)
		return;
	sp_call_cancel(&d->call);
	run_free(d);
}
