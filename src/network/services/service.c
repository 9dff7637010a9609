/* SPDX-License-Identifier: Apache-2.0 */
#include "network/services/service.h"

#include "base/ip.h"
#include "base/json_out.h"
#include "network/objects.h"

#define SLICE_BYTES_MAX ((size_t)1 << 20)
#define BACKENDS_MAX 10000u /* of one port; more are left out */

typedef struct reading {
	sp_arena *arena;
	net_family family;
	const net_place *place;
	net_slice_view *slices;
	size_t n_slices;
	net_strs local; /* addresses of ready endpoints here */
	sp_err *err;
} reading;

static sp_code no_memory(reading *r)
{
	return sp_fail(r->err, SP_ENOMEM, "no memory for a service");
}

static bool is_of_family(const reading *r, sp_str text)
{
	sp_ip ip;
	return sp_ip_parse(text, &ip) && ip.v4 == (r->family == NET_V4);
}

/* The texts of a list that are addresses (or, prefixes) of the family, after those that are there. */
static sp_code add_ips(reading *r, sp_vlist list, const char *member, net_strs *to)
{
	sp_str *at = sp_arena_try_grow(r->arena, to->at, to->n * sizeof *at, (to->n + list.n) * sizeof *at);
	if (at == NULL && to->n + list.n > 0)
		return no_memory(r);
	to->at = at;
	SP_VLIST_FOREACH(item, list)
	{
		sp_str text = member == NULL ? sp_json_str(item) : sp_json_str(yyjson_obj_get(item, member));
		if (is_of_family(r, text))
			to->at[to->n++] = text;
	}
	return SP_OK;
}

static sp_code add_prefixes(reading *r, sp_vlist list, net_strs *to)
{
	sp_str *at = sp_arena_try_grow(r->arena, to->at, to->n * sizeof *at, (to->n + list.n) * sizeof *at);
	if (at == NULL && to->n + list.n > 0)
		return no_memory(r);
	to->at = at;
	SP_VLIST_FOREACH(item, list)
	{
		sp_cidr c;
		sp_str text = sp_str_trim(sp_json_str(item));
		if (sp_cidr_parse(text, &c) && c.ip.v4 == (r->family == NET_V4))
			to->at[to->n++] = text;
	}
	return SP_OK;
}

static sp_str lower(sp_str protocol)
{
	if (sp_str_eq(protocol, SP_STR("UDP")))
		return SP_STR("udp");
	return sp_str_eq(protocol, SP_STR("SCTP")) ? SP_STR("sctp") : SP_STR("tcp");
}

/* ---- endpoints ---- */

/* An endpoint that answers at a port. */
typedef struct candidate {
	net_backend b;
	bool ready, serving, terminating;
	sp_vlist zones, nodes;
} candidate;

typedef struct candidates {
	candidate *at;
	size_t n;
} candidates;

static uint16_t port_in(const net_slice_view *s, const net_port *p, sp_str protocol)
{
	SP_VLIST_FOREACH(item, s->ports)
	{
		net_slice_port_view v = net_view_slice_port(item);
		if (sp_str_eq(v.name, p->name) && sp_str_eq(v.protocol, protocol) && v.port > 0 &&
		    v.port <= UINT16_MAX)
			return (uint16_t)v.port;
	}
	return 0;
}

/* One that is there already is in two slices while it moves from one to the other, or its address has a new
 * pod while the one before still ends: the one that does not end counts. */
static sp_code add_candidate(reading *r, candidates *to, const candidate *c)
{
	for (size_t i = 0; i < to->n; i++) {
		candidate *was = &to->at[i];
		if (was->b.port == c->b.port && sp_str_eq(was->b.ip, c->b.ip)) {
			if (!c->terminating)
				*was = *c;
			return SP_OK;
		}
	}
	if (to->n == BACKENDS_MAX)
		return SP_OK;
	if ((to->n & (to->n - 1)) == 0) {
		size_t room = to->n == 0 ? 1 : 2 * to->n;
		candidate *at = sp_arena_try_grow(r->arena, to->at, to->n * sizeof *at, room * sizeof *at);
		if (at == NULL)
			return no_memory(r);
		to->at = at;
	}
	to->at[to->n++] = *c;
	return SP_OK;
}

static sp_code collect(reading *r, const net_port *p, sp_str protocol, candidates *to)
{
	for (size_t i = 0; i < r->n_slices; i++) {
		uint16_t port = port_in(&r->slices[i], p, protocol);
		if (port == 0)
			continue;
		SP_VLIST_FOREACH(item, r->slices[i].endpoints)
		{
			net_endpoint_view e = net_view_endpoint(item);
			if (e.addresses.n == 0)
				continue;
			const candidate c = {.b = {sp_json_str(e.addresses.first), port,
						   sp_str_eq(e.node, r->place->node)},
					     .ready = net_endpoint_is_ready(&e),
					     .serving = !e.has_serving || e.serving,
					     .terminating = e.terminating,
					     .zones = e.zones,
					     .nodes = e.nodes};
			SP_TRY(add_candidate(r, to, &c));
		}
	}
	return SP_OK;
}

/* ---- who of them ---- */

static bool names(sp_vlist hints, sp_str name)
{
	SP_VLIST_FOREACH(item, hints)
	{
		if (sp_str_eq(sp_json_str(yyjson_obj_get(item, "name")), name))
			return true;
	}
	return false;
}

typedef enum topology { ANYWHERE, SAME_NODE, SAME_ZONE } topology;

/* Hints count when all that are ready have some, and some of them are for us. U: topologyModeFromHints */
static topology topology_of(const reading *r, const candidates *c)
{
	bool all_nodes = true, all_zones = true, our_node = false, our_zone = false;
	for (size_t i = 0; i < c->n; i++) {
		if (!c->at[i].ready)
			continue;
		all_nodes &= c->at[i].nodes.n > 0;
		all_zones &= c->at[i].zones.n > 0;
		our_node |= names(c->at[i].nodes, r->place->node);
		our_zone |= names(c->at[i].zones, r->place->zone);
	}
	if (all_nodes && our_node)
		return SAME_NODE;
	return all_zones && our_zone ? SAME_ZONE : ANYWHERE;
}

typedef struct choice {
	const net_place *place;
	topology topology;
} choice;

static bool is_usable(const choice *o, const candidate *c)
{
	return c->ready &&
	       (o->topology == ANYWHERE || (o->topology == SAME_NODE && names(c->nodes, o->place->node)) ||
		(o->topology == SAME_ZONE && names(c->zones, o->place->zone)));
}

static bool is_ending(const choice *o, const candidate *c)
{
	(void)o;
	return c->serving && c->terminating;
}

static bool is_usable_here(const choice *o, const candidate *c)
{
	(void)o;
	return c->b.local && c->ready;
}

static bool is_ending_here(const choice *o, const candidate *c)
{
	return c->b.local && is_ending(o, c);
}

static bool is_serving(const choice *o, const candidate *c)
{
	(void)o;
	return c->serving;
}

static sp_code choose(reading *r, const candidates *from, topology t,
		      bool (*fits)(const choice *o, const candidate *c), net_backends *to)
{
	const choice o = {r->place, t};
	size_t n = 0;
	for (size_t i = 0; i < from->n; i++)
		n += fits(&o, &from->at[i]);
	*to = (net_backends){sp_try_new(r->arena, net_backend, n), 0};
	if (to->at == NULL && n > 0)
		return no_memory(r);
	for (size_t i = 0; i < from->n; i++) {
		if (fits(&o, &from->at[i]))
			to->at[to->n++] = from->at[i].b;
	}
	return SP_OK;
}

/* Addresses of ready endpoints here, each once for all ports. */
static sp_code count_local(reading *r, const net_backends *ready)
{
	net_strs *l = &r->local;
	sp_str *at = sp_arena_try_grow(r->arena, l->at, l->n * sizeof *at, (l->n + ready->n) * sizeof *at);
	if (at == NULL && l->n + ready->n > 0)
		return no_memory(r);
	l->at = at;
	for (size_t i = 0; i < ready->n; i++) {
		size_t k = 0;
		while (k < l->n && !sp_str_eq(at[k], ready->at[i].ip))
			k++;
		if (k == l->n)
			at[l->n++] = ready->at[i].ip;
	}
	return SP_OK;
}

static sp_code read_port(reading *r, yyjson_val *item, net_port *ret)
{
	net_port_view v = net_view_port(item);
	candidates c = {0};
	*ret = (net_port){.name = v.name,
			  .protocol = lower(v.protocol),
			  .port = (uint16_t)v.port,
			  .node_port = (uint16_t)v.node_port};
	SP_TRY(collect(r, ret, v.protocol, &c));
	SP_TRY(choose(r, &c, topology_of(r, &c), is_usable, &ret->all));
	if (ret->all.n == 0)
		SP_TRY(choose(r, &c, ANYWHERE, is_ending, &ret->all));
	SP_TRY(choose(r, &c, ANYWHERE, is_usable_here, &ret->local));
	SP_TRY(count_local(r, &ret->local));
	if (ret->local.n == 0)
		SP_TRY(choose(r, &c, ANYWHERE, is_ending_here, &ret->local));
	return sp_str_eq(ret->protocol, SP_STR("udp")) ? choose(r, &c, ANYWHERE, is_serving, &ret->serving)
						       : SP_OK;
}

/* ---- the service ---- */

static sp_code read_slices(reading *r, const sp_str *texts, size_t n)
{
	sp_str type = r->family == NET_V4 ? SP_STR("IPv4") : SP_STR("IPv6");
	r->slices = sp_try_new(r->arena, net_slice_view, n);
	if (r->slices == NULL && n > 0)
		return no_memory(r);
	for (size_t i = 0; i < n; i++) {
		net_slice_view v;
		SP_TRY(net_view_slice(r->arena, texts[i], &v, r->err));
		if (sp_str_eq(v.type, type))
			r->slices[r->n_slices++] = v;
	}
	return SP_OK;
}

static sp_code read_outside(reading *r, const net_service_view *v, net_service *s)
{
	SP_TRY(add_ips(r, v->external_ips, NULL, &s->outside_ips));
	if (!sp_str_eq(v->type, SP_STR("LoadBalancer")))
		return SP_OK;
	if (s->external_local && v->health_port > 0)
		s->health_port = (uint16_t)v->health_port;
	SP_TRY(add_prefixes(r, v->sources, &s->sources));
	return add_ips(r, v->ingress, "ip", &s->outside_ips);
}

sp_code net_service_read(sp_arena *a, sp_str service, const sp_str *slices, size_t n_slices,
			 net_family family, const net_place *place, net_service *ret, sp_err *err)
{
	reading r = {.arena = a, .family = family, .place = place, .err = err};
	net_service_view v;
	SP_TRY(net_view_service(a, service, &v, err));
	net_service s = {.ns = v.ns,
			 .name = v.name,
			 .internal_local = sp_str_eq(v.internal_policy, SP_STR("Local")),
			 .external_local = sp_str_eq(v.external_policy, SP_STR("Local"))};
	if (sp_str_eq(v.affinity, SP_STR("ClientIP")))
		s.affinity_s = v.affinity_s > 0 ? (uint32_t)v.affinity_s : 10800;
	*ret = s;
	if (sp_str_eq(v.type, SP_STR("ExternalName")))
		return SP_OK;
	SP_TRY(add_ips(&r, v.cluster_ips, NULL, &s.cluster_ips));
	if (s.cluster_ips.n == 0)
		return SP_OK;
	SP_TRY(read_outside(&r, &v, &s));
	SP_TRY(read_slices(&r, slices, n_slices));
	s.ports = sp_try_new(a, net_port, v.ports.n);
	if (s.ports == NULL && v.ports.n > 0)
		return no_memory(&r);
	SP_VLIST_FOREACH(item, v.ports)
	{
		SP_TRY(read_port(&r, item, &s.ports[s.n_ports]));
		s.n_ports++;
	}
	s.n_local_ready = r.local.n;
	*ret = s;
	return SP_OK;
}

sp_code net_service_cidr_read(sp_arena *a, sp_str cidr, net_family family, net_strs *to, sp_err *err)
{
	reading r = {.arena = a, .family = family, .err = err};
	sp_vlist cidrs;
	SP_TRY(net_view_service_cidr(a, cidr, &cidrs, err));
	return add_prefixes(&r, cidrs, to);
}

static void put_ports(sp_jout *j, yyjson_val *ports)
{
	size_t i, n;
	yyjson_val *p;
	sp_jout_member_open(j, SP_STR("ports"), '[');
	yyjson_arr_foreach(ports, i, n, p)
	{
		yyjson_val *target = yyjson_obj_get(p, "targetPort");
		if (!yyjson_is_int(target))
			continue;
		sp_jout_open(j, '{');
		sp_jout_member_str(j, SP_STR("name"), sp_json_str(yyjson_obj_get(p, "name")));
		sp_jout_member_str(j, SP_STR("protocol"), sp_json_str(yyjson_obj_get(p, "protocol")));
		sp_jout_member_i64(j, SP_STR("port"), yyjson_get_sint(target));
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, ']');
}

sp_code net_service_here(sp_arena *a, sp_str service, sp_str ip, const net_place *place, sp_str *ret,
			 sp_err *err)
{
	yyjson_val *root;
	SP_AUTO_BUF out;
	sp_buf_init(&out, SLICE_BYTES_MAX);
	SP_TRY(sp_json_parse(a, service, &root, err));
	sp_jout j = sp_jout_to(&out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("addressType"),
			   sp_str_index(ip, ':') >= 0 ? SP_STR("IPv6") : SP_STR("IPv4"));
	put_ports(&j, yyjson_obj_get(yyjson_obj_get(root, "spec"), "ports"));
	sp_jout_member_open(&j, SP_STR("endpoints"), '[');
	sp_jout_open(&j, '{');
	sp_jout_member_strs(&j, SP_STR("addresses"), &ip, 1);
	sp_jout_member_str(&j, SP_STR("nodeName"), place->node);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	*ret = sp_arena_try_dup(a, sp_buf_view(&out));
	if (sp_buf_code(&out) != SP_OK || ret->ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a service of this node");
	return SP_OK;
}
