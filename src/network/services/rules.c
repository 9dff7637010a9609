/* SPDX-License-Identifier: Apache-2.0 */
#include "network/services/rules.h"

#include "base/hash.h"

#define RULES_TEXT_MAX ((size_t)8 << 20)
#define NET_CIDRS_CHAIN "cluster-ips-check"

/* ---- the tables ---- */

typedef struct family_words {
	const char *table, *address, *type, *loopback;
} family_words;

static const family_words families[NET_FAMILIES] = {
	[NET_V4] = {"ip", "ip", "ipv4_addr", "127.0.0.0/8"},
	[NET_V6] = {"ip6", "ip6", "ipv6_addr", "::1"},
};

/*
 * Traffic to a service is looked up where packets enter (from pods and other hosts) and where the host itself
 * sends. Marked flows leave with the host's address. What has a service's address and no endpoint is refused,
 * as is what has a service's address but no port of it; the filter chains come behind the translation of
 * addresses, so that what they see of these is what no service took.
 * $T is "FAMILY TABLE", $A the address word, $Y its type, $L loopback.
 */
static const char *const setup[] = {
	"add table $T",
	"delete table $T",
	"add table $T",
	"add map $T service-ips { type $Y . inet_proto . inet_service : verdict ; }",
	"add map $T service-nodeports { type inet_proto . inet_service : verdict ; }",
	"add map $T no-endpoint-services { type $Y . inet_proto . inet_service : verdict ; }",
	"add map $T no-endpoint-nodeports { type inet_proto . inet_service : verdict ; }",
	"add set $T cluster-ips { type $Y ; }",
	"add chain $T mark-for-masquerade",
	"add rule $T mark-for-masquerade meta mark set meta mark | 0x4000",
	"add chain $T reject-chain",
	"add rule $T reject-chain reject",
	"add chain $T services",
	"add rule $T services $A daddr . meta l4proto . th dport vmap @service-ips",
	("add rule $T services $A daddr != $L fib daddr type local meta l4proto . th dport vmap "
	 "@service-nodeports"),
	"add chain $T nat-prerouting { type nat hook prerouting priority -100 ; }",
	"add rule $T nat-prerouting jump services",
	"add chain $T nat-output { type nat hook output priority -100 ; }",
	"add rule $T nat-output jump services",
	"add chain $T nat-postrouting { type nat hook postrouting priority 100 ; }",
	"add rule $T nat-postrouting meta mark & 0x4000 == 0 return",
	"add rule $T nat-postrouting meta mark set meta mark ^ 0x4000",
	"add rule $T nat-postrouting masquerade fully-random",
	"add chain $T no-endpoints",
	"add rule $T no-endpoints $A daddr . meta l4proto . th dport vmap @no-endpoint-services",
	("add rule $T no-endpoints $A daddr != $L fib daddr type local meta l4proto . th dport vmap "
	 "@no-endpoint-nodeports"),
	("add chain $T " NET_CIDRS_CHAIN),
	"add chain $T filter-input { type filter hook input priority 0 ; }",
	"add rule $T filter-input ct state new jump no-endpoints",
	"add chain $T filter-forward { type filter hook forward priority 0 ; }",
	"add rule $T filter-forward ct state new jump no-endpoints",
	("add rule $T filter-forward ct state new jump " NET_CIDRS_CHAIN),
	"add chain $T filter-output { type filter hook output priority 0 ; }",
	"add rule $T filter-output ct state new jump no-endpoints",
	("add rule $T filter-output ct state new jump " NET_CIDRS_CHAIN),
};

static void put_line(sp_buf *out, const char *line, const family_words *w)
{
	for (; *line != '\0'; line++) {
		if (*line != '$') {
			(void)sp_buf_char(out, *line); /* sticky */
			continue;
		}
		line++;
		switch (*line) {
		case 'T':
			(void)sp_buf_printf(out, "%s " NET_TABLE, w->table);
			break;
		case 'A':
			(void)sp_buf_printf(out, "%s", w->address);
			break;
		case 'Y':
			(void)sp_buf_printf(out, "%s", w->type);
			break;
		default:
			(void)sp_buf_printf(out, "%s", w->loopback);
			break;
		}
	}
	(void)sp_buf_char(out, '\n');
}

sp_code net_rules_setup(sp_buf *out)
{
	for (size_t f = 0; f < NET_FAMILIES; f++) {
		for (size_t i = 0; i < SP_LEN(setup); i++)
			put_line(out, setup[i], &families[f]);
	}
	return sp_buf_code(out);
}

sp_code net_rules_remove(sp_buf *out)
{
	for (size_t f = 0; f < NET_FAMILIES; f++) {
		put_line(out, "add table $T", &families[f]);
		put_line(out, "delete table $T", &families[f]);
	}
	return sp_buf_code(out);
}

/* ---- the objects of a service ---- */

typedef struct drawing {
	sp_arena *arena;
	const net_service *service;
	const family_words *words;
	net_rules rules;
	size_t room;
	bool failed; /* no memory */
} drawing;

static void put(drawing *d, net_rule_kind kind, sp_str name, sp_str key, sp_str body)
{
	if (d->rules.n == d->room) {
		size_t room = d->room == 0 ? 16 : 2 * d->room;
		net_rule *at =
			sp_arena_try_grow(d->arena, d->rules.at, d->room * sizeof *at, room * sizeof *at);
		if (at == NULL) {
			d->failed = true;
			return;
		}
		d->rules.at = at;
		d->room = room;
	}
	d->failed |= name.ptr == NULL || (body.ptr == NULL && kind != NET_CHAIN);
	d->rules.at[d->rules.n++] = (net_rule){kind, name, key, body};
}

/* Names are what people see in `nft list`; the digits make them one of a kind. */
static sp_str chain_name(drawing *d, const char *what, const net_port *p)
{
	const net_service *s = d->service;
	sp_str whole = sp_arena_printf(d->arena, SP_FMT "/" SP_FMT "/" SP_FMT "/" SP_FMT, SP_ARG(s->ns),
				       SP_ARG(s->name), SP_ARG(p->protocol), SP_ARG(p->name));
	return sp_arena_printf(d->arena, "%s-%08x-" SP_FMT "/" SP_FMT, what,
			       (unsigned)(sp_fnv1a64(whole) & 0xffffffff), SP_ARG(sp_str_sub(s->ns, 0, 40)),
			       SP_ARG(sp_str_sub(s->name, 0, 50)));
}

static sp_str endpoint_name(drawing *d, const net_port *p, const net_backend *b)
{
	sp_str whole = sp_arena_printf(d->arena, SP_FMT "/" SP_FMT "/" SP_FMT "/" SP_FMT "/" SP_FMT "/%u",
				       SP_ARG(d->service->ns), SP_ARG(d->service->name), SP_ARG(p->protocol),
				       SP_ARG(p->name), SP_ARG(b->ip), (unsigned)b->port);
	return sp_arena_printf(d->arena, "endpoint-%016llx", (unsigned long long)sp_fnv1a64(whole));
}

/* The timeout belongs to the name: a set in use cannot be changed. */
static sp_str affinity_name(drawing *d, sp_str endpoint)
{
	return sp_arena_printf(d->arena, "affinity-" SP_FMT "-%u",
			       SP_ARG(sp_str_sub(endpoint, strlen("endpoint-"), endpoint.len)),
			       d->service->affinity_s);
}

static void draw_endpoint(drawing *d, const net_port *p, const net_backend *b)
{
	sp_str name = endpoint_name(d, p, b);
	const char *word = d->words->address;
	bool v6 = sp_str_index(b->ip, ':') >= 0;
	sp_str affinity = SP_STR("");
	if (d->service->affinity_s > 0) {
		sp_str set = affinity_name(d, name);
		put(d, NET_SET, set, SP_STR(""),
		    sp_arena_printf(d->arena, "{ type %s ; flags dynamic,timeout ; timeout %us ; }",
				    d->words->type, d->service->affinity_s));
		affinity = sp_arena_printf(d->arena, "update @" SP_FMT " { %s saddr }\n", SP_ARG(set), word);
	}
	/* A pod that reaches itself through its service must not see its own address come back. */
	put(d, NET_CHAIN, name, SP_STR(""),
	    sp_arena_printf(d->arena,
			    "%s saddr " SP_FMT " jump mark-for-masquerade\n" SP_FMT "meta l4proto " SP_FMT
			    " dnat to %s" SP_FMT "%s:%u\n",
			    word, SP_ARG(b->ip), SP_ARG(affinity), SP_ARG(p->protocol), v6 ? "[" : "",
			    SP_ARG(b->ip), v6 ? "]" : "", (unsigned)b->port));
}

static bool has_backend(const net_backends *all, const net_backend *b)
{
	for (size_t i = 0; i < all->n; i++) {
		if (all->at[i].port == b->port && sp_str_eq(all->at[i].ip, b->ip))
			return true;
	}
	return false;
}

/* Endpoints that were chosen before by this client first, then any of them alike. */
static sp_str draw_choice(drawing *d, const net_port *p, const net_backends *among)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, RULES_TEXT_MAX);
	for (size_t i = 0; i < among->n && d->service->affinity_s > 0; i++) {
		sp_str name = endpoint_name(d, p, &among->at[i]), set = affinity_name(d, name);
		(void)sp_buf_printf(&text, "%s saddr @" SP_FMT " goto " SP_FMT "\n", d->words->address,
				    SP_ARG(set), SP_ARG(name));
	}
	(void)sp_buf_printf(&text, "numgen random mod %zu vmap {", among->n);
	for (size_t i = 0; i < among->n; i++)
		(void)sp_buf_printf(&text, "%s %zu : goto " SP_FMT, i == 0 ? "" : ",", i,
				    SP_ARG(endpoint_name(d, p, &among->at[i])));
	(void)sp_buf_str(&text, SP_STR(" }\n"));
	d->failed |= sp_buf_code(&text) != SP_OK;
	return sp_arena_try_dup(d->arena, sp_buf_view(&text));
}

static void put_element(drawing *d, const char *map, sp_str key, sp_str verdict)
{
	put(d, NET_ELEMENT, sp_str_c(map), key, verdict);
}

static sp_str address_key(drawing *d, sp_str ip, const net_port *p)
{
	return sp_arena_printf(d->arena, SP_FMT " . " SP_FMT " . %u", SP_ARG(ip), SP_ARG(p->protocol),
			       (unsigned)p->port);
}

static sp_str node_key(drawing *d, const net_port *p)
{
	return sp_arena_printf(d->arena, SP_FMT " . %u", SP_ARG(p->protocol), (unsigned)p->node_port);
}

/* From outside of the cluster: the source range first, then by policy. Returns where such traffic goes. */
static sp_str draw_outside(drawing *d, const net_port *p, sp_str inside)
{
	const net_service *s = d->service;
	sp_str name = chain_name(d, "external", p);
	if (!s->external_local) {
		put(d, NET_CHAIN, name, SP_STR(""),
		    sp_arena_printf(d->arena, "jump mark-for-masquerade\ngoto " SP_FMT "\n", SP_ARG(inside)));
		return name;
	}
	/* The host itself may use every endpoint; others keep their address and get local ones only. */
	sp_str own = sp_arena_printf(d->arena,
				     "fib saddr type local jump mark-for-masquerade\n"
				     "fib saddr type local goto " SP_FMT "\n",
				     SP_ARG(inside));
	sp_str rest = p->local.n > 0 ? draw_choice(d, p, &p->local) : SP_STR("drop\n");
	put(d, NET_CHAIN, name, SP_STR(""), SP_CONCAT(d->arena, own, rest));
	return name;
}

static sp_str draw_firewall(drawing *d, const net_port *p, sp_str outside)
{
	const net_service *s = d->service;
	SP_AUTO_BUF text;
	sp_buf_init(&text, RULES_TEXT_MAX);
	if (s->sources.n == 0)
		return outside;
	sp_str name = chain_name(d, "firewall", p);
	for (size_t i = 0; i < s->sources.n; i++)
		(void)sp_buf_printf(&text, "%s saddr " SP_FMT " goto " SP_FMT "\n", d->words->address,
				    SP_ARG(s->sources.at[i]), SP_ARG(outside));
	(void)sp_buf_str(&text, SP_STR("drop\n"));
	d->failed |= sp_buf_code(&text) != SP_OK;
	put(d, NET_CHAIN, name, SP_STR(""), sp_arena_try_dup(d->arena, sp_buf_view(&text)));
	return name;
}

/* Nobody to send it to: refused where the packet is filtered, so that clients know at once. */
static void draw_refusal(drawing *d, const net_port *p)
{
	const net_service *s = d->service;
	sp_str refuse = SP_STR("goto reject-chain");
	for (size_t i = 0; i < s->cluster_ips.n; i++)
		put_element(d, "no-endpoint-services", address_key(d, s->cluster_ips.at[i], p), refuse);
	for (size_t i = 0; i < s->outside_ips.n; i++)
		put_element(d, "no-endpoint-services", address_key(d, s->outside_ips.at[i], p), refuse);
	if (p->node_port != 0)
		put_element(d, "no-endpoint-nodeports", node_key(d, p), refuse);
}

static sp_str go_to(drawing *d, sp_str chain)
{
	return sp_arena_printf(d->arena, "goto " SP_FMT, SP_ARG(chain));
}

static void draw_inside(drawing *d, const net_port *p, sp_str service)
{
	const net_service *s = d->service;
	sp_str to = service;
	if (s->internal_local) {
		to = chain_name(d, "local", p);
		put(d, NET_CHAIN, to, SP_STR(""),
		    p->local.n > 0 ? draw_choice(d, p, &p->local) : SP_STR("drop\n"));
	}
	for (size_t i = 0; i < s->cluster_ips.n; i++)
		put_element(d, "service-ips", address_key(d, s->cluster_ips.at[i], p), go_to(d, to));
}

static void draw_port(drawing *d, const net_port *p)
{
	const net_service *s = d->service;
	if (p->all.n == 0) {
		draw_refusal(d, p);
		return;
	}
	for (size_t i = 0; i < p->all.n; i++)
		draw_endpoint(d, p, &p->all.at[i]);
	for (size_t i = 0; i < p->local.n; i++) {
		if (!has_backend(&p->all, &p->local.at[i])) /* ending here while others are ready elsewhere */
			draw_endpoint(d, p, &p->local.at[i]);
	}
	sp_str service = chain_name(d, "service", p);
	put(d, NET_CHAIN, service, SP_STR(""), draw_choice(d, p, &p->all));
	draw_inside(d, p, service);
	if (s->outside_ips.n == 0 && p->node_port == 0)
		return;
	sp_str outside = draw_outside(d, p, service), guarded = draw_firewall(d, p, outside);
	for (size_t i = 0; i < s->outside_ips.n; i++)
		put_element(d, "service-ips", address_key(d, s->outside_ips.at[i], p), go_to(d, guarded));
	if (p->node_port != 0)
		put_element(d, "service-nodeports", node_key(d, p), go_to(d, outside));
}

sp_code net_rules_of(sp_arena *a, const net_service *s, net_family family, net_rules *ret, sp_err *err)
{
	drawing d = {.arena = a, .service = s, .words = &families[family]};
	for (size_t i = 0; i < s->cluster_ips.n && s->n_ports > 0; i++)
		put_element(&d, "cluster-ips", s->cluster_ips.at[i], SP_STR(""));
	for (size_t i = 0; i < s->n_ports; i++)
		draw_port(&d, &s->ports[i]);
	if (d.failed)
		return sp_fail(err, SP_ENOMEM, "no memory for the rules of a service");
	*ret = d.rules;
	return SP_OK;
}

sp_code net_rules_of_cidrs(sp_arena *a, const net_strs *cidrs, net_family family, net_rules *ret, sp_err *err)
{
	drawing d = {.arena = a, .words = &families[family]};
	SP_AUTO_BUF text;
	sp_buf_init(&text, RULES_TEXT_MAX);
	(void)sp_buf_printf(&text, "%s daddr @cluster-ips reject\n", d.words->address);
	for (size_t i = 0; i < cidrs->n; i++)
		(void)sp_buf_printf(&text, "%s daddr " SP_FMT " drop\n", d.words->address,
				    SP_ARG(cidrs->at[i]));
	sp_str body = sp_arena_try_dup(a, sp_buf_view(&text));
	put(&d, NET_CHAIN, SP_STR(NET_CIDRS_CHAIN), SP_STR(""), body);
	if (d.failed || body.ptr == NULL || sp_buf_code(&text) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for the rules of services' prefixes");
	*ret = d.rules;
	return SP_OK;
}
