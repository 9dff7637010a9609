/* SPDX-License-Identifier: Apache-2.0 */
#include "network/services/flows.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/map.h"

#define FLOWS_BYTES_MAX ((size_t)256 << 20)

/* An address and a port; the address of a node port is all zeros. */
typedef struct place {
	uint8_t bytes[18];
} place;

typedef struct places {
	place *at; /* sorted */
	size_t n;
} places;

struct net_flows {
	sp_arena arena;
	sp_map fronts; /* place to the places its flows may be answered from */
};

static place place_of(const sp_ip *ip, uint16_t port)
{
	place p = {.bytes = {[16] = (uint8_t)(port >> 8), [17] = (uint8_t)port}};
	if (ip != NULL)
		memcpy(p.bytes, ip->bytes, sizeof ip->bytes);
	return p;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(place));
}

static bool has(const places *p, const place *one)
{
	return bsearch(one, p->at, p->n, sizeof *p->at, compare) != NULL;
}

net_flows *net_flows_new(void)
{
	net_flows *f = SP_NEW(net_flows);
	sp_arena_init(&f->arena, FLOWS_BYTES_MAX);
	sp_map_init(&f->fronts);
	return f;
}

void net_flows_free(net_flows *f)
{
	if (f == NULL)
		return;
	sp_map_done(&f->fronts);
	sp_arena_done(&f->arena);
	sp_free(f);
}

static sp_code no_memory(sp_err *err)
{
	return sp_fail(err, SP_ENOMEM, "no memory for the flows of services");
}

static sp_code add_front(net_flows *f, const sp_ip *ip, uint16_t port, places *to, sp_err *err)
{
	place *front = sp_try_new(&f->arena, place, 1);
	if (front == NULL)
		return no_memory(err);
	*front = place_of(ip, port);
	return sp_map_put(&f->fronts, (sp_str){(const char *)front->bytes, sizeof front->bytes}, to, NULL) ==
			       SP_OK
		       ? SP_OK
		       : no_memory(err);
}

static sp_code add_fronts(net_flows *f, const net_strs *ips, uint16_t port, places *to, sp_err *err)
{
	for (size_t i = 0; i < ips->n; i++) {
		sp_ip ip;
		if (sp_ip_parse(ips->at[i], &ip))
			SP_TRY(add_front(f, &ip, port, to, err));
	}
	return SP_OK;
}

static sp_code read_places(net_flows *f, const net_backends *b, places **ret, sp_err *err)
{
	places *p = sp_try_new(&f->arena, places, 1);
	if (p == NULL || (p->at = sp_try_new(&f->arena, place, b->n)) == NULL)
		return no_memory(err);
	for (size_t i = 0; i < b->n; i++) {
		sp_ip ip;
		if (sp_ip_parse(b->at[i].ip, &ip))
			p->at[p->n++] = place_of(&ip, b->at[i].port);
	}
	qsort(p->at, p->n, sizeof *p->at, compare);
	*ret = p;
	return SP_OK;
}

sp_code net_flows_add(net_flows *f, const net_service *s, sp_err *err)
{
	for (size_t i = 0; i < s->n_ports; i++) {
		const net_port *p = &s->ports[i];
		places *to = NULL; /* for the analyzer */
		if (p->serving.n == 0)
			continue;
		SP_TRY(read_places(f, &p->serving, &to, err));
		SP_TRY(add_fronts(f, &s->cluster_ips, p->port, to, err));
		SP_TRY(add_fronts(f, &s->outside_ips, p->port, to, err));
		if (p->node_port != 0)
			SP_TRY(add_front(f, NULL, p->node_port, to, err));
	}
	return SP_OK;
}

bool net_flows_is_empty(const net_flows *f)
{
	return sp_map_count(&f->fronts) == 0;
}

static bool strays(const net_flows *f, const sp_ip *to, uint16_t port, const place *from)
{
	place front = place_of(to, port);
	const places *served =
		sp_map_get(&f->fronts, (sp_str){(const char *)front.bytes, sizeof front.bytes});
	return served != NULL && !has(served, from);
}

bool net_flows_is_stale(const void *f, const sp_flow *flow)
{
	place from = place_of(&flow->from, flow->from_port);
	return strays(f, &flow->to, flow->to_port, &from) || strays(f, NULL, flow->to_port, &from);
}

/* ---- what changed ---- */

static bool same_strs(const net_strs *a, const net_strs *b)
{
	bool same = a->n == b->n;
	for (size_t i = 0; same && i < a->n; i++)
		same = sp_str_eq(a->at[i], b->at[i]);
	return same;
}

static bool same_backends(const net_backends *a, const net_backends *b)
{
	bool same = a->n == b->n;
	for (size_t i = 0; same && i < a->n; i++)
		same = a->at[i].port == b->at[i].port && sp_str_eq(a->at[i].ip, b->at[i].ip);
	return same;
}

static const net_port *next_served(const net_service *s, size_t *i)
{
	while (*i < s->n_ports && s->ports[*i].serving.n == 0)
		(*i)++;
	return *i < s->n_ports ? &s->ports[(*i)++] : NULL;
}

bool net_flows_alike(const net_service *a, const net_service *b)
{
	size_t i = 0, k = 0;
	const net_port *p, *q;
	do {
		p = next_served(a, &i);
		q = next_served(b, &k);
		if (p == NULL || q == NULL)
			return p == q;
	} while (p->port == q->port && p->node_port == q->node_port &&
		 same_backends(&p->serving, &q->serving) && same_strs(&a->cluster_ips, &b->cluster_ips) &&
		 same_strs(&a->outside_ips, &b->outside_ips));
	return false;
}
