/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EndpointSlices of services with selectors: at most 100 endpoints each, of one address family and one set of
 * ports. An endpoint stays in the slice it is in; new ones fill slices that are written anyway, then the
 * fullest that has room for all, then new slices. U: k8s.io/endpointslice/reconciler.go.
 */
#include "base/log.h"
#include "base/num.h"
#include "client/expect.h"
#include "controllers/fan.h"
#include "controllers/service_pods.h"
#include "controllers/slice_topology.h"
#include "controllers/table.h"
#include "controllers/trigger_times.h"

#define PER_SLICE 100u
#define BODY_BYTES_MAX ((size_t)4 << 20)
#define HEADLESS "service.kubernetes.io/headless"
#define ZONE "topology.kubernetes.io/zone"

static const char ours[] = "endpointslice-controller.k8s.io";

typedef struct slice_view {
	sp_str family, deleted;
	sp_vmap labels, annotations;
	sp_vlist ports, endpoints;
} slice_view;
SP_VIEW(slice_view_desc, slice_view, "discovery.k8s.io/v1/EndpointSlice",
	SP_V(slice_view, family, "addressType"), SP_V(slice_view, deleted, "metadata.deletionTimestamp"),
	SP_V(slice_view, labels, "metadata.labels"), SP_V(slice_view, annotations, "metadata.annotations"),
	SP_V(slice_view, ports, "ports"), SP_V(slice_view, endpoints, "endpoints"));

typedef struct node_view {
	sp_vmap labels;
} node_view;
SP_VIEW(node_view_desc, node_view, "v1/Node", SP_V(node_view, labels, "metadata.labels"));

typedef struct slices {
	svc_controller s;
	sp_informer *slices, *nodes;
	unsigned by_service;
	sp_informer_watch slice_watch;
	sp_expect expect;
	trigger_times times;
	slice_topology topology;
} slices;

/* An endpoint that should be. */
typedef struct endpoint {
	const svc_pod *pod;
	sp_str ip, json; /* as it is written */
	bool v6, placed;
	size_t group;
	/* of services whose hints are made of zones: */
	topology_endpoint topology;
	sp_str had;  /* the zone it is for, as its slice says */
	bool is_odd; /* its slice says something else about whom it is for */
} endpoint;

/* A slice that is, or will be. */
typedef struct slice {
	const sp_object *object; /* NULL: new */
	slice_view view;
	size_t group; /* SIZE_MAX: none of ours */
	endpoint **endpoints;
	size_t n;
	bool changed, drop;
} slice;

/* Endpoints of one family and set of ports. */
typedef struct group {
	bool v6;
	svc_ports ports;
} group;

typedef struct run {
	slices *c;
	sp_job *job;
	const sp_object *service;
	svc_view view;
	sp_str changed_at; /* what is written carries this on; empty: nothing with a time */
	svc_pod *pods;
	size_t n_pods;
	endpoint *endpoints;
	size_t n_endpoints;
	group *groups;
	size_t n_groups, cap_groups;
	slice *slices;
	size_t n_slices, cap_slices;
	slice **writes;
	bool is_auto; /* hints are made of zones, when everything has its place */
	fan fan;
} run;

/* ---- events ---- */

static void on_slice(void *arg, const sp_object *old, const sp_object *now)
{
	slices *c = arg;
	const sp_object *o = now != NULL ? now : old;
	slice_view v;
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	if (sp_view(&a, o->json, &slice_view_desc, &v, NULL) == SP_OK &&
	    sp_str_eq(sp_vmap_str(v.labels, SP_STR(SVC_SLICE_MANAGED_BY)), sp_str_c(ours))) {
		sp_str key = sp_object_key_join(&a, o->ns, sp_vmap_str(v.labels, SP_STR(SVC_SLICE_SERVICE)));
		if (old == NULL)
			sp_expect_created(&c->expect, key);
		sp_queue_add(c->s.base.queue, key);
	}
	sp_arena_done(&a);
}

/* ---- what should be ---- */

static sp_str zone_of(run *x, sp_str node)
{
	node_view v;
	const sp_object *o = sp_informer_get(x->c->nodes, node);
	if (o == NULL || sp_view(x->job->arena, o->json, &node_view_desc, &v, NULL) != SP_OK)
		return SP_STR("");
	return sp_vmap_str(v.labels, SP_STR(ZONE));
}

static bool is_one_of(sp_str s, const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(s, sp_str_c(texts[i])))
			return true;
	}
	return false;
}

static void write_hint(sp_jout *j, const char *list, sp_str name)
{
	sp_jout_member_open(j, sp_str_c(list), '[');
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("name"), name);
	sp_jout_close(j, '}');
	sp_jout_close(j, ']');
}

/* Whom an endpoint that is ready is for: its own zone or node, when the service wants it close. */
static void write_hints(const run *x, sp_jout *j, sp_str zone, sp_str node)
{
	static const char *const close[] = {"PreferClose", "PreferSameZone", "PreferSameNode"};
	bool by_node = node.len > 0 && sp_str_eq(x->view.traffic, SP_STR("PreferSameNode"));
	if (!is_one_of(x->view.traffic, close, SP_LEN(close)) || (zone.len == 0 && !by_node))
		return;
	sp_jout_member_open(j, SP_STR("hints"), '{');
	if (zone.len > 0)
		write_hint(j, "forZones", zone);
	if (by_node)
		write_hint(j, "forNodes", node);
	sp_jout_close(j, '}');
}

static bool is_ready(const run *x, const svc_pod *p)
{
	return x->view.publish_not_ready || (p->is_ready && p->deleted.len == 0);
}

static void write_endpoint(run *x, sp_jout *j, const svc_pod *p, sp_str ip)
{
	bool going = p->deleted.len > 0, ready = is_ready(x, p);
	sp_jout_open(j, '{');
	sp_jout_member_strs(j, SP_STR("addresses"), &ip, 1);
	sp_jout_member_open(j, SP_STR("conditions"), '{');
	sp_jout_member_bool(j, SP_STR("ready"), ready);
	sp_jout_member_bool(j, SP_STR("serving"), x->view.publish_not_ready || p->is_ready);
	sp_jout_member_bool(j, SP_STR("terminating"), going);
	sp_jout_close(j, '}');
	if (p->hostname.len > 0 && sp_str_eq(p->subdomain, x->service->name))
		sp_jout_member_str(j, SP_STR("hostname"), p->hostname);
	sp_jout_member_open(j, SP_STR("targetRef"), '{');
	sp_jout_member_str(j, SP_STR("kind"), SP_STR("Pod"));
	sp_jout_member_str(j, SP_STR("namespace"), p->object->ns);
	sp_jout_member_str(j, SP_STR("name"), p->object->name);
	sp_jout_member_str(j, SP_STR("uid"), p->object->uid);
	sp_jout_close(j, '}');
	sp_str zone = zone_of(x, p->node);
	if (p->node.len > 0)
		sp_jout_member_str(j, SP_STR("nodeName"), p->node);
	if (zone.len > 0)
		sp_jout_member_str(j, SP_STR("zone"), zone);
	if (ready && !x->is_auto)
		write_hints(x, j, zone, p->node);
	sp_jout_close(j, '}');
}

static size_t group_of(run *x, bool v6, const svc_ports *ports)
{
	for (size_t i = 0; i < x->n_groups; i++) {
		if (x->groups[i].v6 == v6 && svc_ports_equal(&x->groups[i].ports, ports))
			return i;
	}
	if (x->n_groups == x->cap_groups)
		return SIZE_MAX;
	x->groups[x->n_groups] = (group){v6, *ports};
	return x->n_groups++;
}

static sp_code add_endpoint(run *x, const svc_pod *p, bool v6, sp_err *err)
{
	sp_str ip = svc_ip_of(p, v6);
	svc_ports ports;
	if (ip.len == 0)
		return SP_OK;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 8192);
	sp_jout j = sp_jout_to(&out);
	write_endpoint(x, &j, p, ip);
	svc_ports_of(&x->view, p, &ports);
	size_t g = group_of(x, v6, &ports);
	if (g == SIZE_MAX)
		return sp_fail(err, SP_ETOOLARGE, "pods of one service serve too many sets of ports");
	endpoint *e = &x->endpoints[x->n_endpoints++];
	*e = (endpoint){.pod = p,
			.ip = ip,
			.json = sp_arena_try_dup(x->job->arena, sp_buf_view(&out)),
			.v6 = v6,
			.group = g,
			.topology = {.is_ready = is_ready(x, p), .zone = zone_of(x, p->node)}};
	return e->json.ptr != NULL ? SP_OK : sp_fail(err, SP_ETOOLARGE, "no room for endpoints");
}

static bool has_family(const svc_view *v, const char *family)
{
	SP_VLIST_FOREACH(f, v->families)
	{
		if (sp_str_eq(sp_json_str(f), sp_str_c(family)))
			return true;
	}
	return v->families.n == 0 && family[3] == '4';
}

static sp_code want(run *x, sp_err *err)
{
	const bool families[] = {has_family(&x->view, "IPv4"), has_family(&x->view, "IPv6")};
	x->cap_groups = 32;
	x->groups = sp_try_new(x->job->arena, group, x->cap_groups);
	x->endpoints = sp_try_new(x->job->arena, endpoint, 2 * x->n_pods + 1);
	if (x->groups == NULL || x->endpoints == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for endpoints");
	for (unsigned f = 0; f < 2; f++) {
		for (size_t i = 0; families[f] && i < x->n_pods; i++)
			SP_TRY(add_endpoint(x, &x->pods[i], f == 1, err));
	}
	return SP_OK;
}

/* ---- what is ---- */

static sp_code make_slice(run *x, slice **ret, sp_err *err)
{
	if (x->n_slices == x->cap_slices)
		return sp_fail(err, SP_ETOOLARGE, "too many slices");
	slice *s = &x->slices[x->n_slices++];
	*s = (slice){.endpoints = sp_try_new(x->job->arena, endpoint *, PER_SLICE)};
	*ret = s;
	return s->endpoints != NULL ? SP_OK : sp_fail(err, SP_ETOOLARGE, "no room for a slice");
}

static sp_code read_slice(run *x, const sp_object *o, sp_err *err)
{
	slice *s = NULL;
	svc_ports ports;
	SP_TRY(make_slice(x, &s, err));
	SP_ASSERT(s != NULL);
	s->object = ctl_hold(x->job->arena, o);
	if (s->object == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a slice");
	SP_TRY(sp_view(x->job->arena, o->json, &slice_view_desc, &s->view, err));
	if (s->view.deleted.len > 0) { /* going already */
		x->n_slices--;
		return SP_OK;
	}
	svc_ports_read(s->view.ports, &ports);
	bool v6 = sp_str_eq(s->view.family, SP_STR("IPv6"));
	s->group = SIZE_MAX;
	for (size_t i = 0; i < x->n_groups; i++) {
		if (x->groups[i].v6 == v6 && svc_ports_equal(&x->groups[i].ports, &ports))
			s->group = i;
	}
	return SP_OK;
}

static sp_code read_slices(run *x, sp_err *err)
{
	const sp_object *o;
	size_t n = sp_informer_find_count(x->c->slices, x->c->by_service, x->service->key);
	x->cap_slices = n + x->n_endpoints / PER_SLICE + 2 * x->cap_groups + 2;
	x->slices = sp_try_new(x->job->arena, slice, x->cap_slices);
	x->writes = sp_try_new(x->job->arena, slice *, x->cap_slices);
	if (x->slices == NULL || x->writes == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for slices");
	sp_index_at at = sp_informer_find(x->c->slices, x->c->by_service, x->service->key);
	while ((o = sp_index_next(&at)) != NULL)
		SP_TRY(read_slice(x, o, err));
	return SP_OK;
}

/* ---- putting the two together ---- */

static endpoint *find_wanted(run *x, const slice *s, yyjson_val *v)
{
	sp_str uid = sp_json_str(sp_json_last(sp_json_last(v, SP_STR("targetRef")), SP_STR("uid")));
	sp_str ip = sp_json_str(yyjson_arr_get_first(sp_json_last(v, SP_STR("addresses"))));
	for (size_t i = 0; i < x->n_endpoints; i++) {
		endpoint *e = &x->endpoints[i];
		if (!e->placed && e->group == s->group && sp_str_eq(e->ip, ip) &&
		    sp_str_eq(e->pod->object->uid, uid))
			return e;
	}
	return NULL;
}

static bool equals_but_hints(yyjson_val *mine, yyjson_val *v)
{
	size_t i, n, same = 0;
	yyjson_val *key, *value;
	yyjson_obj_foreach(v, i, n, key, value)
	{
		sp_str name = sp_json_str(key);
		if (sp_str_eq(name, SP_STR("hints")))
			continue;
		if (!yyjson_equals(sp_json_last(mine, name), value))
			return false;
		same++;
	}
	return same == yyjson_obj_size(mine);
}

static bool is_as_written(const run *x, const endpoint *e, yyjson_val *v)
{
	yyjson_val *mine;
	return sp_json_parse(x->job->arena, e->json, &mine, NULL) == SP_OK &&
	       (x->is_auto ? equals_but_hints(mine, v) : yyjson_equals(mine, v));
}

static void read_hint(endpoint *e, yyjson_val *v)
{
	yyjson_val *hints = sp_json_last(v, SP_STR("hints"));
	yyjson_val *zones = sp_json_last(hints, SP_STR("forZones"));
	if (hints == NULL)
		return;
	if (yyjson_obj_size(hints) == 1 && yyjson_arr_size(zones) == 1)
		e->had = sp_json_str(sp_json_last(yyjson_arr_get_first(zones), SP_STR("name")));
	e->is_odd = e->had.len == 0;
	e->topology.hint = e->had;
}

/* Those of the slice that are wanted stay where they are. */
static void keep(run *x, slice *s)
{
	SP_VLIST_FOREACH(v, s->view.endpoints)
	{
		endpoint *e = s->group == SIZE_MAX || s->n == PER_SLICE ? NULL : find_wanted(x, s, v);
		if (e == NULL) {
			s->changed = true;
			continue;
		}
		e->placed = true;
		s->endpoints[s->n++] = e;
		read_hint(e, v);
		if (!is_as_written(x, e, v))
			s->changed = true;
	}
}

static size_t count_unplaced(const run *x, size_t g)
{
	size_t n = 0;
	for (size_t i = 0; i < x->n_endpoints; i++)
		n += !x->endpoints[i].placed && x->endpoints[i].group == g;
	return n;
}

static void fill(run *x, slice *s)
{
	for (size_t i = 0; i < x->n_endpoints && s->n < PER_SLICE; i++) {
		endpoint *e = &x->endpoints[i];
		if (e->placed || e->group != s->group)
			continue;
		e->placed = s->changed = true;
		s->endpoints[s->n++] = e;
	}
}

/* The fullest that has room for all of them: one write. */
static slice *fullest_with_room(run *x, size_t g, size_t n)
{
	slice *best = NULL;
	for (size_t i = 0; i < x->n_slices; i++) {
		slice *s = &x->slices[i];
		if (s->group == g && s->n + n <= PER_SLICE && (best == NULL || s->n > best->n))
			best = s;
	}
	return best;
}

static sp_code place_group(run *x, size_t g, sp_err *err)
{
	for (size_t i = 0; i < x->n_slices; i++) {
		if (x->slices[i].group == g && x->slices[i].changed)
			fill(x, &x->slices[i]);
	}
	size_t n = count_unplaced(x, g);
	slice *s = n == 0 ? NULL : fullest_with_room(x, g, n);
	if (s != NULL)
		fill(x, s);
	while (count_unplaced(x, g) > 0) {
		SP_TRY(make_slice(x, &s, err));
		s->group = g;
		fill(x, s);
	}
	return SP_OK;
}

/* Empty slices go, but for one of each family, which says that there is nothing. */
static sp_code drop_empty(run *x, bool v6, sp_err *err)
{
	static const svc_ports no_ports;
	slice *empty = NULL;
	bool any = false;
	for (size_t i = 0; i < x->n_slices; i++) {
		slice *s = &x->slices[i];
		bool six = s->object != NULL ? sp_str_eq(s->view.family, SP_STR("IPv6"))
					     : x->groups[s->group].v6;
		if (six != v6)
			continue;
		any = any || s->n > 0;
		if (s->n > 0)
			continue;
		s->drop = true;
		empty = s;
	}
	if (any)
		return SP_OK;
	size_t g = group_of(x, v6, &no_ports);
	if (g == SIZE_MAX)
		return sp_fail(err, SP_ETOOLARGE, "too many sets of ports");
	if (empty == NULL) {
		SP_TRY(make_slice(x, &empty, err));
		SP_ASSERT(empty != NULL);
		empty->changed = true;
	}
	if (empty->object != NULL && (empty->view.ports.n > 0 || empty->view.endpoints.n > 0))
		empty->changed = true;
	empty->drop = false;
	empty->group = g;
	return SP_OK;
}

static bool is_reserved(sp_str label)
{
	return sp_str_eq(label, SP_STR(HEADLESS)) || sp_str_eq(label, SP_STR(SVC_SLICE_MANAGED_BY)) ||
	       sp_str_eq(label, SP_STR(SVC_SLICE_SERVICE));
}

static bool labels_are_right(const run *x, const slice *s)
{
	bool headless = sp_vmap_str(s->view.labels, SP_STR(HEADLESS)).ptr != NULL;
	size_t n = 2u + headless;
	yyjson_obj_iter it = yyjson_obj_iter_with(x->view.labels.object);
	yyjson_val *k;
	while ((k = yyjson_obj_iter_next(&it)) != NULL) {
		sp_str v = sp_vmap_str(s->view.labels, sp_json_str(k));
		if (is_reserved(sp_json_str(k)))
			continue;
		if (v.ptr == NULL || !sp_str_eq(v, sp_json_str(yyjson_obj_iter_get_val(k))))
			return false;
		n++;
	}
	return headless == svc_is_headless(&x->view) && n == sp_vmap_count(s->view.labels);
}

static sp_code place(run *x, sp_err *err)
{
	for (size_t i = 0; i < x->n_slices; i++) {
		keep(x, &x->slices[i]);
		if (!labels_are_right(x, &x->slices[i]))
			x->slices[i].changed = true;
	}
	for (size_t g = 0; g < x->n_groups; g++)
		SP_TRY(place_group(x, g, err));
	for (unsigned f = 0; f < 2; f++) {
		if (has_family(&x->view, f == 1 ? "IPv6" : "IPv4"))
			SP_TRY(drop_empty(x, f == 1, err));
	}
	return SP_OK;
}

/* ---- hints of zones ---- */

/* The endpoint's text with the zone that it is for. */
static sp_code add_hint(run *x, endpoint *e)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 8192);
	sp_jout j = {.out = &out, .comma = true};
	if (e->topology.hint.len == 0)
		return SP_OK;
	(void)sp_buf_str(&out, sp_str_sub(e->json, 0, e->json.len - 1));
	sp_jout_member_open(&j, SP_STR("hints"), '{');
	write_hint(&j, "forZones", e->topology.hint);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	e->json = sp_arena_try_dup(x->job->arena, sp_buf_view(&out));
	return e->json.ptr == NULL ? SP_ETOOLARGE : sp_buf_code(&out);
}

static sp_code take_hints(run *x, slice *s)
{
	for (size_t i = 0; i < s->n; i++) {
		endpoint *e = s->endpoints[i];
		if (e->is_odd || !sp_str_eq(e->had, e->topology.hint))
			s->changed = true;
		SP_TRY(add_hint(x, e));
	}
	return SP_OK;
}

/* What is to be decided for a slice; NULL: no room. */
static topology_endpoint **undecided(run *x, const slice *s)
{
	topology_endpoint **list = sp_try_new(x->job->arena, topology_endpoint *, s->n + 1);
	for (size_t i = 0; list != NULL && i < s->n; i++)
		list[i] = &s->endpoints[i]->topology;
	return list;
}

static sp_code hint_family(run *x, bool v6)
{
	size_t n = 0;
	topology_slice *list = sp_try_new(x->job->arena, topology_slice, x->n_slices + 1);
	if (list == NULL)
		return SP_ETOOLARGE;
	for (size_t i = 0; i < x->n_slices; i++) {
		const slice *s = &x->slices[i];
		if (s->drop || s->n == 0 || s->endpoints[0]->v6 != v6)
			continue;
		list[n] = (topology_slice){undecided(x, s), s->n, s->changed};
		if (list[n++].endpoints == NULL)
			return SP_ETOOLARGE;
	}
	SP_TRY(slice_topology_hint(&x->c->topology, x->service, v6 ? "IPv6" : "IPv4", list, n));
	for (size_t i = 0; i < x->n_slices; i++) {
		slice *s = &x->slices[i];
		if (!s->drop && s->n > 0 && s->endpoints[0]->v6 == v6)
			SP_TRY(take_hints(x, s));
	}
	return SP_OK;
}

static sp_code hint(run *x, sp_err *err)
{
	for (unsigned f = 0; f < 2; f++) {
		const char *family = f == 1 ? "IPv6" : "IPv4";
		if (!has_family(&x->view, family))
			continue;
		if (!x->is_auto)
			slice_topology_off(&x->c->topology, x->service, family);
		else if (hint_family(x, f == 1) != SP_OK)
			return sp_fail(err, SP_ETOOLARGE, "no room for hints");
	}
	return SP_OK;
}

/* ---- writing ---- */

static void write_labels(const run *x, sp_jout *j)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(x->view.labels.object);
	yyjson_val *k;
	sp_jout_member_open(j, SP_STR("labels"), '{');
	while ((k = yyjson_obj_iter_next(&it)) != NULL) {
		sp_str name = sp_json_str(k);
		if (!is_reserved(name))
			sp_jout_member_str(j, name, sp_json_str(yyjson_obj_iter_get_val(k)));
	}
	sp_jout_member_str(j, SP_STR(SVC_SLICE_SERVICE), x->service->name);
	sp_jout_member_str(j, SP_STR(SVC_SLICE_MANAGED_BY), sp_str_c(ours));
	if (svc_is_headless(&x->view))
		sp_jout_member_str(j, SP_STR(HEADLESS), SP_STR(""));
	sp_jout_close(j, '}');
}

static void write_meta(const run *x, sp_jout *j)
{
	SP_AUTO_BUF owner;
	sp_buf_init(&owner, 4096);
	(void)sp_patch_owner(&owner,
			     &(sp_owner){SP_STR("v1"), SP_STR("Service"), x->service->name, x->service->uid});
	sp_str prefix = SP_CONCAT(x->job->arena, x->service->name, SP_STR("-"));
	sp_jout_member_str(j, SP_STR("generateName"), prefix);
	sp_jout_member_open(j, SP_STR("ownerReferences"), '[');
	sp_jout_raw(j, sp_buf_view(&owner));
	sp_jout_close(j, ']');
}

static void write_slice(const run *x, sp_jout *j, const slice *s)
{
	char text[SP_NUM_TEXT_BYTES];
	const group *g = &x->groups[s->group];
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	write_meta(x, j);
	if (s->object != NULL) {
		sp_jout_member_str(j, SP_STR("name"), s->object->name);
		sp_jout_member_str(j, SP_STR("resourceVersion"),
				   (sp_str){text, sp_print_u64(text, s->object->revision)});
	}
	write_labels(x, j);
	sp_jout_member_open(j, SP_STR("annotations"), '{');
	trigger_time_write(j, s->view.annotations, "", x->changed_at);
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
	sp_jout_member_str(j, SP_STR("addressType"), g->v6 ? SP_STR("IPv6") : SP_STR("IPv4"));
	svc_ports_write(j, &g->ports, true);
	sp_jout_member_open(j, SP_STR("endpoints"), '[');
	for (size_t i = 0; i < s->n; i++)
		sp_jout_raw(j, s->endpoints[i]->json);
	sp_jout_close(j, ']');
	sp_jout_close(j, '}');
}

static sp_code ask(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	run *x = f->arg;
	const slice *s = x->writes[i];
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	q->gvr = SP_ENDPOINTSLICES;
	q->ns = x->service->ns;
	q->name = s->object == NULL ? SP_STR("") : s->object->name;
	q->verb = s->drop ? SP_ASK_DELETE : s->object == NULL ? SP_ASK_CREATE : SP_ASK_UPDATE;
	if (s->drop)
		return SP_OK;
	sp_jout j = sp_jout_to(&body);
	write_slice(x, &j, s);
	q->body = sp_arena_try_dup(x->job->arena, sp_buf_view(&body));
	return sp_buf_code(&body) == SP_OK && q->body.ptr != NULL
		       ? SP_OK
		       : sp_fail(err, SP_ETOOLARGE, "no room for a slice");
}

static sp_code each(fan *f, size_t i, const sp_answer *a)
{
	run *x = f->arg;
	const slice *s = x->writes[i];
	if (a->code != SP_OK && s->object == NULL)
		sp_expect_created(&x->c->expect, x->job->key);
	bool going = ctl_namespace_goes(a);
	return going || a->code == SP_ENOTFOUND ? SP_OK : a->code;
}

static void end(run *x, sp_code code, const sp_err *err)
{
	if (code != SP_OK && code != SP_ECONFLICT)
		sp_log(x->c->s.base.log, SP_LOG_WARN, "endpoint slices: trying again",
		       SP_KS("service", x->job->key), SP_KE(err));
	sp_job_done(x->job, code);
}

static void on_all(fan *f)
{
	run *x = f->arg;
	for (size_t i = f->n - f->n_skipped; i < f->n; i++) {
		if (x->writes[i]->object == NULL)
			sp_expect_created(&x->c->expect, x->job->key);
	}
	end(x, f->code, &f->err);
}

static sp_code write_all(run *x, sp_err *err)
{
	size_t n = 0;
	uint32_t n_new = 0;
	for (size_t i = 0; i < x->n_slices; i++) {
		slice *s = &x->slices[i];
		if ((s->drop && s->object == NULL) || !(s->drop || s->changed))
			continue;
		x->writes[n++] = s;
		n_new += s->object == NULL;
	}
	if (sp_expect_set(&x->c->expect, x->job->key, n_new, NULL, 0) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for expectations");
	x->fan = (fan){.client = x->c->s.base.client,
		       .arena = x->job->arena,
		       .n = n,
		       .ask = ask,
		       .each = each,
		       .done = on_all,
		       .arg = x};
	fan_start(&x->fan);
	return SP_OK;
}

static void sync_service(controller *base, sp_job *job)
{
	slices *c = SP_CONTAINER_OF(base, slices, s.base);
	const sp_object *o = sp_informer_get(c->s.services, job->key);
	run *x = sp_new(job->arena, run, 1);
	sp_err err = {0};
	if (o == NULL) {
		sp_expect_forget(&c->expect, job->key);
		trigger_times_forget(&c->times, job->key);
		slice_topology_forget(&c->topology, job->key);
	}
	if (o == NULL || !sp_expect_is_met(&c->expect, job->key)) {
		sp_job_done(job, SP_OK); /* what is expected wakes it */
		return;
	}
	*x = (run){.c = c, .job = job, .service = ctl_hold(job->arena, o)};
	sp_code code = x->service == NULL ? SP_ENOMEM : svc_read(job->arena, o, &x->view, &err);
	if (code == SP_ENOTFOUND) {
		sp_job_done(job, SP_OK);
		return;
	}
	x->is_auto = slice_topology_is_auto(x->view.annotations);
	if (code == SP_OK)
		code = svc_read_pods(&c->s, job->arena, o, &x->view, &x->pods, &x->n_pods, &err);
	if (code == SP_OK)
		code = trigger_times_look(&c->times, job->key, x->view.created, x->pods, x->n_pods,
					  &x->changed_at, &err);
	if (code == SP_OK)
		code = want(x, &err);
	if (code == SP_OK)
		code = read_slices(x, &err);
	if (code == SP_OK)
		code = place(x, &err);
	if (code == SP_OK)
		code = hint(x, &err);
	if (code == SP_OK)
		code = write_all(x, &err);
	if (code != SP_OK)
		end(x, code, &err);
}

static sp_code open_slices(controller *base, sp_err *err)
{
	slices *c = SP_CONTAINER_OF(base, slices, s.base);
	sp_expect_init(&c->expect, base->world);
	SP_TRY(svc_open(&c->s, err));
	SP_TRY(controller_follow(base, SP_ENDPOINTSLICES, &slice_view_desc, &c->slices, err));
	SP_TRY(controller_follow(base, SP_NODES, &node_view_desc, &c->nodes, err));
	SP_TRY(slice_topology_open(&c->topology, base, c->nodes, c->s.services, err));
	SP_TRY(sp_informer_index(c->slices, svc_index_slices, (void *)(uintptr_t)ours, &c->by_service, err));
	controller_watch(c->slices, &c->slice_watch, on_slice, c);
	return SP_OK;
}

static void done(controller *base)
{
	slices *c = SP_CONTAINER_OF(base, slices, s.base);
	sp_expect_done(&c->expect);
	trigger_times_done(&c->times);
	slice_topology_done(&c->topology);
}

const controller_type controller_endpoint_slice = {.name = "endpointslice-controller",
						   .component = "endpoint-slice-controller",
						   .size_bytes = sizeof(slices),
						   .open = open_slices,
						   .sync = sync_service,
						   .done = done};
