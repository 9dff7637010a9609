/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/topology_hints.h"

#include <math.h>

#define OVERLOAD 0.2 /* that a zone may be exposed to */

const char *topology_message(topology_outcome o)
{
	static const char *const messages[] = {
		[TOPOLOGY_HINTED] = "Topology Aware Hints has been enabled",
		[TOPOLOGY_NO_NODES] = "Insufficient Node information: allocatable CPU or zone not specified "
				      "on one or more nodes",
		[TOPOLOGY_FEW_ENDPOINTS] = "Insufficient number of endpoints",
		[TOPOLOGY_OVERLOAD] = "Unable to allocate minimum required endpoints to each zone without "
				      "exceeding overload threshold",
		[TOPOLOGY_NO_ZONE] = "One or more endpoints do not have a zone specified",
	};
	return messages[o];
}

static topology_zone *find(topology_zone *zones, size_t n, sp_str name)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(zones[i].name, name))
			return &zones[i];
	}
	return NULL;
}

/* ---- what each zone should get ---- */

static topology_outcome allocate(topology_zone *zones, size_t n_zones, size_t n)
{
	size_t total = 0;
	if (n_zones < 2)
		return TOPOLOGY_NO_NODES;
	if (n_zones > n)
		return TOPOLOGY_FEW_ENDPOINTS;
	for (size_t i = 0; i < n_zones; i++) {
		topology_zone *z = &zones[i];
		double desired = z->ratio * (double)n;
		z->least = (size_t)ceil(desired * (1 / (1 + OVERLOAD)));
		z->desired = fmax(desired, (double)z->least);
		z->n = z->gives = z->receives = 0;
		total += z->least;
	}
	if (total > n)
		return TOPOLOGY_OVERLOAD;
	for (size_t i = 0; i < n_zones; i++)
		zones[i].most = zones[i].least + n - total;
	return TOPOLOGY_HINTED;
}

/* ---- hints that stand ---- */

static void count(topology_zone *zones, size_t n_zones, const topology_slice *s, bool back)
{
	for (size_t i = 0; i < s->n; i++) {
		topology_zone *z =
			s->endpoints[i]->is_ready ? find(zones, n_zones, s->endpoints[i]->hint) : NULL;
		if (z != NULL)
			z->n += back ? (size_t)-1 : 1;
	}
}

/* Its hints may stay: they are whole, and no zone gets too many by them. Then they are counted. */
static bool stands(topology_zone *zones, size_t n_zones, const topology_slice *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->endpoints[i]->is_ready && find(zones, n_zones, s->endpoints[i]->hint) == NULL)
			return false;
	}
	count(zones, n_zones, s, false);
	for (size_t i = 0; i < n_zones; i++) {
		if (zones[i].n > zones[i].most) {
			count(zones, n_zones, s, true);
			return false;
		}
	}
	return true;
}

/* ---- who gives to whom ---- */

static double surplus(const topology_zone *z)
{
	return (double)z->n - (double)z->gives + (double)z->receives - z->desired;
}

static topology_zone *most(topology_zone *zones, size_t n, double sign)
{
	topology_zone *best = NULL;
	for (size_t i = 0; i < n; i++) {
		double s = sign * surplus(&zones[i]);
		if (s > 0 && (best == NULL || s > sign * surplus(best)))
			best = &zones[i];
	}
	return best;
}

static void settle(topology_zone *zones, size_t n)
{
	for (;;) {
		topology_zone *giver = most(zones, n, 1), *taker = most(zones, n, -1);
		if (giver == NULL || taker == NULL)
			return;
		double gives = surplus(giver), takes = -surplus(taker);
		if ((gives < 1 && takes < 1) || gives < 0.5 || takes < 0.5)
			return;
		giver->gives++;
		taker->receives++;
	}
}

static topology_zone *next_taker(topology_zone *zones, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (zones[i].receives > 0)
			return &zones[i];
	}
	return NULL;
}

static void redistribute(topology_zone *zones, size_t n_zones, const topology_slice *s)
{
	for (size_t i = 0; i < s->n; i++) {
		topology_endpoint *e = s->endpoints[i];
		topology_zone *giver = e->is_ready ? find(zones, n_zones, e->zone) : NULL;
		topology_zone *taker = next_taker(zones, n_zones);
		if (giver == NULL || giver->gives == 0 || taker == NULL)
			continue;
		e->hint = taker->name;
		giver->gives--;
		taker->receives--;
	}
}

/* ---- all ---- */

/* False: an endpoint has no zone. */
static bool hint_own(topology_zone *zones, size_t n_zones, const topology_slice *s)
{
	for (size_t i = 0; i < s->n; i++) {
		topology_endpoint *e = s->endpoints[i];
		if (!e->is_ready)
			continue;
		if (e->zone.len == 0)
			return false;
		e->hint = e->zone;
	}
	count(zones, n_zones, s, false);
	return true;
}

static size_t clear(topology_slice *slices, size_t n_slices, bool all)
{
	size_t n = 0;
	for (size_t i = 0; i < n_slices; i++) {
		for (size_t k = 0; k < slices[i].n; k++) {
			topology_endpoint *e = slices[i].endpoints[k];
			n += e->is_ready;
			if (all || !e->is_ready)
				e->hint = (sp_str){NULL, 0};
		}
	}
	return n;
}

static topology_outcome hint(topology_zone *zones, size_t n_zones, topology_slice *slices, size_t n_slices)
{
	for (size_t i = 0; i < n_slices; i++) {
		if (!slices[i].is_written && !stands(zones, n_zones, &slices[i]))
			slices[i].is_written = true;
	}
	for (size_t i = 0; i < n_slices; i++) {
		if (slices[i].is_written && !hint_own(zones, n_zones, &slices[i]))
			return TOPOLOGY_NO_ZONE;
	}
	settle(zones, n_zones);
	for (size_t i = 0; i < n_slices; i++) {
		if (slices[i].is_written)
			redistribute(zones, n_zones, &slices[i]);
	}
	return TOPOLOGY_HINTED;
}

topology_outcome topology_hints(topology_zone *zones, size_t n_zones, topology_slice *slices, size_t n_slices,
				size_t *ret_n)
{
	*ret_n = clear(slices, n_slices, false);
	topology_outcome o = allocate(zones, n_zones, *ret_n);
	if (o == TOPOLOGY_HINTED)
		o = hint(zones, n_zones, slices, n_slices);
	if (o != TOPOLOGY_HINTED)
		(void)clear(slices, n_slices, true);
	return o;
}
