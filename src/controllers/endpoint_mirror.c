/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EndpointSlices of Endpoints that somebody wrote by hand, for a service without a selector: one slice per
 * set of ports and family, at most 1000 addresses each. U: kubernetes pkg/controller/endpointslicemirroring,
 * pkg/api/v1/endpoints (RepackSubsets).
 */
#include <string.h>

#include "base/ip.h"
#include "base/log.h"
#include "base/num.h"
#include "client/expect.h"
#include "controllers/fan.h"
#include "controllers/service_pods.h"
#include "controllers/table.h"

#define MOST 1000u
#define PORTS_MOST 256u
#define BODY_BYTES_MAX ((size_t)4 << 20)
#define SKIP "endpointslice.kubernetes.io/skip-mirror"
#define LEADER "control-plane.alpha.kubernetes.io/leader"
#define TRIGGERED "endpoints.kubernetes.io/last-change-trigger-time"

static const char ours[] = "endpointslicemirroring-controller.k8s.io";

typedef struct source_view {
	sp_str deleted;
	sp_vmap labels, annotations;
	sp_vlist subsets;
} source_view;
SP_VIEW(source_desc, source_view, "v1/Endpoints", SP_V(source_view, deleted, "metadata.deletionTimestamp"),
	SP_V(source_view, labels, "metadata.labels"), SP_V(source_view, annotations, "metadata.annotations"),
	SP_V(source_view, subsets, "subsets"));

typedef struct selector_view {
	sp_vmap selector;
} selector_view;
SP_VIEW(selector_desc, selector_view, "v1/Service", SP_V(selector_view, selector, "spec.selector"));

typedef struct slice_view {
	sp_str family, deleted;
	sp_vmap labels, annotations;
	sp_vlist owners, ports;
	yyjson_val *endpoints;
} slice_view;
SP_VIEW(slice_desc, slice_view, "discovery.k8s.io/v1/EndpointSlice", SP_V(slice_view, family, "addressType"),
	SP_V(slice_view, deleted, "metadata.deletionTimestamp"), SP_V(slice_view, labels, "metadata.labels"),
	SP_V(slice_view, annotations, "metadata.annotations"),
	SP_V(slice_view, owners, "metadata.ownerReferences"), SP_V(slice_view, ports, "ports"),
	SP_V(slice_view, endpoints, "endpoints"));

typedef struct mirrors {
	controller base;
	sp_informer *sources, *services, *slices;
	unsigned by_service;
	sp_informer_watch source_watch, service_watch, slice_watch;
	sp_expect expect;
} mirrors;

typedef struct address {
	sp_ip ip;
	sp_str uid; /* of its target */
	yyjson_val *value;
} address;

/* A port, and how each address stands to it. */
typedef struct port {
	svc_port one;
	bool is_none; /* addresses without any port */
	uint8_t *states;
	bool taken; /* part of a group */
} port;
enum { ABSENT, READY, NOT_READY };

/* A slice that should be. */
typedef struct wanted {
	bool v6, changed, drop;
	const svc_ports *ports;
	sp_str endpoints;        /* as JSON */
	const sp_object *object; /* NULL: new */
} wanted;

typedef struct run {
	mirrors *c;
	sp_job *job;
	const sp_object *source;
	source_view view;
	address *addresses;
	size_t n_addresses, n_invalid, n_left_out;
	svc_ports subset; /* of the subset that is read */
	port *ports;
	size_t n_ports;
	wanted *slices;
	size_t n_slices, cap_slices;
	sp_str labels, annotations; /* of all slices, as JSON */
	fan fan;
} run;

/* ---- addresses by ports ---- */

static size_t address_index(run *x, yyjson_val *v, const sp_ip *ip)
{
	sp_str uid = sp_json_str(sp_json_last(sp_json_last(v, SP_STR("targetRef")), SP_STR("uid")));
	for (size_t i = 0; i < x->n_addresses; i++) {
		if (sp_ip_eq(&x->addresses[i].ip, ip) && sp_str_eq(x->addresses[i].uid, uid))
			return i;
	}
	x->addresses[x->n_addresses] = (address){*ip, uid, v};
	return x->n_addresses++;
}

static bool is_port(const port *p, const svc_port *one)
{
	if (one == NULL || p->is_none)
		return one == NULL && p->is_none;
	return p->one.number == one->number && sp_str_eq(p->one.name, one->name) &&
	       sp_str_eq(p->one.protocol, one->protocol) && sp_str_eq(p->one.app_protocol, one->app_protocol);
}

/* `one` NULL: no port. NULL: no room. */
static port *port_of(run *x, const svc_port *one, size_t n_states)
{
	for (size_t i = 0; i < x->n_ports; i++) {
		if (is_port(&x->ports[i], one))
			return &x->ports[i];
	}
	if (x->n_ports == PORTS_MOST)
		return NULL;
	port *p = &x->ports[x->n_ports];
	*p = (port){.is_none = one == NULL, .states = sp_try_new(x->job->arena, uint8_t, n_states)};
	if (p->states == NULL)
		return NULL;
	if (one != NULL)
		p->one = *one;
	memset(p->states, ABSENT, n_states);
	x->n_ports++;
	return p;
}

static bool add_address(run *x, size_t at, uint8_t state, size_t n_states)
{
	for (size_t k = 0; k < SP_MAX(x->subset.n, (size_t)1); k++) {
		port *p = port_of(x, x->subset.n > 0 ? &x->subset.at[k] : NULL, n_states);
		if (p == NULL)
			return false;
		/* Once not ready is not ready. */
		p->states[at] = p->states[at] == NOT_READY ? NOT_READY : state;
	}
	return true;
}

static bool add_addresses(run *x, yyjson_val *subset, const char *list, uint8_t state, size_t n_states)
{
	yyjson_val *v;
	size_t i, n;
	yyjson_arr_foreach(sp_json_last(subset, sp_str_c(list)), i, n, v)
	{
		sp_ip ip;
		if (!sp_ip_parse(sp_json_str(sp_json_last(v, SP_STR("ip"))), &ip))
			x->n_invalid++;
		else if (!add_address(x, address_index(x, v, &ip), state, n_states))
			return false;
	}
	return true;
}

static sp_code read_subsets(run *x, sp_err *err)
{
	size_t room = 1;
	SP_VLIST_FOREACH(s, x->view.subsets)
	room += yyjson_arr_size(sp_json_last(s, SP_STR("addresses"))) +
		yyjson_arr_size(sp_json_last(s, SP_STR("notReadyAddresses")));
	x->addresses = sp_try_new(x->job->arena, address, room);
	x->ports = sp_try_new(x->job->arena, port, PORTS_MOST);
	if (x->addresses == NULL || x->ports == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for addresses");
	SP_VLIST_FOREACH(s, x->view.subsets)
	{
		yyjson_val *ports = sp_json_last(s, SP_STR("ports"));
		svc_ports_read((sp_vlist){yyjson_arr_get_first(ports), yyjson_arr_size(ports)}, &x->subset);
		if (!add_addresses(x, s, "addresses", READY, room) ||
		    !add_addresses(x, s, "notReadyAddresses", NOT_READY, room))
			return sp_fail(err, SP_ETOOLARGE, "no room for ports");
	}
	return SP_OK;
}

/* ---- what should be ---- */

static void write_endpoint(sp_jout *j, const address *a, bool ready)
{
	char text[SP_IP_TEXT_BYTES];
	sp_str ip = {text, sp_ip_print(text, &a->ip)};
	sp_str host = sp_json_str(sp_json_last(a->value, SP_STR("hostname")));
	sp_str node = sp_json_str(sp_json_last(a->value, SP_STR("nodeName")));
	yyjson_val *target = sp_json_last(a->value, SP_STR("targetRef"));
	sp_jout_open(j, '{');
	sp_jout_member_strs(j, SP_STR("addresses"), &ip, 1);
	sp_jout_member_open(j, SP_STR("conditions"), '{');
	sp_jout_member_bool(j, SP_STR("ready"), ready);
	sp_jout_close(j, '}');
	if (host.len > 0)
		sp_jout_member_str(j, SP_STR("hostname"), host);
	if (target != NULL) {
		SP_AUTO_BUF out;
		sp_buf_init(&out, 8192);
		(void)sp_json_write(&out, target);
		sp_jout_member_raw(j, SP_STR("targetRef"), sp_buf_view(&out));
	}
	if (node.len > 0)
		sp_jout_member_str(j, SP_STR("nodeName"), node);
	sp_jout_close(j, '}');
}

/* The endpoints of one family; *n counts those of both towards the most there may be. */
static sp_code add_family(run *x, const port *p, const svc_ports *ports, bool v6, sp_err *err)
{
	size_t n = 0, n_family = 0;
	SP_AUTO_BUF out;
	sp_buf_init(&out, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&out);
	sp_jout_open(&j, '[');
	for (int state = READY; state <= NOT_READY; state++) {
		for (size_t i = 0; i < x->n_addresses && n < MOST; i++) {
			const address *a = &x->addresses[i];
			if (p->states[i] != state)
				continue;
			n++;
			if (a->ip.v4 == v6)
				continue;
			n_family++;
			write_endpoint(&j, a, state == READY);
		}
	}
	sp_jout_close(&j, ']');
	if (n_family == 0)
		return SP_OK;
	if (x->n_slices == x->cap_slices)
		return sp_fail(err, SP_ETOOLARGE, "too many slices");
	wanted *w = &x->slices[x->n_slices++];
	*w = (wanted){.v6 = v6,
		      .changed = true,
		      .ports = ports,
		      .endpoints = sp_arena_try_dup(x->job->arena, sp_buf_view(&out))};
	return sp_buf_code(&out) == SP_OK && w->endpoints.ptr != NULL
		       ? SP_OK
		       : sp_fail(err, SP_ETOOLARGE, "no room for endpoints");
}

/* Ports that all addresses stand to alike make one slice of each family. */
static sp_code add_group(run *x, size_t first, sp_err *err)
{
	const port *p = &x->ports[first];
	svc_ports *ports = sp_try_new(x->job->arena, svc_ports, 1);
	size_t n = 0;
	if (ports == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for ports");
	ports->n = 0;
	for (size_t i = first; i < x->n_ports; i++) {
		port *q = &x->ports[i];
		if (q->taken || q->is_none != p->is_none || ports->n == SVC_PORTS_MAX ||
		    memcmp(q->states, p->states, x->n_addresses) != 0)
			continue;
		q->taken = true;
		if (!q->is_none)
			ports->at[ports->n++] = q->one;
	}
	for (size_t i = 0; i < x->n_addresses; i++)
		n += p->states[i] != ABSENT;
	x->n_left_out += n > MOST ? n - MOST : 0;
	SP_TRY(add_family(x, p, ports, false, err));
	return add_family(x, p, ports, true, err);
}

static bool is_kept_out(sp_str key, bool label)
{
	return label ? sp_str_eq(key, SP_STR(SVC_SLICE_SERVICE)) ||
			       sp_str_eq(key, SP_STR(SVC_SLICE_MANAGED_BY))
		     : sp_str_eq(key, SP_STR(TRIGGERED));
}

static sp_str copy_map(run *x, sp_vmap map, bool labels)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&out);
	yyjson_obj_iter it = yyjson_obj_iter_with(map.object);
	yyjson_val *key;
	sp_jout_open(&j, '{');
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		if (!is_kept_out(sp_json_str(key), labels))
			sp_jout_member_str(&j, sp_json_str(key), sp_json_str(yyjson_obj_iter_get_val(key)));
	}
	if (labels) {
		sp_jout_member_str(&j, SP_STR(SVC_SLICE_SERVICE), x->source->name);
		sp_jout_member_str(&j, SP_STR(SVC_SLICE_MANAGED_BY), sp_str_c(ours));
	}
	sp_jout_close(&j, '}');
	return sp_buf_code(&out) == SP_OK ? sp_arena_try_dup(x->job->arena, sp_buf_view(&out))
					  : (sp_str){NULL, 0};
}

static void tell(const run *x)
{
	sp_event_ref ref = ctl_event_ref(x->source, "v1", "Endpoints");
	if (x->n_invalid > 0)
		sp_events_emitf(x->c->base.events, &ref, true, "InvalidIPAddress",
				"Skipped %zu invalid IP addresses when mirroring to EndpointSlices",
				x->n_invalid);
	if (x->n_left_out > 0)
		sp_events_emitf(
			x->c->base.events, &ref, true, "TooManyAddressesToMirror",
			"A max of %u addresses can be mirrored to EndpointSlices per Endpoints subset. "
			"%zu addresses were skipped",
			MOST, x->n_left_out + x->n_invalid);
}

static sp_code want(run *x, sp_err *err)
{
	SP_TRY(read_subsets(x, err));
	for (size_t i = 0; i < x->n_ports; i++) {
		if (!x->ports[i].taken)
			SP_TRY(add_group(x, i, err));
	}
	x->labels = copy_map(x, x->view.labels, true);
	x->annotations = copy_map(x, x->view.annotations, false);
	tell(x);
	return x->labels.ptr != NULL && x->annotations.ptr != NULL
		       ? SP_OK
		       : sp_fail(err, SP_ETOOLARGE, "no room for labels");
}

/* ---- what is ---- */

static bool has_other_owner(const run *x, const slice_view *v)
{
	SP_VLIST_FOREACH(o, v->owners)
	{
		if (sp_str_eq(sp_json_str(sp_json_last(o, SP_STR("kind"))), SP_STR("Endpoints")) &&
		    sp_str_eq(sp_json_str(sp_json_last(o, SP_STR("name"))), x->source->name) &&
		    !sp_str_eq(sp_json_str(sp_json_last(o, SP_STR("uid"))), x->source->uid))
			return true;
	}
	return false;
}

static bool is_right(const run *x, const wanted *w, const slice_view *v)
{
	sp_arena *a = x->job->arena;
	return ctl_is_same_json(a, v->endpoints, w->endpoints) &&
	       ctl_is_same_json(a, v->labels.object, x->labels) &&
	       ctl_is_same_json(a, v->annotations.object, x->annotations) && !has_other_owner(x, v);
}

/* A slice for a wanted one without: of the same ports, or, `any`, only of the same family. */
static wanted *find_wanted(run *x, const slice_view *v, size_t n, bool any)
{
	svc_ports ports;
	svc_ports_read(v->ports, &ports);
	for (size_t i = 0; i < n; i++) {
		wanted *w = &x->slices[i];
		if (w->object == NULL && w->v6 == sp_str_eq(v->family, SP_STR("IPv6")) &&
		    (any || svc_ports_equal(&ports, w->ports)))
			return w;
	}
	return NULL;
}

/* Each slice that is finds its place, the same one twice as little as another's; the rest goes. */
static sp_code match(run *x, sp_str key, bool any, size_t n, sp_err *err)
{
	const sp_object *o;
	sp_index_at at = sp_informer_find(x->c->slices, x->c->by_service, key);
	while ((o = sp_index_next(&at)) != NULL) {
		slice_view v;
		bool has_place = false;
		SP_TRY(sp_view(x->job->arena, o->json, &slice_desc, &v, err));
		for (size_t i = 0; i < x->n_slices; i++)
			has_place = has_place || x->slices[i].object == o;
		wanted *w = has_place || v.deleted.len > 0 ? NULL : find_wanted(x, &v, n, any);
		if (has_place || v.deleted.len > 0 || (w == NULL && !any))
			continue;
		if (w == NULL && x->n_slices == x->cap_slices)
			return sp_fail(err, SP_ETOOLARGE, "too many slices");
		if (w == NULL) {
			w = &x->slices[x->n_slices++];
			*w = (wanted){.drop = true, .changed = true};
		}
		w->object = ctl_hold(x->job->arena, o);
		if (w->object == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for a slice");
		w->changed = any || !is_right(x, w, &v);
	}
	return SP_OK;
}

/* ---- writing ---- */

static void write_slice(const run *x, sp_jout *j, const wanted *w)
{
	char text[SP_NUM_TEXT_BYTES];
	SP_AUTO_BUF owner;
	sp_buf_init(&owner, 4096);
	(void)sp_patch_owner(&owner,
			     &(sp_owner){SP_STR("v1"), SP_STR("Endpoints"), x->source->name, x->source->uid});
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	if (w->object == NULL) {
		sp_jout_member_str(j, SP_STR("generateName"),
				   SP_CONCAT(x->job->arena, x->source->name, SP_STR("-")));
	} else {
		sp_jout_member_str(j, SP_STR("name"), w->object->name);
		sp_jout_member_str(j, SP_STR("resourceVersion"),
				   (sp_str){text, sp_print_u64(text, w->object->revision)});
	}
	sp_jout_member_raw(j, SP_STR("labels"), x->labels);
	sp_jout_member_raw(j, SP_STR("annotations"), x->annotations);
	sp_jout_member_open(j, SP_STR("ownerReferences"), '[');
	sp_jout_raw(j, sp_buf_view(&owner));
	sp_jout_close(j, ']');
	sp_jout_close(j, '}');
	sp_jout_member_str(j, SP_STR("addressType"), w->v6 ? SP_STR("IPv6") : SP_STR("IPv4"));
	svc_ports_write(j, w->ports, true);
	sp_jout_member_raw(j, SP_STR("endpoints"), w->endpoints);
	sp_jout_close(j, '}');
}

static sp_code ask(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const run *x = f->arg;
	const wanted *w = &x->slices[i];
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_str name;
	q->gvr = SP_ENDPOINTSLICES;
	sp_object_key_split(x->job->key, &q->ns, &name);
	q->name = w->object == NULL ? SP_STR("") : w->object->name;
	q->verb = w->drop ? SP_ASK_DELETE : w->object == NULL ? SP_ASK_CREATE : SP_ASK_UPDATE;
	if (w->drop)
		return SP_OK;
	sp_jout j = sp_jout_to(&body);
	write_slice(x, &j, w);
	q->body = sp_arena_try_dup(x->job->arena, sp_buf_view(&body));
	return sp_buf_code(&body) == SP_OK && q->body.ptr != NULL
		       ? SP_OK
		       : sp_fail(err, SP_ETOOLARGE, "no room for a slice");
}

static sp_code each(fan *f, size_t i, const sp_answer *a)
{
	const run *x = f->arg;
	if (a->code != SP_OK && x->slices[i].object == NULL)
		sp_expect_created(&x->c->expect, x->job->key);
	bool going = ctl_namespace_goes(a);
	return going || a->code == SP_ENOTFOUND ? SP_OK : a->code;
}

static void end(const run *x, sp_code code, const sp_err *err)
{
	if (code != SP_OK && code != SP_ECONFLICT)
		sp_log(x->c->base.log, SP_LOG_WARN, "mirrored endpoints: trying again",
		       SP_KS("endpoints", x->job->key), SP_KE(err));
	sp_job_done(x->job, code);
}

static void on_all(fan *f)
{
	const run *x = f->arg;
	for (size_t i = f->n - f->n_skipped; i < f->n; i++) {
		if (x->slices[i].object == NULL)
			sp_expect_created(&x->c->expect, x->job->key);
	}
	end(x, f->code, &f->err);
}

static sp_code write_all(run *x, sp_err *err)
{
	size_t n = 0;
	uint32_t n_new = 0;
	for (size_t i = 0; i < x->n_slices; i++) {
		const wanted w = x->slices[i];
		if (!w.changed || (w.object == NULL && x->view.deleted.len > 0))
			continue;
		x->slices[n++] = w;
		n_new += w.object == NULL;
	}
	if (sp_expect_set(&x->c->expect, x->job->key, n_new, NULL, 0) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for expectations");
	x->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = n,
		       .ask = ask,
		       .each = each,
		       .done = on_all,
		       .arg = x};
	fan_start(&x->fan);
	return SP_OK;
}

/* ---- a sync ---- */

static bool has_selector(sp_arena *a, const sp_object *service)
{
	selector_view v;
	return sp_view(a, service->json, &selector_desc, &v, NULL) == SP_OK && sp_vmap_count(v.selector) > 0;
}

static bool is_mirrored(const source_view *v)
{
	return !sp_str_eq(sp_vmap_str(v->labels, SP_STR(SKIP)), SP_STR("true")) &&
	       sp_vmap_str(v->annotations, SP_STR(LEADER)).ptr == NULL;
}

/* Whether the key's Endpoints are to have slices; then `source` and `view` are theirs. */
static sp_code find_source(run *x, bool *ret, sp_err *err)
{
	const sp_object *o = sp_informer_get(x->c->sources, x->job->key);
	const sp_object *service = sp_informer_get(x->c->services, x->job->key);
	*ret = false;
	if (o == NULL || service == NULL || has_selector(x->job->arena, service))
		return SP_OK;
	x->source = ctl_hold(x->job->arena, o);
	if (x->source == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for endpoints");
	SP_TRY(sp_view(x->job->arena, o->json, &source_desc, &x->view, err));
	*ret = is_mirrored(&x->view);
	return SP_OK;
}

static sp_code look(run *x, sp_err *err)
{
	bool mirrored;
	SP_TRY(find_source(x, &mirrored, err));
	x->cap_slices =
		sp_informer_find_count(x->c->slices, x->c->by_service, x->job->key) + (size_t)2 * PORTS_MOST;
	x->slices = sp_try_new(x->job->arena, wanted, x->cap_slices);
	if (x->slices == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for slices");
	if (mirrored)
		SP_TRY(want(x, err));
	size_t n = x->n_slices;
	SP_TRY(match(x, x->job->key, false, n, err));
	SP_TRY(match(x, x->job->key, true, n, err));
	return write_all(x, err);
}

static void sync_source(controller *base, sp_job *job)
{
	mirrors *c = SP_CONTAINER_OF(base, mirrors, base);
	sp_err err = {0};
	if (!sp_expect_is_met(&c->expect, job->key)) {
		sp_job_done(job, SP_OK); /* what is expected wakes it */
		return;
	}
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.c = c, .job = job};
	sp_code code = look(x, &err);
	if (code != SP_OK)
		end(x, code, &err);
}

/* ---- events ---- */

static void on_source(void *arg, const sp_object *old, const sp_object *now)
{
	mirrors *c = arg;
	source_view was, is;
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	bool of_interest =
		(old != NULL && sp_view(&a, old->json, &source_desc, &was, NULL) == SP_OK &&
		 is_mirrored(&was)) ||
		(now != NULL && sp_view(&a, now->json, &source_desc, &is, NULL) == SP_OK && is_mirrored(&is));
	sp_arena_done(&a);
	if (of_interest)
		controller_enqueue(&c->base, old, now);
}

static void on_service(void *arg, const sp_object *old, const sp_object *now)
{
	mirrors *c = arg;
	sp_arena a;
	sp_arena_init(&a, (size_t)16 << 20);
	bool was = old != NULL && has_selector(&a, old), is = now != NULL && has_selector(&a, now);
	sp_arena_done(&a);
	if (old != NULL && now != NULL ? was != is : !was && !is)
		controller_enqueue(&c->base, old, now);
}

static sp_str source_of(sp_arena *a, const sp_object *slice)
{
	slice_view v;
	if (slice == NULL || sp_view(a, slice->json, &slice_desc, &v, NULL) != SP_OK ||
	    !sp_str_eq(sp_vmap_str(v.labels, SP_STR(SVC_SLICE_MANAGED_BY)), sp_str_c(ours)))
		return (sp_str){NULL, 0};
	return sp_object_key_join(a, slice->ns, sp_vmap_str(v.labels, SP_STR(SVC_SLICE_SERVICE)));
}

static void on_slice(void *arg, const sp_object *old, const sp_object *now)
{
	mirrors *c = arg;
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	sp_str was = source_of(&a, old), is = source_of(&a, now);
	if (old == NULL && is.len > 0)
		sp_expect_created(&c->expect, is);
	if (was.len > 0)
		sp_queue_add(c->base.queue, was);
	if (is.len > 0)
		sp_queue_add(c->base.queue, is);
	sp_arena_done(&a);
}

/* ---- life ---- */

static sp_code open_mirrors(controller *base, sp_err *err)
{
	mirrors *c = SP_CONTAINER_OF(base, mirrors, base);
	sp_expect_init(&c->expect, base->world);
	SP_TRY(controller_follow(base, SP_ENDPOINTS, &source_desc, &c->sources, err));
	SP_TRY(controller_follow(base, SP_SERVICES, &selector_desc, &c->services, err));
	SP_TRY(controller_follow(base, SP_ENDPOINTSLICES, &slice_desc, &c->slices, err));
	SP_TRY(sp_informer_index(c->slices, svc_index_slices, (void *)(uintptr_t)ours, &c->by_service, err));
	controller_watch(c->sources, &c->source_watch, on_source, c);
	controller_watch(c->services, &c->service_watch, on_service, c);
	controller_watch(c->slices, &c->slice_watch, on_slice, c);
	return SP_OK;
}

static void done(controller *base)
{
	mirrors *c = SP_CONTAINER_OF(base, mirrors, base);
	sp_expect_done(&c->expect);
}

const controller_type controller_endpoint_mirror = {.name = "endpointslice-mirroring-controller",
						    .account = "endpointslicemirroring-controller",
						    .component = "endpoint-slice-mirroring-controller",
						    .size_bytes = sizeof(mirrors),
						    .open = open_mirrors,
						    .sync = sync_source,
						    .done = done};
