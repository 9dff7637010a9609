/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/node_zones.h"

#include <string.h>

#include "base/alloc.h"

#define NS_PER_S 1e9

static const node_zone_limits usual = {.rate = 0.1, .secondary_rate = 0.01, .unhealthy = 0.55, .large = 50};

void node_zones_init(node_zones *z, const node_zone_limits *limits)
{
	sp_map_init(&z->zones);
	z->limits = limits != NULL ? limits : &usual;
}

void node_zones_done(node_zones *z)
{
	sp_map_done_values(&z->zones);
}

static node_zone *zone_of(node_zones *z, sp_str key)
{
	node_zone *found = sp_map_get(&z->zones, key);
	if (found != NULL)
		return found;
	found = sp_try_alloc(sizeof *found + key.len);
	if (found == NULL)
		return NULL;
	found->key_len = key.len;
	if (key.len > 0)
		memcpy(found->key, key.ptr, key.len);
	if (sp_map_put(&z->zones, (sp_str){found->key, key.len}, found, NULL) == SP_OK)
		return found;
	sp_free(found);
	return NULL;
}

/* ---- states ---- */

static node_zone_state state_of(const node_zone *zone, const node_zone_limits *l)
{
	size_t n = zone->n_ready + zone->n_unready;
	if (zone->n_ready == 0 && zone->n_unready > 0)
		return NODE_ZONE_FULL;
	return zone->n_unready > 2 && (double)zone->n_unready / (double)n >= l->unhealthy ? NODE_ZONE_PARTIAL
											  : NODE_ZONE_NORMAL;
}

/* Turns of nodes per second. A zone that is wholly out has the usual rate: its pods are of use elsewhere. */
static double rate_of(const node_zones *z, const node_zone *zone)
{
	if (z->all_are_full)
		return 0;
	if (zone->state != NODE_ZONE_PARTIAL)
		return z->limits->rate;
	return zone->n_ready + zone->n_unready > z->limits->large ? z->limits->secondary_rate : 0;
}

static bool look_at_all(node_zones *z)
{
	bool all = true, any = false, was = z->all_are_full;
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&z->zones, &i)) != NULL;) {
		const node_zone *zone = e->value;
		bool has_nodes = zone->n_ready + zone->n_unready > 0;
		any = any || has_nodes;
		all = all && (!has_nodes || zone->state == NODE_ZONE_FULL);
	}
	z->all_are_full = any && all;
	return z->all_are_full != was;
}

static bool look_at(node_zones *z, node_zone *zone)
{
	node_zone_state now = state_of(zone, z->limits);
	bool changed = now != zone->state;
	zone->state = now;
	zone->epoch += changed;
	zone->is_new_rate = zone->is_new_rate || changed;
	return look_at_all(z) || changed;
}

static void count(node_place *p, size_t by)
{
	if (!p->counts)
		return;
	if (p->is_ready)
		p->zone->n_ready += by;
	else
		p->zone->n_unready += by;
}

sp_code node_zones_note(node_zones *z, node_place *p, sp_str key, bool counts, bool is_ready,
			bool *ret_changed)
{
	node_zone *zone = zone_of(z, key), *before = p->zone;
	if (zone == NULL)
		return SP_ENOMEM;
	if (before != NULL)
		count(p, SIZE_MAX); /* one less */
	p->has_turn = p->has_turn && before == zone && !is_ready;
	p->zone = zone;
	p->counts = counts;
	p->is_ready = is_ready;
	count(p, 1);
	bool changed = before != NULL && before != zone && look_at(z, before);
	*ret_changed = look_at(z, zone) || changed;
	return SP_OK;
}

bool node_zones_forget(node_zones *z, node_place *p)
{
	node_zone *zone = p->zone;
	if (zone == NULL)
		return false;
	count(p, SIZE_MAX);
	*p = (node_place){.zone = NULL};
	return look_at(z, zone);
}

/* ---- turns ---- */

bool node_zones_may_evict(const node_zones *z, node_place *p, uint64_t now_ns, uint64_t *ret_wait_ns)
{
	*ret_wait_ns = 0;
	node_zone *zone = p->zone;
	double rate = zone == NULL ? 0 : rate_of(z, zone);
	if (zone == NULL || rate <= 0) {
		p->has_turn = false;
		return false;
	}
	uint64_t each_ns = (uint64_t)(NS_PER_S / rate);
	if (zone->is_new_rate) /* turns given at the old one hold nobody up */
		zone->next_ns = SP_MIN(zone->next_ns, now_ns + each_ns);
	zone->is_new_rate = false;
	if (!p->has_turn || p->epoch != zone->epoch) {
		p->turn_ns = SP_MAX(zone->next_ns, now_ns);
		zone->next_ns = p->turn_ns + each_ns;
		p->has_turn = true;
		p->epoch = zone->epoch;
	}
	*ret_wait_ns = p->turn_ns > now_ns ? p->turn_ns - now_ns : 0;
	return p->turn_ns <= now_ns;
}
