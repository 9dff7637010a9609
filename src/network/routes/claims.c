/* SPDX-License-Identifier: Apache-2.0 */
#include "network/routes/claims.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/time.h"
#include "kube/view.h"

/* ---- a node ---- */

static void add_prefix(net_claim *c, sp_str text)
{
	if (c->n_prefixes < NET_CLAIM_PREFIXES_MAX && sp_cidr_parse(text, &c->prefixes[c->n_prefixes]))
		c->n_prefixes++;
}

static void read_prefixes(yyjson_val *node, net_claim *c)
{
	yyjson_val *many = sp_view_at(node, "spec.podCIDRs"), *item;
	size_t i, n;
	yyjson_arr_foreach(many, i, n, item)
	{
		add_prefix(c, sp_json_str(item));
	}
	if (many == NULL)
		add_prefix(c, sp_view_str_at(node, "spec.podCIDR"));
}

static void read_addresses(yyjson_val *node, net_claim *c)
{
	yyjson_val *item;
	size_t i, n;
	yyjson_arr_foreach(sp_view_at(node, "status.addresses"), i, n, item)
	{
		sp_str type = sp_view_str_at(item, "type");
		bool internal = sp_str_eq(type, SP_STR("InternalIP"));
		if ((!internal && !sp_str_eq(type, SP_STR("ExternalIP"))) ||
		    c->n_addresses == NET_CLAIM_ADDRESSES_MAX ||
		    !sp_ip_parse(sp_view_str_at(item, "address"), &c->addresses[c->n_addresses]))
			continue;
		c->is_internal[c->n_addresses++] = internal;
	}
}

bool net_claim_read(sp_arena *a, sp_str node_json, net_claim *ret)
{
	yyjson_val *node;
	sp_time born;
	net_claim c = {.born_s = INT64_MAX}; /* without an age: the youngest */
	if (sp_json_parse(a, node_json, &node, NULL) != SP_OK)
		return false;
	c.name = sp_view_str_at(node, "metadata.name");
	if (sp_time_parse(sp_view_str_at(node, "metadata.creationTimestamp"), &born, NULL) == SP_OK)
		c.born_s = born.seconds;
	read_prefixes(node, &c);
	read_addresses(node, &c);
	*ret = c;
	return true;
}

/* ---- all of them ---- */

static int by_age(const void *a, const void *b)
{
	const net_claim *x = a, *y = b;
	if (x->born_s != y->born_s)
		return x->born_s < y->born_s ? -1 : 1;
	return sp_str_cmp(x->name, y->name);
}

static const sp_ip *gateway_of(const net_claim *c, bool v4)
{
	for (size_t i = 0; i < c->n_addresses; i++) {
		if (c->is_internal[i] && c->addresses[i].v4 == v4)
			return &c->addresses[i];
	}
	return NULL;
}

static bool is_within(const net_grants *g, const sp_cidr *prefix)
{
	for (size_t i = 0; i < g->n_clusters; i++) {
		if (g->clusters[i].ip.v4 == prefix->ip.v4 && g->clusters[i].n_bits <= prefix->n_bits &&
		    sp_cidr_contains(&g->clusters[i], &prefix->ip))
			return true;
	}
	return g->n_clusters == 0;
}

static bool has_address(const net_claim *c, const sp_cidr *prefix)
{
	for (size_t i = 0; i < c->n_addresses; i++) {
		if (sp_cidr_contains(prefix, &c->addresses[i]))
			return true;
	}
	return false;
}

/* Of the claims, which are sorted, that at place `of` is the claimant. Where the cluster's range is known it
 * keeps prefixes off younger nodes' addresses, and one that a younger node says to have in there is no reason
 * to take away the prefix of an older one. */
static bool holds_a_node(const net_grants *g, const net_claim *claims, size_t n, size_t of,
			 const sp_cidr *prefix)
{
	for (size_t i = 0; i < n; i++) {
		bool counts = i <= of || g->n_clusters == 0 || sp_str_eq(claims[i].name, g->own);
		if (counts && has_address(&claims[i], prefix))
			return true;
	}
	return false;
}

/* Prefixes that are somebody's. One node's second prefix may lie in its first: both lead to the same place.
 */
typedef struct granted {
	const net_claim *own; /* NULL: not among the nodes */
	const sp_route *at;
	size_t n;
} granted;

static bool is_taken(const granted *g, const sp_cidr *prefix)
{
	for (size_t i = 0; g->own != NULL && i < g->own->n_prefixes; i++) {
		if (sp_cidr_overlaps(&g->own->prefixes[i], prefix))
			return true;
	}
	for (size_t i = 0; i < g->n; i++) {
		if (sp_cidr_overlaps(&g->at[i].to, prefix))
			return true;
	}
	return false;
}

static const char *fault_of(const net_grants *g, const net_claim *claims, size_t n, size_t of,
			    const granted *before, const sp_route *r)
{
	if (!sp_route_is_sane(r))
		return "pods can't have it, or its node's address";
	if (!is_within(g, &r->to))
		return "it lies outside of --cluster-cidr";
	if (holds_a_node(g, claims, n, of, &r->to))
		return "the address of a node lies in it";
	return is_taken(before, &r->to) ? "it overlaps that of another node" : NULL;
}

size_t net_grants_make(const net_grants *g, net_claim *claims, size_t n, sp_route *out)
{
	granted before = {.at = out};
	size_t made = 0;
	if (n > 1)
		qsort(claims, n, sizeof *claims, by_age);
	for (size_t i = 0; i < n && before.own == NULL; i++) {
		if (sp_str_eq(claims[i].name, g->own))
			before.own = &claims[i];
	}
	for (size_t i = 0; i < n; i++) {
		const net_claim *c = &claims[i];
		before.n = made; /* of older nodes */
		for (size_t k = 0; k < c->n_prefixes && c != before.own; k++) {
			const sp_ip *via = gateway_of(c, c->prefixes[k].ip.v4);
			if (via == NULL)
				continue;
			sp_route *r = &out[made];
			*r = (sp_route){.to = c->prefixes[k], .via = *via};
			const char *why = fault_of(g, claims, n, i, &before, r);
			if (why == NULL)
				made++;
			else if (g->refused != NULL)
				g->refused(g->arg, c, &c->prefixes[k], why);
		}
	}
	return made;
}
