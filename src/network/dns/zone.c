/* SPDX-License-Identifier: Apache-2.0 */
#include "network/dns/zone.h"

#include "base/alloc.h"
#include "network/objects.h"

#define LABELS_MAX 12u
#define ALIASES_MAX 4u
#define DOMAIN_BYTES 200u
#define SCHEMA_VERSION "1.1.0"

struct dns_zone {
	sp_informer *services, *slices, *namespaces;
	unsigned by_address;              /* index of services */
	unsigned by_service, by_endpoint; /* indexes of slices */
	size_t n_domain;
	char domain[DOMAIN_BYTES];
};

/* ---- indexes ---- */

static void index_addresses(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	size_t i, n;
	yyjson_val *ip;
	(void)arg, (void)o;
	yyjson_arr_foreach(yyjson_obj_get(yyjson_obj_get(object, "spec"), "clusterIPs"), i, n, ip)
		sp_index_emit(keys, sp_json_str(ip));
}

static void index_service(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	char key[SP_OBJECT_KEY_BYTES];
	sp_str service = net_slice_service(object);
	(void)arg;
	size_t n = service.len == 0 ? 0 : sp_object_key(key, o->ns, service);
	sp_index_emit(keys, (sp_str){key, n});
}

/* The addresses of endpoints that have names of their own. */
static void index_endpoints(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	size_t i, n, k, m;
	yyjson_val *endpoint, *ip;
	(void)arg, (void)o;
	yyjson_arr_foreach(yyjson_obj_get(object, "endpoints"), i, n, endpoint)
	{
		if (yyjson_obj_get(endpoint, "hostname") == NULL)
			continue;
		yyjson_arr_foreach(yyjson_obj_get(endpoint, "addresses"), k, m, ip)
			sp_index_emit(keys, sp_json_str(ip));
	}
}

/* ---- one question ---- */

typedef struct asking {
	dns_zone *zone;
	sp_arena *arena;
	dns_answer *answer;
	sp_str name; /* what is looked up: the question's, or the target of an alias inside the zone */
	sp_str labels[LABELS_MAX]; /* below the domain, the first one first */
	size_t n_labels;
	bool found; /* the name exists, whatever its records */
	sp_str target;
} asking;

static sp_str domain_of(const dns_zone *z)
{
	return (sp_str){z->domain, z->n_domain};
}

static bool wants(const asking *q, uint16_t type)
{
	return q->answer->q->type == type || q->answer->q->type == DNS_ANY;
}

static void put_ip(asking *q, dns_section s, sp_str owner, sp_str text)
{
	sp_ip ip;
	if (!sp_ip_parse(text, &ip))
		return;
	if (s == DNS_MORE || wants(q, ip.v4 ? DNS_A : DNS_AAAA))
		dns_put_ip(q->answer, s, owner, DNS_TTL_S, &ip);
}

static sp_str service_name(asking *q, sp_str ns, sp_str name)
{
	return SP_CONCAT(q->arena, name, SP_STR("."), ns, SP_STR(".svc."), domain_of(q->zone));
}

/* What an endpoint without a hostname is called: its address with dashes. */
static sp_str endpoint_name(asking *q, const net_endpoint_view *e, sp_str address)
{
	if (e->hostname.len > 0)
		return e->hostname;
	sp_str name = sp_arena_try_dup(q->arena, address);
	for (size_t i = 0; i < name.len; i++) {
		char *c = (char *)(uintptr_t)&name.ptr[i]; /* our own copy */
		*c = *c == '.' || *c == ':' ? '-' : *c;
	}
	return name;
}

/* ---- services ---- */

typedef struct found_service {
	net_service_view v;
	bool headless;
} found_service;

static bool find_service(asking *q, sp_str ns, sp_str name, found_service *ret)
{
	const sp_object *o = sp_informer_get_in(q->zone->services, ns, name);
	*ret = (found_service){0};
	if (o == NULL || net_view_service(q->arena, o->json, &ret->v, NULL) != SP_OK)
		return false;
	ret->headless =
		ret->v.cluster_ips.n > 0 && sp_str_eq(sp_json_str(ret->v.cluster_ips.first), SP_STR("None"));
	return true;
}

/* Calls `each` for every ready endpoint of every slice of the service. */
static void each_endpoint(asking *q, sp_str ns, sp_str name,
			  void (*each)(asking *q, const net_slice_view *s, const net_endpoint_view *e,
				       void *arg),
			  void *arg)
{
	char key[SP_OBJECT_KEY_BYTES];
	size_t n = sp_object_key(key, ns, name);
	sp_index_at at = sp_informer_find(q->zone->slices, q->zone->by_service, (sp_str){key, n});
	for (const sp_object *o; (o = sp_index_next(&at)) != NULL;) {
		net_slice_view s;
		if (net_view_slice(q->arena, o->json, &s, NULL) != SP_OK)
			continue;
		SP_VLIST_FOREACH(item, s.endpoints)
		{
			net_endpoint_view e = net_view_endpoint(item);
			if (net_endpoint_is_ready(&e))
				each(q, &s, &e, arg);
		}
	}
}

static void put_endpoint(asking *q, const net_slice_view *s, const net_endpoint_view *e, void *arg)
{
	const sp_str *hostname = arg; /* NULL: every one */
	(void)s;
	SP_VLIST_FOREACH(item, e->addresses)
	{
		sp_str address = sp_json_str(item);
		if (hostname != NULL && !sp_str_eq(*hostname, endpoint_name(q, e, address)))
			continue;
		q->found = true;
		put_ip(q, DNS_ANSWER, q->name, address);
	}
}

static void answer_service(asking *q, sp_str ns, sp_str name)
{
	found_service s;
	if (!find_service(q, ns, name, &s))
		return;
	if (sp_str_eq(s.v.type, SP_STR("ExternalName"))) {
		bool asks_address = q->answer->q->type == DNS_A || q->answer->q->type == DNS_AAAA;
		q->found = true;
		if (!asks_address && !wants(q, DNS_CNAME))
			return;
		dns_put_name(q->answer, DNS_ANSWER, q->name, DNS_CNAME, DNS_TTL_S, s.v.external_name);
		if (asks_address) /* who asks for the alias itself is answered without anybody else */
			q->target = s.v.external_name;
		return;
	}
	if (s.headless) {
		each_endpoint(q, ns, name, put_endpoint, NULL);
		return;
	}
	q->found = true;
	SP_VLIST_FOREACH(item, s.v.cluster_ips)
	put_ip(q, DNS_ANSWER, q->name, sp_json_str(item));
}

/* ---- SRV ---- */

typedef struct srv {
	sp_str port, protocol; /* without underscores; "" and "": any */
	sp_str service;        /* the service's own name in DNS */
} srv;

static bool is_protocol(sp_str label, sp_str protocol)
{
	return label.len == 0 || sp_str_eq_nocase(label, protocol);
}

static void put_srv_endpoint(asking *q, const net_slice_view *s, const net_endpoint_view *e, void *arg)
{
	const srv *want = arg;
	SP_VLIST_FOREACH(item, s->ports)
	{
		net_slice_port_view p = net_view_slice_port(item);
		bool named = want->port.len == 0 || sp_str_eq(p.name, want->port);
		if (p.name.len == 0 || !named || !is_protocol(want->protocol, p.protocol))
			continue;
		SP_VLIST_FOREACH(address, e->addresses)
		{
			sp_str text = sp_json_str(address);
			sp_str target =
				SP_CONCAT(q->arena, endpoint_name(q, e, text), SP_STR("."), want->service);
			q->found = true;
			if (!wants(q, DNS_SRV))
				continue;
			dns_put_srv(q->answer, DNS_ANSWER, q->name, DNS_TTL_S, 0, 100, (uint16_t)p.port,
				    target);
		}
	}
}

static void put_srv_more(asking *q, const net_slice_view *s, const net_endpoint_view *e, void *arg)
{
	const srv *want = arg;
	(void)s;
	SP_VLIST_FOREACH(address, e->addresses)
	{
		sp_str text = sp_json_str(address);
		put_ip(q, DNS_MORE,
		       SP_CONCAT(q->arena, endpoint_name(q, e, text), SP_STR("."), want->service), text);
	}
}

static void answer_srv(asking *q, sp_str port, sp_str protocol, sp_str ns, sp_str name)
{
	found_service s;
	const srv want = {port, protocol, service_name(q, ns, name)};
	if (!find_service(q, ns, name, &s) || sp_str_eq(s.v.type, SP_STR("ExternalName")))
		return;
	if (s.headless) {
		each_endpoint(q, ns, name, put_srv_endpoint, (void *)(uintptr_t)&want);
		if (q->found && wants(q, DNS_SRV))
			each_endpoint(q, ns, name, put_srv_more, (void *)(uintptr_t)&want);
		return;
	}
	SP_VLIST_FOREACH(item, s.v.ports)
	{
		net_port_view p = net_view_port(item);
		bool named = want.port.len == 0 || sp_str_eq(p.name, want.port);
		if (p.name.len == 0 || !named || !is_protocol(protocol, p.protocol))
			continue;
		q->found = true;
		if (wants(q, DNS_SRV))
			dns_put_srv(q->answer, DNS_ANSWER, q->name, DNS_TTL_S, 0, 100, (uint16_t)p.port,
				    want.service);
	}
	if (!q->found || !wants(q, DNS_SRV))
		return;
	SP_VLIST_FOREACH(item, s.v.cluster_ips)
	put_ip(q, DNS_MORE, want.service, sp_json_str(item));
}

/* ---- pods and the rest ---- */

/* "10-88-0-5.NS.pod": the address is in the name, as CoreDNS's "pods insecure". */
static void answer_pod(asking *q, sp_str label, sp_str ns)
{
	char text[SP_IP_TEXT_BYTES];
	sp_ip ip;
	if (sp_informer_get(q->zone->namespaces, ns) == NULL || label.len >= sizeof text)
		return;
	memcpy(text, label.ptr, label.len);
	size_t n_dashes = 0;
	for (size_t i = 0; i < label.len; i++)
		n_dashes += label.ptr[i] == '-';
	for (size_t i = 0; i < label.len; i++)
		text[i] = text[i] == '-' ? (n_dashes == 3 ? '.' : ':') : text[i];
	if (!sp_ip_parse((sp_str){text, label.len}, &ip))
		return;
	q->found = true;
	put_ip(q, DNS_ANSWER, q->name, (sp_str){text, label.len});
}

static bool is_label(sp_str label, const char *text)
{
	return sp_str_eq(label, sp_str_c(text));
}

static sp_str without_underscore(sp_str label)
{
	return sp_str_sub(label, 1, label.len);
}

/* The labels below "svc" or "pod". */
static void answer_below(asking *q, const sp_str *l, size_t n, bool is_pod)
{
	if (n == 0) {
		q->found = true;
		return;
	}
	sp_str ns = l[n - 1];
	if (n == 1) {
		q->found = sp_informer_get(q->zone->namespaces, ns) != NULL;
	} else if (is_pod) {
		if (n == 2)
			answer_pod(q, l[0], ns);
	} else if (n == 2) {
		answer_service(q, ns, l[0]);
		if (q->answer->q->type == DNS_SRV)
			answer_srv(q, SP_STR(""), SP_STR(""), ns, l[0]);
	} else if (n == 3) {
		found_service s;
		if (find_service(q, ns, l[1], &s) && s.headless)
			each_endpoint(q, ns, l[1], put_endpoint, (void *)(uintptr_t)&l[0]);
	} else if (n == 4 && l[0].len > 1 && l[1].len > 1 && l[0].ptr[0] == '_' && l[1].ptr[0] == '_') {
		answer_srv(q, without_underscore(l[0]), without_underscore(l[1]), ns, l[2]);
	}
}

static void answer_in_zone(asking *q)
{
	size_t n = q->n_labels;
	if (n == 0) {
		q->found = true;
		return;
	}
	sp_str last = q->labels[n - 1];
	if (n == 1 && is_label(last, "dns-version")) {
		q->found = true;
		if (wants(q, DNS_TXT))
			dns_put_txt(q->answer, DNS_ANSWER, q->name, DNS_TTL_S, SP_STR(SCHEMA_VERSION));
	} else if (is_label(last, "svc") || is_label(last, "pod")) {
		answer_below(q, q->labels, n - 1, is_label(last, "pod"));
	}
}

static bool has_address(const net_endpoint_view *e, sp_str address)
{
	SP_VLIST_FOREACH(item, e->addresses)
	{
		if (sp_str_eq(sp_json_str(item), address))
			return true;
	}
	return false;
}

/* The names of ready endpoints of headless services at that address, of a slice. */
static void put_pointers(asking *q, const net_slice_view *s, sp_str address)
{
	found_service f;
	sp_str name = sp_vmap_str(s->labels, SP_STR(NET_SERVICE_LABEL));
	if (!find_service(q, s->ns, name, &f) || !f.headless)
		return;
	SP_VLIST_FOREACH(item, s->endpoints)
	{
		net_endpoint_view e = net_view_endpoint(item);
		if (e.hostname.len == 0 || !net_endpoint_is_ready(&e) || !has_address(&e, address))
			continue;
		q->found = true;
		if (wants(q, DNS_PTR))
			dns_put_name(
				q->answer, DNS_ANSWER, q->name, DNS_PTR, DNS_TTL_S,
				SP_CONCAT(q->arena, e.hostname, SP_STR("."), service_name(q, s->ns, name)));
	}
}

/* A cluster address is the service's; an endpoint's is that of its name, when it has one of its own (all of
 * them: an address may be of several services); others are not ours to tell. */
static dns_verdict answer_reverse(asking *q, const sp_ip *ip, unsigned *ret_rcode)
{
	char text[SP_IP_TEXT_BYTES];
	size_t n = sp_ip_print(text, ip);
	sp_index_at at = sp_informer_find(q->zone->services, q->zone->by_address, (sp_str){text, n});
	const sp_object *o = sp_index_next(&at);
	*ret_rcode = DNS_NOERROR;
	if (o == NULL) {
		at = sp_informer_find(q->zone->slices, q->zone->by_endpoint, (sp_str){text, n});
		while ((o = sp_index_next(&at)) != NULL) {
			net_slice_view s;
			if (net_view_slice(q->arena, o->json, &s, NULL) == SP_OK)
				put_pointers(q, &s, (sp_str){text, n});
		}
		return q->found ? DNS_DONE : DNS_FORWARD;
	}
	if (wants(q, DNS_PTR))
		dns_put_name(q->answer, DNS_ANSWER, q->name, DNS_PTR, DNS_TTL_S,
			     service_name(q, o->ns, o->name));
	return DNS_DONE;
}

/* Splits what stands before the domain; false: the name is not below it. */
static bool split(asking *q)
{
	sp_str name = q->name, domain = domain_of(q->zone), label;
	q->n_labels = 0;
	if (!sp_str_ends(name, domain))
		return false;
	sp_str rest = sp_str_sub(name, 0, name.len - domain.len);
	if (rest.len == 0)
		return true;
	if (rest.ptr[rest.len - 1] != '.')
		return false;
	while (sp_str_cut(&rest, '.', &label) && q->n_labels < LABELS_MAX)
		q->labels[q->n_labels++] = label;
	return true;
}

dns_verdict dns_zone_answer(dns_zone *z, sp_arena *arena, dns_answer *a, unsigned *ret_rcode,
			    sp_str *ret_target)
{
	asking q = {.zone = z, .arena = arena, .answer = a, .name = {a->q->name.text, a->q->name.len}};
	sp_ip ip;
	if (dns_reverse_parse(q.name, &ip))
		return answer_reverse(&q, &ip, ret_rcode);
	if (!split(&q))
		return DNS_FORWARD;
	answer_in_zone(&q);
	*ret_rcode = q.found ? DNS_NOERROR : DNS_NXDOMAIN;
	for (size_t i = 0; i < ALIASES_MAX && q.target.len > 0; i++) {
		q.name = q.target;
		if (!split(&q)) {
			*ret_target = q.target;
			return DNS_CHASE;
		}
		q.target = (sp_str){NULL, 0};
		answer_in_zone(&q);
	}
	if (a->n_answers == 0)
		dns_put_soa(a, domain_of(z), DNS_TTL_S, (uint32_t)sp_informer_revision(z->services));
	return DNS_DONE;
}

/* ---- life ---- */

sp_code dns_zone_new(sp_informers *informers, sp_str domain, dns_zone **ret, sp_err *err)
{
	if (domain.len == 0 || domain.len > DOMAIN_BYTES)
		return sp_fail(err, SP_EINVAL, "the cluster's domain has 1 to %u bytes", DOMAIN_BYTES);
	dns_zone *z = SP_NEW(dns_zone);
	*z = (dns_zone){.n_domain = domain.len};
	memcpy(z->domain, domain.ptr, domain.len);
	const sp_informer_opts services = {.gvr = SP_SERVICES}, slices = {.gvr = SP_ENDPOINTSLICES};
	const sp_informer_opts namespaces = {.gvr = SP_NAMESPACES, .metadata_only = true};
	sp_code code = sp_informers_get(informers, &services, &z->services, err);
	if (code == SP_OK)
		code = sp_informers_get(informers, &slices, &z->slices, err);
	if (code == SP_OK)
		code = sp_informers_get(informers, &namespaces, &z->namespaces, err);
	if (code == SP_OK)
		code = sp_informer_index(z->services, index_addresses, NULL, &z->by_address, err);
	if (code == SP_OK)
		code = sp_informer_index(z->slices, index_service, NULL, &z->by_service, err);
	if (code == SP_OK)
		code = sp_informer_index(z->slices, index_endpoints, NULL, &z->by_endpoint, err);
	if (code != SP_OK) {
		dns_zone_free(z);
		return code;
	}
	*ret = z;
	return SP_OK;
}

void dns_zone_free(dns_zone *z)
{
	sp_free(z);
}
