/* SPDX-License-Identifier: Apache-2.0 */
#include "network/services/service.h"

#include "base/ip.h"
#include "network/objects.h"

#define BACKENDS_MAX 10000u /* of one port; more are left out */

typedef struct reading {
	sp_arena *arena;
	net_family family;
	sp_str node;
	net_slice_view *slices;
	size_t n_slices;
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
	to->at = sp_try_new(r->arena, sp_str, list.n);
	if (to->at == NULL && list.n > 0)
		return no_memory(r);
	SP_VLIST_FOREACH(item, list)
	{
		sp_cidr c;
		sp_str text = sp_str_trim(sp_json_str(item));
		if (sp_cidr_parse(text, &c) && c.ip.v4 == (r->family == NET_V4))
			to->at[to->n++] = text;
	}
	return SP_OK;
}

static sp_str lower(reading *r, sp_str protocol)
{
	if (sp_str_eq(protocol, SP_STR("UDP")))
		return SP_STR("udp");
	(void)r;
	return sp_str_eq(protocol, SP_STR("SCTP")) ? SP_STR("sctp") : SP_STR("tcp");
}

/* ---- endpoints ---- */

/* Which endpoints are asked for: those that are ready, or those that serve while they end. */
typedef enum which { READY, ENDING } which;

static bool is_wanted(const net_endpoint_view *e, which w)
{
	bool ready = net_endpoint_is_ready(e);
	bool serving = e->has_serving ? e->serving : ready;
	return w == READY ? ready : serving && e->terminating;
}

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

static sp_code add_backend(reading *r, net_backends *to, net_backend b)
{
	for (size_t i = 0; i < to->n; i++) {
		if (to->at[i].port == b.port && sp_str_eq(to->at[i].ip, b.ip))
			return SP_OK; /* in two slices while it moves from one to the other */
	}
	if (to->n == BACKENDS_MAX)
		return SP_OK;
	if ((to->n & (to->n - 1)) == 0) {
		size_t room = to->n == 0 ? 1 : 2 * to->n;
		net_backend *at = sp_arena_try_grow(r->arena, to->at, to->n * sizeof *at, room * sizeof *at);
		if (at == NULL)
			return no_memory(r);
		to->at = at;
	}
	to->at[to->n++] = b;
	return SP_OK;
}

static sp_code collect(reading *r, const net_port *p, sp_str protocol, which w, bool local, net_backends *to)
{
	*to = (net_backends){0};
	for (size_t i = 0; i < r->n_slices; i++) {
		uint16_t port = port_in(&r->slices[i], p, protocol);
		if (port == 0)
			continue;
		SP_VLIST_FOREACH(item, r->slices[i].endpoints)
		{
			net_endpoint_view e = net_view_endpoint(item);
			bool here = sp_str_eq(e.node, r->node);
			if (!is_wanted(&e, w) || e.addresses.n == 0 || (local && !here))
				continue;
			const net_backend b = {sp_json_str(e.addresses.first), port, here};
			SP_TRY(add_backend(r, to, b));
		}
	}
	return SP_OK;
}

static sp_code read_port(reading *r, yyjson_val *item, net_port *ret)
{
	net_port_view v = net_view_port(item);
	*ret = (net_port){.name = v.name,
			  .protocol = lower(r, v.protocol),
			  .port = (uint16_t)v.port,
			  .node_port = (uint16_t)v.node_port};
	SP_TRY(collect(r, ret, v.protocol, READY, false, &ret->all));
	if (ret->all.n == 0)
		SP_TRY(collect(r, ret, v.protocol, ENDING, false, &ret->all));
	SP_TRY(collect(r, ret, v.protocol, READY, true, &ret->local));
	if (ret->local.n == 0)
		SP_TRY(collect(r, ret, v.protocol, ENDING, true, &ret->local));
	return SP_OK;
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
	SP_TRY(add_prefixes(r, v->sources, &s->sources));
	return add_ips(r, v->ingress, "ip", &s->outside_ips);
}

sp_code net_service_read(sp_arena *a, sp_str service, const sp_str *slices, size_t n_slices,
			 net_family family, sp_str node, net_service *ret, sp_err *err)
{
	reading r = {.arena = a, .family = family, .node = node, .err = err};
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
	*ret = s;
	return SP_OK;
}
