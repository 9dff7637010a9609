/* SPDX-License-Identifier: Apache-2.0 */
#include "network/bridge.h"

#include "base/alloc.h"
#include "network/ipam.h"

#define RULES_BYTES ((size_t)4 << 20)
#define ID_CHARS 10u /* of the sandbox's id, in names of interfaces: 40 bits */

typedef struct bridge {
	sp_pod_network base;
	sp_world *world;
	const network_bridge_opts *opts;
	bool has_range;
	network_ipam ipam; /* of the range, as `cluster` */
	sp_cidr cluster;
	sp_list early;  /* early_ip: adopted before there was a range */
	sp_list ports;  /* network_port */
	bool has_rules; /* the kernel has our program */
} bridge;

typedef struct early_ip {
	sp_list node;
	sp_ip ip;
} early_ip;

/* One request: steps after each other. */
typedef struct work {
	bridge *b;
	sp_pod_network_call *call;
	sp_host_call host;
	sp_arena arena;
	sp_str id;
	sp_pod_attachment a;
	sp_ip ip;
	bool attaching, want_ports;
} work;

static bridge *bridge_of(sp_pod_network *n)
{
	return SP_CONTAINER_OF(n, bridge, base);
}

static void finish(work *k, const sp_err *err)
{
	sp_pod_network_call *c = k->call;
	c->impl = NULL;
	c->done(c, err == NULL && k->attaching ? &k->a : NULL, err);
	sp_arena_done(&k->arena);
	sp_free(k);
}

/* ---- ports ---- */

static void drop_ports(bridge *b, sp_str id)
{
	SP_LIST_FOREACH (n, &b->ports) {
		network_port *p = SP_CONTAINER_OF(n, network_port, node);
		if (!sp_str_eq((sp_str){p->sandbox_id, p->id_len}, id))
			continue;
		sp_list_remove(n);
		sp_free(p);
	}
}

static sp_code add_ports(bridge *b, sp_str id, const sp_cri_pod_sandbox_config *config, const sp_ip *pod,
			 bool *ret_any, sp_err *err)
{
	for (size_t i = 0; i < config->port_mappings.n; i++) {
		const sp_cri_port_mapping *m = &config->port_mappings.at[i];
		if (m->host_port == 0)
			continue;
		network_port *p = SP_NEW(network_port);
		*p = (network_port){.pod = *pod,
				    .pod_port = (uint16_t)m->container_port,
				    .host_port = (uint16_t)m->host_port,
				    .protocol = m->protocol,
				    .id_len = id.len};
		memcpy(p->sandbox_id, id.ptr, id.len);
		sp_list_push_back(&b->ports, &p->node);
		*ret_any = true;
		bool ports_fit = m->host_port > 0 && m->host_port <= 65535 && m->container_port > 0 &&
				 m->container_port <= 65535 && m->protocol >= 0 && m->protocol <= SP_CRI_SCTP;
		if (!ports_fit || (m->host_ip.len > 0 && !sp_ip_parse(m->host_ip, &p->host))) {
			drop_ports(b, id);
			return sp_fail(err, SP_EINVAL, "the pod's port mapping %d is not possible", (int)i);
		}
	}
	return SP_OK;
}

static void on_ports(sp_host_call *c, const void *response, const sp_err *err)
{
	work *k = c->arg;
	(void)response;
	if (err == NULL) {
		k->b->has_rules = true;
	} else {
		sp_log(k->b->opts->log, SP_LOG_WARN, "no host ports and no masquerading", SP_KE(err));
		if (!k->want_ports)
			err = NULL; /* the pod works without */
	}
	finish(k, err);
}

static void send_ports(work *k)
{
	bridge *b = k->b;
	SP_AUTO_BUF rules;
	sp_buf_init(&rules, RULES_BYTES);
	network_ports_write(&rules, b->opts->bridge, &b->ipam.prefix, &b->cluster, &b->ports);
	const sp_host_ports q = {.bridge = b->opts->bridge, .ruleset = sp_buf_view(&rules)};
	k->host = (sp_host_call){.done = on_ports, .arg = k};
	b->opts->host->call(b->opts->host, SP_HOST_PORTS, &q, &k->host);
}

/* ---- addresses ---- */

static void give_back(bridge *b, const sp_ip *ip)
{
	network_ipam_release(&b->ipam, ip);
	SP_LIST_FOREACH (n, &b->early) {
		early_ip *e = SP_CONTAINER_OF(n, early_ip, node);
		if (!sp_ip_eq(&e->ip, ip))
			continue;
		sp_list_remove(n);
		sp_free(e);
	}
}

static void drop_early(bridge *b)
{
	sp_list *n;
	while ((n = sp_list_pop_front(&b->early)) != NULL)
		sp_free(SP_CONTAINER_OF(n, early_ip, node));
}

static sp_code check_range(const bridge *b, sp_str prefix, network_ipam *ret, sp_cidr *ret_cluster,
			   sp_err *err)
{
	sp_str all = b->opts->cluster;
	SP_TRY(network_ipam_init(ret, prefix, err));
	*ret_cluster = ret->prefix;
	if (all.len > 0 &&
	    (!sp_cidr_parse(all, ret_cluster) || ret_cluster->ip.v4 != ret->prefix.ip.v4 ||
	     ret_cluster->n_bits > ret->prefix.n_bits || !sp_cidr_contains(ret_cluster, &ret->prefix.ip)))
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no prefix that has " SP_FMT " in it",
			       SP_ARG(all), SP_ARG(prefix));
	return SP_OK;
}

/* What pods have stays taken as far as the range has it. */
static sp_code take_range(bridge *b, sp_str prefix, sp_err *err)
{
	network_ipam next;
	sp_cidr cluster;
	sp_code code = check_range(b, prefix, &next, &cluster, err);
	if (code != SP_OK) {
		network_ipam_done(&next);
		return code;
	}
	if (b->has_range)
		network_ipam_inherit(&next, &b->ipam);
	SP_LIST_FOREACH (n, &b->early)
		(void)!network_ipam_claim(&next, &SP_CONTAINER_OF(n, early_ip, node)->ip, NULL);
	drop_early(b);
	network_ipam_done(&b->ipam);
	b->ipam = next;
	b->cluster = cluster;
	b->has_range = true;
	b->has_rules = false; /* they name the range: drawn anew with the next pod */
	return SP_OK;
}

static sp_code set_range(sp_pod_network *n, sp_str prefix, sp_err *err)
{
	bridge *b = bridge_of(n);
	if (b->opts->prefix.len > 0)
		return sp_fail(err, SP_EUNSUPPORTED, "the range of pods' addresses is set: " SP_FMT,
			       SP_ARG(b->opts->prefix));
	return take_range(b, prefix, err);
}

static bool is_stale(sp_pod_network *n, const sp_pod_attachment *a)
{
	const bridge *b = bridge_of(n);
	for (size_t i = 0; b->has_range && b->opts->prefix.len == 0 && i < a->ips.n; i++) {
		sp_ip ip;
		if (!sp_ip_parse(a->ips.at[i], &ip) || !network_ipam_has(&b->ipam, &ip))
			return true;
	}
	return false;
}

/* ---- attaching ---- */

static void on_linked(sp_host_call *c, const void *response, const sp_err *err)
{
	work *k = c->arg;
	bridge *b = k->b;
	sp_err mine;
	(void)response;
	if (err == NULL && !network_ipam_has(&b->ipam, &k->ip)) {
		(void)sp_fail(&mine, SP_EUNAVAILABLE, "the range of pods' addresses has changed");
		err = &mine;
	}
	if (err != NULL) {
		network_ipam_release(&b->ipam, &k->ip);
		drop_ports(b, k->id);
		finish(k, err);
	} else if (k->want_ports || !b->has_rules) {
		send_ports(k);
	} else {
		finish(k, NULL);
	}
}

static sp_str text_of(sp_arena *a, const sp_ip *ip)
{
	char text[SP_IP_TEXT_BYTES];
	return sp_arena_try_dup(a, (sp_str){text, sp_ip_print(text, ip)});
}

static void link_pod(work *k)
{
	bridge *b = k->b;
	sp_arena *a = &k->arena;
	sp_ip gateway = network_ipam_gateway(&b->ipam);
	unsigned n_bits = network_ipam_length(&b->ipam);
	sp_str *texts = sp_new(a, sp_str, 4);
	texts[0] = text_of(a, &k->ip);
	texts[1] = text_of(a, &gateway);
	texts[2] = sp_arena_printf(a, SP_FMT "/%u", SP_ARG(texts[0]), n_bits);
	texts[3] = sp_arena_printf(a, SP_FMT "/%u", SP_ARG(texts[1]), n_bits);
	k->a.ips.at = texts;
	k->a.ips.n = 1;
	k->a.host_if = SP_CONCAT(a, b->opts->if_prefix, sp_str_sub(k->id, 0, ID_CHARS));
	sp_host_link_make q = {
		.id = k->id, .bridge = b->opts->bridge, .host_if = k->a.host_if, .mtu = b->opts->mtu};
	q.addresses.at = &texts[2];
	q.bridge_addresses.at = &texts[3];
	q.gateways.at = &texts[1];
	q.addresses.n = q.bridge_addresses.n = q.gateways.n = 1;
	k->host = (sp_host_call){.done = on_linked, .arg = k};
	b->opts->host->call(b->opts->host, SP_HOST_LINK_MAKE, &q, &k->host);
}

static work *begin(bridge *b, sp_str id, sp_pod_network_call *c)
{
	work *k = SP_NEW(work);
	*k = (work){.b = b, .call = c};
	sp_arena_init(&k->arena, (size_t)1 << 16);
	k->id = sp_arena_try_dup(&k->arena, id);
	c->impl = k;
	return k;
}

static void attach(sp_pod_network *n, sp_str id, const sp_cri_pod_sandbox_config *config,
		   sp_pod_network_call *c)
{
	bridge *b = bridge_of(n);
	work *k = begin(b, id, c);
	sp_err err;
	k->attaching = true;
	sp_code code = n->ready(n, &err);
	if (code == SP_OK)
		code = k->id.len == 0 ? sp_fail(&err, SP_ENOMEM, "no memory to attach a pod")
				      : network_ipam_take(&b->ipam, &k->ip, &err);
	if (code == SP_OK) {
		code = add_ports(b, k->id, config, &k->ip, &k->want_ports, &err);
		if (code != SP_OK)
			network_ipam_release(&b->ipam, &k->ip);
	}
	if (code == SP_OK)
		link_pod(k);
	else
		finish(k, &err);
}

/* ---- detaching ---- */

static void on_unlinked(sp_host_call *c, const void *response, const sp_err *err)
{
	work *k = c->arg;
	(void)response;
	if (err == NULL) {
		/* Only now: an address in use must not be given again. */
		for (size_t i = 0; i < k->a.ips.n; i++) {
			sp_ip ip;
			if (sp_ip_parse(k->a.ips.at[i], &ip))
				give_back(k->b, &ip);
		}
	}
	if (err == NULL && k->want_ports && k->b->has_range)
		send_ports(k);
	else
		finish(k, err);
}

static void detach(sp_pod_network *n, sp_str id, const sp_pod_attachment *a, sp_pod_network_call *c)
{
	bridge *b = bridge_of(n);
	work *k = begin(b, id, c);
	sp_str *ips = sp_new(&k->arena, sp_str, a->ips.n + 1);
	bool whole = k->id.len > 0;
	for (size_t i = 0; i < a->ips.n; i++) {
		ips[i] = sp_arena_try_dup(&k->arena, a->ips.at[i]);
		whole = whole && ips[i].len == a->ips.at[i].len;
	}
	if (!whole) {
		sp_err err;
		(void)sp_fail(&err, SP_ENOMEM, "no memory to detach a pod");
		finish(k, &err);
		return;
	}
	k->a.ips.at = ips;
	k->a.ips.n = a->ips.n;
	bool had_ports = !sp_list_is_empty(&b->ports);
	drop_ports(b, k->id);
	/* The first rules of this process are drawn whatever the pod had: those of the one before may name
	 * ports of a pod that was never told to us. */
	k->want_ports = had_ports || !b->has_rules;
	/* The name follows from the id: an attachment that was never told is taken off, too. */
	const sp_host_link_remove q = {
		.host_if = SP_CONCAT(&k->arena, b->opts->if_prefix, sp_str_sub(k->id, 0, ID_CHARS))};
	k->host = (sp_host_call){.done = on_unlinked, .arg = k};
	b->opts->host->call(b->opts->host, SP_HOST_LINK_REMOVE, &q, &k->host);
}

static void cancel(sp_pod_network *n, sp_pod_network_call *c)
{
	bridge *b = bridge_of(n);
	work *k = c->impl;
	if (k == NULL)
		return;
	c->impl = NULL;
	b->opts->host->cancel(b->opts->host, &k->host);
	sp_arena_done(&k->arena);
	sp_free(k);
}

/* ---- the rest ---- */

static sp_code claim(bridge *b, const sp_ip *ip, sp_err *err)
{
	if (b->has_range)
		return network_ipam_claim(&b->ipam, ip, err);
	early_ip *e = SP_NEW(early_ip);
	e->ip = *ip;
	sp_list_push_back(&b->early, &e->node);
	return SP_OK;
}

static sp_code adopt(sp_pod_network *n, sp_str id, const sp_cri_pod_sandbox_config *config,
		     const sp_pod_attachment *a, sp_err *err)
{
	bridge *b = bridge_of(n);
	bool any = false;
	for (size_t i = 0; i < a->ips.n; i++) {
		sp_ip ip;
		if (!sp_ip_parse(a->ips.at[i], &ip))
			return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no address", SP_ARG(a->ips.at[i]));
		SP_TRY(claim(b, &ip, err));
		if (i == 0)
			SP_TRY(add_ports(b, id, config, &ip, &any, err));
	}
	return SP_OK;
}

static sp_code ready(sp_pod_network *n, sp_err *err)
{
	if (!bridge_of(n)->has_range)
		return sp_fail(err, SP_EUNAVAILABLE, "no range of pods' addresses is known yet");
	return SP_OK; /* everything else it needs is made with the first pod */
}

sp_code network_bridge_new(sp_world *w, const network_bridge_opts *opts, sp_pod_network **ret, sp_err *err)
{
	if (opts->if_prefix.len == 0 || opts->if_prefix.len + ID_CHARS > SP_HOST_IF_BYTES)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no prefix for names of interfaces",
			       SP_ARG(opts->if_prefix));
	bridge *b = SP_NEW(bridge);
	*b = (bridge){.world = w,
		      .opts = opts,
		      .base = {.attach = attach,
			       .detach = detach,
			       .cancel = cancel,
			       .adopt = adopt,
			       .ready = ready,
			       .set_range = set_range,
			       .is_stale = is_stale}};
	sp_list_init(&b->ports);
	sp_list_init(&b->early);
	sp_code code = opts->prefix.len == 0 ? SP_OK : take_range(b, opts->prefix, err);
	if (code != SP_OK) {
		network_bridge_free(&b->base);
		return code;
	}
	*ret = &b->base;
	return SP_OK;
}

void network_bridge_free(sp_pod_network *n)
{
	if (n == NULL)
		return;
	bridge *b = bridge_of(n);
	sp_list *p;
	while ((p = sp_list_pop_front(&b->ports)) != NULL)
		sp_free(SP_CONTAINER_OF(p, network_port, node));
	drop_early(b);
	network_ipam_done(&b->ipam);
	sp_free(b);
}
